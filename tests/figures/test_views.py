"""The grid of images."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from sslens.figures.views import grid
from sslens.types import InputError


def pixels(figure):
    kind, _, content = figure.data[0].source.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_every_image_lies_in_its_cell_and_the_original_stands_apart():
    images = torch.zeros(2, 3, 1, 4, 4)
    images[1, 2] = 0.5
    mosaic = pixels(grid(images, rows=["a", "b"], columns=["original", "view 1", "view 2"]))
    assert mosaic.shape == (10, 18)
    assert (mosaic[6:10, 14:18] == 128).all()
    assert (mosaic[:4, :4] == 0).all()
    assert (mosaic[:, 4:8] == 255).all()
    assert (mosaic[:, 12:14] == 255).all()


def test_names_stand_at_the_middle_of_their_images():
    figure = grid(torch.rand(1, 2, 3, 4, 4), rows=["cat"], columns=["original", "view"])
    assert figure.layout.xaxis.tickvals == (1.5, 9.5)
    assert figure.layout.yaxis.ticktext == ("cat",)
    assert figure.data[0].zsmooth is False


def test_colours_survive():
    image = torch.tensor([1.0, 0.5, 0.0]).reshape(1, 1, 3, 1, 1).expand(1, 1, 3, 2, 2)
    assert pixels(grid(image, rows=["cat"], columns=["original"]))[0, 0].tolist() == [255, 128, 0]


def test_brightness_beyond_the_range_is_shown_as_its_end():
    image = torch.tensor([-0.2, 1.3]).reshape(1, 1, 1, 1, 2)
    assert pixels(grid(image, rows=["cat"], columns=["original"])).tolist() == [[0, 255]]


def test_a_grid_of_digits_is_small():
    figure = grid(torch.rand(5, 8, 1, 16, 16), rows=list("abcde"), columns=list("abcdefgh"))
    assert len(figure.to_json()) < 20_000


@pytest.mark.parametrize(
    "images",
    [torch.zeros(0, 1, 1, 4, 4), torch.zeros(1, 1, 2, 4, 4), torch.full((1, 1, 1, 4, 4), float("nan"))],
)
def test_images_that_are_none_are_refused(images):
    with pytest.raises(InputError, match="images"):
        grid(images, rows=["cat"] * len(images), columns=["original"])


@pytest.mark.parametrize(("rows", "columns"), [([], ["original"]), (["cat"], ["original", "view"])])
def test_names_that_do_not_fit_are_refused(rows, columns):
    with pytest.raises(InputError, match="names"):
        grid(torch.zeros(1, 1, 1, 4, 4), rows=rows, columns=columns)
