# SPDX-License-Identifier: Apache-2.0
"""Phantom stage: write a BIDS dataset of phantom heads."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from facebids import __version__
from facebids.config import PHANTOM_MODALITIES, PhantomSettings
from facebids.core.phantoms import phantom
from facebids.core.phantoms.phantom import Person, Scan
from facebids.errors import OutputError
from facebids.filesystem import atomic_path, write_json_atomic, write_text_atomic
from facebids.words import counted

README = """\
# Phantom heads

Simulated scans of people who do not exist, made by facebids-phantom from the head atlas of
FaceBIDS. They may be published. `sourcedata/sub-*/phantom_truth.json` holds the true transform
from the atlas to each scan.
"""


def write_dataset(settings: PhantomSettings, tell: Callable[[str], None]) -> None:
    """Write a dataset of phantom heads.

    Parameters
    ----------
    settings
        The options of the dataset.
    tell
        Receives what is going to be written, in a line.

    Raises
    ------
    OutputError
        If the folder is not empty or cannot be written.
    """
    root = settings.output_dir
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OutputError(f'{root} is not an empty folder. Choose a new one.')
    tell(f'writing {counted(settings.participants, "participant")}, some seconds for each scan')
    try:
        write_text_atomic(root / 'README.md', README)
        labels = [f'sub-{number:02d}' for number in range(1, settings.participants + 1)]
        write_text_atomic(root / 'participants.tsv', '\n'.join(['participant_id', *labels, '']))
        for number, label in enumerate(labels):
            _write_participant(label, number, settings)
        # last, so that an interrupted run leaves nothing that passes for a dataset
        write_json_atomic(
            root / 'dataset_description.json',
            {
                'Name': 'Phantom heads',
                'BIDSVersion': '1.10.0',
                'DatasetType': 'raw',
                'License': 'CC0',
                'Authors': ['facebids-phantom'],
                'GeneratedBy': [{'Name': 'facebids-phantom', 'Version': __version__}],
            },
        )
    except OSError as error:
        raise OutputError(f'{root} cannot be written: {error.strerror}.') from error


def _write_participant(label: str, number: int, settings: PhantomSettings) -> None:
    root, spacing = settings.output_dir, settings.resolution
    person = phantom.draw_person(np.random.default_rng([settings.seed, number]))
    truth = {}
    for session in range(1, settings.sessions + 1):
        seed = [settings.seed, number, session]
        today = phantom.visit(person, np.random.default_rng(seed))
        head = phantom.build_person(today, spacing)
        folder, stem = label, label
        if settings.sessions > 1:
            folder, stem = f'{label}/ses-{session:02d}', f'{label}_ses-{session:02d}'
        for modality in settings.modalities:
            # pose and noise of a scan do not depend on which other modalities there are
            rng = np.random.default_rng([*seed, 1 + PHANTOM_MODALITIES.index(modality)])
            pose = phantom.draw_pose(rng, person)
            name = f'{folder}/anat/{stem}_{modality}.nii.gz'
            scan = phantom.scan(head, pose, modality, rng, spacing)
            _write_scan(root / name, scan)
            truth[name] = scan.transform.tolist()
    _write_photographs(root / 'sourcedata' / 'photographs' / label, person, number, settings)
    write_json_atomic(root / 'sourcedata' / label / 'phantom_truth.json', truth)


def _write_photographs(
    folder: Path, person: Person, number: int, settings: PhantomSettings
) -> None:
    if settings.photographs < 1:
        return
    from PIL import Image

    from facebids.core.phantoms.portrait import portraits

    rng = np.random.default_rng([settings.seed, number, 0])
    for count, picture in enumerate(portraits(person, settings.photographs, rng), 1):
        with atomic_path(folder / f'{count}.png') as temporary:
            Image.fromarray(picture).save(temporary, 'PNG')


def _write_scan(path: Path, scan: Scan) -> None:
    image = nib.Nifti1Image(scan.data, scan.affine)
    image.set_qform(scan.affine, 1)
    image.set_sform(scan.affine, 1)
    image.header.set_xyzt_units('mm', 'sec')
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    sidecar = {'Modality': 'MR', 'MagneticFieldStrength': 3, 'Manufacturer': 'phantom'}
    write_json_atomic(path.with_name(path.name.replace('.nii.gz', '.json')), sidecar)
