"""The family of attacks: ours are complete or the audit decides nothing; a plug-in can only make the verdict worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from tests.studies import WIDE
from unpersonal.audit import AuditConfig, AuditResult, SubjectImages, audit_images
from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.family import FittedEntry, run_attacks
from unpersonal.audit.primary import unmeasured
from unpersonal.audit.profiles import IN_WORDS, PROFILES, Profile
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.target import Target, make_target
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.metrics.hypothesis import holm
from unpersonal.release.evidence import evidence_problems, safe_evidence

SMALL: dict[str, Any] = {
    "permutations": 999,
    "size": 16,
    "components": 16,
    "planted_copies": 20,
    "planted_power": 0.8,
    "kind_copies": 1,
    "network_steps": 20,
}
PLUGIN = """
import numpy as np
from unpersonal.audit.attack import AttackNeeds, Guesses, Statistic, SubjectScores
from unpersonal.core.config import Config

class Options(Config):
    scale: float = 1.0

class Fitted:
    def __init__(self, background, options):
        self.background, self.options = background, options
        self.weight = background.config.primary(background.side, len(background.released))

    def run(self, target):
        train = target.train.astype(float)
        rng = np.random.default_rng(0)
        BODY

class Attack:
    config, needs = Options, AttackNeeds(NEEDS)

    def fit(self, background, options):
        FIT
        return Fitted(background, options)

