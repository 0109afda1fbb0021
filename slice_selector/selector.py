"""The slice selector: where each of the 25 targets of a study is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from numpy.typing import NDArray

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, Side, Target, View
from lsdc.runtime.artefact import MANIFEST, read_manifest, write_manifest
from lsdc.slice_selector.axial import AxialSearch, Recess, recesses_beside
from lsdc.slice_selector.localizer import CHANNELS, Localizer
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.sagittal import Found, SagittalSearch, fullest
from lsdc.slice_selector.training_example import N_LEVELS

SCHEMA = 2
WEIGHTS = Path(__file__).with_name("weights")
_NAN3 = (float("nan"),) * 3
_NAN2 = (float("nan"),) * 2


class SliceSelector:
    """Ranker, localizer and geometry together.

    Parameters
    ----------
    rankings : dict of Family to SliceRanking
        One per family.
    localizers : dict of str to Localizer
        `sagittal`, `axial`; what is absent is replaced by geometry.
    """

    def __init__(self, rankings: dict[Family, SliceRanking], localizers: dict[str, Localizer]) -> None:
        self.rankings, self.localizers = rankings, localizers

    @classmethod
    def bundled(cls) -> Self:
        """The selector that comes with the toolkit: localizers trained on simulated patients, no ranker."""
        localizers = {
            kind: Localizer.load(WEIGHTS / f"{kind}.safetensors", kind)
            for kind in CHANNELS
            if (WEIGHTS / f"{kind}.safetensors").is_file()
        }
        return cls({family: SliceRanking(family) for family in Family}, localizers)

    def locate(self, study: Study) -> list[Location]:
        """Locate the 25 targets, in the competition's order; a study without pictures gives absent locations."""
        t2 = fullest(study, View.SAGITTAL_T2, View.SAGITTAL_T1)
        t1 = fullest(study, View.SAGITTAL_T1, View.SAGITTAL_T2)
        network = self.localizers.get("sagittal")
        searches = {k: SagittalSearch(study, k, network) for k in {t1, t2} if k is not None}
        placed = [k for k in (t2, t1) if k is not None and study.series[k].placed]
        canals = {
            k: searches[k].find(Condition.SPINAL_CANAL_STENOSIS, self.rankings[Family.SPINAL], None)
            for k in {t2, *placed[:1]}
            if k is not None
        }
        # Levels are projected from a series whose place is known: the canal's own where it is.
        guide = canals[placed[0]] if placed else None
        axial = AxialSearch(study, self.localizers.get("axial"))
        led = guide is not None and (axial.placed or not axial.slices)
        levels = guide.patient if guide and led else axial.spread_levels() if axial.slices else None
        foramina: dict[Side, Found] = {}
        if t1 is not None:
            for own_side in Side:
                condition = Condition(f"{own_side}_neural_foraminal_narrowing")
                canal = canals.get(t1, guide if t1 in placed else None)
                near = None if canal is None else canal.patient
                foramina[own_side] = searches[t1].find(condition, self.rankings[Family.FORAMINAL], near)
        recesses: list[Recess | None] = [None] * N_LEVELS
        if levels is not None and axial.slices:
            ranking = self.rankings[Family.SUBARTICULAR]
            recesses = [axial.find(level, point, ranking) for level, point in zip(Level, levels)]
        result = []
        for target in TARGETS:
            level, side = list(Level).index(target.level), target.condition.side
            if target.condition.family is Family.SPINAL:
                canal = None if t2 is None else canals[t2]
                result.append(_sagittal(target, level, canal, study, levels if axial.placed else None))
            elif target.condition.family is Family.FORAMINAL and side is not None:
                result.append(_sagittal(target, level, foramina.get(side), study, None))
            else:
                trust = float(guide.confidence[level]) if guide and led else 0.1
                result.append(_axial(target, level, recesses[level], levels, trust, bool(axial.slices)))
        return result

    def save(self, folder: Path) -> None:
        """Write into a folder, without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        for ranking in self.rankings.values():
            ranking.save(folder)
        for kind, localizer in self.localizers.items():
            localizer.save(folder / f"{kind}.safetensors")
        write_manifest(folder, "selector", SCHEMA, localizers=sorted(self.localizers))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ArtefactError
            When the folder is no selector, damaged, or from a newer version.
        """
        manifest = read_manifest(folder, "selector", SCHEMA, "lsdc-features extract")
        localizers = {
            kind: Localizer.load(folder / f"{kind}.safetensors", kind) for kind in manifest["localizers"]
        }
        return cls({family: SliceRanking.load(folder, family) for family in Family}, localizers)


def is_finished(folder: Path) -> bool:
    """Whether a selector was saved there to its end."""
    return (folder / MANIFEST).is_file()


def _sagittal(
    target: Target, level: int, found: Found | None, study: Study, canal: NDArray | None
) -> Location:
    view = target.condition.view
    if found is None:
        if canal is None:
            return _absent(target)
        return Location(
            target, view, None, None, _NAN2, _triple(canal[level]), 0.05, "geometry", _VIEW_ABSENT
        )
    patient, confidence = _triple(found.patient[level]), float(found.confidence[level])
    series = study.series[found.series]
    if series.view is not view:
        if not series.placed:
            return _absent(target)
        return Location(target, view, None, None, _NAN2, patient, 0.5 * confidence, "geometry", _VIEW_ABSENT)
    point = (float(found.points[level, 0]), float(found.points[level, 1]))
    return Location(
        target, view, found.series, int(found.slices[level]), point, patient, confidence, found.located_by
    )


def _axial(
    target: Target, level: int, recess: Recess | None, canal: NDArray | None, trust: float, present: bool
) -> Location:
    view, side = target.condition.view, 0 if target.condition.side is Side.LEFT else 1
    if canal is None:
        return _absent(target)
    if recess is None:
        flags = frozenset({"out_of_stack"}) if present else _VIEW_ABSENT
        patient = _triple(recesses_beside(canal[level])[side])
        return Location(target, view, None, None, _NAN2, patient, 0.3 * trust, "geometry", flags)
    point = (float(recess.points[side, 0]), float(recess.points[side, 1]))
    confidence = float(recess.confidence[side]) * trust
    return Location(
        target,
        view,
        recess.series,
        recess.slice,
        point,
        _triple(recess.patient[side]),
        confidence,
        recess.located_by,
    )


_VIEW_ABSENT = frozenset({"view_absent"})


def _absent(target: Target) -> Location:
    return Location(target, target.condition.view, None, None, _NAN2, _NAN3, 0.0, "absent", _VIEW_ABSENT)


def _triple(point: Sequence[float] | NDArray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])
