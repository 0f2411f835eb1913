"""Lesson 2, second part: which zeros are strange zeros, and what is strange in them?"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components import caching, state
from components.gallery import Tile, gallery
from components.lessons.lesson import link_key
from components.lessons.not_eight_drawing import a_digit, digits, sample_bytes, samples
from components.map_viewer import Panel, meaning, show_maps
from components.parameter_panel import parameters_of
from components.wording import percent, took_effect
from explain_core import Image, Model, ReferenceSet, read_image
from explain_core.methods.store import EvidenceStore
from explain_core.references.bank import Bank
from explain_core.references.judging import distances
from explain_core.types import Array

_NUM_STRANGE = 4
_NUM_TYPICAL = 3
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_MINE = "mine"
_ENLARGED = 4


@dataclass(frozen=True, eq=False)
class Example:
    """Hold one picture of a digit, and how far it lies from the mean of real handwriting.

    Attributes:
        tile: (h, w, 3) uint8, the picture as the network sees it, enlarged.
    """

    image: Image
    distance: float
    tile: Array


def show_varying_digit(lesson: str) -> None:
    """Show the part's screen."""
    model, bank = digits()
    digit: int = st.pills(
        "Digit",
        list(range(10)),
        default=0,
        required=True,
        wrap=True,
        key=link_key(lesson, "digit"),
        bind="query-params",
    )
    plural = _plural(digit)
    st.markdown(
        f":material/touch_app: **Do:** Look at one of the {plural} after the other.  \n"
        f":material/visibility: **See:** The map glows where it has more than other {plural}."
    )
    references = caching.bank_set(bank, (digit,))
    examples = caching.shared(
        (lesson, "examples", model.key, references.digest),
        lambda: _examples(model, bank, references, digit),
    )
    shown = dict(zip(string.ascii_uppercase, examples, strict=False))
    letters = list(shown)
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        strange, typical = st.columns([_NUM_STRANGE, _NUM_TYPICAL])
        with strange:
            st.markdown(f"**Strange {plural}** — far from the mean of {len(references.features)}")
            _tiles({each: shown[each] for each in letters[:_NUM_STRANGE]}, "strange")
        with typical:
            st.markdown(f"**Typical {plural}** — near to it")
            _tiles({each: shown[each] for each in letters[_NUM_STRANGE:]}, "typical")
        mine = _mine(model, references)
        offered = letters if mine is None else [*letters, _MINE]
        picked = st.segmented_control(
            "Look at",
            offered,
            format_func=lambda each: "My drawing" if each == _MINE else each,
            default=letters[0],
            required=True,
            key=link_key(lesson, "picked"),
            bind="query-params",
        )
        chosen = mine if picked == _MINE and mine is not None else shown.get(picked, examples[0])
        _say(model, references, chosen, plural)
    with right:
        _map(model, bank, references, chosen, digit, lesson)


def _examples(
    model: Model, bank: Bank, references: ReferenceSet, digit: int
) -> tuple[Example, ...]:
    """Return the strange ones of the bundled pictures of a digit, then the typical ones."""
    store = EvidenceStore()
    found: list[tuple[Image, Array]] = []
    for image in (read_image(sample_bytes(name)) for name in samples() if _is_of(name, digit)):
        evidence = store.class_evidence(model, image, references.layer, ())
        found.append((image, evidence.pooled(references.pooling, references.layer)))
    source = _with_pictures(model, bank, digit)
    if source is not None:
        members = caching.bank_set(source, (digit,))
        for id, feature in zip(members.ids, members.features, strict=True):
            picture = source.picture(int(id))
            if picture is not None:
                found.append((picture, feature))
    examples = [_example(model, references, *each) for each in found]
    ranked = sorted(examples, key=lambda each: -each.distance)
    return (*ranked[:_NUM_STRANGE], *ranked[-_NUM_TYPICAL:])


def _is_of(name: str, digit: int) -> bool:
    return name.partition("-")[0] == _WORDS[digit]


def _with_pictures(model: Model, bank: Bank, digit: int) -> Bank | None:
    """Return the first bank, of the same layer, that has pictures of a digit."""
    for each in caching.banks_of(model):
        if each.is_aligned and each.layer == bank.layer and each.counts()[digit]:
            first = int(caching.bank_set(each, (digit,)).ids[0])
            if each.picture(first) is not None:
                return each
    return None


def _mine(model: Model, references: ReferenceSet) -> Example | None:
    image = state.last_drawn()
    if image is None:
        return None
    feature = caching.feature_of(model, image, references.layer, references.pooling)
    return _example(model, references, image, feature)


def _example(model: Model, references: ReferenceSet, image: Image, feature: Array) -> Example:
    far = distances(references, feature).image
    assert far is not None
    return Example(image, far, _enlarged(caching.seen_by(model, image)))


def _tiles(shown: Mapping[str, Example], key: str) -> None:
    gallery(
        [
            Tile(index, each.tile, f"{name} · {each.distance:.2f}")
            for index, (name, each) in enumerate(shown.items())
        ],
        f"not-eight-{key}",
    )


def _enlarged(seen: Array) -> Array:
    large: Array = seen.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    return large


def _say(model: Model, references: ReferenceSet, chosen: Example, plural: str) -> None:
    probabilities = model.probabilities(caching.logits_of(model, chosen.image))
    digit = int(np.argmax(probabilities))
    share = caching.distances_of(model, references, chosen.image).percentile
    assert share is not None
    st.markdown(
        f"**It reads {a_digit(digit)}** — {percent(probabilities[digit])}. Distance "
        f"{chosen.distance:.2f}: farther out than {share:.0f} % of the {plural} it is held against."
    )


def _map(
    model: Model, bank: Bank, references: ReferenceSet, chosen: Example, digit: int, lesson: str
) -> None:
    basis = caching.basis_of(
        model,
        chosen.image,
        "diffcam",
        target=digit,
        references=(),
        reference_set=references,
        layer=bank.layer,
        parameters={},
        progress=lambda share: None,
    )
    plural = _plural(digit)
    show_maps(
        model,
        chosen.image,
        [
            Panel(
                name="diffcam",
                method="diffcam",
                title=f"What sets it apart from other {plural}",
                basis=basis,
                subtitle=f"DiffCAM against {len(references.features)} {plural}",
                reversed_subtitle="",
                foot=took_effect(basis),
                meaning=meaning("diffcam"),
            )
        ],
        parameters_of(["diffcam"], "render"),
        question=f"What sets this picture apart from other {plural}?",
        source=f"Model {model.name}",
        viewer=f"lesson-{lesson}-varies",
        is_plain=True,
    )


def _plural(digit: int) -> str:
    word = _WORDS[digit]
    return "sixes" if digit == 6 else f"{word}s"
