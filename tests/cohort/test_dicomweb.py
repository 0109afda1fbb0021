"""DICOMweb without a server, and with one that misbehaves; `tests/report/test_orthanc.py` talks to a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lsdc.cohort.discovery import dicomweb
from lsdc.cohort.discovery.dicomweb import fetch_study, store_files
from lsdc.cohort.discovery.dicomweb_access import DicomwebError

Answer = tuple[int, str, bytes]
_KIND = 'multipart/related; type="application/dicom"; boundary=b'


def parts(*contents: bytes) -> bytes:
    """Encode the parts of an answer."""
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + content + b"\r\n" for content in contents) + b"--b--\r\n"


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Start a server that gives one answer to everything."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, kind, body = answer
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"dicomweb://127.0.0.1:{server.server_port}/web"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "url", ["", "localhost:8042", "ftp://host/x", "dicomweb://", "dicomweb://host:99999/x"]
)
def test_what_is_no_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(DicomwebError, match="a DICOMweb server's URL looks like dicomweb://host:port/path"):
        fetch_study(url, "1.2.3", tmp_path)


@pytest.mark.parametrize("uid", ["", "../1.2", "1.2/3", "a.b", "1" * 65])
def test_what_is_no_uid_is_refused(uid: str, tmp_path: Path) -> None:
    with pytest.raises(DicomwebError, match="is no StudyInstanceUID"):
        fetch_study("dicomweb://127.0.0.1:1/x", uid, tmp_path)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DicomwebError, match=r"http://127\.0\.0\.1:1/x: cannot be reached") as caught:
        fetch_study("dicomweb://user:word@127.0.0.1:1/x", "1.2.3", tmp_path)
    assert "word" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_files_are_written_as_they_come(serve: Callable[[Answer], str], tmp_path: Path) -> None:
    files = [bytes(128) + b"DICM" + bytes([k]) * 5000 for k in range(3)]
    folder = fetch_study(serve((200, _KIND, parts(*files))), "1.2.3", tmp_path)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == files
    with pytest.raises(DicomwebError, match="is there already; read it, or delete it"):
        fetch_study("dicomweb://127.0.0.1:1/x", "1.2.3", tmp_path)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, _KIND, parts(b"<html>hello</html>")), "sent something that is no DICOM file"),
        ((200, "text/html", b"<html></html>"), "sends what cannot be understood"),
        ((200, _KIND, b"--b--\r\n"), "sends what cannot be understood"),
        ((401, "text/plain", b""), r"refuses access \(401\)"),
        ((404, "text/plain", b""), r"has no study 1.2.3 \(404\)"),
        ((500, "text/plain", b""), "answers with error 500"),
    ],
)
def test_answers_that_are_no_study(
    serve: Callable[[Answer], str], tmp_path: Path, answer: Answer, words: str
) -> None:
    with pytest.raises(DicomwebError, match=words):
        fetch_study(serve(answer), "1.2.3", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_study_without_end_is_cut_off(
    serve: Callable[[Answer], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve((200, _KIND, parts(*[bytes(128) + b"DICM" + bytes(2**20)] * 5)))
    monkeypatch.setattr(dicomweb, "MAX_STUDY_BYTES", 2**21)
    with pytest.raises(DicomwebError, match="the server sends more than"):
        fetch_study(url, "1.2.3", tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(dicomweb, "MAX_STUDY_FILES", 3)
    with pytest.raises(DicomwebError, match="has more than 3 files"):
        fetch_study(url, "1.2.3", tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_no_dicom_file_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(DicomwebError, match=r"note\.txt: cannot be sent: not a DICOM file"):
        store_files("dicomweb://127.0.0.1:1/x", [tmp_path / "note.txt"])
