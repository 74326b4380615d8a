"""What every notebook keeps, clause by clause; each clause reads a notebook and yields what is wrong with it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from sslens.headless.compare import PICTURES
from sslens.headless.freeze import LESSON, REFERENCE
from sslens.headless.lesson import MARK, stale_reference
from sslens.headless.notebook import tags
from sslens.headless.table import STALE, with_table
from sslens.studies import outcomes
from sslens.types import InputError
from tests.house.cells import CODE, code, tagged, trees

RESULT = "application/vnd.sslens.result+json"
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
PROFILE = 'profile: str = "lesson"  # '
TYPES = {"int": int, "float": int | float, "str": str, "bool": bool}
HOLDS = ".holds"
"""Ends the name of a number in a result that is a verdict."""


def outputs(cell: NotebookNode, mime: str) -> list[NotebookNode]:
    """A cell's outputs of one kind."""
    return [output for output in cell.outputs if mime in output.get("data", {})]


def opens_with_a_question(notebook: NotebookNode) -> Iterator[str]:
    """The first cell: a question as title, then Claim, Source, Runs in, Afterwards."""
    first = notebook.cells[0] if notebook.cells else None
    lines = first.source.splitlines() if first and first.cell_type == "markdown" else []
    if not lines or not re.fullmatch(r"# \S.*\?", lines[0].strip()):
        yield "the first line is not a title that asks a question: '# ...?'"
    for word in ("Claim", "Source", "Runs in", "Afterwards"):
        if not any(re.match(rf"(- )?\*\*{word}\*\*\W+\w", line) for line in lines):
            yield f"the first cell has no line '**{word}** ...'"


def has_one_parameters_cell(notebook: NotebookNode) -> Iterator[str]:
    """One cell tagged ``parameters``; each line ``name: type = literal  # comment``; the profile among them."""
    found = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    if len(found) != 1 or found[0].cell_type != "code":
        yield f"{len(found)} cells are tagged 'parameters', one code cell should be"
        return
    lines = found[0].source.splitlines()
    yield from (f"not 'name: type = value  # comment': {line}" for line in lines if not _declares(line))
    if not any(line.startswith(PROFILE) for line in lines):
        yield f"no line {PROFILE}..."


def _declares(line: str) -> bool:
    if not re.fullmatch(r"\w+: (int|float|str|bool) = \S.*  # \S.*", line):
        return False
    kind = line.split()[1]
    try:
        value = ast.literal_eval(line.partition(" = ")[2])
    except (SyntaxError, ValueError):
        return False
    return isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "bool")


def keeps_its_parameters(notebook: NotebookNode) -> Iterator[str]:
    """What a run was given is what it used: no parameter is assigned again."""
    parameters = tagged(notebook, "parameters")
    names = {name for number, tree in trees(notebook) if number in parameters for name in _bound(tree)}
    for number, tree in trees(notebook):
        if number not in parameters:
            yield from (f"cell {number} assigns the parameter {name}" for name in sorted(names & set(_bound(tree))))


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def sets_exercises(notebook: NotebookNode) -> Iterator[str]:
    """A heading 'Exercises', at least three numbered ones below it, and a cell that checks an answer."""
    cells = notebook.cells
    starts = [at for at, cell in enumerate(cells) if _heading(cell, "Exercises")]
    if not starts:
        yield "no heading 'Exercises'"
        return
    after = cells[starts[0] :]
    texts = "\n".join(cell.source for cell in after if cell.cell_type == "markdown")
    if (count := len(re.findall(r"^(?:#+ |\*\*)?(?:Exercise )?\d[.):]", texts, re.MULTILINE))) < 3:
        yield f"{count} numbered exercises, at least 3"
    if len([cell for cell in after if cell.cell_type == "code" and "receipt(" not in cell.source]) < 1:
        yield "no checking cell after the exercises"


def _heading(cell: NotebookNode, title: str) -> bool:
    return cell.cell_type == "markdown" and bool(re.search(rf"^#+ {title}\s*$", cell.source, re.MULTILINE))


def ends_with_the_receipt(notebook: NotebookNode) -> Iterator[str]:
    """The last code cell proves that it was reached."""
    cells = code(notebook)
    if not cells or cells[-1][1].source.strip() != "receipt(globals())":
        yield "the last code cell is not 'receipt(globals())'"


def stores_no_widget(notebook: NotebookNode) -> Iterator[str]:
    """A widget is never the record: nothing of it is stored."""
    if "widgets" in notebook.metadata:
        yield "the notebook stores the state of its widgets"
    yield from (f"cell {number} stores a widget" for number, cell in code(notebook) if outputs(cell, WIDGET))


