"""Any tree of class-named folders of images, decoded once and kept as one file.

Two layouts: ``<class>/*`` is split here; ``train/<class>/*`` beside ``test/<class>/*`` or ``val/<class>/*`` is taken as
it stands. Folders inside a class belong to it; what is no image is left out, with a warning that counts it.
"""

import hashlib
import warnings
from pathlib import Path
from typing import Annotated, NamedTuple, final

import PIL
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from sslens import fingerprint, runtime
from sslens.datasets.cache import Decoded, cached, check_memory, usable
from sslens.datasets.images import Pixels, decode
from sslens.datasets.tree import LAYOUT, File, Files, Tree, listed
from sslens.types import DamagedFile, Dataset, InputError, Range

Size = Annotated[int, Range(8, 512)]
Fraction = Annotated[float, Range(0.01, 0.99)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
KINDS = ("folder", "folder+skip")
"""What stands before the path in the names of these sets."""
BLOCK = 32
"""Images that become floats at a time."""
NAMED = 20
"""Damaged images that a warning names; of more it gives the number."""


def load(path: str, *, size: Size = 32, test_fraction: Fraction = 0.2, seed: Seed = 0) -> tuple[Dataset, Dataset]:
    """The images ``(n, 3, size, size)`` of a tree, ordered by class and file name.

    PNG, JPEG, WebP, BMP, TIFF and GIF, of several pictures in a file the first. Each is turned as its EXIF says, laid
    on white where transparent, brought to 8 bits of RGB, cropped to its central square and resized bilinearly with
    antialiasing. Without a training side, ``test_fraction`` of every class (at least one image, never all) is tested
    on, chosen by ``seed`` and each file's name alone. A warning counts what is left out.

    The bytes are cached below ``runtime.data_root()``; a changed file, size or decoding code decodes anew.

    Raises:
        InputError: no folder, no classes, a class without images on a side, a name that does not print,
            a link out of the tree, more pixels than memory, or nowhere to keep the cache.
        DamagedFile: an image that cannot be read, or has more pixels than Pillow's limit against bombs.

    >>> load("no/such/tree")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder of <class>/*.png (or ... Nothing is there.
    """
    return _sides(_read(path, size=size, skip=False), test_fraction=test_fraction, seed=seed)


def load_undamaged(
    path: str, *, size: Size = 32, test_fraction: Fraction = 0.2, seed: Seed = 0
) -> tuple[Dataset, Dataset]:
    """As ``load``, of the images that can be read; a warning lists the others.

    Raises:
        InputError: as ``load``; or a class of which too few images can be read.

    >>> load_undamaged("no/such/tree")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder of <class>/*.png (or ... Nothing is there.
    """
    return _sides(_read(path, size=size, skip=True), test_fraction=test_fraction, seed=seed)


def rooted(name: str) -> str:
    """The name of a folder's set with its path from the root, taken from where this process stands; others as they are.

    Raises:
        InputError: no folder is there, with the place that was tried.

    >>> rooted("digits"), rooted("folder:.") == f"folder:{Path.cwd()}"
    ('digits', True)
    """
    kind, _, path = name.partition(":")
    if kind not in KINDS or not path:
        return name
    _root(path)
    return f"{kind}:{Path(path).expanduser().absolute()}"


def stamp(path: str) -> str:
    """32 hexadecimal digits of the names, sizes and times of the images in a tree: what changes when one of them does.

    Raises:
        InputError, DamagedFile: as ``load``, of the tree.

    >>> stamp("no/such/tree")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder of <class>/*.png (or ... Nothing is there.
    """
    root, tree = _tree(path)
    return _key(root, tree.files, size=0)


@final
class _Decoded(NamedTuple):
    """The images of a tree, a row for each of its files, and which rows could not be read."""

    root: Path
    tree: Tree
    pixels: Pixels
    damaged: frozenset[str]


def _read(path: str, *, size: int, skip: bool) -> _Decoded:
    root, tree = _tree(path)
    names = [file.name for file in tree.files]
    what = f"{len(names)} images of {size}x{size} need"
    check_memory(len(names) * 3 * size**2, field="folder.size", got=size, what=what)
    key = _key(root, tree.files, size=size, skip=skip)
    file = runtime.data_root() / "cache" / "folders" / f"{key}.safetensors"
    content = cached(file, key, lambda: _decoded(root, names, size=size, skip=skip))
    damaged = [names[row] for row in content["damaged"].nonzero().flatten().tolist()]
    _say(root, tree.left_out, damaged)
    return _Decoded(root, tree, content["pixels"], frozenset(damaged))


def _decoded(root: Path, names: list[str], *, size: int, skip: bool) -> Decoded:
    damaged: dict[int, DamagedFile] = {}
    pixels = decode(root, names, size=size, damaged=damaged if skip else None)
    rows = [row in damaged for row in range(len(names))]
    return {"pixels": pixels, "damaged": torch.tensor(rows, dtype=torch.uint8, device="cpu")}


def _say(root: Path, left_out: str, damaged: list[str]) -> None:
    """One warning for what is no image and one for what is none any more."""
    if left_out:
        warnings.warn(f"The folder {root.name!r} is read without {left_out}.", stacklevel=5)
    if damaged:
        named = ", ".join(damaged[:NAMED]) + (f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else "")
        words = f"{len(damaged)} images of {root.name!r} cannot be read and are left out: {named}."
        warnings.warn(words, stacklevel=5)


def _sides(decoded: _Decoded, *, test_fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    root, tree, pixels, damaged = decoded
    place = {file.name: row for row, file in enumerate(tree.files)}
    train, test = (_undamaged(root, side, damaged) for side in (tree.train, tree.test or {}))
    if tree.test is None:
        train, test = _split(root, train, test_fraction=test_fraction, seed=seed)
    first, second = (_dataset(pixels, side, place) for side in (train, test))
    return first, second


def _undamaged(root: Path, side: Files, damaged: frozenset[str]) -> Files:
    kept = {name: [file for file in files if file.name not in damaged] for name, files in side.items()}
    for name, files in kept.items():
        if not files:
            hint = f"Of the {len(side[name])} images in {name!r} none can be read."
            raise InputError("folder", str(root), "a tree with images in every class", hint)
    return kept


def _dataset(pixels: Pixels, files: Files, place: dict[str, int]) -> Dataset:
    rows = [place[file.name] for found in files.values() for file in found]
    labels = [label for label, found in enumerate(files.values()) for _ in found]
    index, given = (torch.tensor(each, dtype=torch.int64, device="cpu") for each in (rows, labels))
    return Dataset(_floats(pixels, index), given, tuple(files))


def _floats(pixels: Pixels, rows: Int64[Tensor, "m"]) -> Float32[Tensor, "m 3 size size"]:
    """These rows as float32 in [0, 1], block by block: never are there more copies of them than the two."""
    floats = torch.empty((len(rows), *pixels.shape[1:]), dtype=torch.float32, device="cpu")
    for part, block in zip(floats.split(BLOCK), rows.split(BLOCK), strict=True):
        part.copy_(pixels[block])
    return floats.div_(255)


def _tree(path: str) -> tuple[Path, Tree]:
    root = _root(path)
    with usable("folder", path, "readable throughout"):
        return root, listed(root)


def _root(path: str) -> Path:
    place = path
    try:
        root = Path(path).expanduser()
        place = str(root.absolute())
        root = root.resolve()
        if root.is_dir():
            return root
        hint = "This is a file." if root.exists() else "Nothing is there."
    except (OSError, RuntimeError, ValueError) as error:  # too long, an unknown home, a NUL
        hint = f"{error}."
    raise InputError("folder", place, LAYOUT, hint)


def _split(root: Path, classes: Files, *, test_fraction: float, seed: int) -> tuple[Files, Files]:
    """Sort each class by a hash of seed and name and cut it: a file more or less moves hardly any other."""
    train: Files = {}
    test: Files = {}
    for name, files in classes.items():
        if len(files) < 2:
            raise InputError("folder", str(root), "a tree with two images or more per class", f"{name!r} holds one.")
        shuffled = sorted(files, key=lambda file: runtime.seed_of(seed, file.name))
        cut = min(max(round(test_fraction * len(files)), 1), len(files) - 1)
        test[name], train[name] = sorted(shuffled[:cut]), sorted(shuffled[cut:])
    return train, test


def _key(root: Path, files: list[File], *, size: int, skip: bool = False) -> str:
    version = [fingerprint.of_modules(__name__), PIL.__version__]
    content = runtime.canonical_json([str(root), files, size, skip, version])
    return hashlib.sha256(content.encode()).hexdigest()[:32]
