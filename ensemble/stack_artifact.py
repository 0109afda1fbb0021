"""What models and blends share: a directory with a stacker, the members it joins, and the report on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape

from lsdc.ensemble.stacked import Stacked
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import Artifact


@dataclass(frozen=True, repr=False)
class StackArtifact(Artifact):
    """A finished directory with a stack, opened for reading; use `open` of a subclass.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        The content of its manifest.json.
    """

    @property
    def members(self) -> list[str]:
        """Names of the members that the stack joins."""
        return list(self.manifest["members"])

    @cached_property
    def stacker(self) -> Stacker:
        """The fitted stacker."""
        return load_stacker(self.path / "stack.json")

    @cached_property
    def outcome(self) -> Stacked:
        """The chosen stacker, its weights, and the nested score beside the baselines."""
        return Stacked.read(self.path)

    def __repr__(self) -> str:
        """Name the directory and the members."""
        return f"{type(self).__name__}({str(self.path)!r}, members={self.members})"

    def _repr_html_(self) -> str:
        """Show members, nested scores with the interval, and weights in notebooks."""
        try:
            outcome = self.outcome._repr_html_()
        except ArtifactError as error:
            outcome = f"<p>{escape(str(error))}</p>"
        return (
            f"<p><b>{type(self).__name__}</b> {escape(str(self.path))}; "
            f"members {escape(', '.join(self.members))}</p>{outcome}"
        )
