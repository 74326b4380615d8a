"""Fingerprints of code: what a number was computed by, so that a changed function never answers with an old result."""

import ast
import hashlib
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, final

ROOT = Path(__file__).parent
HOUSE = ROOT.name


@cache
def of_modules(*names: str) -> str:
    """32 hexadecimal digits of the syntax trees of these modules and of all they import from this library.

    Comments, docstrings and layout leave them as they are. A package's ``__init__`` is a face: a name taken from it
    leads to the module that defines the name, and what else the face lists (registries) is not followed, so that
    another entry there changes nothing.

    Raises:
        ModuleNotFoundError: a name that is no module of this library.

    >>> of_modules("sslens.types") == of_modules("sslens.types"), len(of_modules("sslens.types"))
    (True, 32)
    """
    content = hashlib.sha256()
    for name in sorted(_reached(names)):
        content.update(f"{name}\0{_code_of(name)}\0".encode())
    return content.hexdigest()[:32]


def of_class(kind: type) -> str:
    """32 hexadecimal digits of a class that was written outside this library, with all that it uses of its own module.

    That is every class, function and plain value there that its code names, and those that they name in turn.

    Raises:
        OSError: a class or function whose source cannot be read.

    >>> from fractions import Fraction
    >>> len(of_class(Fraction))
    32
    """
    content = hashlib.sha256()
    for name, code in sorted(_used(kind).items()):
        content.update(f"{name}\0{code}\0".encode())
    return content.hexdigest()[:32]


def _used(kind: type) -> dict[str, str]:
    """The code of a class and of what it names from its module, by name; of plain values their text."""
    module = vars(sys.modules[kind.__module__])
    used: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [(kind.__qualname__, kind)]
    while waiting:
        name, part = waiting.pop()
        if name in used:
            continue
        if not isinstance(part, type | FunctionType):
            used[name] = repr(part)
            continue
        source = _source(part)
        used[name] = _code(source)
        names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        waiting += [(each, module[each]) for each in names if each in module and _is_own(module[each], kind.__module__)]
    return used


def _is_own(value: object, module: str) -> bool:
    """Whether a value decides what code of this module does: a class or function written there, or a plain value."""
    if isinstance(value, tuple):
        return all(_is_own(each, module) for each in value)
    if isinstance(value, type | FunctionType):
        return value.__module__ == module
    return isinstance(value, bool | int | float | str)


def _source(part: type | FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(part))
    except (OSError, TypeError):
        return _source_in_cell(part)


def _source_in_cell(kind: type | FunctionType) -> str:
    """A class of a notebook has no file to be read from; the cells that its methods were compiled from are kept."""
    for member in vars(kind).values():
        code = getattr(inspect.unwrap(getattr(member, "fget", member)), "__code__", None)
        cell = "".join(linecache.getlines(code.co_filename)) if code else ""
        for node in ast.walk(ast.parse(cell)):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                return ast.unparse(node)
    raise OSError(f"no source of {kind.__qualname__}")


def _reached(names: tuple[str, ...]) -> set[str]:
    """These modules and, along imports, all others of the library that they need."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imported(name)
    return reached


@cache
def _imported(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(module for node in ast.walk(_tree(name)) for module in _sources(node)))


def _sources(node: ast.AST) -> Iterator[str]:
    """The modules of this library that an import statement takes something from."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _is_module(alias.name) and not _is_face(alias.name))
    elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == HOUSE:
        for alias in node.names:
            found = _defined_in(node.module, alias.name)
            yield from [found] if found else []


def _defined_in(module: str, name: str) -> str | None:
    """Where a name imported from a module comes from: the module itself, or what its face takes it from."""
    if _is_module(inner := f"{module}.{name}"):
        return None if _is_face(inner) else inner
    if not _is_face(module):
        return module
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _defined_in(node.module, alias.name)
    return None


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(_path(name).read_text(encoding="utf-8"))


@cache
def _code_of(name: str) -> str:
    return _code(_path(name).read_text(encoding="utf-8"))


@cache
def _path(name: str) -> Path:
    place = ROOT.parent.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    raise ModuleNotFoundError(f"no module {name!r} in {ROOT.parent}", name=name)


def _is_module(name: str) -> bool:
    try:
        return name.split(".")[0] == HOUSE and bool(_path(name))
    except ModuleNotFoundError:
        return False


def _is_face(name: str) -> bool:
    return _is_module(name) and _path(name).name == "__init__.py"


def _code(source: str) -> str:
    """The code without comments, docstrings and layout, as text that is the same in every Python from 3.11 on.

    ``ast.dump`` and ``ast.unparse`` are not: newer versions add fields that are mostly empty, and write other quotes.
    """
    return repr(_plain(_WithoutWords().visit(ast.parse(source))))


def _plain(node: object) -> object:
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if value not in (None, []))
        return (type(node).__name__, *fields)
    return [_plain(each) for each in node] if isinstance(node, list) else repr(node)


@final
class _WithoutWords(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # ast looks for this name
        words = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if words else node
