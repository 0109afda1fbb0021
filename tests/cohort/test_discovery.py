from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.dicom import make_slice, save, write_series

from lsdc.cohort.discovery.sources import DiscoveryError
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.vocabulary import TARGETS, Target, View, parse_row_id
from lsdc.runtime import LsdcError, Problem, TableError

LABELS = ",".join(["study_id", *(target.slug for target in TARGETS)])


def layout(
    root: Path, split: str = "test", study: str = "11", series: tuple[str, ...] = ("21", "22")
) -> Path:
    """A study of a sagittal T2 and an axial T2 series in the competition's layout."""
    for series_id, plane in zip(series, ("sagittal", "axial")):
        folder = root / f"{split}_images" / study / series_id
        write_series(folder, [0, 4, 8], plane, study=f"1.{study}", series=f"1.{study}.{series_id}")
    return root


def describe(
    root: Path,
    split: str = "test",
    rows: Sequence[tuple[str, str, str]] = (("11", "21", "Sagittal T2/STIR"), ("11", "22", "Axial T2")),
) -> None:
    lines = ["study_id,series_id,series_description", *(",".join(row) for row in rows)]
    (root / f"{split}_series_descriptions.csv").write_text("\n".join(lines) + "\n")


def reasons(problems: Iterable[Problem]) -> list[str]:
    return [problem.reason for problem in problems]


def test_a_folder_with_only_test_images(tmp_path: Path) -> None:
    describe(layout(tmp_path))
    cohort = discover(tmp_path)
    (study,) = cohort.studies
    assert (study.study_id, study.split, cohort.labels, cohort.coordinates) == ("11", "test", None, None)
    assert [(item.series_id, item.description) for item in study.series] == [
        ("21", "Sagittal T2/STIR"),
        ("22", "Axial T2"),
    ]
    assert [path.name for path in study.series[0].files] == ["1.dcm", "2.dcm", "3.dcm"]
    read = read_study(study)
    assert [series.view for series in read.series] == [View.SAGITTAL_T2, View.AXIAL_T2]
    assert not read.problems and not cohort.problems


def test_train_and_test_with_all_tables(tmp_path: Path) -> None:
    layout(layout(tmp_path), "train", "12")
    describe(tmp_path)
    describe(tmp_path, "train", [("12", "21", "Sagittal T1"), ("12", "22", "Axial T2")])
    (tmp_path / "train.csv").write_text(f"{LABELS}\n12.0{',Severe' * 25}\n")
    (tmp_path / "train_label_coordinates.csv").write_text(
        "study_id,series_id,instance_number,condition,level,x,y\n12,21,2,Spinal Canal Stenosis,L4/L5,3,4\n"
    )
    cohort = discover(tmp_path)
    assert [(study.study_id, study.split) for study in cohort.studies] == [("12", "train"), ("11", "test")]
    assert cohort.labels is not None and cohort.coordinates is not None
    assert cohort.labels.index.tolist() == ["12"] and len(cohort.coordinates) == 1
    assert cohort.studies[0].series[0].description == "Sagittal T1"
    assert not cohort.problems


def test_a_series_that_the_table_does_not_know_is_recognized_by_its_headers(tmp_path: Path) -> None:
    describe(layout(tmp_path), rows=[("11", "21", "Sagittal T2/STIR")])
    (study,) = discover(tmp_path).studies
    assert study.series[1].description is None
    axial = read_study(study).series[1]
    assert axial.view is View.AXIAL_T2 and "view_guessed" in axial.flags


def test_empty_folders_are_problems_of_their_study(tmp_path: Path) -> None:
    layout(tmp_path)
    (tmp_path / "test_images" / "11" / "23").mkdir()
    (tmp_path / "test_images" / "13").mkdir()
    describe(tmp_path, rows=[("11", "24", "Sagittal T1")])
    with_series, without = discover(tmp_path).studies
    assert reasons(with_series.problems) == [
        "the series folder is empty",
        "the series is in the table of descriptions, but has no folder",
    ]
    assert reasons(read_study(without).problems) == ["the study folder holds no series"]


def test_files_without_a_series_folder_are_grouped_by_header(tmp_path: Path) -> None:
    write_series(tmp_path / "test_images" / "11", [0, 4], series="1.5")
    write_series(tmp_path / "test_images" / "11", [0, 4], plane="axial", series="1.6", names="ax{}.dcm")
    (study,) = discover(tmp_path).studies
    assert [(item.series_id, len(item.files)) for item in study.series] == [("1.5", 2), ("1.6", 2)]


