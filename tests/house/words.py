"""Words that name nothing in this house, since the field has better ones: in identifiers, file names, labels, prose."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from tests.house.reading import Module

INSTEAD = {
    "look": "snapshot, step",
    "looks": "snapshots, steps",
    "told": "found, given",
    "asked": "wanted, given",
    "fallen": "collapsed, low",
    "journey": "run, trace",
    "journeys": "runs, traces",
    "abreast": "side by side, in panels",
    "material": "data, setup",
}
"""Words that are no names, and what the field says."""
LABELS = INSTEAD.keys() - {"look", "looks"}
"""In a sentence one may look at a figure; a look that is a snapshot is found by the phrases below."""
PHRASES = {
    r"\b(nam\w+ rightly|right names)\b": "accuracy",
    r"\bshares? (of )?right\b": "accuracy",
    r"\b(each|every|first|last|best|later|earlier|per|two|three) looks?\b(?! (at|like|for)\b)": "snapshot, step",
    r"\b(at|of|in) (a|an|the|this|that|which|one) looks?\b(?! at\b)": "snapshot, step",
    r"\blooks? (number )?\d": "snapshot, step",
}
"""Turns of phrase that are found in labels, docstrings and the prose of notebooks, and what the field says."""


def words_of(name: str) -> list[str]:
    """The whole words of a name in snake_case or CamelCase, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def in_name(name: str) -> Iterator[str]:
    """Whether a name holds such a word."""
    yield from (f"{name}: say {INSTEAD[word]}" for word in words_of(name) if word in INSTEAD)


def in_identifiers(tree: ast.AST) -> Iterator[str]:
    """Functions, classes, parameters, variables and attributes that are given such a name."""
    for name in sorted(set(_given(tree))):
        yield from in_name(name)


def _given(tree: ast.AST) -> Iterator[str]:
    """What a file names itself; what others have named it cannot help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def in_labels(tree: ast.AST) -> Iterator[str]:
    """Texts of the program, which a person may see on an axis, in a title, a claim or an error."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found = [INSTEAD[word] for word in words_of(node.value) if word in LABELS]
            yield from (f"{node.value}: say {instead}" for instead in found)


def in_prose(text: str) -> Iterator[str]:
    """Phrases for what has a name in the field, wherever they stand."""
    for pattern, instead in PHRASES.items():
        for match in re.finditer(pattern, " ".join(text.split()), re.IGNORECASE):
            yield f"{match[0]}: say {instead}"


def in_library(module: Module) -> Iterator[str]:
    """Whatever is wrong with the words of a file of the library, its name among them."""
    found = (in_name(module.name), in_identifiers(module.tree), in_labels(module.tree), in_prose(module.source))
    yield from (f"{module.name}: {line}" for lines in found for line in lines)


def in_test(module: Module) -> Iterator[str]:
    """Names of a test file and in it; its texts are for those who read tests."""
    found = (in_name(module.name), in_identifiers(module.tree))
    yield from (f"{module.name}: {line}" for lines in found for line in lines)


def in_notebook(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Identifiers and texts of the code, phrases of the prose, and the file's name."""
    yield from in_name(path.stem)
    for cell in notebook.cells:
        yield from in_prose(cell.source)
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            yield from (*in_identifiers(tree), *in_labels(tree))
