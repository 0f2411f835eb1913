"""What the film is compared with: healthy films, another finding, a set, or an earlier film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from components import caching, state
from components.reference_builder import Place
from components.reference_picker import reference_picker
from components.wording import counted
from components.xray.film_input import ChosenFilm, in_words, than
from components.xray.findings import Finding
from explain_core import BankError, ReferenceSet
from explain_core.images.display import window_film
from explain_core.images.film import presets
from explain_core.references.bank import Bank

Against = Literal["healthy", "finding", "set", "earlier"]

_AGAINST: dict[Against, str] = {
    "healthy": "Healthy films",
    "finding": "Another finding",
    "set": "My own set",
    "earlier": "Film of the same patient",
}
_HEALTHY_NAMES = frozenset({"healthy", "normal", "no finding", "no findings"})
_BESIDE_PX = 600
_NO_BANK = (
    "There are no healthy films for this model yet: the operator builds a bank of them "
    "(`python -m explain_core bank build --help`), or you make a set of your own here."
)


@dataclass(frozen=True, eq=False)
class Reference:
    """Hold what a film is compared with.

    Attributes:
        classes: that class methods compare with.
        pictures: that DiffCAM compares with; None while there are none.
        words: what they are, after "compared with".
        short: the same in a word or two: "healthy", "the earlier film".
        label: of the bank's class, where they are one; None for others.
    """

    kind: Against
    classes: tuple[int, ...] = ()
    pictures: ReferenceSet | None = None
    words: str = "nothing yet"
    short: str = "the reference"
    label: str | None = None


def healthy_class(bank: Bank | None) -> int | None:
    """Return a bank's class of healthy films, None where it has none."""
    names = [] if bank is None else [name.strip().lower() for name in bank.classes]
    return next((index for index, name in enumerate(names) if name in _HEALTHY_NAMES), None)


def reference_widgets(place: Place, chosen: ChosenFilm, asked: Sequence[Finding]) -> Reference:
    """Show what the film can be compared with and return the choice."""
    kinds = list(_AGAINST)
    kind: Against = st.selectbox(
        "Compared with",
        kinds,
        index=kinds.index("healthy" if healthy_class(place.bank) is not None else "set"),
        format_func=_AGAINST.__getitem__,
        key=f"{state.XRAY_AGAINST}-{place.model.name}",
        persist_state="session",
        help="DiffCAM shows how this film differs from these pictures; Finer-CAM, how the findings "
        "asked about differ from the other finding.",
    )
    if kind == "healthy":
        return _healthy(place)
    if kind == "finding":
        return _other_finding(place, asked)
    if kind == "set":
        return _own_set(place)
    return _earlier(place, chosen)


def _healthy(place: Place) -> Reference:
    index = healthy_class(place.bank)
    if index is None or place.bank is None:
        st.info(_NO_BANK, icon=":material/info:")
        return Reference("healthy", words="healthy films", short="healthy")
    pictures = caching.bank_set(place.bank, (index,))
    count = counted(len(pictures.features), "film")
    st.caption(f"{count} of the bank “{place.bank.name}”, class “{place.bank.classes[index]}”.")
    return Reference("healthy", (), pictures, "healthy films", "healthy", place.bank.classes[index])


def _other_finding(place: Place, asked: Sequence[Finding]) -> Reference:
    model, bank = place.model, place.bank
    taken = {finding.index for finding in asked}
    others = [index for index in range(model.num_classes) if index not in taken]
    if not others:
        st.info("All findings are asked about: leave one out above to compare with it.")
        return Reference("finding")
    other = st.selectbox(
        "Other finding",
        others,
        format_func=lambda index: model.classes[index],
        key=f"{state.XRAY_CLASS}-{model.name}",
        persist_state="session",
    )
    name = model.classes[other]
    pictures = None
    if bank is not None and name in bank.classes:
        try:
            pictures = caching.bank_set(bank, (bank.classes.index(name),))
        except BankError:
            pictures = None
    if pictures is None:
        st.caption(f"No bank has films with {name}: only methods that compare classes can answer.")
    else:
        st.caption(f"{counted(len(pictures.features), 'film')} with {name} alone.")
    return Reference("finding", (other,), pictures, f"films with {name}", name, name)


def _own_set(place: Place) -> Reference:
    kept = reference_picker(place, with_maker=True)
    if kept is None:
        st.caption("Make a set: from the bank, or of films that you upload.")
        return Reference("set", words="a set of your own")
    words = f"“{kept.name}” ({counted(len(kept.references.features), 'picture')})"
    return Reference("set", (), kept.references, words, f"“{kept.name}”")


def _earlier(place: Place, chosen: ChosenFilm) -> Reference:
    if not chosen.others or chosen.listed is None:
        st.info(
            "Upload the earlier film as well: “Add to the films in use”, or both in one step.",
            icon=":material/upload:",
        )
        return Reference("earlier", words="an earlier film")
    numbers = list(chosen.others)
    earlier_ones = [number for number in numbers if _is_before(chosen, number)]
    number = st.selectbox(
        "Which film",
        numbers,
        index=numbers.index(earlier_ones[-1]) if earlier_ones else 0,
        format_func=lambda number: in_words(chosen.others[number], number),
        key=f"{state.XRAY_EARLIER}-{state.study_round()}-{'-'.join(map(str, numbers))}",
        persist_state="session",
    )
    other = caching.film_of(chosen.others[number], 0)
    words = than(chosen.others[number], chosen.listed)
    st.image(
        window_film(other, presets(other)[0].voi, max_side_px=_BESIDE_PX),
        caption=words,
        width="stretch",
    )
    spread, whose = _spread(place)
    if spread is None:
        st.info(
            "What changes from film to film anyway is read off other films: make a set of them "
            "under “My own set” first.",
            icon=":material/info:",
        )
        return Reference("earlier", words=words, short=words)
    pictures = caching.earlier_set(place.model, chosen.film.image, other.image, spread)
    st.caption(f"What {whose} vary in anyway counts little.")
    return Reference("earlier", (), pictures, words, words.partition(" (")[0])


def _is_before(chosen: ChosenFilm, number: int) -> bool:
    own = None if chosen.listed is None else chosen.listed.days_before_last
    days = chosen.others[number].days_before_last
    return own is not None and days is not None and days > own


def _spread(place: Place) -> tuple[ReferenceSet | None, str]:
    """Return the films that tell what varies anyway, and what they are; None without."""
    index = healthy_class(place.bank)
    if place.bank is not None and index is not None:
        return caching.bank_set(place.bank, (index,)), "healthy films"
    kept = list(state.kept_sets(place.model).values())
    return (kept[-1].references, f"the films of “{kept[-1].name}”") if kept else (None, "")
