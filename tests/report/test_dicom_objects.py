"""Structured reports and presentation states: valid by dciodvfy, and read back by highdicom and dcmtk."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from support.dicom import make_enhanced, save, write_series
from support.graded_files import SHARES, STATEMENT, graded_of

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level, Target, View
from lsdc.report.dicom_objects.copied_header import SourceError
from lsdc.report.dicom_objects.presentation_state import write_points
from lsdc.report.dicom_objects.structured_report import write_structured_report
from lsdc.report.graded_study import GradedStudy

UNSEEN = (
    Target(Condition.LEFT_SUBARTICULAR_STENOSIS, Level.L1_L2),
    Target(Condition.SPINAL_CANAL_STENOSIS, Level.L5_S1),
)
UNSURE = (Target(Condition.RIGHT_NEURAL_FORAMINAL_NARROWING, Level.L2_L3),)
SEVERITY, VISIBILITY = "246112005", "VISIBILITY"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of three views."""
    folder = tmp_path_factory.mktemp("study")
    places = [-12, -8, -4, 0, 4, 8, 12]
    shared = {"StudyID": "7", "StudyDate": "20240305", "StudyTime": "101500", "AccessionNumber": "A1"}
    write_series(folder / "t1", places, contrast="t1", series="1.2.3.1", **shared)
    write_series(folder / "t2", places, contrast="t2", series="1.2.3.2", **shared)
    write_series(
        folder / "ax",
        [0, 5, 10, 15],
        plane="axial",
        series="1.2.3.3",
        RescaleSlope="2",
        RescaleIntercept="-3",
        **shared,
    )
    return folder


@pytest.fixture(scope="module")
def graded(data: Path) -> GradedStudy:
    return graded_of(read_study(data), UNSEEN, UNSURE)


def verify(path: Path) -> list[str]:
    """Give the errors of dciodvfy."""
    found = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    assert "ComprehensiveSR" in found.stderr or "GrayscaleSoftcopyPresentationState" in found.stderr
    return [line for line in found.stderr.splitlines() if line.startswith("Error")]


def groups_of(path: Path) -> dict[str, Dataset]:
    """Read a report with highdicom, its groups by tracking identifier."""
    report = hd.sr.srread(path)
    content = report.content
    assert isinstance(content, hd.sr.MeasurementReport)
    groups = [
        *content.get_planar_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]
    return {str(group.tracking_identifier): group for group in groups}


def answer(group: Dataset, question: str) -> str | None:
    """Give the code that answers a question."""
    found = [item.value.value for item in group.get_qualitative_evaluations() if item.name.value == question]
    return found[0] if found else None


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs the program dciodvfy of dicom3tools")
def test_objects_are_valid(graded: GradedStudy, tmp_path: Path) -> None:
    files = [*write_structured_report(graded, tmp_path).files, *write_points(graded, tmp_path).files]
    assert len(files) == 4
    assert {path.name: verify(path) for path in files} == {path.name: [] for path in files}


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="needs the program dsrdump of dcmtk")
def test_dcmtk_reads_a_report(graded: GradedStudy, tmp_path: Path) -> None:
    (path,) = write_structured_report(graded, tmp_path).files
    found = subprocess.run(["dsrdump", str(path)], capture_output=True, text=True, check=True).stdout
    assert found.count('"Measurement Group"') == len(TARGETS)
    assert found.count("(POINT,") == len(TARGETS) - len(UNSEEN)
    assert found.count('(122288,DCM,"Not visualized")') == len(UNSEEN)
    assert STATEMENT[0] in found
    assert "Verification Flag   : UNVERIFIED" in found


def test_every_target_is_reported(graded: GradedStudy, tmp_path: Path) -> None:
    report = write_structured_report(graded, tmp_path)
    groups = groups_of(report.files[0])
    assert set(groups) == {target.slug for target in TARGETS}
    assert report.graded == len(TARGETS) - len(UNSEEN)
    grades = {Grade.NORMAL_MILD: "NORMAL_MILD", Grade.MODERATE: "6736007", Grade.SEVERE: "24484000"}
    for item in graded.targets:
        group = groups[item.target.slug]
        (site,) = group.finding_sites
        assert site.value.meaning == f"{item.target.level.title} disc"
        side = item.target.condition.side
        assert (site.laterality.meaning if site.laterality else None) == (
            side.value.title() if side else None
        )
        numbers = [float(measured.value) for measured in group.get_measurements()]
        if item.target in UNSEEN:
            assert (answer(group, VISIBILITY), answer(group, SEVERITY), numbers) == ("122288", None, [])
            continue
        assert answer(group, VISIBILITY) == ("UNSURE" if item.target in UNSURE else "SEEN")
        assert item.grade is not None and answer(group, SEVERITY) == grades[item.grade]
        assert numbers == pytest.approx(item.probabilities)
        place = graded.located.study.series[item.location.series].slices[item.location.slice]  # type: ignore[index]
        region = group.roi
        np.testing.assert_allclose(region.value[0], np.array(item.location.point) + 0.5, rtol=1e-6)
        source = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert source.ReferencedSOPInstanceUID == dcmread(place.source).SOPInstanceUID


