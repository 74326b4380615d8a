import random

import numpy as np
import pytest
import torch
from PIL import Image

from sslens.datasets import images
from sslens.types import DamagedFile


@pytest.fixture
def read(tmp_path):
    """Save a picture and read it back as bytes (3, size, size)."""

    def write_and_decode(picture, name="picture.png", size=8, **options):
        picture.save(tmp_path / name, **options)
        return images.decode(tmp_path, [name], size=size)[0]

    return write_and_decode


def flat(pixels):
    return {tuple(colour) for colour in pixels.flatten(1).T.tolist()}


def test_an_rgb_png_of_the_right_size_comes_back_bit_for_bit(read):
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.array_equal(read(Image.fromarray(picture)).numpy(), picture.transpose(2, 0, 1))


def test_a_jpeg_comes_back_close(read):
    pixels = read(Image.new("RGB", (40, 40), (200, 100, 50)), "picture.JPG", format="JPEG")
    assert (pixels.int() - torch.tensor([200, 100, 50])[:, None, None]).abs().max() <= 3


def test_grey_fills_all_three_channels(read):
    assert flat(read(Image.new("L", (20, 10), 77))) == {(77, 77, 77)}
    assert flat(read(Image.new("1", (20, 10), 1))) == {(255, 255, 255)}
    assert flat(read(Image.new("L", (8, 8), 77), "grey.jpg")) == {(77, 77, 77)}


def test_sixteen_bits_of_grey_keep_their_upper_eight(read):
    picture = Image.fromarray(np.full((8, 8), 0x8001, np.uint16))
    assert flat(read(picture)) == {(128, 128, 128)}


def test_transparency_shows_white(read):
    assert flat(read(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))) == {(255, 255, 255)}
    assert flat(read(Image.new("LA", (8, 8), (0, 51)))) == {(204, 204, 204)}  # 51/255 of black over white
    assert flat(read(Image.new("RGBA", (8, 8), (9, 8, 7, 255)))) == {(9, 8, 7)}


def test_palettes_give_their_colours_and_their_transparent_entry_white(read):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    assert flat(read(picture)) == {(10, 20, 30)}
    assert flat(read(picture, "clear.png", transparency=1)) == {(255, 255, 255)}


def test_cmyk_jpegs_are_brought_to_rgb(read):
    pixels = read(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "print.jpeg")
    assert pixels[0].min() > 240
    assert pixels[1:].max() < 15


def test_the_central_square_is_kept(read):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    assert flat(read(Image.fromarray(wide), size=10)) == {(255, 255, 255)}
    assert flat(read(Image.fromarray(wide.transpose(1, 0, 2)), size=10)) == {(255, 255, 255)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (301, 7), (33, 31)])
def test_odd_sizes_give_a_square(read, shape):
    assert tuple(read(Image.new("RGB", shape, "blue"), size=9).shape) == (3, 9, 9)


def test_shrinking_averages_instead_of_skipping(read):
    board = np.indices((64, 64)).sum(0) % 2 * 255
    pixels = read(Image.fromarray(board.astype(np.uint8)), size=8)
    assert (pixels.int() - 127).abs().max() <= 3


def test_exif_orientation_is_applied(read):
    picture, exif = np.zeros((16, 16, 3), np.uint8), Image.Exif()
    picture[:, :8] = 255  # stored white on the left
    exif[0x0112] = 6  # to be turned a quarter clockwise: white on top
    pixels = read(Image.fromarray(picture), "turned.png", size=16, exif=exif)
    assert pixels[:, :8].min() == 255
    assert pixels[:, 8:].max() == 0


@pytest.mark.parametrize("name", ["turned.tif", "turned.webp"])
def test_exif_orientation_is_applied_once_where_the_decoder_applies_it_already(read, name):
    picture, exif = np.zeros((16, 16, 3), np.uint8), Image.Exif()
    picture[:, :8] = 255
    exif[0x0112] = 6
    options = {"lossless": True} if name.endswith("webp") else {}
    pixels = read(Image.fromarray(picture), name, size=16, exif=exif, **options)
    assert (pixels[:, :8].min(), pixels[:, 8:].max()) == (255, 0)


