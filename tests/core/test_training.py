"""What all trainings share: the best weights, the learning rate."""

from __future__ import annotations

import pytest
import torch

from unpersonal.core import training
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import load_tensors
from unpersonal.core.training import (
    BestWeights,
    Hooks,
    is_finite,
    load_checkpoint,
    rate_at,
    save_checkpoint,
    train_loop,
)


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


class Interrupted(Exception):
    """Stands for a kill between two steps."""


def fit(folder, steps=60, stop_at=None, spoilt_at=None, look=None):
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)

    def body(step, generator):
        if step == stop_at:
            raise Interrupted
        x = torch.randn(16, 4, generator=generator)
        loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        if step == spoilt_at:
            net.weight.grad[0, 2] = float("nan")
        optimizer.step()
        return {"loss": loss.item()}

    states = {"net": net, "optimizer": optimizer}
    path = folder / "checkpoint.safetensors"
    hooks = Hooks(due=lambda step: step % 11 == 0, look=lambda step: look(net, step)) if look else None
    history = train_loop(
        "t", states=states, steps=steps, body=body, checkpoint=path, seed=3, save_every=20, log_every=10, hooks=hooks
    )
    return net.state_dict(), history


@pytest.mark.slow
def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path):
    whole, history = fit(tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", stop_at=47)
    resumed, resumed_history = fit(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert history == resumed_history and [row["step"] for row in history] == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("place", ["tensor", "history"])
def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path, place):
    layer = torch.nn.Linear(3, 2)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"layer": layer}, 5, [{"step": 5.0, "loss": 0.25}])
    assert load_checkpoint(path, {"layer": layer}) == (5, [{"step": 5.0, "loss": 0.25}])
    data = bytearray(path.read_bytes())
    where = len(data) - 2 if place == "tensor" else data.index(b"0.25")
    data[where] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="not what was written"):
        load_checkpoint(path, {"layer": layer})


def test_a_checkpoint_is_written_when_time_has_passed(tmp_path, monkeypatch):
    clock = iter(range(0, 10**6, 7))
    monkeypatch.setattr(training.time, "monotonic", lambda: float(next(clock)))
    saved = []
    monkeypatch.setattr(training, "save_checkpoint", lambda path, states, step, history: saved.append(step))
    layer = torch.nn.Linear(1, 1)

    def body(step, generator):
        return {"loss": 1.0}

    arguments = {"states": {"layer": layer}, "body": body, "checkpoint": tmp_path / "c.safetensors", "seed": 0}
    train_loop("x", steps=200, log_every=5, save_every=100, **arguments)
    assert 100 in saved and len(saved) > 3, "sooner than every hundred steps, for the clock runs fast"
    assert all(step % 5 == 0 for step in saved) and saved.count(200) == 1, "on rows of the history, and at the end"
    saved.clear()
    monkeypatch.setattr(training.time, "monotonic", lambda: 0.0)
    train_loop("x", steps=200, log_every=5, save_every=100, **arguments)
    assert saved == [100, 200]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(tmp_path):
    net = torch.nn.Linear(1, 1)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InputError, match="step 25"):
        train_loop(
            "t",
            states={"net": net},
            steps=50,
            body=lambda step, _: {"loss": 1.0 if step < 25 else float("nan")},
            checkpoint=path,
            seed=0,
            save_every=20,
            log_every=10,
        )
    assert load_tensors(path)[1]["step"] == "20"


def test_a_gradient_that_is_not_finite_is_not_saved_behind_a_finite_loss(tmp_path):
    """The update of step 39 spoils the weights; its own loss, and all before, are finite; then comes a save."""
    whole, history = fit(tmp_path / "whole")
    for _ in range(2):  # a rerun goes on from the good state, and meets the cause again
        with pytest.raises(InputError, match=r"(?s)left the finite numbers \(weights.*Where: step 39\..*is kept"):
            fit(tmp_path / "cut", spoilt_at=39)
        saved, metadata = load_tensors(tmp_path / "cut" / "checkpoint.safetensors")
        assert metadata["step"] == "20" and all(torch.isfinite(value).all() for value in saved.values())
    resumed, resumed_history = fit(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole) and resumed_history == history


def test_weights_that_the_last_update_spoilt_are_not_returned(tmp_path):
    with pytest.raises(InputError, match=r"weights.*step 59\."):
        fit(tmp_path, spoilt_at=59)
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["step"] == "40"


@pytest.mark.parametrize(("spoilt_at", "found"), [(32, r"weights.*step 32\."), (30, r"nan.*step 31\.")])
def test_only_finite_weights_are_looked_at(tmp_path, spoilt_at, found):
    looked = []

    def look(net, step):
        assert torch.isfinite(net.weight).all()
        looked.append(step)

    with pytest.raises(InputError, match=found):
        fit(tmp_path, spoilt_at=spoilt_at, look=look)
    assert looked == [11, 22]


def test_a_state_is_finite_where_all_its_tensors_are():
    good, bad = torch.ones(3), torch.tensor([0.0, float("inf")])
    assert is_finite({"a": [good, (torch.arange(3), 1.5)], "b": float("nan"), "c": {}}) and is_finite({})
    for state in (bad, {"a": {"b": [good, (bad,)]}}, [torch.tensor(float("nan"), dtype=torch.bfloat16)]):
        assert not is_finite(state)
