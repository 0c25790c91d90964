"""The audit on arrays: fit the spaces, fix the radii, play the game, try the audit itself, decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cohort.strata import halve, subject_strata
from ..core.errors import InputError
from ..core.hashing import sha256_bytes
from ..core.seeds import numpy_rng
from ..metrics.hypothesis import holm, permutation_p
from ..metrics.intervals import clopper_pearson_lower
from .config import AuditConfig
from .distances import Group, Hits, distances, find_hits, group, join_hits, nearest_centre, subject_distances
from .figures import AttackTest, MixtureRow, Placebo, Planted, PlantedRow, Tails, Weights
from .game import (
    Isolation,
    Roles,
    advantage_upper,
    base_rate,
    deal_roles,
    isolating_predicates,
    permuted_codes,
    play,
    smallest_trials,
)
from .membership import auroc_with_null, relative_distance
from .planted import PERTURBATIONS, perturbed_copies
from .result import AuditResult, Private, masked
from .spaces import KINDS, Space, fit_space
from .verdict import claim, decide
from .weights import FEWEST, TailModel, calibration, fit_tails

Labels = Sequence[str] | Sequence[Sequence[str]] | None
MODEL = "power-law tail, Hill dimension pooled over predicates, upper confidence bounds"
MIXTURES = (0.02, 0.05, 0.1, 0.2)
RESOLVABLE = (1 / 20, 1 / 50, 1 / 200, 1 / 1000)
AT_LEAST = (1, 2, 5, 10)


@dataclass(frozen=True)
class Arena:
    """Everything the games share: N subjects of train and control with their roles and permutations.

    `images` uint8 [n,C,H,W] = train images, then control images; `first_control` = number of train images; `people` are
    the subjects in the primary space; `codes` int16 [P, N].
    """

    images: np.ndarray
    subjects: np.ndarray
    first_control: int
    people: Group
    roles: Roles
    codes: np.ndarray


def _label_rows(labels: Labels, count: int) -> list[tuple[str, ...]]:
    if labels is None:
        return [()] * count
    if len(labels) != count:
        raise InputError(f"{len(labels)} labels for {count} images", where="audit", how="give one per image")
    return [(row,) if isinstance(row, str) else tuple(str(x) for x in row) for row in labels]


def _check(parts: dict[str, tuple[np.ndarray, np.ndarray]], synthetic: np.ndarray) -> None:
    problems = []
    shape = synthetic.shape[1:]
    for name, (images, subjects) in parts.items():
        if len(images) != len(subjects):
            problems.append(f"{name}: {len(images)} images but {len(subjects)} subjects named")
        if images.shape[1:] != shape or images.dtype != np.uint8:
            problems.append(f"{name}: images are {images.dtype} {images.shape[1:]}, synthetic ones uint8 {shape}")
        if len(images) == 0:
            problems.append(f"{name}: no images")
    if synthetic.ndim != 4 or synthetic.dtype != np.uint8 or len(synthetic) == 0:
        problems.append(f"synthetic: needs uint8 [m,C,H,W] with m > 0, is {synthetic.dtype} {synthetic.shape}")
    sets = {name: set(np.asarray(subjects).astype(str)) for name, (_, subjects) in parts.items()}
    names = list(sets)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = len(sets[first] & sets[second])
            if shared:
                problems.append(f"{shared} subjects are in both {first} and {second}")
    if problems:
        raise InputError(
            "; ".join(problems), where="audit", how="every subject belongs to one part, images to one size"
        )


def _halve(images: np.ndarray, subjects: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    half = halve(subject_strata(subjects, [()] * len(subjects)), seed, "audit")
    second = np.array([half[str(subject)] == 1 for subject in subjects], dtype=bool)
    return np.flatnonzero(~second), np.flatnonzero(second)


def _strata(subjects: np.ndarray, labels: list[tuple[str, ...]], people: Group) -> np.ndarray:
    """Stratum of every subject: label set and images per subject (1, 2, 3, 4, then by doubling), str [N]."""
    by_label = subject_strata(subjects, labels)
    count = people.images_per_subject
    bins = np.where(count <= 4, count, 5 + np.floor(np.log2(np.maximum(count, 1))).astype(int))
    return np.array(["\x1f".join((*by_label[name], str(b))) for name, b in zip(people.names, bins, strict=True)])


def _isolation_tests(name: str, outcome: Isolation) -> list[tuple[str, float, float]]:
    return [
        (name, outcome.advantage, permutation_p(outcome.advantage, outcome.null)),
        (f"{name}_reversed", -outcome.advantage, permutation_p(-outcome.advantage, -outcome.null)),
    ]


def _tails_of(centres: np.ndarray, weights_group: Group, config: AuditConfig) -> TailModel:
    return fit_tails(
        subject_distances(centres, weights_group),
        neighbours=config.neighbours,
        shrinkage=config.shrinkage,
        confidence=config.weight_confidence,
    )


def _two_sided(observed: float, null: np.ndarray) -> float:
    return min(1.0, 2.0 * min(permutation_p(observed, null), permutation_p(-observed, -null)))


def _placebo(certify: Group, arena: Arena, weight: float, config: AuditConfig, seed: int) -> Placebo:
    """Predicates around auxiliary images (own subject left out of the tail): isolation and distance, two-sided."""
    rows = np.arange(len(certify.points))
    if len(rows) > config.placebo_images:
        rows = np.sort(numpy_rng(seed, "audit", "placebo").choice(rows, config.placebo_images, replace=False))
    centres = certify.points[rows]
    own = np.searchsorted(certify.starts, rows, side="right") - 1
    to_certify = subject_distances(centres, certify)
    to_certify[np.arange(len(rows)), own] = np.inf
    tails = fit_tails(
        to_certify, neighbours=config.neighbours, shrinkage=config.shrinkage, confidence=config.weight_confidence
    )
    (hits,) = find_hits(centres, arena.people, [tails.radii(weight)])
    outcome = play(hits, arena.roles, arena.codes)
    isolation_p = _two_sided(outcome.advantage, outcome.null)
    nearest, _ = nearest_centre(centres, arena.people)
    auroc, null = auroc_with_null(-nearest, arena.codes, arena.roles.train, arena.roles.blocks)
    distance_p = _two_sided(auroc - 0.5, null - 0.5)
    return Placebo(
        predicates=len(rows),
        isolation_difference=outcome.advantage,
        isolation_p=isolation_p,
        distance_auroc=auroc,
        distance_p=distance_p,
        # two looks at one question: Bonferroni
        difference=min(1.0, 2.0 * min(isolation_p, distance_p)) <= config.alpha,
    )


def _planted(
    space: Space,
    certify: Group,
    arena: Arena,
    released: Hits,
    weight: float,
    config: AuditConfig,
    seed: int,
    family: int,
    policy: float,
) -> Planted:
    """Perturbed copies of train images as predicates: how many isolate their own subject; mixtures with the release."""
    rng = numpy_rng(seed, "audit", "planted")
    train = np.flatnonzero(arena.roles.train)
    chosen = rng.permutation(train)[: config.planted_copies]
    count = arena.people.images_per_subject[chosen]
    rows = arena.people.rows[arena.people.starts[chosen] + rng.integers(0, count)]
    copies, kinds = perturbed_copies(arena.images[rows], rng)
    centres = space.embed(copies)
    tails = _tails_of(centres, certify, config)
    (hits,) = find_hits(centres, arena.people, [tails.radii(weight)])
    success = _isolates_own(hits, chosen, arena.roles)
    found = int(success.sum())
    return Planted(
        copies=len(chosen),
        power=found / len(chosen),
        power_lower=clopper_pearson_lower(found, len(chosen), config.confidence),
        kinds=tuple(
            PlantedRow(kind, int((kinds == kind).sum()), float(success[kinds == kind].mean()))
            for kind in PERTURBATIONS
            if (kinds == kind).any()
        ),
        mixtures=tuple(_mixture(share, hits, released, arena, config, rng, family, policy) for share in MIXTURES),
    )


def _isolates_own(hits: Hits, owners: np.ndarray, roles: Roles) -> np.ndarray:
    """Whether predicate j is met by train subject `owners[j]` and nobody else in that subject's block, bool [p]."""
    block = roles.role[owners][hits.predicate]
    inside = (roles.role[hits.subject] == block) | (roles.pad[hits.subject] & (block == roles.blocks - 1))
    total = np.bincount(hits.predicate[inside], minlength=hits.predicates)
    own = np.bincount(hits.predicate[hits.subject == owners[hits.predicate]], minlength=hits.predicates)
    return (total == 1) & (own == 1)


