"""Matchers beside the re-identifier, plug-ins among them: calibrated as it is, kept, and never silently left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unpersonal.judges.copy_scores import CopySet, draw_copies, score_copies_by

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.figures import RateFigures
from unpersonal.judges.matchers import all_together, calibrate_matchers, load_matchers, save_matchers
from unpersonal.judges.subset import Subset
from unpersonal.matching.base import flags
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
        return (images - self.mean).reshape(len(images), -1)

    def score(self, queries, gallery):
        away = np.abs((queries - self.mean).reshape(len(queries), 1, -1) - gallery[None]).mean(axis=2)
        score = -self.settings.factor * away.min(axis=1)
        if self.settings.fails == "nan":
            score = score * np.nan
        return Scores(score.astype(np.float32), away.argmin(axis=1))

PART = Theirs()
"""


def config(**options: object) -> JudgesConfig:
    values = {"matchers": ["copies", "theirs"], "options": {"theirs": options}, "perturbations": ["gamma", "noise"]}
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


def drawn_from(held: Subset, settings: JudgesConfig) -> CopySet:
    return draw_copies(held, settings, None, 3, CPU)  # type: ignore[arg-type]  # no perturbation needs the codec


def test_every_subjects_copies_are_scored_against_its_original_alone(people):
    train, held = people
    settings = config()
    drawn = drawn_from(held, settings)
    matcher = calibrate_matchers(drawn, train, settings, 5, CPU)["theirs"].matcher
    scores = score_copies_by(matcher, drawn, train)
    assert scores.copies.shape == (2, 30) and scores.strangers.shape == (30,)
    for index in (0, 17):
        away = np.abs(drawn.copies[1, index].astype(float) - drawn.originals[index]).mean()
        assert scores.copies[1, index] == pytest.approx(-away, rel=1e-5)
    away = np.abs(drawn.originals[4].astype(float) - train.images).mean(axis=(1, 2, 3))
    assert scores.strangers[4] == pytest.approx(-away.min(), rel=1e-5)


@pytest.mark.slow
def test_a_plugin_is_calibrated_as_its_options_say_and_flags_what_it_should(people):
    train, held = people
    plain, scaled = (
        calibrate_matchers(drawn_from(held, settings), train, settings, 5, CPU)
        for settings in (config(), config(factor=3.0))
    )
    assert list(plain) == ["copies", "theirs"]
    assert plain["theirs"].rates.miss_rate == 0 and plain["theirs"].rates.calibration_subjects == 30
    assert set(plain["theirs"].rates.miss_rate_of) == {"gamma", "noise"}
    assert scaled["theirs"].rates.threshold == pytest.approx(3 * plain["theirs"].rates.threshold, rel=1e-5)
    one = plain["theirs"]
    assert one.flagged.mean() == one.rates.false_flag_rate
    verbatim = one.matcher.score(train.images, one.matcher.enrol(train.images, train.subjects))
    assert flags(verbatim.score, one.rates.threshold).all()


def test_false_flags_are_those_of_all_matchers_together(people):
    train, held = people
    found = calibrate_matchers(drawn_from(held, config()), train, config(), 5, CPU)
    own = np.zeros(30, dtype=bool)
    own[3] = True
    rates = RateFigures(**{**vars(found["copies"].rates), "false_flag_rate": 1 / 30})
    together = all_together(rates, own, found, 0.95)
    flagged = own | found["copies"].flagged | found["theirs"].flagged
    assert together.false_flag_rate == flagged.mean() >= max(one.rates.false_flag_rate for one in found.values())
    assert together.false_flag_rate_lower < together.false_flag_rate < together.false_flag_rate_upper
    assert together.threshold == rates.threshold and together.miss_rate_upper == rates.miss_rate_upper


def test_what_a_matcher_learned_is_kept(people, tmp_path):
    train, held = people
    settings = config(factor=2.0)
    found = calibrate_matchers(drawn_from(held, settings), train, settings, 5, CPU)
    save_matchers(tmp_path, {name: one.matcher for name, one in found.items()})
    loaded = load_matchers(tmp_path, settings, CPU)
    for name, one in found.items():
        before, after = (
            matcher.score(held.images, matcher.enrol(train.images, train.subjects)).score
            for matcher in (one.matcher, loaded[name])
        )
        np.testing.assert_array_equal(before, after)
    (tmp_path / "matcher-1.safetensors").write_bytes((tmp_path / "matcher-0.safetensors").read_bytes())
    with pytest.raises(InputError, match="Not the matcher 'theirs'"):
        load_matchers(tmp_path, settings, CPU)
    (tmp_path / "matcher-1.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        load_matchers(tmp_path, settings, CPU)


@pytest.mark.slow
@pytest.mark.parametrize(("fails", "said"), [("fit", "somebody's mistake"), ("nan", "finite")])
def test_a_matcher_that_cannot_be_calibrated_ends_the_stage_by_its_name(people, fails, said):
    train, held = people
    settings = config(fails=fails)
    with pytest.raises(InputError, match=f"The matcher 'theirs' failed .*{said}"):
        calibrate_matchers(drawn_from(held, settings), train, settings, 5, CPU)


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
