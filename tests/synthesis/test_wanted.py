"""Which class probabilities a draw should have: its source's, or its label set's where conditions belong to nobody."""

from __future__ import annotations

import numpy as np

from unpersonal.synthesis.wanted import wanted_probabilities


def classify(images):
    return images.reshape(len(images), -1)[:, :2].astype(float)


def test_the_sources_probabilities_or_the_mean_of_the_label_set(made):
    study = made(images="3x")
    images = np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8)
    draws = np.array([5, 0, 5, 17])
    own = wanted_probabilities(study.cohort, study.plan, images, classify, personal=True, seed=1)(draws)
    np.testing.assert_allclose(own, classify(images[study.plan.sources[draws]]))
    mean = wanted_probabilities(study.cohort, study.plan, images, classify, personal=False, seed=1)(draws)
    for draw, row in zip(draws, mean):
        same = np.array([labels == study.cohort.labels[study.plan.sources[draw]] for labels in study.cohort.labels])
        np.testing.assert_allclose(row, classify(images[same]).mean(0))
