"""The audit's own network: what it learns, and that it is nobody else's."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import unpersonal.audit
from tests.judges.test_stage import CONFIG as GATE
from tests.judges.test_stage import phantom_study
from unpersonal.audit import AuditConfig, SubjectImages
from unpersonal.audit.learned import LearnedMatcher, build_network, train_matcher
from unpersonal.audit.matchers import CLOSED_FORMS, LEARNED, fit_matchers
from unpersonal.judges.build import build_network as build_judge
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.registry import NETWORKS
from unpersonal.judges.stage import run_stage as run_judges
from unpersonal.matching.kinds import kind


def people(phantoms: tuple[np.ndarray, ...], first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    images, subjects, _ = phantoms
    rows = np.flatnonzero(np.isin(subjects, np.unique(subjects)[first:last]))
    return images[rows], subjects[rows]


@pytest.fixture(scope="module")
def matcher(phantoms: tuple[np.ndarray, ...]) -> LearnedMatcher:
    return train_matcher(*people(phantoms, 330, 400), steps=60, seed=3)


@pytest.mark.parametrize("name", ["mirror", "polarity", "right-angle", "exposure", "jpeg"])
def test_copies_of_people_it_never_saw_are_named(
    phantoms: tuple[np.ndarray, ...], matcher: LearnedMatcher, name: str
) -> None:
    images, subjects = people(phantoms, 0, 200)
    gallery = matcher.enrol(images, subjects)
    made, rng = kind(name), np.random.default_rng(0)
    copies = made.copies(images[:40], images[:0], made.strengths[0], rng)
    found = matcher.score(copies, gallery)
    assert (subjects[found.nearest] == subjects[:40]).mean() >= 0.95
    strangers = matcher.score(people(phantoms, 200, 330)[0], gallery)
    assert np.median(found.score) > np.quantile(strangers.score, 0.9)


def test_the_own_subject_can_be_left_out(phantoms: tuple[np.ndarray, ...], matcher: LearnedMatcher) -> None:
    images, subjects = people(phantoms, 0, 60)
    gallery = matcher.enrol(images, subjects)
    found = matcher.score(images, gallery, own=subjects)
    assert not (subjects[found.nearest] == subjects).any() and np.isfinite(found.score).all()
    alone = matcher.score(images[:2], matcher.enrol(images[:1], subjects[:1]), own=np.repeat(subjects[:1], 2))
    assert np.isfinite(alone.score).all()
    with pytest.raises(ValueError, match="empty"):
        matcher.enrol(images[:0], subjects[:0])


def test_a_score_depends_on_no_other_query(phantoms: tuple[np.ndarray, ...], matcher: LearnedMatcher) -> None:
    gallery = matcher.enrol(*people(phantoms, 0, 50))
    queries = people(phantoms, 200, 230)[0]
    together, alone = matcher.score(queries, gallery), matcher.score(queries[4:5], gallery)
    assert together.nearest[4] == alone.nearest[0] and together.score[4] == pytest.approx(alone.score[0], abs=1e-5)


def test_same_people_same_seed_same_network(phantoms: tuple[np.ndarray, ...]) -> None:
    given, state = people(phantoms, 330, 400), torch.random.get_rng_state()
    first, second, other = (train_matcher(*given, steps=3, seed=seed).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", NETWORKS.own_names())
def test_gate_and_audit_have_different_networks(matcher: LearnedMatcher, name: str) -> None:
    """Whatever the seed: the layers are others, so that no weights of one fit the other."""
    own = [tuple(value.shape) for value in build_network().state_dict().values()]
    config = JudgesConfig(reidentifier=name, embedding=128)
    gate = build_judge(name, config, channels=1, outputs=128, size=32, seed=3).state_dict()
    assert [tuple(value.shape) for value in gate.values()] != own
    for value in matcher.network.state_dict().values():
        if value.dim() > 1:
            assert not any(torch.equal(value, known) for known in gate.values())


@pytest.mark.slow
def test_no_weights_of_the_gate_are_the_audits(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    """A gate as the stage writes it, with the same seed and the same closed forms; each learned on its own people."""
    study = phantom_study(tmp_path)
    config = JudgesConfig(**{**GATE.model_dump(), "matchers": CLOSED_FORMS})
    run_judges(study, config, seed=4, device=torch.device("cpu"))
    gate = [value for file in (study / "models" / "judges").glob("*.safetensors") for value in load_file(file).values()]
    people_of_the_audit = SubjectImages(*people(phantoms, 330, 400))
    fitted = fit_matchers(people_of_the_audit, AuditConfig(network_steps=20), 4)
    states = [dict(each.matcher.to_tensors()) for each in fitted if each.name in CLOSED_FORMS]
    states += [each.matcher.network.state_dict() for each in fitted if each.name == LEARNED]
    own = [value for state in states for value in state.values() if value.dim() > 1]
    assert len(states) == 4 and len(own) > 10 and len(gate) > 10
    for value in own:
        assert not any(value.shape == known.shape and torch.equal(value, known) for known in gate)


def test_the_audit_imports_nothing_of_the_judges() -> None:
    for path in Path(unpersonal.audit.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert "judges" not in (node.module or ""), path
