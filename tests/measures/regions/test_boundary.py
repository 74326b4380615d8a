"""The decision boundary: closed forms, a fine grid, and points on the way between samples."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.regions.arrangements import linear, lines, on_plane, relu_stack
from torch import nn

from sslens.measures import regions
from sslens.types import InputError


def of_several_classes(stack, samples):
    """The stack without its last ReLU, its logits moved until each class is as large as the others on average."""
    net = nn.Sequential(*stack[:-1])
    net[-1].bias.data -= net(samples).mean(0)
    return net


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
    net = nn.Sequential(*relu_stack(5, 2, 12, 12, 4)[:-1])
    border = on_plane(net).boundary()
    ticks = torch.linspace(-1, 1, 201).double()
    for row in (-0.613, 0.0123, 0.417):
        classes = net(torch.stack([ticks, torch.full_like(ticks, row)], 1)).argmax(1)
        changes = int((classes[1:] != classes[:-1]).sum())
        crossed = ((border.segments[:, 0, 1] < row) != (border.segments[:, 1, 1] < row)).sum()
        assert changes <= crossed <= changes + 2


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_just_before_a_point_of_the_boundary_the_class_is_the_starts_and_just_behind_it_another(seed):
    draw = torch.Generator().manual_seed(seed)
    starts, ends = torch.randn(2, 20, 3, generator=draw).double()
    net = of_several_classes(relu_stack(seed, 3, 8, 8, 4), starts)
    found = regions.boundary_points(net, starts, ends=ends)
    classes = net(starts).argmax(1)
    parted = classes != net(ends).argmax(1)
    assert len(found) == int(parted.sum()) > 0
    step = 1e-9 * (ends - starts)[parted]
    assert net(found - step).argmax(1).equal(classes[parted])
    assert not (net(found + step).argmax(1) == classes[parted]).any()


def test_points_of_the_boundary_lie_where_the_exact_segment_changes_its_class():
    starts, ends = torch.rand(2, 40, 2, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    net = of_several_classes(relu_stack(5, 2, 12, 12, 4), starts)
    found, border = regions.boundary_points(net, starts, ends=ends), on_plane(net).boundary()
    assert len(found) > 10
    low, high = border.segments.unbind(1)
    along, apart = high - low, found[:, None] - low
    share = ((apart * along).sum(2) / (along**2).sum(1)).clamp(0, 1)[..., None]
    assert float((apart - share * along).norm(dim=2).amin(1).max()) < 1e-9


def test_the_boundary_of_images_has_the_shape_of_images_and_the_network_stays_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 2)).train()
    starts, ends = torch.zeros(6, 1, 2, 2), 9 * torch.randn(6, 1, 2, 2)
    assert regions.boundary_points(net, starts, ends=ends).shape[1:] == (1, 2, 2)
    assert net.training and net[2].weight.dtype == torch.float32


def test_where_the_network_has_one_class_only_there_is_no_boundary():
    net = nn.Sequential(linear([[0.0], [0.0]], [1.0, 0.0]))
    assert regions.boundary_points(net, torch.zeros(3, 1), ends=torch.ones(3, 1)).shape == (0, 1)


def test_what_has_no_boundary_points_is_refused():
    net = nn.Linear(2, 3)
    with pytest.raises(InputError, match="one for each start"):
        regions.boundary_points(net, torch.zeros(3, 2), ends=torch.zeros(2, 2))
    with pytest.raises(InputError, match=r"scores \(n, k\)"):
        regions.boundary_points(nn.Identity(), torch.zeros(3, 2, 2), ends=torch.zeros(3, 2, 2))
