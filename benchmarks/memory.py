"""Peak memory of training as `unpersonal run --dry-run` says it, against what a training process really takes.

`python -m benchmarks.memory`. Every measurement is a process of its own that calls `train_denoiser` as a study does,
with measurements on held-out images, samples that are decoded and compared with train images, and checkpoints: the
growth of its peak resident memory (on CUDA: the peak of the allocator)
over a warm-up with a network of no size.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

IMAGES = 64
"""Train images, as many as samples are drawn."""

WIDE: dict[str, Any] = {
    "preset": "cpu",
    "shape": [16, 8, 8],
    "label_dim": 64,
    "model_channels": 128,
    "num_blocks": 2,
    "batch": 8,
}
PIXELS: dict[str, Any] = {
    "preset": "cpu",
    "shape": [1, 32, 32],
    "label_dim": 64,
    "channel_mult": [1, 2, 3],
    "num_blocks": 2,
    "attn_resolutions": [16, 8],
    "steps": 10,
}
CASES: dict[str, dict[str, Any]] = {
    "cpu preset, 64 px": {"preset": "cpu", "shape": [16, 8, 8], "label_dim": 64},
    "demo preset, batch 512": {"preset": "demo", "shape": [8, 8, 8], "label_dim": 64, "batch": 512, "steps": 10},
    "cpu preset, 128 channels, batch 8": WIDE,
    "the same, earlier guide, two profiles": {
        **WIDE,
        "guide": "earlier",
        "guide_images": 100,
        "ema_profiles": [0.05, 0.1],
        "accumulation": 2,
    },
    "32 px pixel, 64 channels": {**PIXELS, "batch": 16},
    "the same, 32 channels, batch 64": {**PIXELS, "model_channels": 32, "batch": 64},
    "an autoencoder, 64 x 64 latents": {
        "preset": "tiny",
        "shape": [4, 64, 64],
        "label_dim": 16,
        "autoencoder": [64, 128],
        "monitor_samples": 16,
        "steps": 4,
    },
    "EDM2-XS, 32 x 32 latents, batch 4": {
        "preset": "edm2-img512-xs",
        "shape": [4, 32, 32],
        "label_dim": 64,
        "batch": 4,
        "accumulation": 1,
        "evaluation_images": 4,
        "steps": 2,
    },
    "EDM2-XS, 64 x 64 latents, batch 4": {
        "preset": "edm2-img512-xs",
        "shape": [4, 64, 64],
        "label_dim": 64,
        "batch": 4,
        "accumulation": 1,
        "evaluation_images": 4,
        "steps": 2,
    },
}
"""`steps` of training by default 50, fewer where they are slow: the peak is there after two measurements.
`autoencoder` are the widths of one like Stable Diffusion's that decodes; else a latent's first channel is the image."""


def main(most_steps: int = 50) -> None:
    """Print the estimate, the measurement and their ratio for every case."""
    print(f"{'':<40}{'parameters':>12}{'estimate':>14}{'measured':>14}{'ratio':>8}")
    for name in CASES:
        command = [sys.executable, "-m", "benchmarks.memory", "--measure", name, "--steps", str(most_steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:<40}{found['parameters'] / 1e6:>10.1f} M{found['estimate'] / 2**20:>10.0f} MiB"
            f"{found['measured'] / 2**20:>10.0f} MiB{found['estimate'] / found['measured']:>8.2f}",
            flush=True,
        )


def measure(name: str, most_steps: int) -> dict[str, Any]:
    """Bytes estimated and measured of one case."""
    from unpersonal.core.allocator import keep_freed_memory
    from unpersonal.core.device import pick_device
    from unpersonal.diffusion.config import DiffusionConfig
    from unpersonal.diffusion.memory import Pictures, training_memory
    from unpersonal.diffusion.network import pick_precision
    from unpersonal.presets import preset

    keep_freed_memory()
    case = {"steps": 50, **CASES[name]}
    shape, label_dim, steps = tuple(case.pop("shape")), case.pop("label_dim"), min(case.pop("steps"), most_steps)
    widths = tuple(case.pop("autoencoder", ()))
    config = DiffusionConfig.model_validate({**preset(case.pop("preset"))["diffusion"], **case})
    device = pick_device()
    # its matcher holds next to nothing, or what others hold would not come on top
    few = {"monitor_samples": 2, "monitor_matchers": ("copies",)}
    small = DiffusionConfig(model_channels=16, channels_per_head=16, batch=2, **few)
    train((4, 8, 8), 8, small, 2, device, (32, 32) if widths else ())
    before = peak(device)
    train(shape, label_dim, config, steps, device, widths)
    precision = pick_precision(config.precision, device)
    edge = edge_of(shape, widths)
    pictures = Pictures((1, edge, edge), 2 * IMAGES, autoencoder(widths, meta=True) if widths else None)
    memory = training_memory(
        config.network(shape, label_dim), config, precision=precision, device=device, pictures=pictures
    )
    return {"estimate": memory.peak, "measured": peak(device) - before, **vars(memory)}


def autoencoder(widths: tuple[int, ...], *, meta: bool = False) -> Any:
    """An untrained autoencoder like Stable Diffusion's, of these widths; with `meta` its shapes alone."""
    from contextlib import nullcontext

    import torch

    from unpersonal.codec.vae import ASSUMED, network_of

    levels = len(widths)
    config = {
        **ASSUMED,
        "block_out_channels": widths,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }
    with torch.device("meta") if meta else nullcontext():
        return network_of({"config": config}, "benchmark")


