"""Peak memory of training as `unpersonal run --dry-run` says it, against what a training process really takes.

`python -m benchmarks.memory`. Every measurement is a process of its own: the growth of its peak resident memory (on
CUDA: the peak of the allocator) over a warm-up with a network of no size, in two steps of training.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

XS: dict[str, Any] = {"preset": "edm2-img512-xs", "label_dim": 64, "batch": 4}
CASES: dict[str, dict[str, Any]] = {
    "cpu preset, 64 px": {"preset": "cpu", "shape": [16, 8, 8], "label_dim": 64},
    "demo preset, batch 512": {"preset": "demo", "shape": [8, 8, 8], "label_dim": 64, "batch": 512},
    "32 px pixel, 64 channels": {
        "preset": "cpu",
        "shape": [1, 32, 32],
        "label_dim": 64,
        "channel_mult": [1, 2, 3],
        "num_blocks": 2,
        "attn_resolutions": [16, 8],
        "batch": 16,
    },
    "the same, 32 channels, batch 64": {
        "preset": "cpu",
        "shape": [1, 32, 32],
        "label_dim": 64,
        "model_channels": 32,
        "channel_mult": [1, 2, 3],
        "num_blocks": 2,
        "attn_resolutions": [16, 8],
        "batch": 64,
    },
    "EDM2-XS, 32 x 32 latents, batch 4": {
        "preset": "edm2-img512-xs",
        "shape": [4, 32, 32],
        "label_dim": 64,
        "batch": 4,
    },
    "EDM2-XS, 64 x 64 latents, batch 4": {
        "preset": "edm2-img512-xs",
        "shape": [4, 64, 64],
        "label_dim": 64,
        "batch": 4,
    },
}


def main() -> None:
    """Print the estimate, the measurement and their ratio for every case."""
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2])))
        return
    print(f"{'':<36}{'parameters':>12}{'estimate':>12}{'measured':>12}{'ratio':>8}")
    for name in CASES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", "--measure", name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:<36}{found['parameters'] / 1e6:>10.1f} M{found['estimate'] / 2**20:>8.0f} MiB"
            f"{found['measured'] / 2**20:>8.0f} MiB{found['estimate'] / found['measured']:>8.2f}"
        )


def measure(name: str) -> dict[str, float]:
    """Bytes estimated and measured of one case."""
    from unpersonal.core.device import pick_device
    from unpersonal.diffusion.config import DiffusionConfig
    from unpersonal.diffusion.memory import training_memory
    from unpersonal.diffusion.network import pick_precision
    from unpersonal.presets import preset

    case = dict(CASES[name])
    shape, label_dim = tuple(case.pop("shape")), case.pop("label_dim")
    config = DiffusionConfig.model_validate({**preset(case.pop("preset"))["diffusion"], **case})
    network, device = config.network(shape, label_dim), pick_device()
    tiny = DiffusionConfig(model_channels=16, channels_per_head=16, batch=2)
    train(tiny.network((4, 8, 8), 8), tiny, device)
    before = peak(device)
    train(network, config, device)
    precision = pick_precision(config.precision, device)
    memory = training_memory(network, config, precision=precision, device=device)
    return {"parameters": memory.parameters, "estimate": memory.peak, "measured": peak(device) - before}


def train(network: Any, config: Any, device: Any) -> None:
    """Two steps of training, with everything that a training keeps."""
    import torch

    from unpersonal.core.distributed import World
    from unpersonal.diffusion.network import build_denoiser, fold_weights
    from unpersonal.diffusion.rows import Batch
    from unpersonal.diffusion.trainer import Averages, Step

    denoiser = build_denoiser(network, 0).to(device)
    step, averages = Step(denoiser, config, device, World()), Averages(denoiser, (config.ema_std, *config.ema_profiles))
    shape = (config.batch, network.channels, network.resolution, network.resolution)
    shadow = fold_weights(denoiser)
    for number in range(1, 3):
        batch = Batch(
            torch.randn(shape).to(device),
            torch.rand(config.batch, 1, 1, 1).add(0.1).to(device),
            torch.randn(shape).to(device),
            torch.randn(config.batch, network.label_dim).to(device),
        )
        step(batch, 0.01)
        averages.update(number * config.batch, config.batch)
        best = averages.weights(config.ema_std)
        shadow.load_state_dict(best)


def peak(device: Any) -> int:
    """Bytes at the peak so far."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
