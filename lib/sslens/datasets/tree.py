"""Trees of class-named folders of images, as they lie on disk: which sides and classes they have, what is left out."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, final

from sslens.datasets.images import ENDINGS
from sslens.types import DamagedFile, InputError

SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""How a side's folder may be called, in any capitals."""
LAYOUT = f"a folder of <class>/*.png (or {', '.join(ENDINGS[1:])}), or of train/<class>/* and test/<class>/*"
ANNOTATIONS = "val_annotations.txt"
"""Where Tiny ImageNet says which class each image of ``val/images`` shows."""
DEBRIS = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")
"""What systems leave behind, beside names that begin with a dot."""
HIDDEN = "hidden"
VISIBLE = ("\u200c", "\u200d")
"""Joiners: invisible, but without them words of several scripts and many emoji come apart."""
NAMED = 3
"""Classes that a sentence names; of more it gives the number."""


@final
class File(NamedTuple):
    """An image as it is listed: enough to notice that it has changed.

    >>> File("cat/1.png", 70, (1, 2)).name
    'cat/1.png'
    """

    name: str
    """Relative to the tree."""
    size: int
    changed: tuple[int, int]
    """When its content was, and when anything of it was: a program can set the first back, not the second."""


Files = dict[str, list[File]]
"""The images of each class, classes and images in the order of their names."""


@final
class Tree(NamedTuple):
    """The images of a tree by side and class; without a test side the tree is still to be split.

    >>> Tree({"cat": [File("cat/1.png", 70, (1, 2))]}, None, "").files
    [File(name='cat/1.png', size=70, changed=(1, 2))]
    """

    train: Files
    test: Files | None
    left_out: str
    """What is no image or on no side, as a sentence; empty where there is nothing to say."""

    @property
    def files(self) -> list[File]:
        """Every image, the training side first."""
        return [file for side in (self.train, self.test or {}) for files in side.values() for file in files]


def listed(root: Path) -> Tree:
    """What lies in a tree, whose place is an absolute one without links.

    Folders within a class belong to it. Of links only those are followed that stay inside, and no folder is read twice.

    Raises:
        InputError: no classes, a class without images, or on one side only, more than one way to read the tree, a name
            that does not print, or a link that leads out of the tree or back to a folder that has been read.
        DamagedFile: something that is called like an image and is no file; annotations that fit no image.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for side in ("training", "val"):
    ...         Path(folder, side, "cat").mkdir(parents=True)
    ...         Image.new("RGB", (8, 8)).save(Path(folder, side, "cat", "1.webp"))
    ...     [file.name for file in listed(Path(folder).resolve()).files]
    ['training/cat/1.webp', 'val/cat/1.webp']
    """
    return _Listing(root).tree()


