# SPDX-License-Identifier: Apache-2.0
"""Landmarks of drawn faces, found for real where MediaPipe is installed."""

import pytest

from facebids.errors import UsageError


@pytest.fixture(scope='session')
def landmarker():
    """Return a landmarker; tests that need one are skipped where there is none."""
    pytest.importorskip('mediapipe', reason='facebids[video] is not installed')
    from facebids.mask.landmarks import Landmarker

    try:
        found = Landmarker()
    except UsageError as error:  # libegl1 and libgles2 of the system
        pytest.skip(str(error))
    with found:
        yield found
