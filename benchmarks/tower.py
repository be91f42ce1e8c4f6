"""Trains the photo tower that travels with esmm (`make tower`), and the yardsticks of benchmarks.aligned.

`python -m benchmarks.tower [esmm-tower] [projection] [half]`; trained towers lie in benchmarks/towers/.
"""

import gzip
import shutil
import sys
import zlib
from dataclasses import replace
from pathlib import Path

from benchmarks.common import DATA, FASHION, GROCERY, HERE
from esmm.align.card import CARD
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
SETTINGS = Settings(probe=40, epochs=6, side=160, refit=120, seed=1)
SAMPLE = HERE.parent / "ingest" / "sample"

_DATA_CARD = """
## Data and licences

Trained on the catalogues' own titles, categories and genders, never on judgements or on attributes that the catalogue
leaves out:

- 12,000 products of Fashion Product Images (believed MIT; the photos are their shop's),
- 81 products of the Grocery Store Dataset (MIT),
- 68 drawn products of esmm's own sample catalogue.

Started from ImageNet weights of MobileNetV2 (google-coral/test_data, `tf2_mobilenet_v2_1.0_224_ptq.tflite`, Apache-2.0,
int8 weights turned back into floats). Trained by `make tower` (`python -m benchmarks.tower`).
What it is worth on judged queries: the README's table of `python -m benchmarks.aligned`. How many passes the last fit
takes and how far it goes were chosen by those queries.
"""


def source(data: Path, recipe: Recipe) -> Source:
    """Return a catalogue with the places of its photos."""
    return Source(str(data), tuple(recipe.image.photo_places if recipe.image else ()))


def jobs() -> dict[str, Job]:
    """Return what can be trained, by name."""
    sample = load(SAMPLE / "esmm.toml")
    catalogues = [Catalogue(source(data.catalogue, data.recipe), data.recipe) for data in (FASHION, GROCERY)]
    catalogues.append(Catalogue(source(SAMPLE / "products.jsonl", sample), sample))
    shipped = Job(catalogues, TOWERS / SHIPPED_TOWER.name, SETTINGS, weights=START)
    half = [Catalogue(source(TOWERS / "half.jsonl", FASHION.recipe), FASHION.recipe), *catalogues[1:]]
    still = replace(SETTINGS, train="projection", epochs=1)
    return {
        SHIPPED_TOWER.name: shipped,
        "projection": replace(shipped, folder=TOWERS / "projection", settings=still),
        "half": replace(shipped, folder=TOWERS / "half", catalogues=half),
    }


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
