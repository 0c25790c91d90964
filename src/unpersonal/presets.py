"""Named starting points for study.toml; `init` writes the whole preset out, so that nothing is hidden."""

from __future__ import annotations

from typing import Any

from .core.errors import InputError
from .matching.kinds import MAY_BE_BLIND_UNDER_AGREEMENT

PRESETS: dict[str, dict[str, Any]] = {
    # for tests: every stage real, seconds each, figures of no worth
    "tiny": {
        "images": {"size": 32},
        "codec": {"patch": 4, "components": 8},
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
            "monitor_samples": 32,
            "phantom_images": 320,
        },
        "judges": {
            "width": 8,
            "embedding": 16,
            "gallery_views": 1,
            "reidentifier_steps": 20,
            "reidentifier_batch": 32,
            "generated_views": 16,
            "classifier_steps": 40,
            "classifier_batch": 32,
            "protected": 40,
            "tried": 8,
            "evidence": 4,
            "renoised": 4,
            "overfitted": 4,
            "check_every": 10,
        },
        "synthesis": {"candidates": 2, "steps": 4, "attempts": 2, "chunk": 8},
        "audit": {
            "permutations": 999,
            "planted_copies": 40,
            "placebo_images": 40,
            "kind_copies": 5,
            "network_steps": 20,
        },
        "utility": {"width": 8, "steps": 40, "batch": 32, "check_every": 20, "replicates": 200},
    },
    # the phantom cohort on two CPU cores in minutes
    "demo": {
        "images": {"size": 32},
        "codec": {"patch": 4, "components": 8},
        "features": {"images": 30_000},
        "diffusion": {
            "model_channels": 32,
            "channels_per_head": 32,
            "attn_resolutions": [4],
            # 18 epochs over 2,400 people of three findings; those of eight were learnt by heart (docs/log.md)
            "images": 32_000,
            "evaluations": 6,
            "batch": 32,
            "condition_noise": 0.3,
            # as fine as a margin of 3 % asks; more people would cost a third of the training
            "evaluation_images": 400,
            "phantom_images": 16_000,
            "guide_channels": 16,
            "guide_images": 12_800,
        },
        "judges": {"protected": 700, "tried": 150},
        "synthesis": {"sources": 400, "candidates": 4},
        "audit": {},
        "utility": {"most_steps": 300},
        # invented people have little detail at 32 px: the gate sees less of them than of real ones at 64 px
        "policy": {
            # `open` takes more people, else chance decides between pass and inconclusive (docs/small-cohorts.md)
            "profile": "agreement",
            "may_be_blind": list(MAY_BE_BLIND_UNDER_AGREEMENT),
        },
    },
    # a few thousand real images on two CPU cores in half an hour; label conditions beat those by image there, and every
    # train image is a source (docs/benchmarks.md)
    "cpu": {
        "images": {"size": 64},
        "codec": {"patch": 8, "components": 16},
        "features": {"condition": "label", "images": 60_000},
        # with augmented views a training is less wrong on held-out people, and knows its own less (docs/benchmarks.md)
        "diffusion": {"images": 200_000, "augment": 0.7, "guide_images": 60_000, "phantom_images": 60_000},
        # of 48 the gate would have to find 47, of 400 it would have to find 370, to show that it finds nine in ten
        "judges": {"overfitted": 144, "tried": 800},
        "synthesis": {"sources": 0, "candidates": 4},
        "audit": {},
        "utility": {},
    },
    # EDM2-XS (arXiv 2312.02696, table 6) on 32x32 latents with the paper's judges; needs a GPU, not yet measured
    "edm2-xs": {
        "images": {"size": 256},
        "codec": {"patch": 8, "components": 16},
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
            # 128 images at once fit a GPU of 16 GB; a step is the same however it is accumulated
            "accumulation": 4,
            "ref_lr": 0.012,
            "ref_batches": 70_000,
            "rampup_images": 10_000_000,
        },
        "judges": {
            "reidentifier": "resnet50",
            "reidentifier_steps": 20_000,
            "reidentifier_lr": 2e-3,
            "classifier": "densenet121",
            "overfitted": 144,
        },
        "synthesis": {"candidates": 32, "solver": "heun", "steps": 32},
        "audit": {},
        "utility": {"network": "densenet121", "batch": 128, "most_steps": 10_000},
    },
}


MIMG = 1 << 20
"""Images in which EDM2 counts its budgets: "M" of table 6 is 2^20."""

