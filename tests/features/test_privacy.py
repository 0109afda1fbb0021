"""Nothing of what a header, a file or a folder is called leaves the data, where studies are named by hashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from support.dicom import make_slice, picture, save

from lsdc.features.extraction import extract
from lsdc.features.sight import Sight
from lsdc.features.store import FeatureStore
from lsdc.report.study_preview import preview

MARK = "ZQJX"


def marked(dataset: Dataset) -> Dataset:
    """Write the mark into every free text that a scanner may write, and into private ones."""
    for name in (
        "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "PatientAddress", "SeriesDescription",
        "StudyDescription", "ProtocolName", "InstitutionName", "OperatorsName", "ReferringPhysicianName",
        "RequestedProcedureDescription", "AccessionNumber", "StudyID", "StationName", "ImageComments",
    ):  # fmt: skip
        setattr(dataset, name, f"{MARK} {name}"[:16])
    dataset.private_block(0x0009, f"{MARK} PRIVATE", create=True).add_new(0x01, "LT", f"{MARK} private")
    return dataset


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for plane in ("sagittal", "axial"):
        for k in range(3):
            slice_ = make_slice(
                picture(k, (64, 72)), plane=plane, place=4.0 * k, number=k, PixelSpacing=[4.0, 4.0],
                study=f"1.2.826.7654321.{plane == 'x':d}", series=f"1.2.826.7654321.{plane == 'axial':d}.7",
            )  # fmt: skip
            save(root / f"{MARK}_folder" / f"{plane}_{MARK}" / f"{MARK}{k}.dcm", marked(slice_))
    (root / f"{MARK}_folder" / f"{MARK}.dcm").write_bytes(b"damaged")
    (root / f"{MARK}_folder" / f"{MARK}.txt").write_text("a letter")
    (root / f"{MARK}_folder" / f"{MARK}.zip").write_bytes(b"PK\x03\x04" + bytes(600))
    return root


def test_no_mark_of_a_patient_leaves_the_data(
    tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = extract(tree, tmp_path / "store", study_id="hash", workers=1)
    store = FeatureStore.open(done.store)
    study = store.studies["study_id"][0]
    preview(store, study, tmp_path / "sheet.png")
    assert done.problems >= 3 and Sight.of(store.rows, [study]).counts()["seen"] < 25
    for secret in (MARK, "826.7654321"):
        for path in [*store.path.rglob("*"), tmp_path / "sheet.png"]:
            assert secret not in str(path.relative_to(tmp_path))
            if path.is_file():
                content = path.read_bytes()
                assert secret.encode() not in content and secret.encode("utf-16-le") not in content, path
        said = capfd.readouterr()
        assert secret not in said.out + said.err


def test_whose_it_is_is_written_only_when_asked(tree: Path, tmp_path: Path) -> None:
    extract(tree, tmp_path / "store", study_id="hash", ids=tmp_path / "ids.csv", workers=1)
    assert MARK in (tmp_path / "ids.csv").read_text()