def _mixture(
    share: float,
    planted: Hits,
    released: Hits,
    arena: Arena,
    config: AuditConfig,
    rng: np.random.Generator,
    family: int,
    policy: float,
) -> MixtureRow:
    copies = max(1, min(round(share * released.predicates), planted.predicates))
    kept = min(round(copies * (1.0 - share) / share), released.predicates - copies)
    clean = released.only(np.sort(rng.permutation(released.predicates)[: max(kept, 0)]))
    leaky = planted.only(np.sort(rng.permutation(planted.predicates)[:copies]))
    outcome = play(join_hits(leaky, clean), arena.roles, arena.codes[:1999])
    p = permutation_p(outcome.advantage, outcome.null)
    # the hardest threshold that Holm's procedure can set
    detected = p <= config.alpha / family
    return MixtureRow(
        copied_share=copies / (copies + clean.predicates),
        released=copies + clean.predicates,
        advantage=outcome.advantage,
        p=p,
        detected=detected,
        refused=detected or advantage_upper(outcome, arena.roles, config.confidence) > policy,
    )


def _tails(counts: np.ndarray, train: np.ndarray) -> Tails:
    def table(side: np.ndarray) -> dict[str, int | str]:
        return {str(least): masked(int((side >= least).sum())) for least in AT_LEAST}

    def top5(side: np.ndarray) -> float:
        return float(np.sort(side)[::-1][:5].mean())

    return Tails(table(counts[train]), table(counts[~train]), top5(counts[train]), top5(counts[~train]))


