# SPDX-License-Identifier: Apache-2.0
"""The results as tables with data dictionaries, and as JSON."""

from dataclasses import asdict
from typing import Any

from facebids.quiz.scoring import groups, mixed
from facebids.quiz.scoring.groups import find
from facebids.quiz.scoring.results import Results

Row = dict[str, Any]
Dictionary = dict[str, dict[str, Any]]

ARMS = {'before': 'Renders before defacing.', 'after': 'Renders after defacing.'}
CLUSTER = (
    'end of the 95 % interval of the bootstrap over observers and scans; n/a with fewer than '
)
CLUSTER += 'two of either. Of a single scan, over observers.'
ACCURACY: Dictionary = {
    'who': {'Description': 'Who answered: people, or the name of a recognition engine.'},
    'arm': {'Description': 'Arm of the study.', 'Levels': ARMS},
    'questions': {'Description': 'Which questions.', 'Levels': groups.QUESTIONS},
    'group': {'Description': 'By what the answers are grouped.', 'Levels': groups.GROUPS},
    'level': {'Description': 'The group; a scan is named by its identifier in study.json.'},
    'measure': {'Description': 'The share.', 'Levels': groups.MEASURES},
    'answers': {'Description': 'Number of answers.'},
    'observers': {'Description': 'Number of observers.'},
    'scans': {'Description': 'Number of scans.'},
    'successes': {'Description': 'Number of right answers, or of false matches.'},
    'value': {'Description': 'Their share of the answers.'},
    'wilson_low': {'Description': 'Lower end of the 95 % Wilson interval, which takes all answers '
                   'as independent and is too narrow.'},
    'wilson_high': {'Description': 'Upper end of that interval.'},
    'low': {'Description': f'Lower {CLUSTER}'},
    'high': {'Description': f'Upper {CLUSTER}'},
    'chance': {
        'Description': 'The share if every answer were drawn at random: of n photographs, 1 / n '
        'are right with a guaranteed match, and 1 / (n + 1) where "none of the above" is a choice.'
    },
}  # fmt: skip
EFFECTS: Dictionary = {
    'effect': {'Description': 'Fixed effect of the mixed logistic model.', 'Levels': mixed.TERMS},
    'log_odds': {'Description': 'Estimate. Of the intercept the log odds, of others the change.'},
    'low': {'Description': 'Lower end of its 95 % interval.'},
    'high': {'Description': 'Upper end of its 95 % interval.'},
    'odds_ratio': {'Description': 'exp(log_odds); of the intercept, the odds.'},
}
SCANS: Dictionary = {
    'participant_id': {'Description': 'The person in the scan.'},
    'scan': {'Description': 'Identifier of the scan in study.json.'},
    'arm': {'Description': 'Arm of the study.', 'Levels': ARMS},
    'answers': {'Description': 'Number of answers of people.'},
    'accuracy': {'Description': 'Share of right answers of people.'},
    'accuracy_low': {'Description': 'Lower end of its 95 % interval over observers.'},
    'accuracy_high': {'Description': 'Upper end of its 95 % interval over observers.'},
    'accuracy_match': {'Description': 'The same with a guaranteed match.'},
    'false_match': {'Description': 'Share of answers with the photograph of another person.'},
}


def accuracy_rows(results: Results) -> list[Row]:
    """Return a row for each share."""
    return [
        {name: value for name, value in asdict(share).items() if name != 'rate'}
        | asdict(share.rate)
        for share in results.shares
    ]


def effect_rows(results: Results) -> list[Row]:
    """Return a row for each fixed effect; none without a model."""
    if isinstance(results.mixed, str):
        return []
    return [
        {
            'effect': item.name,
            'log_odds': item.value,
            'low': item.low,
            'high': item.high,
            'odds_ratio': item.odds_ratio[0],
        }
        for item in results.mixed.effects
    ]


def scan_rows(results: Results) -> list[Row]:
    """Return a row for each scan and arm, the most recognised first."""
    rows = []
    for arm in results.arms:
        all_, match, false = (
            find(results.shares, arm.name, kind, group='scan', measure=measure)
            for kind, measure in (
                ('all', 'accuracy'),
                ('match', 'accuracy'),
                ('all', 'false_match'),
            )
        )
        of_engines = {
            engine.name: find(results.shares, arm.name, who=engine.name, group='scan')
            for engine in results.engines
        }
        searches = {
            (engine.name, item.scan): item
            for engine in results.engines
            for item in engine.searches
            if item.arm == arm.name
        }
        mine: list[Row] = [
            {
                'participant_id': f'sub-{results.participants[scan]}',
                'scan': scan,
                'arm': arm.name,
                'answers': share.answers,
                'accuracy': share.value,
                'accuracy_low': share.low,
                'accuracy_high': share.high,
                'accuracy_match': match[scan].value if scan in match else None,
                'false_match': false[scan].value,
            }
            | {f'accuracy_{name}': of[scan].value for name, of in of_engines.items()}
            | {f'face_{name}': searches[name, scan].face for name in of_engines}
            | {f'rank1_{name}': searches[name, scan].first for name in of_engines}
            for scan, share in all_.items()
        ]
        rows += sorted(mine, key=lambda row: -row['accuracy'])
    return rows


def scan_dictionary(results: Results) -> Dictionary:
    """Return the data dictionary of the table of scans, with the columns of the engines."""
    of_engines = {
        f'{column}_{engine.name}': {'Description': text.format(engine.name)}
        for column, text in (
            ('accuracy', 'Share of right answers of {}; without a face none is right.'),
            ('face', 'Whether {} finds a face in the render.'),
            ('rank1', 'Whether, of all photographs, {} finds one of this person most similar.'),
        )
        for engine in results.engines
    }
    return SCANS | of_engines


def as_json(results: Results) -> dict[str, Any]:
    """Return everything that does not depend on the order of the tables, to be saved as JSON."""
    model = results.mixed
    return {
        'observers': {'joined': results.joined, 'answers': results.answers},
        'study': {
            'scans': results.scans,
            'photographs': results.photographs,
            'distractors': results.distractors,
            'questions': results.questions,
            'choices': results.choices,
        },
        'arms': [asdict(arm) for arm in results.arms],
        'accuracy': [row for row in accuracy_rows(results) if row['group'] == 'everyone'],
        'mixed_model': {'reason': model}
        if isinstance(model, str)
        else {
            'converged': model.converged,
            'effects': effect_rows(results),
            'observer_sd': model.observer_sd,
            'scan_sd': model.scan_sd,
            'icc_observer': model.icc[0],
            'icc_scan': model.icc[1],
            'notes': model.notes,
        },
        'engines': [
            {
                'name': engine.name,
                'photographs_with_a_face': engine.photographs,
                'thresholds': engine.thresholds,
                'renders': len(engine.searches),
                'renders_with_a_face': sum(item.face for item in engine.searches),
                'rank1': sum(item.first for item in engine.searches),
            }
            for engine in results.engines
        ],
        'notes': results.notes,
    }
