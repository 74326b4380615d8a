"""Verdicts follow the interval, never a single seed; the result MIME and the receipt carry the same numbers."""

import json
import math
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from xarray import DataArray

from sslens.claims import RESULT, WIDTH, Claim, Verdict, conclude, receipt
from sslens.statistics import Interval, difference
from sslens.store import load_arrays
from sslens.types import InputError

BELOW = Claim("Rank falls under collapse.", "Paper 2023, section 4", "rank ratio", below=0.5)


def seeds(*values, **attributes):
    return DataArray(np.array(values), {"seed": list(range(len(values)))}, ["seed"], attrs=attributes)


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
    assert BELOW.judge(values, setting="digits").holds is holds
    assert BELOW.judge(seeds(*values)).holds is holds


def test_a_band_needs_both_bounds():
    band = Claim("Exponent is near one.", "Paper 2022", "exponent", above=0.8, below=1.2)
    assert band.bound == "> 0.8 and < 1.2"
    assert band.judge([0.99, 1.0, 1.01]).holds is True
    assert band.judge([1.3, 1.31, 1.32]).holds is False
    assert band.judge([1.15, 1.2, 1.25]).holds is None


@given(some.lists(some.floats(-10, 10), min_size=1, max_size=6), some.floats(-10, 10))
def test_a_claim_and_its_opposite_never_both_hold(values, bound):
    above, below = (
        Claim("It is so.", "Nobody", "number", **{side: bound}).judge(values) for side in ("above", "below")
    )
    assert (above.holds, below.holds) in {(True, False), (False, True), (None, None), (False, False)}
    if len(values) == 1:
        assert above.holds is None


@pytest.mark.parametrize("bounds", [{}, {"above": 1.0, "below": 1.0}, {"above": 2.0, "below": 1.0}])
def test_a_claim_without_a_bound_is_refused(bounds):
    with pytest.raises(InputError, match="at least one bound"):
        Claim("Something.", "Somewhere", "number", **bounds)


def test_a_claim_of_no_kind_is_refused():
    with pytest.raises(InputError, match="Did you mean 'theorem'"):
        Claim("Something.", "Somewhere", "number", below=1.0, kind="theorm")


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0]])
def test_numbers_that_are_none_are_refused(values):
    with pytest.raises(InputError, match="values must be"):
        BELOW.judge(values, setting="digits")


@pytest.mark.parametrize(
    "array",
    [DataArray(0.1), DataArray([[0.1]], dims=["run", "seed"]), seeds(), seeds(0.1, 0.2).rename(seed="step"),
     DataArray([0.1, 0.2], {"run": ["a", "b"]})],
)  # fmt: skip
def test_an_array_that_is_not_one_number_for_each_repetition_is_refused(array):
    with pytest.raises(InputError, match="values must be"):
        BELOW.judge(array)


@pytest.mark.parametrize("repetition", ["seeds", "draws", "margins"])
def test_the_dimension_is_the_one_that_the_claim_repeats(repetition):
    claim, dims = replace(BELOW, repetition=repetition), ["seed", "draw", "margin", "step"]
    for dim in dims:
        array = DataArray([0.1, 0.1, 0.1], {dim: [1, 2, 3]})
        if f"{dim}s" == repetition:
            assert f"over 3 {repetition}" in claim.judge(array).line()
            continue
        with pytest.raises(InputError, match=rf"numbers along {repetition[:-1]} alone\. Got \('{dim}',\)"):
            claim.judge(array)


def test_a_repetition_that_is_there_twice_is_refused():
    array = DataArray([0.1, 0.1, 0.1], {"seed": [0, 1, 0]})
    with pytest.raises(InputError, match=r"labels of seed must be all different.*Got \[0, 1, 0\]"):
        BELOW.judge(array)
    assert BELOW.judge(DataArray([0.1, 0.1, 0.1], dims="seed")).holds


def test_what_is_judged_is_there_and_is_one_array_unless_the_claim_says_what_to_make_of_several():
    with pytest.raises(InputError, match="arrays must be at least one"):
        BELOW.judge()
    with pytest.raises(InputError, match="arrays must be at least one"):
        replace(BELOW, measured=difference).judge()
    with pytest.raises(InputError, match=r"without Claim\.measured one alone\. Got '2 of them'"):
        BELOW.judge([0.1, 0.1], [0.2, 0.2])


# From labelled numbers


def test_what_is_measured_follows_from_the_arrays_pair_by_pair():
    claim = replace(BELOW, measured=lambda first, second: difference(first, second))
    verdict = claim.judge(seeds(1.0, 2.0, 3.0), seeds(0.9, 1.9, 2.9))
    assert verdict.holds and verdict.interval.mean == pytest.approx(0.1) and verdict.interval.n == 3
    with pytest.raises(InputError, match="seed must be the same in both"):
        claim.judge(seeds(1.0, 2.0, 3.0), seeds(0.9, 1.9))
    assert replace(BELOW, measured=lambda array: array.values.tolist()).judge(seeds(0.1, 0.1)).holds


