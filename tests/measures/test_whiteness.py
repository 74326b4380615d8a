"""Reshaped spectra, label budgets, prefixes: against spectral_map, slow loops and numbers known from elsewhere."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslens.measures import probe, spectrum, whiteness
from sslens.runtime import stream
from sslens.types import InputError, Interval, UnknownName


def normal(rows, columns, seed=0):
    scale = torch.arange(1, columns + 1).double() ** -0.7
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).double() * scale + 3


def labelled(rows=40, columns=6, seed=0):
    labels = torch.arange(rows) % 4
    return normal(rows, columns, seed) + torch.nn.functional.one_hot(labels, columns), labels


def test_principal_coordinates_are_numpys_of_the_bank():
    bank, test = normal(30, 5), normal(7, 5, seed=1)
    known, asked = whiteness.principal(bank, test)
    values, axes = np.linalg.eigh(np.cov(bank.numpy().T))
    axes = axes[:, ::-1]
    mean = bank.numpy().mean(0)
    np.testing.assert_allclose(known.numpy() ** 2, ((bank.numpy() - mean) @ axes) ** 2, atol=1e-9)
    np.testing.assert_allclose(asked.numpy() ** 2, ((test.numpy() - mean) @ axes) ** 2, atol=1e-9)
    np.testing.assert_allclose(known.var(0).numpy(), values[::-1], rtol=1e-9)


def test_principal_coordinates_keep_distances_where_every_direction_is_there():
    bank, test = normal(30, 5), normal(7, 5, seed=1)
    known, asked = whiteness.principal(bank, test)
    torch.testing.assert_close(torch.cdist(known, asked), torch.cdist(bank, test))


def test_a_direction_the_bank_has_not_is_zero_in_both():
    bank, test = normal(30, 3), normal(7, 3, seed=1)
    bank[:, 2] = 5.0
    known, asked = whiteness.principal(bank, test)
    assert not known[:, 2].any() and not asked[:, 2].any()
    assert asked[:, :2].any(0).all()


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 3.0])
def test_reshaping_is_the_spectral_map_of_the_bank_carried_to_the_others(beta):
    bank, test = normal(30, 5), normal(7, 5, seed=1)
    known, asked = whiteness.reshaped(bank, test, beta=beta)
    mapped = spectrum.spectral_map(bank, beta)
    with_one = torch.cat([bank, torch.ones(30, 1).double()], 1)
    affine = torch.linalg.lstsq(with_one, mapped).solution
    others = torch.cat([test, torch.ones(7, 1).double()], 1) @ affine
    torch.testing.assert_close(torch.cdist(asked, known), torch.cdist(others, mapped))


@given(beta=st.floats(0, 4), scale=st.floats(1e-3, 1e3))
def test_reshaped_variance_is_a_power_law_with_the_total_kept(beta, scale):
    bank = normal(30, 5) * scale
    known, _ = whiteness.reshaped(bank, bank, beta=beta)
    values = known.var(0)
    torch.testing.assert_close(values / values[0], torch.arange(1, 6).double() ** -beta)
    torch.testing.assert_close(values.sum(), bank.var(0).sum())
    torch.testing.assert_close(known.mean(0), torch.zeros(5).double(), atol=1e-12 * scale, rtol=0)


def test_collapsed_features_stay_collapsed():
    known, asked = whiteness.reshaped(torch.ones(6, 3), torch.rand(4, 3), beta=0.0)
    assert not known.any() and not asked.any()


def test_label_budgets_are_those_of_a_slow_loop():
    bank, test = labelled(), labelled(rows=21, seed=1)
    table = whiteness.label_budgets(bank, test, betas=[0.0, 2.0], per_class=[1, 3, 0])
    assert table.shape == (2, 3, 3)
    for half in (0, 1):
        queries, truth = test[0][half::2], test[1][half::2]
        for row, beta in enumerate([None, 0.0, 2.0]):
            known, asked = (bank[0], queries) if beta is None else whiteness.reshaped(bank[0], queries, beta=beta)
            for column, count in enumerate([1, 3]):
                generator = stream(0, f"labels {half}")
                right = probe.few_shot(
                    (known, bank[1]), (asked, truth), per_class=count, draws=whiteness.DRAWS, generator=generator
                ).mean
                assert table[half, row, column].item() == pytest.approx(right)
            all_of_them = probe.accuracy(probe.ridge(known, bank[1]).predict(asked), truth)
            assert table[half, row, 2].item() == all_of_them


def test_another_reader_and_another_seed_give_another_table():
    bank, test = labelled(), labelled(rows=80, seed=1)
    ask = {"betas": [1.0], "per_class": [1]}
    first = whiteness.label_budgets(bank, test, **ask)
    assert torch.equal(first, whiteness.label_budgets(bank, test, **ask))
    assert not torch.equal(first, whiteness.label_budgets(bank, test, seed=1, **ask))
    assert not torch.equal(first, whiteness.label_budgets(bank, test, reader="nearest mean", **ask))


def test_whitening_helps_the_nearest_mean_where_the_class_lies_in_a_small_direction():
    generator, labels = torch.Generator().manual_seed(0), torch.arange(200) % 2
    large, small = torch.randn(200, generator=generator) * 10, torch.randn(200, generator=generator) * 0.1 + labels
    h = torch.stack([large, small], 1).double()
    side = h, labels
    table = whiteness.label_budgets(side, side, betas=[0.0, 14.0], per_class=[0], reader="nearest mean").mean(0)[:, 0]
    assert table[1] > 0.95 > 0.8 > table[0]
    assert table[2] < 0.8


def test_the_gain_is_judged_where_it_was_not_chosen():
    noise = torch.rand(2, 50, 1, generator=torch.Generator().manual_seed(0)) * 0.1
    optimistic = (noise[:, 1:].amax(1) - noise[:, 0]).mean()
    honest = whiteness.gain_of_best(noise)[0]
    by_hand = [noise[1 - h, 1 + noise[h, 1:, 0].argmax(), 0] - noise[1 - h, 0, 0] for h in (0, 1)]
    assert honest.item() == pytest.approx(float(sum(by_hand)) / 2, abs=1e-7)
    assert honest < optimistic


def test_the_same_gain_on_both_halves_is_found():
    table = torch.tensor([[0.5, 0.2], [0.4, 0.3], [0.6, 0.1]]).expand(2, 3, 2)
    assert whiteness.gain_of_best(table).tolist() == pytest.approx([0.1, 0.1])
    assert whiteness.best_beta(table, [0.0, 2.0]).tolist() == [2.0, 0.0]


def test_tables_of_many_seeds_are_judged_each_for_itself():
    tables = torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    betas = [0.0, 1.0, 2.0]
    gains, best = whiteness.gain_of_best(tables), whiteness.best_beta(tables, betas)
    assert gains.shape == best.shape == (3, 5)
    for seed in range(3):
        assert torch.equal(gains[seed], whiteness.gain_of_best(tables[seed]))
        assert torch.equal(best[seed], whiteness.best_beta(tables[seed], betas))


@pytest.mark.parametrize("reader", whiteness.READERS)
def test_prefixes_are_read_one_by_one(reader):
    bank, test = labelled(), labelled(rows=20, seed=1)
    found = whiteness.prefixes(bank, test, lengths=[1, 4, 6], reader=reader)
    right = [whiteness.READERS[reader](bank[0][:, :m], bank[1], test[0][:, :m]) for m in (1, 4, 6)]
    assert found.tolist() == [probe.accuracy(each, test[1]) for each in right]


def test_pca_finds_the_column_that_cutting_throws_away():
    labels = torch.arange(60) % 2
    h = torch.cat([torch.randn(60, 3, generator=torch.Generator().manual_seed(0)), labels[:, None] * 40.0], 1)
    side = h, labels
    cut = whiteness.prefixes(side, side, lengths=[1], reader="nearest mean")
    rotated = whiteness.prefixes(side, side, lengths=[1], reader="nearest mean", pca=True)
    assert rotated.item() == 1.0 > cut.item()


def test_intervals_are_those_of_the_seeds():
    assert whiteness.intervals(["a", "b"], [[1.0, 2.0], [3.0, 3.0]]) == {
        "a": Interval.of([1.0, 2.0]),
        "b": Interval.of([3.0, 3.0]),
    }


def test_bad_input_is_named(unchecked):
    bank, test = labelled(), labelled(rows=20, seed=1)
    with pytest.raises(UnknownName, match="Did you mean 'ridge'"):
        whiteness.label_budgets(bank, test, betas=[1.0], per_class=[1], reader="rigde")
    with pytest.raises(InputError, match="at least one number of labels"):
        whiteness.label_budgets(bank, test, betas=[1.0], per_class=[])
    with pytest.raises(InputError, match="per_class"):
        whiteness.label_budgets(bank, test, betas=[1.0], per_class=[11])
    with pytest.raises(InputError, match=r"beta must be a float in \[0, 100\]"):
        whiteness.label_budgets(bank, test, betas=[-1.0], per_class=[1])
    with pytest.raises(InputError, match=r"lengths must be an int in \[1, 6\]"):
        whiteness.prefixes(bank, test, lengths=[7])
    with pytest.raises(InputError, match="at least one length"):
        whiteness.prefixes(bank, test, lengths=[])
    with pytest.raises(InputError, match="at least 2 rows"):
        whiteness.gain_of_best(torch.rand(2, 1, 3))
    with pytest.raises(InputError, match="one for each of the 2 rows"):
        whiteness.best_beta(torch.rand(2, 3, 3), [1.0])
    with pytest.raises(InputError, match="6 columns"):
        whiteness.principal(bank[0], torch.rand(3, 5))
