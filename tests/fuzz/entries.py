"""Where something comes in: for each door one attempt with something broken, which ends in our own error or rightly."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import click
import nbformat
import numpy as np
import papermill
import torch
import xarray
from click.testing import CliRunner
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from sslens import datasets, store
from sslens.encoders import ENCODERS
from sslens.headless.cli import main
from sslens.headless.notebook import read_notebook
from sslens.headless.parameters import resolve
from sslens.objectives import OBJECTIVES
from sslens.trace import load
from sslens.train import Config, record
from tests.fuzz.mutations import HOSTILE, VALUES, broken_bytes, broken_json, broken_text
from tests.train.cases import tiny

PARAMETERS = 'steps: int = 40\nrate: float = 1e-3\ndataset: str = "digits"\nflag: bool = True\nprofile: str = "lesson"'
PLAUSIBLE = ("good.ipynb", "good.ipynb", "bad.ipynb", "good", "pictures", "out", "smoke", "steps", "7", "dataset",
             "folder:pictures", "13_some_question")  # fmt: skip
LIKELY = {
    "notebook": ("good.ipynb",),
    "names": ("good.ipynb",),
    "profile": ("smoke", "lesson"),
    "parameters": ("steps", "7", "rate", "0.5", "dataset", "folder:pictures", "flag", "true"),
    "out": ("out", "."),
}
"""Words that a command would take for these of its options and arguments."""
LEFT_OUT = ("doctor",)
"""Commands that start a browser."""
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")


class Wrong(Exception):
    """What should not be: a result that is not the right one, or an error that says nothing."""


class Door(NamedTuple):
    """How it is made ready in an empty folder, once, and what one attempt does there."""

    prepare: Callable[[Path], object]
    attempt: Callable[[Path, Random], object]


def notebook() -> nbformat.NotebookNode:
    """A small one, with all that a cell may have."""
    printed, shown = new_output("stream", text="40\n"), new_output("display_data", {"text/plain": "40"})
    cell = new_code_cell("print(steps)", metadata={"tags": ["keep"], "collapsed": False}, outputs=[printed, shown])
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python"}}
    return new_notebook(cells=[new_markdown_cell("# Why?"), parameters, cell], metadata=kernel)


def desk(folder: Path) -> None:
    """A folder to type commands in, deep enough for paths that lead upwards: notebooks and pictures."""
    place = folder / "one" / "two" / "desk"
    place.mkdir(parents=True)
    nbformat.write(notebook(), place / "good.ipynb")
    (place / "bad.ipynb").write_text("{}")
    plant(place / "pictures")


def command_line(folder: Path, dice: Random) -> None:
    line = words_of(main, dice)
    if dice.random() < 0.3:
        place = dice.randrange(len(line) + 1)
        line[place : place + dice.randrange(2)] = [dice.choice(HOSTILE)]
    with contextlib.chdir(folder / "one" / "two" / "desk"):
        answer = CliRunner().invoke(main, line)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise Wrong(line) from answer.exception
    if answer.exit_code not in (0, 1, 2, 4) or "Traceback" in answer.output:
        raise Wrong(line, answer.exit_code, answer.output[-300:])


def words_of(command: click.Command, dice: Random) -> list[str]:
    """A line for a command as it declares its options and arguments; half of the words are likely ones."""
    if isinstance(command, click.Group):
        name = dice.choice([each for each in command.commands if each not in LEFT_OUT])
        return [name, *words_of(command.commands[name], dice)]
    line: list[str] = []
    for parameter in dice.sample(command.params, len(command.params)):
        is_option = isinstance(parameter, click.Option)
        if is_option and not parameter.required and dice.random() < 0.5:
            continue
        count = 0 if is_option and parameter.is_flag else parameter.nargs if parameter.nargs > 0 else dice.randrange(3)
        words = (LIKELY.get(parameter.name or "", PLAUSIBLE), PLAUSIBLE, HOSTILE)
        given = [dice.choice(dice.choices(words, (4, 1, 3))[0]) for _ in range(count)]
        line += [dice.choice(parameter.opts), *given] if is_option else given
    return line


@contextlib.contextmanager
def no_kernel():
    """Everything of a run but the kernel, which dies as it is born."""

    def dies(*_, **__):
        raise DeadKernelError("Kernel died")

    usual, papermill.execute_notebook = papermill.execute_notebook, dies
    try:
        yield
    finally:
        papermill.execute_notebook = usual


def config(folder: Path, dice: Random) -> None:
    parts = {
        "objective": OBJECTIVES[dice.choice(list(OBJECTIVES))](),
        "encoder": ENCODERS[dice.choice(list(ENCODERS))](),
        "recipe": dice.choice(("auto", "none", "digits")),
    }
    whole = Config(**parts).to_json()
    if dice.random() < 0.2:
        given = {dice.choice([*whole, *HOSTILE]): dice.choice([*VALUES, *HOSTILE]) for _ in range(3)}
        made = Config.at(dice.choice(("smoke", "lesson", *HOSTILE)), **given)
    else:
        made = Config.of_json(broken_json(whole, dice))
    if Config.of_json(made.to_json()) != made:
        raise Wrong(made)


def text_of_notebook(folder: Path, dice: Random) -> None:
    path = folder / "broken.ipynb"
    path.write_bytes(broken_text(json.loads(nbformat.writes(notebook())), dice))
    given = {dice.choice(("steps", "dataset", *HOSTILE)): dice.choice(("7", *HOSTILE))} if dice.random() < 0.5 else {}
    found = resolve(read_notebook(path), given, profile=dice.choice(("smoke", "lesson")), name=path.stem)
    if not isinstance(found["profile"], str):
        raise Wrong(found)


def short() -> Config:
    return tiny(optimisation={"steps": 2}, snapshots={"count": 2, "reference": 16})


def recorded(folder: Path) -> None:
    """A run in the cache, and a copy of it."""
    record(short())
    (place,) = (each for each in (folder / "data" / "cache" / "traces").iterdir() if each.is_dir())
    shutil.copytree(place, folder / "whole" / place.name)


def break_one(run: Path, dice: Random) -> None:
    """Break one of the files of a run."""
    victim = dice.choice(sorted(run.iterdir()))
    content = victim.read_bytes()
    is_json = victim.suffix == ".json" and dice.random() < 0.8
    victim.write_bytes(broken_text(json.loads(content), dice) if is_json else broken_bytes(content, dice))


def manifest(folder: Path, dice: Random) -> None:
    (whole,) = (folder / "whole").iterdir()
    shutil.rmtree(folder / "broken", ignore_errors=True)
    break_one(shutil.copytree(whole, folder / "broken"), dice)
    found, right = load(folder / "broken"), load(whole)
    same_numbers = torch.equal(found.snapshots[-1].embedding, right.snapshots[-1].embedding)
    if not same_numbers or len(found.snapshots) != len(right.snapshots):
        raise Wrong("other numbers")
    for name in ("config", "provenance"):
        if getattr(found, name) != getattr(right, name):
            raise Wrong(f"another {name} is believed")
    if found.reference.classes != right.reference.classes:
        raise Wrong("other classes are believed")


def cached_run(folder: Path, dice: Random) -> None:
    """A run in the cache, one of whose files is broken: read as it was, or set aside and trained anew."""
    (whole,) = (folder / "whole").iterdir()
    shutil.rmtree(folder / "data" / "cache" / "traces")
    break_one(shutil.copytree(whole, folder / "data" / "cache" / "traces" / whole.name), dice)
    if not torch.equal(record(short()).snapshots[-1].embedding, load(whole).snapshots[-1].embedding):
        raise Wrong("other numbers")


def plant(tree: Path, ending: str = "png") -> None:
    """A tree of two classes, three small images each."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 12, 9, 3), np.uint8)
    for number, image in enumerate(pixels):
        place = tree / "ab"[number % 2] / f"{number}.{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)


