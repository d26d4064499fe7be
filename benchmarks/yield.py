# SPDX-License-Identifier: Apache-2.0
"""Count the head images of a dataset that pass, and list every exception with its reasons.

Run: python benchmarks/yield.py DATASET --work-dir FOLDER [--mode M] [--jobs N]
or:  python benchmarks/yield.py DATASET --records FOLDER [--defaced FOLDER ...]

The first form runs the participant level, one participant at a time, and resumes: participants
that an interrupted run finished are not run again. Use another folder for another version. The
second form reads the records of an earlier run, of this or another version: a derivative dataset,
or the folder `records` of a work folder.

What counts are the images whose field of view holds a face and that are not defaced already, as
the screening found, and images that an error stopped. The distance to the brain is that between
the centres of the nearest changed and labelled voxels, for images with a mask in
`DATASET/derivatives/brain`.
"""

import argparse
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import defacers
import nibabel as nib
import numpy as np

from facebids.bids import names
from facebids.bids.names import HeadImage
from facebids.cli.console import Terminal
from facebids.cli.parser import parse as parse_facebids
from facebids.cli.run import set_environment
from facebids.core.modes import MODES

VERDICTS = ('pass', 'review', 'fail')
NEAR_MM = 2.0  # distance to the brain that no changed voxel may fall below
EDGES_MM = (1.25, 2.25, 4.0)  # limits of the classes of voxel size
# Numbers of a record that tell how much of the person is recognised. Records of other versions
# may lack some.
EVIDENCE = {
    'faces_before': 'faces before',
    'distance_within_before': 'distance within the original',
    'distance_at_known_place': 'distance at the known place',
    'agreement_before_after': 'agreement with the original',
    'log10_lr_before': 'log10 LR before',
    'log10_lr': 'log10 LR after',
}
NONE = '-'


@dataclass(frozen=True)
class Row:
    """What is known of an image.

    Parameters
    ----------
    image : str
        Path relative to the dataset.
    contrast : str
        Suffix.
    zooms : tuple of float
        Voxel size, mm.
    verdict : str
    reasons : tuple of dict
        As in the record, without notes.
    left_out : str or None
        Why the image does not count, None if it does.
    evidence : dict of float
        Of the numbers in `EVIDENCE`, those that the record has.
    brain_changed : int or None
        Changed voxels of the labelled brain, None without labels.
    brain_mm : float or None
        Distance of the nearest changed voxel to the labelled brain.
    seconds : float or None
    """

    image: str
    contrast: str
    zooms: tuple
    verdict: str
    reasons: tuple = ()
    left_out: str | None = None
    evidence: dict = field(default_factory=dict)
    brain_changed: int | None = None
    brain_mm: float | None = None
    seconds: float | None = None


class _Clock(Terminal):
    """Reporter that keeps the run time of each image."""

    def show_results(self, records, seconds):
        """Keep the run times."""
        self.seconds = dict(seconds)


def deface_participant(label, options):
    """Run the participant level for one participant, unless it has been run to its end."""
    done = options.work_dir / 'seconds' / f'{label}.json'
    if done.is_file():
        return
    settings = parse_facebids([
        str(options.dataset), str(derivatives(options.work_dir)), 'participant',
        '--participant-label', label, '--mode', options.mode, '--nprocs', '1',
        '--work-dir', str(options.work_dir / 'work'), '--skip-bids-validation',
        '--private-dir', str(options.work_dir / 'private'),
    ])  # fmt: skip
    set_environment(settings.work_dir / 'cache', settings.omp_nthreads)
    from facebids.stages.participant import run_participants  # reads the environment

    clock = _Clock()
    run_participants(settings, clock)
    done.parent.mkdir(parents=True, exist_ok=True)
    defacers.write_whole(done, json.dumps(clock.seconds, indent=1))


def derivatives(work_dir):
    """Return the derivative dataset that a run of this benchmark writes."""
    return work_dir / 'derivatives'


