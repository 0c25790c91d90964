"""Training step and sampling of our engine against EDM2 written out (`edm2_plain.py`): ratios, and what gave what.

Both run in turn in one process, from the same weights and data; medians of seconds on the wall, so other programs on
the machine must be quiet; the number of threads is printed. "Without a feature" is our step without it: without
`fused_adam` with torch's default Adam, without `fused_average` with `lerp_` parameter after parameter, both as in the
baseline. On CUDA also bf16, compiled graphs, and the share of the matmul rate.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.edm2_plain import PlainDenoiser, PlainTrainer, plain_sample
from unpersonal.core.allocator import keep_freed_memory
from unpersonal.diffusion.config import DiffusionConfig, NetworkConfig
from unpersonal.diffusion.ema import PowerEMA, power_function_beta, std_to_exponent
from unpersonal.diffusion.layers import SWITCHES, normalize_weights_
from unpersonal.diffusion.loss import edm2_loss
from unpersonal.diffusion.network import Denoiser, build_denoiser, compile_, fold_weights
from unpersonal.diffusion.sampling import sample
from unpersonal.presets import preset

LABELS, GUIDANCE, RATE, WIDTH = 64, 1.4, 1e-3, 0.1
BETAS = (0.9, 0.99)
TOLERANCE = 1e-4
"""Largest difference from the baseline's results in float32, over their largest value."""


@dataclass(frozen=True)
class Case:
    """One network with its guide, and the batch that both meet."""

    name: str
    config: DiffusionConfig
    shape: tuple[int, int, int]
    batch: int


def cases(cuda: bool) -> list[Case]:
    """The demo's and the `cpu` preset's latents, and 32 pixels; on CUDA EDM2-XS on 32x32 latents instead."""
    if cuda:
        return [Case("edm2-xs, 32x32x16 latents", DiffusionConfig(**preset("edm2-xs")["diffusion"]), (16, 32, 32), 128)]
    pixels = DiffusionConfig(
        model_channels=32, channel_mult=(1, 2, 2), num_blocks=2, attn_resolutions=(8,), guide_channels=16, batch=16
    )
    demo, cpu = (DiffusionConfig(**preset(name)["diffusion"]) for name in ("demo", "cpu"))
    return [
        Case("demo, 8x8x8 latents", demo, (8, 8, 8), demo.batch),
        Case("cpu, 8x8x16 latents", cpu, (16, 8, 8), cpu.batch),
        Case("32x32 pixels", pixels, (1, 32, 32), pixels.batch),
    ]


def networks(config: NetworkConfig, device: torch.device) -> tuple[Denoiser, PlainDenoiser]:
    """Ours and the baseline's with the same weights; gains as after some training, so that every weight counts."""
    ours, plain = build_denoiser(config, 0), PlainDenoiser(config)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.5)
    plain.load_state_dict(ours.state_dict())
    return ours.to(device), plain.to(device)


class Training:
    """The same step twice; `fused_adam` and `fused_average` off are the baseline's way in ours."""

    def __init__(self, case: Case, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        network = case.config.network(case.shape, LABELS)
        self.network, plain = networks(network, device)
        self._clean, self._noise = (
            torch.randn(case.batch, *case.shape, generator=generator).to(device) for _ in range(2)
        )
        self._clean *= network.sigma_data
        self._sigma = (torch.randn(case.batch, 1, 1, 1, generator=generator) - 0.4).exp().to(device)
        self._labels = torch.nn.functional.normalize(torch.randn(case.batch, LABELS, generator=generator)).to(device)
        self._both = (self.network, plain)
        self._trainer = PlainTrainer(plain, RATE, std_to_exponent(WIDTH))
        parameters = list(self.network.train().parameters())
        self._optimizers = {
            fused: torch.optim.Adam(parameters, lr=RATE, betas=BETAS, fused=fused or None) for fused in (True, False)
        }
        self._ema, self._seen = PowerEMA(self.network, WIDTH), 0
        self._average = [parameter.detach().clone() for parameter in parameters]

    def ours(self, fused_adam: bool = True, fused_average: bool = True) -> Tensor:
        """Our step; the mean loss."""
        normalize_weights_(self.network)
        optimizer = self._optimizers[fused_adam]
        optimizer.zero_grad(set_to_none=True)
        loss = edm2_loss(self.network, self._clean, self._sigma, self._noise, self._labels)
        (loss.sum() / len(loss)).backward()
        optimizer.step()
        self._seen += len(loss)
        if fused_average:
            self._ema.update(self._seen, len(loss))
        else:
            beta = power_function_beta(WIDTH, self._seen, len(loss))
            with torch.no_grad():
                for average, value in zip(self._average, self.network.parameters(), strict=True):
                    average.lerp_(value, 1 - beta)
        return loss.detach().mean()

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Every gradient of the last step, ours and the baseline's, in a row."""
        both = [torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None]) for one in self._both]
        return both[0], both[1]

    def plain(self) -> Tensor:
        """The baseline's."""
        return self._trainer.step(self._clean, self._sigma, self._noise, self._labels)


class Sampling:
    """The same guided draw twice."""

    def __init__(self, case: Case, device: torch.device, steps: int) -> None:
        generator = torch.Generator().manual_seed(1)
        self._main, self._plain = networks(case.config.network(case.shape, LABELS), device)
        guide, self._plain_guide = networks(case.config.for_guide().network(case.shape, 0), device)
        self._plain.eval(), self._plain_guide.eval()
        self.unfolded = [network.eval().requires_grad_(False) for network in (self._main, guide)]
        self.folded = [fold_weights(network) for network in self.unfolded]
        self._noise = torch.randn(case.batch, *case.shape, generator=generator).to(device)
        self._labels = torch.nn.functional.normalize(torch.randn(case.batch, LABELS, generator=generator)).to(device)
        self._steps = steps

    def ours(self, pair: list[Denoiser] | None = None) -> Tensor:
        """Our draw."""
        denoiser, guide = pair or self.folded
        return sample(denoiser, self._noise, self._labels, guide=guide, guidance=GUIDANCE, steps=self._steps)

    def plain(self) -> Tensor:
        """The baseline's."""
        return plain_sample(self._plain, self._plain_guide, self._noise, self._labels, GUIDANCE, self._steps)