def test_a_report_belongs_to_the_patient(data: Path, graded: GradedStudy, tmp_path: Path) -> None:
    image = dcmread(data / "t1" / "1.dcm")
    for path in (*write_structured_report(graded, tmp_path).files, *write_points(graded, tmp_path).files):
        made = dcmread(path)
        for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
                     "StudyDate", "AccessionNumber"):  # fmt: skip
            assert made[name].value == image[name].value
        assert made.SeriesInstanceUID != image.SeriesInstanceUID


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 192", "Петров^Иван"),
    ],
)
def test_names_in_any_letters_are_copied(
    data: Path, tmp_path: Path, charset: str | list[str], name: str
) -> None:
    folder = tmp_path / "data"
    for path in data.rglob("*.dcm"):
        image = dcmread(path)
        image.SpecificCharacterSet, image.PatientName = charset, name
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        image.save_as(folder / path.parent.name / path.name)
    graded = replace(graded_of(read_study(folder)), statement=("measured on 100 patients — “none”",))
    made = dcmread(write_structured_report(graded, tmp_path).files[0])
    assert str(made.PatientName) == name
    said = [item.TextValue for item in made.ContentSequence if "TextValue" in item]
    assert "measured on 100 patients — “none”" in said
    assert str(dcmread(write_points(graded, tmp_path).files[0]).PatientName) == name


def test_the_same_study_gives_the_same_files(graded: GradedStudy, tmp_path: Path) -> None:
    for write in (write_structured_report, write_points):
        first, again = write(graded, tmp_path / "a"), write(graded, tmp_path / "b")
        assert [path.read_bytes() for path in first.files] == [path.read_bytes() for path in again.files]
        other = write(replace(graded, model="other"), tmp_path / "c")
        assert set(other.instances).isdisjoint(first.instances)


def test_what_was_refused_has_no_grade(graded: GradedStudy, tmp_path: Path) -> None:
    targets = tuple(replace(item, refused=True) for item in graded.targets)
    report = write_structured_report(replace(graded, targets=targets), tmp_path)
    assert report.graded == 0
    groups = groups_of(report.files[0])
    assert {answer(group, SEVERITY) for group in groups.values()} == {None}
    assert not any(group.get_measurements() for group in groups.values())


def test_numbers_for_the_competition_are_not_called_probabilities(
    graded: GradedStudy, tmp_path: Path
) -> None:
    report = write_structured_report(replace(graded, weighting="competition"), tmp_path)
    group = groups_of(report.files[0])[TARGETS[0].slug]
    names = [item.name.meaning for item in group.get_measurements()]
    assert names == [
        f"Competition-weighted share of {grade}" for grade in ("normal or mild", "moderate", "severe")
    ]
    assert [float(item.value) for item in group.get_measurements()] == pytest.approx(SHARES[0])


def test_points_are_drawn_where_targets_were_located(graded: GradedStudy, tmp_path: Path) -> None:
    states = [dcmread(path) for path in write_points(graded, tmp_path).files]
    drawn = {}
    for state in states:
        assert len(state.ReferencedSeriesSequence) == 1
        for item in state.GraphicAnnotationSequence:
            (image,), (circle,), (words,) = (
                item.ReferencedImageSequence,
                item.GraphicObjectSequence,
                item.TextObjectSequence,
            )
            assert circle.GraphicType == "CIRCLE"
            drawn[image.ReferencedSOPInstanceUID, words.UnformattedTextValue] = circle.GraphicData
    assert len(drawn) == len(TARGETS) - len(UNSEEN)
    target = graded.of(*UNSURE[0])
    place = graded.located.study.series[target.location.series].slices[target.location.slice]  # type: ignore[index]
    assert target.grade is not None
    x, y, edge, _ = drawn[dcmread(place.source).SOPInstanceUID, f"R L2/L3 {target.grade.title}?"]
    assert (x, y) == pytest.approx(np.array(target.location.point) + 0.5)
    assert (edge - x) * place.plane.spacing[1] == pytest.approx(3.0, abs=1e-3)


