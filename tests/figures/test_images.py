"""The grid of images, and the table as colours."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from tests.figures.labelled import along

from sslens.figures import heat, images
from sslens.types import InputError


def pixels(figure):
    kind, _, content = figure.data[0].source.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def grid(tensor, rows=("cat",), columns=("original",)):
    return images(tensor, rows=list(rows), columns=list(columns), title="Views")


def test_every_image_lies_in_its_cell_and_the_original_stands_apart():
    tensor = torch.zeros(2, 3, 1, 4, 4)
    tensor[1, 2] = 0.5
    mosaic = pixels(grid(tensor, ["a", "b"], ["original", "view 1", "view 2"]))
    assert mosaic.shape == (10, 18)
    assert (mosaic[6:10, 14:18] == 128).all()
    assert (mosaic[:4, :4] == 0).all()
    assert (mosaic[:, 4:8] == 255).all()
    assert (mosaic[:, 12:14] == 255).all()


def test_names_stand_at_the_middle_of_their_images():
    figure = grid(torch.rand(1, 2, 3, 4, 4), ["<cat>"], ["original", "view"])
    assert figure.layout.xaxis.tickvals == (1.5, 9.5)
    assert figure.layout.yaxis.ticktext == ("&lt;cat&gt;",)
    assert figure.data[0].zsmooth is False


def test_colours_survive():
    image = torch.tensor([1.0, 0.5, 0.0]).reshape(1, 1, 3, 1, 1).expand(1, 1, 3, 2, 2)
    assert pixels(grid(image))[0, 0].tolist() == [255, 128, 0]


def test_brightness_beyond_the_range_is_shown_as_its_end():
    assert pixels(grid(torch.tensor([-0.2, 1.3]).reshape(1, 1, 1, 1, 2))).tolist() == [[0, 255]]


def test_a_grid_of_digits_is_small():
    figure = grid(torch.rand(5, 8, 1, 16, 16), "abcde", "abcdefgh")
    assert len(figure.to_json()) < 20_000


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(0, 1, 1, 4, 4), torch.zeros(1, 1, 2, 4, 4), torch.full((1, 1, 1, 4, 4), float("nan"))],
)
def test_images_that_are_none_are_refused(tensor):
    with pytest.raises(InputError, match="pixels"):
        grid(tensor, ["cat"] * len(tensor))


@pytest.mark.parametrize(("rows", "columns"), [([], ["original"]), (["cat"], ["original", "view"])])
def test_names_that_do_not_fit_are_refused(rows, columns):
    with pytest.raises(InputError, match="names"):
        grid(torch.zeros(1, 1, 1, 4, 4), rows, columns)


TABLE = along([[-20.0, 10.0, 0.0], [0.0, 0.0, 40.0]], name="gain", unit="points", labels=["5", "<all>"], beta=[0, 1, 2])


def test_rows_go_down_in_order_and_everything_is_named():
    figure = heat(TABLE, title="Where?")
    layout, cells = figure.layout, figure.data[0]
    assert cells.z.tolist() == TABLE.values.tolist()
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("beta", "labels")
    assert layout.yaxis.ticktext == ("5", "&lt;all&gt;") and layout.yaxis.autorange == "reversed"
    assert cells.colorbar.title.text == "gain (points)"
    assert cells.customdata[1][2] == "labels &lt;all&gt;, beta 2"


def test_colours_part_at_the_centre_and_signs_are_written_around_zero():
    cells = heat(TABLE, title="T", centre=0.0, digits=1).data[0]
    assert (cells.zmin, cells.zmax) == (-40, 40)
    assert cells.texttemplate == "%{z:+.1f}"
    around = heat(TABLE, title="T", centre=10.0).data[0]
    assert (around.zmin, around.zmax) == (-20, 40) and "+" not in around.texttemplate
    assert heat(TABLE, title="T").data[0].zmin is None


def test_a_table_without_any_difference_is_drawn():
    assert heat(TABLE * 0, title="T", centre=0.0).data[0].zmax > 0


def test_nothing_rounds_to_minus_zero():
    cells = heat(TABLE - 1e-5, title="T").data[0]
    assert not np.signbit(np.asarray(cells.z)[np.asarray(cells.z) == 0]).any()


def test_marked_cells_are_framed_in_places_of_the_axes():
    figure = heat(TABLE, title="T", marked=(TABLE.max("beta") == TABLE).rename("best of the row"))
    frame = np.stack([figure.data[1].x, figure.data[1].y], 1).reshape(-1, 6, 2)
    assert np.nanmean(frame[:, :4], 1).tolist() == [[1, 0], [2, 1]]
    assert "framed: best of the row" in figure.layout.title.text


def test_even_numbers_across_are_a_numeric_axis_and_others_are_names():
    assert heat(TABLE, title="T").layout.xaxis.range == (-0.5, 2.5)
    assert heat(TABLE.assign_coords(beta=[0, 1, 5]), title="T").layout.xaxis.ticktext == ("0", "1", "5")
    assert heat(TABLE.assign_coords(beta=list("abc")), title="T").layout.xaxis.ticktext == ("a", "b", "c")


@pytest.mark.parametrize(
    ("array", "marked"),
    [(TABLE[0], None), (TABLE * np.nan, None), (TABLE, TABLE[:1] > 0), (TABLE, (TABLE > 0).T)],
)
def test_what_is_no_table_is_refused(array, marked):
    with pytest.raises(InputError):
        heat(array.rename("gain"), title="T", marked=marked)
