"""Seeds derived from what they are for."""

from __future__ import annotations

import torch

from unpersonal.core.seeds import derive_seed, torch_generator


def test_seeds_differ_by_every_part_and_by_its_type():
    seeds = {derive_seed(a, b) for a in (0, 1, "0", "1") for b in (0, 1, "0", "01")}
    assert len(seeds) == 16
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
    assert min(seeds) >= 0 and max(seeds) < 2**63
    assert torch.equal(
        torch.randn(3, generator=torch_generator(1, "x")), torch.randn(3, generator=torch_generator(1, "x"))
    )
