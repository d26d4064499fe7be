# SPDX-License-Identifier: Apache-2.0
"""Draw ``identification.png``: who of 20 phantoms is found before and after defacing.

The numbers are those of the group level on people who do not exist, with a photograph of each.
Run these commands again when the attack or the face mask changes (about 20 minutes of one core),
and then this script with the folder of the results::

    facebids-phantom cohort --participants 20 --photographs 3 --resolution 3 --seed 1
    facebids cohort defaced participant --work-dir intermediate
    facebids cohort defaced group --work-dir intermediate --photos cohort/sourcedata/photographs
    python docs/identification.py defaced
"""

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt

from facebids.bids import names
from facebids.reports.svg import COLOURS, SOFT, STYLE

ROWS = {
    ('S2_photograph_in_T1w', 'dlib'): 'photographs\nin a gallery of scans',
    ('S1_T1w_in_photograph', 'dlib'): 'renders of scans\nin a gallery of photographs',
    ('same_scan_T1w_in_T1w', 'dlib'): 'defaced scans in a gallery\nof originals, by picture',
    ('same_scan_T1w_in_T1w', 'geometry'): 'defaced scans in a gallery\nof originals, by shape',
}
SHIFT = {'before': -0.18, 'after': 0.18}  # of a row


def main():
    """Write the picture beside this file."""
    table = Path(sys.argv[1], names.COMPARISONS_TABLE)
    with open(table, newline='', encoding='utf-8') as stream:
        found = list(csv.DictReader(stream, delimiter='\t'))
    with plt.rc_context(STYLE):
        figure = _draw(found)
        figure.savefig(Path(__file__).with_name('identification.png'), dpi=110)


def _draw(found):
    """Return the figure of identification rates with their intervals, a row a comparison."""
    figure, axes = plt.subplots(figsize=(8.0, 2.7), layout='constrained')
    shown = set()
    for height, (key, engine) in enumerate(ROWS):
        for row in found:
            state = row['condition']
            if (row['comparison'], row['engine']) != (key, engine) or state not in SHIFT:
                continue
            rate, low, high = (
                100 * float(row[name]) for name in ('rank1', 'rank1_low', 'rank1_high')
            )
            place, colour = height + SHIFT[state], COLOURS[state]
            label = {'before': 'before defacing', 'after': 'after defacing'}[state]
            axes.plot([low, high], [place] * 2, color=colour, linewidth=2, solid_capstyle='round')
            name = None if state in shown else label
            axes.plot(rate, place, 'o', color=colour, label=name, clip_on=False, zorder=3)
            text = f'{rate * int(row["probes"]) / 100:.0f} of {row["probes"]}'
            axes.annotate(text, (104, place), color=colour, va='center', annotation_clip=False)
            shown.add(state)
    chance = 100 * float(found[0]['chance'])
    axes.axvline(chance, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label='chance')
    axes.set(xlim=(0, 100), ylim=(len(ROWS) - 0.5, -0.5))
    axes.set(xlabel='rank-1 identification rate (%), with 95 % intervals')
    axes.set_yticks(range(len(ROWS)), ROWS.values())
    axes.grid(visible=False, axis='y')
    figure.legend(loc='outside upper center', ncols=3)
    return figure


if __name__ == '__main__':
    main()
