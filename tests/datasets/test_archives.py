import gzip
import struct
import tarfile
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslens.datasets.archives import idx, members
from sslens.types import DamagedFile
from tests.datasets import formats
from tests.datasets.formats import archive_of, entry

GENERATOR = np.random.default_rng(0)
IMAGES, LABELS = GENERATOR.bytes(5_000), GENERATOR.bytes(7)
SIZES = {"set/images.bin": len(IMAGES), "set/labels.bin": len(LABELS)}


GOOD = [entry("set/images.bin", IMAGES), entry("set/labels.bin", LABELS)]


def save(path, entries):
    path.write_bytes(archive_of(entries))
    return path


@pytest.fixture
def archive(tmp_path):
    return save(tmp_path / "set.tar.gz", [entry("set", type=tarfile.DIRTYPE), *GOOD])


def read(path, sizes=SIZES):
    return dict(members(path, sizes))


def written(tmp_path, content):
    path = tmp_path / "set.gz"
    path.write_bytes(content)
    return path


# Members of a tar archive


@pytest.mark.parametrize("order", [1, -1])
def test_members_are_read_in_any_order(tmp_path, order):
    found = read(save(tmp_path / "set.tar.gz", GOOD[::order]), SIZES)
    assert {name: bytes(values.tolist()) for name, values in found.items()} == {
        "set/images.bin": IMAGES,
        "set/labels.bin": LABELS,
    }


def test_nothing_is_read_behind_the_last_member_wanted(tmp_path):
    behind = entry("set/unlabelled.bin", GENERATOR.bytes(3_000_000))
    path = save(tmp_path / "set.tar.gz", [*GOOD, behind])
    path.write_bytes(path.read_bytes()[:1_500_000])
    assert read(path).keys() == SIZES.keys()


MALICE = [
    entry("../escaped.bin", b"harm"),
    entry("set/../../escaped.bin", b"harm"),
    entry("/absolute.bin", b"harm"),
    entry("set/link.bin", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    entry("set/hard.bin", type=tarfile.LNKTYPE, linkname="../escaped.bin"),
    entry("set/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    entry("set/pipe", type=tarfile.FIFOTYPE),
    entry("set/unknown", b"harm", type=b"Z"),
    entry("./set/images.bin", b"harm"),
]


@pytest.mark.parametrize("malice", MALICE, ids=[member.name for member, _ in MALICE])
def test_members_nobody_wants_are_passed_over_and_touch_no_disk(tmp_path, monkeypatch, malice):
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    path = save(tmp_path / "inside" / "set.tar.gz", [malice, *GOOD])
    assert bytes(read(path)["set/images.bin"].tolist()) == IMAGES
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["inside", "set.tar.gz"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_a_member_that_is_wanted_must_be_an_ordinary_file(tmp_path, kind):
    (tmp_path / "labels.bin").write_bytes(LABELS)
    fake = entry("set/labels.bin", type=kind, linkname=str(tmp_path / "labels.bin"))
    with pytest.raises(DamagedFile, match=r"set/labels\.bin must be an ordinary file"):
        read(save(tmp_path / "set.tar.gz", [GOOD[0], fake]), SIZES)


@pytest.mark.parametrize("content", [LABELS[:-1], LABELS + b"?", b""])
def test_a_member_of_another_size_is_named(tmp_path, content):
    path = save(tmp_path / "set.tar.gz", [GOOD[0], entry("set/labels.bin", content)])
    with pytest.raises(DamagedFile, match=rf"set/labels\.bin must be a file of 7 bytes\. Got '{len(content)} bytes'"):
        read(path)


def test_a_missing_member_is_named(tmp_path):
    with pytest.raises(DamagedFile, match=r"no set/labels\.bin"):
        read(save(tmp_path / "set.tar.gz", GOOD[:1]), SIZES)


def test_the_first_of_two_members_of_a_name_counts(tmp_path):
    again = entry("set/images.bin", bytes(len(IMAGES)))
    found = read(save(tmp_path / "set.tar.gz", [GOOD[0], again, GOOD[1]]), SIZES)
    assert bytes(found["set/images.bin"].tolist()) == IMAGES


BOMBS = {
    "a member nobody wants": entry("set/bomb.bin", bytes(80_000_000)),
    "a member that is wanted": entry("set/images.bin", bytes(80_000_000)),
    "a name without end": entry("set/bomb.bin", bytes(80_000_000), type=tarfile.GNUTYPE_LONGNAME),
    "a header without end": entry("set/bomb.bin", bytes(80_000_000), type=tarfile.XHDTYPE),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, bomb):
    path = save(tmp_path / "set.tar.gz", [bomb, *GOOD])
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFile, match=r"at most 1,\d{3},\d{3} bytes, unpacked|a file of 5,000 bytes"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 2_000, 5_000])
def test_a_truncated_archive_is_refused(archive, kept):
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(DamagedFile, match="set"):
        read(archive)


def test_an_archive_cut_before_it_was_compressed_is_refused(archive):
    archive.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes())[:4_000]))
    with pytest.raises(DamagedFile):
        read(archive)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", gzip.compress(b"<html>", mtime=0), gzip.compress(b"", mtime=0), bytes(5_000)]
)
def test_what_is_no_gzipped_archive_is_refused(tmp_path, content):
    with pytest.raises(DamagedFile):
        read(written(tmp_path, content), SIZES)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 7_000), value=st.integers(0, 255), packs=st.booleans())
