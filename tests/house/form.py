"""Rules of form: sizes, signatures, words beside every public name, abstract or final classes."""

import ast
from collections.abc import Iterator
from itertools import chain

from tests.house.reading import (
    Definition,
    Function,
    Module,
    decorators,
    definitions,
    functions,
    last_word,
    parameters,
    public,
)

WITHOUT_EXAMPLES = {"", "figures", "interactive", "headless", "studies"}
"""The rooms that are shown in notebooks rather than by an example; all others are rooms of numbers."""
ENTRIES = {"sslens.train.worker", "sslens.train.workers", "sslens.__main__"}
"""Processes of their own: what they do is shown by ``train.record_all``."""
SHAPED = {
    "Float",
    "Float64",
    "Float32",
    "Int",
    "Int64",
    "Integer",
    "Bool",
    "Num",
    "Shaped",
    "Inexact",
    "Complex",
    "UInt8",
}
OUR_ERRORS = {"InputError"}
MAKERS = {
    *("Generator", "arange", "as_tensor", "asarray", "empty", "empty_strided", "eye", "full", "linspace", "logspace"),
    *("ones", "rand", "randint", "randn", "randperm", "range", "scalar_tensor", "tensor", "tril_indices"),
    *("triu_indices", "zeros"),
}
"""Functions of torch that make a tensor, or what draws one, from nothing on the default device."""


def module_size(modules: list[Module]) -> Iterator[str]:
    """A module has at most 400 lines."""
    for module in modules:
        if (lines := len(module.source.splitlines())) > 400:
            yield f"{module.name}: {lines} lines, at most 400"


def body_size(modules: list[Module]) -> Iterator[str]:
    """A function's body, without its docstring, has at most 40 lines."""
    for module in modules:
        for name, node, _ in functions(module):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and (lines := (node.end_lineno or 0) - body[0].lineno + 1) > 40:
                yield f"{name}: a body of {lines} lines, at most 40"


def six_parameters(modules: list[Module]) -> Iterator[str]:
    """A function takes at most six parameters."""
    for module in modules:
        for name, node, bound in functions(module):
            if (count := sum(map(len, parameters(node, bound)))) > 6:
                yield f"{name}: {count} parameters, at most 6"


def keyword_only(modules: list[Module]) -> Iterator[str]:
    """A public function's parameters after the second are keyword-only; Python fixes the signature of a dunder."""
    for module in modules:
        called_by_others = {id(node) for _, node in public(module)}
        for name, node, bound in functions(module):
            counts = id(node) in called_by_others or node.name == "__init__"
            if counts and len(positional := parameters(node, bound)[0]) > 2:
                yield f"{name}: {positional[2].arg} should be keyword-only"


def annotated(modules: list[Module]) -> Iterator[str]:
    """Every parameter and result of a public function is annotated."""
    for module in modules:
        bound = {id(node): bound for _, node, bound in functions(module)}
        for name, node in public(module):
            if isinstance(node, Function):
                arguments = chain(*parameters(node, bound[id(node)]))
                yield from (f"{name}: {each.arg} is not annotated" for each in arguments if each.annotation is None)
                if node.returns is None:
                    yield f"{name}: the result is not annotated"


def documented(modules: list[Module]) -> Iterator[str]:
    """Every module and public name has a docstring."""
    for module in modules:
        if not ast.get_docstring(module.tree):
            yield f"{module.name}: no docstring"
        yield from (f"{name}: no docstring" for name, node in public(module) if not ast.get_docstring(node))


def shaped(modules: list[Module]) -> Iterator[str]:
    """A tensor in a public signature or record says its shape."""
    for module in modules:
        for name, node in public(module):
            for annotation in _annotations(node):
                yield from (f"{name}: a bare {word}, say its shape" for word in _bare(annotation))


def _annotations(node: Definition) -> list[ast.expr]:
    if isinstance(node, ast.ClassDef):
        return [item.annotation for item in node.body if isinstance(item, ast.AnnAssign)]
    positional, others = parameters(node, bound=False)
    return [each for each in [*(a.annotation for a in positional + others), node.returns] if each is not None]


