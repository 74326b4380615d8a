"""Fingerprints of code: what a number was computed by, so that a changed function never answers with an old result."""

import ast
import hashlib
import inspect
import linecache
import re
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, final

import torch

from sslens.types import InputError

ROOT = Path(__file__).parent
HOUSE = ROOT.name
CODE = (type, FunctionType, ModuleType)
"""What is followed; anything else is a value."""


def of_modules(*names: str, through_faces: bool = False) -> str:
    """32 hexadecimal digits of the syntax trees of these modules and of all they import from this library.

    Comments, docstrings and layout leave them as they are. A package's ``__init__`` is a face: a name taken from it
    leads to the module that defines the name, and what else the face lists (registries) is not followed, so that
    another entry there changes nothing. ``through_faces`` follows what is taken from a face later on as well, as in
    ``spectrum.rankme``.

    Raises:
        ModuleNotFoundError: a name that is no module of this library.
        InputError: a file that was changed since this process began, which may still compute what it said before.

    >>> of_modules("sslens.types") == of_modules("sslens.types"), len(of_modules("sslens.types"))
    (True, 32)
    """
    reached = _reached(names, through_faces=through_faces)
    for name in reached:
        _check_unchanged(_path(name))
    return _digest((name, _code_of(name)) for name in reached)


def of_class(kind: type) -> str:
    """32 hexadecimal digits of a class that was written outside this library, with all that decides what it does.

    That is every class, function and value that its code names, in its own module and in others that are not
    installed packages, and what those name in turn; of this library the modules that it takes something from. Values
    count by their content, those that a function closes over too.

    Raises:
        OSError: a class or function whose source cannot be read.
        InputError: a value without a content that can be written down, such as a generator or an open file.

    >>> from fractions import Fraction
    >>> len(of_class(Fraction))
    32
    """
    return _digest(sorted(_used(kind).items()))


def of_function(function: FunctionType) -> str:
    """32 hexadecimal digits of a function or lambda, with the functions of its own package that it names.

    Those are followed in turn; values that they name or close over count by their content. What comes from elsewhere
    counts by name: another way of computing the same thing is no other function.

    Raises:
        OSError: a function whose source cannot be read.
        InputError: a value without a content that can be written down, or a file that was changed since this process
            began.

    >>> len(of_function(of_modules))
    32
    """
    home, parts, waiting = _home_package(function), dict[str, str](), [function]
    while waiting:
        part = inspect.unwrap(waiting.pop())
        name = f"{part.__module__}.{part.__qualname__}"
        if name in parts:
            continue
        if (file := Path(part.__code__.co_filename)) in _AT_START:
            _check_unchanged(file)
        source = _source(part)
        parts[name] = _code(source)
        for place, value in _named(part, source):
            if isinstance(value, FunctionType) and _home_package(value) == home:
                waiting.append(value)
            else:
                parts[place] = value.__name__ if isinstance(value, ModuleType) else _content(value, place)
    return _digest(sorted(parts.items()))


def _home_package(part: FunctionType) -> str:
    return part.__module__.rpartition(".")[0] or part.__module__


def _digest(parts: Iterable[tuple[str, str]]) -> str:
    content = hashlib.sha256()
    for name, text in parts:
        content.update(f"{name}\0{text}\0".encode())
    return content.hexdigest()[:32]


def _used(kind: type) -> dict[str, str]:
    """The code of a class and of what it names, by name; of values their content."""
    used: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [(kind.__qualname__, kind)]
    while waiting:
        name, part = waiting.pop()
        name = name.removeprefix(f"{kind.__module__}.")  # the same code in a module of another name is the same
        if name in used:
            continue
        if isinstance(part, ModuleType):
            used[name] = ""
            waiting += [(f"{part.__name__}.{inner}", value) for inner, value in _members(part).items()]
        elif not isinstance(part, type | FunctionType):
            used[name] = _content(part, name)
            waiting += [] if _is_installed(type(part)) else [(type(part).__qualname__, type(part))]
        elif _package(part) == HOUSE and part is not kind:
            used[name] = of_modules(part.__module__)
        else:
            source = _source(part)
            used[name] = _code(source)
            waiting += _named(part, source)
    return used


def _members(module: ModuleType) -> dict[str, Any]:
    """What a module defines; values without a content only matter where some code names them."""
    found = {name: _bare(value) for name, value in vars(module).items() if name[:2] != "__"}
    named = {name: value for name, value in found.items() if not _is_installed(value)}
    return {name: value for name, value in named.items() if isinstance(value, CODE) or not _is_vague(value)}


def _named(part: type | FunctionType, source: str) -> list[tuple[str, Any]]:
    """What code names and no installed package brings: globals of its module, and what its functions close over."""
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    known = {name: _bare(value) for name, value in vars(sys.modules[part.__module__]).items() if name in names}
    for function in _functions(part):
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        known |= {name: _bare(cell.cell_contents) for name, cell in cells if name != "__class__"}
    return [(f"{_home(value, part)}.{name}", value) for name, value in known.items() if not _is_installed(value)]


def _bare(value: Any) -> Any:
    """A function without what wraps it, such as a cache."""
    return inspect.unwrap(value) if callable(value) else value


