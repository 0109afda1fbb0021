"""What training leaves behind: a line per epoch, in a CSV file and for TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lsdc.runtime.errors import ConfigError

COLUMNS = ("epoch", "loss", "score", "learning_rate", "seconds")


def tensorboard_writer() -> Any:
    """Find the class that writes TensorBoard's files.

    Returns
    -------
    type
        `torch.utils.tensorboard.SummaryWriter`.

    Raises
    ------
    ConfigError
        When TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError("tensorboard: not installed; `pip install 'lsdc-toolkit[tensorboard]'`") from None
    return SummaryWriter


class EpochLog:
    """Appends to `log.csv` in a folder, and to TensorBoard's files where they are wanted.

    Parameters
    ----------
    folder : Path
        Made when it is absent.
    tensorboard : bool
        Needs the package `tensorboard`.
    begin : int
        The first epoch that is to come; lines of later ones are dropped.

    Raises
    ------
    ConfigError
        When TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, tensorboard: bool = False, begin: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.csv"
        if self.path.is_file():
            # What was logged after the last checkpoint is done again.
            lines = self.path.read_text().splitlines(keepends=True)[: begin + 1]
            self.path.write_text("".join(lines))
        self.writer = None
        if tensorboard:
            self.writer = tensorboard_writer()(str(folder / "tensorboard"))

    def add(self, epoch: int, loss: float, score: float, rate: float, seconds: float) -> None:
        """Write one epoch.

        Parameters
        ----------
        epoch : int
            From 0 on.
        loss : float
            Mean training loss.
        score : float
            Lower is better; NaN where none was taken.
        rate : float
            Learning rate at the epoch's end.
        seconds : float
            How long the epoch took.
        """
        new = not self.path.is_file()
        with self.path.open("a", newline="") as stream:
            lines = csv.writer(stream)
            if new:
                lines.writerow(COLUMNS)
            lines.writerow([epoch, f"{loss:.6g}", f"{score:.6g}", f"{rate:.4g}", f"{seconds:.3f}"])
        if self.writer is not None:
            for name, value in zip(COLUMNS[1:], (loss, score, rate, seconds)):
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self.writer is not None:
            self.writer.close()
