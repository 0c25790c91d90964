"""Several processes, started by torchrun, train as one does: the same losses with the same whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unpersonal.core.distributed import World
from unpersonal.core.errors import InputError
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.trainer import Training, train_denoiser

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, torch
from unpersonal.core.distributed import joined, world
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.trainer import Training, train_denoiser

folder = Path(sys.argv[1])
config = DiffusionConfig.model_validate(json.loads((folder / "config.json").read_text()))
data = np.load(folder / "data.npz")
torch.set_num_threads(1)
with joined(world(), torch.device("cpu")) as processes:
    trained = train_denoiser(
        "denoiser", data["x"], data["c"], config, seed=1, device=torch.device("cpu"),
        checkpoint=folder / "run.safetensors", held_out=(data["hx"], data["hc"]), save_every=25,
        training=Training(world=processes),
    )
(folder / f"history-{processes.rank}.json").write_text(json.dumps([trained.history, trained.stopped]))
if processes.first:
    np.savez(folder / "weights.npz", **{name: value.numpy() for name, value in trained.weights.items()})
"""


CONFIG = {
    "model_channels": 8,
    "channel_mult": [1],
    "attn_resolutions": [4],
    "channels_per_head": 8,
    "images": 16 * 75,
    "batch": 16,
    "rampup_images": 80,
    "evaluation_images": 16,
    "evaluations": 3,
}


def prepare(folder: Path, **settings: object) -> DiffusionConfig:
    """Write the script, the data and the configuration of one training."""
    config = {**CONFIG, **settings}
    rng = np.random.default_rng(0)
    c = [rng.normal(size=(n, 6)).astype(np.float32) for n in (40, 12)]
    c = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in c]
    x = [0.5 * rng.normal(size=(n, 2, 4, 4)).astype(np.float32) for n in (40, 12)]
    np.savez(folder / "data.npz", x=x[0], c=c[0], hx=x[1], hc=c[1])
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "train.py").write_text(SCRIPT)
    return DiffusionConfig.model_validate(config)


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start `processes` of a Python program on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, timeout=300)


def alone(folder: Path, config: DiffusionConfig) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    data = np.load(folder / "data.npz")
    trained = train_denoiser(
        "denoiser",
        data["x"],
        data["c"],
        config,
        seed=1,
        device=torch.device("cpu"),
        checkpoint=folder / "alone.safetensors",
        held_out=(data["hx"], data["hc"]),
    )
    return trained.history, trained.weights


def test_two_processes_give_the_losses_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    config = prepare(tmp_path, accumulation=2, stop_memorising=False)
    expected, weights = alone(tmp_path, config)
    done = torchrun(2, str(tmp_path / "train.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        history, _ = json.loads((tmp_path / f"history-{rank}.json").read_text())
        losses = [row["loss"] for row in history]
        assert len(losses) == 3
        np.testing.assert_allclose(losses, [row["loss"] for row in expected], rtol=1e-5)
    history, _ = json.loads((tmp_path / "history-0.json").read_text())
    for name in ("train_error", "held_out_error"):
        np.testing.assert_allclose([row[name] for row in history], [row[name] for row in expected], rtol=1e-4)
    found = np.load(tmp_path / "weights.npz")
    assert all(np.allclose(found[name], weights[name].numpy(), atol=1e-3) for name in weights)


def test_processes_end_together_where_training_ends_early(tmp_path: Path) -> None:
    prepare(tmp_path, images=16 * 400, max_gap=0.0, patience=1, evaluations=16)
    done = torchrun(2, str(tmp_path / "train.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    ends = [json.loads((tmp_path / f"history-{rank}.json").read_text()) for rank in (0, 1)]
    assert [reason for _, reason in ends] == ["no longer improves"] * 2
    assert ends[0][0][-1]["step"] == ends[1][0][-1]["step"] < 400


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    config = prepare(tmp_path)
    data = np.load(tmp_path / "data.npz")
    with pytest.raises(InputError, match="cannot be shared by 3 processes"):
        train_denoiser(
            "denoiser",
            data["x"],
            data["c"],
            config,
            seed=1,
            device=torch.device("cpu"),
            checkpoint=tmp_path / "x",
            training=Training(world=World(0, 3)),
        )