def _private(
    counts: np.ndarray, relative: np.ndarray, which: np.ndarray, synthetic: np.ndarray, arena: Arena
) -> Private:
    train = np.flatnonzero(arena.roles.train)
    worst = train[np.argsort(-counts[train], kind="stable")][:24]
    pairs = []
    for subject in train[np.argsort(relative[train], kind="stable")][:24]:
        begin = int(arena.people.starts[subject])
        points = arena.people.points[begin : begin + int(arena.people.images_per_subject[subject])]
        centre = synthetic[which[subject]][None]
        row = int(arena.people.rows[begin + int(distances(centre, points)[0].argmin())])
        pairs.append({"train": row, "synthetic": int(which[subject]), "distance": float(relative[subject])})
    return Private(
        worst=tuple(
            {"train": int(arena.people.rows[arena.people.starts[s]]), "predicates": int(counts[s])}
            for s in worst
            if counts[s]
        ),
        pairs=tuple(pairs),
    )


def audit_images(
    train_images: np.ndarray,
    train_subjects: np.ndarray,
    control_images: np.ndarray,
    control_subjects: np.ndarray,
    synthetic_images: np.ndarray,
    auxiliary_images: np.ndarray,
    auxiliary_subjects: np.ndarray,
    *,
    config: AuditConfig | None = None,
    seed: int,
    advantage_policy: float = 0.05,
    train_labels: Labels = None,
    control_labels: Labels = None,
    network_images: np.ndarray | None = None,
    network_subjects: np.ndarray | None = None,
) -> AuditResult:
    """Audit a synthetic data set: was it made from the train subjects in a way that singles them out?

    Images are uint8 [n,C,H,W] of one size, subjects str [n]; no subject may be in two parts. Labels (a string or a
    list of strings per image) only define the strata of the permutation test. The auxiliary subjects are halved by
    subject, seeded: one half fits the spaces, the other certifies the weights; where `network_images` and
    `network_subjects` are given they fit the spaces and all auxiliary subjects certify. `advantage_policy` is the
    largest upper bound of the advantage with which the verdict can be `pass`. Raises `InputError` where parts do not
    fit together or are too small.
    """
    config = config or AuditConfig()
    if network_images is None or network_subjects is None:
        first, second = _halve(auxiliary_images, auxiliary_subjects, seed)
        network_images, network_subjects = auxiliary_images[first], np.asarray(auxiliary_subjects)[first]
        auxiliary_images, auxiliary_subjects = auxiliary_images[second], np.asarray(auxiliary_subjects)[second]
    parts = {
        "train": (train_images, train_subjects),
        "control": (control_images, control_subjects),
        "auxiliary (weights)": (auxiliary_images, auxiliary_subjects),
        "auxiliary (network)": (network_images, network_subjects),
    }
    _check(parts, synthetic_images)
    for name in parts:
        count = len(set(np.asarray(parts[name][1]).astype(str)))
        if count < FEWEST:
            raise InputError(f"{name}: only {count} subjects", where="audit", how=f"give at least {FEWEST}")
    control_rows = _thin_control(train_subjects, control_subjects, seed)
    control_label_rows = _label_rows(control_labels, len(control_images))
    labels = [
        *_label_rows(train_labels, len(train_images)),
        *(control_label_rows[row] for row in control_rows),
    ]
    control_images, control_subjects = control_images[control_rows], np.asarray(control_subjects)[control_rows]
    spaces = [
        fit_space(kind, network_images, size=config.size, components=config.components, seed=seed) for kind in KINDS
    ]
    arena = _arena(spaces[0], train_images, train_subjects, control_images, control_subjects, labels, config, seed)
    side, train = arena.roles.side, arena.roles.train
    weight = 1.0 / (config.weight_divisor * side)
    larger = 1.0 / (config.secondary_weight_divisor * side)

    tests: list[tuple[str, float, float]] = []
    certify = group(spaces[0].embed(auxiliary_images), auxiliary_subjects)
    centres = spaces[0].embed(synthetic_images)
    tails = _tails_of(centres, certify, config)
    hits, more_hits = find_hits(centres, arena.people, [tails.radii(weight), tails.radii(larger)])
    primary = play(hits, arena.roles, arena.codes)
    tests += _isolation_tests("isolation", primary)
    tests += _isolation_tests("isolation_larger_weight", play(more_hits, arena.roles, arena.codes))
    tests += _isolation_tests(
        "isolation_gradient",
        _second_view(spaces[1], arena, synthetic_images, auxiliary_images, auxiliary_subjects, weight, config),
    )
    reference = group(spaces[0].embed(network_images), network_subjects)
    relative, which = relative_distance(centres, arena.people, reference)
    auroc, null = auroc_with_null(-relative, arena.codes, train, arena.roles.blocks)
    tests += [
        ("membership_by_distance", auroc, permutation_p(auroc, null)),
        ("membership_by_distance_reversed", 1.0 - auroc, permutation_p(-auroc, -null)),
    ]
    adjusted = holm([p for _, _, p in tests])
    family = tuple(AttackTest(name, value, p, float(a)) for (name, value, p), a in zip(tests, adjusted, strict=True))

    placebo = _placebo(certify, arena, weight, config, seed)
    planted = _planted(spaces[0], certify, arena, hits, weight, config, seed, len(tests), advantage_policy)
    upper = advantage_upper(primary, arena.roles, config.confidence)
    weights = _weights(centres, arena, tails, weight)
    counts = isolating_predicates(hits, arena.roles)
    verdict, reasons = decide(
        family,
        advantage_upper=upper,
        policy_upper=advantage_policy,
        planted=planted,
        planted_power=config.planted_power,
        placebo=placebo,
        alpha=config.alpha,
        certified=weights.certified,
    )
    return AuditResult(
        verdict=verdict,
        reasons=reasons,
        notes=_notes(arena, len(synthetic_images), weights, advantage_policy, config),
        claim=claim(upper, weight, config.confidence),
        advantage=primary.advantage,
        advantage_upper=upper,
        policy_upper=advantage_policy,
        isolation_train=primary.train_rate,
        isolation_control=primary.control_rate,
        base_rate=base_rate(side, weight),
        weight=weight,
        side=side,
        train_subjects=int(train.sum()),
        control_subjects=side,
        blocks=arena.roles.blocks,
        released=len(synthetic_images),
        permutations=config.permutations,
        alpha=config.alpha,
        confidence=config.confidence,
        tests=family,
        weights=weights,
        placebo=placebo,
        planted=planted,
        tails=_tails(counts, train),
        spaces={space.kind: space.components for space in spaces},
        train_distances=relative[train].astype(np.float32),
        control_distances=relative[~train].astype(np.float32),
        private=_private(counts, relative, which, centres, arena),
    )


