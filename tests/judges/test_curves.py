"""ROC curves are thinned without losing their shape."""

import numpy as np

from unpersonal.judges.curves import copies_roc, thin


def test_thinned_curve_keeps_its_ends_and_its_order():
    fpr = np.sort(np.random.default_rng(0).random(5000)) ** 4
    fpr[0], fpr[-1] = 0, 1
    curve = thin(fpr, np.sqrt(fpr))
    assert len(curve["fpr"]) <= 200 and curve["fpr"][0] == 0 and curve["fpr"][-1] == 1
    assert curve["fpr"] == sorted(curve["fpr"]) and len(curve["tpr"]) == len(curve["fpr"])


def test_copies_against_strangers_by_counting_pairs():
    rng = np.random.default_rng(1)
    copies, strangers = rng.normal(1, 1, 80), rng.normal(0, 1, 120)
    curve, area = copies_roc(copies, strangers)
    assert abs(area - (copies[:, None] > strangers[None]).mean()) < 1e-9
    assert curve["fpr"][0] == 0 and curve["tpr"][-1] == 1
