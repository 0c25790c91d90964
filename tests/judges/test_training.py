"""Training of a member of the re-identifier: what it learns from, what it keeps, and how it resumes."""

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.judges import training
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.embedding import Embedding
from unpersonal.judges.members import build_member
from unpersonal.judges.reidentifier import best_stranger, embed_images
from unpersonal.judges.training import separation, train_member
from unpersonal.judges.views import make_copies
from unpersonal.phantom import phantom_cohort

CPU = torch.device("cpu")
CONFIG = JudgesConfig(
    width=4,
    embedding=8,
    gallery_views=6,
    reidentifier_steps=60,
    reidentifier_batch=16,
    classifier_steps=60,
    classifier_batch=16,
    check_every=20,
    save_every=25,
)


@pytest.fixture(scope="module")
def cohort():
    images, subjects, labels = phantom_cohort(60, 3, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return images, np.array(subjects, dtype=object), np.array(labels, dtype=object)


def split(cohort):
    subjects = cohort[1]
    names = np.unique(subjects)
    return np.isin(subjects, names[:40]), np.isin(subjects, names[40:50])


def trained(cohort, path, config=CONFIG, seed=5, images=None):
    images = cohort[0] if images is None else images
    train, stop = split(cohort)
    return train_member(
        images[train],
        cohort[1][train],
        config,
        seed=seed,
        device=CPU,
        checkpoint=path,
        held_out=(images[stop], cohort[1][stop]),
        codec=None,
    )


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.fixture(scope="module")
def one_run(cohort, tmp_path_factory):
    return trained(cohort, tmp_path_factory.mktemp("judge") / "checkpoint.safetensors")


@pytest.mark.slow
def test_training_learns_and_ends_in_eval_mode(cohort, tmp_path):
    longer = CONFIG.model_copy(update={"reidentifier_steps": 180})
    model, history = trained(cohort, tmp_path / "checkpoint.safetensors", longer)
    assert not any(module.training for module in model.modules())
    losses = [row["loss"] for row in history["training"]]
    assert losses[-1] < 0.95 * losses[0]
    stop = split(cohort)[1]
    untrained = build_member(CONFIG, channels=1, size=32, seed=5).eval()
    images, subjects = cohort[0][stop], cohort[1][stop]
    copies = make_copies(images, ("rotation", "noise"), 0, None, CPU)
    scores = [separation(m, images, subjects, copies, views=6, device=CPU) for m in (untrained, model)]
    assert scores[1] > scores[0] + 0.3


@pytest.mark.slow
def test_separation_against_direct_computation(cohort, one_run):
    model = one_run[0]
    images, subjects = cohort[0][:15], cohort[1][:15]
    copies = make_copies(images, ("crop", "gamma"), 0, None, CPU)
    gallery = embed_images(model, images, CPU, views=6)
    with torch.no_grad():
        own = [
            [max(float(model.pair_logits(embed_images(model, c[i : i + 1], CPU)[0], gallery[i, v][None]))
                 for v in range(6)) for i in range(15)] for c in copies
        ]  # fmt: skip
    worst, stranger = np.min(own, axis=0), best_stranger(model, gallery, subjects, CPU).numpy()
    expected = (worst.mean() - stranger.mean()) / np.sqrt((worst.var() + stranger.var()) / 2)
    assert separation(model, images, subjects, copies, views=6, device=CPU) == pytest.approx(expected, abs=1e-3)
    assert np.isnan(separation(model, images[:1], subjects[:1], copies[:, :1], views=6, device=CPU))


@pytest.mark.slow
def test_same_seed_same_weights_other_seed_others(cohort, one_run, tmp_path):
    assert same(one_run[0], trained(cohort, tmp_path / "a.safetensors")[0])
    short = CONFIG.model_copy(update={"reidentifier_steps": 3})
    first, second = (trained(cohort, tmp_path / f"{s}.safetensors", short, seed=s)[0] for s in (1, 2))
    assert not same(first, second)


@pytest.mark.slow
def test_killed_and_resumed_training_gives_the_same_bytes(cohort, one_run, tmp_path, monkeypatch):
    calls = []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 45:
            raise KeyboardInterrupt
        return loss(*arguments)

    loss = Embedding.loss
    monkeypatch.setattr(Embedding, "loss", dies)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(cohort, path)
    assert path.exists()
    model, history = trained(cohort, path)
    assert len(calls) == 45 + 60 - 25
    assert same(model, one_run[0]) and history == one_run[1]
    # a finished member is not trained again
    again, history = trained(cohort, path)
    assert len(calls) == 45 + 60 - 25 and same(again, model) and history == one_run[1]


@pytest.mark.slow
@pytest.mark.parametrize("peak", [20, 40, 60])
def test_the_best_weights_are_kept_not_the_last(cohort, tmp_path, monkeypatch, peak):
    states = {}

    def scripted(model, *_, **__):
        step = 20 * (len(states) + 1)
        states[step] = {name: value.clone() for name, value in model.state_dict().items()}
        return -abs(step - peak) / 10

    monkeypatch.setattr(training, "separation", scripted)
    model, history = trained(cohort, tmp_path / "checkpoint.safetensors")
    assert history["best_step"] == peak and [look["step"] for look in history["looks"]] == [20, 40, 60]
    assert all(torch.equal(value, states[peak][name]) for name, value in model.state_dict().items())
    assert peak == 60 or not all(torch.equal(value, states[60][name]) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_only_train_subjects_shape_the_weights(cohort, tmp_path, monkeypatch):
    """Other pixels in val, aux and test rows: every state of the training run stays bit-identical."""
    train, _ = split(cohort)
    altered = cohort[0].copy()
    altered[~train] = 255 - altered[~train]
    runs = []
    for images in (cohort[0], altered):
        seen, scores = [], []

        def watched(model, *arguments, seen=seen, scores=scores, **names):
            seen.append({name: value.clone() for name, value in model.state_dict().items()})
            scores.append(separation(model, *arguments, **names))
            return scores[-1]

        monkeypatch.setattr(training, "separation", watched)
        trained(cohort, tmp_path / f"{len(runs)}.safetensors", images=images)
        runs.append((seen, scores))
    assert runs[0][1] != runs[1][1]
    for a, b in zip(runs[0][0], runs[1][0], strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_without_held_out_subjects_the_last_weights_stay(cohort, tmp_path):
    train, _ = split(cohort)
    images, subjects = cohort[0][train], cohort[1][train]
    config = CONFIG.model_copy(update={"reidentifier_steps": 22})
    _, history = train_member(
        images, subjects, config, seed=0, device=CPU, checkpoint=tmp_path / "c.safetensors",
        held_out=(images[:0], subjects[:0]), codec=None,
    )  # fmt: skip
    assert history["best_step"] == 22


def test_one_subject_is_not_enough(cohort, tmp_path):
    with pytest.raises(InputError, match="two train subjects"):
        train_member(
            cohort[0][:2], np.array(["a", "a"]), CONFIG, seed=0, device=CPU, checkpoint=tmp_path / "c.safetensors",
            held_out=(cohort[0][2:4], cohort[1][2:4]), codec=None,
        )  # fmt: skip