def edge_of(shape: tuple[int, ...], widths: tuple[int, ...]) -> int:
    """Pixels a side of what a decoder of these widths makes of latents; without one latents are shown at 64."""
    return shape[-1] << (len(widths) - 1) if widths else 64


def watch(folder: Path, shape: tuple[int, ...], conditions: Any, config: Any, device: Any, widths: Any) -> Any:
    """The `SampleWatch` of a study, its comparison with train images included."""
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    from unpersonal.codec.autoencoder import NetworkCodec
    from unpersonal.core.pixels import to_uint8
    from unpersonal.diffusion.copy_check import CopyCheck, People
    from unpersonal.diffusion.samples import SampleWatch

    edge = edge_of(shape, widths)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (2, IMAGES, 1, edge, edge), dtype=np.uint8)
    one = torch.ones(shape[0])
    codec = NetworkCodec(autoencoder(widths), {}, 1, one, one) if widths else None
    count, subjects = config.monitor_samples, np.arange(IMAGES).astype(str)
    people = [People(some, subjects) for some in images]
    return SampleWatch(
        folder,
        np.resize(conditions, (count, conditions.shape[1])),
        lambda latents: to_uint8(codec.decode(latents) if codec is not None else interpolate(latents[:, :1], edge)),
        count=count,
        steps=2,
        copies=CopyCheck.fit(*people, matchers=config.monitor_matchers, count=count, rate=1.0, seed=0, device=device),
        device=device,
    )


def train(
    shape: tuple[int, ...], label_dim: int, config: Any, steps: int, device: Any, widths: tuple[int, ...]
) -> None:
    """`train_denoiser` on images of noise, measured, sampled and saved in the middle and at the end."""
    import numpy as np

    from unpersonal.diffusion import trainer
    from unpersonal.diffusion.posthoc import Snapshots

    rng = np.random.default_rng(0)
    latents = rng.standard_normal((IMAGES, *shape), dtype=np.float32) / 2
    conditions = rng.standard_normal((IMAGES, label_dim), dtype=np.float32)
    conditions /= np.linalg.norm(conditions, axis=1, keepdims=True)
    never = {"stop_memorising": False, "patience": 0, "ema_search": ()}
    config = config.model_copy(update={**never, "images": steps * config.batch, "evaluations": 2})
    trainer.LOG_EVERY = max(steps // 2, 1)  # a measurement and a checkpoint fall on a log row
    with tempfile.TemporaryDirectory() as folder:
        trainer.train_denoiser(
            "denoiser",
            latents,
            conditions,
            config,
            seed=0,
            device=device,
            checkpoint=Path(folder) / "checkpoint.safetensors",
            held_out=(latents, conditions),
            save_every=trainer.LOG_EVERY,
            training=trainer.Training(
                callbacks=[watch(Path(folder), shape, conditions, config, device, widths)],
                snapshot=Snapshots(Path(folder) / "snapshots", "denoiser").save,
                halfway=config.guide == "earlier",
            ),
        )


def peak(device: Any) -> int:
    """Bytes at the peak so far."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    status = Path("/proc/self/status")
    if status.is_file():  # `ru_maxrss` starts from that of the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50, help="steps of a training, at most")
    parser.add_argument("--measure", choices=list(CASES), help="print the bytes of one case as JSON")
    options = parser.parse_args()
    if options.measure is None:
        main(options.steps)
    else:
        print(json.dumps(measure(options.measure, options.steps)))
