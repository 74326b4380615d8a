"""What a study and its notebook owe each other, and what the answer of a study owes to the verdicts."""

import ast
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import ModuleType

from nbformat import NotebookNode

from sslens.claims import Claim
from sslens.headless.lesson import MARK
from sslens.headless.notebook import exercise_of, question
from sslens.headless.parameters import declared
from sslens.headless.table import counts
from sslens.studies import outcomes
from tests.house.cells import BY_HAND, exercises, imported, nodes, tagged, trees

FIRST = "00_first_light"
"""The one notebook that may show a training loop."""
LONGEST = 200
"""Characters of an answer, which stands on one line of README's table."""
STARTS = 12
"""Sets of verdicts from which each verdict is flipped, beside those that are all alike."""
HOLDS = (True, False, None)


def asks_its_question(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """The title is the study's question."""
    if question(notebook) != study.QUESTION:
        yield f"the title is {question(notebook)!r}, the study asks {study.QUESTION!r}"


def has_its_parameters(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """The parameters cell has the fields of ``Setting`` in order, with the same types and defaults."""
    setting = study.Setting()
    fields = {name: (type(value).__name__, value) for name, value in vars(setting).items()}
    parameters = {name: (each.kind.__name__, each.default) for name, each in declared(notebook).items()}
    if list(fields) != list(parameters):
        yield f"parameters {list(parameters)}, fields {list(fields)}"
    for name in fields.keys() & parameters.keys():
        if fields[name] != parameters[name]:
            yield f"{name}: {parameters[name]} in the notebook, {fields[name]} in the study"


def imports_no_other_study(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """Of all studies, it imports its own alone, and that one by its face."""
    own = study.__name__
    for number, name in imported(notebook):
        if name.startswith("sslens.studies") and name != own:
            yield f"cell {number} imports {name}, not {own}"


def judges_its_claims(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """Claims that the notebook judges by name are those of the study, all of them; a study may judge them itself."""
    named = {node.value.attr for _, node in nodes(notebook) if _judges(node)}
    claims = {getattr(study, name, None) for name in named}
    yield from (f"judges {name}, which is no claim of the study" for name in sorted(named) if not _known(study, name))
    if named:
        yield from (f"does not judge {claim.quantity!r}" for claim in study.CLAIMS if claim not in claims)


def _judges(node: ast.AST) -> bool:
    """Whether a node is ``study.some_claim.judge``."""
    return isinstance(node, ast.Attribute) and node.attr == "judge" and isinstance(node.value, ast.Attribute)


def _known(study: ModuleType, name: str) -> bool:
    return getattr(study, name, None) in study.CLAIMS


def trains_by_hand_in_the_first_alone(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """A training loop is shown in 00, and nowhere else."""
    if study.NOTEBOOK != FIRST and (cells := tagged(notebook, BY_HAND)):
        yield f"cells {sorted(cells)} are tagged {BY_HAND}"


def sets_its_exercises(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """Of the study's exercises a task and two questions at least, each in a cell of its own; one more to discuss."""
    if not hasattr(study, "exercises"):
        yield "the study makes no exercises"
        return
    found, kinds = exercises(notebook), []
    if sum(ast.unparse(node.value).startswith("study.exercises(") for node in _assigning(notebook, "exercises")) != 1:
        yield "not one cell has 'exercises = study.exercises(...)'"
    yield from (f"cells of {name}: {count}" for name, count in Counter(found.values()).items() if count > 1)
    for number, tree in trees(notebook):
        if number in found:
            kinds.append(_kind(tree))
            if not kinds[-1]:
                yield f"cell {number} is no exercise without an answer: 'answer = None' or 'return None'"
    yield from _frames_each_exercise(notebook)
    if kinds.count("task") < 1 or kinds.count("question") < 2:
        yield f"{kinds.count('task')} tasks and {kinds.count('question')} questions, at least 1 and 2"
    if not any(cell.source.startswith("**To discuss**") for cell in notebook.cells if cell.cell_type == "markdown"):
        yield "no cell begins with '**To discuss**'"


def _assigning(notebook: NotebookNode, name: str) -> Iterator[ast.Assign]:
    for _, node in nodes(notebook):
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            yield node


def _kind(tree: ast.Module) -> str:
    """Whether a cell leaves room for the answer of a question or for the function of a task; neither: nothing."""
    match tree.body:
        case [ast.Assign([ast.Name("answer")], ast.Constant(None)), ast.Expr(ast.Call(args=[ast.Name("answer")]))]:
            return "question"
        case [ast.FunctionDef(name=name, body=[*_, ast.Return(ast.Constant(None))]), ast.Expr(ast.Call(args=[called]))]:
            return "task" if ast.unparse(called) == name else ""
        case _:
            return ""


def _frames_each_exercise(notebook: NotebookNode) -> Iterator[str]:
    """Words with a number stand before the cell of each exercise."""
    for before, cell in pairwise(notebook.cells):
        name = exercise_of(cell)
        if name and not (
            before.cell_type == "markdown" and re.search(r"^(\*\*)?\d+[.):]", before.source, re.MULTILINE)
        ):
            yield f"before the cell of {name} stand no words with a number: '1. ...'"


def concludes_its_claims(notebook: NotebookNode, study: ModuleType) -> Iterator[str]:
    """The verdicts of the lesson are about the study's claims, each of them once."""
    found = [verdict["quantity"] for verdict in notebook.metadata.get(MARK, {}).get("verdicts", [])]
    claimed = [claim.quantity for claim in study.CLAIMS]
    if sorted(found) != sorted(claimed):
        yield f"concludes {found}, claims {claimed}"


WRITTEN = [asks_its_question, has_its_parameters, imports_no_other_study, judges_its_claims]
WRITTEN += [trains_by_hand_in_the_first_alone, sets_its_exercises]
"""Clauses for every notebook and its study."""
EXECUTED = [concludes_its_claims]
"""Clauses for what is committed with its outputs."""


def is_whole(study: ModuleType) -> Iterator[str]:
    """It has a question, and claims about a quantity each."""
    if not re.fullmatch(r"\S.*\?", study.QUESTION):
        yield f"{study.QUESTION!r} is no question"
    quantities = [claim.quantity for claim in study.CLAIMS]
    if not quantities or len(set(quantities)) < len(quantities):
        yield f"claims about {quantities}"
    if any(not isinstance(claim, Claim) or not claim.source for claim in study.CLAIMS):
        yield "a claim without a source"


def answers_in_one_line(study: ModuleType) -> Iterator[str]:
    """Whatever the verdicts, and in whatever form, the answer is one sentence on one line."""
    for found in _starts(study):
        for flipped in (found, *_flips(found)):
            answer = study.answer(flipped)
            if (
                not re.fullmatch(r"[A-Z0-9](?!.*( ,| ;|  |None|True|False))[^\n|]*[^ .]\.", answer)
                or len(answer) > LONGEST
            ):
                yield f"{answer!r} for {flipped}"
        receipt = [{"quantity": quantity, "holds": holds} for quantity, holds in found.items()]
        if study.answer(receipt) != study.answer(found) or outcomes(receipt) != found:
            yield f"another answer to a receipt: {study.answer(receipt)!r}"


def follows_its_verdicts(study: ModuleType) -> Iterator[str]:
    """What comes of a claim decides between three sentences, and between three counts unless it is under review."""
    for found in _starts(study):
        for claim in study.CLAIMS:
            quantity = claim.quantity
            every = [found | {quantity: holds} for holds in HOLDS]
            if len({study.answer(each) for each in every}) < len(HOLDS):
                yield f"the answer does not follow the verdict about {quantity!r}: {study.answer(found)!r}"
            counted = {_counts(study, each) for each in every}
            if len(counted) != (1 if claim.under_review else len(HOLDS)):
                yield f"{quantity!r} is counted as {sorted(counted)}"


def _counts(study: ModuleType, found: Mapping[str, bool | None]) -> str:
    return counts([{"holds": found[each.quantity], "under_review": each.under_review} for each in study.CLAIMS])


def _starts(study: ModuleType) -> Iterator[dict[str, bool | None]]:
    quantities = [claim.quantity for claim in study.CLAIMS]
    yield from (dict.fromkeys(quantities, holds) for holds in HOLDS)
    draw = random.Random(0)
    for _ in range(STARTS):
        yield {quantity: draw.choice(HOLDS) for quantity in quantities}


def _flips(found: Mapping[str, bool | None]) -> Iterator[dict[str, bool | None]]:
    """The same verdicts with one of them another, for each and both others."""
    for quantity, holds in found.items():
        yield from ({**found, quantity: other} for other in HOLDS if other is not holds)


RULES = [is_whole, answers_in_one_line, follows_its_verdicts]
"""Rules for every study by itself."""