def test_an_images_folder_may_be_given_itself(tmp_path: Path) -> None:
    describe(layout(layout(tmp_path), "train", "12"))
    cohort = discover(tmp_path / "test_images")
    assert [(study.study_id, study.split) for study in cohort.studies] == [("11", "test")]
    assert cohort.studies[0].series[0].description == "Sagittal T2/STIR" and cohort.labels is None


def test_tables_and_folders_that_disagree_are_said_once(tmp_path: Path) -> None:
    layout(tmp_path, "train", "12")
    (tmp_path / "train.csv").write_text(f"{LABELS}\n" + "".join(f"{k}{',Severe' * 25}\n" for k in range(5)))
    (tmp_path / "train_label_coordinates.csv").write_text(
        "study_id,series_id,instance_number,condition,level,x,y\n12,99,2,Spinal Canal Stenosis,L4/L5,3,4\n"
    )
    assert reasons(discover(tmp_path).problems) == [
        "5 studies have labels but no folder (0, 1, 2, …)",
        "1 studies have no row in train.csv (12)",
        "1 annotated series have no folder (12/99)",
    ]


def test_a_malformed_table_is_an_error(tmp_path: Path) -> None:
    layout(tmp_path)
    (tmp_path / "test_series_descriptions.csv").write_text("study_id,series_id\n11,21\n")
    with pytest.raises(
        TableError, match=r"descriptions.csv: no column 'series_description'; found study_id, "
    ):
        discover(tmp_path)
    layout(tmp_path, "train", "12")
    (tmp_path / "test_series_descriptions.csv").unlink()
    (tmp_path / "train.csv").write_text("study_id\n12\n")
    with pytest.raises(TableError, match=r"train.csv: no column 'spinal_canal_stenosis_l1_l2'"):
        discover(tmp_path)


def test_wrong_paths_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DiscoveryError, match=r"nowhere: no such folder"):
        discover(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiscoveryError, match=r"file: not a folder; give the one that holds it"):
        discover(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DiscoveryError, match=r"empty: the folder holds no file"):
        discover(tmp_path / "empty")
    with pytest.raises(DiscoveryError, match=r"no MR image among its 1 files; the first: not a DICOM file"):
        discover(tmp_path)
    (tmp_path / "test_images").mkdir()
    with pytest.raises(DiscoveryError, match=r"no study folder in test_images; expected STUDY/SERIES"):
        discover(tmp_path)
    assert issubclass(DiscoveryError, LsdcError)
    with pytest.raises(DiscoveryError, match=r"cannot be opened|no such folder"):
        discover(tmp_path / ("x" * 5000))


def test_any_tree_is_grouped_by_the_uids_in_the_headers(tmp_path: Path) -> None:
    write_series(tmp_path / "a", [0, 4], study="1.2", series="1.2.1", names="{}")
    write_series(tmp_path / "b" / "c", [8, 12], study="1.2", series="1.2.1", names="IM{}.ima")
    write_series(tmp_path / "b", [0, 4], "axial", study="1.2", series="1.2.2", names="x{}.1")
    write_series(tmp_path / "b", [0, 4], study="1.1", series="1.1.1", names="{}.DCM")
    cohort = discover(tmp_path)
    assert [(study.study_id, study.split) for study in cohort.studies] == [("1.1", "new"), ("1.2", "new")]
    assert [(s.series_id, len(s.files), s.description) for s in cohort.studies[1].series] == [
        ("1.2.1", 4, None),
        ("1.2.2", 2, None),
    ]
    study = read_study(cohort.studies[1])
    assert [series.view for series in study.series] == [View.SAGITTAL_T2, View.AXIAL_T2]
    assert not cohort.problems


def test_ids_of_any_tree_can_stand_in_row_ids(tmp_path: Path) -> None:
    write_series(
        tmp_path / "Müller, Änne\n" / "rücken 1",
        [0, 4],
        StudyInstanceUID=None,
        SeriesInstanceUID=None,
        names="{}",
    )
    (study,) = discover(tmp_path).studies
    assert study.study_id == "Müller-Änne" and study.series[0].series_id == "Müller-Änne-rücken-1"
    target = TARGETS[7]
    assert parse_row_id(target.row_id(study.study_id)) == (study.study_id, Target(*target))


