"""Partitions: closed forms, what is accepted and refused, chunks, the decision boundary, planes and domains."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from sslens.measures.regions import Plane, count_regions, folds, partition, partitions, segment, square
from sslens.types import InputError, UnknownName


def he_normal_b(seed, *widths):
    """The reference networks: hidden layers with ReLU, weights and biases from numpy."""
    draw, layers = np.random.default_rng(seed), []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs).double()
        layer.weight.data = torch.from_numpy(draw.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs))
        layer.bias.data = torch.from_numpy(draw.standard_normal(outputs) * 0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers)


def linear(weight, bias):
    layer = nn.Linear(len(weight[0]), len(weight)).double()
    layer.weight.data, layer.bias.data = torch.tensor(weight).double(), torch.tensor(bias).double()
    return layer


def lines(*rows):
    """A layer of units that are zero on the lines a x + b y + c = 0."""
    return nn.Sequential(linear([[a, b] for a, b, _ in rows], [c for *_, c in rows]), nn.ReLU())


def on_plane(net, domain=None, **options):
    return partition(net, Plane.identity(), square(1.0) if domain is None else domain, **options)


@pytest.fixture(params=["numba", "torch"])
def engine(request):
    return request.param


def test_the_smallest_reference_network_has_its_known_cells_vertices_and_sides(engine):
    cells = on_plane(he_normal_b(0, 2, 16, 16), engine=engine)
    assert (cells.count, len(cells.vertices), len(cells.edges.vertices)) == (225, 254, 478)
    assert int((~cells.edges.inner).sum()) == 56 and len(cells.cells.corners) == 4 * 225


def test_the_largest_reference_network_has_its_known_number_of_regions():
    net = he_normal_b(0, 2, 128, 128, 128, 128, 128)
    cells = on_plane(net)
    assert cells.count == count_regions(net, Plane.identity(), square(1.0)) == 84_204
    assert len(cells.cells.corners) == 4 * cells.count
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


def test_a_dead_layer_leaves_activation_regions_and_one_map():
    first = lines((1, 0, 0), (0, 1, 0), (1, 1, 0.3))
    net = nn.Sequential(*first, linear([[-1.0, -1.0, -1.0]] * 4, [-0.1] * 4), nn.ReLU(), linear([[1.0] * 4], [2.0]))
    cells = on_plane(net)
    assert (cells.count, cells.linear_count) == (7, 1)
    assert not cells.slope.any() and (cells.offset == 2).all() and not cells.unpack("3").any()


def test_maps_areas_and_patterns_of_two_absolute_values():
    class Absolute(nn.Module):
        def forward(self, x):
            return torch.abs(x).sum(1, keepdim=True)

    cells = on_plane(Absolute(), square(2.0, (1.0, 0.0)))
    assert cells.layers == ("abs_1",) and cells.count == cells.linear_count == 4
    signs = 2.0 * cells.unpack() - 1
    assert torch.equal(cells.slope[:, 0], signs.double()) and not cells.offset.any()
    assert torch.allclose(cells.slope_norm, torch.full((4,), 2**0.5).double())
    assert sorted(cells.area.tolist()) == pytest.approx([2, 2, 6, 6])
    assert np.array_equal(np.unpackbits(cells.patterns.numpy(), axis=1, bitorder="little")[:, :2], cells.unpack())


class Functional(nn.Module):
    """Kinks without modules, one module called twice, in-place, a size taken early, a shortcut."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second, self.third = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        rows = x.shape[0]
        x = self.relu(self.first(x))
        y = functional.leaky_relu(self.second(x), 0.1)
        y = self.relu(x + self.third(y))
        return y.abs().relu_().view(rows, -1)


