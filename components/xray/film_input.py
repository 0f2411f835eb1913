"""Where the film comes from: a phantom that is drawn here, or an uploaded study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from components import caching, state
from components.notices import sentence, shown_errors
from components.wording import counted
from explain_core import ImageError, Model
from explain_core.datasets.films import Case
from explain_core.images.dicom_files import is_dicom
from explain_core.images.dicom_study import Study, StudyFilm, read_study, without_film
from explain_core.images.film import Film
from explain_core.images.reading import MAX_BYTES

SYNTHETIC = "SYNTHETIC PHANTOM"

_SIZE = (1024, 832)
_PHANTOMS: Mapping[str, tuple[str, ...]] = {
    "Opacity": ("opacity",),
    "Pneumothorax": ("pneumothorax",),
    "Nodule": ("nodule",),
    "Enlarged heart": ("enlarged heart",),
    "Opacity and enlarged heart": ("opacity", "enlarged heart"),
    "Nothing found": (),
}
_FIRST_SEED = 40


@dataclass(frozen=True, eq=False)
class ChosenFilm:
    """Hold the film in hand.

    Attributes:
        film: one decoded frame.
        data: the DICOM file that it comes from; None for phantoms and for pictures.
        case: the phantom; None for uploads.
        listed: the film in its study; None for phantoms.
        others: further films of the study, by number, which may be earlier ones of the patient.
    """

    film: Film
    data: bytes | None = None
    case: Case | None = None
    listed: StudyFilm | None = None
    others: Mapping[int, StudyFilm] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """Return what is written on every picture of it."""
        return SYNTHETIC if self.case is not None else ""


def film_input(model: Model) -> ChosenFilm | None:
    """Show the choice of films and return the one in hand; None while there is none."""
    source = st.segmented_control(
        "Film",
        ["Phantom", "Upload"],
        default="Phantom",
        required=True,
        key=state.XRAY_SOURCE,
        persist_state="session",
        width="stretch",
    )
    return _phantom(model) if source == "Phantom" else _upload()


def in_words(listed: StudyFilm, number: int) -> str:
    """Return how a film is told from the others of its study; never by its file's name or date."""
    height, width = listed.size
    parts = [listed.view, listed.laterality, f"{width} × {height} px"]
    if listed.num_frames > 1:
        parts.append(counted(listed.num_frames, "frame"))
    if listed.days_before_last:
        parts.insert(0, f"{counted(listed.days_before_last, 'day')} before the last")
    return f"{number} · {' · '.join(filter(None, parts))}"


def than(other: StudyFilm, chosen: StudyFilm) -> str:
    """Return what another film of the study is called: "the earlier film (731 days before)"."""
    if other.days_before_last is None or chosen.days_before_last is None:
        return "the other film"
    days = other.days_before_last - chosen.days_before_last
    if days == 0:
        return "the other film of that day"
    which, where = ("earlier", "before") if days > 0 else ("later", "after")
    return f"the {which} film ({counted(abs(days), 'day')} {where})"


def _phantom(model: Model) -> ChosenFilm:
    chosen = st.selectbox(
        "Phantom with",
        list(_PHANTOMS),
        key=state.XRAY_PHANTOM,
        persist_state="session",
        help="Drawn by WhyNot; no patient. Where each finding was drawn is known.",
    )
    findings = _PHANTOMS[chosen]
    seed = _FIRST_SEED + list(_PHANTOMS).index(chosen)
    case = Case(seed, findings, _SIZE, has_markers=model.name == "films-confounded")
    st.caption("Synthetic: drawn here, from no patient’s film.")
    return ChosenFilm(caching.phantom(case), case=case)


def _upload() -> ChosenFilm | None:
    study = state.kept_study()
    uploaded = st.file_uploader(
        "Films of one patient",
        accept_multiple_files=True,
        key=f"films-{state.study_round()}",
        max_upload_size=MAX_BYTES // 2**20,
        help="DICOM files with any name, a zipped study, or PNG, JPEG and TIFF films; several at "
        "once to compare with an earlier one.",
    )
    is_added = study is not None and st.toggle(
        "Add to the films in use",
        key=f"{state.XRAY_ADD}-{state.study_round()}",
        help="Off, what you upload takes their place.",
    )
    if uploaded:
        with shown_errors(), st.spinner("Reading the films …"):
            contents = [each.getvalue() for each in uploaded]
            if is_added and study is not None:
                contents = list(dict.fromkeys([*(each.data for each in study.films), *contents]))
            state.keep_study(_readable(read_study(contents)))
            st.rerun()
    if study is None:
        st.caption(
            "DICOM, zipped studies, PNG, JPEG, TIFF; an earlier film together with this one. In "
            "memory, for your session only."
        )
        return None
    return _chosen(study)


def _readable(study: Study) -> Study:
    """Return a study whose last film, which is shown first, can be decoded.

    Raises:
        ImageError: none of them can.
    """
    while True:
        last = study.films[-1]
        try:
            caching.film_of(last, 0)
        except ImageError as error:
            if len(study.films) == 1:
                raise
            study = without_film(study, last, str(error))
        else:
            return study


def _chosen(study: Study) -> ChosenFilm | None:
    _say_refused(study)
    films, number = study.films, len(study.films) - 1
    if len(films) > 1:
        number = st.selectbox(
            "Film of the study",
            range(len(films)),
            index=number,
            format_func=lambda place: in_words(films[place], place + 1),
            key=f"{state.XRAY_FILM}-{state.study_round()}",
            persist_state="session",
            help="From the earliest to the latest.",
        )
    else:
        st.caption(f"In use: film {in_words(films[0], 1)}")
    listed = films[number]
    frame = 0
    if listed.num_frames > 1:
        frame = st.slider(
            "Frame",
            1,
            listed.num_frames,
            key=f"{state.XRAY_FRAME}-{state.study_round()}-{number}",
            persist_state="session",
        )
        frame -= 1
    st.button(
        "Remove the films",
        on_click=state.keep_study,
        args=(None,),
        icon=":material/close:",
    )
    with shown_errors():
        return ChosenFilm(
            caching.film_of(listed, frame),
            data=listed.data if is_dicom(listed.data) else None,
            listed=listed,
            others={place: each for place, each in enumerate(films, 1) if each is not listed},
        )
    return None


def _say_refused(study: Study) -> None:
    if study.refused:
        with st.expander(f"{counted(len(study.refused), 'file')} left out"):
            for reason, count in _counts(study.refused).items():
                times = f" ({count} times)" if count > 1 else ""
                st.markdown(f"- {sentence(reason)}{times}")


def _counts(reasons: tuple[str, ...]) -> dict[str, int]:
    return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
