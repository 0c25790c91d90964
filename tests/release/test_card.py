"""What the card says of the gate: which kinds of copies were tried, how many it finds, and to which it is blind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from unpersonal.audit.copied_figures import Copied, MatcherFinding, RepeatFigures
from unpersonal.audit.figures import KindRow
from unpersonal.audit.stratum_rows import StratumRow
from unpersonal.diffusion.figures import PrivacyFigures
from unpersonal.judges.figures import GateFigures, KindFigures, MissFigures
from unpersonal.matching.kinds import in_words, names
from unpersonal.release.blind import at_least, unseen
from unpersonal.release.card import blind_statement, dataset_card, gate_statement, kinds_table, memorisation
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.published import build_evidence

Alter = Callable[..., StudyFigures]
BLIND = ("region 0.25", "region 0.14", "average-of-three", "re-noised 0.2", "re-noised 0.3")
"""What the gate of the demo's figures is blind to."""


def card_of(figures: StudyFigures) -> str:
    return dataset_card(
        images=9, shape=(1, 8, 8), classes=["a", "b"], figures=figures, policy=PolicyConfig(), version="0"
    )


@pytest.fixture
def gate(figures: StudyFigures) -> GateFigures:
    assert figures.gate is not None
    return figures.gate


def test_every_kind_that_was_tried_has_a_row_and_the_blind_ones_are_named(
    figures: StudyFigures, gate: GateFigures
) -> None:
    card = card_of(figures)
    table = card[card.index("## Kinds of copies that the gate was tried on") :]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.count(" | ") == 5}
    assert set(gate.kinds) <= set(rows) and "other-visit" not in rows
    for name, kind in gate.kinds.items():
        shares = f"{at_least(kind.recall)} | {at_least(kind.recall_lower)}"
        told = f"{'yes' if kind.promised else 'no'} | {'yes' if name in BLIND else 'no'}"
        assert rows[name] == f"| {name} | {in_words(name)} | {shares} | {told} |"
    text = " ".join(card.split())
    said = text[text.index("The gate is blind to: ") : text.index("Of these it may find less than 0.9.")]
    assert all(f"{in_words(name)} ({name})" in said or f"({name})" in said for name in BLIND)
    assert sum(f"({name})" in said for name in names()) == len(BLIND)
    assert "not tried on, and may be blind to: another picture of the same person (other-visit)." in text


def test_without_a_blind_kind_the_card_claims_what_was_tried_and_no_more(gate: GateFigures) -> None:
    found = {name: replace(gate.kinds["exact"]) for name in names()}
    said = blind_statement(unseen(replace(gate, kinds=found, blind=(), untried=())))
    assert said.startswith("The gate is blind to no kind that was tried") and said.endswith("is not known.")
    assert "at least 0.9 of each, each by its own 95 % bound." in said
    assert "every" not in said


def test_no_recall_is_rounded_up() -> None:
    assert [at_least(value) for value in (1.0, 0.99999, 0.9, 0.8999999, 0.0004, 0.57)] == [
        *("1.000", "0.999", "0.900", "0.899", "0.000", "0.570")
    ]


def test_the_miss_rate_is_told_of_the_people_whom_it_is_about(gate: GateFigures) -> None:
    assert "at most 0.009 (95 % upper bound, by 1999 people)." in gate_statement(gate)
    worse = MissFigures(subjects=400, missed=9, miss_rate=0.02, miss_rate_upper=0.0401)
    said = gate_statement(replace(gate, held_out=worse, miss_rate_upper=0.0401))
    assert said.endswith("at most 0.0401 (95 % upper bound, by 400 held-out people, of whom it misses more).")


def test_a_handful_of_people_is_not_told(gate: GateFigures) -> None:
    few = KindFigures(subjects=3, recall=1.0, recall_lower=0.368, promised=False, blind=True)
    assert "| mirror | mirrored | withheld | withheld | no | yes |" in kinds_table(replace(gate, kinds={"mirror": few}))


def test_matchers_gallery_and_false_flags_are_those_of_the_figures(figures: StudyFigures, alter: Alter) -> None:
    text = " ".join(card_of(alter(figures, "gate", false_flag_rate_of={"b": 0.1234, "a": 0.05, "c": 0})).split())
    assert "A gate (matchers: mixtures, parts, poses, re-identifier) compared every candidate with all 6000" in text
    assert "of all 4000 people of this study, held-out people included." in text
    assert "| the same by label | `a` 0.050, `b` 0.123 |" in text


def test_of_a_gate_without_figures_nothing_is_claimed(figures: StudyFigures) -> None:
    text = " ".join(card_of(replace(figures, gate=None)).split())
    assert "It is not known which copies of people the gate finds." in text and "may be blind to: the picture" in text
    assert "| not known | | | | | |" in text


