# SPDX-License-Identifier: Apache-2.0
"""``facebids-phantom``: write a BIDS dataset of phantom heads."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebids import __version__
from facebids.cli.arguments import millimetres, whole_number
from facebids.errors import FacebidsError, OutputError
from facebids.filesystem import atomic_path, write_json_atomic, write_text_atomic

if TYPE_CHECKING:
    from facebids.core.phantoms.phantom import Person, Scan

MODALITIES = ('T1w', 'FLAIR', 'T2w', 'PDw')  # not CT, which BIDS does not have
README = """\
# Phantom heads

Simulated scans of people who do not exist, made by facebids-phantom from the head atlas of
FaceBIDS. They may be shown anywhere. `sourcedata/sub-*/phantom_truth.json` holds the true
transform from the atlas to each scan.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the ``facebids-phantom`` command."""
    parser = argparse.ArgumentParser(
        prog='facebids-phantom',
        description='Write a BIDS dataset of phantom heads with faces. Each participant is a '
        'different person; anatomy varies between sessions, and head pose between scans.',
    )
    parser.add_argument('output', type=Path, help='folder to write the dataset to')
    parser.add_argument(
        '--participants', type=whole_number(1), default=2, metavar='N',
        help='number of participants (default: 2)',
    )  # fmt: skip
    parser.add_argument(
        '--sessions', type=whole_number(1), default=1, metavar='N',
        help='number of sessions of each participant (default: 1)',
    )  # fmt: skip
    parser.add_argument(
        '--modalities', nargs='+', choices=MODALITIES, default=['T1w'],
        help='scans of each session (default: T1w)',
    )  # fmt: skip
    parser.add_argument(
        '--photographs', type=whole_number(0), default=0, metavar='N',
        help='number of photographs of each participant, written to sourcedata/photographs for '
        '--photos (default: 0)',
    )  # fmt: skip
    parser.add_argument(
        '--seed', type=whole_number(0), default=0, metavar='N',
        help='random seed; the same seed gives the same dataset (default: 0)',
    )  # fmt: skip
    parser.add_argument(
        '--resolution', type=millimetres(0.5, 5), default=2.0, metavar='MM',
        help='voxel size (mm, default: 2)',
    )  # fmt: skip
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Write the dataset; return the exit code."""
    options = make_parser().parse_args(argv)
    try:
        write_dataset(options)
    except FacebidsError as error:
        sys.stderr.write(f'facebids-phantom: {error}\n')
        return error.exit_code
    people = 'participant' if options.participants == 1 else 'participants'
    print(f'{options.participants} {people} written to {options.output}')
    return 0


def write_dataset(options: argparse.Namespace) -> None:
    """Write the dataset that the options ask for.

    Raises
    ------
    OutputError
        If the folder is not empty or cannot be written.
    """
    root = options.output
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OutputError(f'{root} is not an empty folder. Choose a new one.')
    try:
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
        write_text_atomic(root / 'README.md', README)
        labels = [f'sub-{number:02d}' for number in range(1, options.participants + 1)]
        write_text_atomic(root / 'participants.tsv', '\n'.join(['participant_id', *labels, '']))
        for number, label in enumerate(labels):
            _write_participant(root, label, number, options)
    except OSError as error:
        raise OutputError(f'{root} cannot be written: {error.strerror}.') from error


def _write_participant(root: Path, label: str, number: int, options: argparse.Namespace) -> None:
    import numpy as np

    from facebids.core.phantoms import phantom

    person = phantom.draw_person(np.random.default_rng([options.seed, number]))
    truth = {}
    for session in range(1, options.sessions + 1):
        seed = [options.seed, number, session]
        today = phantom.visit(person, np.random.default_rng(seed))
        head = phantom.build_person(today, options.resolution)
        folder, stem = label, label
        if options.sessions > 1:
            folder, stem = f'{label}/ses-{session:02d}', f'{label}_ses-{session:02d}'
        for modality in options.modalities:
            # pose and noise of a scan do not depend on which other modalities there are
            rng = np.random.default_rng([*seed, 1 + MODALITIES.index(modality)])
            pose = phantom.draw_pose(rng, person)
            name = f'{folder}/anat/{stem}_{modality}.nii.gz'
            scan = phantom.scan(head, pose, modality, rng, options.resolution)
            _write_scan(root / name, scan)
            truth[name] = scan.transform.tolist()
    _write_photographs(root / 'sourcedata' / 'photographs' / label, person, number, options)
    write_json_atomic(root / 'sourcedata' / label / 'phantom_truth.json', truth)


def _write_photographs(
    folder: Path, person: 'Person', number: int, options: argparse.Namespace
) -> None:
    import numpy as np

    if options.photographs < 1:
        return
    from PIL import Image

    from facebids.core.phantoms.portrait import portraits

    rng = np.random.default_rng([options.seed, number, 0])
    for count, picture in enumerate(portraits(person, options.photographs, rng), 1):
        with atomic_path(folder / f'{count}.png') as temporary:
            Image.fromarray(picture).save(temporary, 'PNG')


def _write_scan(path: Path, scan: 'Scan') -> None:
    import nibabel as nib

    image = nib.Nifti1Image(scan.data, scan.affine)
    image.set_qform(scan.affine, 1)
    image.set_sform(scan.affine, 1)
    image.header.set_xyzt_units('mm', 'sec')
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    sidecar = {'Modality': 'MR', 'MagneticFieldStrength': 3, 'Manufacturer': 'phantom'}
    write_json_atomic(path.with_name(path.name.replace('.nii.gz', '.json')), sidecar)


if __name__ == '__main__':
    raise SystemExit(main())
