import json
import math

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from xarray import DataArray

from sslens.claims import Claim
from sslens.headless.completion import refusal

VERDICT = {"sentence": "Rank falls.", "source": "Paper", "quantity": "rank", "holds": None, "n": 1}
VERDICT |= {"mean": 0.5, "low": None, "high": None, "line": "? undecided: Rank falls."}


def judged(folder, cells=None, verdict=VERDICT, **receipt):
    written = {"nonce": "n", "parameters": {"rate": 0.1, "flag": True}, "verdicts": [verdict]}
    written |= {"execution_count": 2} | receipt
    (folder / "receipt.json").write_text(json.dumps(written))
    cells = cells or [new_code_cell("a", execution_count=1), new_code_cell(" "), new_code_cell("b", execution_count=2)]
    given = {"rate": 0.1, "flag": True}
    return refusal(new_notebook(cells=cells), folder / "receipt.json", nonce="n", parameters=given)


def test_a_run_without_fault_is_complete(tmp_path):
    assert judged(tmp_path) == ""
    assert judged(tmp_path, verdicts=[]) == ""


@pytest.mark.parametrize("counts", [(1, 3), (2, 3), (1, None), (2, 1), (1, 1)])
def test_a_gap_in_the_execution_counts_is_refused(counts, tmp_path):
    assert "was " in judged(tmp_path, [new_code_cell("a", execution_count=count) for count in counts])


def test_a_cell_is_named_by_its_number_in_the_notebook_not_in_the_kernel(tmp_path):
    put_in = new_code_cell("rate = 0.1", execution_count=2, metadata={"tags": ["injected-parameters"]})
    cells = [new_code_cell("a", execution_count=1), put_in, new_code_cell(""), new_code_cell("b", execution_count=4)]
    assert judged(tmp_path, cells) == "cell 2 ('b') was run out of order, as number 4"


def test_an_error_output_is_refused(tmp_path):
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    assert (
        judged(tmp_path, [new_code_cell("a", execution_count=1, outputs=[error])])
        == "cell 1 ('a') raised ValueError: no"
    )


@pytest.mark.parametrize(
    "receipt",
    [{"execution_count": 1}, {"execution_count": None}, {"execution_count": "2"}, {"execution_count": 3},
     {"nonce": "m"}, {"nonce": None}, {"parameters": {}}, {"parameters": []}, {"parameters": {"rate": 0.1}},
     {"parameters": {"rate": 0.1 + 1e-16, "flag": 1}}, {"parameters": {"rate": 0.10000000000000002, "flag": True}},
     {"parameters": {"rate": 0.1, "flag": True, "more": 1}}, {"verdicts": None}, {"verdicts": [3]}],
)  # fmt: skip
def test_a_receipt_that_does_not_echo_the_attempt_is_refused(receipt, tmp_path):
    assert judged(tmp_path, **receipt)


@pytest.mark.parametrize(
    "change",
    [{"mean": None, "holds": True}, {"mean": None, "n": None}, {"mean": None, "n": 3, "low": 0.1},
     {"mean": "0.5"}, {"mean": float("nan")}, {"mean": float("inf")}, {"n": None}, {"n": 3},
     {"n": 3, "low": 0.1}, {"n": 3, "low": 0.1, "high": float("inf")}, {"holds": "yes"}, {"low": float("-inf")},
     {"extra": float("nan")}, {"mean": True}, {"n": 0}],
)  # fmt: skip
def test_a_verdict_with_a_number_that_is_none_is_refused(change, tmp_path):
    assert judged(tmp_path, verdict=VERDICT | change).startswith("verdict 1")


def test_a_verdict_that_is_not_tested_decides_nothing(tmp_path):
    untested = VERDICT | {"mean": 0.5, "untested": "too few settings: 3"}
    assert judged(tmp_path, verdict=untested) == ""
    assert "is not tested here and holds all the same" in judged(tmp_path, verdict=untested | {"holds": True})
    assert "and fails all the same" in judged(tmp_path, verdict=untested | {"holds": False})


@pytest.mark.parametrize("n", [1, 3])
def test_a_repetition_that_diverged_is_a_result(n, tmp_path):
    assert judged(tmp_path, verdict=VERDICT | {"mean": None, "n": n}) == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("others", [[], [0.1, 0.2]])
def test_so_is_one_that_the_claims_module_writes(value, others, tmp_path):
    claim = Claim("Rank falls.", "Paper", "rank", below=0.5)
    assert judged(tmp_path, verdict=claim.judge(DataArray([value, *others], dims="seed")).record()) == ""


@pytest.mark.parametrize("content", ['{"nonce": "n", "para', "[" * 100_000, "null", "\udcff", "[]", "{}"])
def test_a_torn_receipt_is_refused(content, tmp_path):
    (tmp_path / "receipt.json").write_text(content, errors="surrogateescape")
    cells = [new_code_cell("a", execution_count=1)]
    reason = refusal(new_notebook(cells=cells), tmp_path / "receipt.json", nonce="n", parameters={})
    assert reason == "the receipt is not what sslens.claims.receipt writes"
