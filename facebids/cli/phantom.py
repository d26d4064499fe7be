# SPDX-License-Identifier: Apache-2.0
"""``facebids-phantom``: write a BIDS dataset of heads of people who do not exist."""

import argparse
from pathlib import Path

from facebids import __version__
from facebids.errors import FacebidsError, OutputError
from facebids.filesystem import atomic_path, write_json_atomic, write_text_atomic

MODALITIES = ('T1w', 'FLAIR', 'T2w', 'PDw')  # the atlas has CT too, BIDS has no place for it
README = """\
# Phantom heads

Scans of people who do not exist, made by facebids-phantom from its head atlas. They may be shown
anywhere. `phantom_truth.json` in each participant's folder of `sourcedata` holds the true
transforms from the atlas to each scan.
"""


def build_parser():
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog='facebids-phantom',
        description='Write a BIDS dataset of phantom heads with faces: '
        'every participant is somebody else, every session another day, every scan another pose.',
    )
    parser.add_argument('output', type=Path, help='folder to write the dataset to')
    parser.add_argument('--participants', type=_positive, default=2, help='default 2')
    parser.add_argument('--sessions', type=_positive, default=1, help='default 1')
    parser.add_argument(
        '--modalities', nargs='+', choices=MODALITIES, default=['T1w'], help='default T1w'
    )
    parser.add_argument(
        '--photographs', type=int, default=0, metavar='N',
        help='photographs of each participant, in sourcedata/photographs, for --photos '
        '(default 0)',
    )  # fmt: skip
    parser.add_argument('--seed', type=int, default=0, help='same seed, same people (default 0)')
    parser.add_argument(
        '--resolution', type=_millimetres, default=2.0, help='voxel size in mm (default 2)'
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    return parser


def main(argv=None):
    """Write the dataset; return the exit code."""
    options = build_parser().parse_args(argv)
    try:
        write_dataset(options)
    except FacebidsError as error:
        print(f'facebids-phantom: {error}')
        return error.exit_code
    people = 'participant' if options.participants == 1 else 'participants'
    print(f'{options.participants} {people} written to {options.output}')
    return 0


def write_dataset(options):
    """Write the dataset that the options ask for.

    Raises
    ------
    OutputError
        If the folder holds something already or cannot be written.
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


def _write_participant(root, label, number, options):
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
            # A scan's pose and noise are its own, whatever other modalities are asked for.
            rng = np.random.default_rng([*seed, 1 + MODALITIES.index(modality)])
            pose = phantom.draw_pose(rng, person)
            name = f'{folder}/anat/{stem}_{modality}.nii.gz'
            scan = phantom.scan(head, pose, modality, rng, options.resolution)
            _write_scan(root / name, scan)
            truth[name] = scan.transform.tolist()
    _write_photographs(root / 'sourcedata' / 'photographs' / label, person, number, options)
    write_json_atomic(root / 'sourcedata' / label / 'phantom_truth.json', truth)


def _write_photographs(folder, person, number, options):
    import numpy as np

    if options.photographs < 1:
        return
    from PIL import Image

    from facebids.core.phantoms.portrait import portraits

    rng = np.random.default_rng([options.seed, number, 0])
    for count, picture in enumerate(portraits(person, options.photographs, rng), 1):
        with atomic_path(folder / f'{count}.png') as temporary:
            Image.fromarray(picture).save(temporary, 'PNG')


def _write_scan(path, scan):
    import nibabel as nib

    image = nib.Nifti1Image(scan.data, scan.affine)
    image.set_qform(scan.affine, 1)
    image.set_sform(scan.affine, 1)
    image.header.set_xyzt_units('mm', 'sec')
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    sidecar = {'Modality': 'MR', 'MagneticFieldStrength': 3, 'Manufacturer': 'phantom'}
    write_json_atomic(path.with_name(path.name.replace('.nii.gz', '.json')), sidecar)


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be at least 1')
    return number


def _millimetres(text):
    number = float(text)
    if not 0.5 <= number <= 5:
        raise argparse.ArgumentTypeError('must be between 0.5 and 5')
    return number


if __name__ == '__main__':
    raise SystemExit(main())
