"""What an audit found, for a person who decides: one chapter each for the figures that make the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.words import plural
from ..diffusion.figures import OUTSIDE
from ..matching.kinds import in_words
from .canary_figures import CanaryFigures
from .chapter import FEW, OUTCOMES, Chapter, at_least, at_most, in_plain, people, share, small
from .chapters_of_attacks import attacks
from .chapters_of_trials import trials
from .copied_figures import Copied, Detectable
from .figures import AuditFigures
from .formal import FormalFigures
from .profiles import IN_WORDS
from .rows import PrimaryRow
from .stratum_rows import StratumRow


def chapters(figures: AuditFigures) -> tuple[Chapter, ...]:
    """All that was measured, the figures of the verdict first; what was not measured has no chapter."""
    return (*findings(figures), *attacks(figures), *trials(figures))


def findings(figures: AuditFigures) -> tuple[Chapter, ...]:
    """The figures of the verdict, and how large a leak they would have shown."""
    made = [
        *(_primary(figures.primary, figures.confidence) if figures.primary else ()),
        *(_copied(figures.copied) if figures.copied else ()),
        *(_least_leak(figures.detectable) if figures.detectable else ()),
        *(_strata(figures.strata) if figures.strata else ()),
        *(_canaries(figures.canaries) if figures.canaries else ()),
        *(_formal(figures.formal) if figures.formal else ()),
    ]
    return (*made, *_unlabelled(figures))


def _primary(rows: Sequence[PrimaryRow], confidence: float | None) -> list[Chapter]:
    sure = f" ({100 * confidence:.3g} % sure)" if confidence is not None else ""
    texts = (
        "Each row is what the strongest of all attacks reached. Chance alone gives an AUROC of 0.5, a true-positive"
        " rate of 0.01, and nearly 0 of the others.",
        f"The upper bound is the most that it may be in truth{sure}. Good is an upper bound within the margin; bad is a"
        " lower bound above it, and means that the release gives people away. Between the two nothing is decided.",
    )
    head = ("what an attacker achieves", "measured", "lower bound", "upper bound", "margin", "outcome", "by the attack")
    cells = tuple(
        (
            IN_WORDS.get(row.name, row.name),
            share(row.value),
            at_least(row.lower),
            at_most(row.upper),
            f"{row.margin:.3g}",
            OUTCOMES[row.outcome],
            in_plain(row.attack),
        )
        for row in rows
    )
    return [Chapter("Primary figures", texts, head, cells, ("primary",))]


def _copied(found: Copied) -> list[Chapter]:
    texts = [
        "Every released image was compared with every person whose images trained the model. One that is nearer to a"
        " person than images of nobody come by chance is a finding: it shows that person. One finding is bad.",
        f"Of {plural(found.released, 'released image')}, {_how_many(found.images)} copy {_how_many(found.people)}"
        f" people; {_how_many(found.identical)} are images of theirs pixel for pixel."
        if found.found
        else f"None of {plural(found.released, 'released image')} was found to copy anybody.",
    ]
    if found.found and found.dropped is not None:
        texts.append(
            f"{_how_many(found.dropped).capitalize()} images were taken out of the release; all other figures are of"
            " what remains."
        )
    if not found.carried:
        texts.append("Too few innocent images were known to set every limit, so that copied people could go unseen.")
    if isinstance(found.control_images, int):
        texts.append(f"{found.control_images} released images are nearly copies of people who are said not to train.")
    repeats = found.repeats
    texts.append(
        f"{plural(repeats.images, 'released image repeats', 'released images repeat')} another one; the most frequent"
        f" picture is there {plural(repeats.largest, 'time')}."
        if repeats.images
        else "No released image repeats another one."
    )
    texts.append(
        "Limits: how near (closeness) and how much nearer than to anybody else (margin) an image must be, as"
        f" logarithms. A release that copies nobody exceeds any of them in one of {1 / found.level:.0f} audits. They"
        " rest on the known innocent images; without a limit a matcher finds nobody."
    )
    head = ("found by", "images", "limit of closeness", "limit of margin", "innocent images known")
    rows = [
        (
            in_plain(row.matcher),
            people(row.images) if found.found else "0",
            share(row.closeness) or "none",
            share(row.margin) or "none",
            f"{row.known:,}",
        )
        for row in found.matchers
    ]
    return [Chapter("Copied people", tuple(texts), head, tuple(rows), ("copied",))]


def _how_many(count: int | str) -> str:
    told = people(count)
    return "fewer than five" if told == FEW else told


def _least_leak(found: Detectable) -> list[Chapter]:
    texts = (
        "Copies of people were planted and searched for, to see how large a leak would have been found with"
        f" {100 * found.power:.3g} % probability. Small numbers are good.",
        "People: so many, with one copied image each, are enough that one of them is found. Images: so many copies of"
        " one person are enough. To a kind without a number of people the audit is blind: of such copies any number"
        " can go unseen.",
        f"The audit is blind to: {'; '.join(_kind(name) for name in found.blind)}."
        if found.blind
        else "The audit is blind to no kind that was planted.",
    )
    head = ("kind of copy", "what it is", "copies found", "95 % lower bound", "people", "images of one person")
    rows = tuple(
        (
            row.kind,
            in_words(row.kind),
            share(row.seen),
            at_least(row.seen_lower),
            "blind" if row.persons is None else str(row.persons),
            "more than tried" if row.images is None else str(row.images),
        )
        for row in found.kinds
    )
    return [Chapter("The least leak that would have been found", texts, head, rows, ("detectable",))]


def _kind(name: str) -> str:
    return name if in_words(name) == name else f"{in_words(name)} ({name})"


def _strata(strata: Sequence[StratumRow]) -> list[Chapter]:
    texts = (
        "An average over everybody can hide a few who are recognised with certainty. These groups were fixed before"
        " training, and each has its own figures and margins.",
        "Bad is what is above the margin. Few people have wide bounds: so many on either side would decide all figures"
        " of a group of which nothing leaks.",
    )
    head = (
        *("group", "people (train, control)", "what an attacker achieves", "measured", "of control people"),
        *("lower bound", "upper bound", "margin", "outcome", "people to decide"),
    )
    rows = []
    for group in strata:
        who = (group.name, f"{people(group.train_people)}, {people(group.control_people)}")
        if not group.figures:
            rows.append((*who, "too few to measure", *[""] * 6, str(group.needed)))
        rows += [
            (
                *who,
                IN_WORDS.get(row.name, row.name),
                share(row.value),
                share(row.control),
                at_least(row.lower),
                at_most(row.upper),
                f"{row.margin:.3g}",
                OUTCOMES[row.outcome],
                str(group.needed),
            )
            for row in group.figures
        ]
    return [Chapter("The worst case", texts, head, tuple(rows), ("strata",))]


def _canaries(found: CanaryFigures) -> list[Chapter]:
    texts = (
        "Altered images, the canaries, were trained on or left out by the toss of a coin, and the attacker guessed"
        " which. None of them is released.",
        "The more guesses are right, the larger the ε that the training must have at least (differential privacy: what"
        " anybody learns of one image changes by a factor of e^ε at most). 0 shows no leak, and proves no privacy;"
        " from 1 on the training gives single images away.",
    )
    rows = (
        ("canaries", f"{found.canaries:,}"),
        ("guesses that gave the bound, and right ones among them", f"{found.guesses:,}, {found.right:,}"),
        ("AUROC of the attacker", share(found.auroc)),
        (f"ε at least (one-sided {found.confidence:.1%} bound)", at_least(found.epsilon_lower)),
        ("at δ", small(found.delta)),
    )
    return [Chapter("Canaries", texts, ("figure", "value"), rows, ("canaries",))]


def _formal(found: FormalFigures) -> list[Chapter]:
    texts = (
        "The generator was trained with differential privacy, which bounds every attacker on it, tested or not: nobody"
        " singles out a person by a predicate of this weight with more than the probability below.",
        f"Outside this guarantee, because it may tell of people: {'; '.join(OUTSIDE)}.",
        "It says nothing." if found.bound >= 1 else "Near 0 is good; 1 would say nothing.",
    )
    rows = (
        ("ε and δ for each person", f"{small(found.epsilon)}, {small(found.delta)}"),
        ("people", people(found.subjects)),
        ("weight of the predicate", small(found.weight)),
        ("probability at most: e^ε · people · weight + people · δ", f"{found.bound:.3g}"),
    )
    return [Chapter("What is proved", texts, ("figure", "value"), rows, ("formal",))]


def _unlabelled(figures: AuditFigures) -> list[Chapter]:
    """The same of people whom nobody labelled, who are a game of their own."""
    first, found = figures.labelled, figures.unlabelled
    if found is None:
        return []
    lead = [f"{people(found.train_subjects)} train people have no labels and were audited apart: {found.verdict}."]
    if first is not None:
        lead.append(f"Of people with labels the verdict is {first.verdict}. The worse of the two counts.")
    made = [
        *(_primary(found.primary, figures.confidence) if found.primary else ()),
        *(_copied(found.copied) if found.copied else ()),
        *(_least_leak(found.detectable) if found.detectable else ()),
    ]
    told = [Chapter(f"{each.title}: people without labels", each.texts, each.head, each.rows) for each in made]
    return [Chapter("People without labels", tuple(lead), keys=("labelled", "unlabelled")), *told]
