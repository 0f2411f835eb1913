"""Reference sets of uploaded pictures, folders and zips."""

from __future__ import annotations

import copy
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components import reference_upload
from explain_core.images import archives
from tests.ui import steps
from tests.ui.reference_steps import (
    JPEG,
    PNG,
    TEXT,
    TRUNCATED,
    Counted,
    ask_how_unlike,
    encoded,
    feature_of,
    id_of,
    ids_of,
    stroke,
    strokes,
    zip_of,
)

pytestmark = pytest.mark.usefixtures("no_folder")


# ---- uploads -------------------------------------------------------------------------------


def test_uploaded_pictures_are_the_set(page: AppTest) -> None:
    files = strokes(5)
    steps.add_files(page, files)
    assert ids_of(page, "uploaded") == sorted(map(id_of, files.values()))


def test_bad_files_are_listed_and_the_rest_is_kept(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG, "letter.png": TEXT, "cut.jpg": TRUNCATED})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert set(steps.left_out(page)) == {"letter.png", "cut.jpg"}
    assert all(len(reason) > 20 for reason in steps.left_out(page).values())


def test_the_list_of_bad_files_is_open_here_and_closed_on_explain(page: AppTest) -> None:
    def is_open(at: AppTest) -> bool:
        (found,) = [each for each in at.expander if each.label == "Left out: 1"]
        return bool(found.proto.expanded)

    steps.add_files(page, {"good.png": PNG, "letter.png": TEXT})
    assert is_open(page)
    assert not is_open(ask_how_unlike(steps.show_page(page, "explain")))


def test_a_good_upload_clears_the_list_of_bad_files(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG, "letter.png": TEXT})
    steps.add_files(page, strokes(2), "better")
    assert not steps.left_out(page)


def test_nothing_readable_gives_a_message_and_loses_nothing(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG}, "good")
    steps.add_files(page, {"letter.png": TEXT, "cut.jpg": TRUNCATED}, "bad")
    assert "of the 2 files could be read" in steps.errors(page)
    assert list(steps.kept_sets(page)) == ["good"]
    assert set(steps.left_out(page)) == {"letter.png", "cut.jpg"}


ODD_PICTURES = {
    "wide": encoded(stroke(150, 60, 300)),
    "tall": encoded(stroke(30, 300, 60)),
    "tiny": encoded(stroke(5, 10, 10)),
    "colour": JPEG,
    "16 bit": encoded(stroke(20, 50, 40).astype(np.uint16) * 257),
    "transparent": encoded(np.dstack([stroke(20, 50, 40)] * 4)),
    "bilevel": encoded(stroke(20, 50, 40) > 0),
}


@pytest.mark.parametrize("kind", ODD_PICTURES)
def test_a_picture_of_any_size_and_depth_is_read_as_on_explain(page: AppTest, kind: str) -> None:
    content = ODD_PICTURES[kind]
    steps.add_files(page, {"odd.png": content})
    assert ids_of(page, "uploaded") == [id_of(content)]
    features = steps.kept_sets(page)["uploaded"].references.features
    np.testing.assert_allclose(features[0], feature_of(content), atol=1e-5)


def test_pictures_of_all_sizes_and_depths_are_one_set(page: AppTest) -> None:
    steps.add_files(page, {f"{kind}.png": content for kind, content in ODD_PICTURES.items()})
    assert not steps.left_out(page)
    assert ids_of(page, "uploaded") == sorted(map(id_of, ODD_PICTURES.values()))


def test_a_picture_that_is_there_twice_counts_once_and_is_said(page: AppTest) -> None:
    files = {"one.png": PNG, "same.bmp": encoded(stroke(10), "BMP"), "other.png": JPEG}
    steps.add_files(page, files)
    assert ids_of(page, "uploaded") == sorted([id_of(PNG), id_of(JPEG)])
    assert "1 picture came more than once; each counts once." in steps.texts(page)
    assert not steps.left_out(page)


def test_pictures_that_are_there_twice_are_counted(page: AppTest) -> None:
    files = strokes(3)
    steps.add_files(page, files | {f"copy-{name}": files[name] for name in list(files)[:2]})
    assert len(ids_of(page, "uploaded")) == 3
    assert "2 pictures came more than once; each counts once." in steps.texts(page)


