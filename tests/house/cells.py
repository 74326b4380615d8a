"""The code of a notebook, as the contract reads it: short cells that can be read aloud, work left to the library."""

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from sslens.headless.notebook import code_cells, exercise_of, tags

LIBRARIES = {"sslens", "plotly", "ipywidgets", "torch"}
BY_HAND = "by-hand"
"""Tag of the one cell that may show a whole training loop."""
COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def code(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """The code cells that hold something, numbered from 1 as everywhere."""
    return list(enumerate(code_cells(notebook), 1))


def trees(notebook: NotebookNode) -> Iterator[tuple[int, ast.Module]]:
    """Syntax tree of each code cell; ``is_plain_python`` names the ones that do not parse."""
    for number, cell in code(notebook):
        try:
            yield number, ast.parse(cell.source)
        except SyntaxError:
            continue


def nodes(notebook: NotebookNode) -> Iterator[tuple[int, ast.AST]]:
    """Every node of the syntax trees, with the number of its cell."""
    for number, tree in trees(notebook):
        yield from ((number, node) for node in ast.walk(tree))


def tagged(notebook: NotebookNode, tag: str) -> set[int]:
    """Numbers of the code cells with a tag."""
    return {number for number, cell in code(notebook) if tag in tags(cell)}


def exercises(notebook: NotebookNode) -> dict[int, str]:
    """Numbers of the code cells that are for a learner's answer, and the exercise of each."""
    found = ((number, exercise_of(cell)) for number, cell in code(notebook))
    return {number: name for number, name in found if name is not None}


def is_plain_python(notebook: NotebookNode) -> Iterator[str]:
    """No magics, no shell: every code cell parses."""
    parsed = {number for number, _ in trees(notebook)}
    yield from (f"cell {number} is not plain Python" for number, _ in code(notebook) if number not in parsed)


def is_short(notebook: NotebookNode) -> Iterator[str]:
    """At most 120 lines of code, at most 12 in a cell; blank lines and comments are free, exercises count by cell."""
    counts = {number: len(re.findall(r"^\s*[^\s#]", cell.source, re.MULTILINE)) for number, cell in code(notebook)}
    yield from (
        f"cell {number} has {count} lines of code, at most 12" for number, count in counts.items() if count > 12
    )
    total = sum(count for number, count in counts.items() if number not in exercises(notebook))
    if total > 120:
        yield f"{total} lines of code, at most 120"


def has_short_lines(notebook: NotebookNode) -> Iterator[str]:
    """A line of code has at most 100 characters."""
    for number, cell in code(notebook):
        long = (line for line in cell.source.splitlines() if len(line) > 100)
        yield from (f"cell {number}: a line of {len(line)} characters, at most 100: {line}" for line in long)


def nests_nothing(notebook: NotebookNode) -> Iterator[str]:
    """No comprehension inside another; a lambda is one call at most, and decides and repeats nothing."""
    for number, node in nodes(notebook):
        inside = [each for each in ast.walk(node) if each is not node]
        if isinstance(node, COMPREHENSION) and any(isinstance(each, COMPREHENSION) for each in inside):
            yield f"cell {number}: a comprehension inside another: {ast.unparse(node)}"
        if isinstance(node, ast.Lambda):
            calls = sum(isinstance(each, ast.Call) for each in inside)
            if calls > 1 or any(isinstance(each, (*COMPREHENSION, ast.IfExp, ast.Lambda)) for each in inside):
                yield f"cell {number}: a lambda longer than a call: {ast.unparse(node)}"


def unpacks_plainly(notebook: NotebookNode) -> Iterator[str]:
    """What is unpacked gets a name each: no star among the targets, no tuple inside a tuple."""
    for number, node in nodes(notebook):
        targets = node.elts if isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Store) else []
        if any(isinstance(each, ast.Starred | ast.Tuple | ast.List) for each in targets):
            yield f"cell {number}: unpacks {ast.unparse(node)}"


def leaves_the_work_to_the_library(notebook: NotebookNode) -> Iterator[str]:
    """No class, no function of more than six lines, and no training loop but the one shown by hand."""
    by_hand = tagged(notebook, BY_HAND)
    for number, node in nodes(notebook):
        if isinstance(node, ast.ClassDef):
            yield f"cell {number} has a ClassDef"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 6:
            yield f"cell {number}: {node.name} has more than 6 lines, it belongs in the library"
        elif number not in by_hand and _trains(node):
            yield f"cell {number}: {ast.unparse(node).splitlines()[0]} is part of a training loop"
    if len(by_hand) > 1:
        yield f"cells {sorted(by_hand)} are tagged {BY_HAND}, one may be"


def _trains(node: ast.AST) -> bool:
    if isinstance(node, ast.For | ast.comprehension):
        return bool(re.search(r"\bfit\(", ast.unparse(node.iter)))
    return isinstance(node, ast.While) or (isinstance(node, ast.Attribute) and node.attr == "backward")


def imports_little(notebook: NotebookNode) -> Iterator[str]:
    """Imports from sslens, plotly, ipywidgets and torch only."""
    for number, name in imported(notebook):
        if name.split(".")[0] not in LIBRARIES:
            yield f"cell {number} imports {name}"


def imported(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Dotted names of all imports; ``from a import b`` gives ``a.b``."""
    for number, node in nodes(notebook):
        if isinstance(node, ast.Import):
            yield from ((number, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((number, f"{node.module or ''}.{alias.name}") for alias in node.names)


CODE = [is_plain_python, is_short, has_short_lines, nests_nothing, unpacks_plainly]
CODE += [leaves_the_work_to_the_library, imports_little]
"""Clauses on the code of every notebook, the template too."""
