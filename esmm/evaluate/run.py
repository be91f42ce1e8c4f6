"""An evaluation against an index: clause scores, latency and titles are asked for; all else is arithmetic."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm import __version__
from esmm.errors import LearnError
from esmm.evaluate.against import Regression, regressed
from esmm.evaluate.asked import TIMED, Way, searched, timed
from esmm.evaluate.build import Contender, Facts, built, cautions, ranked
from esmm.evaluate.losses import shown
from esmm.evaluate.systems import SEED, Ground
from esmm.learn.features import Collector
from esmm.query.calibrate import Calibration
from esmm.query.clauses import keyword_query
from esmm.query.encode import Ask
from esmm.query.fusion import KEYWORD
from esmm.query.model import FILE, FusionModel

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from PIL.Image import Image

    from esmm.cluster import Capabilities
    from esmm.evaluate.report import Report
    from esmm.learn.features import Collected
    from esmm.learn.judgements import Judgements
    from esmm.query.fusion import Fusion
    from esmm.query.search import Searcher
    from esmm.query.upgrade import Strategy
    from esmm.recipe import Recipe

Json = dict[str, Any]

UNTUNED = "untuned fusion"
_AT_ONCE = 1000
_SHOWN_LETTERS = 90


@dataclass(frozen=True)
class Shop:
    """The index to evaluate: ``searcher`` holds the untuned fusion; ``body`` is the shop's own request, if it has one.

    ``photo_of`` opens the photo that a question names.
    """

    client: "Elasticsearch"
    can: "Capabilities"
    recipe: "Recipe"
    searcher: "Searcher"
    body: Json | None = None
    calibration: Calibration = field(default_factory=Calibration)
    photo_of: "Callable[[str], Image] | None" = None

    @property
    def query(self) -> Json:
        """The keyword query, the shop's own or esmm's: for its shape, whatever its words."""
        return dict(self.body["query"]) if self.body else keyword_query(self.recipe, "?", [])

    @property
    def untuned(self) -> "Fusion":
        """The fusion of the recipe, with the constant of its keyword query."""
        return self.calibrated(self.searcher.fusion)

    def calibrated(self, fusion: "Fusion") -> "Fusion":
        """Return a fusion as the shop's own query is answered with: by the constant that it was calibrated to."""
        known = self.calibration.saturation(self.body["query"]) if self.body else None
        return replace(fusion, saturation=known) if known else fusion

    def ask(self, text: str | None, photo: str | None) -> Ask:
        """Return what is asked, with its photo opened."""
        return Ask(text, self.photo_of(photo) if photo and self.photo_of else None)


def evaluate(
    shop: Shop,
    judgements: "Judgements",
    fusions: Sequence[Path],
    *,
    measure: str,
    strategies: "Sequence[Strategy]" = (),
    on_step: Callable[[int, int], None] = lambda _done, _all: None,
) -> "Report":
    """Evaluate fusions of an index by judgements, beside the untuned one and all yardsticks.

    Each of ``strategies`` is a system more: the first fusion as real requests of that strategy answer it.

    Raises LearnError for judgements of another index or without anything to find, and for fusions of another recipe.
    """
    names = [path.name if [other.name for other in fusions].count(path.name) == 1 else str(path) for path in fusions]
    tuned = [_tuned(shop, path, name, judgements) for path, name in zip(fusions, names, strict=True)]
    contenders = [*tuned, Contender(UNTUNED, shop.untuned)]
    collector = Collector(shop.client, shop.recipe, shop.searcher, body=shop.body, photo_of=shop.photo_of)
    collected = collector.collect(judgements, on_step)
    ground = Ground(collected.table, shop.untuned, shop.recipe.search.k * shop.recipe.index.shards)
    ways = [Way(f"{contenders[0].name} by {name}", contenders[0].fusion, name) for name in strategies]
    found = ranked(ground, contenders, {way.name: searched(shop, judgements, way) for way in ways})
    every = [*(Way(contender.name, contender.fusion) for contender in contenders), *ways]
    facts = Facts(
        f"{shop.recipe.index.name}, by {Path(judgements.source).name}",
        {"fusions": ", ".join(way.name for way in every), **_provenance(shop, judgements, collected)},
        timed(shop, judgements, every),
        _titles(shop, sorted(shown(found.runs, [KEYWORD, *(contender.name for contender in contenders)]))),
        cautions(ground, contenders, (KEYWORD, *shop.recipe.vectors(), *shop.recipe.clauses)),
    )
    return built(ground, contenders, found, facts, measure)


