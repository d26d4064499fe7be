# SPDX-License-Identifier: Apache-2.0
from facebids.words import LISTED, said_once, spelled


def test_sentences_that_differ_by_the_file_alone_are_said_once():
    paths = [f'sub-{number:02d}/anat/sub-{number:02d}_T1w.nii.gz' for number in range(1, 15)]
    said = said_once(
        [
            'participants.tsv: it is damaged.',
            *(f'{path}: it shows a face; exclude it (--exclude-failed {path}).' for path in paths),
            'Metadata identify people.',
        ]
    )
    first, repeated, last = said
    assert (first, last) == ('participants.tsv: it is damaged.', 'Metadata identify people.')
    sentence, *listed = repeated.split('\n')
    assert sentence == 'each of 14 files: it shows a face; exclude it (--exclude-failed IMAGE).'
    assert [line.strip() for line in listed] == [*paths[:LISTED], 'and 4 more']


def test_other_sentences_stay_as_they_are():
    sentences = ['a: one 1.', 'b: one 2.', 'no path']
    assert said_once(sentences) == sentences
    assert said_once(['a: changed', 'b: changed']) == ['each of 2 files: changed\n    a\n    b']


def test_names_of_views_are_spelled_as_words():
    assert [spelled(name) for name in ('halfside', 'half_side', 'halfside, red hair', 'top')] == [
        'half side', 'half side', 'half side, red hair', 'top'
    ]  # fmt: skip
