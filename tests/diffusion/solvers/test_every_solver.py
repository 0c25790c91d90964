"""Every solver on a Gaussian mixture, whose denoiser is known in closed form: order, exactness, distribution, cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import EntryPoint
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from benchmarks.solvers import steps_within
from unpersonal.core.config import Config, build_config, part_config
from unpersonal.core.errors import InputError
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.guidance import guided
from unpersonal.diffusion.multistep import UniPC, begin, look, step_weights
from unpersonal.diffusion.network import Denoiser, build_denoiser, fold_weights
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.registry import SOLVERS
from unpersonal.diffusion.sampling import sample, time_grid
from unpersonal.diffusion.solvers.heun import Churn
from unpersonal.synthesis.config import SynthesisConfig

MEANS = torch.tensor([[1.0, 0.2], [-0.8, 0.6], [0.1, -1.0]], dtype=torch.float64)
SPREADS = torch.tensor([0.3, 0.4, 0.25], dtype=torch.float64)
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
ORDERS = {"euler": 1, "heun": 2, "dpmpp-2m": 2, "unipc-2": 3, "unipc-3": 4}
SOLVER_NAMES = SOLVERS.own_names()


def euler(denoise: Callable[..., Tensor], noise: Tensor, sigmas: Tensor) -> Tensor:
    """Euler's method, order 1: what the others are measured against."""
    x, sigmas = begin(noise, sigmas, None)
    for t, t_next in pairwise(sigmas):
        x = x + (t_next - t) * (x - look(denoise, x, t, None)) / t
    return x.float()


def of(name: str) -> Callable[..., Tensor]:
    """The method of one of our solvers."""
    part = SOLVERS.get(name)
    return partial(part.run, config=part.config())


EVERY: dict[str, Callable[..., Tensor]] = {"euler": euler, **{name: of(name) for name in SOLVER_NAMES}}
TOP, BOTTOM = 10.0, 0.05


