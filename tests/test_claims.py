"""Verdicts follow the interval, never a single seed; the result MIME and the receipt carry the same numbers."""

import json
import math
import pickle
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from xarray import DataArray

from sslens import claims
from sslens.claims import RESULT, WIDTH, Claim, Verdict, conclude, digest, receipt
from sslens.statistics import Interval, RankTest, difference, interval
from sslens.store import load_arrays
from sslens.types import InputError
from tests.statistics.simulated import share_within_error

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
        ([0.10, 0.10, 0.10], None),
        ([0.5, 0.5, 0.5], None),
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
        with pytest.raises(
            InputError, match=rf"numbers along {repetition[:-1]} alone, or with sample\. Got \('{dim}',\)"
        ):
            claim.judge(array)


def test_a_repetition_that_is_there_twice_is_refused():
    array = DataArray([0.1, 0.1, 0.1], {"seed": [0, 1, 0]})
    with pytest.raises(InputError, match=r"labels of seed must be all different.*Got \[0, 1, 0\]"):
        BELOW.judge(array)
    assert BELOW.judge(DataArray([0.1, 0.1, 0.2], dims="seed")).holds


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
    verdict = claim.judge(seeds(1.0, 2.0, 3.0), seeds(0.9, 1.9, 2.8))
    assert verdict.holds and verdict.interval.mean == pytest.approx(0.4 / 3) and verdict.interval.n == 3
    with pytest.raises(InputError, match="seed must be the same in both"):
        claim.judge(seeds(1.0, 2.0, 3.0), seeds(0.9, 1.9))
    assert replace(BELOW, measured=lambda array: array.values.tolist()).judge(seeds(0.1, 0.11)).holds


def test_what_is_repeated_need_not_be_seeds():
    array = DataArray([0.1, 0.2, 0.15], {"margin": [1.0, 2.0, 3.0]})
    assert replace(BELOW, repetition="margins").judge(array).line().count("over 3 margins") == 1


def test_a_run_that_diverged_leaves_the_claim_untested_and_is_counted_and_said():
    verdict = BELOW.judge(seeds(0.1, math.nan, 0.1))
    assert verdict.holds is None and verdict.interval.n == 3
    assert verdict.line().endswith("(of 3 seeds at least one diverged; claimed < 0.5)")
    assert verdict.line().startswith("– not tested here: ") and verdict.record()["untested"] == verdict.untested
    assert verdict.record()["mean"] is None and verdict.record()["n"] == 3


@pytest.mark.parametrize("values", [[0.1, math.inf], [-math.inf, 0.1], [math.inf, -math.inf], [math.inf]])
def test_an_infinite_number_leaves_the_claim_untested_and_is_not_called_a_divergence(values):
    verdict = BELOW.judge(seeds(*values))
    assert verdict.holds is None and verdict.record()["mean"] is verdict.record()["low"] is None
    assert verdict.untested == f"of {len(values)} seeds at least one gave no finite number"
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


def test_a_value_beyond_the_scale_of_the_quantity_is_refused():
    share = replace(BELOW, scale="share")
    with pytest.raises(InputError, match=r"values must be in \[0, 1\]\. Got 1\.2"):
        share.judge(seeds(0.5, 1.2))
    with pytest.raises(InputError, match="Did you mean 'share'"):
        replace(BELOW, scale="shares")
    assert share.judge(seeds(0.01, 0.0, 0.02)).interval.low >= 0 > BELOW.judge(seeds(0.01, 0.0, 0.02)).interval.low


def test_numbers_that_are_all_alike_decide_nothing_and_that_is_said():
    for values in ((0.1, 0.1), (0.3 - 0.2, 0.1, 0.4 - 0.3)):
        verdict = replace(BELOW, scale="share").judge(seeds(*values))
        assert verdict.holds is None and f"all {len(values)} seeds alike: no spread to judge by" in verdict.line()


def test_what_is_exact_is_held_to_the_bound_number_by_number():
    exact = replace(BELOW, exact=True, repetition="margins")
    judged = {
        values: exact.judge(DataArray(list(values), dims="margin"))
        for values in ((0.1, 0.1), (0.1, 0.6), (0.7, 0.6), (0.1,))
    }
    assert [verdict.holds for verdict in judged.values()] == [True, None, False, True]
    assert "rank ratio 0.35, [0.1, 0.6] over 2 margins, each of them exact" in judged[0.1, 0.6].line()
    assert "could have shown" not in judged[0.1, 0.6].line() and "rank ratio 0.1, exact;" in judged[(0.1,)].line()
    assert judged[0.1, 0.1].record()["exact"] is True


