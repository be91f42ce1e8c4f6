"""What a load did, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from esmm.ingest.parts import told

if TYPE_CHECKING:
    from esmm.ingest.report import LoadReport


def summary(report: "LoadReport", *, dry_run: bool = False) -> str:
    """Say what a load did, so that the numbers add up."""
    if report.was_whole:
        return f"{report.part} is stored, and {report.index} was whole before: nothing to do"
    lines = [f"{report.read:,} lines read: {_stored(report, dry_run=dry_run)}, {report.rejected:,} rejected"]
    for clause, count in report.encoded.items():
        if count + report.cached[clause]:
            lines.append(f"  {clause} vectors: {count:,} encoded, {report.cached[clause]:,} known from before")
    lines += [f"  {field}: written for {count:,} products" for field, count in report.vectors.items()]
    if report.rejected:
        lines += [f"  {reason}" for reason in report.reasons] + [f"  all rejected lines: {report.rejected_file}"]
    if report.photo_faults:
        lines.append(f"  {report.photo_faults:,} photos could not be used: {report.photo_faults_file}")
    if report.deleted:
        lines.append(f"  {report.deleted:,} products deleted that the catalogue does not have")
    if report.missing:
        lines.append(f"  {report.missing:,} products kept that the catalogue does not have (--sync deletes them)")
    return "\n".join(lines if dry_run else [*lines, *_outcome(report)])


def _stored(report: "LoadReport", *, dry_run: bool) -> str:
    if dry_run:
        return f"{report.stored:,} would be stored"
    if report.in_place:
        return f"{report.new:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged"
    before = f" ({report.unchanged:,} of them by the load that was stopped)" if report.unchanged else ""
    return f"{report.stored:,} stored in {report.index}{before}"


def _outcome(report: "LoadReport") -> Iterator[str]:
    took = f"after {report.seconds:.1f} s ({report.stored / report.seconds:,.0f} products/s)"
    if report.open_parts:
        yield f"{report.part} is stored in {report.index} {took}"
        yield f"the alias moves with the last part; missing: {told(report.open_parts)}"
    elif report.in_place:
        yield f"{report.index} is up to date {took}"
    else:
        kept = f"; {report.previous} is kept for esmm rollback" if report.previous else ""
        yield f"alias {report.alias} -> {report.index} {took}{kept}"
    yield from (f"  deleted the older {name}" for name in report.dropped)
