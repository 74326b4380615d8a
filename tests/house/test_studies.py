"""Every study and its notebook agree, and every answer follows its verdicts; each clause is tried on a breach."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sslens.claims import Claim
from sslens.headless.notebook import read_notebook
from sslens.studies import of_notebook
from sslens.types import Range, checked_dataclass
from tests.house import studies
from tests.house.reading import LIBRARY, ROOT, house

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RISES = Claim("It rises.", source="Nobody 2023", quantity="rise", above=0)
FALLS = Claim("It falls.", source="Nobody 2023", quantity="fall", below=0)


@checked_dataclass
class Setting:
    """Parameters of the good study."""

    profile: str = "lesson"
    rate: Annotated[float, Range(0, 1)] = 0.5


def answer(verdicts):
    """One line that follows both verdicts."""
    found = studies.outcomes(verdicts)
    words = {True: "yes", False: "no", None: "perhaps"}
    return f"Rises: {words[found['rise']]}, falls: {words[found['fall']]}."


def study(**changes):
    """The smallest study, with some of its parts changed."""
    made = ModuleType("sslens.studies.some_question")
    parts = {"NOTEBOOK": "12_some_question", "QUESTION": "Does it rise?", "Setting": Setting}
    parts |= {"rises": RISES, "falls": FALLS, "CLAIMS": (RISES, FALLS), "answer": answer}
    parts |= {"exercises": lambda runs: runs}
    vars(made).update(parts | changes)
    return made


def notebook(*, title="Does it rise?", rate="float = 0.5", module="some_question", judged=("rises", "falls")):
    """Its notebook, with some of its parts changed."""
    parameters = f'profile: str = "lesson"  # smoke, lesson or full\nrate: {rate}  # of learning'
    verdicts = "\n".join(f"study.{name}.judge(found)" for name in judged)
    cells = [
        new_markdown_cell(f"# {title}"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        new_code_cell(f"from sslens.studies import {module} as study\n{verdicts}"),
    ]
    return new_notebook(cells=cells, metadata={"sslens": {"verdicts": records(rise=True, fall=None)}})


MADE = "exercises = study.exercises(runs)"
ONE, TWO = (f'answer = None  # a number\nexercises["{name}"].check(answer)' for name in ("one", "two"))
TASK = 'def my_rank(z):\n    return None  # your code\n\n\nexercises["by_hand"].check(my_rank)'


def set_exercises(*, made=MADE, codes=(ONE, TWO, TASK), words="{}. How many?", end="**To discuss** Why?"):
    """The notebook with exercises, and with some of their parts changed."""
    book = notebook()
    book.cells.append(new_code_cell(made))
    for place, code in enumerate(codes, 1):
        book.cells += [new_markdown_cell(words.format(place)), new_code_cell(code)]
    book.cells.append(new_markdown_cell(end))
    return book


def records(**outcomes):
    """Verdicts as a lesson's metadata hold them."""
    return [{"quantity": name, "holds": holds} for name, holds in outcomes.items()]


def concluding(**outcomes):
    """The notebook with these verdicts in its metadata."""
    made = notebook()
    made.metadata["sslens"]["verdicts"] = records(**outcomes)
    return made


def by_hand():
    """The notebook with a cell that trains."""
    made = notebook()
    made.cells[2].metadata["tags"] = ["by-hand"]
    return made


@checked_dataclass
class Longer:
    """Parameters in another order, and one more."""

    rate: float = 0.5
    profile: str = "lesson"
    steps: int = 3


NOTEBOOK_BREACHES = [
    (studies.asks_its_question, notebook(title="Does it fall?"), study(), "the title is 'Does it fall?'"),
    (studies.has_its_parameters, notebook(rate="float = 0.4"), study(), "rate: ('float', 0.4) in the notebook"),
    (studies.has_its_parameters, notebook(rate="int = 1"), study(), "rate: ('int', 1) in the notebook"),
    (studies.has_its_parameters, notebook(), study(Setting=Longer), "fields ['rate', 'profile', 'steps']"),
    (studies.imports_no_other_study, notebook(module="other_question"), study(), "imports sslens.studies.other"),
    (studies.imports_no_other_study, notebook(module="some_question_trees"), study(), "some_question_trees"),
    (studies.judges_its_claims, notebook(judged=["rises"]), study(), "does not judge 'fall'"),
    (studies.judges_its_claims, notebook(judged=["rises", "falls", "sinks"]), study(), "judges sinks"),
    (studies.judges_its_claims, notebook(), study(CLAIMS=(RISES,)), "judges falls"),
    (studies.trains_by_hand_in_the_first_alone, by_hand(), study(), "cells [2] are tagged"),
    *(
        (studies.sets_its_exercises, set_exercises(**changes), study(), said)
        for changes, said in [
            ({"made": "exercises = {}"}, "not one cell has"),
            ({"codes": (ONE, TASK, TASK)}, "cells of by_hand: 2"),
            ({"codes": (ONE, TASK)}, "1 tasks and 1 questions"),
            ({"codes": (ONE, TWO)}, "0 tasks and 2 questions"),
            ({"codes": (ONE.replace("None", "3"), TWO, TASK)}, "cell 4 is no exercise without an answer"),
            ({"codes": (ONE, TWO, TASK.replace("None", "z"))}, "cell 6 is no exercise without an answer"),
            ({"codes": (ONE, TWO, TASK.replace("(my_rank)", "(rank)"))}, "cell 6 is no exercise without an answer"),
            ({"codes": (f"f()\n{ONE}", TWO, TASK)}, "cell 4 is no exercise without an answer"),
            ({"words": "How many?"}, "before the cell of one stand no words with a number"),
            ({"end": "Discuss."}, "no cell begins with '**To discuss**'"),
        ]
    ),
    (studies.concludes_its_claims, concluding(rise=True), study(), "concludes ['rise']"),
    (studies.concludes_its_claims, concluding(rise=True, fall=True, sink=True), study(), "'sink'"),
]
STUDY_BREACHES = [
    (studies.is_whole, {"QUESTION": "It rises."}, "is no question"),
    (studies.is_whole, {"CLAIMS": ()}, "claims about []"),
    (studies.is_whole, {"CLAIMS": (RISES, RISES)}, "claims about ['rise', 'rise']"),
    (
        studies.is_whole,
        {"CLAIMS": (RISES, Claim("It falls.", source="", quantity="fall", below=0))},
        "without a source",
    ),
    (studies.answers_in_one_line, {"answer": lambda _: "It rises"}, "'It rises'"),
    (studies.answers_in_one_line, {"answer": lambda _: "It\nrises."}, "rises"),
    (studies.answers_in_one_line, {"answer": lambda _: "It  rises."}, "rises"),
    (studies.answers_in_one_line, {"answer": lambda found: f"It rises: {studies.outcomes(found)['rise']}."}, "None"),
    (studies.answers_in_one_line, {"answer": lambda _: f"It rises {'far ' * 60}."}, "far"),
    (studies.answers_in_one_line, {"answer": lambda _: "."}, "'.'"),
    (
        studies.answers_in_one_line,
        {"answer": lambda found: f"A {type(found).__name__}."},
        "another answer to a receipt",
    ),
    (studies.follows_its_verdicts, {"answer": lambda _: "It rises."}, "does not follow the verdict about 'rise'"),
    (studies.follows_its_verdicts, {"answer": lambda found: f"It rises: {found['rise']}."}, "about 'fall'"),
]