def beside(recipe: "Recipe") -> list[Path]:
    """Return the tuned fusion that lies beside a recipe, if there is one."""
    path = Path(recipe.source).parent / FILE
    return [path] if path.is_file() else []


def older(path: Path, digest: str) -> Json:
    """Read an older report. Raises LearnError if the file is none, or one by other judgements than these."""
    remedy = "name what esmm evaluate --json wrote"
    try:
        old: Json = json.loads(path.read_text(encoding="utf-8"))
        theirs, _ = old["provenance"]["digest"], old["provenance"]["fusions"].split(", ")
        _ = [system["name"] for system in old["systems"]]
    except OSError as error:
        raise LearnError(f"{path} cannot be read: {error.strerror}", remedy) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LearnError(f"{path} is no report of esmm evaluate", remedy) from None
    if theirs != digest:
        raise LearnError(
            f"{path} was measured by other judgements (digest {theirs}, these have {digest})",
            "compare by the same judgements; after new ones, write a new report to compare with",
        )
    return old


def fallen(report: "Report", old: Json) -> list[Regression]:
    """Return what of the keyword and the fusions fell since an older report; yardsticks are not looked at."""
    return regressed(_shops_own(report.as_json()), _shops_own(old))


def _tuned(shop: Shop, path: Path, name: str, judgements: "Judgements") -> Contender:
    model = FusionModel.load(path)
    model.check(shop.recipe, str(path))
    own = model.provenance.get("digest") == judgements.digest
    note = f"{model.label}: {model.kind}" + (", tuned on these judgements" if own else "")
    fusion, strange = shop.calibrated(model.fusion(shop.searcher.fusion)), model.cautions(shop.query, name=name)
    return Contender(name, fusion, note, own, _unseen(model), strange)


def _unseen(model: FusionModel) -> str:
    """Say what the nested folds of the tuning measured; nothing where the file does not tell."""
    try:
        gain, (low, high) = model.provenance["gain"], model.provenance["interval_90"]
        return f"{gain:+.3f} nDCG@10 [{low:+.3f}, {high:+.3f}] over {model.provenance['baseline']}"
    except (KeyError, TypeError, ValueError):  # a file that somebody edited
        return ""


def _shops_own(report: Json) -> Json:
    """Return a report without yardsticks: how they rank is not what a shop ships."""
    names = {KEYWORD, *report["provenance"]["fusions"].split(", ")}
    return {**report, "systems": [system for system in report["systems"] if system["name"] in names]}


def _provenance(shop: Shop, judgements: "Judgements", collected: "Collected") -> dict[str, object]:
    told: dict[str, object] = {
        "judgements": judgements.source,
        "digest": judgements.digest,
        "index": shop.recipe.index.name,
        "recipe": shop.recipe.source,
        "keyword": "the shop's own query" if shop.body else f"esmm's, {shop.recipe.search.form}",
        "judged products": sum(map(len, judgements.gains.values())),
        "seed": SEED,
        "esmm": __version__,
        "latency": f"of up to {TIMED} questions, without encoding them",
    }
    return told | ({"not in the index": collected.absence} if collected.absence else {})


def _titles(shop: Shop, ids: Sequence[str]) -> Mapping[str, str]:
    title = shop.recipe.heaviest
    found: dict[str, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = list(ids[start : start + _AT_ONCE])
        body: Json = {"query": {"ids": {"values": some}}, "size": len(some), "_source": [title]}
        hits = shop.client.search(index=shop.recipe.index.name, body=body)["hits"]["hits"]
        found |= {hit["_id"]: _short(str(hit["_source"].get(title, ""))) for hit in hits}
    return found


def _short(title: str) -> str:
    return title if len(title) <= _SHOWN_LETTERS else title[: _SHOWN_LETTERS - 1] + "…"