def test_what_the_audit_does_not_see_is_named_too(figures: StudyFigures, alter: Alter) -> None:
    rows = (KindRow("mirror", 40, 1.0, 0.928), KindRow("half", 40, 0.5, 0.36))
    text = " ".join(card_of(alter(figures, "audit", kinds=rows, blind=("half",))).split())
    assert "tried on 2 kinds of copies, each at one strength and no other: mirror, half." in text
    assert "It may overlook single copies of: one half, in somebody else's picture (half)." in text
    rows = (KindRow("rotation 20°", 40, 1.0, 0.928), rows[0])
    seen = " ".join(card_of(alter(figures, "audit", kinds=rows, blind=())).split())
    assert "tried on 2 kinds of copies, each at one strength and no other: rotation 20°, mirror." in seen
    assert (
        "It overlooks copies of none of these kinds: it sees at least 0.9 of each, each by its own 95 % bound." in seen
    )
    assert "The audit searched" not in card_of(figures)


def test_copied_people_and_groups_are_told_without_small_counts_or_other_labels(
    figures: StudyFigures, alter: Alter
) -> None:
    repeats = RepeatFigures(images=0, clusters=0, largest=1, likeness=0.97, strangers=90)
    copied = Copied(
        found=True,
        images="<5",
        people="<5",
        identical="<5",
        released=1000,
        level=0.05,
        matchers=(MatcherFinding(matcher="parts", images="<5", known=90, closeness=1.5, margin=None),),
        carried=False,
        control_images="<5",
        repeats=repeats,
        dropped="<5",
    )
    strata = tuple(StratumRow(f"people with the label {label}", 3, "<5", (), 122) for label in ("a", "secret"))
    text = " ".join(card_of(alter(figures, "audit", copied=copied, strata=strata)).split())
    assert "Of 1,000 released images, fewer than five copy fewer than five people" in text
    assert "Fewer than five images were taken out of the release" in text and "could go unseen" in text
    assert "| parts | <5 | 1.500 | none | 90 |" in text
    assert "| people with the label a | <5, <5 | too few to measure |" in text
    assert "secret" not in text and "people with the label that no released image has" in text


def test_a_looser_policy_is_told(figures: StudyFigures) -> None:
    assert "looser policy" not in card_of(figures)
    wide = PolicyConfig(gate_miss_upper=0.5, may_be_blind=("mirror",))
    card = dataset_card(images=9, shape=(1, 8, 8), classes=["a"], figures=figures, policy=wide, version="0")
    text = " ".join(card.split())
    assert "looser policy than usual: policy.gate_miss_upper = 0.5 is looser than the default 0.01; " in text
    assert "blind to more than the default does: mirror." in text


@pytest.mark.parametrize(("power", "said"), [(0.8, "none found"), (0.79, "not known"), (None, "not known")])
def test_of_samples_that_could_not_have_shown_it_no_innocence_is_claimed(
    figures: StudyFigures, alter: Alter, power: float | None, said: str
) -> None:
    seen = alter(figures, "diffusion", denoiser_match_power=power, denoiser_match_rate=0.0, denoiser_gap=0.001)
    assert memorisation(seen.diffusion) == said
    known = alter(seen, "diffusion", denoiser_memorised=True)
    assert memorisation(known.diffusion) == "found"
    assert memorisation(alter(seen, "diffusion", denoiser_memorised=None).diffusion) == "not known"


def test_every_primary_figure_is_told_with_its_margin(figures: StudyFigures) -> None:
    text = " ".join(card_of(figures).split())
    assert "| AUROC of membership, " in text and "upper bound (margin 0.55) | 0.528 |" in text
    assert "true-positive rate above 0.0204" in text and "| verdict of the audit (profile open) |" in text
    assert "Terms." not in text


def test_a_release_under_agreement_has_terms(figures: StudyFigures) -> None:
    policy = PolicyConfig(profile="agreement")
    card = dataset_card(images=9, shape=(1, 8, 8), classes=["a"], figures=figures, policy=policy, version="0")
    text = " ".join(card.split())
    assert "**Terms.** The audit held the margins of the profile `agreement`" in text and "will not pass it on" in text


def test_of_an_audit_without_primary_figures_nothing_is_claimed(figures: StudyFigures, alter: Alter) -> None:
    text = " ".join(card_of(alter(figures, "audit", primary=None)).split())
    assert "with an AUROC above not known" in text


def test_a_private_training_is_told_with_what_is_outside_it(figures: StudyFigures) -> None:
    assert figures.diffusion is not None
    assert "trained with differential privacy" not in card_of(figures)
    privacy = PrivacyFigures(epsilon=2.96, delta=1e-5, clip=1.0, noise_multiplier=1.7, sampling_rate=0.034, steps=4000)
    private = replace(figures, diffusion=replace(figures.diffusion, epsilon=2.96, delta=1e-5, privacy=privacy))
    text = " ".join(card_of(private).split())
    assert "differential privacy for each person, ε = 2.96 at δ = 1e-05 (4,000 steps" in text
    said = text[text.index("Outside this guarantee") :]
    for outside in ("the gate, its thresholds", "which candidate is chosen", "counts of their labels", "every figure"):
        assert outside in said
    told = build_evidence(private, PolicyConfig(), [])["diffusion"]
    assert isinstance(told, dict) and told["privacy"]["epsilon"] == 2.96 and told["privacy"]["steps"] == 4000
