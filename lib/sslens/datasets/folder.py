"""Any tree of class-named folders of PNG and JPEG images, decoded once and kept as one file.

Two layouts: ``<class>/*`` is split here; ``train/<class>/*`` beside ``test/<class>/*`` is taken as it stands. Hidden
files, files with other endings and folders inside a class are left alone.
"""

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import Annotated, NamedTuple, final

import PIL
import torch

from sslens import fingerprint, runtime
from sslens.datasets.cache import as_floats, cached, check_memory, usable
from sslens.datasets.images import ENDINGS, Pixels, decode
from sslens.types import DamagedFile, Dataset, InputError, Range

SIDES = ("train", "test")
LAYOUT = "a folder of <class>/*.png or *.jpg, or of train/<class>/* and test/<class>/*"


@final
class _File(NamedTuple):
    """An image as it is listed: enough to notice that it has changed."""

    name: str  # relative to the tree
    size: int
    changed: int


Files = dict[str, list[_File]]


def load(
    path: str,
    *,
    size: Annotated[int, Range(8, 512)] = 32,
    test_fraction: Annotated[float, Range(0.01, 0.99)] = 0.2,
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0,
) -> tuple[Dataset, Dataset]:
    """The images ``(n, 3, size, size)`` of a tree, ordered by class and file name.

    Each is turned as its EXIF says, laid on white where transparent, brought to 8 bits of RGB, cropped to its central
    square and resized bilinearly with antialiasing. Without ``train/`` and ``test/``, ``test_fraction`` of every
    class (at least one image, never all) is tested on, chosen by ``seed`` and each file's name alone.

    The bytes are cached below ``runtime.data_root()``; a changed file, option or decoding code decodes anew.

    Raises:
        InputError: no folder, no classes, a class without images on a side, a name with control characters,
            a link out of the tree, more pixels than memory, or nowhere to keep the cache.
        DamagedFile: an image that cannot be read, or has more pixels than Pillow's limit against bombs.

    >>> load("no/such/tree")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder of <class>/*.png or *.jpg, ... Nothing is there.
    """
    root = _root(path)
    with usable("folder", path, "readable throughout"):
        train, test = _listed(root, test_fraction=test_fraction, seed=seed)
    names = [file.name for side in (train, test) for files in side.values() for file in files]
    what = f"{len(names)} images of {size}x{size} need"
    check_memory(len(names) * 3 * size**2, field="folder.size", got=size, what=what)
    key = _key(root, (train, test), size=size)
    file = runtime.data_root() / "cache" / "folders" / f"{key}.safetensors"
    pixels = cached(file, key, lambda: {"pixels": decode(root, names, size=size)})["pixels"]
    cut = sum(map(len, train.values()))
    return _dataset(pixels[:cut], train), _dataset(pixels[cut:], test)


def _dataset(pixels: Pixels, files: Files) -> Dataset:
    counts = torch.tensor([len(found) for found in files.values()])
    return Dataset(as_floats(pixels), torch.arange(len(files)).repeat_interleave(counts), tuple(files))


def _root(path: str) -> Path:
    try:
        root = Path(path).expanduser().resolve()
        if root.is_dir():
            return root
        hint = "This is a file." if root.exists() else "Nothing is there."
    except (OSError, RuntimeError, ValueError) as error:  # too long, an unknown home, a NUL
        hint = f"{error}."
    raise InputError("folder", path, LAYOUT, hint)


def _listed(root: Path, *, test_fraction: float, seed: int) -> tuple[Files, Files]:
    """The files of each class on each side, all in the order of their names."""
    sides = {folder.name for folder in _folders(root, root) if folder.name in SIDES and _folders(root, folder)}
    if not sides:
        return _split(root, _classes(root, root), test_fraction=test_fraction, seed=seed)
    for side in set(SIDES) - sides:
        raise InputError("folder", str(root), LAYOUT, f"It has no class folders in {side}/.")
    train, test = (_classes(root, root / side) for side in SIDES)
    for name in sorted(train.keys() ^ test.keys()):
        side = "test" if name in train else "train"
        raise InputError("folder", str(root), "a tree with every class on both sides", f"{side}/{name} is missing.")
    return train, test


def _classes(root: Path, side: Path) -> Files:
    classes = {folder.name: _files(root, folder) for folder in _folders(root, side)}
    if classes.keys() <= set(SIDES):  # also refuses images that lie in train/ and test/ themselves
        raise InputError("folder", str(side), LAYOUT, "It holds no class folders.")
    for name, files in classes.items():
        if not files:
            raise InputError("folder", str(side), "a tree with images in every class", f"{name!r} holds none.")
    return classes


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


def _folders(root: Path, parent: Path) -> list[Path]:
    with os.scandir(parent) as entries:
        found = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    for entry in found:
        _check_entry(root, entry)
    return sorted(map(Path, found))


def _files(root: Path, folder: Path) -> list[_File]:
    found, prefix = [], folder.relative_to(root).as_posix()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.lower().endswith(ENDINGS) or entry.is_dir():
                continue
            _check_entry(root, entry)
            name = f"{prefix}/{entry.name}"
            if not entry.is_file():  # a pipe would be waited on for ever
                raise DamagedFile("image", name, "an ordinary file")
            status = entry.stat()
            found.append(_File(name, status.st_size, status.st_mtime_ns))
    return sorted(found)


def _check_entry(root: Path, entry: os.DirEntry[str]) -> None:
    name = entry.name
    if not name.isprintable() and any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        raise InputError("folder", str(root), "a tree without control characters in its names", f"See {name!r}.")
    if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(root):
        raise InputError("folder", str(root), "a tree whose links stay inside", f"{name!r} leads out of it.")


def stamp(path: str) -> str:
    """32 hexadecimal digits of the names, sizes and times of the images in a tree: what changes when one of them does.

    Raises:
        InputError: as ``load``, of the tree.

    >>> stamp("no/such/tree")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder of <class>/*.png or *.jpg, ... Nothing is there.
    """
    root = _root(path)
    with usable("folder", path, "readable throughout"):
        return _key(root, _listed(root, test_fraction=0.2, seed=0), size=0)


def _key(root: Path, sides: tuple[Files, Files], *, size: int) -> str:
    version = [fingerprint.of_modules(__name__), PIL.__version__]
    return hashlib.sha256(runtime.canonical_json([str(root), sides, size, version]).encode()).hexdigest()[:32]