def test_functions_methods_shortcuts_and_a_module_called_twice_are_found(engine):
    net = Functional()
    cells = on_plane(net, engine=engine)
    assert cells.layers == ("relu", "leaky_relu", "relu:2", "abs_1", "relu_")
    copy = Functional().double()
    entering = copy.first(cells.centres)
    x = entering.clamp(min=0)
    second = copy.second(x)
    third = x + copy.third(functional.leaky_relu(second, 0.1))
    for layer, units in zip(cells.layers, (entering, second, third), strict=False):
        assert torch.equal(cells.unpack(layer), units > 0)
    own = copy(cells.centres)
    mapped = (cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset
    assert torch.allclose(mapped, own, atol=1e-12)
    assert cells.count == len(torch.cat([entering > 0, second > 0, third > 0], 1).unique(dim=0))


class Overwriting(nn.Module):
    """What enters a rectifier is used after it, overwritten."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Linear(2, 7), nn.Linear(7, 2)

    def forward(self, x):
        x = self.first(x)
        functional.relu(x, inplace=True)
        return self.second(x.abs_())


def test_what_is_overwritten_in_place_is_so_in_cells_and_maps():
    cells, plain = on_plane(Overwriting()), Overwriting().double()
    usual = on_plane(nn.Sequential(plain.first, nn.ReLU(), plain.second))
    assert cells.layers == ("relu", "abs_")
    assert cells.count == usual.count > 10
    assert torch.equal(cells.unpack("relu"), usual.unpack()) and torch.equal(cells.slope, usual.slope)


def test_the_network_given_is_not_touched():
    net = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 2)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one, two = on_plane(net), on_plane(net.eval())
    assert torch.equal(one.vertices, two.vertices) and torch.equal(one.slope, two.slope)
    net.train()
    on_plane(net)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert next(net.parameters()).dtype == torch.float32 and next(net.parameters()).requires_grad


@pytest.mark.parametrize(
    "bend, said",
    [
        (nn.GELU(), "GELU in '1'.*proxy=True"),
        (nn.SiLU(), "SiLU.*proxy=True"),
        (nn.Tanh(), "Tanh"),
        (nn.Sigmoid(), "Sigmoid"),
        (nn.Softmax(1), "Softmax"),
        (nn.LayerNorm(3), "LayerNorm"),
        (nn.Hardtanh(), "Hardtanh"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_piecewise_affine_is_refused_by_name(bend, said):
    net = nn.Sequential(nn.Linear(2, 3), bend, nn.Linear(3, 3), nn.ReLU())
    for ask in (on_plane, lambda net: segment(net, torch.zeros(2), torch.ones(2))):
        with pytest.raises(InputError, match=f"(?s)net must.*{said}"):
            ask(net)


def test_the_proxy_of_a_smooth_network_is_the_one_with_relu_in_its_place():
    net = he_normal_b(0, 2, 16, 16)
    smooth = nn.Sequential(*(nn.GELU() if isinstance(each, nn.ReLU) else each for each in net))
    assert on_plane(smooth, proxy=True).count == on_plane(net).count == 225
    with pytest.raises(InputError, match="Tanh"):
        on_plane(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), proxy=True)


class Square(nn.Module):
    def forward(self, x):
        return functional.relu(x) * x


class Pair(nn.Module):
    def forward(self, x, y):
        return functional.relu(x + y)


class Branch(nn.Module):
    def forward(self, x):
        return functional.relu(x) if x.sum() > 0 else x


class Mixing(nn.Module):
    def forward(self, x):
        return functional.relu(x.mean())


class Many(nn.Module):
    def forward(self, x):
        return functional.relu(x), x


@pytest.mark.parametrize(
    "net, said",
    [
        (Square(), "affine between its folds"),
        (Pair(), "one input"),
        (Branch(), r"torch\.fx"),
        (Mixing(), "samples apart"),
        (Many(), "one tensor"),
        (nn.Linear(2, 2), "with a fold"),
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU()), "inputs that Sequential takes"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_networks_that_cannot_be_partitioned_are_refused(net, said):
    with pytest.raises(InputError, match=said):
        on_plane(net)


def test_rounding_where_all_units_are_dead_is_no_curvature():
    angles = torch.arange(5) * torch.pi / 5 + 0.1
    star = lines(*((float(a.cos()), float(a.sin()), 0.0) for a in angles))
    assert on_plane(nn.Sequential(*star, linear([[1e3, -1e3, 0, 0, 0]] * 2, [0.0, 0.0]))).count == 10
    assert on_plane(nn.Sequential(*star, linear([[-1.0] * 5] * 2, [0.0, 0.0]), nn.ReLU())).count == 10


def test_values_that_are_not_finite_are_refused():
    net = he_normal_b(0, 2, 4, 4)
    net[2].weight.data[1, 1] = float("nan")
    with pytest.raises(InputError, match="not finite before '3'"):
        on_plane(net)
    with pytest.raises(InputError, match="not finite before '3'"):
        segment(net, torch.zeros(2), torch.ones(2))


def test_an_unknown_engine_or_layer_is_refused_by_name(unchecked):
    with pytest.raises(UnknownName, match="numba"):
        on_plane(lines((1, 0, 0)), engine="numbra")
    with pytest.raises(UnknownName, match="one of: 1"):
        on_plane(lines((1, 0, 0))).unpack("2")
    with pytest.raises(InputError, match="chunk"):
        on_plane(lines((1, 0, 0)), chunk=0)


@pytest.mark.parametrize(
    "domain",
    [
        [[0.0, 0.0], [1.0, 0.0]],
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]],
        [[0.0, 0.0], [1.0, 0.0], [0.2, 0.2], [0.0, 1.0]],
        [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [1.0, 0.0], [0.0, float("nan")]],
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        [[float(np.cos(4 * np.pi * k / 5)), float(np.sin(4 * np.pi * k / 5))] for k in range(5)],
    ],
    ids=["two corners", "flat", "dented", "bow tie", "repeated", "nan", "three coordinates", "star"],
)
def test_a_domain_that_is_no_convex_polygon_is_refused(domain, unchecked):
    with pytest.raises(InputError, match="domain"):
        on_plane(lines((1, 0, 0)), torch.tensor(domain))


def test_planes_go_through_their_points_with_orthonormal_axes():
    for count in (1, 2, 3):
        points = torch.randn(count, 3, 4, generator=torch.Generator().manual_seed(count))
        plane = Plane.through(points)
        axes = torch.stack([plane.first.flatten(), plane.second.flatten()])
        assert torch.allclose(axes @ axes.T, torch.eye(2).double(), atol=1e-14)
        assert torch.allclose(plane.at(plane.coordinates(points)), points.double(), atol=1e-14)
        assert torch.allclose(plane.origin, points.double().mean(0))
        again = Plane.through(points)
        assert torch.equal(again.second, plane.second)
    nearly = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 1e-6, 0]]).double()
    assert torch.allclose(Plane.through(nearly).second, torch.tensor([0.0, 1, 0]).double(), atol=1e-9)


@pytest.mark.parametrize(
    "points",
    [torch.zeros(2, 3), torch.arange(3.0)[:, None].repeat(1, 4), torch.randn(4, 5), torch.randn(1, 1)],
    ids=["equal", "on a line", "four", "one dimension"],
)
def test_points_that_span_no_plane_are_refused(points):
    with pytest.raises(InputError, match="points"):
        Plane.through(points)


@pytest.mark.parametrize("chunk, width", [(1, 4), (40, 9), (120, 12)])
def test_chunks_together_are_the_whole_and_each_is_exact(chunk, width, engine):
    net = he_normal_b(1, 2, width, width, width)
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


def test_no_chunk_has_more_cells_than_asked_for_where_single_cells_allow_it():
    parts = list(partitions(he_normal_b(0, 2, 6, 6, 6, 6, 6, 6), Plane.identity(), square(3.0), chunk=64))
    assert len(parts) > 3 and max(part.count for part in parts) <= 64


def test_an_interrupted_consumer_keeps_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_PROGRESS", str(tmp_path / "progress.json"))
    net, kept = he_normal_b(0, 2, 16, 16), []
    with pytest.raises(KeyboardInterrupt):
        for part in partitions(net, Plane.identity(), square(1.0), chunk=50):
            kept.append(part)
            if len(kept) == 3:
                raise KeyboardInterrupt
    told = json.loads((tmp_path / "progress.json").read_text())
    done = sum(float(part.area.sum()) for part in kept)
    assert told == {"label": "regions", "step": round(100 * done / 4), "total": 100} and 0 < done < 4
    outside = torch.cat([part.centres for part in kept])
    assert 3 < len(outside) < 225 and len((net[:1](outside) > 0).unique(dim=0)) > 1
    on_plane(net, chunk=50)
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 100


def test_the_boundary_of_a_linear_classifier_is_its_line():
    net = nn.Sequential(*lines((1, 0, 0), (-1, 0, 0)), linear([[2.0, -2.0]], [-1.0]))
    border = on_plane(net).boundary()
    assert torch.allclose(border.segments[..., 0], torch.tensor(0.5).double())
    assert border.segments[..., 1].abs().tolist() == [[1.0, 1.0]] and border.classes.tolist() == [[0, 1]]


def test_a_class_that_is_first_at_no_corner_has_its_strip():
    net = nn.Sequential(*lines((1, 0, 0), (-1, 0, 0)), linear([[1.0, -1], [-1, 1], [0, 0]], [0.0, 0.0, 0.5]))
    border = on_plane(net).boundary()
    found = {
        (tuple(pair), round(float(ends[0, 0]), 9))
        for pair, ends in zip(border.classes.tolist(), border.segments, strict=True)
    }
    assert found == {((0, 2), 0.5), ((1, 2), -0.5)}
    assert float((border.segments[:, 1] - border.segments[:, 0]).norm(dim=1).sum()) == pytest.approx(4)


def test_the_boundary_is_where_a_fine_grid_changes_its_class():
    net = nn.Sequential(*he_normal_b(5, 2, 12, 12, 4)[:-1])
    border = on_plane(net).boundary()
    ticks = torch.linspace(-1, 1, 201).double()
    for row in (-0.613, 0.0123, 0.417):
        classes = net(torch.stack([ticks, torch.full_like(ticks, row)], 1)).argmax(1)
        changes = int((classes[1:] != classes[:-1]).sum())
        crossed = ((border.segments[:, 0, 1] < row) != (border.segments[:, 1, 1] < row)).sum()
        assert changes <= crossed <= changes + 2


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 2, "stride": 3, "ceil_mode": True},
        {"kernel_size": (2, 3), "stride": (2, 1), "dilation": (2, 1)},
    ],
    ids=str,
)
def test_pairs_of_a_pool_are_those_that_meet_in_a_window(options):
    pool, shape = nn.MaxPool2d(**options), (6, 7)
    kernel, stride, padding, dilation = (
        (value, value) if isinstance(value, int) else value
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    rows, columns = pool(torch.zeros(1, *shape)).shape[1:]
    expected = set()
    for y, x in np.ndindex(rows, columns):
        inside = [
            (y * stride[0] - padding[0] + i * dilation[0], x * stride[1] - padding[1] + j * dilation[1])
            for i, j in np.ndindex(*kernel)
        ]
        flat = [i * shape[1] + j for i, j in inside if 0 <= i < shape[0] and 0 <= j < shape[1]]
        expected |= {(a, b) for a in flat for b in flat if a < b}
    for asked in (nn.Sequential(pool), Pooled(options)):
        graph = fx.symbolic_trace(asked)
        found = folds.pairs(list(graph.graph.nodes)[1], graph, x=torch.zeros(1, 1, *shape))
        assert set(map(tuple, found.tolist())) == expected


class Pooled(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.options = options

    def forward(self, x):
        return functional.max_pool2d(x, **self.options)


def test_maps_of_a_pooling_network_are_its_own():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(1, 3, 3), nn.MaxPool1d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(12, 2))
    plane = Plane.through(torch.randn(3, 1, 10))
    cells = partition(net, plane, square(2.0))
    own = net.double()(plane.at(cells.centres))
    assert torch.allclose((cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset, own, atol=1e-12)
    assert cells.count > cells.linear_count > 10  # losers can change places without a new map


def test_inputs_that_make_no_way_are_refused():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(InputError, match="another input"):
        segment(net, torch.ones(2), torch.ones(2))
    with pytest.raises(InputError, match="finite"):
        segment(net, torch.ones(2), torch.tensor([1.0, float("inf")]))


def test_a_line_along_a_fold_and_many_folds_at_one_place():
    net = lines((1, 0, 0), (0, 1, 0), (0, 2, 0), (1, 1, 0))
    way = segment(net, torch.tensor([0.0, -1.0]), torch.tensor([0.0, 3.0]))
    assert way.count == 2 and way.breaks.tolist() == [0.25] and way.layers == ("1",)
    assert way.bits.tolist() == [[False] * 4, [False, True, True, True]]


def test_compiled_loops_do_without_a_folder_to_keep_them(monkeypatch):
    from sslens.measures.regions import compiling

    real = compiling.njit

    def nowhere(*args, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(compiling, "njit", nowhere)
    assert compiling.compiled(lambda x: x + 1)(1) == 2
