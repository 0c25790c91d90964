"""The audit: fit the attacks, read train and control, run the attacks, try the audit itself, decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .background import PRIMARY, Background
from .certificate import certify_weights
from .config import AuditConfig
from .exposure import private_of, tails_of
from .family import Family, fit_attacks, run_attacks
from .figures import AuditFigures, Tails
from .game import advantage_upper, base_rate, isolating_predicates
from .images import Labels, SubjectImages, check_images, label_sets, read_only
from .notes import notes_of, notes_of_matching
from .placebo import measure_placebo
from .planted import Thresholds, measure_planted
from .recall import blind_kinds, measure_kinds
from .resolution import Reading, with_form
from .result import AuditResult, told
from .target import Target, make_target
from .verdict import claim, decide


def audit_images(
    train: SubjectImages,
    control: SubjectImages,
    released: np.ndarray,
    auxiliary: SubjectImages,
    network: SubjectImages | None = None,
    *,
    config: AuditConfig | None = None,
    seed: int,
    advantage_policy: float = 0.05,
    pictures: np.ndarray | None = None,
    shortfalls: Sequence[str] = (),
    notes: Sequence[str] = (),
    reading: Reading | None = None,
    released_labels: Labels | None = None,
) -> AuditResult:
    """Audit a synthetic data set: was it made from the train subjects in a way that singles them out?

    Images are of one size, `released` uint8 [m,C,H,W] as well; no subject may be in two sets. Labels define the strata
    of the permutation test; `released_labels`, those of the released images, are what label inference reads. Without
    `network` the auxiliary subjects are halved by subject, seeded: one half fits the spaces, the other certifies the
    weights; with it, `network` fits the spaces and all auxiliary subjects certify. `advantage_policy` is the largest
    upper bound of the advantage with which the verdict can be `pass`. Sets that do not fit together or are too small
    are an `InputError`.

    `pictures` int64 [m] says which released picture each of the `released` images is a view of; None: each is its own.
    `shortfalls` are reasons of the caller why nothing may pass, `notes` what a reader should know, and `reading` how
    the images were read and brought to one form.
    """
    config = config or AuditConfig()
    if network is None:
        network, auxiliary = auxiliary.halves(seed, "audit")
    sets = {"train": train, "control": control, "auxiliary (weights)": auxiliary, "auxiliary (network)": network}
    check_images(sets, released)
    control = control.at_most(len(train.names), seed)
    background = Background(
        released=read_only(released),
        network=network.read_only(),
        certify=auxiliary.read_only(),
        side=len(control.names),
        config=config,
        seed=seed,
        pictures=None if pictures is None else read_only(pictures),
        released_labels=None if released_labels is None else label_sets(released_labels, len(released)),
    )
    # all that an attack learns is learnt here, without train and control
    fitted = fit_attacks(background, labels=train.labels is not None and control.labels is not None)
    target = make_target(train, control, config, seed)
    family = run_attacks(fitted, target)
    family = replace(family, shortfalls=(*shortfalls, *family.shortfalls))
    result = _evaluate(background, target, family, advantage_policy)
    return replace(result, figures=_with_reading(result.figures, notes, reading))


def _with_reading(figures: AuditFigures, notes: Sequence[str], reading: Reading | None) -> AuditFigures:
    """The figures with the caller's notes before their own, and a claim that says in what form images were compared."""
    return replace(
        figures, notes=(*notes, *figures.notes), claim=with_form(told(figures.claim), reading), reading=reading
    )


def _evaluate(background: Background, target: Target, family: Family, policy: float) -> AuditResult:
    """Figures of a target, and beside them what names people."""
    (hits,) = target.hits(background, PRIMARY, background.config.primary(target.side))
    counts = isolating_predicates(hits, target.roles)
    relative, _ = target.relative_distance(background)
    return AuditResult(
        figures=_figures(background, target, family, policy, tails_of(counts, target.train)),
        train_distances=relative[target.train].astype(np.float32),
        control_distances=relative[~target.train].astype(np.float32),
        private=private_of(counts, background, target),
    )


def _figures(background: Background, target: Target, family: Family, policy: float, tails: Tails) -> AuditFigures:
    """All figures of the audit; the primary game is that of its claim, whichever attacks were run."""
    config, weight = background.config, background.config.primary(target.side)
    primary = target.isolation(background, PRIMARY, weight)
    upper = advantage_upper(primary, target.roles, config.confidence)
    placebo = measure_placebo(background, target, weight)
    planted = measure_planted(background, target, weight, Thresholds(family.own, policy))
    kinds = measure_kinds(background, target)
    blind = blind_kinds(kinds)
    weights = certify_weights(background, target, weight)
    verdict, reasons = decide(
        family.tests,
        advantage_upper=upper,
        policy_upper=policy,
        planted=planted,
        planted_power=config.planted_power,
        placebo=placebo,
        alpha=config.alpha,
        certified=weights.certified,
        shortfalls=family.shortfalls,
    )
    return AuditFigures(
        verdict=verdict,
        reasons=reasons,
        notes=(*notes_of(background, target, weights, policy), *notes_of_matching(background, blind), *family.notes),
        claim=claim(upper, weight, config.confidence),
        advantage=primary.advantage,
        advantage_upper=upper,
        policy_upper=policy,
        isolation_train=primary.train_rate,
        isolation_control=primary.control_rate,
        base_rate=base_rate(target.side, weight),
        weight=weight,
        side=target.side,
        train_subjects=int(target.train.sum()),
        control_subjects=target.side,
        blocks=target.roles.blocks,
        released=len(np.unique(background.picture_of)),
        permutations=config.permutations,
        alpha=config.alpha,
        confidence=config.confidence,
        tests=family.tests,
        weights=weights,
        placebo=placebo,
        planted=planted,
        kinds=kinds,
        blind=blind,
        tails=tails,
        spaces=background.components,
    )