EDM2: dict[str, tuple[int, float, float, int, int, int]] = {
    # model channels, learning rate, dropout, steps before it decays, training images in 2^20; accumulation
    "img512-xs": (128, 0.0120, 0.00, 70_000, 2048, 32),
    "img512-s": (192, 0.0100, 0.00, 70_000, 2048, 32),
    "img512-m": (256, 0.0090, 0.10, 70_000, 2048, 32),
    "img512-l": (320, 0.0080, 0.10, 70_000, 1792, 32),
    "img512-xl": (384, 0.0070, 0.10, 70_000, 1280, 64),
    "img512-xxl": (448, 0.0065, 0.10, 70_000, 896, 128),
    "img64-s": (192, 0.0100, 0.00, 35_000, 1024, 32),
    "img64-m": (256, 0.0090, 0.10, 35_000, 2048, 32),
    "img64-l": (320, 0.0080, 0.10, 35_000, 1024, 32),
    "img64-xl": (384, 0.0070, 0.10, 35_000, 640, 64),
}
"""Arxiv 2312.02696, table 6: ImageNet-512 in the latents of Stable Diffusion's autoencoder, ImageNet-64 in pixels.
The accumulation is ours: the paper's many GPUs held 2,048 images at once; one of 80 GB holds that share in bf16."""


def edm2(name: str) -> dict[str, Any]:
    """The tables of one of EDM2's published configurations, with the paper's judges (arXiv 2506.17975).

    The guide is EDM2-XS's or the smallest network's width, trained for a sixteenth of XS's images (arXiv 2406.02507).
    """
    channels, rate, dropout, decay, images, accumulation = EDM2[name]
    pixels = name.startswith("img64")
    codec = {"kind": "pixel" if pixels else "vae:stabilityai/sd-vae-ft-mse"}
    diffusion = {
        "model_channels": channels,
        "channel_mult": [1, 2, 3, 4],
        "num_blocks": 3,
        "attn_resolutions": [16, 8],
        "channels_per_head": 64,
        "dropout": dropout,
        "images": images * MIMG,
        "guide_channels": 192 if pixels else 128,
        "guide_images": 128 * MIMG,
        "batch": 2048,
        # for one GPU: N processes accumulate N times less
        "accumulation": accumulation,
        "ref_lr": rate,
        "ref_batches": decay,
        "rampup_images": 10_000_000,
        "P_mean": -0.8 if pixels else -0.4,
        "P_std": 1.6 if pixels else 1.0,
        "ema_profiles": [0.05, 0.1],
        "ema_search": [0.03, 0.05, 0.075, 0.1, 0.15],
    }
    return {
        "images": {"size": 64 if pixels else 512},
        "codec": codec,
        "features": {"images": 2_000_000},
        "diffusion": diffusion,
        "judges": {
            "reidentifier": "resnet50",
            "reidentifier_steps": 20_000,
            "reidentifier_lr": 2e-3,
            "classifier": "densenet121",
            "overfitted": 144,
        },
        "synthesis": {"candidates": 32, "solver": "heun", "steps": 32},
        "audit": {},
        "utility": {"network": "densenet121", "batch": 128, "most_steps": 10_000},
    }


PRESETS.update({f"edm2-{name}": edm2(name) for name in EDM2})


def paper() -> dict[str, Any]:
    """The tables of the paper's method (arXiv 2506.17975) as far as the gate allows; docs/method.md says what differs.

    A condition is the code of one image in training. In drawing `blend` is 2 at least: an image that was drawn under
    the code of one person alone is what the gate exists for, and no preset may ask for it.
    """
    tables = edm2("img512-xs")
    return {
        **tables,
        # the paper knows neither noise on conditions nor an end of training for memorising; the latter stays
        "features": {**tables["features"], "condition": "feature"},
        "diffusion": {**tables["diffusion"], "condition_noise": 0.0},
        "judges": {**tables["judges"], "kind": "siamese"},
        "synthesis": {
            **tables["synthesis"],
            "rank": "probabilities",
            "guidance": 1.4,
            "guidance_step": 0.1,
            # down to guidance 0; the published program goes on below it, without an end
            "attempts": 15,
            "condition_noise": 0.0,
        },
    }


PRESETS["paper"] = paper()


def preset(name: str) -> dict[str, Any]:
    """The tables of a preset; an unknown name is an `InputError` that lists the known ones."""
    if name not in PRESETS:
        raise InputError(f"There is no preset {name!r}", where="--preset", how=f"use one of {', '.join(PRESETS)}")
    return PRESETS[name]