def test_what_is_repeated_need_not_be_seeds():
    array = DataArray([0.1, 0.2, 0.15], {"margin": [1.0, 2.0, 3.0]})
    assert replace(BELOW, repetition="margins").judge(array).line().count("over 3 margins") == 1


def test_a_run_that_diverged_leaves_the_claim_undecided_and_is_counted_and_said():
    verdict = BELOW.judge(seeds(0.1, math.nan, 0.1))
    assert verdict.holds is None and verdict.interval.n == 3
    assert "not to be had: of 3 seeds at least one diverged" in verdict.line()
    assert verdict.line().startswith("? undecided")
    assert verdict.record()["mean"] is None and verdict.record()["n"] == 3


@pytest.mark.parametrize("values", [[0.1, math.inf], [-math.inf, 0.1], [math.inf, -math.inf], [math.inf]])
def test_an_infinite_number_leaves_the_claim_undecided_and_is_not_called_a_divergence(values):
    verdict = BELOW.judge(seeds(*values))
    assert verdict.holds is None and verdict.record()["mean"] is verdict.record()["low"] is None
    assert f"not to be had: not a finite number in at least one of {len(values)} seeds;" in verdict.line()
    json.dumps(conclude(verdict)._repr_mimebundle_(), allow_nan=False)
    assert "at least one diverged" in BELOW.judge(seeds(*values, math.nan)).line()


def test_the_setting_is_that_of_the_array_unless_it_is_given():
    array = seeds(0.1, 0.1, setting="digits, 6 steps")
    assert BELOW.judge(array).setting == "digits, 6 steps"
    assert BELOW.judge(array, setting="elsewhere").setting == "elsewhere"
    bare = replace(BELOW, measured=lambda first, second: difference(first, second))
    assert bare.judge(array, seeds(0.0, 0.0)).setting == "digits, 6 steps"
    assert BELOW.judge([0.1]).setting == "" and not BELOW.judge([0.1]).line().endswith("; )")


def test_a_claim_is_data_that_other_processes_can_read():
    copy = pickle.loads(pickle.dumps(BELOW))  # noqa: S301 - our own bytes
    assert copy == BELOW and hash(BELOW) == hash(replace(BELOW))
    assert len({BELOW: 1}) == 1


# Shown, recorded, handed on


def test_two_verdicts_about_one_quantity_are_refused():
    verdict = BELOW.judge([0.1, 0.2])
    with pytest.raises(InputError, match="quantity of its own"):
        conclude(verdict, verdict)
    with pytest.raises(InputError, match="at least one verdict"):
        conclude()


def test_a_verdict_says_in_one_line_what_came_of_it():
    line = BELOW.judge([0.10, 0.11, 0.12], setting="digits").line()
    assert line.startswith("✓ holds: Rank falls under collapse. (rank ratio 0.11, [0.0852, 0.135] over 3 seeds")
    assert line.endswith("; claimed < 0.5; digits)")
    assert "a single one of the seeds, no interval" in BELOW.judge([0.1]).line()
    assert BELOW.judge([0.8, 0.81]).line().startswith("✗ does not hold")


def test_a_paragraph_says_the_same_in_lines_that_fit_a_cell_and_break_alike_whatever_the_digits():
    long = replace(BELOW, sentence="Rank falls under collapse, " * 6 + "and more.")
    wide, narrow = (long.judge(values, setting="digits") for values in ([0.1, 0.1, 0.1], [0.1013, 0.1122, 0.1231]))
    first, second = (verdict.paragraph().splitlines() for verdict in (wide, narrow))
    assert [line.split("0.")[0] for line in first] == [line.split("0.")[0] for line in second]
    assert max(map(len, first + second)) <= WIDTH and first[-1] == "  claimed < 0.5; digits"
    for verdict, lines in ((wide, first), (narrow, second)):
        words = " ".join(line.strip() for line in lines[:-2])
        assert f"{words} ({lines[-2].strip()}; {lines[-1].strip()})" == verdict.line()


def test_a_record_is_plain_json_and_says_all_of_it():
    claim = replace(BELOW, kind="ours", repetition="draws")
    record = claim.judge([0.10, 0.11, 0.12], setting="digits").record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["kind"] == "ours" and record["repetition"] == "draws" and record["bound"] == "< 0.5"
    assert record["setting"] == "digits" and record["holds"] is True and record["n"] == 3


