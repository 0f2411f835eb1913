"""What a session remembers between reruns and pages; the only file that names session keys.

Widgets that carry a key from here are given `persist_state="session"`, so that they survive
switching pages. Keys that end in a digest begin afresh with every picture.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import streamlit as st

from explain_core import Image, InputError, Model, ReferenceSet
from explain_core.images.dicom_study import Study
from explain_core.references.sets import check_name

MODEL = "model"
LAYER = "layer"
SOURCE = "source"
SAMPLE = "sample"
METHODS = "methods"
QUESTION = "question"
SUGGEST_BY = "suggest-by"
VIEWER = "viewer"
VALUES_OF = "values-of"
CANVAS = "canvas"
REFERENCE_SET = "reference-set"
REFERENCE_BANK = "reference-bank"
MAKE_BY = "make-by"
NUM_NEAREST = "num-nearest"
JUDGE = "judge"
TRUST = "trust"
TRUST_OF = "trust-of"
SHOW_AS = "show-as"
PRESETS = "presets"
COMPARE = "compare"
GAMMAS = "gammas"
SECOND_MODEL = "second-model"
LAM = "lam"
TEXTS = "texts"
XRAY_MODEL = "xray-model"
XRAY_SOURCE = "xray-source"
XRAY_PHANTOM = "xray-phantom"
XRAY_FILM = "xray-film"
XRAY_ADD = "xray-add"
XRAY_FRAME = "xray-frame"
XRAY_FINDINGS = "xray-findings"
XRAY_AGAINST = "xray-against"
XRAY_CLASS = "xray-class"
XRAY_EARLIER = "xray-earlier"
XRAY_METHODS = "xray-methods"
XRAY_VIEWER = "xray-viewer"
XRAY_EXAMINED = "xray-examined"
XRAY_TRUTH = "xray-truth"
XRAY_TEXT = "xray-free-text"
XRAY_PATIENT = "xray-patient"
XRAY_TAGS = "xray-tags"
XRAY_OBJECTS = "xray-objects"
XRAY_SHARE = "xray-share"
LESSON = "lesson"
LARGE_TYPE = "large-type"
LESSON_ANSWER = "lesson-answer"
LESSON_CANVAS = "lesson-canvas"
EVALUATION_DATA = "evaluation-data"
EVALUATION_COUNT = "evaluation-count"
EVALUATION_AGAINST = "evaluation-against"
EVALUATION_SEED = "evaluation-seed"
EVALUATION_LEAST = "evaluation-least-probability"
EVALUATION_ONLY_RIGHT = "evaluation-only-right"
EVALUATION_KIND = "evaluation-kind"
EVALUATION_METHODS = "evaluation-methods"
EVALUATION_PRESETS = "evaluation-presets"
EVALUATION_SWEEP = "evaluation-sweep"
EVALUATION_METRICS = "evaluation-metrics"
EVALUATION_BASELINE = "evaluation-baseline"
EVALUATION_COMPARE = "evaluation-compare"
EVALUATION_PICTURE = "evaluation-picture"
EVALUATION_EARLIER = "evaluation-earlier"

MAX_SETS = 20

_UPLOAD = "kept-upload"
_UPLOAD_ROUND = "upload-round"
_DRAWING = "kept-drawing"
_SKETCH = "kept-sketch"
_STUDY = "kept-study"
_STUDY_ROUND = "study-round"
_UNCALLED = "uncalled-shown"
_MADE = "made-files"
_SETS = "kept-sets"
_SETS_ROUND = "sets-round"
_NAVIGATION = "has-navigation"
_WANTED_PAGE = "wanted-page"
_LEFT_OUT = "left-out"
_NOTED_LAM = "noted-lam"
_STARTED = "started-methods"
_PRESET_TAKEN = "preset-taken"
_CANCELLED = "cancelled"
_LESSON_LINKS = "lesson-links"


@dataclass(frozen=True, eq=False)
class Upload:
    """Hold an uploaded picture, the widget's id of its file and its name, for this page only."""

    file_id: str
    name: str
    image: Image


@dataclass(frozen=True, eq=False)
class Made:
    """Hold files that were made, by what they are, and what they were made of."""

    of: Hashable
    files: Mapping[str, bytes]


@dataclass(frozen=True, eq=False)
class Drawing:
    """Hold a drawing as the canvas gave it, so that it can be put back, and as a picture."""

    data_url: str
    image: Image


