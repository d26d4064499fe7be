# SPDX-License-Identifier: Apache-2.0
"""Deface the same heads with ours and with its peers, attack the results, and print a table.

Run: python benchmarks/peers.py DATASET [--templates FOLDER] [--modes remove blur reface]

The peers are `niimath -deface`, `niimath -reface` (T1w) and `quickshear`, if installed.

- Time, header, brain and head: each image is defaced in one thread. The time of ours includes
  reading, registration, mask, fill and writing in a running Python process; the time of a peer is
  that of its process. The ratio compares CPU time, which depends less on other work on the
  machine. Quickshear is given a brain mask, the true one or that of the atlas, at no cost in time.
- Privacy: a rescan of each image is simulated (`perturbations.rescan`) and defaced. The defaced
  rescans are the probes, and the originals are the gallery. The attacker knows the pose of the
  head and the position of its face. Face templates of an added engine are centred by source, if
  the engine can: the letters that the label of a participant begins with stand for the source.
"""

import argparse
import json
import tempfile
import zipfile
import zlib
from collections import Counter
from functools import lru_cache, partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import defacers
import nibabel as nib
import numpy as np
import perturbations

import facebids
from facebids.core import foreground, grids, headers, images
from facebids.core.atlas import generic_atlas
from facebids.core.attack import engines
from facebids.core.attack.head import KnownFace, view_head
from facebids.core.defacing import masks
from facebids.core.identifiability import ranking, verification
from facebids.core.modes import MODES
from facebids.errors import ImageError, NotAHeadError
from facebids.studies import enrolment
from facebids.studies.results import FUSED

ORIGINAL, RAW = 'original', 'not defaced'
SHOWN = ('dlib', 'geometry', FUSED)
# Share of the intensity range. A smaller difference counts as rounding: the voxel is not changed,
# but the image is not lossless either.
ROUNDING = 1e-4
CORE_MM = 5.0  # depth inside the atlas's brain beyond which no defacer may change voxels
NONE = '-'
FIRST_COLUMNS = ('defacer', 'images', 'failed', 'seconds', 'of CPU', 'x ours')
LAST_COLUMNS = ('frontal faces', 'brain changed', 'head changed %', 'lossless', 'what is not')

find = lru_cache(maxsize=2)(defacers.find)  # used for the image and its rescan


def process(path, options, peers):
    """Deface an image with every defacer and attack the results.

    Parameters
    ----------
    path : Path
    options : argparse.Namespace
    peers : list of defacers.Peer

    Returns
    -------
    dict of tuple
        By defacer: metrics, and face templates of every engine (empty if there are none).
    """
    add_engines(options.engine)
    content = zlib.crc32(path.read_bytes())
    cache = options.cache / f'seed-{options.seed}' / f'{path.name.split(".")[0]}-{content:08x}'
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        original = _cached(cache / 'original.npz', partial(_look_at_original, path, options))
        if not original[1]:
            return {ORIGINAL: original}
        probe = scratch / 'rescan.nii.gz'
        rng = np.random.default_rng([options.seed, content])
        volume = images.read_volume(path)
        perturbed = perturbations.rescan(volume.data, volume.affine, rng)
        perturbations.write(perturbed, probe)
        affine = perturbed.transform @ np.array(original[0]['affine'])
        look = partial(_look_at, affine=affine, seed=options.seed + 1)
        raw = _cached(cache / 'raw.npz', partial(look, probe))
        known = KnownFace(np.array(raw[0]['pose']), np.array(raw[0]['boxes']))
        look = partial(look, known=known)
        brain = defacers.brain_mask(options.dataset, path)
        truth = (brain, np.array(original[0]['affine']))
        done = {ORIGINAL: original, RAW: raw}
        for name, deface in _defacers(options, peers).items():
            file = cache / f'{name.replace(" ", "_")}.npz'
            done[name] = _cached(
                file, partial(_try_out, deface, path, probe, perturbed, truth, look, scratch)
            )
    find.cache_clear()
    return done


