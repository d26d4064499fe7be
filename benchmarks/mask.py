# SPDX-License-Identifier: Apache-2.0
"""What the digital mask keeps and what it hides, on videos whose truth is known.

Run: python benchmarks/mask.py FOLDER [--first N] [--people N] [--ill N] [--sessions N]
     [--seconds S] [--part I/N] [--again]

It films people who do not exist (`mask_people.py`), masks the videos, and compares. Each recording
is kept in FOLDER, so that an interrupted run goes on; `--part 0/2` and `--part 1/2` film halves in
two processes, and a run without it prints the results. The numbers in the package were chosen on
the people from numbers 0, 2000 and 3000; report on those from number 4000, which nothing was
chosen on.

Accuracy: `--ill` people of each disorder, and as many healthy ones, filmed once at 25 pictures a
second. Identity: `--people` healthy people, each filmed in `--sessions` sessions. The attacker has
all but one session of everybody, names included, and looks for the person of the remaining one:
linear discriminant analysis (shrinkage of Ledoit and Wolf) of statistics of the timeseries, and
of what a face landmarker finds on the rendered pictures (after Meeus et al. 2023). Beside it stand
pictures cropped to the eyes, blurred pictures, and the landmarks of the original. Intervals allow
for several probes of a person (Korn and Graubard 1998, Surv. Methodol. 24:193).
"""

import argparse
import warnings
from functools import cache
from pathlib import Path

import mask_people as people
import numpy as np
from scipy.ndimage import gaussian_filter

from facebids.core.attack import recognition
from facebids.mask import iris, measure, movements, summary
from facebids.mask.landmarks import Landmarker
from facebids.mask.parameters import NUMBERS, Frame
from facebids.mask.picture import render

EVERY = 6  # pictures, of which one is rendered as a mask and compared
EMBEDDED = 3  # pictures of a recording that the face recognition network looks at
UNEVEN_FACE = 0.1  # of a palsy: 13 of 617 recordings of healthy faces reach it
BLUR = 0.12  # standard deviation of the blur, relative to the width of the face
LEFT_EYE, RIGHT_EYE, CHIN, TOP = (263, 362), (33, 133), 152, 10
TRUE = NUMBERS[NUMBERS.index('pitch_deg') :]
COLUMN = {name: index for index, name in enumerate(TRUE)}


@cache
def landmarker():
    """Return the landmarker of this process."""
    return Landmarker()


def find(picture):
    """Return the landmarks of the only face, or NaN."""
    faces = landmarker().find(picture)
    return faces[0] if faces else np.full((478, 3), np.nan)


def film(path, number, session, disorder, seconds, rate):
    """Film one recording; keep its landmarks and what attackers would keep in `path`."""
    rng = np.random.default_rng([number, session, 17])
    person = people.draw_person(number, disorder)
    truth, pictures = people.film(person, people.move(person, rng, seconds, rate), rng)
    times = np.array([frame.time_s for frame in truth.frames])
    points, eyes, crops, blurs, faces = [], [], [], [], []
    for index, picture in enumerate(pictures):
        points.append(find(picture))
        eyes.append(iris.patches(picture, np.nan_to_num(points[-1])))
        if index % EVERY == 0 and np.isfinite(points[-1]).all():
            crop, blur = degraded(picture, points[-1])
            crops.append(crop)
            blurs.append(blur)
            if len(faces) < EMBEDDED:
                faces.append(embedding(picture, points[-1]))
    save(
        path,
        true=values(truth.frames),
        times=times,
        blinks=np.array(truth.blinks).reshape(-1, 2),
        points=np.array(points, np.float32),
        eyes=np.array(eyes),
        crops=np.array(crops),
        blurs=np.array(blurs),
        faces=np.array(faces),
        disorder=disorder,
        severity=person.severity,
        hertz=person.hertz,
    )


def mask(path, filmed):
    """Mask a recording from its landmarks; keep what the mask shows in `path`."""
    table = measured(filmed)
    made = movements.recording(filmed['times'], table)
    photographs = [
        movements.recording(filmed['times'][:1], table[i : i + 1], photograph=True).frames[0]
        for i in range(0, len(table), EVERY)
    ]
    masks = [render(frame, people.SIZE) for frame in made.frames[::EVERY]]
    shown = np.array([find(mask) for mask in masks])
    usable = [i for i, p in enumerate(shown) if np.isfinite(p).all()][:EMBEDDED]
    save(
        path,
        found=values(made.frames),
        confident=[frame.confident for frame in made.frames],
        certain=[frame.confidence for frame in made.frames],
        summary=np.array(list(summary.summarise(made).__dict__.items()), dtype=object),
        found_blinks=np.array(summary.blinks(made)).reshape(-1, 2),
        photographs=values(tuple(f for f in photographs if f.confident)),
        shown=shown.astype(np.float32),
        masked=np.array([embedding(masks[i], shown[i]) for i in usable]).reshape(-1, 128),
    )


