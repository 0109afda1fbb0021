"""The bundled encoder and localizer, and the selector's descriptors, on real pictures, beside yardsticks.

    python benchmarks/real_images.py --data ../shared/real-images --out /tmp/real

DATA holds pictures derived from SPIDER (van der Graaf et al. 2024, CC-BY-4.0): disc crops with gradings,
mid-sagittal slices, and slices with masks. Patients that the cards of the weights name as trained on are left out;
nothing is fitted to the others but the probes, cross-fitted by patient.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from contact_sheet import (
    BEHIND_MM,
    canal_points,
    contact_sheets,
    forward,
    found_discs,
    marked,
    sheet,
    spacings,
)
from numpy.typing import NDArray
from PIL import Image
from views import show_views, views
from yardsticks import (
    FINDINGS,
    PX,
    Crops,
    crops_per_second,
    ours,
    probe,
    read_discs,
)

from lsdc import slice_selector
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import Level, View
from lsdc.features.reference_encoders import mobilenet_features, pixel_features, texture_features
from lsdc.features.weight_files import BUNDLED
from lsdc.metrics.bootstrap import bootstrap_interval
from lsdc.runtime.artifact import read_json
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table, track
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.selector import SliceSelector

DISC = 29
NEAR_MM = 8.0
SIZES = ((0.8, 0.8), (1.2, 1.2), (1.35, 1.35), (1.5, 1.5), (1.3, 1.0), (0.85, 1.0))
"""Factors by which the spacing of rows and columns is falsified."""
SAME_DISC_MM = 6.0


@dataclass(frozen=True)
class RealImages:
    """Measure encoder and localizer on real pictures."""

    data: Path
    """folder with discs/, midsagittal/, space/, gradings.csv, series.csv"""
    encoder: str = "bundled"
    """weights of the encoder: bundled, random, imagenet, or a file"""
    localizer: Path | None = None
    """weights of the sagittal localizer; default: the bundled ones"""
    only_localizer: bool = False
    """leave the encoders out"""
    imagenet: Path | None = None
    """MobileNetV2 weights for a yardstick"""
    out: Path | None = None
    """folder for the contact sheets"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure."""
        with tempfile.TemporaryDirectory() as temporary:
            return replace(self, data=self.unseen(Path(temporary))).measure()

    def unseen(self, folder: Path) -> Path:
        """Link the pictures of those whom neither encoder nor localizer was trained on, by what their cards say."""
        encoder = BUNDLED if self.encoder == "bundled" else Path(self.encoder)
        localizer = (
            Path(slice_selector.__file__).parent / "weights"
            if self.localizer is None
            else self.localizer.parent
        )
        seen: set[str] = set()
        for card in (encoder.with_suffix(".json"), localizer / "model_card.json"):
            if card.is_file():
                seen |= set(read_json(card).get("pictures", {}).get("patients_trained_on", []))
        kept = folder / "data"
        for path in (path for path in self.data.rglob("*") if path.is_file()):
            if path.suffix == ".csv" or path.stem.split("_")[0] not in seen:
                link = kept / path.relative_to(self.data)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
        others = self.data.parent / "reference-images"
        if others.is_dir():
            (folder / others.name).symlink_to(others.resolve())
        say(f"{len(seen)} patients are left out, on whom the weights were trained")
        return kept

    def measure(self) -> dict[str, Any]:
        """Measure on all pictures of the folder."""
        selector = SliceSelector.bundled()
        if self.localizer is not None:
            selector.localizers["sagittal"] = Localizer.load(self.localizer, "sagittal")
        result: dict[str, Any] = {"localizer": on_masks(self.data, selector, self.out)}
        result["localizer"] |= on_others(self.data, selector)
        if not self.only_localizer:
            result["crops_per_second"] = crops_per_second(self.encoder)
            crops, rows = read_discs(self.data)
            result |= {"encoder": self.probes(crops, rows), "discs": len(rows)}
            crops, rows = found_discs(self.data, selector)
            result |= {"encoder_at_found_discs": self.probes(crops, rows), "found_discs": len(rows)}
            result["views"] = views(self.data, selector, self.encoder)
        if self.out is not None:
            contact_sheets(self.data, selector, self.out)
        show(result, self.out)
        return result

    def probes(self, crops: Crops, rows: pd.DataFrame) -> dict[str, Any]:
        """AUC of every encoder on some crops."""
        encoders: dict[str, Callable[[Crops], NDArray]] = {
            "16x8 pixels": pixel_features,
            "HOG + LBP": texture_features,
            "random MobileNetV2": mobilenet_features,
            self.encoder if self.encoder == "bundled" else Path(self.encoder).stem: ours(self.encoder),
        }
        if self.imagenet is not None:
            encoders["ImageNet MobileNetV2"] = partial(mobilenet_features, weights=self.imagenet)
        return {
            name: probe(embed(crops), rows)
            for name, embed in track(encoders.items(), "probes", len(encoders))
        }


