"""The audit stage of a study whose halves drew images of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.studies import WIDE, cohort_of, in_blocks, write_selected, write_study
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.halves import deal_halves, write_half
from unpersonal.audit.profiles import ISOLATED, MEMBERSHIP, PROFILES
from unpersonal.audit.stage import run_stage
from unpersonal.audit.swap_joined import OF_FIRST, PROCEDURE
from unpersonal.audit.swap_study import IN_RELEASE, NOTHING, OF_RELEASE, with_swap
from unpersonal.cohort.table import load_cohort
from unpersonal.release.card import audit_statement
from unpersonal.release.evidence import evidence_problems, safe_evidence

SMALL = AuditConfig(
    design="swap",
    attacks=("isolation", "membership-by-distance"),
    permutations=999,
    size=16,
    components=16,
    planted_copies=20,
    kind_copies=1,
    network_steps=20,
)
RELEASED = 20


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, phantoms: tuple[np.ndarray, ...]) -> Path:
    """80 people train, 40 did not, 100 are the auditor's; the release shows people of whom nobody is here."""
    images, subjects, labels = phantoms
    names = np.unique(subjects)[:220]
    rows = np.flatnonzero(np.isin(subjects, names))
    splits = in_blocks(subjects[rows], {"train": 80, "test": 30, "val": 10, "aux": 100})
    cohort = cohort_of(subjects[rows], labels[rows], splits, seed=2)
    fresh = images[np.isin(subjects, np.unique(subjects)[330:])][:RELEASED]
    folder = tmp_path_factory.mktemp("swap") / "study"
    write_study(folder, cohort, images[rows], selected=(fresh, [["No Finding"]] * RELEASED))
    return folder


def halves_of(study: Path, where: Path, phantoms: tuple[np.ndarray, ...], *, leaks: bool) -> list[Path]:
    """Two halves whose generators draw their own train images, or people never seen."""
    images, subjects, _ = phantoms
    cohort, store = load_cohort(study), np.load(study / "store" / "images.npy")
    fresh = images[np.isin(subjects, np.unique(subjects)[330:])]
    folders = []
    for number, half in enumerate(deal_halves(cohort, store, 1)):
        folder = where / "AB"[number]
        write_half(study, folder, half)
        own = store[np.isin(cohort.subjects.astype(str), sorted(half))]
        made = own[:RELEASED] if leaks else fresh[number::2][-RELEASED:]
        write_selected(folder, np.ascontiguousarray(made), [["No Finding"]] * len(made), cohort.classes)
        folders.append(folder)
    return folders


def audited(study: Path, halves: list[Path]) -> AuditFigures:
    device = torch.device("cpu")
    return run_stage(study, SMALL, seed=1, device=device, profile=PROFILES["agreement"], halves=halves)


@pytest.fixture(scope="module")
def honest(study: Path, tmp_path_factory: pytest.TempPathFactory, phantoms: tuple[np.ndarray, ...]) -> AuditFigures:
    return audited(study, halves_of(study, tmp_path_factory.mktemp("honest"), phantoms, leaks=False))


@pytest.mark.slow
def test_an_honest_procedure_does_not_fail_and_the_claim_says_procedure(honest: AuditFigures) -> None:
    assert honest.verdict != "fail"
    assert honest.claim is not None and PROCEDURE in honest.claim and honest.claim.endswith(IN_RELEASE)
    assert OF_RELEASE in honest.notes and OF_FIRST not in " ".join(honest.notes)
    assert honest.swap is not None and honest.swap.people == honest.train_subjects == 80
    # membership is the swap's: everybody has two scores, and nobody who did not train is needed
    rows = {row.name: row for row in honest.primary or ()}
    paired = max(row.auroc_upper for row in honest.swap.membership)
    assert rows[MEMBERSHIP].upper == pytest.approx(paired)
    assert honest.advantage_upper == rows[ISOLATED].upper
    # single attacks are those of the release against who did not train
    assert honest.side == 40 and honest.copied is not None and honest.copied.dropped == "<5"
    assert evidence_problems(safe_evidence({"audit": honest.to_json()})) == []
    assert audit_statement(honest).startswith("What was audited is the procedure")


@pytest.mark.slow
def test_a_procedure_that_copies_fails_though_the_release_shows_nobody(
    study: Path, tmp_path: Path, phantoms: tuple[np.ndarray, ...]
) -> None:
    figures = audited(study, halves_of(study, tmp_path, phantoms, leaks=True))
    assert figures.verdict == "fail" and figures.copied is not None and not figures.copied.found
    assert any(reason.startswith("first game: ") for reason in figures.reasons)


@pytest.mark.slow
def test_what_is_found_in_the_release_itself_is_never_settled_by_the_swap(honest: AuditFigures) -> None:
    swap = replace(honest, verdict="pass", reasons=())
    told = with_swap(replace(honest, verdict="pass", reasons=()), [], swap, SMALL, WIDE)
    assert told.verdict == "pass" and told.reasons == ()
    # what people who did not train cannot decide is decided by the swap
    undecided = replace(honest, verdict="inconclusive", reasons=("a bound",))
    assert with_swap(undecided, [], swap, SMALL, WIDE).verdict == "pass"
    failed = with_swap(replace(honest, verdict="fail", reasons=("copies",)), [], swap, SMALL, WIDE)
    assert failed.verdict == "fail" and failed.reasons == ("the release itself: copies",)
    nothing = with_swap(undecided, [], None, SMALL, WIDE)
    assert nothing.verdict == "inconclusive" and nothing.reasons[-1] == NOTHING and nothing.advantage_upper == 1.0
