"""`lsdc-ensemble pack`: a model as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting

if TYPE_CHECKING:
    from lsdc.ensemble.packing import Packed


@dataclass(frozen=True)
class Pack:
    """Make one file of a model, with all that grading new studies needs.

    Examples
    --------
        lsdc-ensemble pack model/ --out model.lsdc
        lsdc grade patients/ --out report/ --model model.lsdc
    """

    model: Positional[Path]
    """made by `lsdc-ensemble fit`"""
    out: Path
    """file to write"""
    reporting: Reporting = Reporting()

    def run(self) -> Packed:
        """Pack the model.

        Returns
        -------
        Packed
            The file and its size.
        """
        from lsdc.ensemble.packing import pack

        return pack(self.model, self.out)