@final
class _Listing:
    """One reading of a tree: where it has been, and what it has left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read: set[str] = set()
        self.left_out: Counter[tuple[str, str]] = Counter()
        """By kind and by class."""
        self.beside: list[str] = []
        """What lies beside the sides and classes."""

    def tree(self) -> Tree:
        sides = self._sides()
        if not sides:
            return Tree(self._classes(self.root), None, self._said())
        if "train" not in sides or len(sides) < 2:
            missing = "test/ (nor in val/)" if "train" in sides else "train/"
            raise self._refusal(f"It has no class folders in {missing}.")
        train = self._classes(sides["train"])
        tested = self._test_side(sides, train)
        test = self._classes(tested)
        self._check_equal(sides["train"].name, train, tested.name, test)
        used = (sides["train"], tested)
        others = [folder.name for folder in self._folders(self.root) if folder not in used]
        self.beside += [f"{name}/ ({tested.name}/ is the test side)" if _side(name) else f"{name}/" for name in others]
        return Tree(train, test, self._said())

    def _sides(self) -> dict[str, Path]:
        """The folders that are sides of the set: called like one, and holding folders themselves."""
        sides: dict[str, Path] = {}
        for folder in self._folders(self.root):
            if (side := _side(folder.name)) and self._folders(folder):
                if side in sides:
                    raise self._refusal(f"It has both {sides[side].name}/ and {folder.name}/: which is meant?")
                sides[side] = folder
        return sides

    def _test_side(self, sides: Mapping[str, Path], train: Files) -> Path:
        """``test`` where its folders are classes (a contest's often are not), else ``val``."""
        if "test" not in sides:
            return sides["val"]
        test = sides["test"]
        if "val" in sides and not {folder.name for folder in self._folders(test)} & train.keys():
            return sides["val"]
        return test

    def _check_equal(self, first: str, train: Files, second: str, test: Files) -> None:
        """Refuse classes that are on one side only."""
        for name in sorted(train.keys() ^ test.keys()):
            hint = f"{second if name in train else first}/{name} is missing."
            if list(test) == ["images"]:
                hint = f"{second}/ holds images of no class: sort them into folders, or put {ANNOTATIONS} beside them."
            raise InputError("folder", str(self.root), "a tree with every class on both sides", hint)

    def _classes(self, side: Path) -> Files:
        folders = self._folders(side)
        if (side / ANNOTATIONS).is_file() and [folder.name for folder in folders] == ["images"]:
            return self._annotated(side)
        if all(_side(folder.name) for folder in folders):  # also refuses images that lie in train/ and test/ themselves
            raise self._refusal("It holds no class folders.", side)
        names = [unicodedata.normalize("NFC", folder.name) for folder in folders]
        for name, count in Counter(names).items():
            if count > 1:
                hint = f"Two folders are called {name!r}, in different codes."
                raise InputError("folder", str(side), "a tree in which every class has a name of its own", hint)
        self._check_levels(side, folders)
        if beside := self._beside(side):
            self.beside.append(f"{beside} images beside the class folders")
        return {name: self._class(folder, name) for name, folder in sorted(zip(names, folders, strict=True))}

    def _class(self, folder: Path, name: str) -> list[File]:
        _check_class(name, folder)
        before = self.left_out.copy()
        files = sorted(self._images(folder, name))
        if not files:
            found = self.left_out - before
            kinds = ", ".join(f"{count} {kind}" for (kind, _), count in sorted(found.items()))
            held = f"{found.total()} files ({kinds})" if found else "no file"
            hint = f"{name!r} holds none; it holds {held}, and read are {' '.join(ENDINGS)}."
            raise InputError("folder", str(folder.parent), "a tree with images in every class", hint)
        return files

    def _check_levels(self, side: Path, folders: list[Path]) -> None:
        """Refuse classes that are really sides, or the folder above the classes."""
        for folder in folders:
            inner = self._folders(folder)
            sides = {_side(each.name) for each in inner}
            if "train" in sides and len(sides - {""}) > 1:
                held = ", ".join(each.name for each in inner)
                raise self._refusal(f"{folder.name!r} holds {held}: sides come first, with the classes in them.", side)
            if len(folders) == 1 and len(inner) > 1 and not self._beside(folder):
                hint = f"Its only folder is {folder.name!r}, which holds {len(inner)} others: are they the classes?"
                raise self._refusal(f"{hint} Then name {folder} instead.", side)

    def _annotated(self, side: Path) -> Files:
        """The images of Tiny ImageNet's validation side, each in the class that the list beside them gives."""
        files = self._class(side / "images", "images")
        text = (side / ANNOTATIONS).read_bytes().decode("utf-8", "replace")
        rows = [line.split("\t") for line in text.splitlines() if line.strip()]
        label = {row[0]: row[1] for row in rows if len(row) > 1}
        classes: Files = {}
        for file in files:
            name = file.name.rpartition("/")[2]
            if name not in label:
                raise DamagedFile(ANNOTATIONS, f"nothing of {name!r}", "a list with the class of every image beside it")
            _check_class(label[name], side / ANNOTATIONS)
            classes.setdefault(label[name], []).append(file)
        return dict(sorted(classes.items()))

    def _images(self, folder: Path, name: str) -> Iterator[File]:
        """The images of a class, wherever below its folder they lie."""
        waiting = [folder]
        while waiting:
            place = waiting.pop()
            self._check_unread(place)
            with os.scandir(place) as entries:
                for entry in entries:
                    if _is_hidden(entry.name):
                        self.left_out[HIDDEN, name] += 1
                    elif entry.is_dir():
                        self._check_entry(entry)
                        waiting.append(Path(entry))
                    elif not _is_image(entry.name):
                        self.left_out[Path(entry.name).suffix.lower() or "without ending", name] += 1
                    else:
                        self._check_entry(entry)
                        yield self._file(entry)

    def _file(self, entry: os.DirEntry[str]) -> File:
        name = Path(entry).relative_to(self.root).as_posix()
        if not entry.is_file():  # a pipe would be waited on for ever
            raise DamagedFile("image", name, "an ordinary file")
        status = entry.stat()
        return File(name, status.st_size, (status.st_mtime_ns, status.st_ctime_ns))

    def _folders(self, parent: Path) -> list[Path]:
        with os.scandir(parent) as entries:
            found = [entry for entry in entries if not _is_hidden(entry.name) and entry.is_dir()]
        for entry in found:
            self._check_entry(entry)
        return sorted(map(Path, found))

    def _beside(self, parent: Path) -> int:
        """How many images lie in a folder itself."""
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if not entry.is_dir()]
        return sum(_is_image(name) and not _is_hidden(name) for name in names)

    def _check_unread(self, folder: Path) -> None:
        """No folder is read twice: links in a ring would never end, and an image would be on both sides."""
        real = os.path.realpath(folder)
        if real in self.read:
            hint = f"{folder.relative_to(self.root).as_posix()!r} leads to a folder that has been read."
            raise InputError("folder", str(self.root), "a tree in which every folder lies in one place", hint)
        self.read.add(real)

    def _check_entry(self, entry: os.DirEntry[str]) -> None:
        if _controls(entry.name):
            hint = f"See {entry.name!r}."
            raise InputError("folder", str(self.root), "a tree without control characters in its names", hint)
        if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(self.root):
            hint = f"{entry.name!r} leads out of it."
            raise InputError("folder", str(self.root), "a tree whose links stay inside", hint)

    def _refusal(self, hint: str, place: Path | None = None) -> InputError:
        return InputError("folder", str(place or self.root), LAYOUT, hint)

    def _said(self) -> str:
        """What is left out, and how often; hidden files alone are not worth a word."""
        kinds = sorted({kind for kind, _ in self.left_out})
        said = [
            _counted(kind, {name: n for (each, name), n in self.left_out.items() if each == kind}) for kind in kinds
        ]
        return "; ".join([*said, *self.beside] if self.beside or kinds != [HIDDEN] else [])


def _counted(kind: str, counts: Mapping[str, int]) -> str:
    """``6 .heic (b 5, c 1)``."""
    total = sum(counts.values())
    where = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    where = where if len(counts) <= NAMED else f"in {len(counts)} classes"
    return f"{total} {kind} ({where})"


def _side(name: str) -> str:
    """The side that a folder is called after; empty for any other name."""
    return next((side for side, names in SPELLINGS.items() if name.casefold() in names), "")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in DEBRIS


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def _controls(name: str) -> bool:
    """Whether a name steers a terminal, ends a line or is no text."""
    steers = ("Cc", "Cs", "Zl", "Zp")
    return not name.isprintable() and any(unicodedata.category(letter) in steers for letter in name)


def _check_class(name: str, place: Path) -> None:
    """A name stands in figures and verdicts: it must be seen there, and not turn what stands beside it."""
    unseen = [letter for letter in name if unicodedata.category(letter) == "Cf" and letter not in VISIBLE]
    if unseen or _controls(name) or not name.strip():
        hint = f"See {name!a}: rename it."
        raise InputError("folder", str(place), "a tree whose classes have names without invisible characters", hint)
