"""README's table follows the committed verdicts and can never contradict them."""

import itertools
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sslens import studies
from sslens.headless import lesson as lessons
from sslens.headless.lesson import fingerprint
from sslens.headless.table import BEGIN, END, HEAD, STALE, counts, renew, row, table, with_table
from sslens.types import InputError

STUDY = '''"""Which rank?"""
from dataclasses import dataclass

NOTEBOOK = "12_tour"


def answer(verdicts):
    """One sentence that follows the verdicts."""
    words = {True: "falls", False: "stays", None: "may fall | or not"}
    return f"The rank {words[verdicts[0]['holds']]}."


@dataclass
class Setting:
    @classmethod
    def of(cls, values):
        return cls()


def configs(setting):
    return {}
'''
PARAMETERS = 'profile: str = "lesson"'


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    """The study of 12_tour."""
    (tmp_path / "tour.py").write_text(STUDY)
    monkeypatch.setattr(lessons, "of_modules", lambda *names, **_: "")  # finds no study outside the library
    monkeypatch.setattr(studies, "__path__", [*studies.__path__, str(tmp_path)])
    sys.modules.pop("sslens.studies.tour", None)
    yield
    sys.modules.pop("sslens.studies.tour", None)


def verdicts(*outcomes, contested=("loss",)):
    quantities = zip(("rank", "loss", "bound"), outcomes, strict=False)
    return [{"quantity": name, "holds": holds, "under_review": name in contested} for name, holds in quantities]


def lesson(path, *outcomes, contested=("loss",), stale=False):
    """A frozen notebook with verdicts that came out like this."""
    cell = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, execution_count=1)
    notebook = new_notebook(cells=[new_markdown_cell("# Does rank | fall?\n\n**Claim** It does."), cell])
    if outcomes:
        mark = {"fingerprint": "0" if stale else fingerprint(notebook, path.stem), "profile": "lesson"}
        notebook.metadata["sslens"] = mark | {"verdicts": verdicts(*outcomes, contested=contested)}
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    return path


def test_a_row_has_the_question_the_counts_and_the_studys_answer(tmp_path):
    made = row(lesson(tmp_path / "12_tour.ipynb", True, True, False))
    assert made == (
        r"| [Does rank \| fall?](notebooks/12_tour.ipynb) | The rank falls. | 1 of 3 hold, 1 does not, 1 under review |"
    )


@pytest.mark.parametrize("outcomes", list(itertools.product([True, False, None], repeat=3)))
def test_counts_and_answer_follow_every_verdict(outcomes, tmp_path):
    _, _, answer, counted, _ = row(lesson(tmp_path / "12_tour.ipynb", *outcomes)).replace(r"\|", "/").split("|")
    others = [outcomes[0], outcomes[2]]  # the second is under review
    fails = "1 does not" if others.count(False) == 1 else f"{others.count(False)} do not"
    parts = [f"{others.count(True)} of 3 hold", fails, f"{others.count(None)} undecided"]
    wanted = [part for number, part in enumerate(parts) if number == 0 or part[0] != "0"]
    assert counted.strip() == ", ".join([*wanted, "1 under review"])
    sentence = {True: "The rank falls.", False: "The rank stays.", None: "The rank may fall / or not."}[outcomes[0]]
    assert answer.strip() == sentence


@pytest.mark.parametrize("holds", [True, False, None])
def test_the_answer_takes_a_verdict_under_review_for_an_open_one(holds, tmp_path):
    path = lesson(tmp_path / "12_tour.ipynb", holds, contested=("rank",))
    assert row(path).endswith(r"| The rank may fall \| or not. | 0 of 1 hold, 1 under review |")


def test_a_lesson_of_other_code_says_so(tmp_path):
    assert STALE not in row(lesson(tmp_path / "12_tour.ipynb", True))
    assert row(lesson(tmp_path / "12_tour.ipynb", True, stale=True)).endswith(f"The rank falls.{STALE} | 1 of 1 hold |")


def test_a_notebook_never_frozen_and_one_without_a_study_have_rows_too(tmp_path):
    assert row(lesson(tmp_path / "12_tour.ipynb")).endswith("|  | not frozen yet |")
    assert row(lesson(tmp_path / "13_detour.ipynb", True)).endswith("|  | 1 of 1 hold |")


def test_what_is_not_tested_is_counted_by_itself():
    found = [{"holds": None, "untested": "too few settings: 3"}, {"holds": None, "untested": ""}, {"holds": True}]
    assert counts(found) == "1 of 3 hold, 1 undecided, 1 not tested here"
    assert counts([found[0] | {"under_review": True}]) == "0 of 1 hold, 1 under review"


@pytest.mark.parametrize("profile", ["smoke", "full", None])
def test_verdicts_of_another_profile_never_stand_in_the_table(profile, tmp_path):
    path = lesson(tmp_path / "13_detour.ipynb", True)
    notebook = nbformat.read(path, 4)
    notebook.metadata["sslens"]["profile"] = profile
    nbformat.write(notebook, path)
    assert "| not frozen yet |" in row(path) and table([path]).endswith(row(path))


def test_below_the_table_it_says_how_many_verdicts_err_by_chance(tmp_path):
    paths = [
        lesson(tmp_path / f"{name}_tour.ipynb", *outcomes)
        for name, outcomes in (("12", (True, True, None)), ("13", (False,)))
    ]
    *_, blank, sentence = table(paths).splitlines()
    assert blank == "" and sentence == (
        "Of 4 verdicts 2 are decided by intervals of 95 %: up to 0.1 of those are to be expected to be wrong by chance."
    )  # the contested one is not counted
    assert "by chance" not in table([lesson(tmp_path / "14_detour.ipynb", None)])


def test_nothing_under_review_is_not_mentioned():
    assert counts(verdicts(True, True, True, contested=())) == "3 of 3 hold"
    assert counts([{"quantity": "rank", "holds": False}] * 2) == "0 of 2 hold, 2 do not"


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("12_tour", "10_first", "_draft"):
        lesson(root / "notebooks" / f"{name}.ipynb", True)
    (root / "README.md").write_text(f"# Rank\n\n{BEGIN}\n{END}\n\nMore.\n")
    return root


def test_readme_gets_a_row_for_each_notebook_in_order_and_keeps_the_rest(checkout):
    assert renew(checkout) is True
    text = (checkout / "README.md").read_text()
    lines = text.splitlines()
    assert text.startswith(f"# Rank\n\n{BEGIN}{HEAD}\n") and text.endswith(f"{END}\n\nMore.\n")
    assert [line.partition("notebooks/")[2][:2] for line in lines if "notebooks/" in line] == ["10", "12"]
    assert renew(checkout) is False


@pytest.mark.parametrize("text", ["", BEGIN, END, END + "\n" + BEGIN, BEGIN * 2 + END, BEGIN + END * 2])
def test_a_readme_without_its_marks_is_refused(text, checkout):
    with pytest.raises(InputError, match=r"README\.md must be a text with the lines <!-- questions -->"):
        with_table(text, "table")
    (checkout / "README.md").write_text(text)
    with pytest.raises(InputError):
        renew(checkout)
    assert (checkout / "README.md").read_text() == text


def test_no_readme_is_refused(tmp_path):
    with pytest.raises(InputError, match="top folder"):
        renew(tmp_path)
