"""Label budgets and what is read from them: against slow loops and numbers known from elsewhere; their picture."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.measures import probe, spectrum
from sslens.measures.spectrum import reshaped
from sslens.runtime import stream
from sslens.studies import how_white_spectra
from sslens.studies.how_white_spectra import (
    BUDGETS,
    LABELS,
    accuracy_as_trained,
    accuracy_reshaped,
    best_beta,
    eigenvalues_as_trained,
    eigenvalues_reshaped,
    exponents,
    gain_of_best,
    label_budgets,
)
from sslens.train import Config, Runs
from sslens.types import InputError, UnknownName


def normal(rows, columns, seed=0):
    scale = torch.arange(1, columns + 1).double() ** -0.7
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).double() * scale + 3


def labelled(rows=40, columns=6, seed=0):
    labels = torch.arange(rows) % 4
    return normal(rows, columns, seed) + torch.nn.functional.one_hot(labels, columns), labels


def draws(seed=0):
    return stream(seed, "labels 0"), stream(seed, "labels 1")


def test_label_budgets_are_those_of_a_slow_loop():
    known, test = labelled(), labelled(rows=21, seed=1)
    table = label_budgets(known, test, betas=[0.0, 2.0], per_class=[1, 3, 0], generators=draws())
    assert table.shape == (2, 3, 3)
    for half in (0, 1):
        queries, truth = test[0][half::2], test[1][half::2]
        for row, beta in enumerate([None, 0.0, 2.0]):
            h, others = (known[0], queries) if beta is None else reshaped(known[0], queries, beta=beta)
            for column, count in enumerate([1, 3]):
                generator = stream(0, f"labels {half}")
                options = {"per_class": count, "draws": how_white_spectra.DRAWS, "generator": generator}
                right = probe.few_shot((h, known[1]), (others, truth), **options).mean
                assert table[half, row, column].item() == pytest.approx(right)
            assert table[half, row, 2].item() == probe.ridge_accuracy((h, known[1]), (others, truth))


def test_another_classifier_and_other_draws_give_another_table():
    sides, options = (labelled(), labelled(rows=80, seed=1)), {"betas": [1.0], "per_class": [1]}
    generators = draws()
    first = label_budgets(*sides, generators=generators, **options)
    assert torch.equal(first, label_budgets(*sides, generators=generators, **options))
    assert not torch.equal(first, label_budgets(*sides, generators=draws(1), **options))
    assert not torch.equal(first, label_budgets(*sides, classifier="nearest mean", generators=draws(), **options))


def test_whitening_helps_the_nearest_mean_where_the_class_lies_in_a_small_direction():
    generator, labels = torch.Generator().manual_seed(0), torch.arange(200) % 2
    large, small = torch.randn(200, generator=generator) * 10, torch.randn(200, generator=generator) * 0.1 + labels
    h = torch.stack([large, small], 1).double()
    side = h, labels
    options = {"per_class": [0], "classifier": "nearest mean", "generators": draws()}
    table = label_budgets(side, side, betas=[0.0, 14.0], **options).mean(0)[:, 0]
    assert table[1] > 0.95 > 0.8 > table[0]
    assert table[2] < 0.8


def tables(values, betas):
    """Of a seed or of several: half x beta x labels per class, and the first row for the spectrum as trained."""
    dims = ("seed", "half", "beta", LABELS)[4 - values.ndim :]
    array = DataArray(values, dims=dims)
    return array.isel(beta=slice(1, None)).assign_coords(beta=betas), array.isel(beta=0)


def test_the_gain_is_judged_where_it_was_not_chosen():
    noise = np.random.default_rng(0).random((2, 50, 1)) * 0.1
    optimistic = (noise[:, 1:].max(1) - noise[:, 0]).mean()
    honest = float(gain_of_best(*tables(noise, list(range(49))))[0])
    by_hand = [noise[1 - h, 1 + noise[h, 1:, 0].argmax(), 0] - noise[1 - h, 0, 0] for h in (0, 1)]
    assert honest == pytest.approx(sum(by_hand) / 2)
    assert honest < optimistic


def test_the_same_gain_on_both_halves_is_found():
    table = np.broadcast_to([[0.5, 0.2], [0.4, 0.3], [0.6, 0.1]], (2, 3, 2))
    others, trained = tables(table, [0.0, 2.0])
    assert gain_of_best(others, trained).values.tolist() == pytest.approx([0.1, 0.1])
    assert best_beta(others).values.tolist() == [2.0, 0.0]


def test_of_equal_spectra_the_smallest_exponent_is_the_best():
    others, _ = tables(np.full((2, 4, 1), 0.5), [0.0, 1.0, 2.0])
    assert best_beta(others).values.tolist() == [0.0]


def test_tables_of_many_seeds_are_judged_each_for_itself():
    values = np.random.default_rng(0).random((3, 2, 4, 5))
    others, trained = tables(values, [0.0, 1.0, 2.0])
    gains_, best = gain_of_best(others, trained), best_beta(others)
    assert gains_.shape == best.shape == (3, 5)
    for seed in range(3):
        assert np.array_equal(gains_[seed], gain_of_best(others[seed], trained[seed]))
        assert np.array_equal(best[seed], best_beta(others[seed]))


def test_a_seed_that_diverged_has_no_gain_and_no_best_exponent():
    values = np.random.default_rng(0).random((2, 2, 4, 1))
    values[1] = np.nan
    others, trained = tables(values, [0.0, 1.0, 2.0])
    for found in (gain_of_best(others, trained), best_beta(others)):
        assert np.isfinite(found.values).tolist() == [[True], [False]]


def test_tables_of_other_seeds_or_without_halves_are_refused():
    others, trained = tables(np.ones((2, 2, 3, 1)), [0.0, 1.0])
    with pytest.raises(InputError, match="seed"):
        gain_of_best(others.assign_coords(seed=[0, 1]), trained.assign_coords(seed=[1, 2]))
    with pytest.raises(InputError, match="two halves"):
        gain_of_best(others.isel(half=0), trained.isel(half=0))


@pytest.fixture(scope="module")
def run():
    config = Config.at("smoke", optimisation={"steps": 3}, snapshots={"count": 2})
    return Runs.of({"vicreg": config}, seeds=2)


def test_tables_of_a_run_are_those_of_its_last_representation(run):
    trained, others = accuracy_as_trained(run), accuracy_reshaped(run, [0.0, 2.0])
    assert trained.dims == ("seed", "half", LABELS) and others.dims == ("seed", "half", "beta", LABELS)
    assert trained[LABELS].values.tolist() == ["1", "2", "5", "10", "20", "all"]
    for seed, trace in enumerate(run["vicreg"]):
        h, labels = trace.snapshots[-1].representation, trace.reference.labels
        sides = [(h[side], labels[side]) for side in (~trace.held_out, trace.held_out)]
        budgets = list(BUDGETS.values())
        table = label_budgets(*sides, betas=[0.0, 2.0], per_class=budgets, generators=draws()).numpy()
        assert np.array_equal(trained[seed].values, table[:, 0])
        assert np.array_equal(others[seed].values, table[:, 1:])


def test_tables_are_of_one_run_and_say_where_it_was_measured(run):
    assert accuracy_as_trained(run).attrs["setting"] == "scattered_digits, 3 steps"
    with pytest.raises(InputError, match="one run"):
        accuracy_as_trained(Runs({"a": run["vicreg"], "b": run["vicreg"]}, run.seeds))


def test_a_new_spectrum_is_a_straight_line_of_the_same_sum(run):
    found = eigenvalues_reshaped(run, 1.5)[0]
    trace = run["vicreg"][0]
    own = spectrum.eigenvalues(trace.snapshots[-1].representation[~trace.held_out])
    assert eigenvalues_as_trained(run)[0].values.tolist() == own.tolist()
    assert float(found.sum()) == pytest.approx(float(own.sum()))
    ranks = found["rank"].values[found > 1e-12 * found[0]]
    assert found[: len(ranks)].values == pytest.approx(float(found[0]) * ranks**-1.5)


def test_exponents_are_fitted_to_the_mean_over_seeds():
    ranks = np.arange(1.0, 65.0)
    decay = np.stack([ranks**-1, 3 * ranks**-1])
    found = exponents(DataArray(decay[None], dims=("run", "seed", "rank")))
    assert list(found.values()) == pytest.approx([1.0, 1.0])


def test_bad_input_is_named(unchecked):
    sides, generators = (labelled(), labelled(rows=20, seed=1)), draws()
    with pytest.raises(UnknownName, match="Did you mean 'ridge'"):
        label_budgets(*sides, betas=[1.0], per_class=[1], classifier="rigde", generators=generators)
    with pytest.raises(InputError, match="at least one number of labels"):
        label_budgets(*sides, betas=[1.0], per_class=[], generators=generators)
    with pytest.raises(InputError, match="per_class"):
        label_budgets(*sides, betas=[1.0], per_class=[11], generators=generators)
    with pytest.raises(InputError, match=r"beta must be a float in \[0, 100\]"):
        label_budgets(*sides, betas=[-1.0], per_class=[1], generators=generators)


BETA = "beta"
PLACES = {LABELS: ["5", "all"], BETA: [0.0, 0.5, 1.0]}
TABLE = DataArray([[0.2, 0.5, 0.4], [0.5, 0.5, 0.9]], PLACES, (LABELS, BETA), "accuracy")
TRAINED = DataArray([0.4, 0.5], {LABELS: ["5", "all"]}, [LABELS], "accuracy")


def gains(table=TABLE, trained=TRAINED, exponents=(("ranks 4-64", 0.8), ("far", 7.0))):
    return how_white_spectra.gains(table, trained, exponents=dict(exponents), title="Ridge")


def test_cells_are_points_over_the_trained_spectrum_and_rows_are_budgets():
    figure = gains()
    np.testing.assert_allclose(figure.data[0].z, [[-20, 10, 0], [0, 0, 40]], atol=1e-4)
    assert figure.layout.yaxis.ticktext == ("5 (0.400)", "all (0.500)")
    assert gains(table=TABLE.transpose(BETA, LABELS)).data[0].z.tolist() == figure.data[0].z.tolist()


def test_colours_are_symmetric_and_signs_are_written():
    cells = gains().data[0]
    assert (cells.zmin, cells.zmax) == pytest.approx((-40, 40), abs=1e-4)
    assert "+" in cells.texttemplate


def framed(figure):
    corners = np.stack([figure.data[1].x, figure.data[1].y], 1).reshape(-1, 6, 2)[:, :4]
    return np.round(corners.mean(1), 6).tolist()


def test_frames_mark_the_best_of_each_row_all_of_them_among_equals():
    assert framed(gains()) == [[0.5, 0], [1.0, 1]]
    assert len(framed(gains(table=TABLE * 0))) == 6


def test_exponents_are_marked_where_the_axis_reaches_them():
    assert [(note.x, note.text) for note in gains().layout.annotations] == [(0.8, "ranks 4-64 ▼")]
    both = gains(exponents=[("late", 0.9), ("<early>", 0.1)]).layout.annotations
    assert [(note.x, note.text, note.xanchor) for note in both] == [
        (0.1, "&lt;early&gt; ▼", "right"),
        (0.9, "▼ late", "left"),
    ]
    assert gains().layout.margin.t > gains(exponents=[]).layout.margin.t


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"trained": TRAINED[:1]}, "those of the table"),
        ({"trained": TRAINED.rename({LABELS: "class"})}, "beta"),
        ({"table": TABLE[:, 0]}, "beta"),
        ({"table": TABLE.assign_coords(beta=[0.0, 0.5, 0.7])}, "even steps"),
        ({"table": TABLE.assign_coords(beta=[1.0, 0.5, 0.0])}, "rise"),
        ({"table": TABLE * np.nan}, "finite"),
    ],
)
def test_what_does_not_fit_is_named(changed, words):
    with pytest.raises(InputError, match=words):
        gains(**changed)