PART = Attack()
"""
FEW = ("isolation", "membership-by-distance")
"""Attacks of ours that cost least."""
QUIET = "return [Statistic(0.0, rng.normal(size=len(target.codes)))]"
LOUD = "return [Statistic(9.0 * self.options.scale, rng.normal(size=len(target.codes)))]"
LOUD_REVERSED = LOUD.replace("9.0", "-9.0")


def plugin(body: str, *, needs: str = "", fit: str = "pass") -> str:
    return PLUGIN.replace("BODY", body).replace("NEEDS", needs).replace("FIT", fit)


def audit(
    phantoms: tuple[np.ndarray, ...],
    leaks: bool = False,
    labels: bool = False,
    profile: Profile | None = None,
    **config: Any,
) -> AuditResult:
    """With copies of train people as the release the margins are those of `agreement`, else none is too narrow."""
    margins = profile or (PROFILES["agreement"] if leaks else WIDE)
    images, subjects, given = phantoms
    rows = np.split(np.unique(subjects), [110, 220, 330])
    train, control, auxiliary, fresh = (np.flatnonzero(np.isin(subjects, names)) for names in rows)
    sets = [
        SubjectImages(images[chosen], subjects[chosen], list(given[chosen]) if labels else None)
        for chosen in (train, control, auxiliary)
    ]
    released = images[train][:60] if leaks else images[fresh][:60]
    told = [str(label) for label in given[train if leaks else fresh][:60]]
    return audit_images(
        sets[0],
        sets[1],
        released,
        sets[2],
        config=AuditConfig(**SMALL, **config),
        seed=2,
        profile=margins,
        released_labels=told if labels else None,
    )


def with_theirs(**config: Any) -> dict[str, Any]:
    return {"attacks": (*ATTACKS.own_names(), "theirs"), **config}


@pytest.fixture(scope="module")
def passed(phantoms: tuple[np.ndarray, ...]) -> AuditResult:
    result = audit(phantoms)
    assert result.verdict == "pass", result.figures.reasons
    return result


@pytest.fixture(scope="module")
def few(phantoms: tuple[np.ndarray, ...]) -> tuple[AuditResult, AuditResult]:
    """Audits with two of our attacks alone, without a leak and with one."""
    return audit(phantoms, attacks=FEW), audit(phantoms, leaks=True, attacks=FEW)


@pytest.fixture(scope="module")
def failed(phantoms: tuple[np.ndarray, ...]) -> AuditResult:
    result = audit(phantoms, leaks=True)
    assert result.verdict == "fail"
    return result


def test_every_attack_of_ours_gives_a_figure_and_every_score_has_its_twin(passed: AuditResult) -> None:
    figures = passed.figures
    scores = [row.name for row in figures.membership]
    assert scores[1::2] == [f"{name}_reversed" for name in scores[::2]]
    names = [*scores, *(row.name for row in figures.isolation), *(row.name for row in figures.inference)]
    names += [test.name for test in figures.tests]
    for attack in ATTACKS.own_names():
        needs = ATTACKS.get(attack).needs
        if needs.released_labels or needs.model or needs.probabilities:
            assert any(f"{attack} is not applicable" in note for note in figures.notes)
        else:
            assert any(name.startswith(attack.replace("-", "_")) for name in names), attack


def test_a_quiet_plugin_joins_the_family_and_leaves_a_pass(
    phantoms: tuple[np.ndarray, ...], passed: AuditResult, offer: Callable[..., None]
) -> None:
    offer("attack", "theirs", plugin(QUIET))
    result = audit(phantoms, **with_theirs())
    assert result.verdict == "pass"
    own, theirs = result.figures.tests[:-2], result.figures.tests[-2:]
    assert own == passed.figures.tests and result.figures.primary == passed.figures.primary
    assert [test.name for test in theirs] == ["theirs", "theirs_reversed"]
    adjusted = holm([test.p for test in result.figures.tests])
    assert [test.p_adjusted for test in theirs] == pytest.approx(list(adjusted[-2:]))
    assert evidence_problems(safe_evidence({"audit": result.to_dict()})) == []


@pytest.mark.slow
@pytest.mark.parametrize(("body", "name"), [(LOUD, "theirs"), (LOUD_REVERSED, "theirs_reversed")])
def test_a_plugin_turns_a_pass_into_a_fail(
    phantoms: tuple[np.ndarray, ...], offer: Callable[..., None], body: str, name: str
) -> None:
    offer("attack", "theirs", plugin(body))
    result = audit(phantoms, **with_theirs())
    assert result.verdict == "fail"
    assert [test.name for test in result.figures.tests if test.p_adjusted <= 0.025] == [name]


@pytest.mark.slow
def test_no_number_of_quiet_tests_turns_a_fail_into_a_pass(
    phantoms: tuple[np.ndarray, ...], failed: AuditResult, offer: Callable[..., None]
) -> None:
    many = "return [Statistic(0.0, rng.normal(size=len(target.codes)), name=str(i)) for i in range(300)]"
    offer("attack", "theirs", plugin(many))
    result = audit(phantoms, leaks=True, **with_theirs())
    assert result.verdict == "fail" and len(result.figures.tests) == len(failed.figures.tests) + 600
    assert result.figures.tests[: len(failed.figures.tests)] == failed.figures.tests
    assert result.figures.primary == failed.figures.primary
    assert result.figures.planted == failed.figures.planted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (plugin("raise RuntimeError('/home/somebody/patient-1')"), "RuntimeError"),
        (plugin(QUIET, fit="1 / 0"), "ZeroDivisionError"),
        (plugin("return [Statistic(float('nan'), rng.normal(size=len(target.codes)))]"), "not a number"),
        (plugin("return [Statistic(0.0, np.full(len(target.codes), np.nan))]"), "not a number"),
        (plugin("return [Statistic(0.0, np.zeros(3))]"), "not one for every permutation"),
        (plugin("return []"), "no statistic"),
        (plugin("return None"), "TypeError"),
        (plugin(QUIET.replace("]", ", " + QUIET[8:-1] + "]")), "name of another"),
        (plugin(QUIET, needs="spaces=('nowhere',)"), "KeyError"),
        (plugin("target.images[:] = 0"), "ValueError"),
        (plugin("target.codes[:] = 0"), "ValueError"),
        (plugin("target.embedded(self.background.space('appearance')).points[:] = 0"), "ValueError"),
        (plugin(QUIET, fit="background.released[:] = 0"), "ValueError"),
        (plugin(QUIET, fit="background.balls('appearance').centres[:] = 1e6"), "ValueError"),
        (plugin(QUIET, fit="background.balls('appearance').tails.radius_k[:] = 0"), "ValueError"),
        (plugin(QUIET, fit="background.balls('appearance').tails.dimension[:] = 1e-3"), "ValueError"),
        (plugin(QUIET, fit="background.space('gradient').projection[:] = 0"), "ValueError"),
        (plugin(QUIET, fit="background.space('gradient').mean[:] = 0"), "ValueError"),
        (plugin("target.roles.role[:] = 0"), "ValueError"),
        (plugin("return [SubjectScores(np.zeros(3))]"), "not a number for every subject"),
        (plugin("return [SubjectScores(np.full(len(train), np.nan))]"), "not a number for every subject"),
        (plugin("return [Guesses(np.full(len(train), 2.0))]"), "not a share"),
        (plugin(f"self.learnt = 1; {QUIET}"), "learnt from the people"),
        (plugin("return ['text']"), "nothing that an attack gives"),
        (plugin("target.hits(self.background, 'appearance', self.weight)[0].subject[:] = 0"), "ValueError"),
        (plugin("target.relative_distance(self.background)[0][:] = 0"), "ValueError"),
        (plugin(QUIET, needs="labels=True"), "needs labels"),
    ],
)
def test_a_plugin_that_breaks_leaves_the_audit_inconclusive_and_a_fail_a_fail(
    phantoms: tuple[np.ndarray, ...],
    few: tuple[AuditResult, AuditResult],
    offer: Callable[..., None],
    code: str,
    said: str,
) -> None:
    offer("attack", "theirs", code)
    calm, loud = few
    result = audit(phantoms, attacks=(*FEW, "theirs"))
    assert result.verdict == "inconclusive"
    (new,) = [reason for reason in result.figures.reasons if reason not in calm.figures.reasons]
    assert said in new and "theirs" in new and "somebody" not in new
    assert len(result.figures.reasons) == len(calm.figures.reasons) + 1
    assert same_figures(result, calm)
    leaky = audit(phantoms, leaks=True, attacks=(*FEW, "theirs"))
    assert leaky.verdict == "fail" and same_figures(leaky, loud)


def same_figures(result: AuditResult, other: AuditResult) -> bool:
    """Whether all that our own attacks say is the same."""
    names = ("primary", "membership", "isolation", "planted", "tests")
    return all(getattr(result.figures, name) == getattr(other.figures, name) for name in names)


@pytest.mark.slow
def test_scores_of_a_plugin_are_bounded_with_ours_and_weaken_none(
    phantoms: tuple[np.ndarray, ...], passed: AuditResult, failed: AuditResult, offer: Callable[..., None]
) -> None:
    offer("attack", "theirs", plugin("return [SubjectScores(train + 0.1 * rng.normal(size=len(train)))]"))
    seeing = audit(phantoms, profile=PROFILES["agreement"], **with_theirs())
    assert seeing.verdict == "fail" and any("theirs" in reason for reason in seeing.figures.reasons)
    own = len(passed.figures.membership)
    assert seeing.figures.membership[:own] == passed.figures.membership
    many = "return [SubjectScores(rng.normal(size=len(train)), name=str(i)) for i in range(60)]"
    offer("attack", "many", plugin(many))
    among = audit(phantoms, leaks=True, attacks=(*ATTACKS.own_names(), "many"))
    assert among.figures.membership[:own] == failed.figures.membership


def test_a_plugin_that_needs_labels_is_given_them(phantoms: tuple[np.ndarray, ...], offer: Callable[..., None]) -> None:
    body = f"assert len(target.labels) == len(target.images); {QUIET}"
    offer("attack", "theirs", plugin(body, needs="labels=True"))
    assert audit(phantoms, labels=True, **with_theirs()).figures.tests[-2].name == "theirs"


def test_labels_are_inferred_where_the_release_has_them(phantoms: tuple[np.ndarray, ...]) -> None:
    labelled = audit(phantoms, labels=True, leaks=True)
    rows = {row.name: row for row in labelled.figures.inference}
    assert rows["inference_label_nearest"].above > 0
    assert not any("not applicable: no labels" in note for note in labelled.figures.notes)


def test_options_reach_a_plugin_and_are_checked_when_they_are_read(
    phantoms: tuple[np.ndarray, ...], offer: Callable[..., None]
) -> None:
    offer("attack", "theirs", plugin(LOUD))
    assert audit(phantoms, **with_theirs(options={"theirs": {"scale": 0.0}})).verdict == "pass"
    assert AuditConfig(attacks=("theirs",)).named_parts() == (("attack", "theirs"),)
    for values, said in (
        ({"attacks": ["nobody's"]}, "no attack"),
        ({"attacks": ["theirs"], "options": {"theirs": {"scal": 2.0}}}, "scale"),
        ({"options": {"theirs": {"scale": 2.0}}}, "does not name it"),
        ({"attacks": ["isolation"], "options": {"isolation": {"weight_divisor": 20}}}, "no plug-in"),
    ):
        with pytest.raises(InputError, match=said):
            build_config(AuditConfig, values, where="study.toml")


@pytest.mark.parametrize("kept", [(), ("isolation",), ("isolation", "membership-by-distance")])
def test_an_audit_that_leaves_out_an_attack_of_ours_cannot_pass(
    phantoms: tuple[np.ndarray, ...], kept: tuple[str, ...]
) -> None:
    result = audit(phantoms, attacks=kept)
    assert result.verdict == "inconclusive"
    left_out = [name for name in ATTACKS.own_names() if name not in kept]
    wanted = [f"the attack {name} was left out, so nothing is known of it" for name in left_out]
    assert list(result.figures.reasons[: len(wanted)]) == wanted
    if not kept:
        assert result.figures.advantage_upper == 1.0 and result.figures.primary == ()
    assert evidence_problems(safe_evidence({"audit": result.to_dict()})) == []


def test_attacks_are_fitted_before_train_and_control_are_read(
    phantoms: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch, offer: Callable[..., None]
) -> None:
    """Nothing that a fit is handed holds an image of them; they are shown to attacks when every one is fitted."""
    import unpersonal.audit.evaluate as module

    offer("attack", "theirs", plugin(QUIET))
    events: list[str] = []
    real_fit, real_run = module.fit_attacks, module.run_attacks

    def fit(background: Any, **options: Any) -> Any:
        seen = {str(name) for given in (background.network, background.certify) for name in given.names}
        assert not seen & set(np.unique(phantoms[1])[:220])
        assert not any(isinstance(getattr(background, field.name), Target) for field in fields(background))
        events.append("fit")
        return real_fit(background, **options)

    def run(*arguments: Any) -> Any:
        events.append("run")
        return real_run(*arguments)

    monkeypatch.setattr(module, "fit_attacks", fit)
    monkeypatch.setattr(module, "run_attacks", run)
    audit(phantoms, attacks=(*FEW, "theirs"))
    assert events == ["fit", "run"]


@dataclass(frozen=True)
class Given:
    """A fitted attack that gives these scores."""

    scores: tuple[SubjectScores, ...]

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        return self.scores


def test_a_score_that_is_the_same_for_everybody_is_told_and_counts_for_nothing(
    phantoms: tuple[np.ndarray, ...],
) -> None:
    images, subjects, _ = phantoms
    sides = [SubjectImages(images[rows], subjects[rows]) for rows in (slice(0, 30), slice(30, 60))]
    target = make_target(sides[0], sides[1], AuditConfig(**SMALL), 0)
    people = len(target.train)
    same, one = SubjectScores(np.full(people, 0.3), "same"), SubjectScores(np.eye(people)[0], "one")

    def run(*scores: SubjectScores) -> Any:
        return run_attacks([FittedEntry("membership-by-distance", Given(scores))], target)

    both, alone = run(same, one), run(same)
    assert both.scores.names == ("membership_by_distance_one",) and both.scores.own == 1
    assert alone.scores.found == () and alone.scores.own == 0
    for family in (both, alone):
        assert any("membership by distance same gave everybody the same score" in note for note in family.notes)


def test_an_audit_without_a_primary_figure_says_so(monkeypatch: pytest.MonkeyPatch, phantoms: Any) -> None:
    assert len(unmeasured(())) == len(IN_WORDS)
    result = audit(phantoms, attacks=FEW)
    assert any(reason.startswith("right guesses") and "nothing was" in reason for reason in result.figures.reasons)
