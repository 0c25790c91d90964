"""The stage on a tiny phantom study: files, figures, resume, loading."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from unpersonal.judges.sensitivity import renoised_sensitivity

from tests.studies import cohort_of, in_blocks, write_study
from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.store import load_codec
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
from unpersonal.core.tensors import save_array
from unpersonal.features.store import Component, save_conditions
from unpersonal.judges import stage as judges_stage
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.stage import run_stage
from unpersonal.judges.store import load_judges
from unpersonal.judges.subset import take_subset
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
)
FILES = ("classifier.safetensors", "gate.json", "history.json", "reference.safetensors", "reidentifier-0.safetensors",
         "reidentifier-1.safetensors", "roc.json")  # fmt: skip


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
    assert figures.miss_rate == 0 and figures.calibration_subjects == 12
    assert figures.miss_rate_upper == pytest.approx(1 - 0.05 ** (1 / 12))
    assert "12 calibration subjects, 299 are needed" in figures.shortfall
    assert set(figures.miss_rate_of) == set(CONFIG.perturbations) and 0 <= figures.false_flag_rate <= 1
    assert figures.renoised is None and 0 <= figures.visit_recall <= 1
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
    best, nearest = judges.reidentifier.best_match(
        judges.reidentifier.embed(images[rows]), gallery, cohort.subjects[rows]
    )
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


def test_renoised_copies_of_train_images_are_flagged_and_noise_is_not(finished, tmp_path, monkeypatch):
    """A denoiser that knows the image gives the codec's copy of it; one that knows nothing gives noise."""
    study, figures = finished
    folder = tmp_path / "study"
    (folder / "models" / "diffusion").mkdir(parents=True)
    (folder / "models" / "diffusion" / "denoiser.safetensors").write_bytes(b"")
    shutil.copytree(study / "store", folder / "store")
    cohort, images, codec = load_cohort(study), np.load(study / "store" / "images.npy"), load_codec(study)
    latents = codec.encode(to_float(images)).numpy()
    save_array(folder / "store" / "latents.npy", latents)
    save_conditions(folder, np.arange(len(images), dtype=np.float32)[:, None], (Component("feature", 0, 1),))
    judge = load_judges(study, CPU).reidentifier
    gallery = judge.embed_gallery(images[cohort.rows("train")])

    def knows(x, sigma, condition=None, **_):
        return torch.from_numpy(latents[condition[:, 0].long().numpy()]).to(x.dtype)

    def ignorant(x, sigma, condition=None, **_):
        return torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)

    for denoiser in (knows, ignorant):
        denoiser.config = SimpleNamespace(label_dim=1)
    config = CONFIG.model_copy(update={"renoised": 12})
    rates = []
    for denoiser in (knows, ignorant):
        monkeypatch.setattr("unpersonal.diffusion.models.load_models", lambda *_, denoiser=denoiser: (denoiser, None))
        result = renoised_sensitivity(folder, cohort, judge, gallery, figures.threshold, config, 1)
        level = result.levels["sigma 0.2"]
        assert result.copies == 12 and level.sensitivity_rate_lower <= level.sensitivity_rate
        rates.append(level.sensitivity_rate)
    assert rates[0] == 1.0 and rates[1] < rates[0]


def test_a_further_matcher_is_calibrated_kept_and_vetoes(tmp_path):
    study = phantom_study(tmp_path / "study")
    short = {"matchers": ("copies",), "reidentifier_steps": 2, "classifier_steps": 2, "gallery_views": 1, "seeds": 1}
    figures = run_stage(study, CONFIG.model_copy(update=short), seed=4, device=CPU)
    assert figures.matchers is not None and figures.matchers["copies"].calibration_subjects == 12
    assert figures.false_flag_rate >= figures.matchers["copies"].false_flag_rate
    judges = load_judges(study, CPU)
    assert judges.gate == figures and list(judges.matchers) == ["copies"]
    cohort, images = load_cohort(study), np.load(study / "store" / "images.npy")
    train = cohort.rows("train")
    lenient = replace(judges, gate=replace(judges.gate, threshold=1e9))
    gate = open_gate(lenient, images[train], cohort.subjects[train], train)
    noise = np.random.default_rng(0).integers(0, 256, (4, 1, 32, 32), dtype=np.uint8)
    ruling = gate.rule(np.concatenate([images[train[:4]], noise]))
    assert ruling.flagged.tolist() == [True] * 4 + [False] * 4
