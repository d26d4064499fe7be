# SPDX-License-Identifier: Apache-2.0
"""Input of any form, for tests with Hypothesis.

``FACEBIDS_FUZZ`` sets the number of cases, for a long run: ``FACEBIDS_FUZZ=100000 pytest ...``.
"""

import copy
import json
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

fuzzed = settings(
    max_examples=int(os.environ.get('FACEBIDS_FUZZ', 150)),
    derandomize='FACEBIDS_FUZZ' not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

ODD_TEXTS = (
    '',
    'n/a',
    '\0',
    '\ud800',
    '\udcff',
    '\ufeff',
    '\u2028',
    '\r',
    '\t',
    '"',
    '<b>',
    '2019-03-04',
)
texts = st.text(st.characters(), max_size=12) | st.sampled_from(ODD_TEXTS)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
DEEP = 5000


@st.composite
def changed(draw, value):
    """Return JSON text of a value in which a few entries are replaced, added or missing."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, 3))):
        place = value
        while True:
            keys = list(place if isinstance(place, dict) else range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(values)
            else:
                del place[key]
            break
    return json.dumps(value)


def files(value):
    """Return bytes: JSON like a value, any bytes, a cut file, one that is nested too deeply."""
    whole = changed(value).map(str.encode)
    cut = st.tuples(whole, st.floats(0, 1)).map(
        lambda part: part[0][: int(part[1] * len(part[0]))]
    )
    deep = st.sampled_from([b'[' * DEEP, b'{"a":' * DEEP, b'[' * DEEP + b']' * DEEP])
    return whole | cut | deep | st.binary(max_size=60) | values.map(json.dumps).map(str.encode)