def test_an_open_verdict_says_what_would_have_been_seen():
    verdict = BELOW.judge([0.2, 0.6, 0.7])
    assert "; 3 seeds could have shown a difference of 0.864; claimed < 0.5)" in verdict.line()
    assert verdict.record()["detectable"] == verdict.detectable == pytest.approx(0.864, abs=5e-4)
    values = conclude(verdict)._repr_mimebundle_()[RESULT]["values"]
    assert values["rank ratio.detectable"] == verdict.detectable
    share = replace(BELOW, scale="share")
    assert "; 2 seeds could have shown no difference that is possible;" in share.judge([0.3, 0.6]).line()
    assert "; 3 seeds could have shown a difference of 0.49;" in share.judge([0.3, 0.45, 0.6]).line()
    assert "could have" not in BELOW.judge([0.1, 0.11]).line() + BELOW.judge([0.1]).line()
    assert "rank ratio.detectable" not in conclude(BELOW.judge([0.1, 0.11]))._repr_mimebundle_()[RESULT]["values"]


# Seeds and test samples

GAIN = Claim("It learns.", "Paper", "gain", above=0, scale="difference", measured=difference)


def correct(probability, samples=200, seed=0):
    draw = np.random.default_rng(seed)
    values = (draw.random((5, samples)) < probability).astype(float)
    coords = {"seed": range(5), "sample": range(samples), "origin": ("sample", np.arange(samples) // 2)}
    return DataArray(values, coords, ("seed", "sample"), attrs={"setting": "digits"})


def test_seeds_and_test_samples_are_both_drawn():
    verdict = GAIN.judge(correct(0.8), correct(0.3, seed=1))
    assert verdict.holds and verdict.interval.n == 5 and verdict.record()["originals"] == 100
    assert "over 5 seeds and 100 independent test samples; claimed > 0; digits)" in verdict.line()
    assert verdict.interval == interval(difference(correct(0.8), correct(0.3, seed=1)), scale="difference")


def test_two_networks_that_are_right_alike_leave_what_the_samples_leave():
    verdict = replace(GAIN, above=-0.01).judge(correct(0.8), correct(0.8))
    assert verdict.holds is None and verdict.interval.low == pytest.approx(0.025 ** (1 / 100) - 1)
    assert replace(GAIN, above=-0.05).judge(correct(0.8), correct(0.8)).holds is True


# Premises

CHANCE = Claim("It knows more than chance.", "Ours", "accuracy", above=0.1, scale="share")
FALLS = replace(BELOW, premise=CHANCE)


@pytest.mark.parametrize(
    ("accuracies", "word"),
    [([0.08, 0.1, 0.14], "undecided"), ([0.01, 0.02, 0.01], "does not hold"), ([0.9], "undecided")],
)
def test_without_its_premise_a_claim_is_not_tested_whatever_its_numbers(accuracies, word):
    verdict = FALLS.judge([0.10, 0.11, 0.12], premise=CHANCE.judge(accuracies))
    assert verdict.holds is None and verdict.outcome == "not tested here"
    assert verdict.line().startswith(
        "– not tested here: Rank falls under collapse. "
        f"(its premise {word}: It knows more than chance.; rank ratio 0.11, ["
    )
    assert verdict.paragraph().splitlines()[1] == f"  its premise {word}: It knows more than chance."
    assert verdict.record()["untested"] == verdict.untested and verdict.record()["mean"] == pytest.approx(0.11)


def test_with_its_premise_it_is():
    assert FALLS.judge([0.10, 0.11, 0.12], premise=CHANCE.judge([0.8, 0.9, 0.85])).holds is True
    contested = replace(FALLS, under_review=True).judge([0.1, 0.2], premise=CHANCE.judge([0.01, 0.02]))
    assert contested.line().startswith("~ under review (now not tested here): ")


def test_a_premise_is_the_claims_own():
    with pytest.raises(InputError, match="premise must be a verdict on 'It knows more than"):
        FALLS.judge([0.1, 0.2])
    with pytest.raises(InputError, match="Got 'Rank falls under"):
        FALLS.judge([0.1, 0.2], premise=BELOW.judge([0.1, 0.2]))
    with pytest.raises(InputError, match="premise must be none, as"):
        BELOW.judge([0.1, 0.2], premise=CHANCE.judge([0.8, 0.9]))


# Orders

HIGHER = Claim("The higher, the better.", "Paper", "Spearman", above=0, scale="rank correlation")


def ordered(*correlations, settings=7, high=0.001, low=0.999, least=0.5):
    return seeds(*correlations).assign_coords(RankTest(settings, high, low, least).coords)


def test_an_order_is_found_by_its_test_and_its_interval():
    assert HIGHER.judge(ordered(0.9, 0.8, 0.9)).holds is True
    assert HIGHER.judge(ordered(0.9, 0.9, 0.9)).holds is True  # seeds may agree: the test knows what that is worth
    assert HIGHER.judge(ordered(0.9, 0.8, 0.9, high=0.026)).holds is None
    assert HIGHER.judge(ordered(0.9, -0.8, 0.9)).holds is None
    assert HIGHER.judge(ordered(-0.9, -0.8, -0.9, high=0.999, low=0.001)).holds is False
    assert HIGHER.judge(ordered(-0.9, -0.8, -0.9, high=0.999, low=0.1)).holds is None
    falling = replace(HIGHER, above=-math.inf, below=0)
    assert falling.judge(ordered(-0.9, -0.8, -0.9, high=0.999, low=0.001)).holds is True
    assert falling.judge(ordered(0.9, 0.8, 0.9)).holds is False
    assert HIGHER.judge(ordered(1.0)).holds is None


def test_the_line_of_an_order_says_its_p_and_what_would_have_been_seen():
    verdict = HIGHER.judge(ordered(0.3, 0.31, 0.32, high=0.2, low=0.8, least=0.62))
    assert "over 3 seeds, p 0.2; 3 seeds could have shown a difference of 0.62;" in verdict.line()
    assert ", p 0.0012; claimed > 0)" in HIGHER.judge(ordered(0.3, 0.31, 0.32, high=0.0012)).line()
    assert ", p 0.0034; claimed > 0)" in HIGHER.judge(ordered(-0.3, -0.31, -0.32, high=0.99, low=0.0034)).line()


def test_an_order_of_too_few_settings_is_not_tested():
    verdict = HIGHER.judge(ordered(1.0, 1.0, 1.0, settings=4))
    assert verdict.holds is None and verdict.untested == "too few settings: 4, an order needs at least 5"


def test_an_order_is_held_against_no_order_alone():
    for bounds in ({"above": 0.1}, {"above": -1, "below": 0}, {"above": 0, "below": 0.5}):
        with pytest.raises(InputError, match="one bound of 0"):
            replace(HIGHER, **({"above": -math.inf, "below": math.inf} | bounds))


def test_rank_correlations_that_lost_their_test_are_refused():
    with pytest.raises(InputError, match="rank correlations beside their test"):
        HIGHER.judge(seeds(0.5, 0.6))
    assert replace(HIGHER, scale="correlation").judge(seeds(0.5, 0.6)).ranks is None


# Error rates


@pytest.mark.parametrize("seeds_", [3, 5])
@pytest.mark.parametrize("scale", ["plain", "share", "ratio"])
def test_where_the_truth_is_the_bound_itself_one_verdict_in_twenty_is_decided(scale, seeds_):
    draw = np.random.default_rng(seeds_)
    rows = {"plain": draw.normal(0.5, 0.1, (600, seeds_)), "share": draw.beta(10, 10, (600, seeds_)),
            "ratio": draw.gamma(20, 0.025, (600, seeds_))}[scale]  # fmt: skip
    claim = replace(BELOW, scale=scale)
    decided = sum(claim.judge(row.tolist()).holds is not None for row in rows)
    assert share_within_error(decided, 600, at_most=0.05)


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
    wide, narrow = (long.judge(values, setting="digits") for values in ([0.1, 0.2, 0.3], [0.1013, 0.1122, 0.1231]))
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
    assert found["claims"] == digest([])


def test_receipt_has_the_verdicts_once_whatever_names_they_have(attempt):
    left = attempt()
    conclusion, equal = (conclude(BELOW.judge([0.1, 0.2])) for _ in range(2))
    receipt({"verdicts": conclusion, "mine": conclusion})
    assert len(left()["verdicts"]) == 1
    receipt({"verdicts": conclusion, "mine": conclusion, "other": equal})
    assert len(left()["verdicts"]) == 2


def test_receipt_has_the_digest_of_the_claims_that_the_study_makes(attempt):
    left, study = attempt(), ModuleType("study")
    study.CLAIMS = (BELOW, CHANCE)
    receipt({"study": study, "again": study, "claims": claims, "seed": 3})
    assert left()["claims"] == digest(study.CLAIMS)


def shorter(array):
    return array.isel(seed=slice(2))


def _measuring(count):
    return lambda array: shorter(array) + count


MEASURED = replace(BELOW, measured=_measuring(1))
MOVED = {
    "a bound": replace(MEASURED, below=0.51),
    "the other bound": replace(MEASURED, above=-1.0),
    "a word": replace(MEASURED, sentence="Rank falls."),
    "the source": replace(MEASURED, source="Paper 2024"),
    "the quantity": replace(MEASURED, quantity="rank"),
    "the kind": replace(MEASURED, kind="ours"),
    "the premise": replace(MEASURED, premise=CHANCE),
    "the scale": replace(MEASURED, scale="ratio"),
    "the repetition": replace(MEASURED, repetition="draws"),
    "exactness": replace(MEASURED, exact=True),
    "the code": replace(MEASURED, measured=shorter),
    "no code": BELOW,
    "a value in the code": replace(MEASURED, measured=_measuring(2)),
}


@pytest.mark.parametrize("name", MOVED)
def test_what_makes_a_claim_another_moves_its_digest(name):
    assert digest([MOVED[name]]) != digest([MEASURED]) == digest([replace(BELOW, measured=_measuring(1))])


def test_number_order_and_premises_of_premises_count():
    deep = [replace(MEASURED, premise=replace(CHANCE, premise=replace(BELOW, below=bound))) for bound in (0.1, 0.2)]
    assert digest([deep[0]]) != digest([deep[1]])
    assert len({digest(each) for each in ([BELOW, CHANCE], [CHANCE, BELOW], [BELOW], [])}) == 4


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