def _functions(part: type | FunctionType) -> list[FunctionType]:
    members = [part] if isinstance(part, FunctionType) else list(vars(part).values())
    found = [inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", member)) for member in members]
    return [member for member in found if isinstance(member, FunctionType)]


def _home(value: object, part: type | FunctionType) -> str:
    """The module that a name belongs to: that of a class or function, else the one where it was met."""
    return value.__module__ if isinstance(value, type | FunctionType) else part.__module__


def _package(value: object) -> str:
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return str(module).partition(".")[0]


def _is_installed(value: object) -> bool:
    """Whether a module, class or function comes with Python or an installed package, which is taken as it is."""
    if not isinstance(value, ModuleType | type | FunctionType | BuiltinFunctionType):
        return False
    package = _package(value)
    if package in (HOUSE, "__main__"):
        return False
    file = getattr(sys.modules.get(package), "__file__", None)
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return file is None or "site-packages" in file or any(Path(file).is_relative_to(folder) for folder in folders)


def _content(value: Any, name: str) -> str:
    """What a value is, as text: of containers part by part, of numbers in bulk their bytes."""
    if isinstance(value, Mapping):
        return f"{type(value).__name__}{[(repr(key), _content(each, name)) for key, each in value.items()]}"
    if isinstance(value, tuple | list | set | frozenset):
        parts = [_content(each, name) for each in value]
        return f"{type(value).__name__}{sorted(parts) if isinstance(value, set | frozenset) else parts}"
    if isinstance(value, torch.nn.Module):
        return f"{value!r}{_content(dict(value.state_dict()), name)}"
    if isinstance(value, torch.Tensor):
        return f"{value.dtype}{tuple(value.shape)}{value.tolist()}"
    if isinstance(value, type | FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "tobytes"):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    if _is_vague(value):
        allowed = "a value whose content can be written down"
        raise InputError(name, repr(value), allowed, "Give the class a field for it, or write it down.")
    return repr(value)


def _is_vague(value: object) -> bool:
    """Whether a value shows nothing but its address."""
    return bool(re.search(r" at 0x[0-9a-f]+", repr(value)))


def _source(part: type | FunctionType) -> str:
    if isinstance(part, FunctionType) and part.__name__ == "<lambda>":
        return _source_of_lambda(part)
    try:
        source = textwrap.dedent(inspect.getsource(part))
    except (OSError, TypeError):
        return _source_in_cell(part)
    # From Python 3.13 on a class that no file holds is answered with other lines of its module's file.
    return source if isinstance(part, FunctionType) or f"class {part.__name__}" in source else _source_in_cell(part)


def _source_of_lambda(function: FunctionType) -> str:
    """An expression is found in its file by the line it begins in; where that begins several, they are all taken."""
    lines, _ = inspect.findsource(function)
    line = function.__code__.co_firstlineno
    found = [node for node in ast.walk(ast.parse("".join(lines))) if isinstance(node, ast.Lambda)]
    return "\n".join(ast.unparse(node) for node in found if node.lineno == line)


def _source_in_cell(kind: type | FunctionType) -> str:
    """A class of a notebook has no file to be read from; the cells that its methods were compiled from are kept."""
    for member in vars(kind).values():
        code = getattr(inspect.unwrap(getattr(member, "fget", member)), "__code__", None)
        cell = "".join(linecache.getlines(code.co_filename)) if code else ""
        for node in ast.walk(ast.parse(cell)):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                return ast.unparse(node)
    raise OSError(f"no source of {kind.__qualname__}")


def taken_by(source: str) -> tuple[str, ...]:
    """The modules of this library that a piece of source code takes something from, by imports and through faces.

    >>> taken_by("from sslens.measures import spectrum; spectrum.rankme(h)")
    ('sslens.measures.spectrum.rankme',)
    """
    return tuple(dict.fromkeys([*_imports(tree := ast.parse(source)), *_from_faces(tree)]))


@cache
def _reached(names: tuple[str, ...], *, through_faces: bool = False) -> tuple[str, ...]:
    """These modules and, along imports, all others of the library that they need, in the order of their names."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [*_imported(name), *(_from_faces(_tree(name)) if through_faces else ())]
    return tuple(sorted(reached))


def _check_unchanged(path: Path) -> None:
    """Refuse a file that is not what it was when this process began: memory holds the code that stood there then."""
    if _AT_START.get(path, now := _stamp(path)) != now:
        raise InputError(path.name, "changed on disk", "as it was when this process began", "Restart it.")


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@cache
def _imported(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_imports(_tree(name))))


def _imports(tree: ast.Module) -> Iterator[str]:
    return (module for node in ast.walk(tree) for module in _sources(node))


def _from_faces(tree: ast.Module) -> Iterator[str]:
    """The modules that define what is taken from a face by a dot: of ``regions.square``, ``...regions.planes``."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    faces = {
        alias.asname or alias.name: inner
        for node in imports
        for alias in node.names
        if _is_module(inner := f"{node.module}.{alias.name}") and _is_face(inner)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in faces:
            found = _defined_in(faces[node.value.id], node.attr)
            yield from [found] if found else []


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


_AT_START = {path: _stamp(path) for path in ROOT.rglob("*.py")}
"""When each file of the library was written, and how long it was, as this process began."""