def studied():
    """Every notebook of the checkout that has a study, with it."""
    found = [(path, of_notebook(path.stem)) for path in PATHS]
    return [pytest.param(path, study, id=path.stem) for path, study in found if study is not None]


@pytest.mark.parametrize(("path", "study"), studied())
@pytest.mark.parametrize("clause", studies.WRITTEN)
def test_every_notebook_agrees_with_its_study(clause, path, study):
    assert list(clause(read_notebook(path), study)) == []


@pytest.mark.parametrize(("path", "study"), [each for each in studied() if each.id[0] != "_"])
@pytest.mark.parametrize("clause", studies.EXECUTED)
def test_every_committed_notebook_agrees_with_its_study(clause, path, study):
    assert list(clause(read_notebook(path), study)) == []


@pytest.mark.parametrize(("path", "study"), studied())
@pytest.mark.parametrize("rule", studies.RULES)
def test_every_study_keeps(rule, path, study):
    assert list(rule(study)) == []


def test_every_notebook_has_a_study_and_every_study_a_notebook():
    named = {module.name for module in house() if "\nNOTEBOOK = " in module.source}
    assert named == {f"sslens.studies.{path.stem[3:] if path.stem[0] != '_' else path.stem}" for path in PATHS}
    assert [of_notebook(path.stem).NOTEBOOK for path in PATHS] == [path.stem for path in PATHS]
    assert {Path(of_notebook(path.stem).__file__).parent for path in PATHS} == {LIBRARY / "studies"}


@pytest.mark.parametrize("clause", studies.WRITTEN + studies.EXECUTED)
def test_a_good_notebook_passes(clause):
    assert list(clause(set_exercises(), study())) == []


@pytest.mark.parametrize("rule", studies.RULES)
def test_a_good_study_passes(rule):
    assert list(rule(study())) == []


@pytest.mark.parametrize(("clause", "notebook", "study", "said"), NOTEBOOK_BREACHES)
def test_a_planted_breach_between_the_two_is_caught(clause, notebook, study, said):
    assert any(said in line for line in clause(notebook, study))


@pytest.mark.parametrize(("rule", "changes", "said"), STUDY_BREACHES)
def test_a_planted_breach_in_a_study_is_caught(rule, changes, said):
    assert any(said in line for line in rule(study(**changes)))


def test_a_verdict_under_review_is_never_counted(monkeypatch):
    contested = study(CLAIMS=tuple(replace(claim, under_review=True) for claim in (RISES, FALLS)))
    assert list(studies.follows_its_verdicts(contested)) == []
    monkeypatch.setattr(studies, "counts", lambda records: str([record["holds"] for record in records]))
    assert any("is counted as" in line for line in studies.follows_its_verdicts(contested))


def test_a_study_may_judge_for_its_notebook_and_the_first_may_train():
    itself = notebook(judged=())
    itself.cells[2].source += "\nconclude(*study.verdicts(found))"
    assert list(studies.judges_its_claims(itself, study())) == []
    assert list(studies.trains_by_hand_in_the_first_alone(by_hand(), study(NOTEBOOK=studies.FIRST))) == []


def test_exercises_pass_and_a_study_or_a_notebook_without_any_does_not():
    assert list(studies.sets_its_exercises(set_exercises(), study())) == []
    assert list(studies.sets_its_exercises(notebook(), study())) != []
    bare = study()
    del bare.exercises
    assert list(studies.sets_its_exercises(set_exercises(), bare)) == ["the study makes no exercises"]


def test_every_clause_and_rule_has_a_planted_breach():
    assert {clause for clause, *_ in NOTEBOOK_BREACHES} == {*studies.WRITTEN, *studies.EXECUTED}
    assert {rule for rule, *_ in STUDY_BREACHES} == set(studies.RULES)