def _duplicates(arena: Arena) -> int:
    digests = [sha256_bytes(np.ascontiguousarray(image).tobytes()) for image in arena.images]
    train = set(digests[: arena.first_control])
    return sum(digest in train for digest in digests[arena.first_control :])


def _thin_control(train_subjects: np.ndarray, control_subjects: np.ndarray, seed: int) -> np.ndarray:
    """Rows of control to keep, so that it has no more subjects than train."""
    names = np.unique(np.asarray(control_subjects).astype(str))
    wanted = len(np.unique(np.asarray(train_subjects).astype(str)))
    if len(names) <= wanted:
        return np.arange(len(control_subjects))
    kept = numpy_rng(seed, "audit", "control").permutation(names)[:wanted]
    return np.flatnonzero(np.isin(np.asarray(control_subjects).astype(str), kept))


def _arena(
    space: Space,
    train_images: np.ndarray,
    train_subjects: np.ndarray,
    control_images: np.ndarray,
    control_subjects: np.ndarray,
    labels: list[tuple[str, ...]],
    config: AuditConfig,
    seed: int,
) -> Arena:
    subjects = np.concatenate([np.asarray(train_subjects).astype(str), np.asarray(control_subjects).astype(str)])
    people = group(np.concatenate([space.embed(train_images), space.embed(control_images)]), subjects)
    train = np.isin(people.names, subjects[: len(train_images)])
    roles = deal_roles(train, numpy_rng(seed, "audit", "blocks"))
    codes = permuted_codes(
        roles, _strata(subjects, labels, people), config.permutations, numpy_rng(seed, "audit", "permutations")
    )
    images = np.concatenate([train_images, control_images])
    return Arena(images, subjects, len(train_images), people, roles, codes)