def seconds(works: list[Callable[[], Any]], runs: int, device: torch.device) -> list[float]:
    """Median seconds on the wall of each of `works`, in turn."""
    times: list[list[float]] = [[] for _ in works]
    for run in range(runs + 1):
        for record, work in zip(times, works, strict=True):
            start = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if run:
                record.append(time.perf_counter() - start)
    return [statistics.median(record) for record in times]


def line(what: str, baseline: float, ours: float, note: str = "") -> None:
    """One row: baseline seconds / our seconds."""
    print(f"  {what:34s} {baseline / ours:5.2f}x  (ours {1e3 * ours:.1f} ms, baseline {1e3 * baseline:.1f} ms){note}")


def without(work: Callable[[], Any], switch: str) -> Callable[[], None]:
    """`work` with one of the `SWITCHES` off."""

    def run() -> None:
        setattr(SWITCHES, switch, False)
        try:
            work()
        finally:
            setattr(SWITCHES, switch, True)

    return run


def gave(
    what: str, work: Callable[[], Any], others: dict[str, Callable[[], Any]], runs: int, device: torch.device
) -> None:
    """The table of what gave what: time without each feature over time with all."""
    times = seconds([work, *others.values()], runs, device)
    parts = ", ".join(f"{name} {other / times[0]:.2f}x" for name, other in zip(others, times[1:], strict=True))
    print(f"  {what}, time without a feature / with all: {parts}")


def apart(what: str, a: Tensor, b: Tensor) -> str:
    """Largest difference over largest value; a benchmark of something else than the baseline ends here."""
    found = difference(a, b)
    if not found <= TOLERANCE:
        raise SystemExit(f"{what} differ by {found:.1e} of the largest value, more than {TOLERANCE:g}")
    return f"; {what} differ by {found:.1e}"


def difference(a: Tensor, b: Tensor) -> float:
    """Largest difference over largest value."""
    return float((a.float() - b.float()).abs().max() / b.float().abs().max())


def measure(case: Case, device: torch.device, runs: int, steps: int) -> None:
    """Print everything about one case."""
    print(f"{case.name}: {case.config.model_channels} channels, batch {case.batch}, {steps} Heun steps with guide")
    training, sampling = Training(case, device), Sampling(case, device, steps)
    training.ours(), training.plain()
    note = apart("gradients", *training.gradients())
    ours, plain = seconds([training.ours, training.plain], runs, device)
    line("training step", plain, ours, note)
    switches: dict[str, Callable[[], Any]] = {name: without(training.ours, name) for name in vars(SWITCHES)}
    switches["fused_adam"] = lambda: training.ours(fused_adam=False)
    switches["fused_average"] = lambda: training.ours(fused_average=False)
    gave("training", training.ours, switches, runs, device)
    note = apart("outputs", sampling.ours(), sampling.plain())
    ours, plain = seconds([sampling.ours, sampling.plain], runs, device)
    line("sampling", plain, ours, note)
    others: dict[str, Callable[[], Any]] = {name: without(sampling.ours, name) for name in vars(SWITCHES)}
    others["folded_weights"] = lambda: sampling.ours(sampling.unfolded)
    gave("sampling", sampling.ours, others, max(runs // 2, 1), device)
    if device.type == "cuda":
        measure_cuda(case, device, runs, steps)


def matmul_rate(device: torch.device, size: int = 8192) -> float:
    """Floating-point operations per second of a large bf16 product."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / seconds([lambda: a @ b], 10, device)[0]


def operations(work: Callable[[], Any]) -> int:
    """Floating-point operations of `work`'s products and convolutions."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def measure_cuda(case: Case, device: torch.device, runs: int, steps: int) -> None:
    """bf16, compiled, and compiled with CUDA graphs, each against the baseline in float32."""
    rate = matmul_rate(device)
    print(f"  bf16 matmul: {rate / 1e12:.0f} TFLOP/s")
    for mode in (None, "default", "reduce-overhead"):
        name = "bf16, eager" if mode is None else f"bf16, compiled ({mode})"
        training, sampling = Training(case, device), Sampling(case, device, steps)
        work = {"training": operations(training.ours), "sampling": operations(sampling.ours)}
        for network in (training.network, *sampling.folded):
            network.precision = "bf16"
            if mode is not None:
                compile_(network, mode)
        training.ours(), training.plain()
        apart_by = {
            "training": difference(*training.gradients()),
            "sampling": difference(sampling.ours(), sampling.plain()),
        }
        for what, both in (("training", training), ("sampling", sampling)):
            ours, plain = seconds([both.ours, both.plain], runs, device)
            note = f"; {work[what] / ours / rate:.0%} of the matmul rate; differs by {apart_by[what]:.1e}"
            line(f"{what}, {name}", plain, ours, note)


def main(runs: int = 5, steps: int = 3, device: str = "auto") -> None:
    """Print the ratios; short settings for `make bench`."""
    cuda = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
    place = torch.device("cuda" if cuda else "cpu")
    name = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} thread(s)"
    print(f"EDM2 engine against EDM2 written out, float32, {name}; freed memory kept: {keep_freed_memory()}")
    for case in cases(cuda):
        measure(case, place, runs, steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=18)
    parser.add_argument("--device", default="auto")
    main(**vars(parser.parse_args()))
