# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from facebids.quiz.scoring import groups, mixed
from facebids.quiz.scoring.accuracy import Trials
from facebids.quiz.scoring.simulate import Skill, simulate

TRUTH = {'intercept': 'match', 'open': 'open', 'same_ethnicity': 'same_ethnicity',
         'learning': 'learning', 'after': 'after'}  # fmt: skip


def fitted(simulation):
    ethnicity = groups.levels(
        simulation.answers, simulation.observers, simulation.ethnicities
    )['same_ethnicity']  # fmt: skip
    return mixed.fit(Trials.of(simulation.answers), ethnicity)


def covered(model, skill):
    """Return whether the interval of each effect holds what was put in."""
    return {
        item.name: item.low <= getattr(skill, TRUTH[item.name]) <= item.high
        for item in model.effects
    }


def test_a_study_as_large_as_s1_recovers_the_skill_at_about_the_nominal_rate():
    """149 observers and 58 questions, eight times: 32 intervals of 95 %."""
    skill = Skill()
    models = [fitted(simulate(149, 29, skill, seed=seed)) for seed in range(8)]
    hits = [hit for model in models for hit in covered(model, skill).values()]
    assert len(hits) == 32
    assert sum(hits) >= 28  # fewer have a probability of 2 % (binomial)
    assert all(model.converged for model in models)
    spread = np.mean([(model.observer_sd, model.scan_sd) for model in models], axis=0)
    assert spread == pytest.approx((skill.observer_sd, skill.scan_sd), abs=0.1)


def test_a_small_study_recovers_the_skill_at_about_the_nominal_rate():
    """20 observers and 8 scans, as in the demo, 60 times."""
    skill = Skill(open=-1.5)
    hits = {}
    for seed in range(60):
        for name, hit in covered(fitted(simulate(20, 8, skill, seed=seed)), skill).items():
            hits.setdefault(name, []).append(hit)
    assert {'intercept', 'open', 'learning'} <= set(hits)
    for found in hits.values():
        assert np.mean(found) > 0.88  # fewer have a probability of 2 % (binomial)


def test_the_effect_of_defacing_is_that_between_arms():
    skill = Skill(after=-2.5)
    model = fitted(simulate(60, 12, skill, arms=('before', 'after'), seed=4))
    effect = model.effect('after')
    assert effect.low <= -2.5 <= effect.high
    assert effect.high < 0
    ratio, low, high = effect.odds_ratio
    assert low < ratio < high < 1


def test_the_model_is_reproducible():
    simulation = simulate(12, 6, seed=2)
    assert fitted(simulation) == fitted(simulation)


def test_an_effect_that_does_not_vary_is_left_out():
    simulation = simulate(15, 6, seed=1)
    trials = Trials.of(simulation.answers)
    model = mixed.fit(trials, np.full(len(trials), groups.UNKNOWN))
    assert [item.name for item in model.effects] == ['intercept', 'open', 'learning']


def test_the_icc_is_that_of_the_standard_deviations():
    model = mixed.Mixed((), 1.0, 2.0, True)
    rest = np.pi**2 / 3
    assert model.icc == pytest.approx((1 / (5 + rest), 4 / (5 + rest)))


@pytest.mark.parametrize(
    ('observers', 'scans', 'skill', 'reason'),
    [
        (1, 5, Skill(), 'two or more observers'),
        (5, 2, Skill(match=60, open=0, same_ethnicity=0), 'right and wrong answers'),
    ],
)
def test_no_model_without_the_data_for_it(observers, scans, skill, reason):
    assert reason in fitted(simulate(observers, scans, skill, seed=0))


def test_what_the_data_hardly_determine_is_said():
    """All open questions are wrong and all others right: the effect has no limit."""
    skill = Skill(match=50, open=-100, same_ethnicity=0, learning=0, observer_sd=0, scan_sd=0)
    model = fitted(simulate(6, 4, skill, seed=0))
    assert any('"open" is hardly determined' in note for note in model.notes)
    assert np.isfinite([item.value for item in model.effects]).all()


def test_a_fit_that_stops_early_is_said(monkeypatch):
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    whole = BinomialBayesMixedGLM.fit_vb

    def stopped(self, **options):
        return whole(self, **options, minim_opts={'maxiter': 1})

    monkeypatch.setattr(BinomialBayesMixedGLM, 'fit_vb', stopped)
    model = fitted(simulate(12, 6, seed=0))
    assert not model.converged
    assert 'did not converge' in model.notes[0]