def posterior_edges(mask: NDArray, row_mm: float) -> NDArray:
    """Column and row of the posterior edge of the five lowest discs, head to foot."""
    from scipy.ndimage import distance_transform_edt, label

    parts, _ = label(mask == DISC)
    # A disc may be marked in two pieces; neighboring discs are much farther apart.
    near = distance_transform_edt(parts == 0) <= SAME_DISC_MM / row_mm / 2
    wholes, _ = label(near)
    discs = [np.argwhere((wholes == k) & (parts > 0)) for k in np.unique(wholes[parts > 0])]
    discs = sorted((disc for disc in discs if len(disc) > 60), key=lambda disc: disc[:, 0].mean())[-5:]
    edges = []
    for disc in discs:
        behind = disc[disc[:, 1] >= np.quantile(disc[:, 1], 0.9)]
        edges.append((behind[:, 1].mean(), behind[:, 0].mean()))
    return np.array(edges)


def with_edges(data: Path) -> Iterator[tuple[Path, tuple[float, float], NDArray]]:
    """Pictures with masks, their spacing, and the posterior edges of their five lowest discs."""
    known = spacings(data)
    for path in track(sorted((data / "space" / "images").glob("*.png")), "masks"):
        spacing = known[path.stem.rsplit("_slice", 1)[0]]
        edges = posterior_edges(np.asarray(Image.open(data / "space" / "masks" / path.name)), spacing[0])
        if len(edges) == len(Level):
            yield path, spacing, edges


def on_masks(data: Path, selector: SliceSelector, out: Path | None) -> dict[str, Any]:
    """Share of levels whose point is within 8 mm of the posterior edge of the right disc, and the median error.

    The lowest disc of the mask is L5/S1; canal points are moved forward to the edge, see `forward`. On copies with
    false spacings, the level is right when most of the five points are nearest to their own disc.
    """
    errors, sure, pictures, levels = [], [], [], []
    for path, spacing, edges in with_edges(data):
        study = Study.from_images([path], View.SAGITTAL_T2, spacing=spacing, study_id=path.stem)
        points, confidence = canal_points(selector, study)
        points = forward(points, spacing)
        for rows, columns in SIZES:
            false = spacing[0] * rows, spacing[1] * columns
            resized = Study.from_images([path], View.SAGITTAL_T2, spacing=false)
            others = forward(canal_points(selector, resized)[0], false)
            away = np.linalg.norm((others[:, None] - edges) * spacing[::-1], axis=-1)
            levels.append(np.median(away.argmin(axis=1) - np.arange(len(Level))) == 0)
        errors.append(np.linalg.norm((points - edges) * spacing[::-1], axis=1))
        sure.append(confidence)
        pictures.append(marked(study, points, confidence, edges))
    away, confidence = np.concatenate(errors), np.concatenate(sure)
    right = away <= NEAR_MM
    if out is not None:
        sheet(pictures, out / "masks.png")
    bins = np.digitize(confidence, [0.25, 0.5, 0.75])
    shares = [(one <= NEAR_MM).mean() for one in errors]
    share = bootstrap_interval(lambda counts: counts @ shares / counts.sum(axis=1), len(shares), 0)
    return {
        "right_within_8mm": float(right.mean()),
        "interval": [share.low, share.high],
        "median_mm": float(np.median(away)),
        "pictures": len(errors),
        "whole_pictures_right": float(np.mean([(one <= NEAR_MM).all() for one in errors])),
        "levels_right_at_false_sizes": float(np.mean(levels)),
        "reliability": [
            {"confidence": float(confidence[bins == k].mean()), "right": float(right[bins == k].mean()),
             "points": int((bins == k).sum())}
            for k in range(4) if (bins == k).any()
        ],
    }  # fmt: skip