def whole_images(folder: Path) -> None:
    plant(folder / "tree")
    for name in FORMATS:
        pixels = Image.open(folder / "tree" / "a" / "0.png")
        pixels.convert("P" if name == "GIF" else "RGB").save(folder / f"whole.{name.lower()}", format=name)


def image(folder: Path, dice: Random) -> None:
    whole = (folder / f"whole.{dice.choice(FORMATS).lower()}").read_bytes()
    (folder / "tree" / "a" / "0.png").write_bytes(broken_bytes(whole, dice))
    kind = dice.choice(("folder", "folder+skip"))
    train, test = datasets.load(f"{kind}:{folder / 'tree'}", size=8)
    if len(train) + len(test) not in ((6,) if kind == "folder" else (5, 6)):
        raise Wrong(len(train), len(test))
    if not all(side.images.min() >= 0 and side.images.max() <= 1 for side in (train, test)):
        raise Wrong("pixels")


def cached_images(folder: Path, dice: Random) -> None:
    read = [side.digest() for side in datasets.load(f"folder:{folder / 'tree'}", size=8)]
    (kept,) = (folder / "data" / "cache" / "folders").glob("*.safetensors")
    kept.write_bytes(broken_bytes(kept.read_bytes(), dice))
    if [side.digest() for side in datasets.load(f"folder:{folder / 'tree'}", size=8)] != read:
        raise Wrong("another set")


def stored(folder: Path) -> None:
    tensors = {"a": torch.arange(12.0).view(3, 4), "b": torch.tensor([True]), "c": torch.zeros(0)}
    store.save_tensors(folder / "whole.safetensors", tensors, meta={"key": "ä", "unit": "m"})
    values = xarray.DataArray([[1.0, np.nan]], {"seed": [0], "step": [1, 2]}, ("seed", "step"), "rank", {"unit": "m"})
    store.save_arrays(folder / "whole.json", {"rank": values, "other": values.mean("step")})


def tensors(folder: Path, dice: Random) -> None:
    (folder / "broken").write_bytes(broken_bytes((folder / "whole.safetensors").read_bytes(), dice))
    found, right = (store.load_tensors(folder / name) for name in ("broken", "whole.safetensors"))
    if found[1] != right[1] or any(not torch.equal(found[0][name], value) for name, value in right[0].items()):
        raise Wrong(found)


def arrays(folder: Path, dice: Random) -> None:
    (folder / "broken").write_bytes(broken_text(json.loads((folder / "whole.json").read_text()), dice))
    for name, array in store.load_arrays(folder / "broken").items():
        if not (isinstance(name, str) and isinstance(array, xarray.DataArray)):
            raise Wrong(name)


def nothing(folder: Path) -> None:
    """An empty folder will do."""


DOORS: dict[str, Door] = {
    "command lines": Door(desk, command_line),
    "configs": Door(nothing, config),
    "notebooks": Door(nothing, text_of_notebook),
    "manifests": Door(recorded, manifest),
    "runs in the cache": Door(recorded, cached_run),
    "images": Door(whole_images, image),
    "images in the cache": Door(whole_images, cached_images),
    "tensors": Door(stored, tensors),
    "arrays": Door(stored, arrays),
}
