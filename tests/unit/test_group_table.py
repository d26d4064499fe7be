# SPDX-License-Identifier: Apache-2.0
"""The table of all images in a browser: it can be sorted and filtered.

It is skipped where no Chromium is installed.
"""

import make

from facebids.bids import names
from facebids.reports import group

EVIDENCE = {
    '01': ('pass', -1.5),
    '02': ('review', 0.75),
    '03': ('fail', None),
    '10': ('pass', -10),
}


def _write(folder):
    found = [
        make.image_record(
            f'sub-{label}/anat/sub-{label}_T1w.nii.gz',
            verdict=verdict,
            identifiability={'log10_lr': log10_lr},
        )
        for label, (verdict, log10_lr) in EVIDENCE.items()
    ]
    group.write_page(folder, found)
    return folder / names.GROUP_PAGE


def _shown(tab):
    rows = tab.locator('table.sortable tbody tr:visible th').all_inner_texts()
    return [text.removeprefix('sub-').partition('_')[0] for text in rows]


def test_the_table_is_sorted_and_filtered(tmp_path, chromium):
    context = chromium.new_context()
    try:
        tab, asked = context.new_page(), []
        tab.on('request', lambda request: asked.append(request.url))
        tab.goto(_write(tmp_path).as_uri())
        assert _shown(tab) == ['01', '02', '03', '10']
        evidence = tab.locator('table.sortable th button', has_text='Evidence')
        evidence.click()
        assert _shown(tab) == ['10', '01', '02', '03']  # as numbers, unmeasured ones last
        evidence.click()
        assert _shown(tab) == ['02', '01', '10', '03']
        assert tab.locator('th[aria-sort=descending]').count() == 1
        tab.fill('.controls >> nth=0 >> input', 'sub-0')
        assert _shown(tab) == ['02', '01', '03']
        tab.locator('.controls select').select_option('pass')
        assert _shown(tab) == ['01']
        assert tab.inner_text('.controls output') == '1 of 4'
        assert len(asked) == 1  # the page itself
    finally:
        context.close()
