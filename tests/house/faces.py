"""What a file shows and what it keeps: an ``__init__`` is a face and does nothing, a private name stays home."""

import ast
import re
from collections.abc import Iterator

from tests.house.reading import Module, imported, last_word

CONVENTIONS = {
    **dict.fromkeys(("_make", "_replace", "_asdict", "_fields", "_field_defaults"), "a named tuple's public methods"),
    "_exit": "os documents it",
}
"""Names with an underscore that are public all the same."""
DATA = (ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Dict, ast.List, ast.Tuple, ast.Set)
DATA += (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context, ast.keyword, ast.Call)
"""What a registry is made of; a call in it makes a record (``Recipe(...)``)."""
REGISTRY = re.compile(r"[A-Z][A-Z0-9_]*|__all__|__version__")
RECORD = re.compile(r"[A-Z]\w*[a-z]\w*")


def private_names_stay(modules: list[Module]) -> Iterator[str]:
    """No ``module._name`` and no ``from module import _name`` across files; a file ``_name`` serves its own package."""
    files = {module.name for module in modules}
    for module in modules:
        bound = set(_bound(module.tree))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute) and _is_private(node.attr) and node.attr not in bound | set(CONVENTIONS):
                yield f"{module.name}.{node.attr}: {ast.unparse(node)} is private to another file"
        for name in imported(module):
            for owner, target in _private_parts(name):
                if target not in files or not f"{module.name}.".startswith(f"{owner}."):
                    yield f"{module.name}.{target.rpartition('.')[2]}: imports {name}, private to {owner}"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_")


def _private_parts(name: str) -> Iterator[tuple[str, str]]:
    """Of each private part of a dotted name: what owns it, and the name up to it."""
    parts = name.split(".")
    places = [place for place, part in enumerate(parts) if _is_private(part)]
    return ((".".join(parts[:place]), ".".join(parts[: place + 1])) for place in places)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that a file gives to something of its own; what it imports is not its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def pure_faces(modules: list[Module]) -> Iterator[str]:
    """A package's ``__init__`` holds words, imports, registries and other names for them; at most one call, explained.

    The call stands alone on its line, takes nothing, and the package's docstring names it.
    """
    for module in modules:
        calls = 0
        for node in module.tree.body if module.package else ():
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                calls += 1
                if calls > 1 or not _is_explained(node.value, ast.get_docstring(module.tree) or ""):
                    yield f"{module.name}: calls {ast.unparse(node)} without saying so, or more than once"
            elif not _is_shown(node):
                yield f"{module.name}: {ast.unparse(node).splitlines()[0]} does more than a face"


def _is_explained(call: ast.Call, words: str) -> bool:
    return not (call.args or call.keywords) and last_word(call.func) in words


def _is_shown(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    targets = _assigned(node)
    if all(REGISTRY.fullmatch(name) for name in targets):
        return all(_is_data(each) for each in ast.walk(node.value))
    values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
    return len(values) == len(targets) and all(isinstance(value, ast.Attribute) for value in values)


def _assigned(node: ast.stmt) -> list[str]:
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]


def _is_data(node: ast.AST) -> bool:
    return isinstance(node, DATA) and (not isinstance(node, ast.Call) or bool(RECORD.fullmatch(last_word(node.func))))


def complete_faces(modules: list[Module]) -> Iterator[str]:
    """Whatever a package's ``__init__`` takes from its own files or makes itself stands in ``__all__``.

    A file taken whole may be left out: the registry names what is in it.
    """
    files = {module.name for module in modules}
    for module in modules:
        if module.package:
            hidden = set(_shown(module, files)) - set(_listed(module.tree))
            yield from (f"{module.name}: {name} is not in __all__" for name in sorted(hidden))


def _shown(module: Module, files: set[str]) -> Iterator[str]:
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith(module.name)):
            taken = [alias for alias in node.names if f"{node.module}.{alias.name}" not in files]
            yield from (alias.asname or alias.name for alias in taken)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (name for name in _assigned(node) if not name.startswith("_"))


def _listed(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and _assigned(node) == ["__all__"]:
            yield from (each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant))


RULES = [private_names_stay, pure_faces, complete_faces]
