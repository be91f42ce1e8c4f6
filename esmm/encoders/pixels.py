"""How a photo becomes the square of pixels that a photo encoder takes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8]


def stretched(photo: "Image", side: int) -> "Pixels":
    """Return the whole photo pulled to a square: uint8, shape (side, side, 3)."""
    import numpy as np

    return np.asarray(photo.resize((side, side)))


def fitted(photo: "Image", side: int) -> "Pixels":
    """Return the whole photo, its shape kept, in the middle of a white square: uint8, shape (side, side, 3)."""
    import numpy as np
    from PIL import Image

    scale = side / max(photo.size)
    width, height = (max(1, round(length * scale)) for length in photo.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(photo.resize((width, height), Image.Resampling.BICUBIC), ((side - width) // 2, (side - height) // 2))
    return np.asarray(square)


FITS = {"stretched": stretched, "fitted": fitted}
