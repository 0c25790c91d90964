"""What all trainings share: the best weights, the learning rate."""

from __future__ import annotations

import torch

from unpersonal.core.training import BestWeights, rate_at


def test_best_weights_survive_their_own_state():
    model = torch.nn.Linear(2, 2)
    best = BestWeights(model)
    assert best.offer(float("nan"), 1) and best.offer(1.0, 2) and not best.offer(float("nan"), 3)
    kept = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1)
    assert not best.offer(0.5, 4)
    other = BestWeights(model)
    other.load_state_dict(best.state_dict())
    other.restore()
    assert torch.equal(model.weight, kept) and other.step == 2 and other.score == 1.0 and other.looks == best.looks


def test_learning_rate_rises_then_falls_to_nothing():
    rates = [rate_at(step, 200, 1.0) for step in range(200)]
    assert rates[0] == 0.1 and max(rates) == 1.0 and rates[-1] < 1e-3
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


def test_a_higher_grade_beats_every_score():
    best = BestWeights(torch.nn.Linear(1, 1))
    weights = [{"w": torch.tensor(float(number))} for number in range(6)]
    offers = [(5.0, -1.0), (float("nan"), 0.0), (-3.0, 0.0), (9.0, -1.0), (-2.0, 0.0), (-2.0, 0.0)]
    said = [best.offer(s, n, grade=g, weights=weights[n]) for n, (s, g) in enumerate(offers)]
    assert said == [True, True, True, False, True, False] and best.weights is weights[4] and best.step == 4


def test_without_a_score_the_last_weights_are_kept():
    best = BestWeights(torch.nn.Linear(1, 1))
    assert all(best.offer(float("nan"), step) for step in (1, 2, 3)) and best.step == 3
    assert [look["score"] for look in best.looks] == [None] * 3