def measured(filmed):
    """Return the measures of a recording."""
    empty = np.full(len(measure.MEASURES), np.nan)
    return np.array(
        [
            measure.measures(p, iris.eyes(e, p), people.SIZE) if np.isfinite(p).all() else empty
            for p, e in zip(filmed['points'].astype(float), filmed['eyes'], strict=True)
        ]
    )


def save(path, **arrays):
    """Write arrays; the file appears when it is complete."""
    part = path.with_suffix('.part.npz')
    np.savez_compressed(part, **arrays)
    part.rename(path)


def read(path):
    """Read arrays."""
    with np.load(path, allow_pickle=True) as data:
        return {name: data[name] for name in data.files}


def values(frames: tuple[Frame, ...]):
    """Return the parameters of frames, shape (N, len(TRUE))."""
    return np.array([[getattr(frame, name) for name in TRUE] for frame in frames], float)


def pixels(points):
    """Return landmarks as columns and rows."""
    return points[..., :2] * (1, -1)


def degraded(picture, points):
    """Return the crop to the eyes, and the blurred face, as small grey pictures."""
    from PIL import Image

    at = pixels(points)
    left, right = at[list(LEFT_EYE)].mean(0), at[list(RIGHT_EYE)].mean(0)
    width = np.linalg.norm(left - right)
    grey = Image.fromarray(picture).convert('L')
    middle = (left + right) / 2
    box = (*(middle - width * np.array([1.1, 0.4])), *(middle + width * np.array([1.1, 0.4])))
    crop = np.asarray(grey.crop(tuple(int(v) for v in box)).resize((44, 16)), np.float32)
    centre = at[[TOP, CHIN]].mean(0)
    box = (*(centre - 1.3 * width), *(centre + 1.3 * width))
    whole = np.asarray(grey.crop(tuple(int(v) for v in box)).resize((48, 48)), np.float32)
    return crop, gaussian_filter(whole, BLUR * 48 / 1.3)[::2, ::2]


def embedding(picture, points):
    """Return dlib's embedding of a face whose place is known."""
    at = pixels(points)
    (left, top), (right, bottom) = at.min(0), at.max(0)
    grown = 0.1 * (bottom - top)
    return recognition.embed(
        np.ascontiguousarray(picture), [int(left), int(top + grown), int(right), int(bottom)]
    )


def plan(options):
    """Return all recordings: name, number, session, disorder, seconds and rate."""
    ill = [
        (
            f'{disorder}-{i}',
            10000 + options.first + i * 7 + k,
            0,
            disorder,
            options.seconds * 2,
            people.RATE,
        )
        for i in range(options.ill)
        for k, disorder in enumerate(people.DISORDERS)
    ]
    same = [
        (f'person{number}-{session}', number, session, 'healthy', options.seconds, options.rate)
        for number in range(options.first, options.first + options.people)
        for session in range(options.sessions)
    ]
    return ill + same


