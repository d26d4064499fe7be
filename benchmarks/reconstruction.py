# SPDX-License-Identifier: Apache-2.0
"""Predict the face that was removed from what is left of the head, and see whom it resembles.

Run: python benchmarks/reconstruction.py DATASET [--modes remove] [--learn DATASET ...] --cache C

The attacker defaces heads whose faces are known with the same tool, and learns to predict the
shape of the face from what the defaced head shows: the depth map of the face, a coarse map around
the whole head, and the size of the head (its affine to the atlas). The prediction is a kernel
ridge regression, linear or Gaussian, whose penalty is chosen by leaving one out. The attacker
knows the pose of the face before defacing.

Every person is left out in turn. Where the prediction is compared with another person, that
person is left out, too: otherwise it would be drawn towards the faces that were learned from. As
a control, faces are also predicted from heads that were not defaced.

The distances (mm) are means over the cells of the face that defacing changed, without a rigid
motion: from the predicted face to the own face, to those of strangers, and from the average face
to the own. Faces are searched by the correlation of their differences from the average face.
"""

import argparse
import json
import tempfile
import zlib
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import defacers
import numpy as np
from scipy.spatial.distance import pdist, squareform

from facebids.core import images
from facebids.core.alignment import registration
from facebids.core.attack import depth, head, surface
from facebids.core.attack.engines import geometry
from facebids.core.attack.rays import Scene
from facebids.core.identifiability import pairs, ranking, resampling, verification
from facebids.core.modes import MODES
from facebids.errors import ImageError, NotAHeadError

CONTROL = 'not defaced'
CHANGED_MM = 0.5  # a cell whose relief changes by more was defaced
HEIGHTS = np.arange(-120.0, 121.0, 10.0)  # rows of the map around the head, mm
ANGLES = np.deg2rad(np.arange(-180.0, 180.0, 10.0))
OUTSIDE_MM = 200.0
PENALTIES = 10.0 ** np.arange(-3, 4)
NONE = '-'


class Shape(NamedTuple):
    """What a head shows.

    Parameters
    ----------
    relief : ndarray, shape (C,)
        Of the face, as of the geometry engine, mm; NaN where no skin shows.
    features : ndarray, shape (F,)
        All that the face is predicted from; NaN where no skin shows.
    """

    relief: np.ndarray
    features: np.ndarray


class Prediction(NamedTuple):
    """Predicted and average faces, each learned without the two people of its indices.

    Parameters
    ----------
    faces, means : ndarray, shape (N, N, C)
        `faces[i, j]` is the face of person i, learned without i and j.
    """

    faces: np.ndarray
    means: np.ndarray


def look(volume, affine, pose=None):
    """Return the shape that a head shows, and the pose of its face."""
    skin = surface.skin_surface(volume.data, volume.affine, hounsfield=volume.hounsfield)
    if pose is None:
        pose = head._face_pose(skin, volume, registration.pose(affine))
    mesh = head.moved(skin, pose)
    scene = Scene(mesh.vertices, mesh.faces)
    found = depth.measure(scene, depth.field_of_view(pose @ volume.affine, volume.data.shape))
    sizes = np.linalg.svd(affine[:3, :3], compute_uv=False)
    features = [_coarse(found), map_around(scene).ravel(), 100 * sizes]
    relief = geometry.enrol(head.Head(mesh, found, pose, None, None))['relief']
    return Shape(relief, np.concatenate(features).astype(np.float32)), pose


