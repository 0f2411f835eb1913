"""CUB-200-2011: a tiny set of its form, and the real annotations."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from explain_core.datasets.readers.cub import read_cub
from explain_core.datasets.readers.cub_attributes import GROUPS, Attributes, differing_parts
from explain_core.errors import InputError
from explain_core.truth import Box, Part
from tests.core.datasets.readers.making import SIZE, mask, picture, square, text

CLASSES = ("001.Albatross", "002.Auklet", "003.Ani")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of three species with two parts; the second and third are for training."""
    root = tmp_path / "CUB_200_2011"
    paths = [
        f"{CLASSES[0]}/a.jpg",
        f"{CLASSES[0]}/b.jpg",
        f"{CLASSES[1]}/c.jpg",
        f"{CLASSES[2]}/d.jpg",
    ]
    for number, path in enumerate(paths, 1):
        picture(root / "images" / path, number)
    listed = enumerate(paths, 1)
    text(root / "images.txt", "".join(f"{number} {path}\n" for number, path in listed))
    text(root / "classes.txt", "".join(f"{i} {name}\n" for i, name in enumerate(CLASSES, 1)))
    text(root / "image_class_labels.txt", "1 1\n2 1\n3 2\n4 3\n")
    text(root / "train_test_split.txt", "1 0\n2 1\n3 1\n4 0\n")
    text(root / "bounding_boxes.txt", "".join(f"{n} {n}.0 2.0 10.0 20.0\n" for n in range(1, 5)))
    text(root / "parts" / "parts.txt", "1 beak\n2 left wing\n")
    text(
        root / "parts" / "part_locs.txt",
        "".join(f"{n} 1 {n}.0 5.0 1\n{n} 2 0.0 0.0 0\n" for n in range(1, 5)),
    )
    return root


def write_attributes(root: Path, values: list[list[float]]) -> None:
    """Write five attributes: two of the bill, three of the wing."""
    names = ("has_bill_shape::hooked", "has_bill_shape::needle", "has_wing_color::a")
    names += ("has_wing_color::b", "has_wing_color::c", "has_bill_length::long")
    names += ("has_bill_color::red", "has_wing_shape::long", "has_wing_pattern::solid")
    text(
        root / "attributes" / "attributes.txt",
        "".join(f"{number} {name}\n" for number, name in enumerate(names, 1)),
    )
    text(
        root / "attributes" / "class_attribute_labels_continuous.txt",
        "".join(" ".join(map(str, [*row, 100, 100, 100, 100])) + "\n" for row in values),
    )


def test_test_part_has_box_and_parts(folder: Path) -> None:
    dataset = read_cub(folder)
    assert [(example.id, example.label) for example in dataset.examples] == [
        ("001.Albatross/a.jpg", "001.Albatross"),
        ("003.Ani/d.jpg", "003.Ani"),
    ]
    truth = dataset.examples[1].truth(None)
    assert truth is not None
    assert truth.boxes == (Box(2, 4, 22, 14),)
    assert truth.parts == (Part("beak", 5, 4, True), Part("left wing", 0, 0, False))
    assert truth.mask is None
    assert dataset.truths == {"boxes", "parts"}
    assert dataset.examples[1].read().pixels[0, 0, 0] == 4
    assert dataset.classes == CLASSES


@pytest.mark.parametrize(("part", "names"), [("train", "bc"), ("all", "abcd")])
def test_other_parts(folder: Path, part: str, names: str) -> None:
    examples = read_cub(folder, part).examples  # type: ignore[arg-type]
    assert "".join(Path(example.id).stem for example in examples) == names


def test_segmentations_are_masks(folder: Path) -> None:
    gray = np.full(SIZE, 51, np.uint8)
    gray[square(5, 6, 20, 30)] = 204
    mask(folder / "segmentations" / "001.Albatross" / "a.png", gray)
    dataset = read_cub(folder)
    truth = dataset.examples[0].truth(None)
    assert "mask" in dataset.truths
    assert truth is not None
    np.testing.assert_array_equal(truth.area(SIZE), square(5, 6, 20, 30))
    with pytest.raises(InputError, match=r"no mask 'd.png'"):
        dataset.examples[1].truth(None)


def test_without_attributes_differences_are_unknown(folder: Path) -> None:
    example = read_cub(folder).examples[0]
    assert example.truth("002.Auklet") is None
    with pytest.raises(InputError, match=r"'004.Gull' is no class of this set"):
        example.truth("004.Gull")


def test_differing_parts_are_those_of_the_attributes(folder: Path) -> None:
    # Albatross and Auklet differ in the bill alone, Albatross and Ani in both, in the wing most.
    write_attributes(folder, [[100, 0, 50, 50, 0], [0, 100, 50, 50, 0], [40, 60, 0, 0, 100]])
    albatross, ani = read_cub(folder).examples
    for example, other, names in (
        (albatross, "002.Auklet", {"beak"}),
        (albatross, "003.Ani", {"beak", "left wing"}),
        (ani, "001.Albatross", {"beak", "left wing"}),
    ):
        truth = example.truth(other)
        assert truth is not None
        assert {part.name for part in truth.parts} == names
        assert truth.mask is None
        assert truth.boxes == ()