@pytest.mark.parametrize("name", ["moving.gif", "pages.tif", "moving.webp", "moving.png"])
def test_of_several_pictures_the_first_is_taken(read, name):
    first, *others = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime"))
    options = {"lossless": True} if name.endswith("webp") else {}
    assert flat(read(first, name, save_all=True, append_images=others, **options)) == {(255, 0, 0)}


def test_a_format_is_read_in_the_file_and_not_in_its_ending(read):
    picture = Image.new("RGB", (8, 8), (9, 80, 200))
    assert flat(read(picture, "really_webp.jpg", format="WEBP", lossless=True)) == {(9, 80, 200)}
    assert flat(read(picture, "really_bmp.png", format="BMP")) == {(9, 80, 200)}


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_thirty_two_bits_are_refused_because_nobody_knows_their_white(read, kind):
    with pytest.raises(DamagedFile, match=r"deep\.tif.*32 bits per value"):
        read(Image.fromarray(np.full((8, 8), 70_000, kind)), "deep.tif")


def test_sixteen_bits_of_a_tiff_keep_their_upper_eight(read):
    assert flat(read(Image.fromarray(np.full((8, 8), 0x8001, np.uint16)), "deep.tif")) == {(128, 128, 128)}


def test_damaged_images_are_noted_where_a_place_for_them_is_given(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    damaged = {}
    pixels = images.decode(tmp_path, ["bad.png", "good.png", "gone.png"], size=8, damaged=damaged)
    assert sorted(damaged) == [0, 2] and all(isinstance(each, DamagedFile) for each in damaged.values())
    assert [flat(each) for each in pixels] == [{(0, 0, 0)}, {(255, 0, 0)}, {(0, 0, 0)}]
    assert str(tmp_path) not in str(damaged[0])


@pytest.mark.parametrize("harm", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"GIF89a" + b, lambda b: b[:30]])
@pytest.mark.parametrize("name", ["bad.png", "bad.jpg", "bad.gif", "bad.bmp", "bad.tif", "bad.webp"])
def test_a_damaged_image_is_named(tmp_path, harm, name):
    Image.effect_noise((64, 64), 50).save(tmp_path / name)
    (tmp_path / name).write_bytes(harm((tmp_path / name).read_bytes()))
    with pytest.raises(DamagedFile, match=name):
        images.decode(tmp_path, [name], size=8)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it mends
@pytest.mark.parametrize("name", ["bad.png", "bad.jpg", "bad.gif", "bad.bmp", "bad.tif", "bad.webp"])
def test_flipped_bits_give_an_image_or_the_name_of_the_file(tmp_path, name):
    Image.effect_noise((24, 24), 50).save(tmp_path / name)
    good, dice = (tmp_path / name).read_bytes(), random.Random(0)
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        (tmp_path / name).write_bytes(bad)
        try:
            assert tuple(images.decode(tmp_path, [name], size=8).shape) == (1, 3, 8, 8)
        except DamagedFile as error:
            assert name in str(error)


def test_other_formats_behind_the_ending_are_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "really.png", format="PPM")
    with pytest.raises(DamagedFile, match=r"really\.png"):
        images.decode(tmp_path, ["really.png"], size=8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [11, 15])  # above Pillow's limit it warns, above twice the limit it raises
def test_too_many_pixels_are_refused(tmp_path, monkeypatch, side):
    Image.new("RGB", (side, side)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DamagedFile, match=r"bomb\.png.*[Bb]omb"):
        images.decode(tmp_path, ["bomb.png"], size=8)


def test_blocks_and_threads_keep_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "BLOCK", 3)
    names = [f"{i}.png" for i in range(20)]
    for i, name in enumerate(names):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 3000  # large enough for threads
    alone = torch.cat([images.decode(tmp_path, [name], size=16) for name in names])
    assert torch.equal(images.decode(tmp_path, names, size=16), alone)


def test_progress_is_shown_for_many_images_only(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(images, "progress", lambda items, total, label: shown.append((total, label)) or items)
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    images.decode(tmp_path, ["one.png"] * 2000, size=8)
    assert shown == []
    images.decode(tmp_path, ["one.png"] * 2001, size=8)
    assert shown == [(9, "2001 images, by 250")]
