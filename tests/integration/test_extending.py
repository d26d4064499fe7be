# SPDX-License-Identifier: Apache-2.0
"""A mode is a row and a module, an engine a module, a contrast a row: added to a copy of the code.

The copy is imported by a process of its own, because tables are read at import.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ADDED = {
    'facebids/core/modes.py': (
        ')  # fmt: skip\nMODES',
        "    Mode('flatten', 'with one value', 'face region set to one value', face_gone=True),\n",
    ),
    'facebids/core/contrasts.py': (
        ')  # fmt: skip\nCONTRASTS',
        "    Contrast('STIR', 'T2star', (), tuple(range(13)), 0.1, 0.2, 'a test', 0.3,\n"
        "        tissues=('csf', 'gm', 'wm')),\n",
    ),
}
FILES = {
    'facebids/core/defacing/modes/flatten.py': """
import numpy as np

def fill(context):
    return np.full(int(context.mask.sum()), 7, np.float32)
""",
    'facebids/core/attack/engines/toy.py': """
import numpy as np

NAME, IMPOSTOR_SCORES, WEIGHT = 'toy', (0.0, 1.0), 0.5

def enrol(head):
    return {'size': np.array(head.pictures.size)}

def score(probes, gallery):
    return np.array([[-abs(float(p['size']) - float(g['size'])) for g in gallery] for p in probes])
""",
}
CHECK = """
import numpy as np

from facebids.bids.metadata import defaced_sidecar
from facebids.bids.names import HeadImage
from facebids.cli.parser import parse
from facebids.core.atlas import generic_atlas
from facebids.core.attack import engines
from facebids.core.contrasts import contrast_of
from facebids.core.defacing import cost
from facebids.core.defacing.fill import fill
from facebids.core.images import Volume
from facebids.core.thresholds import THRESHOLDS
from facebids.interfaces.deface import Deface

# the mode
settings = parse(['raw', 'out', 'participant', '--mode', 'flatten'])
assert settings.mode == 'flatten'
assert Deface(mode='flatten').inputs.mode == 'flatten'
image = HeadImage.from_relative_path('sub-01/anat/sub-01_T1w.nii.gz')
assert 'set to one value' in defaced_sidecar(image, 'flatten')['DeidentificationMethod'][0]
ball = np.linalg.norm(np.indices((60, 60, 60)) - 30, axis=0) < 25
rng = np.random.default_rng(0)
data = np.where(ball, 100, rng.integers(0, 3, ball.shape)).astype(np.float32)
mask = np.zeros_like(ball)
mask[:, 45:] = True
volume = Volume(data, np.diag([4.0, 4, 4, 1]))
assert (fill(volume, mask, None, None, 'flatten') == 7).all()

# the contrast
assert contrast_of('T2star') == 'STIR'
assert {t.name for t in THRESHOLDS if t.contrast == 'STIR'} == {
    'registration_failed', 'registration_doubtful',
}
atlas = generic_atlas(4.0)
assert 8 < atlas.contrast('STIR').max() <= 12
head = Volume(atlas.contrast('STIR').astype(np.float32), atlas.affine)
assert cost.measure(head, head, np.eye(4), 'T2star').brain_voxels_changed == 0

# the engine
assert 'toy' in engines.engines()
templates = [{'size': np.array(size)} for size in (1, 5)]
assert engines.score('toy', templates, templates).tolist() == [[0, -4], [-4, 0]]
assert np.isfinite(engines.fuse({'toy': np.zeros((1, 1))})).all()
assert engines.unpack(engines.pack({'toy': templates[0]}))['toy']['size'] == 1
print('done')
"""


@pytest.fixture
def copy(tmp_path):
    """Copy the package and add to it what a contributor would."""
    for package in ('facebids', 'workflows'):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns('__pycache__')
        )
    for name, (before, row) in ADDED.items():
        path = tmp_path / name
        text = path.read_text()
        assert text.count(before) == 1
        path.write_text(text.replace(before, row + before))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_mode_a_contrast_and_an_engine_need_no_other_change(copy):
    environment = os.environ | {'PYTHONPATH': str(copy)}
    done = subprocess.run(
        [sys.executable, '-c', f'import facebids; print(facebids.__file__)\n{CHECK}'],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(copy / 'facebids' / '__init__.py'), 'done']
