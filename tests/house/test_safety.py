"""What never stands in the library, by our own rules and by ruff's."""

import subprocess

import pytest

from tests.house import safety
from tests.house.reading import ROOT, TOOLS, house, planted

BREACHES = [
    (safety.no_print, "def f():\n    print(1)"),
    (safety.no_unpickling, "import pickle"),
    (safety.no_unpickling, "def f():\n    from joblib import load"),
    (safety.no_unpickling, "from torch import load"),
    (safety.no_unpickling, "import torch\nstate = torch.load('x.pt', weights_only=True)"),
    (safety.no_unpickling, "import yaml\nyaml.load(text)"),
    (safety.no_unpickling, "import numpy as np\nnp.load('x.npz')"),
    (safety.no_evaluated_text, "eval('1')"),
    (safety.no_evaluated_text, "def f():\n    exec('x = 1')"),
    (safety.no_address, "PLOTLY = 'https://cdn.plot.ly/plotly.js'"),
    (safety.no_address, "# see http://example.org\n"),
    (safety.no_licence_head, "# Copyright 2026 Nobody"),
    (safety.no_licence_head, "# SPDX-License-Identifier: MIT"),
    (safety.no_postponed_annotations, "from __future__ import annotations"),
]
LINTED = [
    ("T201", "print(1)\n"),
    ("ERA001", "# x = f(1)\n"),
    ("D103", '"""Words."""\n\n\ndef f() -> None:\n    pass\n'),
    ("ANN001", '"""Words."""\n\n\ndef f(x) -> None:\n    """Words."""\n'),
    (
        "PLR0913",
        '"""Words."""\n\n\ndef f(a: int, b: int, *, c: int, d: int, e: int, g: int, h: int) -> None:\n    pass\n',
    ),
    ("S301", "import pickle\n\npickle.loads(b'')\n"),
    ("E501", f"# {'long ' * 30}\n"),
]


@pytest.mark.parametrize("rule", safety.RULES)
def test_the_house_keeps(rule):
    assert list(rule(house())) == []


@pytest.mark.parametrize(("rule", "source"), BREACHES)
def test_a_planted_breach_is_caught(rule, source):
    assert list(rule(planted(source)))


def test_every_rule_has_a_planted_breach():
    assert {rule for rule, _ in BREACHES} == set(safety.RULES)


@pytest.mark.parametrize("rule", safety.RULES)
def test_innocent_lookalikes_pass(rule):
    source = '"""A print, see https://arxiv.org/abs/2105.04906."""\nmodel.eval()\nre.compile("x")\ntrace.load(path)\n'
    assert list(rule(planted(source))) == []


def ruff(*arguments, source=None):
    """Ruff's exit status and words on the checkout, or on a source given as a file of the library."""
    return subprocess.run([TOOLS / "ruff", *arguments], cwd=ROOT, input=source, capture_output=True, text=True)


def test_ruff_finds_nothing_to_say():
    answer = ruff("check", "--no-cache", ".")
    assert answer.returncode == 0, answer.stdout


def test_ruff_finds_everything_in_format():
    answer = ruff("format", "--no-cache", "--check", "lib", "tests")
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(("code", "source"), LINTED)
def test_ruff_catches_a_planted_breach(code, source):
    answer = ruff("check", "--no-cache", "--stdin-filename", "lib/sslens/planted.py", "-", source=source)
    assert answer.returncode == 1
    assert code in answer.stdout
