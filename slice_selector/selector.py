"""The slice selector: where each of the 25 targets of a study is."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Family, Side, View
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, list_files, read_manifest, write_manifest
from lsdc.runtime.file_list import FileList
from lsdc.runtime.paths import PathLike
from lsdc.slice_selector.axial import AxialSearch, RecessPair
from lsdc.slice_selector.localizer import CHANNELS, Localizer
from lsdc.slice_selector.locations import CanalFindings, RecessFindings, to_locations
from lsdc.slice_selector.one_part import of_one_part
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.sagittal import LevelLocations, SagittalSearch
from lsdc.slice_selector.sagittal_series import fullest
from lsdc.slice_selector.second_look import SecondLook
from lsdc.slice_selector.square_images import N_LEVELS
from lsdc.slice_selector.status import with_status

_KIND, _SCHEMA, _MADE_BY = "selector", 3, "lsdc-features extract"
_LISTED_SINCE = 3
"""From this schema on a manifest lists its files; those of earlier versions do not."""
_SECOND_LOOK = "second_look.safetensors"
_WEIGHTS = Path(__file__).with_name("weights")
_FORAMEN = {
    Side.LEFT: Condition.LEFT_NEURAL_FORAMINAL_NARROWING,
    Side.RIGHT: Condition.RIGHT_NEURAL_FORAMINAL_NARROWING,
}
_SURE, _UNFOUND = 0.5, 0.25
"""Where foramina near the canal have a lower mean confidence than the second, and without it more than the first, the
two series put the levels at different places; of 8 simulated studies whose spacings are true none does so, of 8 with
one spacing times .75 or 1.2 at least 7 (benchmarks/false_spacing.py)."""
_UNGUIDED_TRUST = 0.1
"""Confidence in levels that are guessed from the axial stack alone."""


class SliceSelector:
    """Locates the 25 targets of a study: a ranker chooses slices, a localizer points, geometry joins the views.

    `bundled` needs no fit; `fit_selector` teaches one what readers marked in a cohort.

    Parameters
    ----------
    rankings : dict of Family to SliceRanking
        One per family; unfitted ones rank by geometry.
    localizers : dict of str to Localizer
        By kind, `sagittal` and `axial`; what is absent is replaced by geometry.
    second_look : SecondLook or None
        Looks again where the localizer put the foramina; the bundled selector has none.
    """

    def __init__(
        self,
        rankings: dict[Family, SliceRanking],
        localizers: dict[str, Localizer],
        second_look: SecondLook | None = None,
    ) -> None:
        self.rankings, self.localizers, self.second_look = rankings, localizers, second_look

    def __repr__(self) -> str:
        """Say which families have a fitted ranker, and which kinds of images a localizer."""
        fitted = [family.value for family, ranking in self.rankings.items() if ranking.ranker is not None]
        return f"{type(self).__name__}(rankers={fitted}, localizers={sorted(self.localizers)})"

    @classmethod
    def bundled(cls) -> Self:
        """Load the selector that comes with the toolkit: localizers trained on simulated patients, no fitted ranker.

        Returns
        -------
        SliceSelector
            Ready to locate.

        Raises
        ------
        ArtifactError
            When the weights are not where the toolkit was installed.
        """
        localizers = {kind: Localizer.load(_WEIGHTS / f"{kind}.safetensors", kind) for kind in CHANNELS}
        return cls({family: SliceRanking(family) for family in Family}, localizers)

    def narrowed(self, study: Study) -> Study:
        """Leave their views to the series of the part of the patient in which `locate` searches.

        Parameters
        ----------
        study : Study
            Any number of series.

        Returns
        -------
        Study
            The same where all series cover one part; else series elsewhere have no view.
        """
        return of_one_part(study, self.localizers.get("sagittal"))

    def locate(self, study: Study) -> list[Location]:
        """Locate the 25 targets of a study, in three steps: the canal, the foramina, the recesses.

        Parameters
        ----------
        study : Study
            Any number of series, also none.

        Returns
        -------
        list of Location
            In the order of `TARGETS`, each with its status and why. A target whose view is absent or does not reach it
            has no slice, a flag that says so, and its place in the patient where another view shows the level.
        """
        localizer, study = self.localizers.get("sagittal"), self.narrowed(study)
        t2 = fullest(study, View.SAGITTAL_T2, View.SAGITTAL_T1)
        t1 = fullest(study, View.SAGITTAL_T1, View.SAGITTAL_T2)
        searches = {k: SagittalSearch(study, k, localizer) for k in dict.fromkeys((t2, t1)) if k is not None}
        t2_search, t1_search = (None if k is None else searches[k] for k in (t2, t1))
        canal = self._locate_canal(t2_search, t1_search)
        foramina, disagree = self._locate_foramina(t1_search, canal)
        sides_known = (
            t1_search is None or t1_search.midline(canal.guide) is not None or t1_search.covers_both_sides
        )
        recesses = self._locate_recesses(AxialSearch(study, self.localizers.get("axial")), canal)
        chained = max((search.chained for search in searches.values()), default=0)
        locations = to_locations(study, canal, foramina, recesses)
        return with_status(study, locations, chained, disagree, sides_known)

    def _locate_canal(self, t2: SagittalSearch | None, t1: SagittalSearch | None) -> CanalFindings:
        """Locate the canal on the T2 series, and on a series that is placed in the patient where T2 is not."""
        placed = next((search for search in (t2, t1) if search is not None and search.series.placed), None)
        found = {
            search.index: search.find([Condition.SPINAL_CANAL_STENOSIS], self.rankings[Family.SPINAL])[0]
            for search in dict.fromkeys((t2, placed))
            if search is not None
        }
        return CanalFindings(
            graded=None if t2 is None else found[t2.index],
            guide=None if placed is None else found[placed.index],
        )

    def _locate_foramina(
        self, t1: SagittalSearch | None, canal: CanalFindings
    ) -> tuple[dict[Side, LevelLocations], bool]:
        """Locate the foramina near the canal's points, unless T1 clearly shows them elsewhere; tell if it does.

        Sides that the series does not show are left out.
        """
        midline = None if t1 is None else t1.midline(canal.guide)
        shown = {} if t1 is None else {side: it for side, it in _FORAMEN.items() if t1.shows(side, midline)}
        if t1 is None or not shown:
            return {}, False
        near = None
        # The canal as the T1 series itself shows it says nothing that its heatmaps of the foramina do not say better.
        if t1.series.placed and canal.guide is not None and canal.guide.series != t1.index:
            near = canal.guide
        ranking = self.rankings[Family.FORAMINAL]
        # The second look has learned from T1 alone; without a T1 series, T2 stands in for it.
        second_look = self.second_look if t1.series.view is View.SAGITTAL_T1 else None

        def search(points: NDArray[np.float64] | None) -> dict[Side, LevelLocations]:
            return dict(zip(shown, t1.find(list(shown.values()), ranking, points, midline, second_look)))

        if near is None:
            return search(None), False
        found = search(near.patient)
        if (
            near.confidence.mean() >= _SURE
            and _trust(found) < _UNFOUND
            and _trust(alone := search(None)) >= _SURE
        ):
            return alone, True
        return found, False

    def _locate_recesses(self, axial: AxialSearch, canal: CanalFindings) -> RecessFindings:
        """Locate the recesses beside the canal's points, or, without these, beside guesses from axial slices."""
        levels, trust, doubt = None, np.full(N_LEVELS, _UNGUIDED_TRUST), float("nan")
        has_slices = bool(axial.slices)
        if canal.guide is not None and (axial.placed or not has_slices):
            levels, trust, doubt = canal.guide.patient, canal.guide.confidence, canal.guide.doubt
        elif has_slices:
            levels = axial.spread_levels()
        pairs: list[RecessPair | None] = [None] * N_LEVELS
        if levels is not None and has_slices:
            pairs = axial.find(levels, self.rankings[Family.SUBARTICULAR])
        return RecessFindings(levels, trust, pairs, has_slices, axial.placed, doubt)

    def save(self, folder: PathLike) -> None:
        """Write rankings and localizers into a folder, without pickle; the manifest comes last.

        Parameters
        ----------
        folder : path
            Is made where it is absent.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for ranking in self.rankings.values():
            ranking.save(folder)
        for kind, localizer in self.localizers.items():
            localizer.save(folder / f"{kind}.safetensors")
        if self.second_look is not None:
            self.second_look.save(folder / _SECOND_LOOK)
        else:
            (folder / _SECOND_LOOK).unlink(missing_ok=True)
        write_manifest(folder, _KIND, _SCHEMA, localizers=sorted(self.localizers), files=list_files(folder))

    @classmethod
    def load(cls, folder: PathLike) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        folder : path
            A finished selector directory.

        Returns
        -------
        SliceSelector
            Locates as the saved one does, to the half precision of the weights.

        Raises
        ------
        ArtifactError
            When the folder is no selector, damaged, or from a newer version.
        """
        folder = Path(folder)
        manifest = read_manifest(folder, _KIND, _SCHEMA, _MADE_BY)
        listed = FileList.of(folder, manifest, lambda what: _damage(folder, what))
        if listed.entries is None and manifest["schema"] >= _LISTED_SINCE:
            raise _damage(folder, "its manifest lists no files")
        listed.check_sizes()
        for name in listed.entries or ():
            listed.path(name)
        kinds = manifest.get("localizers")
        if not isinstance(kinds, list) or not set(map(str, kinds)) <= set(CHANNELS):
            raise ArtifactError(
                f"{folder / MANIFEST}: damaged, it names the localizers {kinds!r}; make it again with `{_MADE_BY}`"
            )
        localizers = {kind: Localizer.load(folder / f"{kind}.safetensors", kind) for kind in kinds}
        rankings = {family: SliceRanking.load(folder, family) for family in Family}
        second_look = folder / _SECOND_LOOK
        return cls(rankings, localizers, SecondLook.load(second_look) if listed.has(_SECOND_LOOK) else None)


def _trust(found: dict[Side, LevelLocations]) -> float:
    """Average the confidence in the foramina of all sides that were sought."""
    return float(np.mean([side.confidence for side in found.values()]))


def _damage(folder: Path, what: str) -> ArtifactError:
    """Make the error for a damaged selector."""
    return ArtifactError(f"{folder}: damaged selector, {what}; make it again with `{_MADE_BY}`")


def is_finished(folder: PathLike) -> bool:
    """Tell whether a selector was saved to its end.

    Parameters
    ----------
    folder : path
        Where `SliceSelector.save` writes.

    Returns
    -------
    bool
        False where the folder is absent or was left unfinished.
    """
    return (Path(folder) / MANIFEST).is_file()