def _bare(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Subscript) and last_word(node) in SHAPED:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _bare(ast.parse(node.value, mode="eval").body)
    elif isinstance(node, ast.Name | ast.Attribute):
        if last_word(node) in {"Tensor", "ndarray"}:
            yield last_word(node)
    elif not isinstance(node, ast.Call) and last_word(node) != "Literal":
        for child in ast.iter_child_nodes(node):
            yield from _bare(child)


def shows_an_example(modules: list[Module]) -> Iterator[str]:
    """A public name of the rooms of numbers has an example that runs; a class may have it in a method."""
    for module in modules:
        for name, node in public(module) if module.room not in WITHOUT_EXAMPLES else ():
            method = name.count(".") > module.name.count(".") + 1
            empty = isinstance(node, ast.ClassDef) and len(node.body) == 1
            texts = [ast.get_docstring(each) or "" for each in ast.walk(node) if isinstance(each, Definition)]
            if not method and not empty and module.name not in ENTRIES and not any(">>>" in text for text in texts):
                yield f"{name}: no example"


def tells_its_errors(modules: list[Module]) -> Iterator[str]:
    """A public function that raises an error of ours says so under ``Raises:``."""
    ours = set(OUR_ERRORS)
    for _ in range(3):  # errors of errors, whatever the order of the files
        ours |= {node.name for _, node, bases in _classes(modules) if bases & ours}
    for module in modules:
        for name, node in public(module):
            raised = {last_word(_called(each.exc)) for each in ast.walk(node) if isinstance(each, ast.Raise)}
            if "command" in decorators(node):
                continue  # its docstring is the help page a user reads
            if isinstance(node, Function) and raised & ours and "Raises:" not in (ast.get_docstring(node) or ""):
                yield f"{name}: raises {', '.join(sorted(raised & ours))} and does not say so"


def _called(node: ast.AST | None) -> ast.AST:
    return node.func if isinstance(node, ast.Call) else node or ast.Pass()


def _classes(modules: list[Module]) -> Iterator[tuple[str, ast.ClassDef, set[str]]]:
    for module in modules:
        for name, node, _ in definitions(module.tree):
            if isinstance(node, ast.ClassDef):
                yield f"{module.name}.{name}", node, {last_word(base) for base in node.bases}


def _abstract(node: ast.ClassDef) -> bool:
    return bool({"ABC", "Protocol"} & {last_word(base) for base in node.bases})


def abstract_or_final(modules: list[Module]) -> Iterator[str]:
    """A class is abstract (ABC, Protocol) or marked @final."""
    for name, node, _ in _classes(modules):
        if _abstract(node) == ("final" in decorators(node)):
            yield f"{name}: neither abstract nor @final, or both"


def one_level(modules: list[Module]) -> Iterator[str]:
    """A class of ours inherits at most once from a class of ours, and only from an abstract one or our error."""
    own = {node.name: (node, bases) for _, node, bases in _classes(modules)}
    for name, _, bases in _classes(modules):
        for base in bases & own.keys():
            parent, grandparents = own[base]
            if grandparents & own.keys() or not (_abstract(parent) or base in OUR_ERRORS):
                yield f"{name}: inherits from {base}, which is not an abstract class at the top"


def names_its_device(modules: list[Module]) -> Iterator[str]:
    """A tensor that torch makes from nothing says where: elsewhere, users have set another default device."""
    for module in modules:
        for call in ast.walk(module.tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if last_word(call.func.value) == "torch" and call.func.attr in MAKERS and not _placed(call):
                yield f"{module.name}:{call.lineno}: torch.{call.func.attr} without a device"


def _placed(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords}
    return bool(given & {"device", None}) or (last_word(call.func) == "Generator" and bool(call.args))


RULES = [module_size, body_size, six_parameters, keyword_only, annotated, documented, shaped, shows_an_example]
RULES += [tells_its_errors, abstract_or_final, one_level, names_its_device]
