"""The label classifier: its loss, its probabilities, its best weights."""

import numpy as np
import pytest
import torch

from unpersonal.judges.classifier import Classifier, train_classifier
from unpersonal.judges.config import JudgesConfig
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


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def classifier_data(cohort, multilabel):
    labels = cohort[2]
    targets = (labels[:, None] == np.unique(labels)[None, :]).astype(np.float32)
    if multilabel:
        targets[::2, 0] = 1
    return cohort[0], targets


@pytest.mark.slow
@pytest.mark.parametrize("multilabel", [False, True])
def test_classifier_picks_its_loss_and_gives_probabilities(cohort, tmp_path, multilabel):
    images, targets = classifier_data(cohort, multilabel)
    train, stop = split(cohort)
    model, history = train_classifier(
        images[train], targets[train], CONFIG, seed=1, device=CPU,
        checkpoint=tmp_path / "c.safetensors", held_out=(images[stop], targets[stop]),
    )  # fmt: skip
    assert model.exclusive != multilabel
    probabilities = model.probabilities(images[stop])
    assert probabilities.dtype == np.float32 and probabilities.shape == targets[stop].shape
    assert (probabilities >= 0).all() and (probabilities <= 1).all()
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5) != multilabel
    np.testing.assert_allclose(model.probabilities(images[stop][3:4])[0], probabilities[3], atol=1e-5)
    assert model.probabilities(images[:0]).shape == (0, 3)
    assert history["training"][-1]["loss"] < history["training"][0]["loss"]


@pytest.mark.slow
def test_classifier_keeps_the_best_and_resumes_to_the_same_bytes(cohort, tmp_path, monkeypatch):
    images, targets = classifier_data(cohort, False)
    train, stop = split(cohort)
    scores = iter([0.5, 0.9, 0.7, 0.5, 0.9, 0.7])
    monkeypatch.setattr("unpersonal.judges.classifier.macro_auroc", lambda *_: next(scores))

    def run(path):
        return train_classifier(
            images[train], targets[train], CONFIG, seed=1, device=CPU, checkpoint=path,
            held_out=(images[stop], targets[stop]),
        )  # fmt: skip

    whole, history = run(tmp_path / "a.safetensors")
    assert history["best_step"] == 40
    loss, calls = Classifier.loss, []

    def dies(self, *arguments):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return loss(self, *arguments)

    monkeypatch.setattr(Classifier, "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b.safetensors")
    scores = iter([0.9, 0.7])
    resumed, again = run(tmp_path / "b.safetensors")
    assert same(whole.network, resumed.network) and history == again
