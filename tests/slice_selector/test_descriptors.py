"""Descriptors of slices: our textures are those of scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern
from skimage.filters import sobel
from skimage.measure import moments_central, moments_normalized, shannon_entropy

from lsdc.cohort.study import Study
from lsdc.slice_selector import descriptors, textures
from lsdc.slice_selector.descriptors import describe, to_square


@st.composite
def squares(draw: st.DrawFn) -> NDArray[np.float64]:
    """Squares of 64 px from 0 to 1: noise, often of few gray levels, with flat parts, so that neighbors are equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = (
        rng.random((64, 64))
        if draw(st.booleans())
        else np.full((64, 64), draw(st.sampled_from([0.0, 0.3, 1.0])))
    )
    levels = draw(st.sampled_from([1, 3, 20, 0]))
    image = np.round(image * levels) / levels if levels else image
    edge = draw(st.integers(0, 64))
    image[:edge] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return image


@given(squares())
@settings(max_examples=40, deadline=None)
def test_textures_are_those_of_scikit_image(image: NDArray[np.float64]) -> None:
    gray = (image * 255).astype(np.uint8)
    assert_array_equal(textures.pattern_codes(gray), local_binary_pattern(gray, 8, 1, "uniform"))
    expected = hog(image, orientations=8, pixels_per_cell=(32, 32), cells_per_block=(1, 1))
    assert_allclose(
        textures.gradient_histograms(image, 8, 32), expected, atol=1e-6
    )  # it sums in single precision
    assert_allclose(textures.edge_strength(image), sobel(image), atol=1e-12)
    edges = sobel(image)
    expected = edges.mean(), edges.std(), np.percentile(edges, 90)
    assert_allclose(descriptors.edges(image), expected, rtol=1e-5, atol=1e-6)  # in single precision
    assert textures.entropy(gray) == pytest.approx(shannon_entropy(gray), abs=1e-9)
    if image.any():
        expected = moments_normalized(moments_central(image))[[2, 1, 0, 3], [0, 1, 2, 0]]
        found = textures.normalized_moments(image)[[2, 1, 0, 3], [0, 1, 2, 0]]
        assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@given(squares())
@settings(max_examples=40, deadline=None)
def test_cooccurrence_is_that_of_scikit_image(image: NDArray[np.float64]) -> None:
    levels = (image * 15.999).astype(np.uint8)
    matrix = graycomatrix(levels, [1], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    names = ("contrast", "homogeneity", "energy", "correlation")
    expected = np.concatenate([graycoprops(matrix, name).ravel() for name in names])
    assert_allclose(descriptors.cooccurrence(image), expected, atol=1e-9)


def test_a_slice_of_any_scale_is_described_alike(studies: dict[str, Study]) -> None:
    item = next(iter(studies.values())).series[0].slices[3]
    found = describe(item.pixels, item.plane)
    assert found.shape == (166,)
    assert np.isfinite(found).all()
    assert_allclose(describe(item.pixels * 7 + 100, item.plane), found, atol=2e-2)


def test_a_flat_slice_is_described_by_numbers(studies: dict[str, Study]) -> None:
    item = next(iter(studies.values())).series[0].slices[0]
    assert np.isfinite(describe(np.zeros_like(item.pixels), item.plane)).all()
    assert not to_square(np.zeros_like(item.pixels), item.plane).any()
