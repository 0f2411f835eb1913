"""The X-ray page in Streamlit's simulation: films, findings, references, reports."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import numpy as np
import pydicom
import pypdfium2
import pytest
from streamlit.testing.v1 import AppTest

from components import state
from explain_core.datasets.films import Case
from tests.core.images.dicom_making import PATIENT, encode, film
from tests.core.images.encoding import encode as encode_picture
from tests.ui import steps

SIZE = (96, 80)


def phantom_pixels(*findings: str, seed: int = 40) -> np.ndarray:
    return Case(seed, findings, SIZE).read().pixels


def dicom(*findings: str, seed: int = 40, **elements: Any) -> bytes:
    values = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "Modality": "DX"}
    return encode(film(phantom_pixels(*findings, seed=seed), **values | elements))


def text_widget(elements: Any, label: str) -> Any:
    (found,) = [each for each in elements if each.label == label]
    return found


@pytest.fixture
def at() -> AppTest:
    at = steps.open_app()
    at.switch_page("pages/xray.py")
    return steps.run(at)


def upload(at: AppTest, *contents: bytes) -> AppTest:
    steps.keyed(at.get("segmented_control"), state.XRAY_SOURCE).set_value("Upload")
    steps.run(at)
    files = [(f"{PATIENT}-{place}", data, "") for place, data in enumerate(contents)]
    steps.keyed(at.file_uploader, "films-").set_value(files)
    return steps.run(at)


def choose_phantom(at: AppTest, name: str) -> AppTest:
    at.selectbox(key=state.XRAY_PHANTOM).set_value(name)
    return steps.run(at)


def against(at: AppTest, kind: str) -> AppTest:
    steps.keyed(at.selectbox, state.XRAY_AGAINST).set_value(kind)
    return steps.run(at)


def test_it_opens_with_a_phantom_against_healthy_films(at: AppTest) -> None:
    assert at.title[0].value == (
        "What in this film made the model say opacity, compared with healthy films?"
    )
    heads = {name: panel.head for name, panel in steps.shown_panels(at).items()}
    assert heads == {
        "diffcam": "DiffCAM this film against healthy films",
        "grad-cam": "Grad-CAM for opacity",
    }
    texts = steps.texts(at)
    assert "Research use, not a medical device" in texts
    assert "synthetic phantom, not a patient" in texts
    header = steps.header_of(steps.sent(at) or b"")
    assert header["film"]["mark"] == "SYNTHETIC PHANTOM"


def test_each_finding_has_its_own_map_and_the_film_one(at: AppTest) -> None:
    choose_phantom(at, "Opacity and enlarged heart")
    assert set(steps.shown_panels(at)) == {"diffcam", "grad-cam-0", "grad-cam-3"}
    assert "opacity and enlarged heart" in at.title[0].value


def test_what_the_model_does_not_call_shows_no_map_until_it_is_wanted(at: AppTest) -> None:
    choose_phantom(at, "Nothing found")
    assert steps.shown_panels(at) == {}
    assert "The model calls no finding on this film" in steps.texts(at)
    assert steps.header_of(steps.sent(at) or b"")["film"]["mark"] == "SYNTHETIC PHANTOM"
    show = next(each for each in at.button if each.label == "Show its map all the same")
    show.click()
    steps.run(at)
    assert "grad-cam" in steps.shown_panels(at)
    assert "The map shows what little speaks for it, and no finding." in steps.texts(at)


def test_another_finding_brings_finer_cam(at: AppTest) -> None:
    against(at, "finding")
    heads = {name: panel.head for name, panel in steps.shown_panels(at).items()}
    assert heads["finer-grad-cam"].endswith("opacity against pneumothorax")
    assert heads["diffcam"].endswith("this film against films with pneumothorax")


def test_a_set_of_ones_own_is_asked_for(at: AppTest) -> None:
    against(at, "set")
    assert "Make a set: from the bank, or of films that you upload." in steps.texts(at)
    assert list(steps.shown_panels(at)) == ["grad-cam"]


def test_an_earlier_film_is_compared_with_the_later_one(at: AppTest) -> None:
    earlier = dicom(seed=41, StudyDate="20200101", ViewPosition="PA")
    later = dicom("opacity", StudyDate="20210101", Laterality="L")
    upload(at, later, earlier)
    against(at, "earlier")
    panel = steps.shown_panels(at)["diffcam"]
    assert panel.head == "DiffCAM this film against the earlier film (366 days before)"
    assert "healthy films vary in anyway" in steps.texts(at)
    assert "Laterality" in steps.texts(at)


def test_numbers_and_days_tell_films_apart_and_later_is_not_called_earlier(at: AppTest) -> None:
    earlier = dicom(seed=41, StudyDate="20200101")
    later = dicom("opacity", StudyDate="20200111")
    upload(at, later)
    steps.keyed(at.toggle, state.XRAY_ADD).set_value(True)
    steps.run(at)
    steps.keyed(at.file_uploader, "films-").set_value([("x", earlier, "")])
    steps.run(at)
    films = steps.keyed(at.selectbox, state.XRAY_FILM)
    assert films.options == ["1 · 10 days before the last · 80 × 96 px", "2 · 80 × 96 px"]
    assert films.value == 1
    films.set_value(0)
    steps.run(at)
    against(at, "earlier")
    assert "20200101" not in steps.texts(at)
    which = steps.keyed(at.selectbox, state.XRAY_EARLIER)
    assert which.options == ["2 · 80 × 96 px"]
    assert "the later film (10 days after)" in at.title[0].value or at.title[0].value.startswith(
        "The model calls no finding"
    )


def test_a_section_is_no_radiograph(at: AppTest) -> None:
    upload(at, dicom("opacity", Modality="CT"))
    assert "no radiograph but CT" in steps.texts(at)


def test_what_speaks_against_a_map_stands_in_the_report(at: AppTest) -> None:
    at.selectbox(key=state.XRAY_MODEL).set_value("films-confounded")
    steps.run(at)
    panels = steps.header_of(steps.sent(at) or b"")["panels"]
    assert "near text or a marker" in {each["name"]: each for each in panels}["grad-cam"]["doubt"]
    next(each for each in at.button if each.label == "Make the report").click()
    steps.run(at)
    pdf = pypdfium2.PdfDocument(at.session_state["made-files"]["report"].files["PDF"])
    text = " ".join(pdf[0].get_textpage().get_text_bounded().split())
    assert "side marker or burned-in text" in text


def test_a_zipped_study_is_read_and_what_is_no_film_is_told(at: AppTest) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one", dicom("opacity"))
        archive.writestr("two.png", encode_picture(phantom_pixels("nodule"), "PNG"))
        archive.writestr("three", b"hello")
    upload(at, file.getvalue())
    assert len(steps.keyed(at.selectbox, state.XRAY_FILM).options) == 2
    assert [each.label for each in at.expander if "left out" in each.label] == ["1 file left out"]


def test_files_that_are_no_films_leave_what_was_there(at: AppTest) -> None:
    upload(at, dicom("opacity"))
    before = set(steps.shown_panels(at))
    steps.keyed(at.file_uploader, "films-").set_value([("x", b"no film", "")])
    steps.run(at)
    assert "There is no film that can be read" in steps.texts(at)
    assert set(steps.shown_panels(at)) == before


def test_no_name_of_patient_or_file_is_on_the_page_unless_asked(at: AppTest) -> None:
    upload(at, dicom("opacity", PatientID="PLANTED-ID"))
    texts = steps.texts(at)
    assert "Patient's Name" in texts
    assert PATIENT not in texts
    assert "PLANTED-ID" not in texts
    steps.keyed(at.toggle, state.XRAY_TAGS).set_value(True)
    steps.run(at)
    assert any("PLANTED-ID" in each.value for each in at.text)


def test_an_annotation_of_a_phantom_is_measured(at: AppTest) -> None:
    steps.keyed(at.toggle, state.XRAY_TRUTH).set_value(True)
    steps.run(at)
    table = at.dataframe[0].value
    assert list(table["Map"]) == [
        "DiffCAM, this film against healthy films",
        "Grad-CAM, for opacity",
    ]
    assert list(table["Annotation"]) == ["opacity", "opacity"]
    shares = [float(each.removesuffix(" %")) for each in table["Share inside"]]
    assert shares[1] > 2 * float(table["Its area"][1].removesuffix(" %"))


def test_the_report_and_the_objects_are_made_and_go_stale(at: AppTest) -> None:
    upload(at, dicom("opacity", PatientID="PLANTED-ID"))
    for label in ("Make the report", "Make DICOM objects"):
        next(each for each in at.button if each.label == label).click()
        steps.run(at)
    made = {kind: at.session_state["made-files"][kind].files for kind in ("report", "objects")}
    assert made["report"]["PDF"].startswith(b"%PDF")
    assert made["report"]["PNG"].startswith(b"\x89PNG")
    capture = pydicom.dcmread(io.BytesIO(made["objects"]["Secondary Capture"]))
    assert str(capture.StudyInstanceUID) == "1.2.3"
    for files in made.values():
        for content in files.values():
            assert PATIENT.encode() not in content
            assert b"PLANTED-ID" not in content
    assert {each.label for each in at.get("download_button")} >= {"PDF", "PNG", "Segmentation"}
    at.text_area[0].set_value("Compare with the lateral view.")
    steps.run(at)
    assert "What is shown has changed since it was made: make it anew." in steps.texts(at)


def test_the_mean_map_of_healthy_films_is_judged(at: AppTest) -> None:
    assert "does not look like the mean map" in steps.texts(at)
    assert re.search(r"mean map of 4[78] reference films", steps.texts(at))


def test_a_marker_that_draws_the_map_is_told(at: AppTest) -> None:
    at.selectbox(key=state.XRAY_MODEL).set_value("films-confounded")
    steps.run(at)
    steps.keyed(at.selectbox, state.XRAY_EXAMINED).set_value("Grad-CAM, for opacity")
    steps.run(at)
    assert "side marker or burned-in text" in steps.texts(at)


def test_the_picture_for_the_network_stays_whatever_is_windowed(at: AppTest) -> None:
    passes = steps.passes(at)
    name = steps.header_of(steps.sent(at) or b"")["film"]["name"]
    told = {
        "values": {},
        "film": {
            "name": name,
            "window": {"center": 1000.0, "width": 500.0, "function": "LINEAR"},
            "is_inverted": True,
            "regions": [{"kind": "box", "points": [[10, 10], [400, 300]]}],
        },
    }
    before = {name: panel.data for name, panel in steps.shown_panels(at).items()}
    at.session_state[state.XRAY_VIEWER] = {"settings": told}
    steps.run(at)
    assert {name: panel.data for name, panel in steps.shown_panels(at).items()} == before
    assert steps.passes(at) == passes


def test_a_film_that_cannot_be_decoded_replaces_nothing(at: AppTest) -> None:
    upload(at, dicom("opacity"))
    before = set(steps.shown_panels(at))
    cut = dicom("nodule")[:-5000]
    steps.keyed(at.file_uploader, "films-").set_value([("x", cut, "")])
    steps.run(at)
    assert "damaged or cut short" in steps.texts(at)
    assert set(steps.shown_panels(at)) == before


def test_a_network_of_phantoms_warns_of_other_films(at: AppTest) -> None:
    assert "knows nothing but drawn phantoms" not in steps.texts(at)
    upload(at, dicom("opacity"))
    assert "knows nothing but drawn phantoms" in steps.texts(at)
