"""Matchers beside the re-identifier, plug-ins among them: fitted, kept, and never silently left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.matchers import fit_matchers, load_matchers, save_matchers
from unpersonal.judges.subset import Subset
from unpersonal.phantom import phantom_cohort
from unpersonal.plugins import used_by

CPU = torch.device("cpu")
PLUGIN = """
import numpy as np
from unpersonal.core.config import Config
from unpersonal.matching.base import Scores

class TheirConfig(Config):
    factor: float = 1.0
    fails: str = ""

class Theirs:
    config = TheirConfig

    def __init__(self, mean=None, settings=None):
        self.mean, self.settings = mean, settings

    def fit(self, images, subjects, config, *, seed, device):
        if config.fails == "fit":
            raise RuntimeError("somebody's mistake")
        return Theirs(images.mean(axis=0, dtype=np.float64), config)

    def save(self, matcher):
        import torch
        return {"mean": torch.from_numpy(matcher.mean)}

    def load(self, state, config, *, device):
        return Theirs(state["mean"].numpy(), config)

    def enrol(self, images, subjects):
        return (images - self.mean).reshape(len(images), -1), subjects

    def score(self, queries, gallery, own=None):
        known, names = gallery
        away = np.abs((queries - self.mean).reshape(len(queries), 1, -1) - known[None]).mean(axis=2)
        if own is not None:
            away[own[:, None] == names[None]] = 255.0
        score = -self.settings.factor * away.min(axis=1)
        if self.settings.fails == "nan":
            score = score * np.nan
        return Scores(score.astype(np.float32), away.argmin(axis=1))

PART = Theirs()
"""


def config(**options: object) -> JudgesConfig:
    values = {"matchers": ["copies", "theirs"], "options": {"theirs": options}}
    return build_config(JudgesConfig, values, where="study.toml")


@pytest.fixture
def people(offer):
    """(train, held) of 20 and 30 people."""
    offer("matcher", "theirs", PLUGIN)
    images, subjects, _ = phantom_cohort(50, 1, 32, findings=("No Finding",))
    names, first = np.unique(np.array(subjects), return_index=True)
    images = images[first]

    def subset(rows: slice) -> Subset:
        count = len(images[rows])
        return Subset(images[rows], names[rows], np.zeros((count, 1), np.float32), np.ones(count, bool))

    return subset(slice(0, 20)), subset(slice(20, 50))


def test_what_a_matcher_learned_is_kept(people, tmp_path):
    train, held = people
    settings = config(factor=2.0)
    found = fit_matchers(train, settings, 5, CPU)
    assert list(found) == ["copies", "theirs"]
    save_matchers(tmp_path, found)
    loaded = load_matchers(tmp_path, settings, CPU)
    for name, one in found.items():
        before, after = (
            matcher.score(held.images, matcher.enrol(train.images, train.subjects)).score
            for matcher in (one, loaded[name])
        )
        np.testing.assert_array_equal(before, after)
    (tmp_path / "matcher-1.safetensors").write_bytes((tmp_path / "matcher-0.safetensors").read_bytes())
    with pytest.raises(InputError, match="Not the matcher 'theirs'"):
        load_matchers(tmp_path, settings, CPU)
    (tmp_path / "matcher-1.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        load_matchers(tmp_path, settings, CPU)


def test_options_and_names_are_checked_when_the_study_is_read_and_plugins_are_told(people):
    for values, said in (
        ({"matchers": ["nobody"]}, "there is no matcher 'nobody'; use one of copies, .*theirs"),
        ({"matchers": ["theirs"], "options": {"theirs": {"faktor": 1}}}, "options.theirs.faktor: unknown key"),
        ({"matchers": ["copies", "copies"]}, "must not repeat"),
    ):
        with pytest.raises(InputError, match=said):
            build_config(JudgesConfig, values, where="study.toml")
    (plugin,) = used_by(config())
    assert (plugin.kind, plugin.name, plugin.version) == ("matcher", "theirs", "1.0")