@dataclass(frozen=True, eq=False)
class Sketch:
    """Hold what stands on a lesson's canvas, as the canvas gave it and as pictures.

    Attributes:
        start: name of the picture that it began with; empty for an empty canvas.
        now: data URL; empty while nothing stands there.
        before: data URL of what stood there before the last strokes, all of the eraser; empty
            where the last stroke was another one.
        is_drawn: whether something was drawn, not only erased.
        image, image_before: the same as pictures, laid out for the network.
        finished: as `image`, when a stroke ended last.
    """

    start: str
    now: str
    before: str
    is_drawn: bool
    image: Image | None
    image_before: Image | None
    finished: Image | None


def has_navigation() -> bool:
    """Return whether this session came through the app's navigation."""
    return bool(st.session_state.get(_NAVIGATION))


def begin_navigation() -> str | None:
    """Note that the navigation is there; return, once, the page that was asked for before."""
    st.session_state[_NAVIGATION] = True
    page: str | None = st.session_state.pop(_WANTED_PAGE, None)
    return page


def want_page(page: str | None) -> None:
    """Note the page that the navigation is to go to."""
    st.session_state[_WANTED_PAGE] = page


def choose_model(name: str, page: str | None = None) -> None:
    """Choose another model, on another page where one is named; for a button's callback."""
    st.session_state[MODEL] = name
    want_page(page)


def begin(key: str, value: object) -> None:
    """Give a widget what it shows first; what was chosen before stays.

    A widget that may be set by other means than itself takes no default of its own.
    """
    st.session_state.setdefault(key, value)


def put(key: str, value: object) -> None:
    """Let a widget show a value; before it is drawn, or in its callback."""
    st.session_state[key] = value


def values_of(keys: Sequence[str]) -> dict[str, object]:
    """Return what widgets show, by their keys; None for those that were never shown."""
    return {key: st.session_state.get(key) for key in keys}


def take_settings(menu: str, settings: Mapping[str, Mapping[str, object]]) -> None:
    """Let widgets show the settings that a menu was opened for, None as they begin by themselves.

    For a callback: settings are taken before the widgets are shown.
    """
    for key, value in settings.get(st.session_state[menu], {}).items():
        if value is None:
            st.session_state.pop(key, None)
        else:  # a copy: the settings are of all sessions
            st.session_state[key] = copy(value)


def put_picked(chart: str, key: str) -> None:
    """Let a widget show the point that was clicked in a chart; its `customdata` is the value."""
    points = st.session_state[chart]["selection"]["points"]
    if points and "customdata" in points[0]:
        picked = points[0]["customdata"]
        st.session_state[key] = picked[0] if isinstance(picked, list) else picked


def per_question(name: str, model: Model, image: Image, *parts: object) -> str:
    """Return a widget key that belongs to one model, one picture and whatever else is given."""
    who = [model.name, model.head[:16]] if model.head else [model.name]
    return "-".join([name, *who, image.digest[:16], *(str(part) for part in parts)])


def layer_key(model: Model) -> str:
    """Return the widget key of the layer; a model with texts explains others than its encoder."""
    return f"{LAYER}-{model.name}" + ("-texts" if model.has_texts else "")


def texts_key(model: Model) -> str:
    """Return the widget key of the texts; models that come without any share them."""
    return f"{TEXTS}-{model.name}" if model.has_head else TEXTS


def parameter_key(name: str) -> str:
    """Return the widget key of a method parameter, shared by all methods that know it."""
    return f"parameter-{name}"


def kept_upload() -> Upload | None:
    """Return the picture uploaded last in this session."""
    upload: Upload | None = st.session_state.get(_UPLOAD)
    return upload


def keep_upload(upload: Upload) -> None:
    """Remember an uploaded picture until it is replaced or forgotten."""
    st.session_state[_UPLOAD] = upload


def forget_upload() -> None:
    """Forget the uploaded picture and empty the upload widget."""
    st.session_state.pop(_UPLOAD, None)
    st.session_state[_UPLOAD_ROUND] = st.session_state.get(_UPLOAD_ROUND, 0) + 1


def upload_key() -> str:
    """Return the upload widget's key; it changes when the upload is forgotten."""
    return f"upload-{st.session_state.get(_UPLOAD_ROUND, 0)}"


