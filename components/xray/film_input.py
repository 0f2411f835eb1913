"""Where the film comes from: a phantom that is drawn here, or an uploaded study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from components import caching, state
from components.notices import sentence, shown_errors
from components.wording import counted
from explain_core import Model
from explain_core.datasets.films import Case
from explain_core.images.dicom_files import is_dicom
from explain_core.images.dicom_study import Study, StudyFilm, read_study
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
        others: further films of the study, which may be earlier ones of the same patient.
    """

    film: Film
    data: bytes | None = None
    case: Case | None = None
    others: tuple[StudyFilm, ...] = ()

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
    """Return how a film is told from the others of its study; never by its file's name."""
    height, width = listed.size
    parts = [listed.view, listed.laterality, f"{width} × {height} px"]
    if listed.num_frames > 1:
        parts.append(counted(listed.num_frames, "frame"))
    return f"{number} · {' · '.join(filter(None, parts))}"


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
    uploaded = st.file_uploader(
        "Films of one patient",
        accept_multiple_files=True,
        key=f"films-{state.study_round()}",
        max_upload_size=MAX_BYTES // 2**20,
        help="DICOM files with any name, a zipped study, or PNG, JPEG and TIFF films; several at "
        "once to compare with an earlier one.",
    )
    if uploaded:
        with shown_errors(), st.spinner("Reading the films …"):
            study = read_study([each.getvalue() for each in uploaded])
            if len(study.films) == 1:
                caching.film_of(study.films[0], 0)  # one that cannot be decoded replaces nothing
            state.keep_study(study)
            st.rerun()
    study = state.kept_study()
    if study is None:
        st.caption("DICOM, zipped studies, PNG, JPEG, TIFF. In memory, for your session only.")
        return None
    return _chosen(study)


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
            others=tuple(each for each in films if each is not listed),
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
