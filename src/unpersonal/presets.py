"""Named starting points for study.toml; `init` writes the whole preset out, so that nothing is hidden."""

from __future__ import annotations

from typing import Any

from .core.errors import InputError

PRESETS: dict[str, dict[str, Any]] = {
    # for tests: every stage real, seconds each, figures of no worth
    "tiny": {
        "codec": {"size": 32, "patch": 4, "components": 8},
        "features": {"kind": "pca", "dimensions": 16},
        "diffusion": {
            "model_channels": 16,
            "channels_per_head": 16,
            "images": 1600,
            "guide_channels": 16,
            "guide_images": 640,
            "batch": 16,
            "evaluations": 2,
            "evaluation_images": 16,
        },
        "judges": {
            "width": 8,
            "embedding": 16,
            "gallery_views": 1,
            "reidentifier_steps": 20,
            "reidentifier_batch": 32,
            "classifier_steps": 40,
            "classifier_batch": 32,
            "renoised": 4,
            "check_every": 10,
        },
        "synthesis": {"candidates": 2, "steps": 4, "attempts": 2, "chunk": 8},
        "audit": {"permutations": 999, "planted_copies": 40, "placebo_images": 40},
        "utility": {"width": 8, "steps": 40, "batch": 32, "check_every": 20, "replicates": 200},
    },
    # the phantom cohort on two CPU cores in minutes
    "demo": {
        "codec": {"size": 32, "patch": 4, "components": 8},
        "features": {"images": 30_000},
        "diffusion": {
            "model_channels": 32,
            "channels_per_head": 32,
            "attn_resolutions": [4],
            # 17 epochs over 4,000 people: with 3,000 the phantoms of eight findings were learnt by heart (docs/log.md)
            "images": 50_000,
            "batch": 32,
            "condition_noise": 0.3,
            "guide_channels": 16,
            "guide_images": 20_000,
        },
        "judges": {},
        "synthesis": {"sources": 400, "candidates": 4, "steps": 16},
        "audit": {},
        "utility": {"steps": 200},
    },
    # a few thousand real images on two CPU cores in about an hour
    "cpu": {
        "codec": {"size": 64, "patch": 8, "components": 16},
        "features": {"images": 60_000},
        "diffusion": {"images": 200_000, "guide_images": 60_000},
        "judges": {},
        "synthesis": {"sources": 1000, "candidates": 4},
        "audit": {},
        "utility": {},
    },
    # EDM2-XS (arXiv 2312.02696, table 6) on 32x32 latents with the paper's judges; needs a GPU, not yet measured
    "edm2-xs": {
        "codec": {"size": 256, "patch": 8, "components": 16},
        "features": {"images": 2_000_000},
        "diffusion": {
            "model_channels": 128,
            "channel_mult": [1, 2, 3, 4],
            "num_blocks": 3,
            "attn_resolutions": [16, 8],
            "channels_per_head": 64,
            "images": 50_000_000,
            "guide_channels": 128,
            "guide_images": 10_000_000,
            "batch": 512,
            "ref_lr": 0.012,
            "ref_batches": 70_000,
            "rampup_images": 10_000_000,
        },
        "judges": {"reidentifier": "resnet50", "classifier": "densenet121", "reidentifier_steps": 20_000},
        "synthesis": {"candidates": 32, "steps": 32},
        "audit": {},
        "utility": {"network": "densenet121", "steps": 10_000},
    },
}


def preset(name: str) -> dict[str, Any]:
    """The tables of a preset; an unknown name is an `InputError` that lists the known ones."""
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}", where="--preset", how=f"use one of {', '.join(PRESETS)}")
    return PRESETS[name]