def kept_drawing() -> Drawing | None:
    """Return the drawing made last in this session."""
    drawing: Drawing | None = st.session_state.get(_DRAWING)
    return drawing


def keep_drawing(drawing: Drawing | None) -> None:
    """Remember a drawing; None forgets it."""
    st.session_state[_DRAWING] = drawing


def kept_sketch(start: str) -> Sketch | None:
    """Return what stands on the lesson's canvas, if it began with this; None while untouched."""
    sketch: Sketch | None = st.session_state.get(_SKETCH)
    return sketch if sketch is not None and sketch.start == start else None


def last_drawn() -> Image | None:
    """Return what stood on the lesson's canvas when a stroke ended last; None while untouched."""
    sketch: Sketch | None = st.session_state.get(_SKETCH)
    return None if sketch is None else sketch.finished


def keep_sketch(sketch: Sketch) -> None:
    """Remember what stands on the lesson's canvas."""
    st.session_state[_SKETCH] = sketch


def keep_link(lesson: str, parameters: Mapping[str, str]) -> None:
    """Remember what the link said of a lesson that is left."""
    st.session_state[_LESSON_LINKS] = {**_lesson_links(), lesson: dict(parameters)}


def take_link(lesson: str) -> Mapping[str, str]:
    """Return, once, what the link said of a lesson when it was left."""
    links = _lesson_links()
    parameters = links.pop(lesson, {})
    st.session_state[_LESSON_LINKS] = links
    return parameters


def _lesson_links() -> dict[str, Mapping[str, str]]:
    return dict(st.session_state.get(_LESSON_LINKS, {}))


def told(component: str, name: str) -> object:
    """Return what a component of ours told last under a name, unchecked; None before."""
    values = st.session_state.get(component)
    return values.get(name) if isinstance(values, Mapping) else None


def kept_study() -> Study | None:
    """Return the films uploaded last in this session."""
    study: Study | None = st.session_state.get(_STUDY)
    return study


def keep_study(study: Study | None) -> None:
    """Remember uploaded films until others come, None forgets them; the upload widget is emptied.

    With the widget the names of the files go, which may tell who the patient is.
    """
    st.session_state[_STUDY] = study
    st.session_state[_STUDY_ROUND] = study_round() + 1


def study_round() -> int:
    """Return how often the films were replaced: keys that hold it begin afresh with others."""
    number: int = st.session_state.get(_STUDY_ROUND, 0)
    return number


def show_uncalled(asked: str) -> None:
    """Note that a map is wanted of what the model does not call."""
    st.session_state[_UNCALLED] = st.session_state.get(_UNCALLED, frozenset()) | {asked}


def is_uncalled_shown(asked: str) -> bool:
    """Return whether a map is wanted of what the model does not call."""
    return asked in st.session_state.get(_UNCALLED, frozenset())


def keep_made(kind: str, made: Made) -> None:
    """Remember files that were made for downloading, in place of earlier ones of their kind."""
    st.session_state[_MADE] = {**_all_made(), kind: made}


def kept_made(kind: str) -> Made | None:
    """Return the files of a kind that were made last; None while there are none."""
    return _all_made().get(kind)


def _all_made() -> dict[str, Made]:
    made: dict[str, Made] = st.session_state.get(_MADE, {})
    return made


@dataclass(frozen=True)
class LeftOut:
    """Tell which pictures of an upload were left out: (path, reason), and how many came twice."""

    refused: tuple[tuple[str, str], ...]
    num_double: int


@dataclass(frozen=True, eq=False)
class KeptSet:
    """Hold a reference set that was made in this session.

    Attributes:
        name: unique among the session's sets of a model.
        references: the set.
        about: how it was made, in words.
        thumbnails: of uploaded members, by id; those of a bank are looked up there.
        titles: file names of members uploaded in this session, by id; never saved.
    """

    name: str
    references: ReferenceSet
    about: str
    thumbnails: Mapping[int, bytes]
    titles: Mapping[int, str]


def kept_sets(model: Model) -> dict[str, KeptSet]:
    """Return this session's reference sets that were made with a model, by name, oldest first."""
    return {each.name: each for each in _all_sets() if _is_of(each, model)}