@pytest.mark.skipif(shutil.which("dcmp2pgm") is None, reason="needs the program dcmp2pgm of dcmtk")
def test_dcmtk_applies_points_to_their_image(data: Path, graded: GradedStudy, tmp_path: Path) -> None:
    state = write_points(graded, tmp_path).files[0]
    uid = dcmread(state).GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID
    image = next(path for path in data.rglob("*.dcm") if dcmread(path).SOPInstanceUID == uid)
    command = ["dcmp2pgm", "-v", "-p", str(state), str(image), str(tmp_path / "image.pgm")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "Number of graphic objects: 4" in said and "type=circle" in said
    assert 'text 1: "L1/L2 Normal/Mild"' in said
    assert (tmp_path / "image.pgm").read_bytes()[:2] == b"P5"


def test_points_keep_rescaling_and_shape_of_pixels(graded: GradedStudy, tmp_path: Path) -> None:
    states = {str(state.ReferencedSeriesSequence[0].SeriesInstanceUID): state
              for state in map(dcmread, write_points(graded, tmp_path).files)}  # fmt: skip
    assert (states["1.2.3.3"].RescaleSlope, states["1.2.3.3"].RescaleIntercept) == (2, -3)
    assert (states["1.2.3.1"].RescaleSlope, states["1.2.3.1"].RescaleIntercept) == (1, 0)
    assert states["1.2.3.1"].DisplayedAreaSelectionSequence[0].PresentationPixelSpacing == [0.5, 0.75]


def test_frames_of_a_multi_frame_file_are_named(tmp_path: Path) -> None:
    frames = make_enhanced([-8.0, -4.0, 0.0, 4.0, 8.0], slopes=[2, 2, 3, 2, 2])
    save(tmp_path / "data" / "frames.dcm", frames)
    graded = graded_of(read_study(tmp_path / "data"))
    groups = groups_of(write_structured_report(graded, tmp_path / "out").files[0])
    source = groups[TARGETS[0].slug].roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert source.ReferencedFrameNumber == 3
    (state,) = map(dcmread, write_points(graded, tmp_path / "out").files)
    assert state.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedFrameNumber == 3
    assert state.RescaleSlope == 3


def test_points_on_inverted_images_show_them_inverted(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    for path in (tmp_path / "data").rglob("*.dcm"):
        header = dcmread(path)
        header.PhotometricInterpretation = "MONOCHROME1"
        header.save_as(path)
    study = read_study(discover(tmp_path / "data").studies[0])
    for path in write_points(graded_of(study), tmp_path / "out").files:
        assert dcmread(path).PresentationLUTShape == "INVERSE"
    for path in write_points(graded_of(read_study(discover(data).studies[0])), tmp_path / "plain").files:
        assert dcmread(path).PresentationLUTShape == "IDENTITY"


def test_studies_of_an_archive_are_reported(data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted(data.rglob("*.dcm")):
            archive.write(path, path.relative_to(data))
    cohort = discover(tmp_path / "export.zip")
    source = cohort.studies[0]
    graded = graded_of(read_study(source))
    with pytest.raises(SourceError, match="no such DICOM file"):
        write_structured_report(graded, tmp_path / "out")
    files = {path_text(path): path for series in source.series for path in series.files}
    report = write_structured_report(replace(graded, files=files), tmp_path / "out")
    assert report.graded == len(TARGETS)


def test_a_study_of_pictures_has_no_report() -> None:
    study = Study.from_images([np.zeros((40, 40), np.uint8)] * 3, View.SAGITTAL_T2, spacing=(1.0, 1.0))
    with pytest.raises(
        SourceError, match="no such DICOM file; reports are written of studies that `read_study` read"
    ):
        write_structured_report(graded_of(study), "out")


def test_a_study_without_image_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="study empty: no image could be read"):
        write_structured_report(graded_of(Study("empty", ())), tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SOPInstanceUID": "ANONYMOUS"}, "has no valid SOPInstanceUID"),
        ({"StudyInstanceUID": "1.2.99"}, r"belongs to another study \(StudyInstanceUID\)"),
        ({"PatientID": "SOMEBODY"}, r"belongs to another patient \(PatientID\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_headers_must_say_whose_they_are(
    data: Path, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    graded = graded_of(read_study(folder))
    for path in (folder / "ax").iterdir():
        changed = dcmread(path)
        for name, value in change.items():
            setattr(changed, name, value)
        changed.save_as(path)
    with pytest.raises(SourceError, match=words):
        write_structured_report(graded, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_levels_are_those_of_the_standard() -> None:
    from lsdc.report.dicom_objects.concepts import LEVELS

    standard = [
        codes.SCT.L1L2Disc,
        codes.SCT.L2L3Disc,
        codes.SCT.L3L4Disc,
        codes.SCT.L4L5Disc,
        codes.SCT.L5S1Disc,
    ]
    assert [LEVELS[level].value for level in Level] == [code.value for code in standard]
