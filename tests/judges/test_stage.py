"""The stage on a tiny phantom study: files, figures, resume, loading."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.judges.test_matchers import PLUGIN
from tests.studies import cohort_of, in_blocks, write_study
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.store import load_codec
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.seeds import derive_seed
from unpersonal.judges import stage as judges_stage
from unpersonal.judges.calibration import open_panel, score_strangers
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.copies import CopyMaker, pick_hosts
from unpersonal.judges.stage import run_stage
from unpersonal.judges.store import load_judges
from unpersonal.judges.subset import take_subset
from unpersonal.matching.kinds import names
from unpersonal.phantom import phantom_cohort
from unpersonal.synthesis.gate import open_gate

CPU = torch.device("cpu")
CONFIG = JudgesConfig(
    width=4,
    embedding=8,
    gallery_views=6,
    reidentifier_steps=30,
    reidentifier_batch=16,
    classifier_steps=30,
    classifier_batch=16,
    check_every=15,
    save_every=25,
    matchers=("copies",),
    tried=20,
    evidence=6,
)
FILES = ("classifier.safetensors", "gate.json", "history.json", "matcher-0.safetensors", "reference.safetensors",
         "reidentifier-0.safetensors", "reidentifier-1.safetensors", "roc.json")  # fmt: skip


def phantom_study(path):
    images, subjects, labels = phantom_cohort(60, 2, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    cut = in_blocks(subjects, {"train": 30, "val": 24, "aux": 3, "test": 3})
    train = np.array([cut[subject] == "train" for subject in subjects])
    codec = PatchCodec.fit(images[train], patch=4, components=8)
    return write_study(path, cohort_of(subjects, labels, cut), images, codec=codec, kind="patch")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    study = phantom_study(tmp_path_factory.mktemp("judges") / "study")
    return study, run_stage(study, CONFIG, seed=4, device=CPU)


@pytest.mark.slow
def test_files_and_figures(finished):
    study, figures = finished
    folder = study / "models" / "judges"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert json.loads((folder / "gate.json").read_text()) == figures.to_json()
    assert figures.protected.subjects == 30 and figures.held_out.subjects == 12
    assert figures.miss_rate_upper == figures.protected.miss_rate_upper >= 1 - 0.05 ** (1 / 30) - 1e-9
    assert "of 30 subjects missed, 299 without a miss are needed" in figures.shortfall
    assert set(figures.kinds) | set(figures.untried) == set(names())
    assert {name.split()[0] for name in figures.untried} == {"re-noised", "over-fitted"}
    assert figures.kinds["exact"].recall == 1 and figures.kinds["exact"].subjects == 30
    assert figures.kinds["half"].subjects == 20 and 0 < figures.kinds["other-visit"].subjects <= 20
    assert figures.blind == tuple(name for name, kind in figures.kinds.items() if kind.recall_lower < 0.9)
    # 12 of val-calibration; the 3 of aux are hosts
    assert figures.strangers == 12 and figures.gallery_images == 84 and figures.gallery_subjects == 60
    assert list(figures.matchers) == ["re-identifier", "copies"]
    assert set(figures.false_flag_rate_of) <= {"No Finding", "Pleural Effusion", "Cardiomegaly"}
    assert set(figures.consistency.false_flag_rates) == {"member 1", "member 2"}
    curves = json.loads((folder / "roc.json").read_text())
    for curve in (curves["reidentifier"]["copies"], *curves["classifier"].values()):
        assert len(curve["fpr"]) == len(curve["tpr"]) <= 200 and curve["fpr"] == sorted(curve["fpr"])
    history = json.loads((folder / "history.json").read_text())
    assert set(history) == {"re-identifier 1", "re-identifier 2", "classifier"}
    assert history["classifier"]["training"][-1]["step"] == 30


def test_loaded_judges_repeat_the_calibration(finished):
    study, figures = finished
    judges = load_judges(study, CPU)
    assert judges.gate == figures
    for model in (*judges.reidentifier.members, judges.classifier.network):
        assert not any(module.training for module in model.modules())
    cohort, images = load_cohort(study), np.load(study / "store" / "images.npy")
    rows = cohort.rows("train")
    gallery = judges.reidentifier.embed_gallery(images[rows])
    best, nearest = judges.reidentifier.best_match(judges.reidentifier.embed(images[rows]), gallery)
    # a verbatim copy has distance zero: nothing can score higher
    np.testing.assert_array_equal(nearest, np.arange(len(rows)))
    assert (best >= np.float32(figures.threshold)).all()
    assert judges.classifier.probabilities(images[:5]).shape == (5, 3)


@pytest.mark.slow
def test_a_killed_stage_continues_to_the_same_bytes(finished, tmp_path, monkeypatch):
    study = phantom_study(tmp_path / "study")
    monkeypatch.setattr(judges_stage, "train_classifier", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_stage(study, CONFIG, seed=4, device=CPU)
    folder = study / "models" / "judges"
    assert not (folder / "gate.json").exists()
    monkeypatch.undo()
    run_stage(study, CONFIG, seed=4, device=CPU)
    for name in FILES:
        assert (folder / name).read_bytes() == (finished[0] / "models" / "judges" / name).read_bytes(), name


def test_missing_and_unfitting_files_are_input_errors(finished, tmp_path):
    with pytest.raises(InputError):
        load_judges(tmp_path, CPU)
    study = phantom_study(tmp_path / "study")
    folder = study / "models" / "judges"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes((finished[0] / "models" / "judges" / name).read_bytes())
    load_judges(study, CPU)
    (folder / "reidentifier-1.safetensors").write_bytes((folder / "classifier.safetensors").read_bytes())
    with pytest.raises(InputError, match="do not fit"):
        load_judges(study, CPU)


def test_a_subset_without_subjects_is_an_input_error(finished):
    cohort = load_cohort(finished[0])
    empty = Cohort(cohort.table[cohort.table.split != "val"].reset_index(drop=True), cohort.classes)
    with pytest.raises(InputError, match="val-stop"):
        take_subset(empty, np.zeros((len(empty), 1, 32, 32), np.uint8), "val-stop")


@pytest.mark.parametrize(
    "values",
    [{"gallery_views": 7}, {"perturbations": ()}, {"perturbations": ("crop", "crop")}, {"epochs": 3}, {"seeds": 0}],
)
def test_wrong_configurations_are_refused(values):
    with pytest.raises(ValidationError):
        JudgesConfig(**values)


def test_the_gate_refuses_copies_of_everybody_in_the_cohort_and_lets_noise_pass(finished):
    study, _ = finished
    judges, cohort, images = load_judges(study, CPU), load_cohort(study), np.load(study / "store" / "images.npy")
    gate = open_gate(judges, images, cohort.subjects.astype(str))
    noise = np.random.default_rng(0).integers(0, 256, (4, 1, 32, 32), dtype=np.uint8)
    for subset in ("train", "val", "aux", "test"):
        rows = cohort.rows(subset)
        ruling = gate.rule(images[rows])
        assert ruling.flagged.all() and set(cohort.subjects[ruling.nearest]) == set(cohort.subjects[rows])
    assert not gate.rule(noise).flagged.any()
    assert gate.matchers == ("re-identifier", "copies")


def test_the_calibration_repeats_itself_and_thresholds_are_what_strangers_reach(finished):
    study, figures = finished
    judges, cohort, images = load_judges(study, CPU), load_cohort(study), np.load(study / "store" / "images.npy")
    hosts = pick_hosts(cohort, derive_seed(4, "judges"))
    panel = open_panel(judges.reidentifier, judges.matchers, images, cohort, hosts)
    seed = derive_seed(derive_seed(4, "judges"), "calibration")
    maker = CopyMaker(study, images, hosts, load_codec(study), CONFIG, seed, CPU)
    strangers = score_strangers(panel, maker, cohort)
    assert set(cohort.splits[strangers.rows]) <= {"val", "aux"}
    assert not set(cohort.subjects[strangers.rows]) & set(cohort.subjects[cohort.rows("val-stop")])
    for enrolled, scores in zip(panel, strangers.scores, strict=True):
        level = np.float32(figures.matchers[enrolled.name].threshold)
        assert figures.matchers[enrolled.name].stranger_rate == (scores >= level).mean()
        # nobody meets the own pictures
        row = strangers.rows[0]
        others = np.flatnonzero(~np.isin(cohort.subjects, [cohort.subjects[row], *cohort.subjects[hosts]]))
        alone = enrolled.matcher.enrol(images[others], cohort.subjects[others].astype(str))
        assert scores[0] == pytest.approx(enrolled.matcher.score(images[row : row + 1], alone).score[0], abs=1e-3)
    union = (strangers.scores >= np.array([[m.threshold] for m in figures.matchers.values()], np.float32)).any(axis=0)
    assert union.mean() <= CONFIG.false_flag_spend


def test_a_matcher_that_cannot_tell_ends_the_stage_by_its_name(tmp_path, offer):
    offer("matcher", "theirs", PLUGIN)
    study = phantom_study(tmp_path / "study")
    short = {"reidentifier_steps": 2, "classifier_steps": 2, "gallery_views": 1, "seeds": 1, "matchers": ("theirs",)}
    for fails, said in (("fit", "somebody's mistake"), ("nan", "not finite")):
        config = CONFIG.model_copy(update={**short, "options": {"theirs": {"fails": fails}}})
        with pytest.raises(InputError, match=f"The matcher 'theirs' failed .*{said}"):
            run_stage(study, config, seed=4, device=CPU)
        assert not (study / "models" / "judges" / "gate.json").exists()