def check_free(model: Model, name: str) -> str:
    """Return a name as it is kept, if a set of a model may take it.

    Raises:
        InputError: the name does not do or is taken, or there are too many sets.
    """
    name = check_name(name)
    sets = kept_sets(model)
    if name in sets:
        raise InputError(f"there is a set “{name}” already; give another name")
    if len(sets) >= MAX_SETS:
        raise InputError(f"a session keeps {MAX_SETS} sets of a model; delete one first")
    return name


def keep_set(made: KeptSet) -> None:
    """Remember a reference set; lists of sets begin afresh, with it chosen."""
    st.session_state[_SETS] = (*_all_sets(), made)
    st.session_state[_SETS_ROUND] = st.session_state.get(_SETS_ROUND, 0) + 1


def replace_set(old: KeptSet, new: KeptSet) -> None:
    """Put a changed set in the place of another."""
    st.session_state[_SETS] = tuple(new if each is old else each for each in _all_sets())


def forget_set(chosen: KeptSet) -> None:
    """Forget a reference set and its pictures."""
    st.session_state[_SETS] = tuple(each for each in _all_sets() if each is not chosen)


def _all_sets() -> tuple[KeptSet, ...]:
    sets: tuple[KeptSet, ...] = st.session_state.get(_SETS, ())
    return sets


def _is_of(kept: KeptSet, model: Model) -> bool:
    return kept.references.fingerprint == model.fingerprint


def note_left_out(left_out: LeftOut | None) -> None:
    """Remember what an upload left out; names of files stay in this session."""
    st.session_state[_LEFT_OUT] = left_out


def noted_left_out() -> LeftOut | None:
    """Return what the last upload left out; None for nothing."""
    left_out: LeftOut | None = st.session_state.get(_LEFT_OUT)
    return left_out


def of_sets(name: str) -> str:
    """Return a widget key for making sets; it changes when a set is made, so that all is empty."""
    return f"{name}-{st.session_state.get(_SETS_ROUND, 0)}"


def note_lam(lam: float) -> None:
    """Remember where the viewer's λ stands: what the viewer itself told goes with its page."""
    st.session_state[_NOTED_LAM] = lam


def noted_lam() -> float | None:
    """Return where the viewer's λ stood last; None where it was never shown."""
    lam: float | None = st.session_state.get(_NOTED_LAM)
    return lam


def take_preset(menu: str, methods: str, presets: Mapping[str, Sequence[str]]) -> None:
    """Put the methods of the preset that a menu was opened for in the place of those chosen."""
    chosen = st.session_state[menu]
    if chosen in presets:
        st.session_state[methods] = list(presets[chosen])
        st.session_state[_PRESET_TAKEN] = methods


def is_preset_taken(methods: str) -> bool:
    """Return, once, whether a preset has just been put there: Streamlit wants no default beside."""
    return bool(st.session_state.pop(_PRESET_TAKEN, None) == methods)


def start(wanted: str) -> None:
    """Note that a slow method was asked for."""
    st.session_state[_STARTED] = _started() | {wanted}


def forget_started(wanted: str) -> None:
    """Forget that a slow method was asked for: it was cancelled, or it failed."""
    st.session_state[_STARTED] = _started() - {wanted}


def cancel(wanted: str) -> None:
    """Forget what was asked for because a person said so; `was_cancelled` tells of it."""
    forget_started(wanted)
    st.session_state[_CANCELLED] = wanted


def was_cancelled(wanted: str) -> bool:
    """Return, once, whether this has just been cancelled."""
    return bool(st.session_state.pop(_CANCELLED, None) == wanted)


def keep_started(shown: set[str], kinds: Collection[str] = ()) -> None:
    """Forget what was asked for of other questions, so that nothing starts on coming back.

    Args:
        kinds: what begins so, up to a dash, is left for `keep_started_of`.
    """
    st.session_state[_STARTED] = frozenset(
        each for each in _started() if each in shown or _kind_of(each) in kinds
    )


def keep_started_of(kind: str, shown: set[str]) -> None:
    """Forget what was asked for of a kind, but for what is shown."""
    st.session_state[_STARTED] = frozenset(
        each for each in _started() if each in shown or _kind_of(each) != kind
    )


def _kind_of(wanted: str) -> str:
    return wanted.rpartition("-")[0]


def is_started(wanted: str) -> bool:
    """Return whether a slow method was asked for."""
    return wanted in _started()


def _started() -> frozenset[str]:
    started: frozenset[str] = st.session_state.get(_STARTED, frozenset())
    return started
