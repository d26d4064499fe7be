# SPDX-License-Identifier: Apache-2.0
"""Draw ``identification.png``: who of 20 phantoms is found before and after defacing.

The comparisons are those of the group level, on people who do not exist. Make them again when the
attack or the face mask changes (about 20 minutes of one core), in a folder, and draw::

    facebids-phantom cohort --participants 20 --photographs 3 --resolution 3 --seed 1
    facebids cohort defaced participant --work-dir intermediate
    python docs/identification.py FOLDER
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from facebids.bids.names import HeadImage
from facebids.reports.svg import COLOURS, SOFT, STYLE
from facebids.studies import against_photographs, enrolment, scans
from facebids.studies.photographs.enrol import enrol

# comparison and engine, and how they are called
ROWS = {
    ('S2_photograph_in_T1w', 'dlib'): 'photographs\nin a gallery of scans',
    ('S1_T1w_in_photograph', 'dlib'): 'renders of scans\nin a gallery of photographs',
    ('same_scan_T1w_in_T1w', 'dlib'): 'defaced scans in a gallery\nof originals, by picture',
    ('same_scan_T1w_in_T1w', 'geometry'): 'defaced scans in a gallery\nof originals, by shape',
}
STATES = {'before': 'before defacing', 'after': 'after defacing'}
SHIFT = {'before': -0.18, 'after': 0.18}  # of a row


def main():
    """Write the picture beside this file."""
    outcomes = _outcomes(Path(sys.argv[1]))
    with plt.rc_context(STYLE):
        figure = _draw(outcomes)
        figure.savefig(Path(__file__).with_name('identification.png'), dpi=110)
    for item in outcomes:
        print(item.key, item.engine, item.condition, item.found, item.mated, item.summary.rank1)


def _outcomes(folder):
    """Return the outcomes of the comparisons by name, engine and condition."""
    root = folder / 'cohort'
    paths = sorted(path.relative_to(root) for path in root.glob('sub-*/anat/*_T1w.nii.gz'))
    images = [HeadImage.from_relative_path(path.as_posix()) for path in paths]
    enrolled = enrolment.read(folder / 'intermediate/private', images)
    people = {image.participant for image in images}
    faces = enrol(root / 'sourcedata/photographs', people).templates
    made = [
        *scans.compare(enrolled, 0)[0],
        *against_photographs.compare(enrolled, faces, 0, ('S1', 'S2'))[0],
    ]
    return [item for item in made if (item.key, item.engine) in ROWS]


def _draw(outcomes):
    """Return the figure of identification rates with their intervals, a row a comparison."""
    figure, axes = plt.subplots(figsize=(8.0, 2.7), layout='constrained')
    heights = {key: height for height, key in enumerate(ROWS)}
    for item in outcomes:
        place = heights[item.key, item.engine] + SHIFT[item.condition]
        colour, rank1 = COLOURS[item.condition], item.summary.rank1
        interval = [100 * rank1.low, 100 * rank1.high]
        axes.plot(interval, [place] * 2, color=colour, linewidth=2, solid_capstyle='round')
        axes.plot(100 * rank1.value, place, 'o', color=colour, clip_on=False, zorder=3)
        text = f'{item.found} of {item.mated}'
        axes.annotate(text, (104, place), color=colour, va='center', annotation_clip=False)
    for state, label in STATES.items():
        axes.plot([], [], 'o-', color=COLOURS[state], linewidth=2, label=label)
    chance = 100 * outcomes[0].summary.chance
    axes.axvline(chance, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label='chance')
    axes.set(xlim=(0, 100), ylim=(len(ROWS) - 0.5, -0.5))
    axes.set(xlabel='rank-1 identification rate (%), with 95 % intervals')
    axes.set_yticks(range(len(ROWS)), ROWS.values())
    axes.grid(visible=False, axis='y')
    figure.legend(loc='outside upper center', ncols=3)
    return figure


if __name__ == '__main__':
    main()
