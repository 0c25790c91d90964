"""The audit: fit the attacks, read train and control, run the attacks, try the audit itself, decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from .background import PRIMARY, Background
from .certificate import certify_weights, family_weights
from .config import AuditConfig
from .detectable import measure_detectable
from .dropping import Searched, copied_rows, search_release, with_copied
from .exposure import exposed_of, private_of, tails_of
from .family import Family, fit_attacks, run_attacks
from .figures import AuditFigures, Tails
from .foretold import covariates_of
from .game import base_rate, isolating_predicates
from .images import Labels, SubjectImages, check_images, label_sets, read_only
from .inference_rows import inference_rows
from .isolation_rows import isolation_rows
from .membership_rows import measure_membership, membership_figures
from .notes import notes_of, notes_of_matching
from .placebo import measure_placebo
from .planted import measure_planted
from .primary import primary_rows, unmeasured
from .profiles import ISOLATED, PROFILES, Profile
from .recall import blind_kinds, measure_kinds, plant_kinds
from .resolution import Reading, with_form
from .result import AuditResult, told
from .roc_points import roc_of
from .rows import InferenceRow, IsolationRow, MembershipRow, PrimaryRow, Sham
from .sham import exchange_shortfalls, measure_sham, play_sham
from .strata import measure_strata, strata_findings, strata_undecided
from .target import Target, make_target
from .verdict import claim, decide

if TYPE_CHECKING:
    from ..cohort.soft_labels import SoftLabels
    from .model import ModelAccess


def audit_images(
    train: SubjectImages,
    control: SubjectImages,
    released: np.ndarray,
    auxiliary: SubjectImages,
    network: SubjectImages | None = None,
    *,
    config: AuditConfig | None = None,
    seed: int,
    pictures: np.ndarray | None = None,
    shortfalls: Sequence[str] = (),
    notes: Sequence[str] = (),
    reading: Reading | None = None,
    released_labels: Labels | None = None,
    profile: Profile = PROFILES["open"],
    model: ModelAccess | None = None,
    soft: SoftLabels | None = None,
    drops: bool = False,
    left_out: np.ndarray | None = None,
    keep: list[tuple[Family, Target]] | None = None,
) -> AuditResult:
    """Audit a synthetic data set: was it made from the train subjects in a way that singles them out?

    Images are of one size, `released` uint8 [m,C,H,W] as well; no subject may be in two sets. Labels define the strata
    of the permutation test; `released_labels`, those of the released images, are what label inference reads, and `soft`
    are class probabilities of these images, where they are released too. Without `network` the auxiliary subjects are
    halved by subject, seeded: one half fits the spaces, the other certifies the weights; with it, `network` fits the
    spaces and all auxiliary subjects certify. `profile` has the margins of the verdict. Sets that do not fit together
    or are too small are an `InputError`.

    `pictures` int64 [m] says which released picture each of the `released` images is a view of; None: each is its own.
    `shortfalls` are reasons of the caller why nothing may pass, `notes` what a reader should know, and `reading` how
    the images were read and brought to one form. With `model` the attacker has the trained model as well. With `drops`
    released images that copy people are taken out, and all figures are of what remains; else any makes the verdict
    `fail`. Images that are `left_out`, bool [m], are searched for copies and taken out. What the attacks gave is added
    to `keep`, for whoever joins several games.
    """
    config = config or AuditConfig()
    if network is None:
        network, auxiliary = auxiliary.halves(seed, "audit")
    sets = {"train": train, "control": control, "auxiliary (weights)": auxiliary, "auxiliary (network)": network}
    check_images(sets, released)
    if soft is not None and len(soft) != len(released):
        raise InputError(
            f"{len(soft)} probabilities for {len(released)} images", where="audit", how="give one per image"
        )
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
        model=model,
        soft=soft,
    )
    searched = search_release(background, make_target(train, control, config, seed), drops=drops, left_out=left_out)
    # all that an attack learns is learnt here, without train and control
    labels = train.labels is not None and control.labels is not None
    fitted = fit_attacks(searched.background, labels=labels)
    family = run_attacks(fitted, searched.target)
    apart = exchange_shortfalls(searched.target.exchanged)
    family = replace(family, shortfalls=(*shortfalls, *searched.shortfalls, *apart, *family.shortfalls))
    if keep is not None:
        keep.append((family, searched.target))
    images, by_sham = play_sham(searched.background, searched.target, fitted, labels=labels)
    sham = measure_sham(searched.background, searched.target, images, by_sham)
    looks = covariates_of(searched.background, searched.target, [each.values for each in by_sham.scores.found])
    result = _evaluate(searched, family, sham, looks, profile)
    figures = replace(result.figures, families=family_weights(fitted))
    return replace(result, figures=_with_reading(figures, notes, reading))


def _with_reading(figures: AuditFigures, notes: Sequence[str], reading: Reading | None) -> AuditFigures:
    """The figures with the caller's notes before their own, and a claim that says in what form images were compared."""
    return replace(
        figures, notes=(*notes, *figures.notes), claim=with_form(told(figures.claim), reading), reading=reading
    )