def test_without_uids_studies_are_the_top_folders(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        write_series(tmp_path / patient / "series", [0, 4], StudyInstanceUID=None, SeriesInstanceUID=None)
    assert [(s.study_id, len(s.series[0].files)) for s in discover(tmp_path).studies] == [
        ("p1", 2),
        ("p2", 2),
    ]


def test_what_is_no_mr_image_is_counted(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 4])
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "notes.txt", ".hidden", "README"):
        (tmp_path / name).write_text("nothing of interest")
    save(tmp_path / "ct.dcm", make_slice(Modality="CT"))
    save(tmp_path / "sr.dcm", make_slice(Modality="SR", Rows=None, PixelData=None))
    save(tmp_path / "raw.dcm", make_slice(Rows=None, PixelData=None))
    capture: dict[str, Any] = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagePositionPatient": None}
    save(tmp_path / "screen.dcm", make_slice(**capture))
    cohort = discover(tmp_path)
    assert len(cohort.studies[0].series[0].files) == 2
    assert sorted((Path(problem.path).name, problem.reason) for problem in cohort.problems) == sorted(
        [
            ("README", "not a DICOM file"),
            (tmp_path.name, "5 files: not a DICOM file (a.jpg, b.jpg, c.jpg, …)"),
            ("ct.dcm", "no MR image (modality CT)"),
            ("sr.dcm", "no MR image (modality SR)"),
            ("raw.dcm", "a DICOM object without an image"),
            ("screen.dcm", "a screen capture"),
        ]
    )


def test_damaged_files_of_a_tree_are_one_problem_each(tmp_path: Path) -> None:
    paths = write_series(tmp_path, [0, 4, 8, 12, 16], names="{}")
    paths[0].write_bytes(b"")
    paths[1].write_bytes(paths[1].read_bytes()[:140])
    paths[2].write_bytes(paths[2].read_bytes()[:-100])
    paths[3].write_bytes(b"\xff" * 500)
    cohort = discover(tmp_path)
    problems = [*cohort.problems, *read_study(cohort.studies[0]).problems]
    assert sorted(problem.path for problem in problems) == sorted(map(str, paths[:4]))


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    write_series(tmp_path / "elsewhere", [0, 4])
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "deep" / "circle").symlink_to(root)
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (root / "nowhere").symlink_to(tmp_path / "gone")
    cohort = discover(root)
    assert len(cohort.studies[0].series[0].files) == 2
    assert reasons(cohort.problems) == ["not a regular file, or a link to nowhere"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_do_not_block(tmp_path: Path) -> None:
    write_series(tmp_path, [0, 4])
    os.mkfifo(tmp_path / "pipe")
    assert reasons(discover(tmp_path).problems) == ["not a regular file, or a link to nowhere"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_can_be_written_in_tables(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9 \xff")
    write_series(folder, [0, 4], StudyInstanceUID=None, SeriesInstanceUID=None)
    (folder / os.fsdecode(b"\xfe.dcm")).write_bytes(b"")
    cohort = discover(tmp_path)
    (study,) = cohort.studies
    for text in (study.study_id, study.series[0].series_id, cohort.problems[0].path):
        text.encode("utf-8")
    for item in read_study(study).series[0].slices:
        item.source.encode("utf-8")


def test_folders_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(layout(layout(tmp_path), study="12"))
    listing = type(tmp_path).iterdir

    def deny(path: Path) -> Iterator[Path]:
        if path.name == "12":
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", deny)
    one, other = discover(tmp_path).studies
    assert not one.problems and other.study_id == "12"
    assert reasons(other.problems) == ["the folder cannot be listed (Permission denied)"]


def test_the_simulated_cohort(small_cohort: Path) -> None:
    cohort = discover(small_cohort)
    assert len(cohort.studies) == 16 and not cohort.problems
    assert cohort.labels is not None and cohort.coordinates is not None
    places = {(row.study_id, row.series_id, row.instance_number) for row in cohort.coordinates.itertuples()}
    study = read_study(cohort.studies[0])
    assert study.study_id in cohort.labels.index and not study.problems
    slices = {
        (study.study_id, series.series_id, item.instance_number)
        for series in study.series
        for item in series.slices
    }
    assert {place for place in places if place[0] == study.study_id} <= slices


def test_importing_the_package_is_quick() -> None:
    code = "import sys, lsdc.cohort; print([m for m in ('pydicom', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    cohort = importlib.import_module("lsdc.cohort")
    assert "Study" in dir(cohort)
    assert all(getattr(cohort, name) is not None for name in dir(cohort))
    with pytest.raises(AttributeError, match="nothing"):
        cohort.nothing  # noqa: B018