def test_result_mime_carries_numbers_words_and_tolerance():
    bundle = conclude(BELOW.judge([0.10, 0.11, 0.12], setting="digits"))._repr_mimebundle_()
    values = bundle[RESULT]["values"]
    assert values["rank ratio"] == pytest.approx(0.11)
    assert values["rank ratio.holds"] is True and values["rank ratio.n"] == 3
    assert set(bundle[RESULT]["tolerance"]) == {"relative", "absolute"}
    assert bundle["text/plain"].startswith("✓ holds: Rank falls under collapse.")
    json.dumps(bundle, allow_nan=False)


@pytest.mark.parametrize("values", [[0.1], [0.1, math.nan]])
def test_a_single_seed_and_one_that_diverged_stay_legal_json(values):
    bundle = conclude(BELOW.judge(seeds(*values)))._repr_mimebundle_()
    json.dumps(bundle, allow_nan=False)
    found = bundle[RESULT]["values"]
    assert found["rank ratio.low"] is None and found["rank ratio.holds"] is None


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """What a runner leaves for the last cell, and what the last cell left for it."""

    def prepare(**more):
        content = {"nonce": "abc", "parameters": ["seed", "missing"], "receipt": str(tmp_path / "receipt.json")} | more
        (tmp_path / "attempt.json").write_text(json.dumps(content))
        monkeypatch.setenv("SSLENS_ATTEMPT", str(tmp_path / "attempt.json"))
        return lambda: json.loads((tmp_path / "receipt.json").read_text())

    return prepare


def test_receipt_echoes_nonce_parameters_and_verdicts(attempt):
    left = attempt()
    conclusion = conclude(BELOW.judge([0.1, 0.2], setting="digits"))
    receipt({"seed": 3, "verdicts": conclusion, "_": conclusion, "_12": conclusion})
    found = left()
    assert found["nonce"] == "abc" and found["parameters"] == {"seed": 3, "missing": None}
    assert [verdict["quantity"] for verdict in found["verdicts"]] == ["rank ratio"]


def test_receipt_has_the_verdicts_once_whatever_names_they_have(attempt):
    left = attempt()
    conclusion, equal = (conclude(BELOW.judge([0.1, 0.2])) for _ in range(2))
    receipt({"verdicts": conclusion, "mine": conclusion})
    assert len(left()["verdicts"]) == 1
    receipt({"verdicts": conclusion, "mine": conclusion, "other": equal})
    assert len(left()["verdicts"]) == 2


def test_receipt_keeps_what_can_be_written_beside_an_array_that_cannot(attempt, tmp_path):
    left = attempt(results=str(tmp_path / "results.json"))
    days = DataArray(np.array(["2024-01-01"], "datetime64[ns]"), dims="seed")
    with pytest.warns(UserWarning, match=r"results\.json leaves out what cannot be written: days \("):
        receipt({"verdicts": conclude(BELOW.judge([0.1, 0.2])), "days": days, "rank": seeds(0.1)})
    assert list(load_arrays(tmp_path / "results.json")) == ["rank"] and len(left()["verdicts"]) == 1


def test_receipt_leaves_the_labelled_numbers_where_the_runner_wants_them(attempt, tmp_path):
    left = attempt(results=str(tmp_path / "results.json"))
    receipt({"seed": 3, "rank": seeds(0.1, math.nan), "_rank": seeds(9.0), "rows": [1, 2], "name": "rank"})
    found = load_arrays(tmp_path / "results.json")
    assert list(found) == ["rank"] and found["rank"].identical(seeds(0.1, math.nan))
    assert left()["verdicts"] == []


def test_receipt_says_which_cell_wrote_it_and_speaks_of_how_that_cell_ended(attempt):
    read = attempt()
    heard = []
    events = SimpleNamespace(register=lambda name, call: heard.append((name, call)), unregister=lambda *_: heard.pop())
    history = SimpleNamespace(input_hist_parsed=["", "seed = 3", "receipt(globals())"])
    namespace = {"get_ipython": lambda: SimpleNamespace(events=events, history_manager=history), "seed": 3}
    receipt(namespace)
    assert (read()["execution_count"], read()["parameters"]["seed"]) == (2, 3)
    namespace["seed"] = 4
    ((name, ended),) = heard
    ended(None)
    assert name == "post_run_cell" and heard == [] and read()["parameters"]["seed"] == 4


def test_receipt_is_silent_without_a_runner(monkeypatch):
    monkeypatch.delenv("SSLENS_ATTEMPT", raising=False)
    assert receipt({}) is None


def test_a_verdict_by_hand_is_judged_by_its_interval_alone():
    assert Verdict(BELOW, Interval(0.4, 0.3, 0.5, 3), "").holds is None  # 0.5 itself is not below 0.5
    assert Verdict(BELOW, Interval(0.6, 0.5, 0.7, 3), "").holds is False