def on_others(data: Path, selector: SliceSelector) -> dict[str, Any]:
    """How often five confident points appear where there is no upright lumbar spine to be seen.

    Mid-sagittal slices that are turned, or whose sixteenths are shuffled; and axial slices, where such lie beside
    the data.
    """
    rng, known = np.random.default_rng(0), spacings(data)
    spine, axial = View.SAGITTAL_T2, sorted((data.parent / "reference-images").glob("axial*.jpg"))
    alarms = []
    for path in track([*sorted((data / "midsagittal").glob("*.png"))[::3], *axial], "other pictures"):
        study = Study.from_images([path], spine, spacing=known.get(path.stem, (0.6, 0.6)))
        item = study.series[0].slices[0]
        rows, columns = (length // 4 * 4 for length in item.pixels.shape)
        blocks = item.pixels[:rows, :columns].reshape(4, rows // 4, 4, columns // 4).swapaxes(1, 2)
        shuffled = rng.permutation(blocks.reshape(16, rows // 4, columns // 4)).reshape(blocks.shape)
        others = [np.rot90(item.pixels), shuffled.swapaxes(1, 2).reshape(rows, columns)]
        for pixels_ in [item.pixels] if path in axial else others:
            slice_ = replace(item, pixels=np.ascontiguousarray(pixels_))
            _, sure = canal_points(selector, Study("other", (Series("1", spine, (slice_,)),)))
            alarms.append((sure > 0.5).all())
    return {"other_pictures": len(alarms), "five_confident_points_there": float(np.mean(alarms))}


def show(result: dict[str, Any], out: Path | None) -> None:
    """Print the tables for people."""
    names = [*FINDINGS, "mean"]
    if "encoder" in result:
        say(f"{result['crops_per_second']:.0f} crops of {PX} px per second on this machine's CPU")
        show_encoders(f"{result['discs']} real discs", result["encoder"], names)
        found = result["encoder_at_found_discs"]
        show_encoders(f"{result['found_discs']} discs found by the localizer", found, names)
        show_views(result["views"])
    located = result["localizer"]
    say(
        f"{located['right_within_8mm']:.0%} of the five lowest discs of {located['pictures']} pictures are within "
        f"{NEAR_MM:.0f} mm of their posterior edge (canal points moved {BEHIND_MM:.0f} mm forward; 95 % by pictures: "
        "{:.0%} to {:.0%})".format(*located["interval"])
    )
    say(
        f"median error {located['median_mm']:.1f} mm; "
        f"all five are right in {located['whole_pictures_right']:.0%} of the pictures"
    )
    say(
        f"the level is right in {located['levels_right_at_false_sizes']:.0%} of copies whose spacing was falsified by "
        f"factors of {min(map(min, SIZES))} to {max(map(max, SIZES))}"
    )
    say(
        f"five points with confidence above .5 on {located['five_confident_points_there']:.1%} of "
        f"{located['other_pictures']} pictures without an upright lumbar spine"
    )
    for row in located["reliability"]:
        say(f"  confidence {row['confidence']:.2f}: {row['right']:.0%} of {row['points']} points are right")
    if out is not None:
        say(f"contact sheets: {out}")


def show_encoders(what: str, scores: dict[str, Any], names: list[str]) -> None:
    """Print the table of encoders."""
    table(
        f"AUC of a logistic probe on {what}, by patient (higher is better)",
        ["encoder", *names, "95 % interval"],
        [
            (name, *(f"{row[part]:.3f}" for part in names), "{:.3f} to {:.3f}".format(*row["interval"]))
            for name, row in scores.items()
        ],
    )


if __name__ == "__main__":
    sys.exit(run_program(RealImages, "real_images.py"))
