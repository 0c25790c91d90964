"""The clean candidate that is most like its source in label is taken, and never a flagged one."""

from __future__ import annotations

import numpy as np

from unpersonal.synthesis.rank import choose


def test_a_flagged_candidate_never_wins_however_well_it_ranks():
    rng = np.random.default_rng(0)
    for _ in range(200):
        sources = rng.integers(0, 4, 20)
        flagged = rng.random(20) < 0.6
        of_source = {s: rng.dirichlet(np.ones(3)) for s in range(4)}
        probabilities = np.stack(
            [of_source[int(s)] if f else rng.dirichlet(np.ones(3)) for s, f in zip(sources, flagged)]
        )
        chosen = choose(sources, flagged, probabilities, of_source)
        for source in range(4):
            clean = [i for i in range(20) if sources[i] == source and not flagged[i]]
            if not clean:
                assert source not in chosen
            else:
                best = min(clean, key=lambda i: (np.abs(probabilities[i] - of_source[source]).sum(), i))
                assert chosen[source] == best
