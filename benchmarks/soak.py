"""Loads for half an hour through a proxy that gets in the way, killed at random, on a node that is restarted at random.

Each load offers a catalogue of its own, with some lines that cannot be stored; half of the loads bring the index in use
up to date, the others fill a new version. A load that was killed or gave up is started again, half of the times with a
newer catalogue. After each load that ended well the index is compared with what was offered: documents, contents and
vectors.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from elasticsearch import Elasticsearch, helpers

from benchmarks.common import publish, table
from esmm.encoders.digest import DigestEncoder
from tests import wire
from tests.breakable import own_node, restart

PRODUCTS, BAD, BATCH = 4000, 0.005, 256
SHARE, LIMIT = 0.1, 100_000  # of requests that meet a fault; bytes of the largest bulk request
ALIAS = "soak"
RECIPE = f"""
[index]
name = "{ALIAS}"
analyzer = "standard"
[fields]
title = {{ type = "text", embed = 1 }}
price = {{ type = "double" }}
added = {{ type = "date" }}
[text]
model = "digest-32"
"""
REASONS = {
    "price": "price must be a number",
    "added": "failed to parse field [added]",
    "id": "was given on line",
    "torn": "not JSON",
}


@dataclass
class Tally:
    """What happened, and what the index held after the loads that ended well."""

    counts: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    gave_up: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Catalogue:
    """Lines to offer; ``good`` are the products that must be stored, ``bad`` the reasons of other lines by number."""

    lines: list[str]
    good: dict[str, dict[str, Any]]
    bad: dict[int, str]


class Meter:
    """Counts the bulk requests that come by, and lets the faults decide."""

    def __init__(self, faults: wire.RandomFaults) -> None:
        self.faults, self.bulks = faults, 0

    def __call__(self, request: wire.Request) -> wire.Answer | None:
        """Count and decide."""
        self.bulks += request.is_bulk
        return self.faults(request)


def catalogue(draw: random.Random, edition: int) -> Catalogue:
    """Return some thousand products, of which every second one is new in each edition, and bad lines between them."""
    lines, good, bad = list[str](), dict[str, dict[str, Any]](), dict[int, str]()
    for number in range(PRODUCTS):
        words = f"of edition {edition}, lot {draw.random()}" if number % 2 else "as ever"
        product = _product(f"p{number}", f"lamp {number} {words}", number / 4)
        good[f"p{number}"] = product
        lines.append(json.dumps(product))
        if draw.random() < BAD:
            kind = draw.choice([*REASONS])
            wrong = {"price": "dear", "added": "some day", "id": "p0", "torn": None}
            line = json.dumps(_product(f"bad-{number}", "lamp", 1.0) | {kind: wrong[kind]})
            lines.append(line[: 20 if kind == "torn" else None])
            bad[len(lines)] = kind
    return Catalogue(lines, good, bad)


def _product(name: str, title: str, price: float) -> dict[str, Any]:
    return {"id": name, "title": title, "price": price, "added": "2026-01-02"}


class Soak:
    """The run: a folder to work in, a node in it, a proxy before it, and the blows that are still to fall."""

    def __init__(self, folder: Path, direct: str, *, plan: list[str], seconds: float, seed: int) -> None:
        self.folder, self.direct, self.plan, self.seconds = folder, direct, plan, seconds
        self.draw, self.tally = random.Random(seed), Tally()
        self.begun, self.blows = time.monotonic(), len(plan)
        (folder / "esmm.toml").write_text(RECIPE, encoding="utf-8")

    @property
    def past(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begun

    def run(self, through: str, meter: Meter) -> None:
        """Load edition after edition until the time is over and all blows have fallen."""
        edition, offered = 0, catalogue(self.draw, 0)
        client = Elasticsearch(self.direct, request_timeout=60)
        while self.past < self.seconds or self.plan:
            (self.folder / "catalog.jsonl").write_text("\n".join(offered.lines) + "\n", encoding="utf-8")
            done = self.load(through, meter)
            if done:
                self.compare(client, offered, done)
            if done or self.draw.random() < 0.5:
                edition += 1
                offered = catalogue(self.draw, edition)
            print(f"{self.past:.0f} s", dict(self.tally.counts), file=sys.stderr, flush=True)

    def load(self, through: str, meter: Meter) -> dict[str, Any] | None:
        """Run one load as a user does; let a blow fall on it if one is due. Return the summary of success."""
        anew = ["--new-version"] if self.draw.random() < 0.5 else []
        command = [
            sys.executable,
            "-m",
            "esmm",
            "ingest",
            "catalog.jsonl",
            *anew,
            "--quiet",
            "--json",
            "--url",
            through,
        ]
        here = str(Path(__file__).parent.parent)
        env = os.environ | {"PYTHONPATH": here, "ESMM_VECTORS": str(self.folder / "vectors.sqlite")}
        pipe, first = subprocess.PIPE, meter.bulks
        with subprocess.Popen(command, cwd=self.folder, env=env, stdout=pipe, stderr=pipe, text=True) as running:
            moment = first + self.draw.randint(1, PRODUCTS // BATCH)
            while running.poll() is None:
                if self.is_due() and meter.bulks >= moment:
                    self.strike(running)
                    moment += PRODUCTS
                time.sleep(0.02)
            out, err = running.communicate()
        if running.returncode in (0, 3):
            return dict(json.loads(out))
        if running.returncode > 0:
            self.tally.counts["gave up"] += 1
            self.tally.gave_up[err.strip().splitlines()[0][:120]] += 1
        return None

    def is_due(self) -> bool:
        """Say whether a blow is due: they are spread evenly over the first nine tenths of the time."""
        fallen = self.blows - len(self.plan)
        return bool(self.plan) and self.past >= self.seconds * 0.9 * fallen / self.blows

    def strike(self, running: "subprocess.Popen[str]") -> None:
        """Kill the load, or restart the node under it."""
        kind = self.plan.pop()
        self.tally.counts[kind] += 1
        if kind == "killed":
            running.kill()
        else:
            by_force = self.draw.random() < 0.5
            self.tally.counts["by force"] += by_force
            restart(self.folder / "node", self.direct, by_force=by_force)

    def compare(self, client: Elasticsearch, offered: Catalogue, summary: dict[str, Any]) -> None:
        """Hold the index and the list of rejected lines against what was offered."""
        entries = [json.loads(line) for line in _lines(self.folder / "catalog.rejected.jsonl")]
        told = {entry["line"]: entry["reason"] for entry in entries}
        hits = list(helpers.scan(client, index=ALIAS, query={"_source": {"exclude_vectors": False}}))
        stored = {hit["_id"]: hit["_source"] for hit in hits}
        known = {n: REASONS[kind] for n, kind in offered.bad.items() if REASONS[kind] in told.get(n, "")}
        counts = self.tally.counts
        counts["loads"] += 1
        counts["in place"] += summary["in_place"]
        counts["offered"] += len(offered.lines)
        counts["stored"] += len(stored)
        counts["lost"] += len(offered.good.keys() - stored.keys()) + len(offered.bad.keys() - told.keys())
        counts["doubled"] += len(hits) - len(stored) + len(entries) - len(told)
        counts["not offered"] += len(stored.keys() - offered.good.keys())
        counts["rejected without cause"] += len(told) - len(known)
        counts["other than offered"] += _differing(stored, offered.good)
        sums = (summary["read"], summary["stored"], summary["rejected"])
        counts["wrong in the summary"] += sums != (len(offered.lines), len(stored), len(told))
        self.tally.rejected.update(known.values())


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _differing(stored: dict[str, dict[str, Any]], good: dict[str, dict[str, Any]]) -> int:
    """Count the documents whose fields or vector are not those offered."""
    both = [name for name in stored if name in good]
    made = DigestEncoder(32).encode([good[name]["title"] for name in both])
    held = np.array([stored[name]["text_vector"] for name in both], dtype=np.float32)
    vectors = np.abs(made - held).max(axis=1) > 1e-6
    fields = [any(stored[name].get(key) != value for key, value in good[name].items()) for name in both]
    return int((vectors | np.array(fields)).sum())


def report(soak: Soak, met: Counter[str]) -> None:
    """Publish the account."""
    counts = soak.tally.counts
    account = ("offered", "stored", "lost", "doubled", "not offered", "other than offered", "rejected without cause")
    rows = [[name, f"{counts[name]:,}"] for name in (*account, "wrong in the summary")]
    rows[2:2] = [[f"rejected: {reason}", f"{count:,}"] for reason, count in sorted(soak.tally.rejected.items())]
    faults = ", ".join(f"{kind} {count:,}" for kind, count in sorted(met.items()) if kind)
    print("gave up:", *soak.tally.gave_up.items(), sep="\n", file=sys.stderr)
    notes = (
        f"{soak.past / 60:.0f} minutes, {counts['loads']:,} loads of {PRODUCTS:,} lines that ended well, "
        f"{counts['in place']:,} of them in place, "
        f"{counts['killed']} killed (SIGKILL), {counts['restarted']} restarts of the node in the middle of a load, "
        f"{counts['by force']} of them by SIGKILL. {counts['gave up']} loads gave up (exit code 1) and were started "
        f"again. Faults of the proxy: {faults}; {met['']:,} requests met none."
    )
    publish("soak", "Loads among faults, kills and restarts", [table(("documents", "count"), rows)], notes=notes)


def main() -> None:
    """Run and publish."""
    asked = argparse.ArgumentParser(description=__doc__)
    for name, default in (("kills", 20), ("restarts", 10), ("minutes", 30), ("seed", 1)):
        asked.add_argument(f"--{name}", type=int, default=default)
    args = asked.parse_args()
    plan = ["killed"] * args.kills + ["restarted"] * args.restarts
    random.Random(args.seed).shuffle(plan)
    folder = Path(tempfile.mkdtemp(prefix="esmm-soak-"))
    folder.chmod(0o755)  # the node may run as another user
    try:
        with own_node(folder / "node") as direct:
            faults = wire.RandomFaults(direct, seed=args.seed, share=SHARE, limit=LIMIT)
            meter = Meter(faults)
            soak = Soak(folder, direct, plan=plan, seconds=args.minutes * 60, seed=args.seed)
            with wire.proxy(direct, meter) as through:
                soak.run(through, meter)
        report(soak, faults.met)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
