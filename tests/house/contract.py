"""What every notebook keeps, clause by clause; each clause reads a notebook and yields what is wrong with it."""

import ast
import re
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode

RESULT = "application/vnd.sslens.result+json"
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
KITCHEN = {"sslens", "plotly", "ipywidgets", "torch"}
PROFILE = 'profile: str = "lesson"  # '
TYPES = {"int": int, "float": int | float, "str": str, "bool": bool}
WORDS = {True: "holds", False: "does not hold", None: "undecided"}


def code(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """Position and cell of the code cells that hold something."""
    return [(at, cell) for at, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]


def trees(notebook: NotebookNode) -> Iterator[tuple[int, ast.Module]]:
    """Syntax tree of each code cell; one that does not parse is told by ``is_plain_python``."""
    for at, cell in code(notebook):
        try:
            yield at, ast.parse(cell.source)
        except SyntaxError:
            continue


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


def is_plain_python(notebook: NotebookNode) -> Iterator[str]:
    """No magics, no shell: every code cell parses."""
    parsed = {at for at, _ in trees(notebook)}
    yield from (f"cell {at} is not plain Python" for at, _ in code(notebook) if at not in parsed)


def has_one_parameters_cell(notebook: NotebookNode) -> Iterator[str]:
    """One cell tagged ``parameters``; each line ``name: type = literal  # comment``; the profile among them."""
    found = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
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
    """What a run was asked for is what it used: no parameter is assigned again."""
    cells = notebook.cells
    tagged = {at for at, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])}
    names = {name for at, tree in trees(notebook) if at in tagged for name in _bound(tree)}
    for at, tree in trees(notebook):
        if at not in tagged:
            yield from (f"cell {at} assigns the parameter {name}" for name in sorted(names & set(_bound(tree))))


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def is_short(notebook: NotebookNode) -> Iterator[str]:
    """At most 80 lines of code, at most 12 in a cell; blank lines and comments are free."""
    counts = {at: len(re.findall(r"^\s*[^\s#]", cell.source, re.MULTILINE)) for at, cell in code(notebook)}
    yield from (f"cell {at} has {count} lines of code, at most 12" for at, count in counts.items() if count > 12)
    if sum(counts.values()) > 80:
        yield f"{sum(counts.values())} lines of code, at most 80"


def leaves_the_work_to_the_library(notebook: NotebookNode) -> Iterator[str]:
    """No class, no training loop, no function of more than six lines."""
    for at, tree in trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.While | ast.AsyncFunctionDef):
                yield f"cell {at} has a {type(node).__name__}"
            elif isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 6:
                yield f"cell {at}: {node.name} has more than 6 lines, it belongs in the library"
            elif isinstance(node, ast.For | ast.comprehension) and re.search(r"\bfit\(", ast.unparse(node.iter)):
                yield f"cell {at} loops over fit(...): a training loop"
            elif isinstance(node, ast.Attribute) and node.attr == "backward":
                yield f"cell {at} calls backward: a training loop"


def imports_little(notebook: NotebookNode) -> Iterator[str]:
    """Imports from sslens, plotly, ipywidgets and torch only."""
    for at, tree in trees(notebook):
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            yield from (f"cell {at} imports {name}" for name in names if name.split(".")[0] not in KITCHEN)


def sets_exercises(notebook: NotebookNode) -> Iterator[str]:
    """A heading 'Exercises', at least three numbered ones below it, and a cell that checks an answer."""
    cells = notebook.cells
    starts = [at for at, cell in enumerate(cells) if _heading(cell, "Exercises")]
    if not starts:
        yield "no heading 'Exercises'"
        return
    after = cells[starts[0] :]
    told = "\n".join(cell.source for cell in after if cell.cell_type == "markdown")
    if (count := len(re.findall(r"^(?:#+ |\*\*)?(?:Exercise )?\d[.):]", told, re.MULTILINE))) < 3:
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
    yield from (f"cell {at} stores a widget" for at, cell in code(notebook) if outputs(cell, WIDGET))


def is_small(notebook: NotebookNode) -> Iterator[str]:
    """At most 300 kB on disk."""
    if (size := len(nbformat.writes(notebook).encode())) > 300_000:
        yield f"{size} bytes, at most 300000"


def frames_each_figure(notebook: NotebookNode) -> Iterator[str]:
    """A figure is the one result of its cell; words before it say what to look for, words after it what is seen."""
    cells = notebook.cells
    kinds = ["", *(cell.cell_type for cell in cells), ""]
    for at, cell in code(notebook):
        if figures := outputs(cell, PLOTLY):
            if len(figures) > 1 or not _ends_in_a_value(cell.source):
                yield f"cell {at}: a figure should be the cell's one last expression"
            if kinds[at] != "markdown" or kinds[at + 2] != "markdown":
                yield f"cell {at}: a figure stands between a sentence before and one after"


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
    if not verdicts(notebook):
        yield f"no verdict in an output of type {RESULT}"


def verdicts(notebook: NotebookNode) -> list[str]:
    """The words of the verdicts stored in the outputs, sorted."""
    found = [output.data[RESULT]["values"] for _, cell in code(notebook) for output in outputs(cell, RESULT)]
    return sorted(WORDS[holds] for values in found for name, holds in values.items() if name.endswith(".holds"))


def disagrees_with_the_table(notebook: NotebookNode, name: str, readme: str) -> Iterator[str]:
    """README's table question -> notebook -> verdict has the notebook's row, with the question and verdicts stored."""
    rows = [line.strip().strip("|").split("|") for line in readme.splitlines() if line.lstrip().startswith("|")]
    rows = [row for row in rows if any(f"(notebooks/{name}.ipynb)" in field for field in row)]
    if len(rows) != 1:
        yield f"{len(rows)} rows of README's table link to notebooks/{name}.ipynb, one should"
        return
    told = sorted(re.findall(r"does not hold|holds|undecided", rows[0][-1]))
    if told != verdicts(notebook):
        yield f"README says {told}, the notebook {verdicts(notebook)}"
    question = notebook.cells[0].source.splitlines()[0].removeprefix("# ").strip()
    if question not in "|".join(rows[0]):
        yield f"README's row does not ask: {question}"


WRITTEN = [opens_with_a_question, is_plain_python, has_one_parameters_cell, keeps_its_parameters, is_short]
WRITTEN += [leaves_the_work_to_the_library, imports_little, sets_exercises, ends_with_the_receipt, stores_no_widget]
WRITTEN += [is_small, frames_each_figure]
"""Clauses for every notebook, the template too."""
EXECUTED = [was_executed, concludes]
"""Clauses for what is committed with its outputs."""
