"""A table of gains as colours."""

import numpy as np
import pytest
import torch

from sslens.figures import heat
from sslens.types import InputError

TABLE = torch.tensor([[0.2, 0.5], [0.5, 0.5], [0.4, 0.9]])
ASK = {"betas": [0.0, 0.5, 1.0], "per_class": [5, 0], "own": {"ranks 4-64": 0.8, "far": 7.0}, "title": "Ridge"}


def drawn(table=TABLE, trained=(0.4, 0.5), **changed):
    return heat.gains(table, list(trained), **ASK | changed)


def test_cells_are_points_over_the_trained_spectrum_and_rows_are_budgets():
    trained, cells, _ = drawn().data
    np.testing.assert_allclose(cells.z, [[-20, 10, 0], [0, 0, 40]], atol=1e-4)
    np.testing.assert_allclose(cells.customdata, TABLE.T.numpy(), atol=1e-4)
    assert list(cells.y) == list(trained.y) == ["5", "all"]
    assert [row[0] for row in trained.text] == ["0.400", "0.500"]


def test_colours_are_symmetric_and_signs_are_written():
    cells = drawn().data[1]
    assert (cells.zmin, cells.zmax) == pytest.approx((-40, 40), abs=1e-4)
    assert "+" in cells.texttemplate


def test_nothing_rounds_to_minus_zero():
    cells = drawn(table=TABLE - 1e-5).data[1]
    assert not np.signbit(np.asarray(cells.z)[np.asarray(cells.z) == 0]).any()


def test_squares_mark_the_best_of_each_row_the_first_among_equals():
    assert list(drawn().data[2].x) == [0.5, 1.0]
    assert list(drawn(table=torch.full((3, 2), 0.3)).data[2].x) == [0.0, 0.0]


def test_own_exponents_are_marked_where_the_axis_reaches_them():
    figure = drawn()
    assert [(note.x, note.text) for note in figure.layout.annotations] == [(0.8, "ranks 4-64 ▼")]
    both = drawn(own={"late": 0.9, "early": 0.1}).layout.annotations
    assert [(note.x, note.text, note.xanchor) for note in both] == [(0.1, "early ▼", "right"), (0.9, "▼ late", "left")]


def test_a_table_without_any_difference_is_drawn():
    cells = drawn(table=torch.full((3, 2), 0.4), trained=(0.4, 0.4)).data[1]
    assert cells.zmax > 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"trained": (0.4,)}, "3 betas x 2"),
        ({"betas": [0.0, 1.0]}, "2 betas x 2"),
        ({"betas": [0.0, 0.5, 0.7]}, "even steps"),
        ({"betas": [1.0, 0.5, 0.0]}, "rise"),
        ({"table": TABLE * float("nan")}, "finite"),
    ],
)
def test_what_does_not_fit_is_named(changed, words):
    with pytest.raises(InputError, match=words):
        drawn(**changed)
