"""Guidance of Gaussians, whose guided flow is known in closed form: strength, interval, cost; and the configuration."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.solvers import steps_within
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.store import load_codec, save_codec
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_json
from unpersonal.core.pixels import to_uint8
from unpersonal.core.tensors import save_array, save_tensors
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.guidance import guided
from unpersonal.diffusion.models import load_models
from unpersonal.diffusion.network import build_denoiser
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.registry import SOLVERS
from unpersonal.diffusion.sampling import sample, time_grid
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.sampler import make_sampler

OWN, OTHER = 0.3, 0.8
SOLVER_NAMES = SOLVERS.own_names()
TOP = 20.0


def run(solver: str, denoise: Any, unit: Tensor, grid: Tensor) -> Tensor:
    part = SOLVERS.get(solver)
    return part.run(denoise, unit, grid, config=part.config())


class Gaussian:
    """The exact denoiser of N(mean, spread²), which counts its evaluations and keeps the labels it was given."""

    def __init__(self, spread: float, mean: float = 0.0) -> None:
        self.mean, self.spread = mean, spread
        self.levels: list[float] = []
        self.labels: list[Tensor | None] = []

    def __call__(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        self.levels.append(float(t))
        self.labels.append(labels)
        return (self.spread**2 * x + t**2 * self.mean) / (self.spread**2 + t**2)


def noise(count: int = 40) -> Tensor:
    return torch.randn(count, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def shrink(w: float, begin: float, end: float) -> float:
    """Factor by which the guided flow moves x from noise level `begin` to `end`.

    Both densities have mean 0, so dx / d sigma = x sigma (w / (OWN² + sigma²) + (1 - w) / (OTHER² + sigma²)).
    """
    own, other = ((s**2 + end**2) / (s**2 + begin**2) for s in (OWN, OTHER))
    return own ** (w / 2) * other ** ((1 - w) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVER_NAMES)
@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 1.4, 3.0])
def test_the_guided_flow_of_two_gaussians(solver: str, w: float) -> None:
    denoise = guided(Gaussian(OWN), guide=Gaussian(OTHER), guidance=w)
    grid = time_grid(steps_within(solver, 255), 1e-3, TOP, dtype=torch.float64)
    out = run(solver, denoise, noise(), grid).double()
    expected = noise() * TOP * shrink(w, TOP, 0.0)
    assert torch.allclose(out, expected, rtol=3e-3, atol=1e-3)
    if w != 1.0:
        assert not torch.allclose(out, noise() * TOP * shrink(1.0, TOP, 0.0), rtol=3e-3, atol=1e-3)


def test_equal_spreads_move_the_mean_by_the_strength() -> None:
    for w in (0.0, 0.7, 1.0, 2.0):
        drawn = sample(Gaussian(0.5, 1.0), noise(3000).float(), guide=Gaussian(0.5, 0.2), guidance=w, solver="unipc-2")
        assert float(drawn.mean()) == pytest.approx(0.2 + w * 0.8, abs=0.04)
        assert float(drawn.std()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("solver", SOLVER_NAMES)
def test_outside_the_interval_only_the_denoiser_acts_and_is_paid_for(solver: str) -> None:
    low, high, w = 0.2, 2.0, 2.5
    own, other = Gaussian(OWN), Gaussian(OTHER)
    grid = time_grid(steps_within(solver, 511), 1e-3, TOP, dtype=torch.float64)
    out = run(solver, guided(own, guide=other, guidance=w, interval=(low, high)), noise(), grid).double()
    factor = shrink(1.0, TOP, high) * shrink(w, high, low) * shrink(1.0, low, 0.0)
    # the jump at either end falls inside a step, so the error is of the order of a step
    assert torch.allclose(out, noise() * TOP * factor, rtol=0.02, atol=2e-3)
    assert not torch.allclose(out, noise() * TOP * shrink(w, TOP, 0.0), rtol=0.1, atol=1e-2)
    assert not torch.allclose(out, noise() * TOP * shrink(1.0, TOP, 0.0), rtol=0.1, atol=1e-2)
    assert other.levels == [t for t in own.levels if low <= t <= high]
    assert 0 < len(other.levels) < len(own.levels) / 2


def test_both_ends_belong_to_the_interval() -> None:
    for t, asked in ((0.5, True), (1.0, True), (0.49, False), (1.01, False)):
        other = Gaussian(OTHER)
        denoise = guided(Gaussian(OWN), guide=other, guidance=2.0, interval=(0.5, 1.0))
        denoise(noise(), torch.tensor(t, dtype=torch.float64))
        assert bool(other.levels) is asked


def test_strength_zero_is_the_guide_alone_and_asks_nobody_else() -> None:
    for w in (0.0, torch.zeros(40)):
        own, other = Gaussian(OWN), Gaussian(OTHER)
        x, t = noise(), torch.tensor(0.6, dtype=torch.float64)
        assert torch.equal(guided(own, guide=other, guidance=w)(x, t), Gaussian(OTHER)(x, t))
        assert not own.levels and len(other.levels) == 1


def test_each_sample_has_its_own_strength_within_the_interval() -> None:
    strengths = torch.tensor([0.0, 1.0, 1.7])
    options: dict[str, Any] = {"guide": Gaussian(OTHER), "interval": (0.1, 5.0), "solver": "dpmpp-2m", "steps": 9}
    mixed = sample(Gaussian(OWN), noise(3).float(), guidance=strengths, **options)
    for row, w in enumerate(strengths.tolist()):
        alone = sample(Gaussian(OWN), noise(3).float()[row : row + 1], guidance=w, **options)
        assert torch.allclose(mixed[row : row + 1], alone, atol=1e-6)
    assert not torch.allclose(mixed[2:], sample(Gaussian(OWN), noise(3).float()[2:], steps=9, solver="dpmpp-2m"))


@pytest.mark.parametrize(
    "options",
    [
        {"guidance": -0.1},
        {"guidance": math.nan},
        {"guidance": math.inf},
        {"guidance": torch.tensor([1.0, -1.0])},
        {"guidance": torch.tensor([1.0, math.nan])},
        {"interval": (2.0, 1.0)},
        {"interval": (-1.0, 1.0)},
        {"interval": (math.nan, 1.0)},
    ],
)
def test_senseless_guidance_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="guidance"):
        guided(Gaussian(OWN), guide=Gaussian(OTHER), **{"guidance": 1.4, **options})


def synthesis(**values: Any) -> SynthesisConfig:
    return build_config(SynthesisConfig, values, where="[synthesis]")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"solver": "rk4"}, "solver"),
        ({"guidance": -1}, "guidance"),
        ({"guidance_interval": [2.0, 1.0]}, "guidance_interval"),
        ({"guidance_interval": [1.0, 1.0]}, "guidance_interval"),
        ({"guidance_interval": [-1.0, 1.0]}, "guidance_interval"),
        ({"guidance_interval": [0.1]}, "guidance_interval"),
        ({"guidance_interval": [math.nan, 1.0]}, "guidance_interval"),
        ({"guidance_interval": [100.0, 200.0]}, "never act"),
    ],
)
def test_a_wrong_configuration_is_refused(values: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        synthesis(**values)


def test_the_configuration_counts_its_evaluations() -> None:
    assert synthesis(steps=32, solver="heun").evaluations == 63
    assert synthesis().evaluations == 15, "the fewest that were not inferior (docs/benchmarks.md)"
    assert synthesis(steps=32, solver="unipc-2").evaluations == 32
    assert synthesis(guidance_interval=[0.2, 3]).guidance_interval == (0.2, 3.0)
    assert synthesis().guidance_interval is None


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of what `make_sampler` reads, with untrained networks; the guide of `auto` takes the condition too."""
    root = tmp_path_factory.mktemp("studies")
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
    codec = PixelCodec.fit(images)
    small = {"resolution": 8, "channels": 1, "model_channels": 16, "channels_per_head": 16}
    for kind, own, width in (("free", 4, 0), ("auto", 4, 4), ("bare", 0, 0)):
        folder = root / kind
        save_codec(folder / "store" / "codec.safetensors", codec, "pixel")
        save_array(folder / "store" / "latents.npy", np.zeros((12, 1, 8, 8), np.float32))
        for number, (name, label_dim) in enumerate((("denoiser", own), ("guide", width))):
            config = NetworkConfig(**small, label_dim=label_dim)
            network = build_denoiser(config, number)
            for gain in (value for value in network.parameters() if value.ndim == 0):
                # zero at the start of training, where neither image nor condition would count
                torch.nn.init.constant_(gain, 1.0)
            save_tensors(folder / "models" / "diffusion" / f"{name}.safetensors", network.state_dict())
            write_json(folder / "models" / "diffusion" / f"{name}.json", config.model_dump(mode="json"))
    return root


