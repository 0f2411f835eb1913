"""The reading room as a clinician uses it, from the DICOM to the report; nobody's name is left."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pypdfium2
import pytest
from playwright.sync_api import BrowserContext, expect

from explain_core.datasets.films import Case
from tests.browser.dashboard import READ_CANVAS, Dashboard
from tests.browser.serving import running_server
from tests.browser.viewing import box_of
from tests.core.images.dicom_making import encode, film

PLANTED = "Planted^Patrizia"
FILE_NAME = "planted-patrizia-1961.dcm"
SIZE = (480, 400)
START_MS = 90_000
STUDY = "1.2.826.0.1.3680043.8.498.1"
REMARK = "Compared with the lateral view."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder for the server's log, its temporary files and what is downloaded."""
    return tmp_path_factory.mktemp("reading-room")


@pytest.fixture(scope="module")
def window(folder: Path, context: BrowserContext) -> Iterator[Dashboard]:
    (folder / "models.toml").write_text("", encoding="utf-8")
    temporary = folder / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        with running_server(folder) as address:
            window = Dashboard(context.new_page())
            window.page.goto(f"{address}/xray")
            done = window.page.get_by_text("Network passes in this session")
            expect(done).to_be_visible(timeout=START_MS)
            yield window
            window.page.close()
            window.expect_no_faults()


def planted_film() -> bytes:
    """Return a film whose every text element names the patient."""
    names = ("PatientID", "AccessionNumber", "StudyDescription", "InstitutionName", "StudyID")
    return encode(
        film(
            Case(41, ("opacity",), SIZE).read().pixels,
            PatientName=PLANTED,
            **{name: "PLANTED" for name in names},
            PatientComments=PLANTED,
            StudyInstanceUID=STUDY,
            SeriesInstanceUID=f"{STUDY}.1",
            Modality="DX",
            ViewPosition="PA",
            ImagerPixelSpacing=[0.8, 0.8],
        )
    )


def download(window: Dashboard, name: str) -> bytes:
    with window.page.expect_download() as caught:
        window.page.get_by_test_id("stTabs").get_by_role("button", name=name, exact=True).click()
    assert "planted" not in caught.value.suggested_filename.lower()
    return Path(caught.value.path()).read_bytes()


def legend(window: Dashboard, panel: str) -> str:
    return window.panel(panel).locator(".legend").inner_text()


def film_pixels(window: Dashboard) -> object:
    return window.page.locator("figure.film canvas.picture").evaluate(READ_CANVAS)


def page_of(pdf: bytes) -> tuple[str, PIL.Image.Image]:
    """Return the text of a PDF's only page, and the page as a picture."""
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    text = document[0].get_textpage().get_text_bounded()
    return text, document[0].render(scale=1).to_pil()


def test_from_the_film_to_the_report(window: Dashboard, folder: Path) -> None:
    page = window.page
    window.press("Upload")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": FILE_NAME, "mimeType": "", "buffer": planted_film()}]
    )
    expect(page.get_by_text("In use: film 1 · PA · 400 × 480 px")).to_be_visible()
    expect(page.get_by_text("0.8 mm in the detector plane")).to_be_visible()
    window.until(lambda: window.panel("grad-cam").count() == 1, "the maps are there")
    window.settle()
    expect(page.get_by_text(FILE_NAME)).to_have_count(0)

    maps, numbers, passes = window.drawn(), legend(window, "grad-cam"), window.passes()
    film_before = film_pixels(window)
    tools = page.get_by_role("toolbar", name="Film")
    tools.get_by_role("button", name="Window", exact=True).click()
    stage = box_of(page.locator("figure.film .stage"))
    drag(window, stage, (0.5, 0.5), (0.8, 0.3))
    window.until(lambda: film_pixels(window) != film_before, "the film is windowed")
    window.settle()
    assert window.drawn() == maps
    assert legend(window, "grad-cam") == numbers
    assert window.passes() == passes

    tools.get_by_role("button", name="Box", exact=True).click()
    drag(window, stage, (0.1, 0.1), (0.9, 0.5))
    fact = window.panel("grad-cam").locator(".facts li").last
    expect(fact).to_contain_text("of the map in")
    (inside,) = re.findall(r"^1: ([\d.]+) % of the map", fact.inner_text())

    page.get_by_role("tab", name="Report and export").click()
    page.get_by_label("Your remarks").fill(REMARK)
    page.get_by_label("Your remarks").blur()
    window.settle()
    page.get_by_role("button", name="Make the report").click()
    pdf = download(window, "PDF")
    text, picture = page_of(pdf)
    assert REMARK in text
    assert "What in this film made the model say" in text
    assert f"{inside} %" in text
    shown = np.asarray(PIL.Image.open(io.BytesIO(download(window, "PNG"))).convert("L"))
    assert shown.std() > 20
    assert np.asarray(picture.convert("L")).std() > 20

    page.get_by_role("button", name="Make DICOM objects").click()
    made = {
        name: download(window, name)
        for name in ("Secondary Capture", "Parametric Map", "Segmentation")
    }
    for content in made.values():
        read = pydicom.dcmread(io.BytesIO(content))
        assert read.StudyInstanceUID == STUDY
        assert not read.PatientName
    assert pydicom.dcmread(io.BytesIO(made["Parametric Map"])).Rows == SIZE[0]

    for content in (pdf, *made.values()):
        assert not names_in(content)
    assert not [path for path in files_of(folder) if names_in(path.read_bytes())]
    assert (folder / "server.log").stat().st_size > 0


def drag(
    window: Dashboard, stage: dict[str, float], start: tuple[float, float], end: tuple[float, float]
) -> None:
    """Drag between two (x, y) shares of the bare film."""
    for step, (x, y) in enumerate((start, end)):
        window.page.mouse.move(stage["x"] + x * stage["width"], stage["y"] + y * stage["height"])
        if step == 0:
            window.page.mouse.down()
    window.page.mouse.up()


def names_in(content: bytes) -> bool:
    return any(name in content.lower() for name in (b"planted", b"patrizia"))


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
