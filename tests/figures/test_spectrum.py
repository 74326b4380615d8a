"""Scree plots."""

import numpy as np
import pytest
import torch

from sslens.figures import theme
from sslens.figures.spectrum import scree
from sslens.types import InputError, Interval, UnknownName


def test_a_scree_names_what_it_shows():
    figure = scree({"vicreg": [4.0, 1.0]}, kind="singular values", relative=False)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("rank", "singular value")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("linear", "log")
    assert "singular values" in figure.layout.title.text
    assert figure.data[0].line.color == theme.COLOURS["vicreg"]


def test_relative_divides_by_the_first_and_says_so():
    figure = scree({"vicreg": torch.tensor([4.0, 1.0])}, kind="eigenvalues")
    assert figure.data[0].y.tolist() == [1.0, 0.25]
    assert "relative to the first" in figure.layout.yaxis.title.text


def test_a_power_law_is_straight_on_logarithmic_ranks():
    ranks = np.arange(1, 65)
    figure = scree({"run": ranks**-1.5}, kind="eigenvalues", log_ranks=True)
    slopes = np.diff(np.log(figure.data[0].y)) / np.diff(np.log(figure.data[0].x))
    assert figure.layout.xaxis.type == "log"
    assert slopes == pytest.approx(-1.5, abs=2e-3)


def test_zeros_stay_in_sight_at_the_floor():
    line, marks = scree({"run": [1.0, 0.01, 0.0, 0.0]}, kind="eigenvalues").data
    assert line.y.tolist() == pytest.approx([1.0, 0.01, 0.001, 0.001])
    assert marks.x.tolist() == [3, 4]
    assert marks.text == ("0, drawn at the floor",) * 2


def test_a_given_floor_holds_up_what_is_smaller_and_tells_its_value():
    figure = scree({"run": [1.0, 1e-12]}, kind="eigenvalues", floor=1e-8)
    assert figure.data[1].text == ("1e-12, drawn at the floor",)
    assert "below 1e-08, zero included" in figure.layout.title.text


def test_a_spectrum_of_zeros_is_drawn():
    line, marks = scree({"collapsed": torch.zeros(4)}, kind="singular values").data
    assert np.isfinite(line.y).all()
    assert len(marks.x) == 4


def test_spectra_over_seeds_have_bands():
    values = [Interval(2.0, 1.0, 3.0, 3), Interval(1.0, -0.5, 2.0, 3)]
    band = scree({"run": values}, kind="eigenvalues").data[0]
    assert band.fill == "toself"
    assert (band.y[:4] > 0).all()


@pytest.mark.parametrize(
    ("spectra", "options"),
    [({}, {}), ({"run": []}, {}), ({"run": [float("nan")]}, {}), ({"run": [1.0]}, {"floor": 0.0})],
)
def test_degenerate_spectra_are_refused(spectra, options):
    with pytest.raises(InputError):
        scree(spectra, kind="eigenvalues", **options)


def test_an_unknown_kind_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match="Did you mean 'eigenvalues'"):
        scree({"run": [1.0]}, kind="eigenvalue")
