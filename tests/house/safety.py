"""What never stands in the library: printing, unpickling, evaluated text, addresses, licence heads."""

import ast
import re
from collections.abc import Iterator

from tests.house.reading import Module, imported, last_word

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
HARMLESS = {"joblib.cpu_count"}
"""What counts processors and loads nothing."""
LOADERS = {("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("np", "load")}
LOADERS |= {("numpy", "load")}
PUBLISHED = "a published data set, fetched by checksum when asked for by name"
ADDRESSES = {
    "https://arxiv.org/": "papers, in docstrings",
    "https://doi.org/": "papers, in docstrings",
    "https://www.cs.toronto.edu/~kriz/": PUBLISHED,
    "https://ossci-datasets.s3.amazonaws.com/mnist/": PUBLISHED,
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/": PUBLISHED,
    "http://ai.stanford.edu/~acoates/stl10/": PUBLISHED,
}
"""Beginnings of addresses that may stand in the library, and why; a report or a figure must work offline."""


def _calls(module: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def no_print(modules: list[Module]) -> Iterator[str]:
    """The library returns what it has to say; only the command line and notebooks show it."""
    for module in modules:
        for call in _calls(module):
            if isinstance(call.func, ast.Name) and call.func.id == "print":
                yield f"{module.name}:{call.lineno}: print"


def no_unpickling(modules: list[Module]) -> Iterator[str]:
    """Nothing that can run code hidden in a file is imported or called."""
    for module in modules:
        for name in imported(module):
            first, _, last = name.partition(".")
            pickles = first in PICKLES and name not in HARMLESS
            if pickles or (first in ("torch", "yaml") and (first, last) in LOADERS):
                yield f"{module.name}: imports {name}"
        for call in _calls(module):
            if isinstance(call.func, ast.Attribute) and (last_word(call.func.value), call.func.attr) in LOADERS:
                yield f"{module.name}:{call.lineno}: {last_word(call.func.value)}.{call.func.attr}"


def no_evaluated_text(modules: list[Module]) -> Iterator[str]:
    """No text is run as a program."""
    for module in modules:
        for call in _calls(module):
            if isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec", "compile", "__import__"}:
                yield f"{module.name}:{call.lineno}: {call.func.id}"


def no_address(modules: list[Module]) -> Iterator[str]:
    """No absolute web address outside the short list: nothing is fetched but published data sets, asked for by name."""
    for module in modules:
        for address in re.findall(r"""(?:https?|wss?)://[^\s"'`<>)]*""", module.source):
            if not address.startswith(tuple(ADDRESSES)):
                yield f"{module.name}: {address}"


def no_licence_head(modules: list[Module]) -> Iterator[str]:
    """The licence has a file of its own."""
    for module in modules:
        head = "\n".join(module.source.splitlines()[:10])
        if re.search(r"copyright|licen[sc]ed under|SPDX-|all rights reserved", head, re.IGNORECASE):
            yield f"{module.name}: a licence head"


def no_postponed_annotations(modules: list[Module]) -> Iterator[str]:
    """Shapes in annotations are checked under pytest, so they must be objects and not text."""
    yield from (
        f"{each.name}: __future__ annotations" for each in modules if "__future__.annotations" in imported(each)
    )


RULES = [no_print, no_unpickling, no_evaluated_text, no_address, no_licence_head, no_postponed_annotations]