def slow_dissimilarity(first: list[float], second: list[float]) -> float:
    """`Σ p log(2p/(p+q)) + q log(2q/(p+q))`, one value after the other."""
    smooth = [[value + 0.001 * max(sum(row), 1) for value in row] for row in (first, second)]
    p, q = ([value / sum(row) for value in row] for row in smooth)
    total = 0.0
    for a, b in zip(p, q, strict=True):
        total += a * np.log(2 * a / (a + b)) + b * np.log(2 * b / (a + b))
    return total


def test_most_alike_fifth_of_all_triples_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names, sizes = sorted({group for groups in GROUPS.values() for group in groups}), {}
    listed = []
    for group in names:
        sizes[group] = int(rng.integers(2, 6))
        listed += [f"{group}::{value}" for value in range(sizes[group])]
    table = rng.integers(0, 101, (7, len(listed))).astype(float)
    attributes = Attributes(
        text(tmp_path / "a.txt", "".join(f"{i} {name}\n" for i, name in enumerate(listed, 1))),
        text(tmp_path / "v.txt", "\n".join(" ".join(map(str, row)) for row in table)),
    )
    differing = differing_parts(attributes, tuple(GROUPS), 7)

    def of_part(part: str, a: int, b: int) -> float:
        values = []
        for group in GROUPS[part]:
            start = listed.index(f"{group}::0")
            place = slice(start, start + sizes[group])
            values.append(slow_dissimilarity(table[a, place].tolist(), table[b, place].tolist()))
        return float(np.mean(values))

    all_values = sorted(of_part(part, a, b) for part in GROUPS for a in range(7) for b in range(7))
    threshold = all_values[int(0.2 * len(all_values))]
    for a, b in ((0, 1), (5, 2), (6, 3)):
        expected = {part for part in GROUPS if of_part(part, a, b) > threshold + 1e-12}
        assert differing(a, b) == differing(b, a) == expected
    assert differing(4, 4) == frozenset()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("images.txt", "1\n", r"'images.txt', line 1 .*NUMBER NAME"),
        ("images.txt", "1 ../a.jpg\n", r"must be a path inside the set's folder"),
        ("image_class_labels.txt", "1 1\n2 1\n3 2\n", "no line for picture 4"),
        ("image_class_labels.txt", "1 1\n2 1\n3 2\n4 9\n", "numbers from 1 to 3"),
        ("train_test_split.txt", "1 a\n", r"'train_test_split.txt', line 1: all values must be"),
        ("bounding_boxes.txt", "1 2 3\n", r"form PICTURE X Y WIDTH HEIGHT"),
        ("parts/part_locs.txt", "1 7 0 0 1\n", "names picture or part 7"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    folder: Path, file: str, content: str, message: str
) -> None:
    text(folder / file, content)
    with pytest.raises(InputError, match=message):
        read_cub(folder)


def test_broken_attributes_are_refused(folder: Path) -> None:
    write_attributes(folder, [[1, 2, 3, 4, 5]])
    with pytest.raises(InputError, match="must have 3 lines of 9 numbers"):
        read_cub(folder).examples[0].truth("002.Auklet")


def test_missing_file_says_what_the_set_needs(folder: Path) -> None:
    (folder / "parts" / "part_locs.txt").unlink()
    with pytest.raises(InputError, match=r"part_locs.txt' .*CUB-200-2011 needs images/CLASS/NAME"):
        read_cub(folder)
    with pytest.raises(InputError, match="there is no folder"):
        read_cub(folder / "nowhere")


def test_real_annotations(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "segmented" / "cub2011_parts"
    entries = {
        entry["image_id"]: entry for entry in json.loads((source / "annotations.json").read_text())
    }
    (tmp_path / "annotations").symlink_to(source / "annotations")
    with gzip.open(source / "annotations" / "images.txt.gz", "rt") as file:
        path_of = {int(line.split()[0]): line.split()[1] for line in file}
    for number, entry in entries.items():
        link = tmp_path / "images" / path_of[number]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source / entry["file"])
    dataset = read_cub(tmp_path, "all")
    assert (len(dataset.examples), len(dataset.classes)) == (11788, 200)
    for number, entry in entries.items():
        example = dataset.examples[number - 1]
        assert example.id == path_of[number]
        assert example.label == entry["cub_class"]
        image, truth = example.read(), example.truth(None)
        assert image.size == tuple(entry["size"][::-1])
        assert truth is not None
        left, top, width, height = entry["bbox_xywh"]
        assert truth.boxes == (Box(top, left, top + height, left + width),)
        assert [(part.name, part.row, part.column, part.is_visible) for part in truth.parts] == [
            (part["part"], part["y"], part["x"], bool(part["visible"])) for part in entry["parts"]
        ]
