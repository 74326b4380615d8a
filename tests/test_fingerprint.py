"""Fingerprints of code follow imports and syntax; words, layout and registries leave them."""

import importlib
import linecache
import sys
import textwrap
from dataclasses import dataclass
from functools import cache

import pytest
import torch

from sslens import fingerprint
from sslens.fingerprint import of_class, of_function, of_modules
from sslens.types import InputError

FILES = {
    "house/__init__.py": "",
    "house/core.py": """
        from house.parts import chosen
        from house import tools
        def step(x):
            return chosen(x) + tools.LIMIT
    """,
    "house/tools.py": "LIMIT = 1",
    "house/parts/__init__.py": """
        from house.parts.first import chosen
        from house.parts.second import other
        REGISTRY = {"first": chosen, "second": other}
    """,
    "house/parts/first.py": """
        import house.deep.below
        def chosen(x):
            return house.deep.below.VALUE * x
    """,
    "house/parts/second.py": "def other(x):\n    return x",
    "house/deep/__init__.py": "",
    "house/deep/below.py": "VALUE = 2",
    "house/late.py": """
        def compute():
            from house import tools
            return tools.LIMIT
    """,
    "house/whole.py": """
        from house import parts
        def whole(x):
            return parts.chosen(x)
    """,
    "house/unused.py": "x = 1",
}
CACHES = ("_reached", "_imported", "_tree", "_code_of", "_path")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small library, and a function that changes a file of it and takes the fingerprint of its core anew."""
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path / "house")
    monkeypatch.setattr(fingerprint, "HOUSE", "house")

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text).strip() + "\n")

    def taken(path=None, text="", of=("house.core",)):
        if path:
            write(path, text)
        forget()
        return of_modules(*of)

    for path, text in FILES.items():
        write(path, text)
    yield taken
    monkeypatch.undo()
    forget()


def forget():
    for name in CACHES:
        getattr(fingerprint, name).cache_clear()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("house/core.py", FILES["house/core.py"].replace("+", "-")),
        ("house/tools.py", "LIMIT = 2"),
        ("house/parts/first.py", FILES["house/parts/first.py"].replace("* x", "+ x")),
        ("house/deep/below.py", "VALUE = 3"),
        ("house/parts/__init__.py", "from house.parts.second import other as chosen"),
    ],
)
def test_what_the_code_uses_moves_it_however_far_away(house, path, text):
    assert house() != house(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("house/unused.py", "x = 2"),
        ("house/parts/second.py", "def other(x):\n    return -x"),
        ("house/parts/third.py", "y = 1"),
        ("house/parts/__init__.py", FILES["house/parts/__init__.py"].rstrip() + "\n        THIRD = 3\n"),
        ("house/tools.py", "# how much\n\n\nLIMIT   =  1"),
        ("house/tools.py", "'''Tools.'''\nLIMIT = 1\n'''How much.'''"),
        ("house/deep/below.py", "VALUE = (2)"),
    ],
)
def test_what_it_does_not_use_and_how_it_is_written_leave_it(house, path, text):
    assert house() == house(path, text)


def test_an_import_within_a_function_counts(house):
    before = house(of=("house.late",))
    assert house("house/tools.py", "LIMIT = 2", of=("house.late",)) != before


def test_the_order_and_repetition_of_names_change_nothing(house):
    assert house(of=("house.core", "house.late")) == house(of=("house.late", "house.core", "house.core"))


def test_a_module_that_is_not_there_is_an_error(house):
    with pytest.raises(ModuleNotFoundError, match=r"no module .house\.nowhere."):
        house(of=("house.nowhere",))


def test_a_new_file_that_hides_a_name_is_seen(house):
    """A module takes the place of what a face defined."""
    before = house()
    assert house("house/parts/chosen.py", "def chosen(x):\n    return 0") != before


FACTOR = 2


class Used:
    limit = 1


class Mine:
    def compute(self):
        return helper(Used.limit)


class Other:
    def compute(self):
        return helper(2)


@cache
def helper(x):
    return FACTOR * x


def test_a_class_is_taken_with_what_it_uses(monkeypatch):
    first = of_class(Mine)
    assert first == of_class(Mine) != of_class(Other) and len(first) == 32
    monkeypatch.setattr(f"{__name__}.FACTOR", 3)
    assert of_class(Mine) != first


WEIGHTS = {"a": 1.0}
LIST = [1.0]
BULK = torch.arange(3.0)
STATE = torch.Generator()


class Fed:
    def compute(self):
        return WEIGHTS["a"] * LIST[0] * BULK


@dataclass
class Kept:
    weight: float = 1.0

    def compute(self):
        return helper(self.weight)


KEPT = Kept()


class Held:
    def compute(self):
        return KEPT


class Vague:
    def compute(self):
        return STATE


def closing(gamma):
    class Closed:
        def compute(self):
            return gamma

    return Closed


def test_values_count_by_their_content(monkeypatch):
    seen = {of_class(Fed)}
    for name, value in {"WEIGHTS": {"a": 2.0}, "LIST": [2.0], "BULK": torch.arange(4.0)}.items():
        monkeypatch.setattr(f"{__name__}.{name}", value)
        seen.add(of_class(Fed))
    assert len(seen) == 4
    assert {"KEPT", "Kept", "helper", "FACTOR"} <= fingerprint._used(Held).keys()
    assert of_class(closing(1.0)) == of_class(closing(1.0)) != of_class(closing(2.0))


def test_a_value_without_a_content_is_refused():
    with pytest.raises(InputError, match="STATE must be a value whose content can be written down"):
        of_class(Vague)


def test_what_comes_from_other_files_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # old bytecode passes for new where second and size agree
    (tmp_path / "of_mine.py").write_text(
        "import of_helper\nfrom of_helper import scaled\nfrom sslens.objectives import VICReg\n"
        "class Mine:\n    def compute(self, z):\n        return scaled(of_helper.again(z)) + VICReg().terms(z)\n"
    )
    seen = set()
    for scale, again in ((1, 1), (2, 1), (2, 3)):
        code = f"SCALE = {scale}\ndef scaled(z):\n    return SCALE * z\ndef again(z):\n    return {again} * z\n"
        code = f"import numpy, torch\nSTATE = torch.Generator()\n{code}"
        (tmp_path / "of_helper.py").write_text(code)
        for name in ("of_mine", "of_helper"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.clearcache()
        seen.add(of_class(importlib.import_module("of_mine").Mine))
    assert len(seen) == 3
    used = fingerprint._used(importlib.import_module("of_mine").Mine)
    assert used["sslens.objectives.vicreg.VICReg"] == of_modules("sslens.objectives.vicreg")
    assert not [name for name in used if "numpy" in name or "torch" in name or "STATE" in name]


def test_a_class_that_no_file_holds_is_an_error():
    namespace = {"__name__": __name__}
    exec("class Nowhere:\n    def compute(self):\n        return 1", namespace)
    with pytest.raises(OSError, match="Nowhere"):
        of_class(namespace["Nowhere"])


def test_what_is_taken_from_a_face_later_on_counts_through_faces_alone(house):
    def both(path, text):
        house(path, text)
        forget()
        return of_modules("house.whole"), of_modules("house.whole", through_faces=True)

    plain, through = both("house/whole.py", FILES["house/whole.py"])
    assert both("house/parts/second.py", "def other(x):\n    return 2 * x") == (plain, through)
    again, moved = both("house/deep/below.py", "VALUE = 3")
    assert again == plain and moved != through


def test_a_library_that_changed_under_a_running_process_is_refused(house, monkeypatch):
    house()
    monkeypatch.setattr(fingerprint, "_AT_START", {path: (0, 0) for path in fingerprint.ROOT.rglob("tools.py")})
    with pytest.raises(InputError, match=r"tools\.py must be as it was when this process began.*Restart it"):
        house()
    assert house(of=("house.unused",))


def test_the_real_library_has_one():
    assert of_modules("sslens.types") != of_modules("sslens.types", "sslens.statistics")
    assert of_modules("sslens.types") in {of_modules("sslens.types")}


OF_FUNCTION = '''"""What a claim measures."""
from fractions import Fraction
FACTOR = 2
MEASURES = {"first": lambda x: x + 1,
            "second": lambda x: helper(x) * FACTOR}
def helper(x):
    """Half of it."""
    return deeper(x) / 2  # half
def deeper(x):
    return Fraction(x)
def unused(x):
    return x
def closing(power):
    return lambda x: x ** power
'''
CHANGES = {
    "the lambda": ("helper(x) * FACTOR", "FACTOR * helper(x)", True),
    "what it calls": ("/ 2", "/ 3", True),
    "what that calls": ("Fraction(x)", "Fraction(x + 1)", True),
    "a value": ("FACTOR = 2", "FACTOR = 3", True),
    "its neighbour": ("x + 1", "x + 2", False),
    "a docstring": ("Half of it.", "A half.", False),
    "a comment": ("# half", "# of it", False),
    "what it does not use": ("return x\n", "return -x\n", False),
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A module of this text, imported from a package of its own."""

    def load(text):
        path = tmp_path / "ours_measured" / "study.py"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
        for name in [name for name in sys.modules if name.startswith("ours_measured")]:
            del sys.modules[name]
        linecache.clearcache()
        importlib.invalidate_caches()
        return importlib.import_module("ours_measured.study")

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield load
    for name in [name for name in sys.modules if name.startswith("ours_measured")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", CHANGES)
def test_a_function_is_taken_with_what_it_calls_in_its_package(name, written):
    old, new, moves = CHANGES[name]
    before = of_function(written(OF_FUNCTION).MEASURES["second"])
    after = of_function(written(OF_FUNCTION.replace(old, new)).MEASURES["second"])
    assert (before != after) == moves


def test_a_function_is_taken_with_what_it_closes_over(written):
    closing = written(OF_FUNCTION).closing
    assert of_function(closing(2)) == of_function(closing(2)) != of_function(closing(3))


def test_a_function_whose_source_is_nowhere_is_an_error():
    namespace = {"__name__": __name__}
    exec("def nowhere(x):\n    return x\nalso = lambda x: x", namespace)
    for name in ("nowhere", "also"):
        with pytest.raises(OSError):
            of_function(namespace[name])