def _evaluate(
    searched: Searched, family: Family, sham: Sham | None, looks: np.ndarray, profile: Profile
) -> AuditResult:
    """Figures of a target, and beside them what names people; `looks` are covariates of its subjects."""
    background, target = searched.background, searched.target
    (hits,) = target.hits(background, PRIMARY, background.config.primary(target.side, len(background.released)))
    counts = isolating_predicates(hits, target.roles)
    relative, _ = target.relative_distance(background)
    return AuditResult(
        figures=_figures(searched, family, sham, looks, profile, tails_of(counts, target.train)),
        train_distances=relative[target.train].astype(np.float32),
        control_distances=relative[~target.train].astype(np.float32),
        private=replace(
            private_of(counts, background, target), exposed=exposed_of(family, target), **copied_rows(searched)
        ),
    )


@dataclass(frozen=True)
class _Rows:
    """The rows of all attacks, and the primary figures made of them."""

    membership: tuple[MembershipRow, ...]
    isolation: tuple[IsolationRow, ...]
    inference: tuple[InferenceRow, ...]
    primary: tuple[PrimaryRow, ...]


def _rows(
    family: Family, background: Background, target: Target, looks: np.ndarray, profile: Profile, weight: float
) -> _Rows:
    """Predicates of more than the primary weight isolate too many by chance: they are told, and decide nothing."""
    scores, predicates, guesses = family.scores, family.predicates, family.guesses
    confidence, pictures = background.config.confidence, background.picture_of
    measured = measure_membership(scores.found, scores.names, target, looks, background.seed)
    membership = membership_figures(measured, 2 * scores.own, confidence)
    isolation = isolation_rows(predicates.found, predicates.names, target.roles, confidence, predicates.own, pictures)
    inference = inference_rows(guesses.found, guesses.names, target.train, confidence, guesses.own)
    people = int(target.train.sum())
    primary = primary_rows(
        membership,
        [row for row in isolation if row.weight <= weight],
        inference,
        profile,
        confidence=confidence,
        people=people,
    )
    return _Rows(membership.rows, isolation, inference, primary)


def _figures(
    searched: Searched, family: Family, sham: Sham | None, looks: np.ndarray, profile: Profile, tails: Tails
) -> AuditFigures:
    """All figures of the audit."""
    background, target = searched.background, searched.target
    config, weight = background.config, background.config.primary(target.side, len(background.released))
    rows = _rows(family, background, target, looks, profile, weight)
    placebo, planted = measure_placebo(background, target, weight), measure_planted(background, target, weight)
    plants = plant_kinds(background, target)
    kinds = measure_kinds(plants)
    blind = blind_kinds(kinds)
    weights = certify_weights(background, target, weight)
    strata = measure_strata(background, target, family, profile, weight)
    undecided = strata_undecided(strata)
    verdict, reasons = decide(
        rows.primary,
        family.tests,
        people=int(target.train.sum()),
        profile=profile,
        planted=planted,
        planted_power=config.planted_power,
        placebo=placebo,
        sham=sham,
        alpha=config.alpha,
        certified=weights.certified,
        findings=strata_findings(strata),
        shortfalls=(
            *family.shortfalls,
            *(unmeasured(rows.primary) if rows.primary else ()),
            *(undecided if config.undecided_strata == "inconclusive" else ()),
        ),
    )
    upper = next((row.upper for row in rows.primary if row.name == ISOLATED), 1.0)
    isolated = next((row for row in rows.isolation if row.name == "isolation"), None)
    figures = AuditFigures(
        verdict=verdict,
        reasons=reasons,
        notes=(
            *notes_of(background, target, weights, profile),
            *notes_of_matching(background, blind),
            *family.notes,
            *undecided,
        ),
        claim=claim(rows.primary, weight, config.confidence, profile, model=background.model is not None),
        advantage=isolated.isolated - isolated.isolated_control if isolated else None,
        advantage_upper=upper,
        policy_upper=profile.isolated,
        profile=profile.name,
        primary=rows.primary,
        membership=rows.membership,
        isolation=rows.isolation,
        inference=rows.inference,
        roc=roc_of(rows.primary, family.scores, target.train, config.confidence),
        isolation_train=isolated.isolated if isolated else None,
        isolation_control=isolated.isolated_control if isolated else None,
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
        sham=sham,
        planted=planted,
        kinds=kinds,
        blind=blind,
        tails=tails,
        spaces=background.components,
        strata=strata,
        probabilities=background.soft is not None,
    )
    return with_copied(figures, searched, measure_detectable(background, target, plants, searched.search.limits))
