"""Files of images as one tensor of bytes."""

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

ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""In any capitals. Which format a file has is read in it: many a .jpg is a WebP."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
BLOCK = 250
"""Images that one thread decodes between two signs of progress."""
SAID = 200
"""Letters that are repeated of what a decoder says."""

Pixels = UInt8[Tensor, "n 3 size size"]


def decode(root: Path, names: list[str], *, size: int, damaged: dict[int, DamagedFile] | None = None) -> Pixels:
    """Decode the files of these names below ``root`` to 8-bit RGB of ``size`` x ``size`` pixels.

    Each image is turned as its EXIF says, laid on white where transparent, cropped to its central square and resized
    bilinearly with antialiasing. Of several pictures in a file (moving GIFs, pages of a TIFF) the first is taken. Of 16
    bits per value the upper 8 are kept; of 32, of which nobody knows what is white, none. CMYK becomes RGB by the
    formula, not by a profile. Progress is shown from 2000 images on.

    With ``damaged``, an image that cannot be read is noted there by its place and stays black.

    Raises:
        DamagedFile: an image that cannot be read, or has more pixels than Pillow's limit against bombs.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 30), "red").save(Path(folder, "red.png"))
    ...     decode(Path(folder), ["red.png"], size=8)[0, :, 0, 0].tolist()
    [255, 0, 0]
    """
    pixels = np.zeros((len(names), 3, size, size), np.uint8)

    def block(start: int) -> int:
        for index, name in enumerate(names[start : start + BLOCK], start):
            try:
                pixels[index] = _decode_one(root / name, name, size=size)
            except DamagedFile as damage:
                if damaged is None:
                    raise
                damaged[index] = damage
        return start

    starts = range(0, len(names), BLOCK)
    # threads wait for each other on thumbnails and lose a third of the time; from 3 kB a file they win
    large = sum(_bytes(root / name) for name in names[::BLOCK]) > 3000 * len(starts)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1) if large else 1) as pool:
        blocks: Iterator[int] = pool.map(block, starts)
        if len(names) > 2000:
            blocks = progress(blocks, total=len(starts), label=f"{len(names)} images, by {BLOCK}")
        for _ in blocks:
            pass
    return torch.from_numpy(pixels)


def _bytes(path: Path) -> int:
    """Of a file; none where it is gone since it was listed, which the decoder will say."""
    return path.stat().st_size if path.is_file() else 0


def _decode_one(path: Path, name: str, *, size: int) -> UInt8[np.ndarray, "3 size size"]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            square = ImageOps.fit(_rgb(image), (size, size), Image.Resampling.BILINEAR)
    except Exception as error:  # damaged bytes make a decoder raise nearly anything
        said = str(error).replace(str(path), name).replace("\n", " ")[:SAID]
        hint = f"{type(error).__name__}: {said} (folder+skip: in place of folder: leaves such images out)"
        raise DamagedFile("image", name, f"an image that can be read ({', '.join(FORMATS)})", hint) from error
    return np.asarray(square).transpose(2, 0, 1)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise ValueError("32 bits per value; save it with 8 or 16")
    if image.mode.startswith("I;16"):  # grey, which convert() would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
