"""Where the picture comes from: a sample, an upload, or a drawing."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components import caching, state
from components.draw_canvas import draw_canvas
from components.notices import shown_errors
from explain_core import Image, ImageError, Model, read_image
from explain_core.images.reading import MAX_BYTES

_SAMPLES = Path(__file__).parents[1] / "assets" / "samples"
_FIRST_SAMPLE = "three-almost-eight.png"


def image_input(model: Model) -> Image | None:
    """Show the choice of sources and return the picture; None while there is none."""
    folder = _SAMPLES / caching.encoder_name(model)
    samples = _samples(folder)
    source = "Upload"
    if samples:
        source = st.segmented_control(
            "Picture",
            ["Sample", "Upload", "Draw"],
            default="Sample",
            required=True,
            key=state.SOURCE,
            persist_state="session",
            width="stretch",
        )
    if source == "Sample":
        return _sample(folder, samples)
    if source == "Draw":
        with shown_errors():
            drawing = draw_canvas()
            st.caption("Centred and scaled before it is read, as the digits it learnt from.")
            return drawing.image if drawing is not None else None
        return None
    return _upload()


def _sample(folder: Path, samples: dict[str, str]) -> Image:
    files = list(samples)
    chosen = st.selectbox(
        "Sample",
        files,
        index=files.index(_FIRST_SAMPLE) if _FIRST_SAMPLE in files else 0,
        format_func=samples.__getitem__,
        key=state.SAMPLE,
        persist_state="session",
    )
    return read_image(caching.file_bytes(str(folder / chosen)))


def _upload() -> Image | None:
    uploaded = st.file_uploader(
        "Upload a picture",
        key=state.upload_key(),
        max_upload_size=MAX_BYTES // 2**20,
    )
    kept = state.kept_upload()
    if uploaded is not None and (kept is None or kept.file_id != uploaded.file_id):
        with shown_errors():
            kept = _read(uploaded)
            state.keep_upload(kept)
    if kept is None:
        st.caption("PNG, JPEG, WebP, BMP or TIFF. It stays in memory, in your session.")
        return None
    image = kept.image
    height, width = image.size
    details = [f"{width} × {height} px", "colour" if image.kind == "rgb" else "gray", *image.notes]
    st.caption(f"In use: {kept.name}, {', '.join(details)}")
    if uploaded is None:
        st.button("Remove the picture", on_click=state.forget_upload, icon=":material/close:")
    return image


def _read(uploaded: UploadedFile) -> state.Upload:
    try:
        return state.Upload(uploaded.file_id, uploaded.name, read_image(uploaded.getvalue()))
    except ImageError as error:
        raise ImageError(f"{uploaded.name}: {error}") from error


def _samples(folder: Path) -> dict[str, str]:
    """Return file -> title of the samples bundled for a model, none where there are none."""
    listing = folder / "samples.json"
    if not listing.is_file():
        return {}
    return {each["file"]: each["title"] for each in json.loads(caching.file_bytes(str(listing)))}
