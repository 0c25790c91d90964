"""Distances of subjects and hits of predicates against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.distances import (
    by_subject,
    find_hits,
    group,
    nearest_centre,
    subject_distances,
)


def test_distances_equal_brute_force_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    points, centres = rng.normal(size=(60, 5)).astype(np.float32) + 30, rng.normal(size=(7, 5)).astype(np.float32) + 30
    subjects = rng.integers(0, 20, 60).astype(str)
    embedded = group(points, subjects)
    expected = np.array(
        [
            [
                min(np.linalg.norm(c - p) for p, s in zip(points, subjects, strict=True) if s == name)
                for name in embedded.names
            ]
            for c in centres
        ]
    )
    monkeypatch.setattr("unpersonal.audit.distances.CHUNK", 9)
    assert len(list(by_subject(centres, embedded))) > 3
    np.testing.assert_allclose(subject_distances(centres, embedded), expected, atol=2e-3)
    nearest, which = nearest_centre(centres, embedded)
    np.testing.assert_allclose(nearest, expected.min(axis=0), atol=2e-3)
    assert (which == expected.argmin(axis=0)).all()
    radii = np.quantile(expected, 0.2, axis=1) + 1e-2
    (hits,) = find_hits(centres, embedded, [radii])
    pairs = set(zip(hits.predicate.tolist(), hits.subject.tolist(), strict=True))
    assert pairs == {(int(p), int(s)) for p, s in zip(*np.nonzero(expected <= radii[:, None]), strict=True)}
