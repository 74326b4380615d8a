"""Faces do nothing, private names stay in their files; each rule is kept by the library and tried on breaches."""

import pytest

from tests.house import faces
from tests.house.reading import Module, house, planted

PLOTLY = "plotly's widget has no public place for the state that a page begins with"
EXCEPTIONS = {
    ("private_names_stay", f"sslens.interactive.live_figure.{name}"): PLOTLY
    for name in ("_data", "_trait_values", "_layout_obj", "_props")
} | {("pure_faces", "sslens.datasets"): "first_classes is a set made of the others: it is given the registry it is in"}
"""Where a rule made the code worse: rule and name, and why."""


def package(source, words="Words."):
    """A house of one package, its ``__init__`` with this text."""
    return [Module("sslens.measures", f'"""{words}"""\n{source}', package=True), Module("sslens.measures.rank", "")]


def house_of(importer, source):
    """A house in which a file of this name imports from one that keeps ``_kept`` and from a package with ``_exact``."""
    others = [Module("sslens.measures.rank", "_kept = 1"), Module("sslens.measures.regions._exact", "", package=True)]
    return [*others, Module("sslens.measures.regions._exact.cells", ""), Module(importer, source)]


OUTSIDE, INSIDE = "sslens.measures.spectrum", "sslens.measures.regions.planes"
BREACHES = [
    (faces.private_names_stay, house_of(OUTSIDE, "from sslens.measures import rank\nrank._kept"), "rank._kept"),
    (faces.private_names_stay, house_of(OUTSIDE, "from sslens.measures.rank import _kept"), "imports"),
    (faces.private_names_stay, house_of(OUTSIDE, "def f():\n    from .rank import _kept as kept"), "imports"),
    (faces.private_names_stay, house_of(OUTSIDE, "from sslens.measures.regions import _exact"), "_exact"),
    (faces.private_names_stay, house_of(OUTSIDE, "from sslens.measures.regions._exact.cells import Cut"), "cells"),
    (faces.private_names_stay, house_of(INSIDE, "from sslens.measures.regions._exact.cells import _cut"), "cells"),
    (faces.private_names_stay, planted("def f(trace):\n    return trace._files"), "trace._files is private"),
    (faces.private_names_stay, planted("import torch\ntorch._C"), "torch._C"),
    (faces.private_names_stay, planted("from torch._dynamo import reset"), "torch._dynamo"),
    (faces.pure_faces, package("def f(): ..."), "def f"),
    (faces.pure_faces, package("class A: ..."), "class A"),
    (faces.pure_faces, package("if True:\n    A = 1"), "if True"),
    (faces.pure_faces, package("A = [rank for rank in B]"), "A ="),
    (faces.pure_faces, package("A = {'a': lambda: 1}"), "A ="),
    (faces.pure_faces, package("A = made()"), "A = made()"),
    (faces.pure_faces, package("loaded = 3"), "loaded = 3"),
    (faces.pure_faces, package("rank.announce()"), "without saying so"),
    (faces.pure_faces, package("rank.announce(1)", words="Calls announce."), "without saying so"),
    (faces.pure_faces, package("rank.announce()\nrank.announce()", words="Calls announce."), "more than once"),
    (faces.complete_faces, package("from sslens.measures.rank import rankme"), "rankme is not"),
    (faces.complete_faces, package("from sslens.measures.rank import rankme as best\n__all__ = ['rankme']"), "best"),
    (faces.complete_faces, package("MEASURES = {}\n__all__ = []"), "MEASURES is not"),
]
GOOD = '''
from sslens.measures import rank
from sslens.measures.rank import Rank, rankme

MEASURES: dict[str, Rank] = {"rankme": rank.rankme, "half": Rank(share=1 / 2, of=(0, -1))}
"""By name."""
load, check = MEASURES.load, MEASURES.check
rank.announce()

__all__ = ["MEASURES", "Rank", "check", "load", "rankme"]
'''


def kept(rule, modules):
    """A rule's complaints, without the listed exceptions."""
    return [line for line in rule(modules) if (rule.__name__, line.partition(": ")[0]) not in EXCEPTIONS]


@pytest.mark.parametrize("rule", faces.RULES)
def test_the_house_keeps(rule):
    assert kept(rule, house()) == []


@pytest.mark.parametrize(("rule", "modules", "said"), BREACHES)
def test_a_planted_breach_is_caught(rule, modules, said):
    assert any(said in line for line in rule(modules))


def test_every_rule_has_a_planted_breach():
    assert {rule for rule, *_ in BREACHES} == set(faces.RULES)


@pytest.mark.parametrize("rule", faces.RULES)
def test_a_good_face_passes(rule):
    assert list(rule(package(GOOD, words="What ``announce`` says."))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from sslens.measures.regions import _exact\n_exact.cells",
        "from sslens.measures.regions._exact.cells import Cut\nCut._make(())",
        "def _own(): ...\nclass A:\n    def f(self):\n        self._x = _own()\n        return self._x",
        "x.__class__, x._repr_html_",
    ],
)
def test_a_file_may_use_its_own_names_and_those_of_its_package(source):
    assert list(faces.private_names_stay(house_of(INSIDE, source))) == []


@pytest.mark.parametrize(("rule", "name"), EXCEPTIONS)
def test_an_exception_is_still_needed(rule, name):
    assert any(line.startswith(f"{name}: ") for line in getattr(faces, rule)(house()))