def is_small(notebook: NotebookNode) -> Iterator[str]:
    """At most 800 kB on disk."""
    if (size := len(nbformat.writes(notebook).encode())) > LESSON:
        yield f"{size} bytes, at most {LESSON}"


def frames_each_figure(notebook: NotebookNode) -> Iterator[str]:
    """A figure is the one result of its cell; words before it say what to look for, words after it what is seen."""
    kinds = ["", *(cell.cell_type for cell in notebook.cells), ""]
    places = {id(cell): place for place, cell in enumerate(notebook.cells)}
    for number, cell in code(notebook):
        if figures := outputs(cell, PLOTLY):
            if len(figures) > 1 or not _ends_in_a_value(cell.source):
                yield f"cell {number}: a figure should be the cell's one last expression"
            if {kinds[places[id(cell)]], kinds[places[id(cell)] + 2]} != {"markdown"}:
                yield f"cell {number}: a figure stands between a sentence before and one after"


def _ends_in_a_value(source: str) -> bool:
    """Whether the last statement is what the cell shows, rather than a call that shows something on the way."""
    try:
        last = ast.parse(source).body[-1:]
    except SyntaxError:
        return False
    shown = re.search(r"(\.show|display)\([^()]*\)$|;$", source.rstrip())
    return bool(last) and isinstance(last[0], ast.Expr) and not shown


def was_executed(notebook: NotebookNode) -> Iterator[str]:
    """Every cell ran once, in order, without an error, and what it showed is there."""
    counts = [cell.execution_count for _, cell in code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts {counts}, not 1, 2, 3, ..."
    shown = [output for _, cell in code(notebook) for output in cell.outputs]
    if not shown:
        yield "no outputs"
    if any(output.output_type == "error" for output in shown):
        yield "an error among the outputs"


def concludes(notebook: NotebookNode) -> Iterator[str]:
    """At least one verdict stands in the outputs, as numbers a machine can read."""
    if not shown_outcomes(notebook):
        yield f"no verdict in an output of type {RESULT}"


def shown_outcomes(notebook: NotebookNode) -> dict[str, bool | None]:
    """What came of each claim, by its quantity, as the outputs hold it."""
    found = [output.data[RESULT]["values"] for _, cell in code(notebook) for output in outputs(cell, RESULT)]
    values = {name: value for each in found for name, value in each.items()}
    return {name.removesuffix(HOLDS): values[name] for name in values if name.endswith(HOLDS)}


def is_held_to_its_reference(notebook: NotebookNode, reference: Path) -> Iterator[str]:
    """Beside the tests lie the smoke outputs of the same sources: at most 300 kB, executed, without a picture."""
    if trouble := stale_reference(notebook, reference):
        yield f"its reference {trouble}"
        return
    stored = nbformat.read(reference, as_version=4)
    if (size := reference.stat().st_size) > REFERENCE:
        yield f"its reference has {size} bytes, at most {REFERENCE}"
    yield from (f"its reference: {trouble}" for trouble in was_executed(stored))
    pictured = [number for number, cell in code(stored) if any(outputs(cell, mime) for mime in PICTURES)]
    yield from (f"its reference holds a picture in cell {number}" for number in pictured)


def differs_from_the_made_table(readme: str, made: str) -> Iterator[str]:
    """README's table of questions is the made one; that a lesson grew older than the code is no fault of README."""
    try:
        again = with_table(readme, made)
    except InputError as error:
        yield str(error)
        return
    if again.replace(STALE, "") != readme.replace(STALE, ""):
        yield "README's table is not the made one: sslens table makes it"


def bears_the_mark_of_a_lesson(notebook: NotebookNode) -> Iterator[str]:
    """The metadata say what the outputs are of: the fingerprint of the code, the profile, the verdicts."""
    mark = notebook.metadata.get(MARK, {})
    if not re.fullmatch(r"[0-9a-f]{64}", str(mark.get("fingerprint", ""))):
        yield f"metadata.{MARK}.fingerprint is not 64 hexadecimal digits"
    if mark.get("profile") != "lesson":
        yield f"metadata.{MARK}.profile is {mark.get('profile')!r}, not 'lesson'"
    if outcomes(mark.get("verdicts", [])) != shown_outcomes(notebook):
        yield f"metadata.{MARK}.verdicts are not those of the outputs"


WRITTEN = [*CODE, opens_with_a_question, has_one_parameters_cell, keeps_its_parameters, sets_exercises]
WRITTEN += [ends_with_the_receipt, stores_no_widget, is_small, frames_each_figure]
"""Clauses for every notebook, the template too."""
EXECUTED = [was_executed, concludes, bears_the_mark_of_a_lesson]
"""Clauses for what is committed with its outputs."""
