"""Reference pictures uploaded now: files, a zip or a folder, read and pooled with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components import caching, state
from components.state import LeftOut
from components.wording import counted
from explain_core import ImageError, InputError, Model, ReferenceSet
from explain_core.images.archives import Archive, read_zip
from explain_core.references.embedding import Embedded, Item, embed
from explain_core.references.pictures import kept_pictures
from explain_core.references.sets import set_of

MAX_PICTURES = 5000
_MAX_FILE_MB = 512
_NUM_LISTED = 50
_ZIP_BEGINS = b"PK"


@dataclass(frozen=True, eq=False)
class Upload:
    """Hold what was made of uploaded pictures: the set, and by id small pictures and names."""

    references: ReferenceSet
    thumbnails: Mapping[int, bytes]
    titles: Mapping[int, str]


def uploaded_set(model: Model, layer: str) -> Callable[[], Upload] | None:
    """Show the upload; return how to make a set of it, None while nothing is uploaded."""
    is_folder = (
        st.segmented_control(
            "What",
            ["Files or a zip", "A folder"],
            default="Files or a zip",
            required=True,
            key=state.of_sets("set-upload-kind"),
            persist_state="session",
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
        file.file_id: _opened(file) for file in files if file.getbuffer()[:2] == _ZIP_BEGINS
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
    with caching.counted_passes():
        for part in embed(model, _items(files, archives), layer=layer):
            parts.append(part)
            num_done += len(part.items) + len(part.refused)
            share = min(1.0, num_done / max(1, count))
            place.progress(share, text=f"Pictures read: {num_done:,} of {count:,}")
    place.empty()
    refused = [each for part in parts for each in part.refused]
    for file in files:
        archive = archives.get(file.file_id)
        if archive is not None:
            refused += archive.refused
            if not archive.paths and not archive.refused:
                refused.append((file.name, "holds no pictures"))
    state.note_left_out(LeftOut(tuple(refused), 0))
    if refused and not any(part.items for part in parts):
        raise InputError(
            f"none of the {len(refused):,} files could be read; the list says why. Add others"
        )
    pooling = model.layer_named(layer).pooling
    references, num_double = set_of(parts, model, layer, pooling, "uploaded")
    state.note_left_out(LeftOut(tuple(refused), num_double))
    return Upload(
        references,
        kept_pictures(parts).thumbnails,
        {
            int(each): item.path.rpartition("/")[2]
            for part in parts
            for each, item in zip(part.ids, part.items, strict=True)
        },
    )


def _opened(file: UploadedFile) -> Archive:
    try:
        return read_zip(file)
    except ImageError as error:
        raise ImageError(f"{file.name}: {error}") from error


def _items(files: Sequence[UploadedFile], archives: Mapping[str, Archive]) -> Iterator[Item]:
    for file in files:
        archive = archives.get(file.file_id)
        if archive is None:
            yield Item(path=file.name, class_name=None, content=file.getvalue())
        else:
            for path, content in archive.pictures():
                yield Item(path=path, class_name=None, content=content)


def show_left_out(*, expanded: bool) -> None:
    """Show which pictures of the last upload were left out, and why."""
    left_out = state.noted_left_out()
    if left_out is None:
        return
    refused = left_out.refused
    if left_out.num_double:
        st.caption(
            f":material/content_copy: {counted(left_out.num_double, 'picture')} came more than "
            "once; each counts once."
        )
    if refused:
        with st.expander(
            f"Left out: {len(refused):,}", icon=":material/report:", expanded=expanded
        ):
            st.table([{"Picture": path, "Why": reason} for path, reason in refused[:_NUM_LISTED]])
            if len(refused) > _NUM_LISTED:
                st.caption(f"… and {len(refused) - _NUM_LISTED:,} more.")
