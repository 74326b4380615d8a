"""Partitions: closed forms, chunks, interruption, what is refused."""

import json

import pytest
import torch
from tests.measures.regions.arrangements import linear, lines, on_plane, relu_stack
from torch import nn

from sslens.measures.regions import Plane, count_regions, partitions, square
from sslens.types import InputError, UnknownName


@pytest.fixture(params=["numba", "torch"])
def engine(request):
    return request.param


def test_the_smallest_reference_network_has_its_known_cells_vertices_and_sides(engine):
    cells = on_plane(relu_stack(0, 2, 16, 16), engine=engine)
    assert (cells.count, len(cells.vertices), len(cells.edges.vertices)) == (225, 254, 478)
    assert int((~cells.edges.inner).sum()) == 56 and len(cells.polygons.corners) == 4 * 225


def test_the_largest_reference_network_has_its_known_number_of_regions():
    net = relu_stack(0, 2, 128, 128, 128, 128, 128)
    cells = on_plane(net)
    assert cells.count == count_regions(net, Plane.identity(), square(1.0)) == 84_204
    assert len(cells.polygons.corners) == 4 * cells.count
    assert float(cells.area.sum()) == pytest.approx(4, rel=1e-12) and float(cells.area.min()) > 0


@pytest.mark.parametrize("units", [1, 2, 7, 65, 130])
def test_lines_through_one_point_make_two_regions_each(units, engine):
    angles = torch.arange(units) * torch.pi / units + 0.1
    cells = on_plane(lines(*((float(a.cos()), float(a.sin()), 0.0) for a in angles)), engine=engine)
    assert cells.count == 2 * units
    assert (cells.vertices.norm(dim=1) < 1e-12).sum() == (units > 1)


@pytest.mark.parametrize("half", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("units", [1, 5, 70])
def test_parallel_lines_make_one_region_more_than_lines(units, half, engine):
    offsets = torch.linspace(-0.9, 0.9, units).tolist() if units > 1 else [0.3]
    cells = on_plane(lines(*((1.0, 0.5, c * half) for c in offsets)), square(half), engine=engine)
    assert cells.count == units + 1


@pytest.mark.parametrize(
    "rows, count",
    [
        ([(1, 0, 0), (1, 0, 0), (-1, 0, 0), (3, 0, 0)], 2),
        ([(0, 0, 0), (0, 0, 1), (0, 0, -1), (1, 1, 0)], 2),
        ([(1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)], 1),
        ([(1, 1, 0), (1, -1, 0)], 4),
        ([(1, 1, 2), (1, -1, 2), (1, 1, -2)], 1),
        ([(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, -1, 0), (1, 1, -1)], 10),
        ([(0, 0, 0)], 1),
    ],
    ids=["repeated", "constant", "along the border", "diagonals", "touching corners", "stars", "zero"],
)
def test_lines_that_coincide_touch_or_meet_make_no_slivers(rows, count, engine):
    cells = on_plane(lines(*rows), engine=engine)
    assert cells.count == count == count_regions(lines(*rows), Plane.identity(), square(1.0))
    assert float(cells.area.min()) > 0.05


def test_rounding_where_all_units_are_dead_is_no_curvature():
    angles = torch.arange(5) * torch.pi / 5 + 0.1
    star = lines(*((float(a.cos()), float(a.sin()), 0.0) for a in angles))
    assert on_plane(nn.Sequential(*star, linear([[1e3, -1e3, 0, 0, 0]] * 2, [0.0, 0.0]))).count == 10
    assert on_plane(nn.Sequential(*star, linear([[-1.0] * 5] * 2, [0.0, 0.0]), nn.ReLU())).count == 10


def test_an_unknown_engine_or_layer_is_refused_by_name(unchecked):
    with pytest.raises(UnknownName, match="numba"):
        on_plane(lines((1, 0, 0)), engine="numbra")
    with pytest.raises(UnknownName, match="one of: 1"):
        on_plane(lines((1, 0, 0))).unpack("2")
    with pytest.raises(InputError, match="chunk"):
        on_plane(lines((1, 0, 0)), chunk=0)


@pytest.mark.parametrize("chunk, width", [(1, 4), (40, 9), (120, 12)])
def test_chunks_together_are_the_whole_and_each_is_exact(chunk, width, engine):
    net = relu_stack(1, 2, width, width, width)
    whole = on_plane(net)
    parts = list(partitions(net, Plane.identity(), square(1.0), chunk=chunk, engine=engine))
    assert len(parts) > 1 and sum(part.count for part in parts) == whole.count
    areas = [torch.cat([each.area for each in some]).sort().values for some in (parts, [whole])]
    assert torch.allclose(*areas, rtol=0, atol=1e-14)
    for part in parts:
        signs = [net[:place](part.centres) > 0 for place in (1, 3, 5)]
        assert torch.equal(part.unpack(), torch.cat(signs, 1))
    joined = on_plane(net, chunk=chunk, engine=engine)
    assert (len(joined.vertices), len(joined.edges.vertices)) == (len(whole.vertices), len(whole.edges.vertices))
    assert joined.linear_count == whole.linear_count


def test_no_chunk_has_more_cells_than_wanted_where_single_cells_allow_it():
    parts = list(partitions(relu_stack(0, 2, 6, 6, 6, 6, 6, 6), Plane.identity(), square(3.0), chunk=64))
    assert len(parts) > 3 and max(part.count for part in parts) <= 64


def test_an_interrupted_consumer_keeps_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr("sslens.progress.BEAT", 0.0)
    net, kept = relu_stack(0, 2, 16, 16), []
    with pytest.raises(KeyboardInterrupt):
        for part in partitions(net, Plane.identity(), square(1.0), chunk=50):
            kept.append(part)
            if len(kept) == 3:
                raise KeyboardInterrupt
    shown = json.loads((tmp_path / "progress.json").read_text())
    done = sum(float(part.area.sum()) for part in kept)
    assert shown.pop("seconds_left") > 0
    assert shown == {"label": "regions", "step": round(100 * done / 4), "total": 100} and 0 < done < 4
    outside = torch.cat([part.centres for part in kept])
    assert 3 < len(outside) < 225 and len((net[:1](outside) > 0).unique(dim=0)) > 1
    on_plane(net, chunk=50)
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 100
