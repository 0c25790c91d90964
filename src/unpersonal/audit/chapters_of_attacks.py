"""What every single attack of an audit reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .chapter import Chapter, at_least, at_most, in_plain, people, share, small
from .figures import AuditFigures


def attacks(figures: AuditFigures) -> tuple[Chapter, ...]:
    """A table for each family of attacks that ran."""
    made: tuple[Callable[[AuditFigures], Chapter | None], ...] = (
        _membership,
        _isolation,
        _surest,
        _tails,
        _inference,
        _statistics,
        _swap,
    )
    own = tuple(chapter for make in made if (chapter := make(figures)) is not None)
    return (*own, *_of_unlabelled(figures))


def _of_unlabelled(figures: AuditFigures) -> tuple[Chapter, ...]:
    """The same tables of people whom nobody labelled, who are a game of their own."""
    found = figures.unlabelled
    if found is None:
        return ()
    game = replace(
        figures,
        membership=found.membership,
        isolation=found.isolation,
        tests=found.tests or (),
        inference=None,
        tails=None,
        swap=None,
        unlabelled=None,
    )
    return tuple(replace(each, title=f"{each.title}: people without labels", keys=()) for each in attacks(game))


def _membership(figures: AuditFigures) -> Chapter | None:
    texts = (
        "The attacker guesses who trained, by how the release looks near each person. An AUROC of 0.5 and a"
        " true-positive rate of 0.01 (at 1 % false positives) are chance; far above them is bad. A reversed attack says"
        " the opposite, as holes around people give them away too. The AUROC and its bounds are between two sides of"
        " people who look alike: that common people are near to any release is taken out. What was seen stands beside.",
    )
    bounds = ("lower bound", "upper bound")
    head = ("attack", "AUROC", *bounds, "AUROC as seen", "true-positive rate", *bounds, "p")
    rows = tuple(
        (
            in_plain(row.name),
            share(row.auroc),
            at_least(row.auroc_lower),
            at_most(row.auroc_upper),
            share(row.auroc if row.auroc_observed is None else row.auroc_observed),
            share(row.tpr),
            at_least(row.tpr_lower),
            at_most(row.tpr_upper),
            f"{row.p:.4f}",
        )
        for row in figures.membership or ()
    )
    return Chapter("Attacks on membership", texts, head, rows, ("membership",)) if rows else None


def _isolation(figures: AuditFigures) -> Chapter | None:
    texts = (
        "The attacker writes descriptions (predicates) from the release that should fit one person alone; a person whom"
        " one fits alone is isolated. The weight is the probability with which a description fits a stranger.",
        "Bad is a share of train people whose upper bound is above the margin, or well above that of control people.",
    )
    head = (
        "family",
        "weight",
        "predicates",
        "train people isolated",
        "upper bound",
        "control people isolated",
        "lower bound of the difference",
    )
    rows = tuple(
        (
            in_plain(row.name),
            small(row.weight),
            f"{row.predicates:,}",
            share(row.isolated),
            at_most(row.isolated_upper),
            share(row.isolated_control),
            at_least(row.excess_lower),
        )
        for row in figures.isolation or ()
    )
    return Chapter("Families of predicates", texts, head, rows, ("isolation",)) if rows else None


def _surest(figures: AuditFigures) -> Chapter | None:
    texts = (
        "The attacker bets on the predicates that it trusts most. Success is the share of these bets that isolates a"
        " train person; bad is much more than of control people.",
    )
    head = ("family", "bets", "success", "lower bound", "upper bound", "of control people")
    rows = tuple(
        (
            in_plain(row.name),
            str(top.predicates),
            share(top.success),
            at_least(top.success_lower),
            at_most(top.success_upper),
            share(top.success_control),
        )
        for row in figures.isolation or ()
        for top in row.top
    )
    return Chapter("The surest predicates", texts, head, rows) if rows else None


def _tails(figures: AuditFigures) -> Chapter | None:
    found = figures.tails
    if found is None:
        return None
    texts = (
        "People whom several predicates of the first family isolate are the most exposed. Bad is many more of them"
        f" among train people. The five whom most isolate: {found.train_top5:.3g} predicates each in the mean, of"
        f" control people {found.control_top5:.3g}.",
    )
    rows = tuple(
        (f"{number} or more", people(count), people(found.control_at_least[number]))
        for number, count in sorted(found.train_at_least.items(), key=lambda item: int(item[0]))
    )
    head = ("predicates that isolate the same person", "train people", "control people")
    return Chapter("People isolated several times", texts, head, rows, ("tails",))


def _inference(figures: AuditFigures) -> Chapter | None:
    texts = (
        "The attacker guesses a label or another property of people from the release. Guessing as well of control"
        " people is no leak; bad is to be right much more often of train people.",
    )
    head = ("attack", "right of train people", "right of control people", "difference", "lower bound", "upper bound")
    rows = tuple(
        (
            in_plain(row.name),
            share(row.right_train),
            share(row.right_control),
            share(row.above),
            at_least(row.above_lower),
            at_most(row.above_upper),
        )
        for row in figures.inference or ()
    )
    return Chapter("Attacks on labels and properties", texts, head, rows, ("inference",)) if rows else None


def _statistics(figures: AuditFigures) -> Chapter | None:
    texts = (
        "Further attacks give a number alone. Bad is an adjusted p of"
        f" {figures.alpha if figures.alpha is not None else 0.025:g} or less: train and control people differ.",
    )
    head = ("attack", "statistic", "p", "p, Holm-adjusted")
    rows = tuple(
        (in_plain(row.name), f"{row.statistic:.4g}", f"{row.p:.4f}", f"{row.p_adjusted:.4f}") for row in figures.tests
    )
    return Chapter("Single statistics", texts, head, rows, ("tests",)) if rows else None


def _swap(figures: AuditFigures) -> Chapter | None:
    found = figures.swap
    if found is None:
        return None
    texts = (
        f"Two generators were trained on one half of the people each ({people(found.first_people)} and"
        f" {people(found.second_people)}; {found.first_released:,} and {found.second_released:,} images), and each half"
        " is control of the other. What is audited is the procedure, not one model.",
        f"The first game alone: {found.first_verdict}; the second: {found.second_verdict}. Below are both together,"
        f" person by person ({people(found.people)} people with a score in each).",
    )
    head = (
        "attack",
        "AUROC",
        "lower bound",
        "upper bound",
        "upper bound, not paired",
        "true-positive rate",
        "lower bound",
        "upper bound",
    )
    rows = tuple(
        (
            in_plain(row.name),
            share(row.auroc),
            at_least(row.auroc_lower),
            at_most(row.auroc_upper),
            at_most(row.auroc_upper_unpaired),
            share(row.tpr),
            at_least(row.tpr_lower),
            at_most(row.tpr_upper),
        )
        for row in found.membership
    )
    return Chapter("Swap of two generators", texts, head, rows, ("swap",))
