import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from sslens import studies
from sslens.headless.parameters import Parameter, declared, read_value, resolve
from sslens.types import InputError, UnknownName

LINES = ["steps: int = 40  # of training", "rate: float = 1", 'name: str = "a # b"', "flag: bool = False"]
LINES += ['profile: str = "lesson"  # smoke, lesson or full']


def notebook(*sources):
    cells = [new_code_cell(source, metadata={"tags": ["parameters"]}) for source in sources]
    return new_notebook(cells=[*cells, new_code_cell("x = 1")])


def test_names_types_defaults_and_help_come_from_the_cell():
    found = declared(notebook("# what to run\n" + "\n".join(LINES)))
    assert found["steps"] == Parameter("steps", int, 40, "of training")
    assert found["rate"] == Parameter("rate", float, 1.0, "")
    assert found["name"].default == "a # b"
    assert list(found) == ["steps", "rate", "name", "flag", "profile"]


@pytest.mark.parametrize(
    "line",
    ["steps = 40", "steps: int", "steps: list = []", "steps: int = 3.0", "steps: int = True", "rate: float = '1'",
     "steps: int = len('a')", "import os", "steps: int = (", "rate: float = 1e999", "a.b: int = 1",
     "steps: int = 41\nsteps: int = 4"],
)  # fmt: skip
def test_a_line_that_declares_nothing_is_refused(line):
    with pytest.raises(InputError, match=r"parameters cell|steps|rate"):
        declared(notebook('profile: str = "lesson"\n' + line))


def test_exactly_one_cell_with_a_profile_is_wanted():
    for wrong in (notebook(), notebook(*LINES[-1:] * 2), notebook(LINES[0]), notebook("profile: int = 3")):
        with pytest.raises(InputError, match="parameters"):
            declared(wrong)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("007", str, "007"), ("None", str, "None"), ("", str, ""), ("1e-3", float, 1e-3), ("-.5", float, -0.5),
     ("3", float, 3.0), ("5.", float, 5.0), ("-12", int, -12), ("+3", int, 3), ("0", int, 0), ("true", bool, True),
     ("False", bool, False), ("nan", str, "nan")],
)  # fmt: skip
def test_text_is_read_by_the_declared_type(text, kind, value):
    found = read_value("x", text, kind=kind)
    assert found == value and type(found) is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [("007", int), ("1_000", int), ("1_000", float), ("1e3", int), ("3.0", int), ("nan", float), ("inf", float),
     ("-infinity", float), ("1e400", float), ("", int), ("", float), ("", bool), (" 3", int), ("3\n", int), ("٣", int),
     ("9" * 5000, int), ("0x10", int), ("True", int), ("1", bool), ("yes", bool), ("0,1", float), ("\ud800", str)],
)  # fmt: skip
def test_text_that_would_have_to_be_guessed_is_refused(text, kind):
    with pytest.raises(InputError, match=r"^x must be"):
        read_value("x", text, kind=kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1.0, int), (True, int), (True, float), (1, bool), (None, str), ([1], int), (3, str),
     (float("nan"), float), (10**400, float)],
)  # fmt: skip
def test_a_python_value_of_another_type_is_refused(value, kind):
    with pytest.raises(InputError, match=r"^x must be"):
        read_value("x", value, kind=kind)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_and_read_is_the_same_float(number):
    assert read_value("x", repr(number), kind=float) == number


def test_a_value_is_the_given_one_or_the_default():
    values = resolve(notebook("\n".join(LINES)), {"steps": "7"}, profile="smoke")
    assert values == {"steps": 7, "rate": 1.0, "name": "a # b", "flag": False, "profile": "smoke"}


def test_unknown_names_come_with_the_closest_match():
    with pytest.raises(UnknownName, match="Did you mean 'steps'"):
        resolve(notebook("\n".join(LINES)), {"step": 7}, profile="lesson")
    with pytest.raises(UnknownName, match="Did you mean 'lesson'"):
        resolve(notebook("\n".join(LINES)), {}, profile="leson")
    with pytest.raises(InputError, match="--profile"):
        resolve(notebook("\n".join(LINES)), {"profile": "full"}, profile="lesson")
    with pytest.raises(UnknownName):
        resolve(notebook("\n".join(LINES)), {"steps = 1; import os; x": 7}, profile="lesson")


STUDY = """from dataclasses import dataclass
from typing import Annotated

from sslens.types import InputError, OneOf, Range

NOTEBOOK = "12_tour"


@dataclass(frozen=True)
class Setting:
    steps: Annotated[int, Range(0, 1000)] = 40
    objective: Annotated[str, OneOf(("simclr", "vicreg"))] = "vicreg"

    @classmethod
    def of(cls, values):
        if values["steps"] == 13:
            raise InputError("steps", 13, "a luckier number")
        return cls(values["steps"], values["objective"])
"""
OF_STUDY = notebook("\n".join([*LINES, 'objective: str = "vicreg"']))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The study of a notebook called 12_tour."""
    (tmp_path / "tour.py").write_text(STUDY)
    monkeypatch.setattr(studies, "__path__", [*studies.__path__, str(tmp_path)])
    yield
    sys.modules.pop("sslens.studies.tour", None)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"steps": "-1"}, r"steps must be an int in \[0, 1000\]. Got -1"), ({"steps": 1001}, r"in \[0, 1000\]"),
     ({"objective": "vicrag"}, "Did you mean 'vicreg'"), ({"steps": 13}, "a luckier number")],
)  # fmt: skip
def test_the_study_of_a_notebook_says_what_is_legal(study, given, said):
    with pytest.raises(InputError, match=said):
        resolve(OF_STUDY, given, profile="lesson", name="12_tour")


def test_a_default_out_of_the_studys_range_is_refused_too(study):
    with pytest.raises(InputError, match="steps must be an int"):
        resolve(notebook(LINES[0].replace("40", "4000") + "\n" + LINES[-1]), {}, profile="lesson", name="12_tour")


def test_what_the_study_allows_is_taken(study):
    assert resolve(OF_STUDY, {"steps": "1000"}, profile="lesson", name="12_tour")["steps"] == 1000


@pytest.mark.parametrize("name", ["", "13_detour", "my tour", "a.b", "..", "_", "12_"])
def test_a_notebook_without_a_study_has_only_its_declared_types(study, name):
    assert resolve(OF_STUDY, {"steps": -1, "objective": "mine"}, profile="lesson", name=name)["steps"] == -1


def test_a_folder_of_images_is_looked_for_where_the_command_is_typed(tmp_path, monkeypatch):
    (tmp_path / "pics").mkdir()
    monkeypatch.chdir(tmp_path)
    cell = notebook(LINES[-1] + '\ndataset: str = "folder:beside/the/notebook"')
    for kind in ("folder", "folder+skip"):
        found = resolve(cell, {"dataset": f"{kind}:pics"}, profile="smoke")
        assert found["dataset"] == f"{kind}:{tmp_path / 'pics'}"
    assert resolve(cell, {"dataset": "digits"}, profile="smoke")["dataset"] == "digits"
    assert resolve(cell, {}, profile="smoke")["dataset"] == "folder:beside/the/notebook"  # its own, from its own place
    with pytest.raises(InputError, match=rf"Got '{tmp_path}/pix'\. Nothing is there"):
        resolve(cell, {"dataset": "folder:pix"}, profile="smoke")
