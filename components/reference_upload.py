"""Reference pictures uploaded now: files, a zip or a folder, read and pooled with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components import state
from explain_core import InputError, Model, ReferenceSet
from explain_core.images.archives import Archive, read_zip
from explain_core.references.embedding import Embedded, Item, embed
from explain_core.references.pictures import kept_pictures
from explain_core.references.sets import set_of

MAX_PICTURES = 5000
_MAX_FILE_MB = 512
_NUM_LISTED = 50
_ZIP_BEGINS = b"PK"

Upload = tuple[ReferenceSet, Mapping[int, bytes]]


def uploaded_set(model: Model, layer: str) -> Callable[[], Upload] | None:
    """Show the upload; return how to make a set of it, None while nothing is uploaded."""
    is_folder = (
        st.segmented_control(
            "What",
            ["Files or a zip", "A folder"],
            default="Files or a zip",
            required=True,
            key=state.of_sets("set-upload-kind"),
        )
        == "A folder"
    )
    files: list[UploadedFile] = st.file_uploader(
        "A folder of pictures" if is_folder else "Pictures, or a zip of pictures",
        accept_multiple_files="directory" if is_folder else True,
        key=state.of_sets(f"set-upload-{'folder' if is_folder else 'files'}"),
        max_upload_size=_MAX_FILE_MB,
    )
    st.caption(
        f"PNG, JPEG, WebP, BMP or TIFF of any size, up to {MAX_PICTURES:,}. They stay in memory, "
        f"in your session. Layer: {layer}."
    )
    if not files:
        return None

    def run() -> Upload:
        return _read(model, layer, files)

    return run


def _read(model: Model, layer: str, files: Sequence[UploadedFile]) -> Upload:
    archives = {
        file.file_id: read_zip(file) for file in files if file.getbuffer()[:2] == _ZIP_BEGINS
    }
    count = sum(
        len(archives[file.file_id].paths) if file.file_id in archives else 1 for file in files
    )
    if count > MAX_PICTURES:
        raise InputError(
            f"these are {count:,} pictures; a set takes {MAX_PICTURES:,} at most. Let the operator "
            "build a bank of them instead"
        )
    parts: list[Embedded] = []
    place = st.empty()
    num_done = 0
    for part in embed(model, _items(files, archives), layer=layer):
        parts.append(part)
        num_done += len(part.items) + len(part.refused)
        share = min(1.0, num_done / max(1, count))
        place.progress(share, text=f"Pictures read: {num_done:,} of {count:,}")
    place.empty()
    refused = [each for part in parts for each in part.refused]
    refused += [each for archive in archives.values() for each in archive.refused]
    state.note_refused(refused)
    pooling = model.layer_named(layer).pooling
    references, num_double = set_of(parts, model, layer, pooling, "uploaded")
    if num_double:
        double = f"{num_double:,} of the pictures"
        state.note_refused([*refused, (double, "there twice; each picture counts once")])
    return references, kept_pictures(parts).thumbnails


def _items(files: Sequence[UploadedFile], archives: Mapping[str, Archive]) -> Iterator[Item]:
    for file in files:
        archive = archives.get(file.file_id)
        if archive is None:
            yield Item(path=file.name, class_name=None, content=file.getvalue())
        else:
            for path, content in archive.pictures():
                yield Item(path=path, class_name=None, content=content)


def show_refused() -> None:
    """Show which pictures of the last upload were left out, and why."""
    refused = state.noted_refused()
    if not refused:
        return
    with st.expander(f"Left out: {len(refused):,}", icon=":material/report:", expanded=True):
        st.dataframe(
            [{"Picture": path, "Why": reason} for path, reason in refused[:_NUM_LISTED]],
            hide_index=True,
        )
        if len(refused) > _NUM_LISTED:
            st.caption(f"… and {len(refused) - _NUM_LISTED:,} more.")