def test_beside_pictures_that_are_there_twice_bad_files_are_listed(page: AppTest) -> None:
    steps.add_files(page, {"one.png": PNG, "two.png": PNG, "letter.png": TEXT})
    assert "1 picture came more than once" in steps.texts(page)
    assert list(steps.left_out(page)) == ["letter.png"]


def test_without_pictures_that_are_there_twice_nothing_is_said_of_them(page: AppTest) -> None:
    steps.add_files(page, strokes(3))
    assert "more than once" not in steps.texts(page)


def test_uploads_are_pooled_at_the_chosen_layer(page: AppTest) -> None:
    page.selectbox(key="layer-digits").select_index(0)
    steps.add_files(steps.run(page), {"good.png": PNG})
    references = steps.kept_sets(page)["uploaded"].references
    assert references.layer == page.selectbox(key="layer-digits").value != "features.5"
    np.testing.assert_allclose(references.features[0], feature_of(PNG, references.layer), atol=1e-5)


def test_one_single_picture_is_a_set(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert len(ids_of(page, "uploaded")) == 1
    assert "One picture: there is nothing to learn what varies from" in steps.texts(page)
    assert not [each for each in page.button if each.label == "Remove"]


def test_one_single_picture_is_not_called_several(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert "1 pictures" not in steps.texts(page)
    assert "1 uploaded pictures" not in steps.texts(page)


def test_one_single_picture_has_no_distance_to_others(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG})
    assert "nan" not in steps.texts(page)


@pytest.mark.usefixtures("no_memory")
def test_the_passes_on_explain_count_uploads(counted: Counted) -> None:
    page = steps.open_references()
    steps.add_files(page, strokes(5))
    assert steps.passes(steps.show_page(page, "explain")) == counted.num > 5


def test_a_taken_name_keeps_the_upload(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG}, "mine")
    steps.give_files(page, strokes(3))
    steps.add_set(page, "mine")
    assert "already" in steps.errors(page)
    steps.add_set(page, "yours")
    assert len(ids_of(page, "yours")) == 3


def test_a_folder_is_a_set(page: AppTest) -> None:
    steps.make_by(page, "Uploads")
    steps.keyed(page.button_group, "set-upload-kind").set_value("A folder")
    steps.run(page)
    assert steps.keyed(page.file_uploader, "set-upload").accept_directory
    steps.add_files(page, {"ones/a.png": PNG, "ones/b/c.jpg": JPEG})
    assert ids_of(page, "uploaded") == sorted([id_of(PNG), id_of(JPEG)])


def test_more_than_fifty_bad_files_are_counted(page: AppTest) -> None:
    steps.add_files(page, {"good.png": PNG} | {f"{index}.png": TEXT for index in range(60)})
    assert len(steps.left_out(page)) == 50
    assert "… and 10 more." in steps.texts(page)


@pytest.mark.parametrize("is_packed", [False, True])
def test_too_many_pictures_are_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    monkeypatch.setattr(reference_upload, "MAX_PICTURES", 3)
    files = {"all.zip": zip_of(strokes(4))} if is_packed else strokes(4)
    steps.add_files(page, files)
    assert "these are 4 pictures; a set takes 3 at most" in steps.errors(page).lower()
    assert not steps.kept_sets(page)


def test_as_many_pictures_as_allowed_are_a_set(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_upload, "MAX_PICTURES", 3)
    steps.add_files(page, {"all.zip": zip_of(strokes(2)), "good.jpg": JPEG})
    assert len(ids_of(page, "uploaded")) == 3


# ---- zips ----------------------------------------------------------------------------------


def encrypted(packed: bytes) -> bytes:
    """Return a zip whose members all say that they are encrypted."""
    changed = bytearray(packed)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(mark), packed):
            changed[found.start() + offset] |= 1
    return bytes(changed)


def test_a_zips_pictures_are_the_set(page: AppTest) -> None:
    files = {"ones/a.png": PNG, "ones/deep/b.jpg": JPEG, "__MACOSX/._a.png": b"x", ".DS_Store": b""}
    steps.add_files(page, {"all.zip": zip_of(files)})
    assert ids_of(page, "uploaded") == sorted([id_of(PNG), id_of(JPEG)])
    assert not steps.left_out(page)


