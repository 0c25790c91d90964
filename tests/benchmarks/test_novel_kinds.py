"""Kinds of copies that gate and audit know nothing of."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import unpersonal
from benchmarks.novel_kinds import NOVEL
from unpersonal.matching.kinds import Kind, names
from unpersonal.phantom import phantom_cohort

PEOPLE, _, _ = phantom_cohort(12, 5, 32)
IMAGES, HOSTS = PEOPLE[:6], PEOPLE[6:]


@pytest.mark.parametrize("kind", NOVEL, ids=lambda kind: kind.name)
def test_copies_are_of_their_person_and_are_no_other_kind(kind: Kind) -> None:
    copies = kind.copies(IMAGES, HOSTS, 1.0, np.random.default_rng(0))
    assert (copies != IMAGES).any(axis=(1, 2, 3)).all()
    again = kind.copies(IMAGES, HOSTS, 1.0, np.random.default_rng(0))
    assert np.array_equal(copies, again)
    colour, hosts = (np.repeat(images, 3, axis=1) for images in (IMAGES, HOSTS))
    assert kind.copies(colour, hosts, 1.0, np.random.default_rng(0)).shape == colour.shape
    # another person gives another copy: something of the person is left
    other = kind.copies(IMAGES[::-1], HOSTS, 1.0, np.random.default_rng(0))
    assert (copies != other).any(axis=(1, 2, 3)).sum() == len(IMAGES)


def test_the_software_knows_none_of_them() -> None:
    assert not {kind.name for kind in NOVEL} & set(names())
    root = Path(unpersonal.__file__).parent
    for path in root.rglob("*.py"):
        imported = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
        assert not [node for node in imported if (node.module or "").startswith("benchmarks")], path