def accuracy(records):
    """Print how well movements are measured."""
    gaze, turned, lid, share, slopes, hertz, moved = [], [], [], [], [], [], []
    blinks = seen = false = 0
    for data in records:
        good = data['confident']
        true, found = data['true'][good], data['found'][good]
        off = gaze_error(true, found)
        open_ = np.stack([true[:, COLUMN[f'lid_{side}']] > 0.6 for side in people.SIDES], 1)
        turned += list(np.linalg.norm(off, axis=2)[open_])
        gaze += list(np.linalg.norm(off - np.median(off, (0, 1)), axis=2)[open_])
        mm = [COLUMN[f'lid_{side}_mm'] for side in people.SIDES]
        lid += list(np.abs(found[:, mm] - true[:, mm]).ravel())
        share += list(np.abs(opening(found[:, mm]) - opening(true[:, mm])).ravel())
        b, f = data['blinks'], data['found_blinks']
        hit = [((f[:, 0] < end) & (f[:, 1] > start)).any() for start, end in b]
        blinks, seen = blinks + len(b), seen + sum(hit)
        false += sum(not ((b[:, 0] < end) & (b[:, 1] > start)).any() for start, end in f)
        told = dict(data['summary'])
        if data['disorder'] == 'nystagmus':
            slopes.append((float(data['severity']), told['eye_movement_deg'] or 0.0))
            hertz.append(abs((told['eye_movement_hz'] or 0.0) - float(data['hertz'])))
        moved.append(motion_error(data))
    sure = np.mean([data['confident'].mean() for data in records])
    print(f'recordings: {len(records)}; confident {sure:.3f}')
    print(f'motion of landmarks, % of face height: {100 * np.nanmean(moved):.2f}')
    print(f'gaze error, degrees: median {np.median(gaze):.2f}, 90 % {np.quantile(gaze, 0.9):.2f}')
    print(f'  with the direction in which both eyes look in the median: {np.median(turned):.2f}')
    print(f'lid error, mm: median {np.median(lid):.2f}, 90 % {np.quantile(lid, 0.9):.2f}')
    print(
        f'  relative to the open state, taken as {movements.LIDS_MM} mm: '
        f'median {np.median(share):.2f}, 90 % {np.quantile(share, 0.9):.2f}'
    )
    print(f'blinks found: {seen} of {blinks}; false: {false}')
    if slopes:
        x, y = np.array(slopes).T
        within = np.mean(np.array(hertz) <= 0.2)
        print(f'nystagmus: {len(x)} recordings, slope of amplitude {(x @ y) / (x @ x):.2f}')
        print(
            f'  frequency: median error {np.median(hertz):.2f} Hz, within 0.2 Hz in {within:.2f}'
        )
    for disorder in people.DISORDERS[1:]:
        truth = np.array([data['disorder'] == disorder for data in records])
        said = np.array([disorder in diagnoses(dict(data['summary'])) for data in records])
        print(f'{disorder}: kappa {kappa(truth, said):.2f} ({truth.sum()} of {len(truth)} ill)')


def gaze_error(true, found):
    """Return the error of gaze, shape (N, eyes, axes), degrees."""
    columns = [
        [COLUMN[f'gaze_{side}_{axis}_deg'] for axis in ('horizontal', 'vertical')]
        for side in people.SIDES
    ]
    return found[:, columns] - true[:, columns]


def opening(lids_mm):
    """Return the opening of each eye, shape (N, eyes), if its open state were the normal one."""
    return movements.LIDS_MM * lids_mm / np.percentile(lids_mm, 75, axis=0)


def motion_error(data):
    """Return the difference of the movements of landmarks, as a share of the face."""
    original, shown = pixels(data['points'][::EVERY]), pixels(data['shown'])
    good = np.isfinite(original).all((1, 2)) & np.isfinite(shown).all((1, 2))
    if good.sum() < 3:
        return np.nan
    a, b = (upright(p[good]) for p in (original, shown))
    return np.linalg.norm((a - np.median(a, 0)) - (b - np.median(b, 0)), axis=2).mean()


def upright(points):
    """Return landmarks centred on each picture, in units of the median height of the face."""
    points = points - points.mean(1, keepdims=True)
    return points / np.median(np.linalg.norm(points[:, TOP] - points[:, CHIN], axis=1))


def diagnoses(told):
    """Return the disorders that a summary shows, by plain limits."""
    found = set()
    if abs(told['lid_asymmetry'] or 0) >= 0.2:
        found.add('ptosis')
    if abs(told['squint_horizontal_deg'] or 0) >= 5:
        found.add('strabismus')
    if abs(told['face_asymmetry'] or 0) >= UNEVEN_FACE:
        found.add('palsy')
    if (told['eye_movement_deg'] or 0) >= 1.5 and (told['eye_movement_hz'] or 0) >= 1.2:
        found.add('nystagmus')
    return found


def kappa(a, b):
    """Return Cohen's kappa of two lists of yes and no."""
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    return ((a == b).mean() - chance) / (1 - chance) if chance < 1 else np.nan


def statistics(table):
    """Return statistics of each parameter over a recording: the attacker's features."""
    moving = np.abs(np.diff(table, axis=0))
    parts = [
        table.mean(0),
        table.std(0),
        *np.quantile(table, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1], 0),
    ]
    return np.concatenate([*parts, moving.mean(0), moving.max(0)])


def habits(table):
    """Return more features: of both sides, of parameters together, and of their time course."""
    sides = [(COLUMN[n], COLUMN[n.replace('left', 'right')]) for n in TRUE if 'left' in n]
    uneven = np.transpose([table[:, a] - table[:, b] for a, b in sides])
    away, spread = table - table.mean(0), table.std(0) + 1e-3
    together = (away.T @ away / len(table) / np.outer(spread, spread))[
        np.triu_indices(len(TRUE), 1)
    ]
    lags = [(away[:-lag] * away[lag:]).mean(0) / spread**2 for lag in (1, 2, 4)]
    power = np.abs(np.fft.rfft(away / spread, 16, axis=0))[1:] ** 2
    moves = (table != np.median(table, 0)).mean(0)
    parts = [uneven.mean(0), uneven.std(0), *np.quantile(uneven, [0.05, 0.5, 0.95], 0)]
    return np.concatenate([statistics(table), *parts, together, *lags, power.ravel(), moves])