def test_a_zip_and_files_are_one_set(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": zip_of(strokes(3)), "more.jpg": JPEG})
    assert len(ids_of(page, "uploaded")) == 4


def test_a_zips_bad_members_are_listed_and_the_rest_is_kept(page: AppTest) -> None:
    packed = zip_of({"a.png": PNG, "letter.png": TEXT, "in/cut.jpg": TRUNCATED})
    steps.add_files(page, {"all.zip": packed})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert set(steps.left_out(page)) == {"letter.png", "in/cut.jpg"}


def test_a_bomb_is_left_out_and_the_rest_is_kept(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "RATIO_COUNTS_FROM_BYTES", 10_000)
    steps.add_files(page, {"all.zip": zip_of({"a.png": PNG, "bomb.png": bytes(300_000)})})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert "as bombs do" in steps.left_out(page)["bomb.png"]


def test_an_archive_that_unpacks_to_too_much_is_cut_off(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = strokes(4)
    limit = sum(len(each) for each in content.values()) - 1
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", limit)
    steps.add_files(page, {"all.zip": zip_of(content, zipfile.ZIP_STORED)})
    assert len(ids_of(page, "uploaded")) == 3
    assert list(steps.left_out(page)) == ["stroke-3.png"]


def test_an_archive_with_too_many_members_is_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    steps.add_files(page, {"all.zip": zip_of(strokes(4))})
    assert "more than 3 files" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_an_archive_that_is_too_large_is_refused(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)
    steps.add_files(page, {"all.zip": zip_of(strokes(4))})
    assert "split it" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_climbing_paths_are_left_out_and_nothing_is_written(page: AppTest, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    climbing = {"../../evil.png": JPEG, "/etc/evil.png": JPEG, "C:/evil.png": JPEG}
    steps.add_files(page, {"all.zip": zip_of({"a.png": PNG, **climbing})})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert set(steps.left_out(page)) == set(climbing)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_encrypted_zip_says_so_and_makes_no_set(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": encrypted(zip_of(strokes(2)))})
    assert "of the 2 files could be read" in steps.errors(page)
    assert all("encrypted" in reason for reason in steps.left_out(page).values())
    assert len(steps.left_out(page)) == 2
    assert not steps.kept_sets(page)


BROKEN_ZIPS = {
    "cut short": zip_of(strokes(3))[:-40],
    "only its beginning": b"PK\x03\x04",
    "only two letters": b"PK",
    "noise": b"PK" + np.random.default_rng(0).bytes(500),
}


@pytest.mark.parametrize("fault", BROKEN_ZIPS)
def test_a_broken_zip_gives_a_message_and_loses_nothing(page: AppTest, fault: str) -> None:
    steps.add_files(page, {"good.png": PNG}, "good")
    steps.add_files(page, {"all.zip": BROKEN_ZIPS[fault]}, "bad")
    assert "not a zip archive, or is damaged" in steps.errors(page)
    assert list(steps.kept_sets(page)) == ["good"]


def test_a_zip_whose_members_overlap_is_refused(page: AppTest) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", PNG)
        twin = copy.copy(archive.filelist[0])
        twin.filename = "b.png"
        archive.filelist.append(twin)
    steps.add_files(page, {"all.zip": packed.getvalue()})
    assert "members overlap" in steps.errors(page)
    assert not steps.kept_sets(page)


def test_a_broken_zips_message_names_the_file(page: AppTest) -> None:
    steps.add_files(page, {"first.zip": zip_of(strokes(2)), "second.zip": BROKEN_ZIPS["noise"]})
    assert "second.zip" in steps.errors(page)


def test_an_empty_zip_gives_a_message(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": zip_of({})})
    assert "of the 1 files could be read" in steps.errors(page)
    assert steps.left_out(page) == {"all.zip": "holds no pictures"}
    assert not steps.kept_sets(page)


def test_an_empty_zip_is_listed_and_the_rest_is_kept(page: AppTest) -> None:
    packed = zip_of({".DS_Store": b"", "__MACOSX/._a.png": b"x"})
    steps.add_files(page, {"none.zip": packed, "good.png": PNG})
    assert ids_of(page, "uploaded") == [id_of(PNG)]
    assert steps.left_out(page) == {"none.zip": "holds no pictures"}


def test_a_text_that_is_called_a_zip_gives_a_message(page: AppTest) -> None:
    steps.add_files(page, {"all.zip": TEXT})
    assert "of the 1 files could be read" in steps.errors(page)
    assert list(steps.left_out(page)) == ["all.zip"]
