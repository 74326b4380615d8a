"""The fingerprint of a lesson moves with all that decides its outputs and with nothing else."""

import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sslens import studies
from sslens.headless import lesson
from sslens.headless.lesson import fingerprint, reference_of, stale_reference
from sslens.types import InputError

STUDY = '''"""Which rank?"""
from dataclasses import dataclass
from typing import Annotated

from sslens.studies.study import from_namespace
from sslens.types import Range, checked_dataclass

NOTEBOOK = "12_tour"


@dataclass(frozen=True)
class Config:
    temperature: float
    profile: str

    def to_json(self):
        return {"temperature": self.temperature, "profile": self.profile}


@checked_dataclass
class Setting:
    temperature: Annotated[float, Range(0, 10, above=True)] = 0.2
    profile: str = "lesson"

    @classmethod
    def of(cls, values):
        return from_namespace(cls, values)


def configs(setting):
    """The runs."""
    return {"healthy": Config(setting.temperature, setting.profile)}
'''
PARAMETERS = 'temperature: float = 0.2\nprofile: str = "lesson"'


@pytest.fixture
def code(monkeypatch):
    """Stand in for the fingerprint of a study's code: say which version it is of."""
    monkeypatch.setattr(lesson, "of_modules", lambda *names, **_: f"{names} in {versions[-1]}")
    versions = ["the first version"]
    return versions.append


@pytest.fixture
def study(code, tmp_path, monkeypatch):
    """Write the study of 12_tour anew: what it says then."""
    monkeypatch.setattr(studies, "__path__", [*studies.__path__, str(tmp_path)])

    def write(source):
        forget()
        (tmp_path / "tour.py").write_text(source)

    def forget():
        sys.modules.pop("sslens.studies.tour", None)

    write(STUDY)
    yield write
    forget()


def notebook(*sources, parameters=PARAMETERS):
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(new_code_cell, sources)]
    return new_notebook(cells=[new_markdown_cell("# Which rank?"), *cells])


def of_tour(*sources, **parameters):
    return fingerprint(notebook(*sources, **parameters), "12_tour")


def test_it_moves_with_a_source_and_its_place(study):
    assert (
        len({of_tour("x = 1", "y = 2"), of_tour("y = 2", "x = 1"), of_tour("x = 1"), of_tour("x = 1 ", "y = 2")}) == 4
    )


def test_it_moves_with_the_code_of_the_study(study, code):
    before = of_tour("x = 1")
    assert of_tour("x = 1") == before
    code("the second version")
    assert of_tour("x = 1") != before


def test_it_moves_with_what_a_cell_takes_from_the_library_through_a_face(study):
    face, used = "from sslens.measures import probe, spectrum", "spectrum.rankme(probe)"
    plain, magic = of_tour(face, used), of_tour(face, "%time " + used)
    assert lesson.taken_by(f"{face}\n{used}") == ("sslens.measures.spectrum.rankme",)
    assert len({plain, magic, of_tour(face, used, "spectrum.effective_rank(1)")}) == 3


def test_it_moves_with_what_the_runs_are(study):
    before = of_tour("x = 1")
    assert of_tour("x = 1", parameters=PARAMETERS.replace("0.2", "0.3")) != before
    study(STUDY.replace('{"temperature": self.temperature,', '{"temperature": 2 * self.temperature,'))
    assert of_tour("x = 1") != before


def test_it_speaks_of_the_lesson_whatever_the_checks_are_set_to(study, monkeypatch):
    before = of_tour("x = 1")
    monkeypatch.setenv("SSLENS_PROFILE", "smoke")
    assert of_tour("x = 1") == before


def test_prose_outputs_empty_cells_and_unfolded_sources_decide_nothing(study):
    plain = of_tour("x = 1")
    changed = notebook("x = 1", "   ", "show_source(fit)", "studies.show_source(fit)  # folded")
    changed.cells[0].source = "# Another question?"
    changed.cells[2].update(execution_count=3, outputs=[nbformat.v4.new_output("stream", text="1")])
    assert fingerprint(changed, "12_tour") == plain
    changed.cells.append(new_code_cell("unfold()", metadata={"tags": ["show-source"]}))
    assert fingerprint(changed, "12_tour") == plain
    assert of_tour("x = show_source(fit)", "x") != of_tour("x")


def test_without_a_study_the_sources_alone_decide(study):
    assert fingerprint(notebook("x = 1", parameters="profile = 3"), "13_detour")
    assert fingerprint(notebook("x = 1"), "13_detour") != of_tour("x = 1")


def test_parameters_that_the_study_refuses_are_said(study):
    with pytest.raises(InputError, match="temperature must be a float"):
        of_tour("x = 1", parameters=PARAMETERS.replace("0.2", "20.0"))


def test_a_reference_stands_beside_the_tests_of_a_checkout(tmp_path):
    path = tmp_path / "notebooks" / "10_tour.ipynb"
    assert reference_of(path) is None
    (tmp_path / "tests" / "notebooks").mkdir(parents=True)
    assert reference_of(path) == tmp_path / "tests" / "notebooks" / "reference" / "10_tour.ipynb"
    assert reference_of(tmp_path / "elsewhere" / "10_tour.ipynb") is None


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("x = 1", "y = 2"), ""),
        (("x = 1",), "was made from other sources, from cell 3 ('y = 2') on"),
        (("x = 1", "y = 3"), "was made from other sources, from cell 3 ('y = 3') on"),
        (("x = 1", "y = 2", "z = 3"), "was made from other sources, from cell 4 ('z = 3') on"),
    ],
)
def test_a_reference_of_other_sources_is_stale_from_the_first_that_differs(sources, said, tmp_path):
    nbformat.write(notebook("x = 1", "y = 2"), tmp_path / "reference.ipynb")
    assert stale_reference(notebook(*sources), tmp_path / "reference.ipynb") == said
    assert stale_reference(notebook(*sources), tmp_path / "none.ipynb") == "is missing"


def test_it_moves_with_a_stored_result(study, monkeypatch):
    class Stored:
        def checksum(self):
            return versions[-1]

    versions, before = ["1"], of_tour("x = 1")
    monkeypatch.setattr(studies.of_notebook("12_tour"), "STORED", (Stored(),), raising=False)
    first = of_tour("x = 1")
    versions.append("2")
    assert len({before, first, of_tour("x = 1")}) == 3