def shape(points):
    """Return the mean shape of landmarks over pictures, after turning the eyes level."""
    points = points[np.isfinite(points).all((1, 2))]
    points = points - points.mean(1, keepdims=True)
    axis = points[:, list(LEFT_EYE)].mean(1) - points[:, list(RIGHT_EYE)].mean(1)
    points = points / np.linalg.norm(axis, axis=1)[:, None, None]
    angle = np.arctan2(axis[:, 1], axis[:, 0])
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = c * points[..., 0] + s * points[..., 1]
    y = c * points[..., 1] - s * points[..., 0]
    return np.stack([x, y, points[..., 2]], -1).mean(0).ravel()


def windows(series, describe):
    """Return the features of a recording and of its overlapping halves."""
    n = len(series)
    if n < 6:
        return [describe(series)]
    halves = (series[: n // 2], series[n // 4 : n - n // 4], series[n // 2 :])
    return [describe(part) for part in (series, *halves)]


def features(data):
    """Return several features of a recording, for each kind of attack."""
    good = data['confident']
    table = np.column_stack([data['found'], data['certain']])[good]
    return {
        'mask: timeseries': windows(table, statistics),
        'mask: timeseries, habits': windows(table, habits),
        'mask: single photographs': list(data['photographs']),
        'mask: rendered frames': windows(data['shown'], shape),
        'crop to the eyes': [crop.ravel() for crop in data['crops']],
        'blurred': [blur.ravel() for blur in data['blurs']],
        'landmarks of the original': windows(data['points'], shape),
        'face recognition, original': list(data['faces']),
        'face recognition, mask': list(data['masked']),
    }


def identify(train, test):
    """Return the scores of people for probes: the sum of log probabilities of their features."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.concatenate([rows for rows, _ in train])
    y = np.concatenate([[name] * len(rows) for rows, name in train])
    parts = int(min(100, len(x) - 1, x.shape[1]))
    model = make_pipeline(
        StandardScaler(), PCA(parts), LinearDiscriminantAnalysis(solver='lsqr', shrinkage='auto')
    )
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model.fit(x, y)
        return model.classes_, np.array(
            [model.predict_log_proba(rows).clip(-50).sum(0) for rows in test]
        )


def rank_one(gallery, probes, names, sessions, *, single=False):
    """Return hits of each probe, and its person.

    The attacker holds all other sessions, of the gallery's kind. With `single`, each feature of a
    recording is a probe.
    """
    hits, whose = [], []
    for held in sorted(set(sessions)):
        train = [
            (np.array(g), n) for g, n, s in zip(gallery, names, sessions, strict=True)
            if s != held and len(g)
        ]  # fmt: skip
        known = {name for _, name in train}
        kept = [
            i for i, s in enumerate(sessions) if s == held and len(probes[i]) and names[i] in known
        ]
        if not kept:
            continue
        asked = [(names[i], np.array(probes[i])) for i in kept]
        if single:
            asked = [(name, row[np.newaxis]) for name, rows in asked for row in rows]
        classes, scores = identify(train, [rows for _, rows in asked])
        hits += [
            classes[row.argmax()] == name for (name, _), row in zip(asked, scores, strict=True)
        ]
        whose += [name for name, _ in asked]
    return np.array(hits), np.array(whose)


def identity(records, names, sessions):
    """Print how many people are found."""
    count = len(set(names))
    print(f'identity: {count} people, {len(records)} recordings, chance {100 / count:.1f} %')
    described = [features(data) for data in records]
    pairs = [(kind, kind) for kind in described[0]]
    pairs += [
        ('landmarks of the original', 'mask: rendered frames'),
        ('face recognition, original', 'face recognition, mask'),
    ]
    for known, asked in pairs:
        hits, whose = rank_one(
            [d[known] for d in described],
            [d[asked] for d in described],
            names,
            sessions,
            single='photographs' in asked,
        )
        low, high = interval(hits, whose)
        title = known if known == asked else f'{known} -> {asked}'
        print(
            f'  {title}: rank-1 {hits.sum()} of {len(hits)}, {100 * hits.mean():.1f} % '
            f'({100 * low:.1f} to {100 * high:.1f})',
            flush=True,
        )
    leaks(records, names)


def leaks(records, names):
    """Print which parameters differ most between people, against between their sessions."""
    names = np.array(names)
    rows = np.array([d['found'][d['confident']].mean(0) for d in records])
    spread = np.array([d['found'][d['confident']].std(0) for d in records])
    scores = []
    for kind, table in (('mean', rows), ('sd', spread)):
        groups = np.array([table[names == name].mean(0) for name in np.unique(names)])
        within = np.mean([table[names == name].var(0, ddof=1) for name in np.unique(names)], 0)
        size = len(records) / len(groups)
        ratio = size * groups.var(0, ddof=1) / np.maximum(within, 1e-9)
        scores += [(value, f'{kind} of {name}') for value, name in zip(ratio, TRUE, strict=True)]
    print('  F between people:', ', '.join(f'{n} {v:.1f}' for v, n in sorted(scores)[::-1][:12]))


def interval(hits, whose, level=0.95):
    """Return the exact interval of a share at the effective number of probes.

    Probes of a person are no independent ones: their number is divided by the design effect
    (Korn and Graubard 1998).
    """
    from scipy.stats import beta

    share, people_, count = hits.mean(), np.unique(whose), len(hits)
    if 0 < share < 1:
        off = np.array([(hits[whose == name] - share).sum() for name in people_])
        spread = len(people_) / (len(people_) - 1) * (off**2).sum() / count**2
        count /= max(spread / (share * (1 - share) / count), 1.0)
    k, tail = share * count, (1 - level) / 2
    low = beta.ppf(tail, k, count - k + 1) if k > 0 else 0.0
    high = beta.ppf(1 - tail, k + 1, count - k) if k < count else 1.0
    return low, high


def speed():
    """Print the CPU time of a picture of 640 x 480 pixels, from pixels to the encoded mask."""
    import tempfile
    import time

    from facebids.mask import follow, video

    size = (640, 480)
    person, rng = people.draw_person(0), np.random.default_rng(0)
    truth, pictures = people.film(person, people.move(person, rng, 3.0), rng, size)
    shown, frames = list(pictures), truth.frames
    render(frames[0], size), follow.measured(landmarker(), shown[0])
    took = {}

    def timed(name, work):
        start = time.process_time()
        made = work()
        took[name] = 1000 * (time.process_time() - start) / len(frames)
        return made

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'a.mp4'
        video.encode(path, [f.time_s for f in frames], shown, size)
        decoded = timed('decode', lambda: [p.pixels for p in video.pictures(path)])
        timed('measure', lambda: [follow.measured(landmarker(), p) for p in decoded])
        masks = timed('render', lambda: [render(f, size) for f in frames])
        timed('encode', lambda: video.encode(path, [f.time_s for f in frames], masks, size))
    print(
        f'CPU of a picture: {sum(took.values()):.0f} ms (two cores at 25 Hz have 80): '
        + ', '.join(f'{name} {ms:.0f}' for name, ms in took.items())
    )


def main():
    """Film what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--first', type=int, default=4000, help='number of the first person')
    parser.add_argument('--people', type=int, default=100)
    parser.add_argument('--ill', type=int, default=10)
    parser.add_argument('--sessions', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=3.0)
    parser.add_argument('--rate', type=float, default=12.5, help='of the recordings for identity')
    parser.add_argument('--part', help='film I of N parts')
    parser.add_argument('--speed', action='store_true', help='measure the time of a picture only')
    parser.add_argument('--again', action='store_true', help='mask what is filmed again')
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    jobs = plan(options)
    part, parts = map(int, options.part.split('/')) if options.part else (0, 1)
    if options.speed:
        speed()
        return
    for name, *what in jobs[part::parts]:
        path, masked = (options.folder / f'{name}{end}.npz' for end in ('', '-mask'))
        if not path.exists():
            film(path, *what)
        if options.again or not masked.exists():
            mask(masked, read(path))
    if options.part:
        return
    held = {
        name: read(options.folder / f'{name}.npz') | read(options.folder / f'{name}-mask.npz')
        for name, *_ in jobs
    }
    if options.ill:
        accuracy([held[name] for name, *_ in jobs if not name.startswith('person')])
    chosen = [name for name, *_ in jobs if name.startswith('person')]
    if chosen:
        who = [name.split('-')[0] for name in chosen]
        sessions = [name.split('-')[1] for name in chosen]
        identity([held[name] for name in chosen], who, sessions)


if __name__ == '__main__':
    main()
