"""Zip archives from strangers: what is kept, what is refused, and that bombs stay small."""

import io
import stat
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from explain_core.errors import ImageError
from explain_core.images import archives
from explain_core.images.archives import class_of, read_zip

ORDINARY = {"cat/1.png": b"one", "dog/deep/2.png": b"two", "3.png": b"three"}


def zip_of(members, method=zipfile.ZIP_DEFLATED):
    """Return a zip of {path: content}; a path may be a `ZipInfo`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return file.getvalue()


def directory_entry(name, *, offset=0, packed=b"", size=0, method=0, crc=0, flags=0):
    sizes = (crc, len(packed), size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, flags, method, 0, 0, *sizes) + name


def local_entry(name, packed, *, size, method=0, crc=0, flags=0):
    sizes = (crc, len(packed), size, len(name), 0)
    return struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, flags, method, 0, 0, *sizes) + name + packed


def with_directory(body, entries):
    """Return a zip: `body`, then the table of contents `entries`, then its end record."""
    directory = b"".join(entries)
    count = min(len(entries), 0xFFFF)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def read(content):
    """Return ({path: content}, {path: reason})."""
    archive = read_zip(content)
    return dict(archive.pictures()), dict(archive.refused)


# ---- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_come_in_the_archive_s_order(method):
    assert list(read_zip(zip_of(ORDINARY, method)).pictures()) == list(ORDINARY.items())


def test_paths_are_known_before_anything_is_unpacked():
    assert read_zip(zip_of(ORDINARY)).paths == tuple(ORDINARY)


def test_a_stream_that_was_read_before_is_read_from_its_start():
    stream = io.BytesIO(zip_of(ORDINARY))
    stream.read()
    assert dict(read_zip(stream).pictures()) == ORDINARY
    assert not stream.closed


def test_pictures_may_be_read_twice():
    archive = read_zip(zip_of({"a.png": b"one", "b.png": b"PK\x03\x04nested"}))
    assert list(archive.pictures()) == list(archive.pictures()) == [("a.png", b"one")]
    assert len(archive.refused) == 1


def test_the_first_folder_is_the_class():
    assert [class_of(path) for path in ORDINARY] == ["cat", "dog", None]


def test_a_zip_after_other_bytes_is_read():
    assert read(b"a self-extracting stub" + zip_of(ORDINARY))[0] == ORDINARY


@pytest.mark.parametrize("path", ["./cat/1.png", "cat//1.png"])
def test_empty_parts_of_a_path_are_dropped(path):
    assert list(read(zip_of({path: b"x"}))[0]) == ["cat/1.png"]


@pytest.mark.parametrize("name", [b"k\x82tzchen.png", b"\xff\xfe\xfd.png"])
def test_names_that_are_no_utf8_are_kept(name):
    packed = b"pixels"
    fields = {"size": 6, "crc": zlib.crc32(packed)}
    body = local_entry(name, packed, **fields)
    kept, refused = read(with_directory(body, [directory_entry(name, packed=packed, **fields)]))
    assert (list(kept.values()), refused) == ([packed], {})


@pytest.mark.parametrize(
    "path",
    [
        "__MACOSX/cat/._1.png",
        "cat/.DS_Store",
        ".git/1.png",
        "cat/Thumbs.db",
        "thumbs.db",
        "desktop.ini",
        "cat/",
    ],
)
def test_what_systems_add_is_left_out_silently(path):
    assert read(zip_of({path: b"", "1.png": b"one"})) == ({"1.png": b"one"}, {})


def test_an_archive_of_nothing_has_no_pictures():
    assert read(zip_of({})) == ({}, {})


# ---- names that climb, and what is no file -------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../1.png", "climbs"),
        ("cat/../../1.png", "climbs"),
        ("cat/..", "climbs"),
        ("/etc/1.png", "root"),
        ("//server/1.png", "root"),
        ("C:/1.png", "drive"),
        ("c:1.png", "drive"),
        ("cat\\1.png", "backslash"),
        ("..\\1.png", "backslash"),
        ("cat\n1.png", "control characters"),
        ("cat\x1b[2J.png", "control characters"),
    ],
)
def test_paths_that_climb_are_refused_by_name(path, reason):
    kept, refused = read(zip_of({path: b"evil", "1.png": b"one"}))
    assert kept == {"1.png": b"one"}
    ((shown, why),) = refused.items()
    assert reason in why
    assert shown.isprintable()


def test_a_name_cut_by_a_zero_byte_is_refused():
    name = b"1.png\x00.exe"
    body = local_entry(name, b"", size=0)
    kept, refused = read(with_directory(body, [directory_entry(name)]))
    assert kept == {}
    assert "control characters" in refused["1.png\\x00.exe"]


def test_a_long_refused_name_is_shown_cut():
    (shown,) = read(zip_of({"../" + 5000 * "x": b"evil"}))[1]
    assert len(shown) <= 121


@pytest.mark.parametrize(("kind", "reason"), [(stat.S_IFLNK, "link"), (stat.S_IFIFO, "not a file")])
def test_links_and_devices_are_refused(kind, reason):
    info = zipfile.ZipInfo("1.png")
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    kept, refused = read(zip_of({info: b"/etc/passwd"}))
    assert kept == {}
    assert reason in refused["1.png"]


# ---- members that cannot be unpacked -------------------------------------------------------------


def test_encrypted_members_are_refused_with_the_way_out():
    fields = {"size": 3, "crc": zlib.crc32(b"one"), "flags": 1}
    body = local_entry(b"1.png", b"one", **fields)
    kept, refused = read(with_directory(body, [directory_entry(b"1.png", packed=b"one", **fields)]))
    assert kept == {}
    assert "without a password" in refused["1.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_methods_are_refused(method):
    """They inflate a whole chunk at once, whatever it grows to."""
    kept, refused = read(zip_of({"1.png": b"one"}, method))
    assert kept == {}
    assert "deflate" in refused["1.png"]


@pytest.mark.parametrize("damage", ["content", "packed stream", "local header"])
def test_a_broken_member_is_refused_and_the_rest_is_kept(damage):
    method = zipfile.ZIP_DEFLATED if damage == "packed stream" else zipfile.ZIP_STORED
    content = bytearray(zip_of({"1.png": b"one" * 9, "2.png": b"two"}, method))
    place = {"content": 35 + 4, "packed stream": 35, "local header": 1}[damage]
    content[place] ^= 0xFF
    kept, refused = read(bytes(content))
    assert kept == {"2.png": b"two"}
    assert "damaged" in refused["1.png"]


def test_a_member_that_lies_outside_the_file_is_refused():
    good = local_entry(b"2.png", b"", size=0)
    entries = [directory_entry(b"2.png"), directory_entry(b"1.png", offset=10**6)]
    kept, refused = read(with_directory(good, entries))
    assert kept == {"2.png": b""}
    assert "damaged" in refused["1.png"]


@pytest.mark.parametrize("path", ["inner.zip", "inner.tar.gz", "INNER.ZIP", "cat/inner.7z"])
def test_archives_within_are_not_opened(path):
    kept, refused = read(zip_of({path: zip_of(ORDINARY), "1.png": b"one"}))
    assert kept == {"1.png": b"one"}
    assert "not opened" in refused[path]


def test_an_archive_within_is_known_by_its_bytes_too():
    kept, refused = read(zip_of({"1.png": zip_of(ORDINARY)}))
    assert kept == {}
    assert "not opened" in refused["1.png"]


# ---- bombs ---------------------------------------------------------------------------------------


def test_a_member_that_grows_a_hundredfold_is_refused():
    kept, refused = read(zip_of({"1.png": bytes(3 * 2**20), "2.png": b"two"}))
    assert kept == {"2.png": b"two"}
    assert "100 times" in refused["1.png"]


def test_a_bomb_is_not_inflated_beyond_its_bound():
    bomb = zip_of({"1.png": bytes(200 * 2**20)})
    tracemalloc.start()
    read(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * archives.MAX_RATIO * len(bomb) < 45 * 2**20


def test_a_small_member_may_grow_by_any_factor():
    content = bytes(archives.RATIO_COUNTS_FROM_BYTES)
    assert read(zip_of({"1.png": content}))[0] == {"1.png": content}


def test_a_size_that_the_header_belittles_is_counted_as_it_is():
    """Inflating stops at the claimed size, and the checksum tells of the lie."""
    content = bytes(5 * 2**20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    fields = {"size": 10, "crc": zlib.crc32(content), "method": 8}
    body = local_entry(b"1.png", packed, **fields)
    kept, refused = read(with_directory(body, [directory_entry(b"1.png", packed=packed, **fields)]))
    assert kept == {}
    assert "damaged" in refused["1.png"]


def test_a_size_that_the_header_exaggerates_does_no_harm():
    fields = {"size": 2**32 - 2, "crc": zlib.crc32(b"one")}
    body = local_entry(b"1.png", b"one", **fields)
    kept, _ = read(with_directory(body, [directory_entry(b"1.png", packed=b"one", **fields)]))
    assert kept in ({}, {"1.png": b"one"})


def test_a_member_beyond_the_most_that_is_read_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 2**20)
    noise = np.random.default_rng(0).bytes(2**20 + 1)
    kept, refused = read(zip_of({"1.png": noise, "2.png": noise[:-1]}))
    assert kept == {"2.png": noise[:-1]}
    assert "1 MB unpacked" in refused["1.png"]


def test_all_members_together_are_bounded(monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 10)
    kept, refused = read(zip_of({"1.png": 6 * b"a", "2.png": 5 * b"b", "3.png": 4 * b"c"}))
    assert kept == {"1.png": 6 * b"a"}
    assert "in total" in refused["2.png"]
    assert "in total" in refused["3.png"]


def test_an_archive_beyond_the_most_that_is_read_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)
    with pytest.raises(ImageError, match="at most 0 MB are read: split it"):
        read_zip(zip_of(ORDINARY))


def test_as_many_members_as_allowed_are_read(monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    assert read(zip_of(ORDINARY))[0] == ORDINARY


def test_too_many_members_are_refused():
    many = {f"{index}.png": b"" for index in range(archives.MAX_MEMBERS + 1)}
    with pytest.raises(ImageError, match=r"more than 5000 files \(5001 entries\); split it"):
        read_zip(zip_of(many, zipfile.ZIP_STORED))


@pytest.mark.parametrize("name", [b"1.png", b"d/"])
def test_an_endless_table_of_contents_is_not_parsed(name):
    entry = directory_entry(name)
    content = with_directory(b"", (5 * 2**20 // len(entry)) * [entry])
    tracemalloc.start()
    with pytest.raises(ImageError, match="more than 5000 files"):
        read_zip(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(content) + 2**20


def test_members_that_share_their_packed_bytes_are_refused():
    packed = b"pixels"
    fields = {"size": 6, "crc": zlib.crc32(packed)}
    body = local_entry(b"1.png", packed, **fields)
    entries = [directory_entry(name, packed=packed, **fields) for name in (b"1.png", b"2.png")]
    with pytest.raises(ImageError, match="members overlap"):
        read_zip(with_directory(body, entries))


def test_members_that_quote_the_next_one_s_header_are_refused():
    """As in Fifield's bomb: each file holds all that follow it."""
    last = local_entry(b"2.png", b"pixels", size=6)
    first = local_entry(b"1.png", last, size=len(last))
    entries = [
        directory_entry(b"1.png", packed=last, size=len(last)),
        directory_entry(b"2.png", packed=b"pixels", size=6, offset=len(first) - len(last)),
    ]
    with pytest.raises(ImageError, match="members overlap"):
        read_zip(with_directory(first, entries))


# ---- what is no zip ------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK", b"\x89PNG\r\n\x1a\n", zip_of(ORDINARY)[:-30]])
def test_what_is_no_zip_is_refused(content):
    with pytest.raises(ImageError, match=r"not a zip archive, or is damaged .* ordinary \.zip"):
        read_zip(content)


def test_any_damage_ends_in_a_refusal():
    rng = np.random.default_rng(0)
    whole = zip_of(ORDINARY)
    for _ in range(500):
        content = bytearray(
            whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.2 else whole
        )
        for place in rng.integers(len(content), size=rng.integers(1, 5)):
            content[place] = rng.integers(256)
        try:
            kept, refused = read(bytes(content))
        except ImageError:
            continue
        assert len(kept) + len(refused) <= len(ORDINARY)
