# SPDX-License-Identifier: Apache-2.0
"""The head in images that are no magnitudes."""

import numpy as np
import pytest
from scipy import ndimage

from facebids.core import visible
from facebids.core.foreground import head_mask
from facebids.core.images import Volume


@pytest.fixture(scope='module')
def scan(phantom_scan):
    """Return the signal of a phantom without noise in the air, and its head."""
    data, affine = phantom_scan.data.astype(float), phantom_scan.affine
    head = head_mask(data, np.linalg.norm(affine[:3, :3], axis=0))
    return np.where(head, data / np.quantile(data, 0.99), 0), affine, head


def images_of(scan):
    """Return images of a head that are no magnitudes: what they are, and their intensities."""
    signal, _, head = scan
    rng = np.random.default_rng(2)

    def noise():
        return 0.02 * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))

    field = ndimage.gaussian_filter(rng.normal(size=signal.shape), 8)
    turned = signal * np.exp(6j * field / np.abs(field).max()) + noise()
    bright = (0.3 + 0.5 * np.sqrt(signal)) * (signal > 0.06)
    second = bright + noise()
    first = (np.clip(signal, 0, 1) - 0.5) * bright * 1.2 + noise()
    uni = (first.conj() * second).real / (np.abs(first) ** 2 + np.abs(second) ** 2)
    return {
        'phase': ('phase', np.angle(turned)),
        'real': ('real', turned.real),
        'UNIT1': ('real', uni),
        'field map without air': ('real', np.where(head, field, 0)),
    }


def found(scan, signal, data):
    return visible.find(Volume(data.astype(np.float32), scan[1]), signal)


def overlap(scan, seen):
    head = head_mask(seen.data, seen.zooms)
    return 2 * (head & scan[2]).sum() / (head.sum() + scan[2].sum())


@pytest.mark.parametrize('kind', ['phase', 'real', 'UNIT1', 'field map without air'])
def test_the_head_shows_in_the_voxels_of_the_image_itself(scan, kind):
    seen = found(scan, *images_of(scan)[kind])
    assert overlap(scan, seen) > 0.85


@pytest.mark.parametrize('kind', ['phase', 'UNIT1'])
def test_what_was_erased_does_not_show(scan, kind):
    signal, data = images_of(scan)[kind]
    low = scan[2].shape[2] // 3
    data[..., :low] = 0
    seen = found(scan, signal, data)
    assert not seen.data[..., : low - 2].any()
    assert seen.data[..., low + 2 :].any()


@pytest.mark.parametrize('signal', ['phase', 'real'])
def test_noise_shows_no_head(scan, signal):
    noise = np.random.default_rng(1).uniform(-np.pi, np.pi, scan[0].shape)
    assert found(scan, signal, noise) is None


def test_a_magnitude_is_shown_as_it_is(scan):
    data = scan[0].astype(np.float32)
    np.testing.assert_array_equal(found(scan, 'magnitude', data).data, data)