def mixture(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
    """E[x0 | x] of the mixture, or under one-hot `labels` [B, 3] of one of its components; x [B, 2, 1, 1]."""
    points, level = x.flatten(1).double(), t.double() ** 2
    variance = SPREADS**2 + level
    logits = SHARES.log() - ((points[:, None] - MEANS) ** 2).sum(2) / (2 * variance) - variance.log()
    if labels is not None:
        logits = logits + labels.double().log()
    of_each = (SPREADS[:, None] ** 2 * points[:, None] + level * MEANS) / variance[:, None]
    return (logits.softmax(1)[:, :, None] * of_each).sum(1).reshape(x.shape)


def unit(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 2, 1, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def component(count: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64)[torch.arange(count) % 3]


PROBLEMS = {
    "plain": lambda x, t: mixture(x, t),
    "guided": guided(mixture, component(60), guide=mixture, guidance=1.5),
}


@cache
def exact(problem: str) -> Tensor:
    """The flow from TOP to BOTTOM by SciPy's eighth-order method: dx / d lambda = D - x, lambda = -ln(sigma)."""

    def field(log_snr: float, flat: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(flat).reshape(60, 2, 1, 1)
        return (PROBLEMS[problem](x, torch.tensor(math.exp(-log_snr), dtype=torch.float64)) - x).flatten().numpy()

    span, begin = (-math.log(TOP), -math.log(BOTTOM)), (unit(60) * TOP).flatten().numpy()
    run = solve_ivp(field, span, begin, method="DOP853", rtol=1e-11, atol=1e-12)
    return torch.from_numpy(run.y[:, -1]).reshape(60, 2, 1, 1)


def order_of(solver: str, problem: str, grid: Callable[[int], Tensor]) -> float:
    """Slope of the logarithm of the error against that of the number of steps."""
    counts = (32, 64, 128)
    errors = [
        float((EVERY[solver](PROBLEMS[problem], unit(60), grid(n)).double() - exact(problem)).square().mean().sqrt())
        for n in counts
    ]
    return -float(np.polyfit(np.log(counts), np.log(errors), 1)[0])


def even(steps: int) -> Tensor:
    return time_grid(steps + 1, BOTTOM, TOP, dtype=torch.float64)[:-1]


def uneven(steps: int) -> Tensor:
    """Long and short steps of lambda in turn, 3 : 1."""
    parts = torch.tensor([3.0, 1.0], dtype=torch.float64).repeat(steps // 2).cumsum(0) / (2 * steps)
    levels = TOP * (BOTTOM / TOP) ** torch.cat([torch.zeros(1, dtype=torch.float64), parts])
    return levels


@pytest.mark.slow
@pytest.mark.parametrize("problem", sorted(PROBLEMS))
@pytest.mark.parametrize("solver", sorted(EVERY))
def test_order_of_convergence(solver: str, problem: str) -> None:
    assert order_of(solver, problem, even) == pytest.approx(ORDERS[solver], abs=0.4)


@pytest.mark.parametrize("solver", sorted(EVERY))
def test_steps_that_differ_cost_no_order(solver: str) -> None:
    assert order_of(solver, "plain", uneven) > ORDERS[solver] - 0.4


def test_the_measure_of_order_notices_a_solver_that_ignores_unequal_steps() -> None:
    def careless(denoise: Callable[..., Tensor], noise: Tensor, sigmas: Tensor) -> Tensor:
        x, before = noise * sigmas[0], None
        for t, t_next in pairwise(sigmas):
            d = denoise(x, t)
            ahead = d if before is None else 1.5 * d - 0.5 * before
            x, before = t_next / t * x + (1 - t_next / t) * ahead, d
        return x

    EVERY["careless"] = careless
    try:
        assert order_of("careless", "plain", uneven) < 1.5
    finally:
        del EVERY["careless"]


def wild(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([40.0, 31.0, 9.0, 8.5, 1.0, 0.2, 0.19], dtype=dtype)


@pytest.mark.parametrize("solver", sorted(EVERY))
def test_a_constant_is_integrated_exactly(solver: str) -> None:
    out = EVERY[solver](lambda x, t: torch.full_like(x, 0.7), unit(4), wild())
    assert torch.allclose(out.double(), 0.7 + (unit(4) * 40.0 - 0.7) * 0.19 / 40.0, atol=1e-6)


@pytest.mark.parametrize("solver", ["unipc-2", "unipc-3"])
def test_a_line_in_lambda_is_integrated_exactly(solver: str) -> None:
    """Closed form: with D = a + b lambda, exp(lambda) (x - (a - b) - b lambda) stays as it is."""
    a, b = 0.4, -0.3
    out = EVERY[solver](lambda x, t: torch.full_like(x, a - b * math.log(t)), unit(4), wild()).double()
    first, last = -math.log(40.0), -math.log(0.19)
    expected = (unit(4) * 40.0 - (a - b) - b * first) * math.exp(first - last) + (a - b) + b * last
    assert torch.allclose(out, expected, atol=1e-5)
    assert not torch.allclose(EVERY["dpmpp-2m"](lambda x, t: 0 * x + a - b * math.log(t), unit(4), wild()), out.float())


def test_weights_of_a_step_are_the_integrals() -> None:
    for h in (1e-6, 0.01, 1.0, 12.0):
        alone = step_weights((0.5,), 0.5, 0.5 + h)
        assert alone == pytest.approx((-math.expm1(-h),), rel=1e-13)
        # phi_2 by its series where the closed form cancels
        phi_2 = 0.5 - h / 6 if h < 1e-3 else (h - 1 + math.exp(-h)) / h**2
        pair = step_weights((0.5, 0.2), 0.5, 0.5 + h)
        assert pair[1] == pytest.approx(-phi_2 * h**2 / 0.3, rel=1e-6)
        assert sum(pair) == pytest.approx(-math.expm1(-h), rel=1e-9)


@pytest.mark.parametrize("solver", SOLVER_NAMES)
@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_evaluations_are_as_many_as_announced_and_the_last_gives_the_sample(solver: str, steps: int) -> None:
    seen: list[tuple[Tensor, float]] = []
    grid = time_grid(steps, dtype=torch.float64)
    out = EVERY[solver](mixture, unit(3), grid, observe=lambda x, t: seen.append((x.clone(), float(t))))
    assert len(seen) == SOLVERS.get(solver).evaluations(steps)
    assert [t for _, t in seen] == sorted((t for _, t in seen), reverse=True)
    x, t = seen[-1]
    assert t == float(grid[-2]) and torch.allclose(out.double(), mixture(x, torch.tensor(t)), atol=1e-6)
    assert torch.isfinite(out).all() and out.dtype == torch.float32


def test_budgets_and_names() -> None:
    assert set(SOLVER_NAMES) == {"heun", "dpmpp-2m", "unipc-2", "unipc-3"} == set(ORDERS) - {"euler"}
    for solver in SOLVER_NAMES:
        for budget in (1, 2, 7, 8, 63):
            steps = steps_within(solver, budget)
            assert SOLVERS.get(solver).evaluations(steps) <= budget < SOLVERS.get(solver).evaluations(steps + 1)
    assert [steps_within("heun", 63), steps_within("unipc-2", 63)] == [32, 63]
    with pytest.raises(ValueError, match="solver"):
        steps_within("heun", 0)
    with pytest.raises(ValueError, match="order"):
        UniPC(0)
    with pytest.raises(ValueError, match="step"):
        sample(mixture, unit(1), steps=0)
    with pytest.raises(InputError, match="rk4"):
        sample(mixture, unit(1), solver="rk4")
    with pytest.raises(ValueError, match="churn"):
        sample(mixture, unit(1), solver="unipc-2", churn=Churn(1.0, lambda step, x: x))
    for rising in ([1.0, 2.0, 0.0], [1.0, 0.0, 0.0], [1.0, -1.0], [1.0]):
        with pytest.raises(ValueError, match="fall"):
            EVERY["dpmpp-2m"](mixture, unit(1), torch.tensor(rising))


@pytest.mark.parametrize("solver", SOLVER_NAMES)
def test_a_start_is_moved_along_the_flow(solver: str) -> None:
    clean = MEANS[:1].reshape(1, 2, 1, 1).expand(50, 2, 1, 1)
    near = EVERY[solver](mixture, unit(50), time_grid(12, sigma_max=0.02), start=clean)
    assert float((near.double() - clean).abs().max()) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVER_NAMES)
def test_samples_have_the_shares_and_moments_of_the_mixture(solver: str) -> None:
    count = 6000
    drawn = sample(mixture, unit(count).float(), solver=solver, steps=steps_within(solver, 63)).flatten(1).double()
    nearest = torch.cdist(drawn, MEANS).argmin(1)
    # draws that lie nearer to another component's mean are counted there on both sides
    truth = torch.distributions.Categorical(SHARES)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        kinds = truth.sample((200_000,))
        real = MEANS[kinds] + SPREADS[kinds, None] * torch.randn(200_000, 2, dtype=torch.float64)
    of_real = torch.cdist(real, MEANS).argmin(1)
    assert torch.allclose(drawn.mean(0), SHARES @ MEANS, atol=0.05)
    for each in range(3):
        assert abs(float((nearest == each).double().mean() - (of_real == each).double().mean())) < 0.03
    second = (SHARES[:, None, None] * (MEANS[:, :, None] * MEANS[:, None, :])).sum(0)
    second = second + (SHARES * SPREADS**2).sum() * torch.eye(2, dtype=torch.float64)
    assert torch.allclose(drawn.T @ drawn / count, second, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVER_NAMES)
def test_conditional_samples_have_the_moments_of_their_component(solver: str) -> None:
    labels = component(6000)
    drawn = sample(mixture, unit(6000).float(), labels, solver=solver, steps=steps_within(solver, 63))
    for each in range(3):
        own = drawn.flatten(1)[labels[:, each] > 0].double()
        assert torch.allclose(own.mean(0), MEANS[each], atol=0.04)
        assert torch.allclose(own.std(0), SPREADS[each].expand(2), atol=0.03)


def network(config: NetworkConfig, seed: int) -> Denoiser:
    """An untrained network whose gains, zero at the start of training, let image and condition count."""
    built = build_denoiser(config, seed)
    for gain in (value for value in built.parameters() if value.ndim == 0):
        torch.nn.init.constant_(gain, 1.0)
    return fold_weights(built)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVER_NAMES)
def test_samples_do_not_depend_on_the_batch(solver: str) -> None:
    small = {"model_channels": 16, "channels_per_head": 16, "channel_mult": (1, 2), "attn_resolutions": (4,)}
    main = network(NetworkConfig(resolution=8, channels=2, label_dim=4, **small), 1)
    guide = network(NetworkConfig(resolution=8, channels=2, **small), 2)
    keys = [11, 2**40 + 3, 5, 99, 1234567, 8, 21]
    labels = torch.nn.functional.normalize(keyed_noise([(key, "label") for key in keys], (4,)), dim=1)
    strengths = torch.linspace(0.0, 2.0, len(keys))

    @torch.no_grad()
    def draw(rows: list[int]) -> Tensor:
        return sample(
            main,
            keyed_noise([keys[row] for row in rows], (2, 8, 8)),
            labels[rows],
            guide=guide,
            guidance=strengths[rows],
            interval=(0.05, 10.0),
            solver=solver,
            steps=6,
        )

    whole = draw(list(range(7)))
    assert torch.equal(draw(list(range(7))), whole)
    assert float((whole[0] - whole[1]).abs().max()) > 0.1
    labels = labels.roll(1, 0)
    assert float((draw(list(range(7))) - whole)[1:].abs().max()) > 0.1, "the condition does not count"
    labels = labels.roll(-1, 0)
    for groups in ([[0], [1, 2], [3, 4, 5, 6]], [[6, 0, 3], [5, 1], [2], [4]]):
        for rows in groups:
            assert torch.allclose(draw(rows), whole[rows], atol=1e-4 * float(whole.abs().max())), rows


class Halving:
    """A solver of another package, with a key of its own."""

    class Keys(Config):
        share: float

    summary, config = "one evaluation, then a share of it", Keys

    def evaluations(self, steps: int) -> int:
        return 1

    def run(
        self, denoise: Callable[..., Tensor], noise: Tensor, sigmas: Tensor, *, config: Keys, **_: object
    ) -> Tensor:
        return config.share * denoise(noise * sigmas[0], sigmas[0]).float()


def test_a_solver_of_another_package_is_used_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("halving", "elsewhere:SOLVER", SOLVERS.group)
    monkeypatch.setattr(EntryPoint, "load", lambda self: Halving())
    monkeypatch.setattr("unpersonal.core.registry._offered", lambda group, path: (entry,))
    with pytest.raises(InputError, match="share"):
        build_config(SynthesisConfig, {"solver": "halving"}, where="here")
    config = build_config(SynthesisConfig, {"solver": "halving", "options": {"share": 0.5}}, where="here")
    assert config.evaluations == 1 and config.own_parts() == (("solver", "halving"),)
    drawn = sample(mixture, unit(3), solver="halving", solver_config=config.solver_config())
    assert torch.allclose(drawn.double(), 0.5 * mixture(unit(3) * 80.0, torch.tensor(80.0)), atol=1e-6)


def test_our_solvers_take_no_options() -> None:
    with pytest.raises(InputError, match="no plug-in"):
        build_config(SynthesisConfig, {"options": {"share": 0.5}}, where="here")
    assert not part_config(SOLVERS, "heun", SynthesisConfig(), {}).model_dump()