def drawn(folder: Path, guidance: float = 2.0, rows: slice = slice(None), **values: Any) -> np.ndarray:
    sampler = make_sampler(folder, synthesis(steps=4, **values), torch.device("cpu"))
    conditions = np.eye(4, dtype=np.float32)
    return sampler([1, 2, 3, 2**50][rows], conditions[rows], guidance)


@pytest.mark.slow
def test_the_sampler_of_a_study_uses_solver_and_interval(study: Path) -> None:
    images = {solver: drawn(study / "free", solver=solver) for solver in SOLVER_NAMES}
    assert all(image.dtype == np.uint8 and image.shape == (4, 1, 8, 8) for image in images.values())
    names = list(SOLVER_NAMES)
    assert all((images[a] != images[b]).any() for a in names for b in names if a < b)
    assert (images["dpmpp-2m"] == drawn(study / "free")).all(), "the default"
    narrow = drawn(study / "free", guidance_interval=(1e-6, 1e-5 + 0.002))
    assert (narrow != drawn(study / "free")).any()
    parts = [drawn(study / "free", rows=rows, solver="unipc-2") for rows in (slice(0, 1), slice(1, 4))]
    assert np.abs(np.concatenate(parts).astype(int) - images["unipc-2"].astype(int)).max() <= 1


def test_an_unconditional_study_is_drawn_without_conditions(study: Path) -> None:
    sampler = make_sampler(study / "bare", synthesis(steps=4), torch.device("cpu"))
    assert sampler([1, 2], None, 1.4).shape == (2, 1, 8, 8)
    with pytest.raises(InputError, match="do not fit"):
        sampler([1, 2], np.zeros((2, 4), np.float32), 1.4)
    conditional = make_sampler(study / "free", synthesis(steps=4), torch.device("cpu"))
    for wrong in (None, np.zeros((2, 3), np.float32)):
        with pytest.raises(InputError, match=r"conditions of length 4|have length 4"):
            conditional([1, 2], wrong, 1.4)


@pytest.mark.slow
def test_a_guide_with_conditions_is_given_them(study: Path) -> None:
    for kind in ("free", "auto"):
        folder = study / kind
        denoiser, guide = load_models(folder, torch.device("cpu"))
        for passed in (True, False):
            latents = sample(
                denoiser,
                keyed_noise([1, 2, 3, 2**50], (1, 8, 8)),
                torch.eye(4),
                guide=guide,
                guidance=2.0,
                labels_to_guide=passed,
                steps=4,
            )
            same = (to_uint8(load_codec(folder).decode(latents)) == drawn(folder, solver="heun")).all()
            # a guide without a label layer cannot tell
            assert bool(same) is (passed or kind == "free")
