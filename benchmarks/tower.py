"""Trains the photo tower that travels with esmm (`make tower`), and the yardsticks of benchmarks.aligned.

`python -m benchmarks.tower [esmm-tower] [imagenet] [projection] [half] [judged-0] [judged-1]`; trained towers lie in
benchmarks/towers/. `esmm-tower` trains the projection anew, on the backbone of the tower that travels with esmm now:
less than an hour on two cores. `imagenet` trains all of it from ImageNet's weights, which takes hours: so that
backbone came to be, before photos told colours. `projection` and `half` (of the products of fashion) leave ImageNet's
backbone as it is, and take a third of the passes. `judged-0` and `judged-1` train a projection on grocery alone, with
one half of the judged photos by customers each, for the other half to be asked: minutes.
"""

import gzip
import shutil
import sys
import zlib
from dataclasses import replace
from pathlib import Path

from benchmarks.common import DATA, FASHION, GROCERY, HERE
from esmm.align.card import CARD
from esmm.align.customers import by_product
from esmm.align.pairs import Catalogue
from esmm.align.run import METRICS, Job, Watch, align
from esmm.align.settings import Settings
from esmm.cli.align import line_of
from esmm.encoders.resolve import SHIPPED_TOWER, TOWER_CONFIG
from esmm.encoders.tower import WEIGHTS
from esmm.ingest.job import Source
from esmm.recipe import Recipe, load

TOWERS = HERE / "towers"
START = DATA / "weights" / "mobilenet_v2-imagenet-fp16.pth"
SETTINGS = Settings(train="projection", probe=0, epochs=1, side=160, hidden=768, refit=60, seed=1)
SAMPLE = HERE.parent / "ingest" / "sample"

_DATA_CARD = """
## Data and licences

Trained on the catalogues' own titles, categories and genders, never on attributes that the catalogue leaves out:

- 12,000 products of Fashion Product Images (believed MIT; the photos are their shop's), never on its judgements,
- 81 products of the Grocery Store Dataset (MIT), and 700 photos of them that people took in shops,
- 68 drawn products of esmm's own sample catalogue.

Started from ImageNet weights of MobileNetV2 (google-coral/test_data, `tf2_mobilenet_v2_1.0_224_ptq.tflite`,
Apache-2.0, int8 weights turned back into floats). All of the backbone learned in six epochs over the same catalogues
(as `python -m benchmarks.tower imagenet` does), then the projection anew by `make tower`, which does that again.
What it is worth on judged queries: the README's table of `python -m benchmarks.aligned`.
"""


def source(data: Path, recipe: Recipe) -> Source:
    """Return a catalogue with the places of its photos."""
    return Source(str(data), tuple(recipe.image.photo_places if recipe.image else ()))


def jobs() -> dict[str, Job]:
    """Return what can be trained, by name."""
    sample = load(SAMPLE / "esmm.toml")
    fashion, grocery = (Catalogue(source(data.catalogue, data.recipe), data.recipe) for data in (FASHION, GROCERY))
    drawn = Catalogue(source(SAMPLE / "products.jsonl", sample), sample)
    half = Catalogue(source(TOWERS / "half.jsonl", FASHION.recipe), FASHION.recipe)
    shipped = Job(
        [fashion, by_customers(grocery, None), drawn], TOWERS / SHIPPED_TOWER.name, SETTINGS, SHIPPED_TOWER.name
    )
    whole = replace(SETTINGS, train="all", probe=40, epochs=6)
    brief = replace(SETTINGS, refit=20)
    plain = replace(
        shipped, catalogues=[fashion, grocery, drawn], settings=brief, backbone="mobilenet_v2", weights=START
    )
    made = {
        SHIPPED_TOWER.name: shipped,
        "imagenet": replace(plain, catalogues=shipped.catalogues, folder=TOWERS / "imagenet", settings=whole),
        "projection": replace(plain, folder=TOWERS / "projection"),
        "half": replace(plain, folder=TOWERS / "half", catalogues=[half, grocery, drawn]),
    }
    few = replace(SETTINGS, refit=200)
    for number in (0, 1):
        folder, asked = TOWERS / f"judged-{number}", by_customers(grocery, number)
        made[folder.name] = Job([asked], folder, few, weights=START)
    return made


def by_customers(catalogue: Catalogue, half: int | None) -> Catalogue:
    """Add the judged photos of one half, or all, to a catalogue."""
    judged = GROCERY.judged("photo_judgements.tsv")
    chosen = {photo: gains for photo, gains in judged.items() if half in (None, half_of(photo))}
    photos = (*catalogue.source.photos, DATA / GROCERY.name / "query_photos.zip")
    return replace(catalogue, source=replace(catalogue.source, photos=photos), customers=by_product(chosen, "grocery"))


def half_of(photo: str) -> int:
    """Return which half of the judged photos one belongs to: 0 or 1."""
    return zlib.crc32(photo.encode()) % 2


def in_first_half(product: str) -> bool:
    """Say whether a product belongs to the half that the tower "half" is trained on."""
    return zlib.crc32(product.encode()) % 2 == 0


def write_half() -> None:
    """Write the first half of fashion as a catalogue of its own."""
    import json

    TOWERS.mkdir(exist_ok=True)
    with gzip.open(FASHION.catalogue, "rt", encoding="utf-8") as lines, (TOWERS / "half.jsonl").open("w") as half:
        half.writelines(line for line in lines if in_first_half(str(json.loads(line)["id"])))


def ship(folder: Path) -> None:
    """Put a trained tower where the wheel takes it from."""
    SHIPPED_TOWER.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, TOWER_CONFIG, METRICS):
        shutil.copyfile(folder / name, SHIPPED_TOWER / name)
    card = (folder / CARD).read_text(encoding="utf-8")
    (SHIPPED_TOWER / CARD).write_text(card + _DATA_CARD, encoding="utf-8")


def main() -> None:
    """Train what is named; the shipped tower if nothing is."""
    write_half()
    for name in sys.argv[1:] or [SHIPPED_TOWER.name]:
        job = jobs()[name]
        align(job, Watch(on_stage=print, on_epoch=lambda epoch: print(line_of(epoch))))
        if name == SHIPPED_TOWER.name:
            ship(job.folder)


if __name__ == "__main__":
    main()
