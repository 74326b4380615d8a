"""The decision boundary: closed forms, and a fine grid."""

import pytest
import torch
from tests.measures.regions.arrangements import linear, lines, on_plane, relu_stack
from torch import nn


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
