"""What readers share: small lists, tables that may be wrong, run lengths."""

from __future__ import annotations

import gzip
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from explain_core.datasets.readers.files import (
    LazyExamples,
    Pictures,
    Strings,
    inner_path,
    lines,
    rows,
    words,
)
from explain_core.datasets.readers.masks import mask_of_runs, read_numbers
from explain_core.errors import InputError
from tests.core.datasets.readers.making import mask, picture, text


def test_strings_are_a_sequence() -> None:
    given = ["n01440764/a.JPEG", "", "größer/ü.png", "x"]
    strings = Strings(given)
    assert list(strings) == given
    assert strings[-1] == "x"
    assert strings[1:3] == tuple(given[1:3])
    with pytest.raises(IndexError):
        strings[4]


def test_a_hundred_thousand_pictures_take_little_memory() -> None:
    tracemalloc.start()
    try:
        pictures = Pictures(Path("set"), [f"class {index}" for index in range(1000)])
        for index in range(100_000):
            pictures.append(f"n01440764/n01440764_{index}.JPEG", index % 1000)
        examples = pictures.examples()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 27 bytes of name, 8 of its end, 4 of its class; lists grow by an eighth too much.
    assert held < 100_000 * 55
    assert examples[99_999].id == "n01440764/n01440764_99999.JPEG"
    assert examples[99_999].label == "class 999"


def test_slices_of_examples_are_lazy() -> None:
    def refuse(index: int) -> None:
        raise AssertionError("made before it was asked for")

    examples = LazyExamples(refuse, range(10))  # type: ignore[arg-type]
    assert len(examples[2:9:3]) == 3
    with pytest.raises(AssertionError, match="made before"):
        examples[2:9:3][1]


def test_lines_may_be_packed_and_tell_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "list.txt.gz").write_bytes(gzip.compress("\ufeffone\r\n\r\ntwo\n".encode()))
    found = list(lines(tmp_path / "list.txt.gz"))
    assert [content for _, content in found] == ["one", "two"]
    assert found[1][0] == "'list.txt.gz', line 3"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"abc"])
def test_damaged_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("packed.gz" if content == b"abc" else "list.txt")
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as text"):
        list(lines(path))


def test_short_line_names_its_form(tmp_path: Path) -> None:
    path = text(tmp_path / "images.txt", "1 a/b.jpg\n2\n")
    with pytest.raises(InputError, match=r"'images.txt', line 2 .*form NUMBER NAME"):
        list(words(path, 2, "NUMBER NAME"))


def test_last_word_takes_the_rest_of_the_line(tmp_path: Path) -> None:
    path = text(tmp_path / "families.txt", "1025794 Boeing 707\n")
    assert [found for _, found in words(path, 2, "")] == [["1025794", "Boeing 707"]]


def test_rows_strip_the_blanks_of_their_head(tmp_path: Path) -> None:
    path = text(tmp_path / "rle.csv", "ImageId, EncodedPixels\na, -1\n\nb,2 3\n")
    found = [row for _, row in rows(path, ("ImageId", "EncodedPixels"))]
    assert found == [
        {"ImageId": "a", "EncodedPixels": "-1"},
        {"ImageId": "b", "EncodedPixels": "2 3"},
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must name the columns a, b"),
        ("a;b\n1;2\n", r"must name the columns a, b .*it has a;b"),
        ("a,b\n1\n", r"'t.csv', line 2 has 1 values for 2 columns"),
        ('a,b\n"1,2\n', "cannot be read as a table"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(rows(text(tmp_path / "t.csv", content), ("a", "b")))


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b", ""])
def test_paths_stay_inside(path: str) -> None:
    with pytest.raises(InputError, match="inside the set's folder"):
        inner_path(path, "line 1")


# Run lengths


def decode_as_the_challenge_does(encoded: str, height: int, width: int) -> np.ndarray:
    """The challenge's own mask_functions.py, in words: runs from the end of the last, columns."""
    flat = np.zeros(width * height)
    values = [int(value) for value in encoded.split()]
    place = 0
    for offset, length in zip(values[0::2], values[1::2], strict=True):
        place += offset
        flat[place : place + length] = 255
        place += length
    return flat.reshape(width, height).T > 0


@pytest.mark.parametrize("encoded", ["0 1", "7 3 2 4 30 1", "59 1", "0 60", "5 0 3 2"])
def test_run_lengths_agree_with_the_challenge(encoded: str) -> None:
    expected = decode_as_the_challenge_does(encoded, 6, 10)
    np.testing.assert_array_equal(mask_of_runs(encoded, (6, 10), "film"), expected)


@pytest.mark.parametrize("encoded", ["1", "a b", "-1 2", "1 2 3", "50 11", "", "9" * 30 + " 1"])
def test_broken_run_lengths_are_refused(encoded: str) -> None:
    with pytest.raises(InputError, match=r"film 'x': run lengths"):
        mask_of_runs(encoded, (6, 10), "film 'x'")


# Masks


def test_missing_and_damaged_masks_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no mask 'a.png' for 'c/a.jpg'"):
        read_numbers(tmp_path / "a.png", "c/a.jpg")
    broken = tmp_path / "b.png"
    broken.write_bytes(picture(tmp_path / "whole.png").read_bytes()[:50])
    with pytest.raises(InputError, match=re.escape("'b.png' of 'c/b.jpg' cannot be read")):
        read_numbers(broken, "c/b.jpg")


def test_palettes_stay_numbers(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    numbers = np.array([[0, 1], [2, 9]], np.uint8)
    stored = Pillow.fromarray(numbers, "L").convert("P")
    stored.putpalette([255 - value for value in range(256) for _ in range(3)])
    stored.putdata(numbers.ravel().tolist())
    stored.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_numbers(tmp_path / "p.png", "p"), numbers)
    np.testing.assert_array_equal(read_numbers(mask(tmp_path / "l.png", numbers), "l"), numbers)
