"""`lsdc-features merge`: make one store of several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting

if TYPE_CHECKING:
    from lsdc.features.merging import Merged


@dataclass(frozen=True)
class Merge:
    """Make one store of several that were located and embedded alike.

    Files are linked where the disk can, else copied, so it takes neither time nor space. A study may be in one of the
    stores alone. The same command run again resumes where it stopped.

    Examples
    --------
        lsdc-features merge january/ february/ --out both/
    """

    stores: Positional[tuple[Path, ...]]
    """finished stores, at least two"""
    out: Path
    """directory of the new store"""
    reporting: Reporting = Reporting()

    def run(self) -> Merged:
        """Merge the stores.

        Returns
        -------
        Merged
            Where the new store is, and what it holds.
        """
        from lsdc.features.merging import merge

        return merge(self.stores, self.out)
