"""Verdicts follow the interval, never a single seed; the result MIME and the receipt carry the same numbers."""

import json
import math

import pytest

from sslens.claims import RESULT, Claim, conclude, judge, receipt
from sslens.types import InputError

BELOW = Claim("Rank falls under collapse.", "Paper 2023, section 4", "rank ratio", below=0.5)


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([0.10, 0.11, 0.12], True),
        ([0.80, 0.81, 0.82], False),
        ([0.45, 0.50, 0.55], None),
        ([0.10], None),
        ([0.5, 0.5, 0.5], False),
    ],
)
def test_the_whole_interval_decides(values, holds):
    assert judge(BELOW, values, "digits").holds is holds


def test_a_band_needs_both_bounds():
    band = Claim("Exponent is near one.", "Paper 2022", "exponent", above=0.8, below=1.2)
    assert band.bound == "> 0.8 and < 1.2"
    assert judge(band, [0.99, 1.0, 1.01], "digits").holds is True
    assert judge(band, [1.3, 1.31, 1.32], "digits").holds is False
    assert judge(band, [1.15, 1.2, 1.25], "digits").holds is None


@pytest.mark.parametrize("bounds", [{}, {"above": 1.0, "below": 1.0}, {"above": 2.0, "below": 1.0}])
def test_a_claim_without_a_bound_is_refused(bounds):
    with pytest.raises(InputError, match="at least one bound"):
        Claim("Something.", "Somewhere", "number", **bounds)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0]])
def test_numbers_that_are_none_are_refused(values):
    with pytest.raises(InputError, match="values must be"):
        judge(BELOW, values, "digits")


def test_two_verdicts_about_one_quantity_are_refused():
    verdict = judge(BELOW, [0.1, 0.2], "digits")
    with pytest.raises(InputError, match="quantity of its own"):
        conclude(verdict, verdict)


def test_result_mime_carries_numbers_words_and_tolerance():
    bundle = conclude(judge(BELOW, [0.10, 0.11, 0.12], "digits"))._repr_mimebundle_()
    values = bundle[RESULT]["values"]
    assert values["rank ratio"] == pytest.approx(0.11)
    assert values["rank ratio.holds"] is True and values["rank ratio.n"] == 3
    assert set(bundle[RESULT]["tolerance"]) == {"relative", "absolute"}
    assert bundle["text/plain"].startswith("✓ holds: Rank falls under collapse.")
    json.dumps(bundle, allow_nan=False)


def test_a_single_seed_stays_legal_json():
    values = conclude(judge(BELOW, [0.1], "digits"))._repr_mimebundle_()[RESULT]["values"]
    assert values["rank ratio.low"] is None and values["rank ratio.holds"] is None


def test_receipt_echoes_nonce_parameters_and_verdicts(tmp_path, monkeypatch):
    attempt = {"nonce": "abc", "parameters": ["seed", "missing"], "receipt": str(tmp_path / "receipt.json")}
    (tmp_path / "attempt.json").write_text(json.dumps(attempt))
    monkeypatch.setenv("SSLENS_ATTEMPT", str(tmp_path / "attempt.json"))
    conclusion = conclude(judge(BELOW, [0.1, 0.2], "digits"))
    receipt({"seed": 3, "verdicts": conclusion, "_": conclusion, "_12": conclusion})
    found = json.loads((tmp_path / "receipt.json").read_text())
    assert found["nonce"] == "abc" and found["parameters"] == {"seed": 3, "missing": None}
    assert [verdict["quantity"] for verdict in found["verdicts"]] == ["rank ratio"]


def test_receipt_is_silent_without_a_runner(monkeypatch):
    monkeypatch.delenv("SSLENS_ATTEMPT", raising=False)
    assert receipt({}) is None