def add_engines(paths):
    """Load engines that are no part of the package, and return their names.

    Raises
    ------
    TypeError
        If a file defines no engine.
    """
    names = []
    for path in paths:
        spec = spec_from_file_location(path.stem, path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        if not isinstance(module, engines.Engine):
            raise TypeError(f'{path} does not define all that an engine has to.')
        engines.engines()[module.NAME] = module
        names.append(module.NAME)
    return names


def _defacers(options, peers):
    """Return functions by name, from image, brain mask and output to a status and seconds."""

    def ours(path, brain, out_path, mode):
        try:
            found = find(path, options.suffix, options.seed)
            outside, seconds = defacers.deface(path, found, mode, out_path, options.seed)
        except ImageError as error:
            return type(error).__name__, None
        return 'changed outside its mask' if outside else 0, found.seconds + seconds

    chosen = {f'ours, {mode}': partial(ours, mode=mode) for mode in options.modes}
    return chosen | {
        peer.name: peer.run for peer in peers if options.suffix == 'T1w' or peer.any_contrast
    }


def _cached(path, compute):
    """Read metrics and templates from a file; compute and write them if it does not exist."""
    if not path.is_file():
        numbers, templates = compute()
        arrays = engines.pack(templates)
        partly = path.with_name(f'.{path.name}.part')
        with partly.open('wb') as file:
            np.savez_compressed(file, numbers=json.dumps(numbers), **arrays)
        partly.replace(path)
    try:
        with np.load(path) as arrays:
            read = {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SystemExit(
            f'{path} cannot be read ({error}). Delete it and run the benchmark again.'
        ) from error
    return json.loads(str(read['numbers'])), engines.unpack(read)


def _look_at_original(path, options):
    """Register an image and enrol it in the gallery."""
    try:
        found = find(path, options.suffix, options.seed)
    except ImageError as error:
        return {'status': type(error).__name__}, {}
    affine = found.alignment.affine
    numbers, templates = _look_at(path, affine=affine, seed=options.seed)
    verdict, reasons = defacers.judge(found, options.suffix)
    return numbers | {'affine': affine.tolist(), 'verdict': verdict, 'reasons': reasons}, templates


def _look_at(path, affine, seed, known=None):
    """Attack an image; return detection in the frontal view, pose and boxes, and templates."""
    try:
        head = view_head(images.read_volume(path), affine, seed, known)
    except NotAHeadError:  # nothing is left that could be attacked
        return {'status': 0, 'frontal': False}, {}
    frontal = head.recognition.found[head.recognition.names == 'frontal']
    numbers = {
        'status': 0,
        'frontal': bool(frontal.any()),
        'pose': head.pose.tolist(),
        'boxes': head.recognition.boxes.tolist(),
    }
    return numbers, engines.enrol(head)


def _try_out(deface, path, probe, perturbed, truth, look, folder):
    """Deface an image and its rescan; return metrics of the first, templates of the second."""
    brain, affine = truth
    volume = images.read_volume(path)
    enough = _atlas_brain(volume, affine) if brain is None else brain
    moved = perturbations.carry(enough, volume.affine, perturbed)
    for image, mask in ((path, enough), (probe, moved)):
        images.write_mask(mask, image, folder / 'brain.nii.gz')
        out_path = folder / 'defaced.nii.gz'
        out_path.unlink(missing_ok=True)
        status, took = deface(image, folder / 'brain.nii.gz', out_path)
        if status != 0:
            return {'status': status}, {}
        if image is path:
            numbers = compare(path, out_path, brain, affine) | {'seconds': took.tolist()}
    found, templates = look(folder / 'defaced.nii.gz')
    return numbers | {'status': 0, 'frontal': found['frontal']}, templates


def _atlas_brain(volume, affine, inside=0.0):
    """Return the voxels (bool) deeper than `inside` mm in the atlas's brain."""
    atlas = generic_atlas(masks.RESOLUTION)
    return grids.carry_over(atlas.brain, atlas, volume.data.shape, volume.affine, affine) < -inside


def compare(path, out_path, brain, affine):
    """Compare the header and voxels of a defaced image with those of the original.

    Parameters
    ----------
    path, out_path : Path
        Original and defaced image.
    brain : ndarray of bool, shape (X, Y, Z), or None
        True brain mask.
    affine : ndarray, shape (4, 4)
        Atlas RAS mm to RAS mm of the image.

    Returns
    -------
    dict
        `altered`: header fields that differ, and whether voxels deep in the brain do;
        `brain_changed`: number of voxels, None without a mask; `head_changed`: share.
    """
    before, after = headers.open_nifti(path), headers.open_nifti(out_path)
    altered = [name for name, same in _header(before, after).items() if not same]
    if before.shape != after.shape:
        return {'altered': [*altered, 'grid'], 'brain_changed': None, 'head_changed': None}
    values = [np.asarray(image.dataobj, np.float64).reshape(before.shape[:3])
              for image in (before, after)]  # fmt: skip
    changed = np.abs(values[0] - values[1]) > ROUNDING * np.ptp(values[0])
    core = _atlas_brain(images.Volume(values[0], before.affine), affine, CORE_MM)
    kept = [image.dataobj.get_unscaled().reshape(core.shape)[core] for image in (before, after)]
    if kept[0].tobytes() != kept[1].tobytes():
        altered.append('kept voxels')
    zooms = np.linalg.norm(before.affine[:3, :3], axis=0)
    head = foreground.head_mask(values[0].astype(np.float32), zooms)
    return {
        'altered': altered,
        'brain_changed': None if brain is None else int((changed & brain).sum()),
        'head_changed': float(changed[head].mean()),
    }


def _header(before, after):
    """Return whether two headers agree, by field."""
    a, b = before.header, after.header
    return {
        'data type': a['datatype'] == b['datatype'],
        'slope': before.dataobj.slope == after.dataobj.slope,
        'intercept': before.dataobj.inter == after.dataobj.inter,
        'sform': _alike(a.get_sform(coded=True)[0], b.get_sform(coded=True)[0]),
        'qform': _alike(a.get_qform(coded=True)[0], b.get_qform(coded=True)[0]),
        'codes': (a['sform_code'], a['qform_code']) == (b['sform_code'], b['qform_code']),
        'units': a['xyzt_units'] == b['xyzt_units'],
    }


def _alike(a, b):
    """Return whether two affines are the same. None (no code) agrees with any affine."""
    return a is None or b is None or np.allclose(a, b, atol=1e-4)


def identify(probes, people, gallery, gallery_people, added=()):
    """Search probes in a gallery with every engine.

    Parameters
    ----------
    probes, gallery : list of dict
        Templates of every engine.
    people, gallery_people : list of str
    added : sequence of str
        Names of engines that are no part of the package.

    Returns
    -------
    dict of dict
        By engine: `rank_1` identification rate, its `interval` (Clopper-Pearson, 95 %), whether
        the interval `holds_chance`, and `auc`.
    """
    from scipy.stats import binomtest

    shipped = [{name: item for name, item in some.items() if name not in added}
               for some in (*probes, *gallery)]  # fmt: skip
    known = enrolment.scorer(shipped[: len(probes)], shipped[len(probes) :])(slice(None))
    for name in added:
        sides = (_centred(name, probes, people), _centred(name, gallery, gallery_people))
        known[name] = engines.score(name, *sides)
    mates = np.array(people)[:, None] == np.array(gallery_people)
    outcome = {}
    for name in (*SHOWN, *added):
        scores = known.get(name, np.full(mates.shape, np.nan))
        best, enrolled = ranking.best_of_each_person(scores, np.array(gallery_people))
        own = np.array(people)[:, None] == enrolled
        first = int((ranking.mate_ranks(best, own) == 1).sum())
        interval = binomtest(first, len(probes)).proportion_ci(method='exact')
        outcome[name] = {
            'rank_1': first / len(probes),
            'interval': [float(interval.low), float(interval.high)],
            'holds_chance': bool(interval.low <= 1 / len(enrolled) <= interval.high),
            'auc': verification.auc(scores[mates], scores[~mates]),
        }
    return outcome


def _centred(name, templates, people):
    """Return the face templates of an engine, centred by source if the engine can."""
    found = [item.get(name) for item in templates]
    centre = getattr(engines.engines()[name], 'centre', None)
    there = [i for i, template in enumerate(found) if template is not None]
    if centre and there:
        sources = [people[i].rstrip('0123456789') for i in there]
        for i, template in zip(there, centre([found[i] for i in there], sources), strict=True):
            found[i] = template
    return found


def summarise(results, names, added=()):
    """Summarise the metrics of each defacer over all images.

    Parameters
    ----------
    results : dict of dict
        Results of `process`, by path.
    names : list of str
        Names of the defacers.
    added : sequence of str
        Names of engines that are no part of the package.

    Returns
    -------
    list of dict
    """
    enrolled = {path: done for path, done in results.items() if done[ORIGINAL][1]}
    gallery = [done[ORIGINAL][1] for done in enrolled.values()]
    people = [defacers.participant(path) for path in enrolled]
    rows = []
    for name in names:
        some = {path: done[name] for path, done in enrolled.items() if name in done}
        good = {path: item for path, item in some.items() if item[0]['status'] == 0}
        numbers = [item[0] for item in good.values()]
        row = {'defacer': name, 'images': len(some), 'failed': len(some) - len(good)}
        if good:
            owners = [defacers.participant(path) for path in good]
            probes = [item[1] for item in good.values()]
            found = identify(probes, owners, gallery, people, added)
            row |= {
                'search': found,
                'frontal': sum(n['frontal'] for n in numbers),
                'of': len(good),
            }
        if good and name != RAW:
            brains = [n['brain_changed'] for n in numbers if n['brain_changed'] is not None]
            row |= {
                'seconds': np.median([n['seconds'] for n in numbers], axis=0).tolist(),
                'brains': len(brains),
                'brains_changed': sum(voxels > 0 for voxels in brains),
                'brain_voxels': max(brains, default=None),
                'head_changed': _median(n['head_changed'] for n in numbers),
                'lossless': sum(not n['altered'] for n in numbers),
                'altered': sorted({what for n in numbers for what in n['altered']}),
            }
        rows.append(row)
    return rows


def _median(values):
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def show(rows, added=()):
    """Return the rows of `summarise` as a Markdown table."""
    ours = next((row['seconds'] for row in rows if 'seconds' in row), None)
    shown = (*SHOWN, *added)
    searches = [f'{what} {name}' for what in ('rank-1 %', 'AUC') for name in shown]
    header = (*FIRST_COLUMNS, *searches, *LAST_COLUMNS)
    return defacers.table(header, [_cells(row, ours, shown) for row in rows])


def _cells(row, ours, shown):
    cells = [row['defacer'], row['images'], row['failed']]
    if 'seconds' in row:
        wall, cpu = row['seconds']
        cells += [f'{wall:.1f}', f'{cpu:.1f}', f'{cpu / ours[1]:.2f}']
    else:
        cells += [NONE] * 3
    if 'search' in row:
        cells += [_rank(row['search'][name]) for name in shown]
        cells += [f'{row["search"][name]["auc"]:.3f}' for name in shown]
        cells.append(f'{row["frontal"]} of {row["of"]}')
    else:
        cells += [NONE] * (2 * len(shown) + 1)
    if 'seconds' not in row:
        return cells + [NONE] * 4
    brain = f'{row["brains_changed"]} of {row["brains"]} (at most {row["brain_voxels"]})'
    return [
        *cells,
        brain if row['brains'] else NONE,
        NONE if row['head_changed'] is None else f'{100 * row["head_changed"]:.0f}',
        f'{row["lossless"]} of {row["of"]}',
        ', '.join(row['altered']) or NONE,
    ]


def _rank(found):
    low, high = (100 * value for value in found['interval'])
    mark = '' if found['holds_chance'] else ' *'
    return f'{100 * found["rank_1"]:.0f} [{low:.0f}, {high:.0f}]{mark}'


def _describe(results):
    """Return how many images were enrolled, and the verdicts of ours."""
    known = {path: done[ORIGINAL][0] for path, done in results.items() if done[ORIGINAL][1]}
    people = len({defacers.participant(path) for path in known})
    verdicts = Counter(numbers['verdict'] for numbers in known.values())
    return (
        f'{len(known)} of {len(results)} images of {people} people were enrolled. '
        f'The rank-1 identification rate by chance is {100 / max(people, 1):.1f} %.\n'
        'Verdicts of ours on alignment and mask: '
        + ', '.join(f'{count} {verdict}' for verdict, count in verdicts.most_common())
        + '.'
    )


def parse(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', type=Path, help='BIDS dataset')
    parser.add_argument('--templates', type=Path, help="folder with niimath's template files")
    parser.add_argument('--modes', nargs='+', choices=MODES, default=list(MODES))
    parser.add_argument('--suffix', choices=defacers.SUFFIXES, default='T1w')
    parser.add_argument('--participants', nargs='+', default=())
    parser.add_argument('--limit', type=int, metavar='N', help='maximum number of images')
    parser.add_argument('--jobs', type=int, default=1, help='images to process in parallel')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--engine', type=Path, action='append', default=[], metavar='FILE',
        help='engine that is no part of the package, such as benchmarks/laboratory.py',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, help='write the numbers to this file')
    parser.add_argument(
        '--cache', type=Path,
        help='folder of face templates, from which an interrupted run resumes. It identifies '
        'people. Use another folder for another version.',
    )  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run the benchmark and print the table."""
    options = parse(arguments)
    added = add_engines(options.engine)
    peers, missing = defacers.peers(options.templates)
    paths = defacers.list_images(
        options.dataset, options.suffix, options.participants, options.limit
    )
    if not paths:
        raise SystemExit(f'{options.dataset} has no {options.suffix} image.')
    with tempfile.TemporaryDirectory() as folder:
        options.cache = options.cache or Path(folder)
        work = partial(process, options=options, peers=peers)
        results = dict(zip(paths, defacers.each(work, paths, options.jobs), strict=True))
    names = [RAW, *_defacers(options, peers)]
    rows = summarise(results, names, added)
    versions = {'facebids': facebids.__version__, 'nibabel': nib.__version__}
    versions |= {peer.name: peer.version for peer in peers}
    print(show(rows, added))
    print(f'\n{_describe(results)}')
    print('Brackets: 95 % interval (Clopper-Pearson); *: it does not include chance.')
    print('Versions:', ', '.join(f'{name} {number}' for name, number in versions.items()))
    for note in missing:
        print(note)
    if options.json:
        record = {'versions': versions, 'missing': missing, 'rows': rows, 'images': [
            {'image': path.name} | {name: item[0] for name, item in done.items()}
            for path, done in results.items()
        ]}  # fmt: skip
        defacers.write_whole(options.json, json.dumps(record, indent=1))


if __name__ == '__main__':
    main()
