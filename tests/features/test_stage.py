"""Every mode of conditioning, from a phantom cohort over the features stage to blended conditions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.studies import cohort_of, in_turn, write_study
from unpersonal.cohort.table import load_cohort
from unpersonal.cohort.texts import load_texts, save_texts
from unpersonal.core.errors import InputError
from unpersonal.core.seeds import numpy_rng
from unpersonal.features.blend import Blender, label_groups
from unpersonal.features.config import FeaturesConfig
from unpersonal.features.stage import run_stage
from unpersonal.features.store import (
    check_conditions,
    load_components,
    load_conditions,
    save_conditions,
)
from unpersonal.phantom import phantom_cohort
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.draw import draw_images, plan_candidates
from unpersonal.synthesis.plan import make_plan

CPU = torch.device("cpu")
FINDINGS = ("Pleural Effusion", "Cardiomegaly", "Edema")
# label sets of the people in turn: also several labels, and none
SETS = ([], ["Cardiomegaly"], ["Cardiomegaly", "Edema"], ["Pleural Effusion"])
MODES = ("uncond", "label", "feature", "text", "feature+label", "label+text", "text+feature+label")
CONFIG = FeaturesConfig(kind="pca", dimensions=8, text_dimensions=6)


@pytest.fixture
def study(tmp_path):
    images, subjects, _ = phantom_cohort(48, 5, 32, findings=FINDINGS)
    turn = {name: i for i, name in enumerate(sorted(set(subjects)))}
    cut = in_turn(subjects, ("train", "train", "train", "train", "val", "aux", "test", "val"), run=4)
    labels = [SETS[turn[subject] % 4] for subject in subjects]
    return write_study(tmp_path, cohort_of(subjects, labels, cut, classes=sorted(FINDINGS)), images)


def write_reports(study):
    """A report for every image: a sentence of its labels, one of its person, and a name that nobody shares."""
    cohort = load_cohort(study)
    texts = [
        f"Findings: {' '.join(labels).lower() or 'unremarkable'}. Reported by Dr Name{subject[-3:]}."
        for labels, subject in zip(cohort.labels, cohort.subjects)
    ]
    save_texts(study, cohort.table["image"].tolist(), texts)
    return texts


def run(study, condition, **changes):
    config = FeaturesConfig(**{**CONFIG.model_dump(), "condition": condition, **changes})
    return run_stage(study, config, seed=3, device=CPU).to_json()


def blender_of(study, noise=0.0, k=2):
    cohort = load_cohort(study)
    train = cohort.rows("train")
    conditions = load_conditions(study)
    return Blender(
        None if conditions is None else np.array(conditions[train]),
        cohort.subjects[train],
        label_groups(cohort.targets[train]),
        k,
        noise,
        load_components(study),
    )


@pytest.mark.slow
@pytest.mark.parametrize("reports", [False, True])
@pytest.mark.parametrize("condition", MODES)
def test_every_mode_from_images_to_blended_conditions(study, condition, reports):
    if reports:
        write_reports(study)
    figures = run(study, condition)
    cohort, kinds = load_cohort(study), [] if condition == "uncond" else condition.split("+")
    train = cohort.rows("train")
    conditions, parts = load_conditions(study), load_components(study)
    assert [part.kind for part in parts] == kinds and figures["condition"] == condition
    assert (study / "features" / "features.npy").exists() == ("feature" in kinds)
    if not kinds:
        assert conditions is None and not (study / "features" / "conditions.npy").exists()
        check_conditions(None, 0)
    else:
        assert conditions.dtype == np.float32 and conditions.shape == (len(cohort), figures["condition_length"])
        np.testing.assert_allclose(np.linalg.norm(conditions, axis=1), 1, atol=1e-6)
        check_conditions(conditions, figures["condition_length"])
    sets = [tuple(labels) for labels in cohort.labels]
    for part in parts:
        unit = conditions[:, part.columns] * np.sqrt(len(parts))
        np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
        assert part.noisy == (part.kind != "label")
        assert part.from_labels == (part.kind == "label" or (part.kind == "text" and not reports))
        if part.kind == "feature":
            np.testing.assert_allclose(unit, np.load(study / "features" / "features.npy"), atol=1e-6)
        elif part.kind == "label":
            # multi-hot of unit length, and a column of its own for nothing found
            wanted = {(): [0, 0, 0, 1]} | {
                row: [name in row for name in cohort.classes] + [0] for row in set(sets) if row
            }
            wanted = np.array([np.array(wanted[row]) / np.linalg.norm(wanted[row]) for row in sets])
            np.testing.assert_allclose(unit, wanted, atol=1e-6)
        else:
            # texts of one label set are one vector (the names are dropped), and texts of two are two
            same = np.array([[a == b for b in sets] for a in sets])
            assert unit.shape[1] <= CONFIG.text_dimensions
            angles = unit @ unit.T
            assert (angles[same] > 1 - 1e-5).all() and (angles[~same] < 0.9).all()

    quiet, loud = blender_of(study), blender_of(study, noise=0.3)
    config = SynthesisConfig(candidates=2, fewest_subjects=2)
    position = {int(row): i for i, row in enumerate(train)}
    plan = make_plan(cohort, config, 1)
    draws = plan_candidates(range(len(plan)), plan, position, 0, loud, config, 1)
    assert len(draws) == 2 * len(train)
    for draw in draws:
        if not kinds:
            assert draw.condition is None
            continue
        assert draw.condition.dtype == np.float32
        assert np.linalg.norm(draw.condition) == pytest.approx(1, abs=1e-5)
    seen = []
    draw_images(draws[:5], lambda seeds, given, _: seen.append(given) or np.zeros((len(seeds), 1, 2, 2)), 1.4, 3)
    shapes = [None if given is None else given.shape for given in seen]
    assert shapes == ([None, None] if not kinds else [(3, parts[-1].stop), (2, parts[-1].stop)])
    for i in range(0, len(train) if kinds else 0, 5):
        calm, noisy = (b.condition(i, numpy_rng(i, "t")) for b in (quiet, loud))
        for part in parts:
            a, b = (x[part.columns] * np.sqrt(len(parts)) for x in (calm, noisy))
            own = quiet.conditions[i, part.columns] * np.sqrt(len(parts))
            if part.kind == "label":
                # noise would turn one label into another
                np.testing.assert_array_equal(a, b)
                np.testing.assert_allclose(a, own, atol=1e-6)
            else:
                assert 0.05 < np.linalg.norm(a - b) < 0.8
            if part.kind == "feature":
                # of the span of the source and one person with the same labels, each with a weight above zero
                mates = np.flatnonzero((quiet.groups == quiet.groups[i]) & (quiet.subjects != quiet.subjects[i]))
                fits = [
                    np.linalg.lstsq(
                        quiet.conditions[[i, mate], part.columns].T.astype(float), a.astype(float), rcond=None
                    )
                    for mate in mates
                ]
                best = min(fits, key=lambda fit: float(np.append(fit[1], np.inf)[0]))
                assert best[1][0] < 1e-9 and (best[0] > -1e-6).all()


def test_a_source_of_rare_labels_yields_nothing_without_conditions_too(study):
    run(study, "uncond")
    blender = blender_of(study)
    lonely = np.array(blender.groups)
    lonely[0] = 99
    lonely = Blender(None, blender.subjects, lonely, 2, 0.1)
    assert not lonely.may_draw(0) and lonely.may_draw(1)
    with pytest.raises(ValueError, match="same labels"):
        lonely.blend([0, 1], numpy_rng(0, "t"))


def test_a_mode_leaves_nothing_of_the_mode_before_behind(study):
    run(study, "label")
    run(study, "uncond")
    assert load_conditions(study) is None


def test_the_encoder_is_not_trained_for_labels(study, monkeypatch):
    monkeypatch.setattr("unpersonal.features.encoders.pca.ENCODER.fit", lambda *_: pytest.fail("trained"))
    run(study, "label+text")


def test_conditions_that_are_not_those_described_are_input_errors(study):
    run(study, "feature+label")
    parts = load_components(study)
    save_conditions(study, np.zeros((3, 5), np.float32), parts)
    with pytest.raises(InputError, match="not those described"):
        load_conditions(study)
    (study / "features" / "conditions.json").write_text(json.dumps({"components": [{"kind": "label"}]}))
    with pytest.raises(InputError, match="description"):
        load_conditions(study)
    (study / "features" / "conditions.json").unlink()
    with pytest.raises(InputError):
        load_conditions(study)


def test_texts_are_those_of_the_images(study):
    cohort = load_cohort(study)
    assert load_texts(study, cohort) is None
    texts = write_reports(study)
    assert load_texts(study, cohort) == texts
    save_texts(study, cohort.table["image"].tolist()[::-1], texts)
    with pytest.raises(InputError, match="not those of the cohort"):
        load_texts(study, cohort)
    (study / "texts.parquet").write_bytes(b"Name123")
    with pytest.raises(InputError) as caught:
        load_texts(study, cohort)
    assert "Name123" not in str(caught.value)
    save_texts(study, [], None)
    assert load_texts(study, cohort) is None
