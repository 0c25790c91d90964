"""Every candidate has a seed of its own."""

from __future__ import annotations

from unpersonal.synthesis.draw import candidate_seed


def test_seeds_are_unique_over_source_attempt_candidate_and_study():
    seeds = {
        candidate_seed(study, source, attempt, candidate)
        for study in range(3)
        for source in range(200)
        for attempt in range(4)
        for candidate in range(8)
    }
    assert len(seeds) == 3 * 200 * 4 * 8
