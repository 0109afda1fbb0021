"""An S3 server on this machine, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest
from s3fs import S3FileSystem

BUCKET = "hospital"
_SECONDS = 60.0


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Run moto's server, which is the S3 of this process meanwhile; give the URL of its bucket, `BUCKET`."""
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=stream, stderr=stream
        )
    try:
        address = _address(server, log)
        environment = {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-prints",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            S3FileSystem.clear_instance_cache()  # those of another server
            yield f"s3://{BUCKET}"
    finally:
        server.terminate()
        server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server says where it listens, and answers."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and server.poll() is None:
        lines = [line for line in log.read_text(errors="replace").splitlines() if "Running on http" in line]
        if lines:
            address = lines[0].split("Running on ")[1].split()[0]
            try:
                urlopen(f"{address}/moto-api/data.json").close()
            except (URLError, OSError):
                pass
            else:
                return address
        time.sleep(0.1)
    raise RuntimeError(f"the S3 server does not answer:\n{log.read_text(errors='replace')[-2000:]}")
