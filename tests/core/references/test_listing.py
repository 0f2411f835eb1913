"""Which pictures a folder or a table names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from explain_core.errors import InputError
from explain_core.references.listing import list_folder, list_table
from tests.oracles.folders import fill


def touched(root: Path, *paths: str) -> Path:
    root.mkdir(exist_ok=True)
    return fill(root, dict.fromkeys(paths, b""))


def table(root: Path, text: str) -> Path:
    root.mkdir(exist_ok=True)
    path = root / "labels.csv"
    path.write_bytes(text.encode())
    return path


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    touched(tmp_path, "cat/1.png", "dog/1.JPG", "dog/2.webp")
    assert list_folder(tmp_path).entries == (
        ("cat/1.png", "cat"),
        ("dog/1.JPG", "dog"),
        ("dog/2.webp", "dog"),
    )


def test_deeper_folders_count_to_their_class(tmp_path: Path) -> None:
    touched(tmp_path, "cat/2020/a/1.png", "cat/2.png")
    assert list_folder(tmp_path).entries == (("cat/2.png", "cat"), ("cat/2020/a/1.png", "cat"))


def test_pictures_beside_the_folders_have_no_class(tmp_path: Path) -> None:
    touched(tmp_path, "1.png", "cat/1.png")
    assert list_folder(tmp_path).entries == (("1.png", None), ("cat/1.png", "cat"))


def test_the_order_is_that_of_names(tmp_path: Path) -> None:
    touched(tmp_path, "b/2.png", "b/10.png", "a/z.png", "c.png")
    paths = [path for path, _ in list_folder(tmp_path).entries]
    assert paths == ["a/z.png", "b/10.png", "b/2.png", "c.png"]


def test_other_files_are_ignored_and_counted(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.png", "a/notes.txt", "README", "a/film.dcm")
    listing = list_folder(tmp_path)
    assert (len(listing.entries), listing.num_ignored) == (1, 3)


def test_what_is_hidden_is_passed_over(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.png", "a/._1.png", ".cache/2.png")
    assert [path for path, _ in list_folder(tmp_path).entries] == ["a/1.png"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "nowhere").symlink_to(tmp_path / "gone")
    paths = [path for path, _ in list_folder(tmp_path).entries]
    assert paths == ["a/1.png", "b/2.png", "b/other/1.png"]


def test_a_linked_class_folder_is_followed(tmp_path: Path) -> None:
    touched(tmp_path / "elsewhere", "1.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cat").symlink_to(tmp_path / "elsewhere")
    assert list_folder(tmp_path / "images").entries == (("cat/1.png", "cat"),)


def test_the_bank_itself_is_left_out(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.png", "bank/2.png")
    listing = list_folder(tmp_path, without=tmp_path / "bank")
    assert listing.entries == (("a/1.png", "a"),)


def test_a_folder_without_pictures_is_refused_by_what_it_holds(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.dcm", "a/2.dcm", "b")
    with pytest.raises(InputError, match=r"no pictures in .* \(2 \.dcm, 1 without suffix\)"):
        list_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no pictures in .* \(it is empty\)"):
        list_folder(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*gone"):
        list_folder(tmp_path / "gone")
    with pytest.raises(InputError, match=r"there is no folder .*gone"):
        list_table(tmp_path / "gone", table(tmp_path, "path,label\n1.png,a\n"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.png")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
            list_folder(tmp_path)
    finally:
        (tmp_path / "a").chmod(0o700)


def test_a_table_names_paths_and_labels_in_its_order(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\nb.png,dog\na/1.png,cat\n")
    assert list_table(tmp_path, path).entries == (("b.png", "dog"), ("a/1.png", "cat"))


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    path = table(tmp_path, '\ufefflabel,age,path\r\n"cat, big",7,"a,1.png"\r\n')
    assert list_table(tmp_path, path).entries == (("a,1.png", "cat, big"),)


def test_an_empty_label_means_no_class(tmp_path: Path) -> None:
    assert list_table(tmp_path, table(tmp_path, "path,label\na.png,\n")).entries == (
        ("a.png", None),
    )


def test_paths_are_written_in_one_way(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\n./a//b.png,x\n")
    assert list_table(tmp_path, path).entries == (("a/b.png", "x"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must name the columns path and label in its first line \(got \[\]\)"),
        ("a.png,cat\n", r"must name the columns .* \(got \['a\.png', 'cat'\]\)"),
        ("path;label\na.png;cat\n", r"got \['path;label'\]\); separate them by commas"),
        ("path,label\n", "names no pictures"),
        ("path,label\na.png,x\nb.png\n", "line 3 has no label"),
        ("path,label\na.png,x\n,y\n", "line 3 has no path"),
        ("path,label\n/etc/a.png,x\n", "line 2: '/etc/a.png' leaves the folder of images"),
        ("path,label\na.png,x\na/../../b.png,y\n", "line 3: 'a/../../b.png' leaves the folder"),
        ("path,label\na.png,x\n./a.png,y\n", r"line 3 names 'a\.png' again"),
        ('path,label\n"a.png,x\n', "cannot be read as a table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list_table(tmp_path, table(tmp_path, text))


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("path,label\na.png,Kühe\n".encode("latin-1"))
    with pytest.raises(InputError, match="give a CSV file in UTF-8"):
        list_table(tmp_path, path)


def test_a_table_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv' cannot be read as a table"):
        list_table(tmp_path, tmp_path / "labels.csv")
