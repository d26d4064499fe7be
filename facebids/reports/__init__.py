# SPDX-License-Identifier: Apache-2.0
"""Pages to read, made from figures and metrics that are already written, never from the graph."""

from pathlib import Path
from typing import Any

from facebids.core.metrics import Metric
from facebids.core.thresholds import Threshold
from facebids.words import spelled

TEMPLATES = Path(__file__).parent / 'templates'


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name of a file in ``templates``.
    **values
        What the template asks for; on pages of HTML all text is escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: '.html' in (name or ''),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {'number': number, 'measured': measured, 'spelled': spelled}
    return environment.get_template(template).render(**values)


def measured(value: Any, metric: Metric) -> str:
    """Return a value of a metric as it stands on a page: shares in percent, others with unit."""
    if metric.share and isinstance(value, int | float):
        return f'{100 * value:.3g} %'
    unit = f' {metric.unit}' if metric.unit not in (None, 'arbitrary') else ''
    return number(value) + unit if value is not None else number(value)


def allowed(threshold: Threshold) -> str:
    """Return a limit in words: ``'at least 95 %'``."""
    ends = [value for value in (threshold.least, threshold.most) if value is not None]
    unit = f' {threshold.metric.unit}' if threshold.metric.unit else ''
    texts = [f'{100 * end:g} %' if threshold.metric.share else f'{end:g}{unit}' for end in ends]
    word = 'at least' if threshold.most is None else 'at most'
    return ' to '.join(texts) if len(texts) > 1 else f'{word} {texts[0]}'


def number(value: Any) -> str:
    """Return a value as it stands on a page."""
    if value is None:
        return 'n/a'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if not isinstance(value, float):
        return f'{value:,}' if isinstance(value, int) else str(value)
    return f'{value:,.0f}' if 1000 <= abs(value) < 1e6 else f'{value:#.3g}'.rstrip('.')
