"""The papers' protocols: nothing missing, nothing that cannot be run, and the right pictures."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.protocol import Protocol, Selection, choose
from explain_core.datasets.protocols import PAPERS, PROTOCOLS, protocol_named
from explain_core.datasets.readers.table import READERS
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.methods.table import METHODS
from explain_core.metrics.table import METRICS
from explain_core.parameters import fill_in
from explain_core.truth import Box, Truth
from tests.conftest import REPO

# Every table of the papers, and DiffCAM's figures with experiments of their own.
TABLES = {
    "diffcam": [f"Table {n}" for n in (1, 2, 3)] + [f"Figure {n}" for n in (3, 4, 5, 6, 7, 8)],
    "finer-cam": [f"Table {n}" for n in (1, 3, 4, 5, 6, 7)]
    + [f"Figure {n}" for n in (1, 10, 11, 12, 13)],
    "guided-absolute-grad": ["Table 1", "Table 2", "Table 3", "Figure 4"],
}


@pytest.mark.parametrize("paper", PAPERS)
def test_every_experiment_of_a_paper_is_there(paper: str) -> None:
    told = [protocol.table for protocol in PROTOCOLS.values() if protocol.paper == paper]
    for table in TABLES[paper]:
        assert any(re.search(rf"\b{table}\b", each) for each in told), table


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_what_a_protocol_names_exists(protocol: Protocol) -> None:
    assert protocol.paper in PAPERS
    assert protocol.name.startswith(protocol.paper)
    if protocol.dataset:
        parts = READERS[protocol.dataset].parts
        assert protocol.part in parts if parts else not protocol.part
    for each in protocol.methods:
        fill_in(METHODS[each.name].parameters, dict(each.values), each.name)
    for each in protocol.metrics:
        fill_in(METRICS[each.name].parameters, dict(each.values), each.name)
    for name, values in protocol.sweeps:
        for each in protocol.methods:
            known = {parameter.name: parameter for parameter in METHODS[each.name].parameters}
            assert [known[name].check(value) for value in values] == list(values)
    assert set(protocol.reversed) <= {each.name for each in protocol.methods}
    compared = {METHODS[each.name].compares_with for each in protocol.methods}
    assert protocol.against != "nothing" or not compared & {"classes", "pictures"}


def test_truth_that_metrics_need_is_there() -> None:
    for protocol in PROTOCOLS.values():
        needs = {METRICS[each.name].needs for each in protocol.metrics}
        if "truth" in needs:
            assert re.search("mask|box", READERS[protocol.dataset].truth), protocol.name
        if "parts" in needs:
            assert "parts" in READERS[protocol.dataset].truth, protocol.name


def test_the_papers_numbers() -> None:
    localization = protocol_named("diffcam-localization").selection
    assert (localization.num_images, localization.num_boxes) == (500, 1)
    assert localization.max_box_share == 0.5
    assert protocol_named("diffcam-localization").num_references == 100
    assert protocol_named("diffcam-road").num_scored == 1000
    scored = {
        protocol.dataset: (
            protocol.num_scored,
            protocol.input_px,
            protocol.selection.min_probability,
        )
        for protocol in PROTOCOLS.values()
        if protocol.paper == "guided-absolute-grad" and protocol.dataset
    }
    assert scored == {
        "imagenet-s": (3976, 256, 0.9),
        "isic": (3000, 448, 0.9),
        "places365": (5432, 224, 0.9),
    }
    finer = [
        p for p in PROTOCOLS.values() if p.name.startswith(("finer-cam-clip", "finer-cam-dino"))
    ]
    assert len(finer) == 10


def test_every_protocol_is_documented() -> None:
    documented = (REPO / "docs" / "datasets.md").read_text(encoding="utf-8")
    for name, protocol in PROTOCOLS.items():
        assert f"| `{name}` | {protocol.table} | {protocol.summary} |" in documented


def test_unknown_protocol_is_refused() -> None:
    with pytest.raises(InputError, match=r"no protocol 'table-1'; choose one of diffcam-mnist"):
        protocol_named("table-1")


# Which pictures


def boxed(num: int, *, reads: list[int] | None = None) -> Dataset:
    """Make pictures of 10 x 10: number i has i % 3 boxes, each of (i % 10) x 10 pixels."""

    def read(index: int):  # type: ignore[no-untyped-def]
        if reads is not None:
            reads.append(index)
        return image_from_pixels(np.zeros((10, 10), np.uint8))

    def truth(index: int, other: str | None) -> Truth | None:
        height = index % 10
        boxes = tuple(Box(0, 0, height, 10) for _ in range(index % 3) if height)
        return Truth(boxes=boxes) if boxes else None

    examples = [
        Example(str(index), "ab"[index % 2], partial(read, index), partial(truth, index))
        for index in range(num)
    ]
    return Dataset("made", "Made", ("a", "b"), examples, frozenset({"boxes"}))


def test_single_small_boxes_are_chosen() -> None:
    chosen = choose(boxed(120), Selection(num_boxes=1, max_box_share=0.5))
    expected = [i for i in range(120) if i % 3 == 1 and 0 < i % 10 < 5]
    assert [int(example.id) for example in chosen.examples] == expected


def test_a_draw_is_seeded_in_order_and_reads_no_more_than_it_must() -> None:
    reads: list[int] = []
    selection = Selection(num_images=5, num_boxes=1, max_box_share=0.5)
    first = [example.id for example in choose(boxed(3000, reads=reads), selection, seed=1).examples]
    again = [example.id for example in choose(boxed(3000), selection, seed=1).examples]
    other = [example.id for example in choose(boxed(3000), selection, seed=2).examples]
    assert first == again != other
    assert first == sorted(first, key=int)
    assert len(first) == 5
    assert len(reads) < 60


def test_labels_are_chosen() -> None:
    chosen = choose(boxed(10), Selection(labels=("b",), num_images=3))
    assert {example.label for example in chosen.examples} == {"b"}
    assert len(chosen.examples) == 3


def test_everything_is_the_set_itself() -> None:
    dataset = boxed(4)
    assert choose(dataset, Selection(num_images=9)) is dataset
    assert choose(dataset, Selection(min_probability=0.9)) is dataset


def test_selections_that_fit_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="'made' has no class 'c'"):
        choose(boxed(4), Selection(labels=("c",)))
    with pytest.raises(InputError, match="no picture of 'made' fits"):
        choose(boxed(9), Selection(num_boxes=7))
    bare = Dataset("bare", "Bare", ("a",), boxed(2).examples)
    with pytest.raises(InputError, match="'bare' has no boxes"):
        choose(bare, Selection(num_boxes=1))
