"""PNG and JPEG files as one tensor of bytes."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from sslens.progress import progress
from sslens.types import DamagedFile

ENDINGS = (".png", ".jpg", ".jpeg")
BLOCK = 250
"""Images that one thread decodes between two signs of progress."""

Pixels = UInt8[Tensor, "n 3 size size"]


def decode(root: Path, names: list[str], *, size: int) -> Pixels:
    """Decode the files of these names below ``root`` to 8-bit RGB of ``size`` x ``size`` pixels.

    Each image is turned as its EXIF says, laid on white where transparent, cropped to its central square and resized
    bilinearly with antialiasing. Of 16 bits per value the upper 8 are kept. Progress is shown from 2000 images on.

    Raises:
        DamagedFile: an image that cannot be read, or has more pixels than Pillow's limit against bombs.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 30), "red").save(Path(folder, "red.png"))
    ...     decode(Path(folder), ["red.png"], size=8)[0, :, 0, 0].tolist()
    [255, 0, 0]
    """
    pixels = np.empty((len(names), 3, size, size), np.uint8)

    def block(start: int) -> int:
        for index, name in enumerate(names[start : start + BLOCK], start):
            pixels[index] = _decode_one(root / name, name, size=size)
        return start

    starts = range(0, len(names), BLOCK)
    # threads wait for each other on thumbnails and lose a third of the time; from 3 kB a file they win
    large = sum((root / name).stat().st_size for name in names[::BLOCK]) > 3000 * len(starts)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1) if large else 1) as pool:
        blocks: Iterator[int] = pool.map(block, starts)
        if len(names) > 2000:
            blocks = progress(blocks, total=len(starts), label=f"{len(names)} images, by {BLOCK}")
        for _ in blocks:
            pass
    return torch.from_numpy(pixels)


def _decode_one(path: Path, name: str, *, size: int) -> UInt8[np.ndarray, "3 size size"]:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            square = ImageOps.fit(_rgb(image), (size, size), Image.Resampling.BILINEAR)
    except Exception as error:  # damaged bytes make a decoder raise nearly anything
        allowed = "a PNG or JPEG that can be read"
        raise DamagedFile("image", name, allowed, f"{type(error).__name__}: {error}") from error
    return np.asarray(square).transpose(2, 0, 1)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
