"""A Dask scheduler and workers as processes of their own on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

ENVIRONMENT = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "3s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


class LoopbackCluster:
    """Begins and ends a scheduler and its workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.start_scheduler()
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            kill(process)

    def start_scheduler(self) -> None:
        self.scheduler = self._started(
            "dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--no-dashboard",
            "--no-show",
            path=[],
        )

    def start_worker(
        self, *, nanny: bool = False, before: Path | None = None, threads: int = 1, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker; `before` comes first on its path."""
        path = [*([before] if before else []), Path(__file__).parents[1]]
        words = [
            self.address,
            "--nthreads",
            str(threads),
            "--no-dashboard",
            "--local-directory",
            str(self.folder),
        ]
        worker = self._started(
            "dask_worker", *words, "--nanny" if nanny else "--no-nanny", path=path, environment=environment
        )
        self.workers.append(worker)
        return worker

    def _started(
        self, program: str, *words: str, path: list[Path], environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        variables = {
            **os.environ,
            **ENVIRONMENT,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            **(environment or {}),
        }
        with (self.folder / f"{program}.log").open("ab") as log:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *words]
            # In a session of its own, so that its children can be ended with it.
            return subprocess.Popen(
                command, env=variables, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, as a power failure would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def lying_package(folder: Path) -> Path:
    """Make a folder that lets the toolkit seem to be of another version."""
    place = folder / "lsdc_toolkit-0.0.1.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lsdc-toolkit\nVersion: 0.0.1\n", encoding="ascii"
    )
    return folder
