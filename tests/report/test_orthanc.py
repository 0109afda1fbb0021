"""Against a real Orthanc on the loopback: studies go there and come back, and so do reports."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from support.graded_files import graded_of

from lsdc.cohort.discovery.dicomweb import fetch_study, store_files
from lsdc.cohort.discovery.dicomweb_access import DicomwebError
from lsdc.cohort.discovery.studies import read_study
from lsdc.report.dicom_objects.presentation_state import write_points
from lsdc.report.dicom_objects.structured_report import write_structured_report

_PLUGINS = [Path(folder) / "orthanc" / "plugins" for folder in ("/usr/share", "/usr/lib", "/usr/local/share")]
_PLUGIN = next((path for folder in _PLUGINS for path in folder.glob("libOrthancDicomWeb*")), None)
pytestmark = pytest.mark.skipif(
    shutil.which("Orthanc") is None or _PLUGIN is None,
    reason="needs the programs of Debian's orthanc and orthanc-dicomweb",
)
_USER, _PASSWORD = "reader", "p@ss:word"


@dataclass(frozen=True)
class Server:
    host: str

    def url(self, who: str = "reader:p%40ss%3Aword@") -> str:
        return f"dicomweb://{who}{self.host}/dicom-web"

    def client(self) -> DICOMwebClient:
        session = requests.Session()
        session.auth = (_USER, _PASSWORD)
        return DICOMwebClient(f"http://{self.host}/dicom-web", session=session)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An Orthanc of its own, with an empty store and a password, on a free port."""
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "Name": "lsdc test",
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {_USER: _PASSWORD},
        "DicomServerEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [str(_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = (folder / "log").open("w")
    process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        _wait(port, process, folder / "log")
        yield Server(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    word = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            headers = {"Authorization": f"Basic {word}"}
            if requests.get(f"http://127.0.0.1:{port}/system", headers=headers, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail(f"Orthanc does not start: {log.read_text()[-500:]}")


@pytest.fixture(scope="module")
def sent(server: Server, small_cohort: Path) -> Path:
    """The folder of a simulated study whose files are on the server."""
    folder = sorted((small_cohort / "test_images").iterdir())[0]
    files = sorted(folder.rglob("*.dcm"))
    assert store_files(server.url(), files).files == len(files)
    return folder


def test_a_study_comes_back_with_the_same_pixels(server: Server, sent: Path, tmp_path: Path) -> None:
    uid = str(dcmread(next(sent.rglob("*.dcm")), stop_before_pixels=True).StudyInstanceUID)
    fetched = fetch_study(server.url(), uid, tmp_path)
    ours = {str(item.SOPInstanceUID): item for item in map(dcmread, sent.rglob("*.dcm"))}
    theirs = {str(item.SOPInstanceUID): item for item in map(dcmread, fetched.glob("*.dcm"))}
    assert ours.keys() == theirs.keys()
    for name, item in ours.items():
        assert item.PixelData == theirs[name].PixelData
        assert item.file_meta.TransferSyntaxUID == theirs[name].file_meta.TransferSyntaxUID
    slices = sum(len(series.slices) for series in read_study(fetched).series)
    assert slices == sum(len(series.slices) for series in read_study(sent).series) == len(ours)


def test_reports_are_found_beside_the_images(server: Server, sent: Path, tmp_path: Path) -> None:
    graded = graded_of(read_study(sent))
    report, points = write_structured_report(graded, tmp_path), write_points(graded, tmp_path)
    stored = store_files(server.url(), [*report.files, *points.files])
    assert stored.files == 1 + len(points.files)
    assert _PASSWORD not in stored.server
    client = server.client()
    study = str(dcmread(report.files[0]).StudyInstanceUID)
    found = client.search_for_instances(study_instance_uid=study, search_filters={"Modality": "SR"})
    assert [item["00080018"]["Value"][0] for item in found] == list(report.instances)
    found = client.search_for_instances(study_instance_uid=study, search_filters={"Modality": "PR"})
    assert {item["00080018"]["Value"][0] for item in found} == set(points.instances)
    assert (
        len(client.search_for_studies(search_filters={"PatientID": dcmread(report.files[0]).PatientID})) == 1
    )


def test_a_wrong_password_is_refused_and_not_shown(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DicomwebError, match=r"refuses access \(401\); give user and password") as caught:
        fetch_study(server.url("reader:secret-word@"), "1.2.3", tmp_path)
    assert "secret-word" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_credentials_may_stand_in_netrc(
    server: Server, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {_USER} password {_PASSWORD}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    file = next(sent.rglob("*.dcm"))
    assert store_files(server.url(""), [file]).files == 1


def test_an_unknown_study_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DicomwebError, match=r"has no study 1\.2\.3\.4"):
        fetch_study(server.url(), "1.2.3.4", tmp_path)
    assert not list(tmp_path.iterdir())
