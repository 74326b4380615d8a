"""Random networks by size, one folded on purpose, and the map of a region, against slow ways to the same numbers."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from xarray import DataArray

from sslens.encoders import random_network
from sslens.measures import regions
from sslens.runtime import stream
from sslens.studies import a_net_is_a_spline_networks as of_networks
from sslens.types import InputError

PLANE, SQUARE = regions.Plane.identity(), regions.square(1.0)


def units(network):
    return sum(each.out_features for each in network if isinstance(each, nn.Linear)) - 1


def drawn(width, depth, seed=0):
    return random_network(width, depth, generator=stream(seed, "random network"))


def test_a_network_fits_its_own_regions_and_no_other_ones():
    network = drawn(8, 2)
    found = regions.partition(network, PLANE, SQUARE)
    assert of_networks.largest_misfit(network, found) < 1e-13
    fewer = drawn(8, 2)
    fewer[0].weight.data[3], fewer[0].bias.data[3] = 0, 0  # a fold that the partition then lacks
    fewer[2].weight.data[:, 3] = 0
    assert of_networks.largest_misfit(network, regions.partition(fewer, PLANE, SQUARE)) > 1e-3


def test_smooth_networks_fit_no_regions():
    found = of_networks.misfits(width=8, depth=2, draws=3)
    assert (found.sel(run="ReLU") < 1e-13).all() and (found.sel(run="SiLU") > 1e-3).all()


def test_grids_are_tried_on_the_same_networks_for_every_side():
    met = []

    def share_found(network, side):
        met.append((network, side))
        return side / 1000

    found = of_networks.on_grids(share_found, width=64, depth=3, draws=2, profile="smoke")
    assert found.dims == ("run", "draw", "points along each side")
    assert found["run"].values.tolist() == ["3 x 8 units", "3 x 64 units"]
    assert found.sel(run="3 x 64 units", draw=1).values.tolist() == [0.01, 0.03, 0.1, 0.25]
    assert [side for _, side in met] == [10, 30, 100, 250] * 4
    assert met[-1][0][0].weight.equal(drawn(64, 3, seed=1)[0].weight)
    small = of_networks.on_grids(lambda *_: 1.0, width=8, depth=3, draws=1, profile="smoke")
    assert small["run"].values.tolist() == ["3 x 8 units"]


def test_a_fine_grid_finds_large_regions():
    network = drawn(8, 1)
    assert regions.count_sampled(network, PLANE, regions.grid(250)) == regions.count_regions(network, PLANE, SQUARE)


def test_every_depth_and_width_is_counted_for_every_draw():
    counts = of_networks.of_each_size(units, draws=2)
    assert counts.dims == ("depth", "draw", "width")
    for depth, width in product(of_networks.DEPTHS, of_networks.WIDTHS):
        assert counts.sel(depth=depth, width=width).values.tolist() == [depth * width] * 2


def test_lines_of_all_depths_run_along_the_number_of_units():
    counts = of_networks.of_each_size(units, draws=2)
    for depth, line in enumerate(of_networks.along_units(counts), 1):
        assert line.name == counts.name and line["depth"].values.tolist() == [depth]
        assert line["hidden units N"].values.tolist() == line.sel(depth=depth, draw=0).values.tolist()
    curve = of_networks.straight_lines(counts)
    assert curve.sel({"hidden units N": 24}).item() == 1 + 24 + 24 * 23 / 2 and curve.name == counts.name


@pytest.mark.parametrize("width", [1, 3, 10])
def test_so_many_lines_in_general_position_cut_the_plane_into_as_many_regions(width):
    counted = regions.count_regions(drawn(width, 1), PLANE, regions.square(1e3))
    assert counted == of_networks.most_of_lines(width)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_folding_network_folds_and_multiplies_its_regions(depth):
    network = of_networks.folding_network(depth)
    places = 2 * torch.rand(50, 2, dtype=torch.float64) - 1
    folded = places
    for _ in range(depth):
        folded = 1 - 2 * folded.abs()
    with torch.no_grad():
        # the last layer sums both, without the 1 of the last fold
        assert torch.allclose(network(places)[:, 0], folded.sum(1) - 2, rtol=1e-12, atol=1e-12)
    assert units(network) == 4 * depth
    assert regions.count_regions(network, PLANE, SQUARE) == 4**depth


@pytest.mark.parametrize("depth", [0, 11])
def test_a_folding_network_of_no_layers_or_too_many_is_refused(depth):
    with pytest.raises(InputError, match="depth"):
        of_networks.folding_network(depth)


def test_what_is_folded_on_purpose_is_labelled_by_its_units_and_grows_faster_than_squares():
    found = of_networks.folded_on_purpose(lambda network: regions.count_regions(network, PLANE, SQUARE))
    assert found["hidden units N"].values.tolist() == [4, 8, 12, 16, 20, 24]
    assert found.values.tolist() == [4, 16, 64, 256, 1024, 4096]
    by_depth = DataArray(found.values[:4, None, None], {"depth": [1, 2, 3, 4], "draw": [0], "width": [4]})
    assert float(of_networks.growth(by_depth).item()) > 2


def test_growth_is_the_slope_of_a_fitted_line():
    labels = {"depth": [1, 2, 3, 4], "draw": [0, 1], "width": [8, 16, 32]}
    counts = DataArray(np.random.default_rng(0).uniform(1, 100, (4, 2, 3)), labels)
    for along, fixed in (("depth", {"draw": 1, "width": 16}), ("width", {"draw": 0, "depth": 3})):
        x = np.log(counts[along].values * (16 if along == "depth" else 3))
        slope = np.polyfit(x, np.log(counts.sel(fixed).values), 1)[0]
        assert of_networks.growth(counts, along=along).sel(fixed).item() == pytest.approx(slope)


def test_pieces_on_a_line_are_the_regions_of_the_way():
    network = random_network(12, 1, inputs=1, generator=stream(0, "random network"))
    weight, bias = network[0].weight.detach()[:, 0], network[0].bias.detach()
    ends = (torch.tensor([place], dtype=torch.float64) for place in (-1.0, 1.0))
    walked = regions.segment(network, *ends).count
    assert of_networks.pieces_on_a_line(weight, bias) == walked > 2