def read_records(folder):
    """Return the records below a folder as dictionaries, by image.

    The JSON is read as it is, since another version may have written it.
    """
    found = {}
    for path in sorted(Path(folder).rglob('*.json')):
        content = json.loads(path.read_bytes())
        if isinstance(content, dict) and 'schema_version' in content:
            found |= {item['image']: item for item in content.get('images', ())}
    return dict(sorted(found.items()))


def why_left_out(record):
    """Return why an image does not count, or None if it does."""
    screening, mask = record.get('screening') or {}, record.get('mask') or {}
    if screening.get('finding') == 'defaced':
        return 'defaced already'
    if screening.get('finding') == 'no_face_in_view' or mask.get('no_face'):
        return 'no face in view'
    return None


def describe(record, options, seconds):
    """Return the row of a record; the images are read for their voxel size and labelled brain."""
    path = options.dataset / record['image']
    source = nib.load(path)
    zooms = tuple(np.linalg.norm(source.affine[:3, :3], axis=0).tolist())
    voxels = distance = None
    brain = defacers.brain_mask(options.dataset, path)
    name = names.defaced(HeadImage.from_relative_path(record['image']))
    defaced = next((root / name for root in options.defaced if (root / name).is_file()), None)
    if brain is not None and defaced is not None:
        before, after = (np.asarray(nib.load(p).dataobj.get_unscaled()) for p in (path, defaced))
        changed = (before != after).reshape(*brain.shape, -1).any(-1)
        voxels, distance = defacers.distance_to_brain(changed, brain, zooms)
    known = record.get('identifiability') or {}
    return Row(
        record['image'],
        record['suffix'],
        zooms,
        record['verdict'],
        tuple(reason for reason in record['reasons'] if reason['severity'] != 'note'),
        why_left_out(record),
        {key: known[key] for key in EVIDENCE if known.get(key) is not None},
        voxels,
        distance,
        seconds.get(record['image']),
    )


def size_class(zooms):
    """Return the class of a voxel size by its longest edge."""
    longest = max(zooms)
    for lower, upper in zip((0, *EDGES_MM), EDGES_MM, strict=False):
        if longest <= upper:
            return f'{lower:g} to {upper:g} mm'
    return f'over {EDGES_MM[-1]:g} mm'


def show(rows):
    """Return the tables of the images that count, and a line for each exception."""
    counted = [row for row in rows if not row.left_out]
    if not counted:
        return 'No image counts.'
    parts = [_verdicts, _reasons, _evidence, _brain, _exceptions]
    parts = [text for part in parts if (text := part(counted))]
    left_out = Counter(row.left_out for row in rows if row.left_out)
    if left_out:
        parts.append(
            'Not counted: ' + ', '.join(f'{n} {why}' for why, n in left_out.items()) + '.'
        )
    return '\n\n'.join(parts)


def _groups(rows):
    """Return the rows of all images, of each contrast, and of each class of voxel size."""
    groups = {'all': list(rows)}
    for row in sorted(rows, key=lambda row: row.contrast):
        groups.setdefault(row.contrast, []).append(row)
    for row in sorted(rows, key=lambda row: max(row.zooms)):
        groups.setdefault(size_class(row.zooms), []).append(row)
    return groups


def _verdicts(rows):
    header = ['images', 'number', *VERDICTS, *(f'{name} %' for name in VERDICTS)]
    body = []
    for name, some in _groups(rows).items():
        counts = Counter(row.verdict for row in some)
        shares = [f'{100 * counts[verdict] / len(some):.0f}' for verdict in VERDICTS]
        times = [row.seconds for row in some if row.seconds is not None]
        seconds = f'{np.median(times):.0f}, at most {max(times):.0f}' if times else NONE
        body.append(
            [name, len(some), *(counts[verdict] for verdict in VERDICTS), *shares, seconds]
        )
    return defacers.table([*header, 'seconds'], body)


def _reasons(rows):
    found = [(reason['code'], reason['severity'], row.contrast) for row in rows
             for reason in row.reasons]  # fmt: skip
    if not found:
        return ''
    contrasts = sorted({row.contrast for row in rows})
    body = [
        [code, severity, *(found.count((code, severity, contrast)) for contrast in contrasts)]
        for code, severity in sorted({item[:2] for item in found})
    ]
    return defacers.table(['reason', 'severity', *contrasts], body)