def _second_view(
    space: Space,
    arena: Arena,
    synthetic: np.ndarray,
    auxiliary: np.ndarray,
    auxiliary_subjects: np.ndarray,
    weight: float,
    config: AuditConfig,
) -> Isolation:
    """The primary game again in another space."""
    people = group(space.embed(arena.images), arena.subjects)
    centres = space.embed(synthetic)
    tails = _tails_of(centres, group(space.embed(auxiliary), auxiliary_subjects), config)
    (hits,) = find_hits(centres, people, [tails.radii(weight)])
    return play(hits, arena.roles, arena.codes)


def _weights(centres: np.ndarray, arena: Arena, tails: TailModel, weight: float) -> Weights:
    """Model and its check on control subjects, who fitted nothing."""
    owner = np.repeat(np.arange(len(arena.people)), arena.people.images_per_subject)
    rows = np.flatnonzero(~arena.roles.train[owner])
    to_control = subject_distances(centres, group(arena.people.points[rows], owner[rows]))
    checked = calibration(to_control, tails, (*RESOLVABLE, weight))
    return Weights(
        model=MODEL,
        weight=weight,
        lid=tails.lid,
        lid_lower=tails.lid_lower,
        auxiliary_subjects=tails.subjects,
        neighbours=tails.neighbours,
        calibration=checked,
        certified=all(row.holds for row in checked if row.resolvable),
        primary_observed=checked[-1].observed,
        primary_upper=checked[-1].upper,
    )


def _notes(arena: Arena, released: int, weights: Weights, policy: float, config: AuditConfig) -> tuple[str, ...]:
    notes = []
    side = arena.roles.side
    needed = smallest_trials(policy, config.confidence)
    if min(side, released) < needed:
        notes.append(
            f"{side} subjects a side and {released} released images: with fewer than {needed} of either the upper bound"
            f" stays above {policy:.3f} even if nothing is found, so this audit cannot pass"
        )
    if side < config.smallest_side:
        notes.append(f"{side} subjects a side is a small audit (below {config.smallest_side})")
    if not weights.certified:
        notes.append(
            "the predicate weights are not certified: on control subjects predicates were satisfied more often than"
            " their nominal weight allows"
        )
    twins = _duplicates(arena)
    if twins:
        notes.append(f"{twins} control images are pixel for pixel train images; is the same person in both?")
    return tuple(notes)
