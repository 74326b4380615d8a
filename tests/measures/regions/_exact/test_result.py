"""What a partition hands on to figures: plain numbers, and the decision boundary where it is wanted."""

import dataclasses

import pytest
import torch
from tests.measures.regions.arrangements import linear, lines, on_plane
from torch import nn

from sslens.types import Cells


@pytest.fixture
def found():
    """Four quadrants and a classifier whose boundary runs from side to side."""
    return on_plane(nn.Sequential(*lines((1, 0, 0), (0, 1, 0)), linear([[1.0, 1.0]], [-0.5])))


def test_a_picture_is_a_plain_record_of_the_cells(found):
    cells = found.picture()
    assert type(cells) is Cells and cells.count == found.count == 4 and cells.boundary is None
    assert torch.equal(cells.vertices, found.vertices) and torch.equal(cells.edges, found.edges.vertices)
    for cell in range(cells.count):
        ring = cells.corners[cells.starts[cell] : cells.starts[cell + 1]]
        assert torch.equal(cells.vertices[ring], found.polygon(cell))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cells.boundary = torch.zeros(0, 2, 2)


def test_every_side_of_a_cell_is_an_edge_of_the_picture_once(found):
    cells = found.picture()
    edges = [tuple(sorted(edge)) for edge in cells.edges.tolist()]
    sides = set()
    for cell in range(cells.count):
        ring = cells.corners[cells.starts[cell] : cells.starts[cell + 1]].tolist()
        sides |= {tuple(sorted(side)) for side in zip(ring, [*ring[1:], ring[0]], strict=True)}
    assert len(edges) == len(set(edges)) and set(edges) == sides


def test_the_decision_boundary_is_there_where_it_is_wanted(found):
    boundary = found.picture(boundary=True).boundary
    assert torch.equal(boundary, found.boundary().segments) and len(boundary) > 0
    x, y = boundary.clamp(min=0).unbind(-1)
    assert torch.allclose(x + y, torch.tensor(0.5).double())


def test_without_a_boundary_inside_the_segments_are_none_and_not_missing():
    net = nn.Sequential(*lines((1, 0, 0), (0, 1, 0)), linear([[1.0, 1.0]], [7.0]))
    assert on_plane(net).picture(boundary=True).boundary.shape == (0, 2, 2)
