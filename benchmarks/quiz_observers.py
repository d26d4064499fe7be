# SPDX-License-Identifier: Apache-2.0
"""Let simulated observers with a known skill take part in a quiz over HTTP, and compare scores.

Usage: quiz_observers.py take-part QUIZ_DIR [--observers N] [--seed N]
       quiz_observers.py compare SCORES

The first serves the quiz on this machine. Observers see what a browser sees, and look up in
study.json which photograph is right; then they choose it with the probability of their skill. The
second compares the skill that `facebids-quiz score` found with the one that was put in, and fails
if one is outside its interval.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from quiz_load import Reply, Visitor, choices, served, token

from facebids.quiz import study as studies
from facebids.quiz.scoring.groups import same_ethnicity
from facebids.quiz.scoring.simulate import ETHNICITIES, SHARES, Skill, choose

OBSERVERS, SEED = 20, 4
SKILL = Skill()
NONE = 'none'  # value of "none of the above"
PUT_IN = {'intercept': SKILL.match} | {
    name: getattr(SKILL, name) for name in ('open', 'same_ethnicity', 'learning')
}


@dataclass(frozen=True)
class Question:
    """What is on the page of a question: the render, the photographs, and "none of the above"."""

    render: str
    photographs: tuple[str, ...]
    is_open: bool


def read_question(page: Reply) -> Question:
    """Return the question on a page."""
    (render,) = page.find(r'class="render">\s*<img src="([^"]+)"')
    values = choices(page)
    shown = tuple(value for value in values if value != NONE)
    return Question(urlsplit(render).path.lstrip('/'), shown, NONE in values)


def take_part(quiz_dir: Path, observers: int, seed: int) -> None:
    """Serve a quiz, and let observers answer all questions one after the other."""
    study = studies.read(quiz_dir)
    random = np.random.default_rng(seed)
    of_scan = random.normal(0, SKILL.scan_sd, len(study.scans))
    with served(quiz_dir, '--rate-limit', '0') as (url, _, _):
        for number in range(observers):
            answer_all(Visitor(url), study, of_scan, np.random.default_rng((seed, number)))
    print(f'{observers} observers answered {study.questions} questions each.')


def answer_all(
    visitor: Visitor, study: studies.Study, of_scan: np.ndarray, random: np.random.Generator
) -> None:
    """Join, and answer every question with the probability of the skill."""
    ethnicity = str(random.choice(ETHNICITIES, p=SHARES))
    visitor.join(
        ethnicity=ethnicity,
        sex=str(random.choice(('female', 'male'))),
        age_band=str(random.choice(('18-29', '30-39', '40-49'))),
        profession=str(random.choice(('radiologist', 'technologist'))),
    )
    of_observer = random.normal(0, SKILL.observer_sd)
    owners = {item.id: item.participant for item in study.photographs}
    places = {
        file: (place, arm)
        for place, scan in enumerate(study.scans)
        for arm, file in scan.renders.items()
    }
    for number in range(study.questions):
        page = visitor.get('/question')
        question = read_question(page)
        place, arm = places[question.render]
        scan = study.scans[place]
        kind = 'open' if question.is_open else 'match'
        probability = SKILL.probability(
            kind=kind,
            same=same_ethnicity(ethnicity, scan.ethnicity) == 'same',
            position=number / (study.questions - 1),
            arm=arm,
            of_observer=of_observer,
            of_scan=of_scan[place],
        )
        right = [name for name in question.photographs if owners[name] == scan.participant]
        chosen = choose(
            random,
            probability,
            kind=kind,
            choices=question.photographs,
            right=right[0] if right else '',
        )
        visitor.post('/question', {'token': token(page), 'choice': chosen or NONE})


def compare(scores: Path) -> bool:
    """Print the skill that was put in and the one that was found; return whether they agree."""
    model = json.loads((scores / 'results.json').read_text())['mixed_model']
    if 'reason' in model:
        print(model['reason'])
        return False
    print('skill (log odds)\tput in\tfound\t95 % interval\twithin')
    agrees = True
    for item in model['effects']:
        truth = PUT_IN[item['effect']]
        inside = item['low'] <= truth <= item['high']
        agrees &= inside
        interval = f'{item["low"]:.2f} to {item["high"]:.2f}'
        found = f'{item["log_odds"]:.2f}'
        print(item['effect'], truth, found, interval, 'yes' if inside else 'NO', sep='\t')
    return agrees


def main() -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    commands = parser.add_subparsers(dest='command', required=True)
    takes = commands.add_parser('take-part')
    takes.add_argument('quiz_dir', type=Path)
    takes.add_argument('--observers', type=int, default=OBSERVERS)
    takes.add_argument('--seed', type=int, default=SEED)
    compares = commands.add_parser('compare')
    compares.add_argument('scores', type=Path)
    options = parser.parse_args()
    if options.command == 'compare':
        return 0 if compare(options.scores) else 1
    take_part(options.quiz_dir, options.observers, options.seed)
    return 0


if __name__ == '__main__':
    sys.exit(main())