def test_no_single_wrong_byte_ends_in_anything_but_our_error(tmp_path_factory, at, value, packs):
    path = tmp_path_factory.getbasetemp() / "fuzzed.tar.gz"
    plain = bytearray(gzip.decompress(archive_of(GOOD)))
    content = bytearray(archive_of(GOOD)) if packs else plain
    content[at % len(content)] = value
    path.write_bytes(content if packs else gzip.compress(content))
    with suppress(DamagedFile):
        assert {name: len(values) for name, values in read(path).items()} == SIZES


# IDX


def test_idx_holds_its_values_row_by_row(tmp_path):
    values = GENERATOR.integers(0, 256, (4, 3, 5), dtype=np.uint8)
    assert np.array_equal(idx(written(tmp_path, gzip.compress(formats.idx(values))), (4, 3, 5)).numpy(), values)


def test_the_header_is_the_one_that_mnist_publishes(tmp_path):
    begins = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")  # 2051, 60000, 28, 28
    images = idx(written(tmp_path, gzip.compress(begins + bytes(60_000 * 784), 1)), (60_000, 28, 28))
    assert images.shape == (60_000, 28, 28) and images.dtype == torch.uint8
    labels = bytes.fromhex("00000801 00002710") + bytes(10_000)  # 2049, 10000
    assert idx(written(tmp_path, gzip.compress(labels)), (10_000,)).shape == (10_000,)


VALUES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
WRONG = {
    "another type": b"\0\0\x09\3" + formats.idx(VALUES)[4:],
    "another rank": formats.idx(VALUES.reshape(3, 4)),
    "fewer images": formats.idx(VALUES[:2]),
    "more images": formats.idx(np.concatenate([VALUES, VALUES])),
    "another shape": formats.idx(VALUES.reshape(3, 1, 4)),
    "little endian": struct.pack("<I3I", 0x803, 3, 2, 2) + VALUES.tobytes(),
    "a value too few": formats.idx(VALUES)[:-1],
    "a value too many": formats.idx(VALUES) + b"\0",
    "no values": formats.idx(VALUES)[:16],
    "half a header": formats.idx(VALUES)[:9],
    "nothing": b"",
    "a page": b"<html>The set has moved.</html>",
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_another_idx_file_is_refused(tmp_path, content):
    with pytest.raises(DamagedFile, match=r"set\.gz must be an IDX file of bytes in the shape \(3, 2, 2\)"):
        idx(written(tmp_path, gzip.compress(content)), (3, 2, 2))


@pytest.mark.parametrize("harm", [lambda good: good[:-9], lambda good: good[: len(good) // 2], lambda good: b"plain"])
def test_a_damaged_gzip_file_is_refused(tmp_path, harm):
    with pytest.raises(DamagedFile, match=r"set\.gz must be an archive that can be read"):
        idx(written(tmp_path, harm(gzip.compress(formats.idx(VALUES)))), (3, 2, 2))


def test_a_flipped_byte_in_a_gzip_file_is_noticed(tmp_path):
    content = bytearray(gzip.compress(formats.idx(VALUES), 0))  # stored as it is, only the sum at its end can tell
    content[-12] ^= 1
    with pytest.raises(DamagedFile, match="CRC"):
        idx(written(tmp_path, bytes(content)), (3, 2, 2))


def test_an_idx_bomb_is_read_no_further_than_its_shape(tmp_path):
    path = written(tmp_path, gzip.compress(formats.idx(VALUES) + bytes(80_000_000), 1))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFile, match="more than 12 values"):
            idx(path, (3, 2, 2))
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
