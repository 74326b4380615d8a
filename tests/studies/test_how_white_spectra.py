"""Accuracies over spectra, labels and penalties: against slow loops and numbers known from elsewhere; their picture."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.measures import probe, spectrum
from sslens.runtime import stream
from sslens.studies import how_white_spectra
from sslens.studies.how_white_spectra import (
    BUDGETS,
    LABELS,
    PENALTIES,
    accuracy_at,
    correct_as_trained,
    correct_by_spectrum,
    eigenvalues,
    exponents,
    gain_of_best,
    halves,
    label_draws,
    tuned,
    whitened,
)
from sslens.train import Config, Runs
from sslens.types import InputError


def normal(rows, columns, seed=0):
    scale = torch.arange(1, columns + 1).double() ** -0.7
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).double() * scale + 3


def labelled(rows=40, columns=6, seed=0):
    labels = torch.arange(rows) % 4
    return normal(rows, columns, seed) + torch.nn.functional.one_hot(labels, columns), labels


@pytest.mark.parametrize("beta", [0.0, 1.5])
def test_whitening_by_hand_is_the_spectral_map_but_for_mean_and_size(beta):
    h = normal(50, 6)
    mapped = spectrum.spectral_map(h, beta)
    scale = mapped.var(0).sum().sqrt() / whitened(h, beta).var(0).sum().sqrt()
    torch.testing.assert_close(whitened(h, beta) * scale, mapped - h.mean(0))


def test_draws_of_labels_have_as_many_of_each_class_and_repeat():
    labels = torch.arange(40) % 4
    draws = label_draws(labels, 3, generator=stream(0, "x"))
    assert [labels[chosen].bincount().tolist() for chosen in draws] == [[3] * 4] * 5
    assert all(len(set(chosen.tolist())) == 12 for chosen in draws)
    assert len({tuple(chosen.tolist()) for chosen in draws}) == 5
    again = label_draws(labels, 3, generator=stream(0, "x"))
    assert all(torch.equal(a, b) for a, b in zip(draws, again, strict=True))
    assert [len(all_of_them) for all_of_them in label_draws(labels, 0, generator=stream(0, "x"))] == [40]


def test_a_class_with_too_few_samples_is_named():
    with pytest.raises(InputError, match="at most the 10 samples of the smallest class"):
        label_draws(torch.arange(40) % 4, 11, generator=stream(0, "x"))


def test_images_of_one_original_are_in_the_same_half():
    origin = np.array([5, 3, 5, 3, 8, 9, 9])
    half = halves(origin)
    assert half.tolist() == [1, 0, 1, 0, 0, 1, 1]


def test_tables_are_those_of_a_slow_loop():
    (h, labels), (others, truth) = labelled(), labelled(rows=21, seed=1)
    half = np.arange(21) % 2
    table = correct_by_spectrum(((h, labels), (others, truth)), half, betas=[0.0, 2.0], per_class=[3, 0])
    assert table.shape == (3, 2, len(PENALTIES), 21)
    for row, beta in enumerate([None, 0.0, 2.0]):
        known, queries = (h, others) if beta is None else spectrum.reshaped(h, others, beta=beta)
        for sample in (0, 7, 20):
            draws = label_draws(labels, 3, generator=stream(0, f"labels {half[sample]} 3"))
            query = queries[sample : sample + 1]
            right = [
                int(probe.classify_by_ridge(known[chosen], labels[chosen], query, penalty=PENALTIES[4]))
                == int(truth[sample])
                for chosen in draws
            ]
            assert table[row, 0, 4, sample] == pytest.approx(np.mean(right))
            whole = int(probe.classify_by_ridge(known, labels, query, penalty=PENALTIES[2])) == int(truth[sample])
            assert table[row, 1, 2, sample] == whole


def test_a_penalty_that_is_hardly_there_sees_no_difference_between_spectra():
    (h, labels), others = labelled(rows=400), labelled(rows=60, seed=1)
    known = h, labels
    half = np.arange(60) % 2
    tables = []
    for beta in (0.0, 2.0):
        sides = spectrum.reshaped(h, others[0], beta=beta)
        right = [
            probe.classify_by_ridge(sides[0], known[1], sides[1], penalty=1e-9),
            probe.classify_by_ridge(h, known[1], others[0], penalty=1e-9),
        ]
        assert torch.equal(*right)
        tables.append(correct_by_spectrum((known, others), half, betas=[beta], per_class=[0])[1, 0, 0])
    assert np.abs(tables[0] - tables[1]).mean() < 0.05


def choices(values, dims, half):
    array = DataArray(np.asarray(values, dtype=float), dims=dims)
    coords = {"sample": np.arange(array.sizes["sample"]), "penalty": np.arange(array.sizes["penalty"])}
    coords |= {"beta": np.arange(array.sizes["beta"])} if "beta" in dims else {}
    return array.assign_coords(coords).assign_coords(half=("sample", half))


def test_the_best_is_chosen_on_one_half_and_judged_on_the_other():
    values = np.random.default_rng(0).random((2, 50, 40))
    half = np.arange(40) % 2
    found = tuned(choices(values, ("seed", "penalty", "sample"), half))
    for seed in range(2):
        for part in (0, 1):
            best = values[seed][:, half != part].mean(1).argmax()
            assert found[seed].values[half == part] == pytest.approx(values[seed, best, half == part])


def test_choosing_finds_no_gain_in_noise():
    values = np.random.default_rng(0).random((1, 12, 9, 400)) < 0.5
    table = choices(values, ("seed", "beta", "penalty", "sample"), np.arange(400) % 2)
    optimistic = values.mean(-1).max() - 0.5
    honest = float(tuned(table, "beta", "penalty").mean()) - 0.5
    assert abs(honest) < 0.05 < optimistic


def test_a_gain_is_over_the_best_penalty_of_the_trained_spectrum():
    trained = choices(np.broadcast_to([[0.2], [0.6]], (1, 2, 8)), ("seed", "penalty", "sample"), np.arange(8) % 2)
    best = np.broadcast_to([[[0.7], [0.1]], [[0.3], [0.65]]], (1, 2, 2, 8))
    reshaped = choices(best, ("seed", "beta", "penalty", "sample"), np.arange(8) % 2)
    assert gain_of_best(reshaped, trained).values.tolist() == [pytest.approx([0.1] * 8)]


def test_a_seed_that_diverged_has_no_gain():
    values = np.random.default_rng(0).random((2, 3, 8))
    values[1] = np.nan
    found = tuned(choices(values, ("seed", "penalty", "sample"), np.arange(8) % 2))
    assert np.isfinite(found.values).all(1).tolist() == [True, False]


@pytest.fixture(scope="module")
def run():
    config = Config.at("smoke", optimisation={"steps": 3}, snapshots={"count": 2})
    return Runs.of({"vicreg": config}, seeds=2)


def test_tables_of_a_run_are_those_of_its_last_representation(run):
    trained, others = correct_as_trained(run, (0.0, 2.0))
    assert trained.dims == ("seed", LABELS, "penalty", "sample")
    assert others.dims == ("seed", "beta", LABELS, "penalty", "sample")
    assert trained.attrs["setting"] == "scattered_digits, 3 steps"
    names = trained[LABELS].values.tolist()
    trace = run["vicreg"][1]
    h, labels, side = trace.snapshots[-1].representation, trace.reference.labels, trace.held_out
    assert trained.origin.values.tolist() == trace.reference.origin[side].tolist()
    sides = (h[~side], labels[~side]), (h[side], labels[side])
    counts = [BUDGETS[name] for name in names]
    table = correct_by_spectrum(sides, trained.half.values, betas=[0.0, 2.0], per_class=counts)
    assert np.array_equal(trained[1].values, table[0]) and np.array_equal(others[1].values, table[1:])


def test_tables_are_of_one_run(run):
    with pytest.raises(InputError, match="one run"):
        correct_as_trained(Runs({"a": run["vicreg"], "b": run["vicreg"]}, run.seeds), (0.0,))


def test_accuracies_are_at_a_penalty_or_at_the_best_one(run):
    trained, _ = correct_as_trained(run, (0.0, 2.0))
    assert accuracy_at(trained, 0.3).values == pytest.approx(trained.sel(penalty=0.3).mean("sample").values)
    assert accuracy_at(trained, "tuned").values == pytest.approx(tuned(trained).mean("sample").values)
    with pytest.raises(InputError, match="'tuned' or one of"):
        accuracy_at(trained, 0.5)


def test_a_new_spectrum_is_a_straight_line_of_the_same_sum(run):
    found = eigenvalues(run, 1.5)[0]
    trace = run["vicreg"][0]
    own = spectrum.eigenvalues(trace.snapshots[-1].representation[~trace.held_out])
    assert eigenvalues(run)[0].values.tolist() == own.tolist()
    assert float(found.sum()) == pytest.approx(float(own.sum()))
    ranks = found["rank"].values[found > 1e-12 * found[0]]
    assert found[: len(ranks)].values == pytest.approx(float(found[0]) * ranks**-1.5)


def test_exponents_are_fitted_to_the_mean_over_seeds():
    ranks = np.arange(1.0, 65.0)
    decay = np.stack([ranks**-1, 3 * ranks**-1])
    found = exponents(DataArray(decay[None], dims=("run", "seed", "rank")))
    assert list(found.values()) == pytest.approx([1.0, 1.0])


def tables(accuracy):
    """Of one seed, one penalty and two samples, which lie in either half."""
    values = np.asarray(accuracy, dtype=float)[None, ..., None, None] * np.ones((1, 2))
    dims = ("seed", *(("beta",) if values.ndim == 5 else ()), LABELS, "penalty", "sample")
    array = DataArray(values, dims=dims).assign_coords({LABELS: ["5", "all"], "penalty": [0.3], "sample": [0, 1]})
    array = array.assign_coords(beta=[0.0, 0.5, 1.0]) if values.ndim == 5 else array
    return array.assign_coords(half=("sample", [0, 1]))


def gains(table=((0.2, 0.5), (0.5, 0.5), (0.4, 0.9)), exponents=(("ranks 4-64", 0.8), ("far", 7.0))):
    options = {"penalty": 0.3, "exponents": dict(exponents), "title": "Ridge"}
    return how_white_spectra.gains(tables([0.4, 0.5]), tables(table), **options)


def test_cells_are_points_over_the_trained_spectrum_and_rows_are_budgets():
    figure = gains()
    np.testing.assert_allclose(figure.data[0].z, [[-20, 10, 0], [0, 0, 40]], atol=1e-4)
    assert figure.layout.yaxis.ticktext == ("5 (0.400)", "all (0.500)")


def framed(figure):
    corners = np.stack([figure.data[1].x, figure.data[1].y], 1).reshape(-1, 6, 2)[:, :4]
    return np.round(corners.mean(1), 6).tolist()


def test_frames_mark_the_best_of_each_row_all_of_them_among_equals():
    assert framed(gains()) == [[0.5, 0], [1.0, 1]]
    assert len(framed(gains(table=np.zeros((3, 2))))) == 6


def test_exponents_are_marked_where_the_axis_reaches_them():
    assert [(note.x, note.text) for note in gains().layout.annotations] == [(0.8, "ranks 4-64 ▼")]
    both = gains(exponents=[("late", 0.9), ("<early>", 0.1)]).layout.annotations
    assert [(note.x, note.text, note.xanchor) for note in both] == [
        (0.1, "&lt;early&gt; ▼", "right"),
        (0.9, "▼ late", "left"),
    ]
    assert gains().layout.margin.t > gains(exponents=[]).layout.margin.t