def _coarse(found):
    """Return the means of blocks of two by two cells of a depth map, flat."""
    rows, columns = (size // 2 for size in found.shape)
    return found[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean((1, 3)).ravel()


def map_around(scene):
    """Return radii of the whole head, mm; NaN where no ray meets skin."""
    rays = np.stack(
        np.broadcast_arrays(np.sin(ANGLES), np.cos(ANGLES), np.zeros((len(HEIGHTS), 1))), -1
    )
    origins = OUTSIDE_MM * rays
    origins[..., 2] = HEIGHTS[:, None]
    hits = scene.cast(origins.reshape(-1, 3), -rays.reshape(-1, 3))
    return OUTSIDE_MM - hits.distance.reshape(rays.shape[:2])


def shapes_of(path, options):
    """Return the shapes of a head before and after defacing, by mode; empty if it has none."""
    content = zlib.crc32(path.read_bytes())
    file = options.cache / f'{path.name.split(".")[0]}-{content:08x}.npz'
    wanted = (CONTROL, *options.modes)
    found = _read(file) if file.is_file() else None
    if found is None or (found and not found.keys() >= set(wanted)):
        found = _deface_and_look(path, options)
        _write(file, found)
    return {mode: found[mode] for mode in wanted} if found else {}


def _write(file, shapes):
    arrays = {
        f'{mode}.{key}': value
        for mode, shape in shapes.items()
        for key, value in shape._asdict().items()
    }
    partly = file.with_name(f'.{file.name}.part')
    with partly.open('wb') as stream:
        np.savez_compressed(stream, **arrays)
    partly.replace(file)


def _read(file):
    with np.load(file) as arrays:
        modes = {key.partition('.')[0] for key in arrays.files}
        return {mode: Shape(*(arrays[f'{mode}.{key}'] for key in Shape._fields)) for mode in modes}


def _deface_and_look(path, options):
    found = {}
    try:
        start = defacers.find(path, options.suffix, options.seed)
        affine = start.alignment.affine
        found[CONTROL], pose = look(start.volume, affine)
        with tempfile.TemporaryDirectory() as folder:
            for mode in options.modes:
                defaced = Path(folder) / f'{mode}.nii.gz'
                defacers.deface(path, start, mode, defaced, options.seed)
                found[mode], _ = look(images.read_volume(defaced), affine, pose)
    except (ImageError, NotAHeadError) as error:
        print(f'Skipped: {path.name}: {error}')
        return {}
    return found


def predict(features, reliefs, people, kernel):
    """Predict the face of each person, learned without this person and any other one.

    Parameters
    ----------
    features : ndarray, shape (M, F)
        What is left of the heads; NaN becomes the mean of the heads.
    reliefs : ndarray, shape (M, C)
        Their faces; NaN becomes the mean of the heads.
    people : int
        N of the M heads, the first ones, are predicted. The rest is learned from only.
    kernel : {'linear', 'rbf'}

    Returns
    -------
    Prediction
    """
    scaled = _scaled(_filled(features))
    if kernel == 'linear':
        similarity = scaled @ scaled.T / scaled.shape[1]
    else:
        similarity = np.exp(-squareform(pdist(scaled, 'sqeuclidean')) / scaled.shape[1])
    reliefs = _filled(reliefs)
    faces, means = np.empty((2, people, people, reliefs.shape[1]))
    for one in range(people):
        for other in range(people):
            known = np.setdiff1d(np.arange(len(reliefs)), [one, other])
            mean = reliefs[known].mean(0)
            weights = _learn(similarity[np.ix_(known, known)], reliefs[known] - mean)
            faces[one, other] = mean + similarity[one, known] @ weights
            means[one, other] = mean
    return Prediction(faces, means)


def _learn(similarity, targets):
    """Return the weights of a kernel ridge regression, shape (M, C).

    The penalty is that with the least error of leave-one-out, for which there is a closed form
    (Wahba, 1990, Spline Models for Observational Data, section 4.2).
    """
    values, vectors = np.linalg.eigh(similarity)
    rotated = vectors.T @ targets
    best, least = None, np.inf
    for penalty in PENALTIES:
        inverse = 1 / (values.clip(0) + penalty)
        weights = vectors @ (inverse[:, None] * rotated)
        left_out = weights / (vectors**2 @ inverse)[:, None]
        error = (left_out**2).sum()
        if error < least:
            best, least = weights, error
    return best


def _filled(values):
    """Return values with NaN replaced by the mean of the column, 0 if there is none."""
    known = ~np.isnan(values)
    mean = np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, values, mean)


def _scaled(values):
    """Return columns of mean 0 and variance 1, constant columns as 0."""
    deviation = values.std(0)
    return (values - values.mean(0)) / np.where(deviation > 1e-6, deviation, np.inf)


def compare(predicted, reliefs, changed):
    """Compare predicted faces with those of all people, in the cells that defacing changed.

    Parameters
    ----------
    predicted : Prediction
    reliefs : ndarray, shape (N, C)
        True faces, mm; NaN where no skin shows.
    changed : ndarray of bool, shape (N, C)

    Returns
    -------
    distances : ndarray, shape (N, N)
        From the prediction of a person (row) to the faces (column), mm.
    average : ndarray, shape (N,)
        From the average face to that of a person, mm.
    scores : ndarray, shape (N, N)
        Correlation of the differences from the average face.
    """
    seen = changed[:, None] & ~np.isnan(reliefs)
    target = np.where(seen, reliefs, 0)
    count = np.maximum(seen.sum(-1), 1)
    distances = (np.abs(predicted.faces - target) * seen).sum(-1) / count
    average = (np.abs(predicted.means - target) * seen).sum(-1) / count
    guess, truth = ((x - predicted.means) * seen for x in (predicted.faces, target))
    size = np.linalg.norm(guess, axis=-1) * np.linalg.norm(truth, axis=-1)
    return distances, np.diag(average), (guess * truth).sum(-1) / np.maximum(size, 1e-9)


def evaluate(distances, average, scores, seed):
    """Summarise the comparisons.

    Returns
    -------
    dict
        Mean distances (`own`, `average`, `strangers`), `gain` (average minus own, with its
        interval), `rank_1` with its interval, and `auc` with its interval.
    """
    from scipy.stats import binomtest

    people = np.arange(len(average))
    mates = np.eye(len(average), dtype=bool)
    own = distances[mates]
    gain = average - own
    first = int((ranking.mate_ranks(scores, mates) == 1).sum())
    interval = binomtest(first, len(people)).proportion_ci(method='exact')
    found = pairs.of_matrix(scores, people, people)
    return {
        'own': float(own.mean()),
        'average': float(average.mean()),
        'strangers': float(distances[~mates].mean()),
        'gain': [float(gain.mean()), *_interval(np.mean, [gain], [people], seed)],
        'rank_1': [first / len(people), float(interval.low), float(interval.high)],
        'auc': [
            float(verification.auc(*found.split)),
            *_interval(verification.auc, found.split, found.owners, seed),
        ],
    }


def _interval(statistic, samples, people, seed):
    return [float(end) for end in resampling.bootstrap(statistic, samples, people, seed)]


def attack(heads, others, mode, kernel, seed):
    """Predict the faces of heads from what one mode leaves, and compare them.

    Parameters
    ----------
    heads, others : list of dict of Shape
        Before and after defacing, by mode: heads to attack, and heads to learn from only.

    Returns
    -------
    dict
        As of `evaluate`.
    """
    reliefs = np.array([shapes[CONTROL].relief for shapes in heads + others])
    features = np.array([shapes[mode].features for shapes in heads + others])
    removed = [shapes[mode] if mode != CONTROL else _any_removed(shapes) for shapes in heads]
    after = np.array([shape.relief for shape in removed])
    before = reliefs[: len(heads)]
    changed = ~(np.abs(after - before) < CHANGED_MM)
    predicted = predict(features, reliefs, len(heads), kernel)
    return evaluate(*compare(predicted, before, changed), seed)


def _any_removed(shapes):
    """Return the shape after a defacing mode: the control is judged in the same cells."""
    return next(shape for mode, shape in shapes.items() if mode != CONTROL)


def show(results, people):
    """Return a Markdown table."""
    header = [
        'predicted from', 'kernel', 'to own face (mm)', 'average to own face', 'to strangers',
        'gained over the average', 'rank-1 %', 'AUC',
    ]  # fmt: skip
    body = [
        [mode, kernel, *(f'{row[key]:.2f}' for key in ('own', 'average', 'strangers')),
         _range(row['gain'], 1, 2), _range(row['rank_1'], 100, 0), _range(row['auc'], 1, 2)]
        for (mode, kernel), row in results.items()
    ]  # fmt: skip
    return (
        f'{defacers.table(header, body)}\n\n{people} people; rank-1 by chance: '
        f'{100 / people:.1f} %. Brackets: 95 % interval.'
    )


def _range(values, factor, digits):
    value, low, high = (f'{factor * v:.{digits}f}' for v in values)
    return f'{value} [{low}, {high}]'


def parse(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dataset', type=Path, help='BIDS dataset, one person a participant')
    parser.add_argument(
        '--learn', type=Path, nargs='+', default=[], metavar='DATASET',
        help='further heads to learn from, such as of facebids-phantom',
    )  # fmt: skip
    parser.add_argument('--modes', nargs='+', choices=MODES, default=['remove'])
    parser.add_argument('--suffix', choices=defacers.SUFFIXES, default='T1w')
    parser.add_argument('--participants', nargs='+', default=(), help='labels of the dataset')
    parser.add_argument('--jobs', type=int, default=1, help='images to process in parallel')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', type=Path, help='write the numbers to this file')
    parser.add_argument(
        '--cache', type=Path, required=True,
        help='folder of shapes, from which an interrupted run resumes. They identify people. Use '
        'another folder for another version.',
    )  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run the benchmark and print the table."""
    options = parse(arguments)
    groups = []
    for dataset in (options.dataset, *options.learn):
        labels = options.participants if dataset == options.dataset else ()
        paths = defacers.list_images(dataset, options.suffix, labels)
        first = list({defacers.participant(path): path for path in reversed(paths)}.values())
        options.cache.mkdir(parents=True, exist_ok=True)
        found = defacers.each(partial(shapes_of, options=options), sorted(first), options.jobs)
        groups.append([shapes for shapes in found if shapes])
    heads, others = groups[0], list(chain.from_iterable(groups[1:]))
    if len(heads) < 4:
        raise SystemExit(f'{options.dataset} has too few usable {options.suffix} images.')
    results = {
        (mode, kernel): attack(heads, others, mode, kernel, options.seed)
        for mode in (CONTROL, *options.modes)
        for kernel in ('linear', 'rbf')
    }
    print(show(results, len(heads)))
    if options.json:
        rows = [{'mode': mode, 'kernel': kernel} | row for (mode, kernel), row in results.items()]
        defacers.write_whole(options.json, json.dumps(rows, indent=1))


if __name__ == '__main__':
    main()
