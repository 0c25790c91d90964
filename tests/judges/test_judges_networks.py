"""Networks: kinds, shapes, determinism."""

import pytest
import torch

from unpersonal.judges.networks import KINDS, build_network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 64)])
def test_every_kind_gives_the_shape_and_follows_its_seed(kind, channels, size):
    state = torch.random.get_rng_state()
    first, again, other = (
        build_network(kind, channels=channels, outputs=5, width=8, size=size, seed=seed).eval() for seed in (1, 1, 2)
    )
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = first(images)
        assert out.shape == (2, 5) and torch.isfinite(out).all()
        assert torch.equal(out, again(images)) and not torch.equal(out, other(images))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("size", [16, 32, 48, 64, 128])
def test_small_network_takes_any_size(size):
    network = build_network("small", channels=1, outputs=3, width=8, size=size, seed=0)
    assert network(torch.rand(2, 1, size, size)).shape == (2, 3)


def test_exposure_does_not_reach_the_network():
    network = build_network("small", channels=1, outputs=3, width=8, size=32, seed=0).eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images), network(0.5 * images + 0.2), atol=2e-2, rtol=1e-2)


def test_unknown_kind_and_tiny_images_are_refused():
    with pytest.raises(ValueError, match="vgg"):
        build_network("vgg", channels=1, outputs=2, size=32, seed=0)
    with pytest.raises(ValueError, match="16"):
        build_network("small", channels=1, outputs=2, size=8, seed=0)
