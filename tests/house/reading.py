"""The library's source as the rules read it: modules as syntax trees, definitions and imports by dotted name."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "lib" / "sslens"
TOOLS = Path(sys.executable).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """One file of the library under its dotted name (a package's ``__init__`` under the package's)."""

    name: str
    source: str
    package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def room(self) -> str:
        """The first word after the library's name: types, measures, ..."""
        return self.name.partition(".")[2].partition(".")[0]


@cache
def house() -> list[Module]:
    """Every module of the library."""
    return list(_read(LIBRARY))


@cache
def suite() -> list[Module]:
    """Every file of the tests."""
    return list(_read(ROOT / "tests"))


def _read(folder: Path) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        package = parts[-1] == "__init__"
        yield Module(".".join(parts[: -1 if package else None]), path.read_text(), package)


def planted(source: str, room: str = "measures") -> list[Module]:
    """A house of one module, for trying a rule on a breach."""
    return [Module(f"sslens.{room}.planted", source)]


def definitions(node: ast.AST, prefix: str = "", owner: ast.AST | None = None) -> Iterator[tuple]:
    """Every function and class below a node, nested ones included: dotted name, node, what encloses it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield prefix + child.name, child, owner
            yield from definitions(child, f"{prefix}{child.name}.", child)
        else:
            yield from definitions(child, prefix, owner)


def public(module: Module) -> Iterator[tuple[str, Definition]]:
    """The names a user may call: no leading underscore anywhere, not hidden inside a function."""
    inside = set()
    for name, node, owner in definitions(module.tree):
        if isinstance(owner, Function) or owner in inside:
            inside.add(node)
        elif not any(part.startswith("_") for part in name.split(".")) and "overload" not in decorators(node):
            yield f"{module.name}.{name}", node


def functions(module: Module) -> Iterator[tuple[str, Function, bool]]:
    """Every function, private and nested ones included, and whether its first parameter is self or cls."""
    for name, node, owner in definitions(module.tree):
        if isinstance(node, Function):
            bound = isinstance(owner, ast.ClassDef) and "staticmethod" not in decorators(node)
            yield f"{module.name}.{name}", node, bound


def parameters(node: Function, bound: bool) -> tuple[list[ast.arg], list[ast.arg]]:
    """Positional and other parameters, without self or cls."""
    positional = [*node.args.posonlyargs, *node.args.args][1 if bound else 0 :]
    others = [node.args.vararg, *node.args.kwonlyargs, node.args.kwarg]
    return positional, [argument for argument in others if argument is not None]


def decorators(node: Definition) -> set[str]:
    """Last word of each decorator: ``@typing.final`` and ``@dataclass(frozen=True)`` are final and dataclass."""
    return {last_word(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list}


def last_word(node: ast.AST) -> str:
    """``spectrum`` of ``measures.spectrum``, the name itself otherwise; generics lose their brackets."""
    if isinstance(node, ast.Subscript):
        return last_word(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def imported(module: Module) -> Iterator[str]:
    """Dotted names of all imports, also those inside functions; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{_origin(module, node)}.{alias.name}" for alias in node.names)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    above = parts[: len(parts) - node.level + module.package]
    return ".".join([*above, *([node.module] if node.module else [])])
