"""The preset `paper` through its stages, in miniature: its solver, redraws and kind of judge, a small autoencoder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from diffusers import AutoencoderKL

from tests.studies import SUBJECT, change_settings
from unpersonal.init import init_study
from unpersonal.phantom import write_phantom
from unpersonal.study import Study

SMALL = {
    "features.images": 64,
    "diffusion.model_channels": 16,
    "diffusion.channel_mult": [1],
    "diffusion.num_blocks": 1,
    "diffusion.channels_per_head": 16,
    "diffusion.guide_channels": 16,
    "diffusion.images": 64,
    "diffusion.guide_images": 32,
    "diffusion.batch": 16,
    "diffusion.accumulation": 1,
    "diffusion.evaluations": 1,
    "diffusion.evaluation_images": 8,
    "diffusion.monitor_samples": 0,
    "diffusion.ema_search": [],
    # the networks of the paper are tested with the judges; here they would take minutes
    "judges.reidentifier": "small",
    "judges.classifier": "small",
    "judges.width": 8,
    "judges.embedding": 16,
    "judges.seeds": 1,
    "judges.gallery_views": 1,
    "judges.reidentifier_steps": 1,
    "judges.reidentifier_batch": 8,
    "judges.classifier_steps": 1,
    "judges.classifier_batch": 8,
    "judges.generated_views": 0,
    "judges.protected": 8,
    "judges.tried": 1,
    "judges.evidence": 2,
    "judges.renoised": 0,
    "judges.overfitted": 0,
    "synthesis.images": 8,
    "synthesis.fewest_subjects": 2,
    "synthesis.candidates": 2,
    "synthesis.steps": 2,
}


def autoencoder(folder: Path) -> Path:
    """A random one that halves the edge."""
    torch.manual_seed(0)
    network = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
    )
    network.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_the_paper_in_miniature(tmp_path: Path) -> None:
    write_phantom(tmp_path / "phantoms", subjects=120, seed=0, size=32)
    keys = {"images": str(tmp_path / "phantoms"), "layout": "folder", "subject": SUBJECT}
    init_study(tmp_path / "study", keys, preset_name="paper", size=32)
    change_settings(tmp_path / "study", {"codec.kind": f"vae:{autoencoder(tmp_path / 'vae')}", **SMALL})
    study = Study.open(tmp_path / "study")
    study.run(until="synthesis")
    ledger = pd.read_parquet(study.path / "candidates" / "ledger.parquet")
    attempts = sorted(set(ledger["attempt"]))
    assert attempts == list(range(len(attempts))), "redraws follow one another"
    for attempt, guidance in zip(ledger["attempt"], ledger["guidance"], strict=True):
        assert guidance == pytest.approx(1.4 - 0.1 * attempt)
    assert not ledger.loc[ledger["selected"], "flagged"].any()
