"""Who may import whom: no cycle, no upward import, and the sentences that keep the floors apart."""

import ast
import sys
import tomllib
from collections.abc import Iterator

from tests.house.reading import ROOT, Module, imported

CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
LAYERS = [*CONTRACT["exhaustive_ignores"], *CONTRACT["layers"]]
HEIGHT = {room: height for height, layer in enumerate(reversed(LAYERS)) for room in layer.split(" | ")}
"""How high each room lies; the entry that starts the command line stands above all."""
DRAWING = {"plotly", "matplotlib", "ipywidgets", "anywidget", "kaleido", "IPython"}
FIGURES_USE = {"numpy", "torch", "xarray", "plotly", "jaxtyping", "PIL"}
"""Arrays and what turns them into pictures; Pillow encodes the pixels of an image grid."""


def _rooms(module: Module) -> Iterator[tuple[str, str]]:
    """The room of each import from our own house, and the whole name."""
    for name in imported(module):
        if name.startswith("sslens."):
            yield name.split(".")[1], name


def no_cycle(modules: list[Module]) -> Iterator[str]:
    """No module reaches itself along imports, not even along those inside functions."""
    names = {module.name for module in modules}
    towards = {module.name: {_module(name, names) for name in imported(module)} & names for module in modules}
    for start in sorted(names):
        reached, todo = set(), list(towards[start])
        while todo:
            if (name := todo.pop()) not in reached:
                reached.add(name)
                todo += towards[name]
        if start in reached:
            yield f"{start}: imports itself in a circle"


def _module(name: str, names: set[str]) -> str:
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def downward_only(modules: list[Module]) -> Iterator[str]:
    """A room imports only rooms on lower floors, never one beside it."""
    for module in modules:
        if module.room and module.room not in HEIGHT:
            yield f"{module.name}: the room {module.room} is in no layer"
        for room, name in _rooms(module):
            announced = not module.room and room == "moved"
            if room != module.room and not announced and HEIGHT.get(room, -1) >= HEIGHT.get(module.room, 0):
                yield f"{module.name}: imports {name} from the same floor or above"


def measures_never_draw(modules: list[Module]) -> Iterator[str]:
    """Measures import nothing that draws."""
    for module in modules:
        for name in imported(module) if module.room == "measures" else ():
            if name.split(".")[0] in DRAWING or name.startswith("sslens.figures"):
                yield f"{module.name}: a measure imports {name}"


def figures_never_compute(modules: list[Module]) -> Iterator[str]:
    """Figures import types, each other, arrays and plotly: what they show was measured before."""
    for module in modules:
        for name in imported(module) if module.room == "figures" else ():
            first, *rest = name.split(".")
            ours = first == "sslens" and rest[:1] in (["types"], ["figures"])
            if not ours and first not in FIGURES_USE | set(sys.stdlib_module_names):
                yield f"{module.name}: a figure imports {name}"


def objectives_never_see_a_model(modules: list[Module]) -> Iterator[str]:
    """Objectives know outputs and tensors, nothing of the house beyond words and runtime."""
    for module in modules:
        for room, name in _rooms(module) if module.room == "objectives" else ():
            if room not in {"types", "runtime", "objectives"}:
                yield f"{module.name}: an objective imports {name}"


def the_loop_never_sees_a_measure(modules: list[Module]) -> Iterator[str]:
    """Training measures, draws and judges nothing, and knows no study."""
    for module in modules:
        for room, name in _rooms(module) if module.room in {"trace", "train"} else ():
            if room in {"measures", "figures", "claims", "presets", "studies", "interactive", "headless"}:
                yield f"{module.name}: the loop imports {name}"


def nobody_imports_a_study(modules: list[Module]) -> Iterator[str]:
    """A study is imported by its notebook alone; headless finds it by ``studies.of_notebook``."""
    for module in modules:
        if module.room != "studies":
            taken = {
                name.removeprefix("sslens.studies").lstrip(".") for room, name in _rooms(module) if room == "studies"
            }
            taken |= _attributes_of(module, "studies")
            allowed = {"", "of_notebook"} if module.room == "headless" else set()
            yield from (f"{module.name}: imports sslens.studies {name}" for name in sorted(taken - allowed))
        if module.name not in WHERE_STUDIES_ARE_NAMED:
            yield from (f"{module.name}: names {text}" for text in _texts(module) if text.startswith("sslens.studies."))


WHERE_STUDIES_ARE_NAMED = {
    "sslens.studies.study": "finds the study of a notebook",
    "sslens.moved": "says where modules of version 0.1 went",
}
"""Files with the dotted name of a study in a text, and what for."""


def _attributes_of(module: Module, name: str) -> set[str]:
    """What is taken of a module that was imported under this name."""
    nodes = (node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == name}


def _texts(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def studies_stand_alone(modules: list[Module]) -> Iterator[str]:
    """A study imports the frame and its own further files, ``<study>_<what>.py``, and no other study."""
    files = {module.name.split(".")[2]: module for module in modules if module.name.startswith("sslens.studies.")}
    studies = {stem for stem, module in files.items() if "NOTEBOOK" in _assigned(module)}
    owners = {stem: _owner(stem, studies) for stem in files.keys() - {FRAME}}
    yield from (f"{files[stem].name}: belongs to no study" for stem, owner in owners.items() if not owner)
    for stem, owner in owners.items():
        for room, name in _rooms(files[stem]):
            other = [*name.split("."), ""][2]
            if room == "studies" and other != FRAME and (other not in files or owners[other] != owner):
                yield f"{files[stem].name}: imports {name}, which is no file of its own"


FRAME = "study"
"""The file that all studies share."""


def _owner(stem: str, studies: set[str]) -> str:
    return next((study for study in sorted(studies, key=len, reverse=True) if f"{stem}_".startswith(f"{study}_")), "")


def _assigned(module: Module) -> set[str]:
    targets = (target for node in module.tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return {target.id for target in targets if isinstance(target, ast.Name)}


RULES = [no_cycle, downward_only, measures_never_draw, figures_never_compute]
RULES += [objectives_never_see_a_model, the_loop_never_sees_a_measure, nobody_imports_a_study, studies_stand_alone]