def _evidence(rows):
    """Return quartiles of the evidence by contrast."""
    shown = [key for key in EVIDENCE if any(key in row.evidence for row in rows)]
    body = []
    for contrast in sorted({row.contrast for row in rows}):
        some = [row.evidence for row in rows if row.contrast == contrast]
        body.append([contrast, *(_quartiles([e[key] for e in some if key in e]) for key in shown)])
    return defacers.table(['evidence', *(EVIDENCE[key] for key in shown)], body)


def _quartiles(values):
    if not values:
        return NONE
    low, median, high = np.percentile(values, [25, 50, 75])
    return f'{median:.3g} ({low:.3g} to {high:.3g})'


def _brain(rows):
    labelled = [row for row in rows if row.brain_changed is not None]
    if not labelled:
        return ''
    body = [
        [row.image, row.brain_changed, NONE if row.brain_mm is None else f'{row.brain_mm:.1f}']
        for row in labelled
    ]
    near = sum(row.brain_mm is not None and row.brain_mm < NEAR_MM for row in labelled)
    summary = (
        f'Brain: {sum(row.brain_changed > 0 for row in labelled)} of {len(labelled)} changed, '
        f'{near} with a changed voxel nearer than {NEAR_MM:g} mm.'
    )
    header = ['image with labelled brain', 'brain voxels changed', 'nearest changed voxel (mm)']
    return f'{defacers.table(header, body)}\n\n{summary}'


def _exceptions(rows):
    lines = []
    for row in rows:
        if row.verdict != 'pass':
            reasons = ', '.join(_reason(reason) for reason in row.reasons)
            lines.append(f'{row.verdict}: {row.image}: {reasons}')
    return '\n'.join(lines)


def _reason(reason):
    value, limit = reason['value'], reason['threshold']
    if value is None:
        return reason['code']
    number = f'{value:.3g}' if isinstance(value, float) else value
    return f'{reason["code"]} ({number}' + (')' if limit is None else f', limit {limit})')


def parse(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', type=Path, help='BIDS dataset')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--work-dir', type=Path, help='run in this folder; it shows faces')
    source.add_argument('--records', type=Path, help='read the records of an earlier run')
    parser.add_argument(
        '--defaced', type=Path, nargs='+', default=[], metavar='FOLDER',
        help='derivative dataset of the records, and folder of withheld images',
    )  # fmt: skip
    parser.add_argument('--participants', nargs='+', default=(), help='labels')
    parser.add_argument('--mode', choices=MODES, default='remove')
    parser.add_argument('--jobs', type=int, default=1, help='participants in parallel')
    parser.add_argument('--json', type=Path, help='write every row to this file')
    options = parser.parse_args(arguments)
    options.dataset = options.dataset.resolve()
    options.participants = [label.removeprefix('sub-') for label in options.participants]
    return options


def main(arguments=None):
    """Run the benchmark and print the tables."""
    options = parse(arguments)
    seconds = {}
    if options.work_dir:
        options.work_dir = options.work_dir.resolve()
        labels = options.participants or [
            path.name.removeprefix('sub-') for path in sorted(options.dataset.glob('sub-*/'))
        ]
        for _ in defacers.each(partial(deface_participant, options=options), labels, options.jobs):
            pass
        for path in sorted((options.work_dir / 'seconds').glob('*.json')):
            seconds |= json.loads(path.read_text())
        options.records = derivatives(options.work_dir)
        options.defaced = [options.records, options.work_dir / 'private' / names.withheld('')]
    rows = [
        describe(record, options, seconds)
        for record in read_records(options.records).values()
        if not options.participants
        or record['participant_id'].removeprefix('sub-') in options.participants
    ]
    print(show(rows))
    if options.json:
        defacers.write_whole(options.json, json.dumps([vars(row) for row in rows], indent=1))


if __name__ == '__main__':
    main()
