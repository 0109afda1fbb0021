"""Heatmaps, decoding and augmentation: points stay where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lsdc.runtime import ArtifactError
from lsdc.slice_selector.augment import repaint, vary
from lsdc.slice_selector.heatmap_decoding import STRIDE, level_doubt, ordered_levels, peak, probabilities
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.network import PointNetwork, normalize, point_loss, soft_targets
from lsdc.slice_selector.square_images import ABSENT, PRESENT, UNKNOWN


@given(st.floats(12, 116), st.floats(12, 116))
def test_targets_and_decoding_are_inverse(x: float, y: float) -> None:
    target = soft_targets(torch.tensor([[[x, y]]]), torch.tensor([[PRESENT]]), 128)
    assert float(target.sum()) == pytest.approx(1, abs=1e-4)
    heatmap = target[0, 0, :-1].reshape(32, 32).numpy()
    assert peak(heatmap)[:2] == pytest.approx([x, y], abs=0.6)


def test_absent_and_outside_points_are_absent_and_unknown_ones_are_silent() -> None:
    points = torch.tensor([[[float("nan")] * 2, [-500.0, 10.0], [60.0, 60.0]]])
    target = soft_targets(points, torch.tensor([[ABSENT, PRESENT, UNKNOWN]]), 128)
    assert target[0, :, -1].tolist() == [1, 1, 0]
    assert float(target[0, 2].sum()) == 0


def test_levels_descend_even_when_a_stronger_peak_is_out_of_order() -> None:
    mm = STRIDE * 300 / 192
    maps = np.full((5, 48, 48), 1e-6, np.float32)
    rows = [8, 13, 18, 24, 29]
    for level, row in enumerate(rows):
        maps[level, row, 24] = 0.5
    maps[2, 40, 24] = 0.7
    found = ordered_levels(maps, mm)
    np.testing.assert_allclose(found[:, 1], np.array(rows) * STRIDE + 1.5, atol=0.5)


@pytest.mark.parametrize(("elsewhere", "doubt"), [(0.0, 0.0), (0.2, 0.25), (0.3, 0.5)])
def test_doubt_is_what_the_heatmaps_show_one_level_off(elsewhere: float, doubt: float) -> None:
    maps = np.zeros((5, 48, 48), np.float32)
    rows = [8, 13, 18, 23, 28, 33]
    for level in range(5):
        maps[level, rows[level], 24] = 0.6 if doubt < 0.5 else 0.3
        maps[level, rows[level + 1], 24] = elsewhere
    levels = np.array([[24 * STRIDE + 1.5, row * STRIDE + 1.5, 0.6] for row in rows[:5]])
    assert level_doubt(maps, levels) == pytest.approx(doubt, abs=1e-6)


def test_probabilities_split_presence_from_position() -> None:
    maps, presence = probabilities(np.zeros((2, 3, 17), np.float32))
    assert maps.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(presence, 16 / 17, rtol=1e-5)


def test_repainting_keeps_what_is_where() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = torch.full((40, 96, 96), 0.5)
    shapes[:, 40:56, 40:56] = 0.7
    painted = repaint(shapes, generator)
    assert painted.shape == shapes.shape and torch.isfinite(painted).all() and (painted >= 0).all()
    contrast = painted[:, 43:53, 43:53].mean(dim=(1, 2)) - painted[:, 20:30, 43:53].mean(dim=(1, 2))
    assert (contrast.abs() > 0.03).float().mean() > 0.8
    assert (contrast < 0).any() and (contrast > 0).any()  # bright may become dark


def test_mirroring_swaps_the_sides() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.tensor([[[30.0, 64.0], [98.0, 64.0]]] * 64)
    _, moved = vary(torch.zeros((64, 128, 128), dtype=torch.uint8), points, generator, mirror=True)
    assert (moved[:, 0, 0] < moved[:, 1, 0]).all()


def test_the_network_learns_a_bright_dot_and_its_absence() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(40, 5, (32, 128, 128)).clip(0, 255)
    points, state = np.full((32, 2, 2), np.nan, np.float32), np.full((32, 2), ABSENT)
    for k in range(32):
        for side in range(2):
            if rng.random() < 0.7:
                x, y = rng.uniform(20, 60) + 50 * side, rng.uniform(30, 98)
                images[k, int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4] = 220
                points[k, side], state[k, side] = (x, y), PRESENT
    torch.manual_seed(0)
    network = PointNetwork(2, "mobilenetv3_small_050")
    batch = (normalize(torch.from_numpy(images)), torch.from_numpy(points), torch.from_numpy(state))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    first = float(point_loss(network, batch).detach())
    for _ in range(40):
        optimizer.zero_grad()
        loss = point_loss(network, batch)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * first


def test_weights_are_checked(tmp_path: Path) -> None:
    localizer = Localizer("axial")
    localizer.save(tmp_path / "axial.safetensors")
    (tmp_path / "usual.txt").write_text("")
    assert (tmp_path / "axial.safetensors").stat().st_mode == (tmp_path / "usual.txt").stat().st_mode
    image = np.random.default_rng(0).integers(0, 255, (1, 128, 128), dtype=np.uint8)
    again = Localizer.load(tmp_path / "axial.safetensors", "axial")
    np.testing.assert_allclose(again.predict(image)[0], localizer.predict(image)[0], atol=1e-3)
    with pytest.raises(ArtifactError, match="not weights of the sagittal localizer"):
        Localizer.load(tmp_path / "axial.safetensors", "sagittal")
    with pytest.raises(ArtifactError, match="no such file"):
        Localizer.load(tmp_path / "absent.safetensors", "axial")
