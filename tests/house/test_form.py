"""The rules of form, kept by the library and tried on planted breaches."""

import pytest

from tests.house import form
from tests.house.reading import house, planted

EXCEPTIONS = {
    ("keyword_only", "sslens.types.InputError.__init__"): "raised on one line everywhere; the order is the sentence's",
    ("keyword_only", "sslens.types.UnknownName.__init__"): "raised on one line everywhere; the order is the sentence's",
    (
        "keyword_only",
        "sslens.types.checked",
    ): "name, value, annotation: read aloud in this order, and called for every field",
    (
        "keyword_only",
        "sslens.runtime.stream",
    ): "agreed signature: the seed, its name, and where, as in torch.Generator(device)",
    (
        "keyword_only",
        "sslens.studies.study.stated",
    ): "a claim, what came of it, and the sentences to choose from, in the order of claims.WORDS",
    (
        "keyword_only",
        "sslens.measures.probe.knn.knn",
    ): "agreed signature of what predicts labels: known features, known labels, queries",
    ("keyword_only", "sslens.measures.probe.ridge.classify_by_ridge"): "as knn",
    ("keyword_only", "sslens.measures.probe.nearest_mean.classify_by_nearest_mean"): "as knn",
    ("keyword_only", "sslens.studies.how_white_layers.classify_by_tuned_ridge"): "as knn",
    ("keyword_only", "sslens.studies.how_white_layers.sides"): "a run, its features, and what is read from them",
    ("keyword_only", "sslens.datasets.cache.cached"): "where, under which key, and how it is made: read in this order",
    ("keyword_only", "sslens.datasets.cache.usable"): "the words of InputError, in its order",
    ("keyword_only", "sslens.measures.regions.enumeration.partition"): "agreed signature: net, plane, domain",
    ("keyword_only", "sslens.measures.regions.enumeration.partitions"): "as partition",
    ("keyword_only", "sslens.measures.regions.enumeration.count_regions"): "as partition",
    ("keyword_only", "sslens.measures.regions.sampling.count_sampled"): "as partition, with points for a domain",
    ("keyword_only", "sslens.measures.regions.segments.segment"): "agreed signature: net, and from a to b",
    (
        "keyword_only",
        "sslens.views.augment.augment",
    ): "agreed signature: images, recipe, generator, as in every function that draws",
    (
        "keyword_only",
        "sslens.views.draws.draw",
    ): "agreed signature: recipe, count, generator, as in every function that draws",
    (
        "six_parameters",
        "sslens.headless.run.run_notebook",
    ): "what the command line offers, a word for each, and who watches",
    ("abstract_or_final", "sslens.types.InputError"): "the one error to catch; its few subclasses say more",
}
"""Where a rule made the code worse: rule and name, and why."""


BREACHES = [
    (form.module_size, "x = 1\n" * 401, "401 lines"),
    (form.body_size, "def f():\n" + "    x = 1\n" * 41, "41 lines"),
    (form.body_size, "def f():\n    def g():\n" + "        x = 1\n" * 41, "f.g: a body of 41"),
    (form.six_parameters, "def f(a, b, *, c, d, e, f, g): ...", "7 parameters"),
    (
        form.six_parameters,
        "class A:\n    def __init__(self, a, b, *, c, d, e, f, **g): ...",
        "A.__init__: 7 parameters",
    ),
    (form.keyword_only, "def f(a, b, c=0): ...", "c should be keyword-only"),
    (form.keyword_only, "class A:\n    def f(self, a, b, c): ...", "A.f: c should"),
    (form.keyword_only, "class A:\n    @staticmethod\n    def f(a, b, c): ...", "A.f: c should"),
    (form.annotated, "def f(a) -> int: ...", "f: a is not annotated"),
    (form.annotated, "def f(*rest) -> int: ...", "f: rest is not annotated"),
    (form.annotated, "class A:\n    def f(self): ...", "A.f: the result is not annotated"),
    (form.documented, "x = 1", "planted: no docstring"),
    (form.documented, '"""Words."""\nclass A:\n    """Words."""\n    def f(self): ...', "A.f: no docstring"),
    (form.shaped, "def f(h: Tensor) -> int: ...", "f: a bare Tensor"),
    (form.shaped, "def f() -> 'dict[str, torch.Tensor]': ...", "f: a bare Tensor"),
    (form.shaped, "class A:\n    weights: Mapping[str, np.ndarray]", "A: a bare ndarray"),
    (form.shows_an_example, 'def f():\n    """Words."""', "f: no example"),
    (form.shows_an_example, "class A:\n    x: int\n    def f(self): ...", "A: no example"),
    (form.tells_its_errors, 'def f():\n    """Words."""\n    raise InputError("x", 1, "2")', "raises InputError"),
    (form.tells_its_errors, "class E(InputError): ...\ndef f():\n    raise types.E('x')", "f: raises E"),
    (form.abstract_or_final, "class A: ...", "A: neither"),
    (form.abstract_or_final, "@final\nclass A(ABC): ...", "or both"),
    (form.abstract_or_final, "def f():\n    class A: ...", "f.A: neither"),
    (form.names_its_device, "x = torch.zeros(3, dtype=torch.int64)", "torch.zeros without a device"),
    (form.names_its_device, "def f():\n    return torch.Generator()", "torch.Generator without a device"),
    (form.one_level, "class A: ...\n@final\nclass B(A): ...", "B: inherits from A"),
    (form.one_level, "class A(ABC): ...\nclass B(A, ABC): ...\n@final\nclass C(B): ...", "C: inherits from B"),
]

GOOD = '''"""Words."""

class Shape(Protocol):
    """A form.

    >>> Shape
    """
    sides: Float[Tensor, "n"]
    def area(self, scale: float, /) -> Float[Tensor, ""]:
        """Square metres."""

@final
@dataclass(frozen=True)
class Square(Shape):
    """A square.

    >>> Square()
    """
    names: tuple[Literal["Tensor"], ...]
    def __exit__(self, kind, value, traceback): ...
    def area(self, a: int, b: "Square", *, c: int, d: int, e: int, f: int) -> Float[Tensor, ""]:
        """Square metres.

        Raises:
            InputError: always.
        """
        raise InputError("a", a, "another")

def _private(a):
    torch.zeros_like(a), a.new_ones(3), torch.from_numpy(a), torch.zeros(3, device=a.device), torch.Generator("cpu")
'''


def kept(rule, modules):
    """A rule's complaints, without the listed exceptions."""
    exceptions = [name for listed, name in EXCEPTIONS if listed == rule.__name__]
    return [line for line in rule(modules) if line.partition(": ")[0] not in exceptions]


@pytest.mark.parametrize("rule", form.RULES)
def test_the_house_keeps(rule):
    assert kept(rule, house()) == []


@pytest.mark.parametrize(("rule", "source", "said"), BREACHES)
def test_a_planted_breach_is_caught(rule, source, said):
    assert any(said in line for line in rule(planted(source)))


def test_every_rule_has_a_planted_breach():
    assert {rule for rule, *_ in BREACHES} == set(form.RULES)


@pytest.mark.parametrize("rule", form.RULES)
def test_a_good_module_passes(rule):
    assert list(rule(planted(GOOD))) == []


@pytest.mark.parametrize(("rule", "name"), EXCEPTIONS)
def test_an_exception_is_still_needed(rule, name):
    assert any(line.startswith(f"{name}: ") for line in getattr(form, rule)(house()))


def test_the_whole_library_is_read():
    assert {"sslens", "sslens.types", "sslens.runtime"} <= {module.name for module in house()}
