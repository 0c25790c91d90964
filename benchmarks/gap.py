"""Gap of denoising errors against what samples give away: `python -m benchmarks.gap STUDY --out FILE.jsonl`.

The denoiser of STUDY (its stage `features` has run) is trained as its study.toml says, but never ends early, and keeps
its averaged weights at every measurement. For each: the gap with its interval, as the watch sees it, and the AUROC of
an attacker who looks among samples for train people and for as many control people (test), by the rows of the matcher
`mixtures` (see the attack `membership-by-mixture`). From this curve the margin `max_gap` can be chosen: the largest gap
at which the attacker's upper bound is under what an audit allows. Rows and weights are kept beside FILE.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.rows import Rows, study_key, told
from unpersonal.audit.attacks.membership_by_mixture import partial_correlations
from unpersonal.audit.bounds import auroc_estimate, z_of
from unpersonal.codec.store import load_codec, load_images
from unpersonal.core.pixels import to_uint8
from unpersonal.core.seeds import numpy_rng
from unpersonal.core.tensors import load_tensors
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.inputs import HELD_OUT, Inputs
from unpersonal.diffusion.network import build_denoiser, fold_weights
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.posthoc import Snapshots
from unpersonal.diffusion.sampling import sample
from unpersonal.diffusion.trainer import Training, train_denoiser
from unpersonal.diffusion.watch import _blended as blended
from unpersonal.matching.registry import MATCHERS
from unpersonal.study import Study

FILES = ("study.toml", "cohort.parquet")
MATCHER, SOLVER, STEPS, AT_ONCE = "mixtures", "dpmpp-2m", 15, 64
CPU = torch.device("cpu")


def unhindered(config: DiffusionConfig) -> DiffusionConfig:
    """`config` of a training that nothing ends, and that keeps its average at every measurement."""
    return config.model_copy(
        update={
            "ema_profiles": (config.ema_std,),
            "ema_search": (),
            "stop_memorising": False,
            "patience": 0,
            "monitor_samples": 0,
            "start_from": "",
        }
    )


def train(study: Study, inputs: Inputs, folder: Path) -> tuple[list[dict[str, float]], Snapshots]:
    """The measured rows of the history and the averages at each; goes on where it was killed."""
    config, snapshots = unhindered(study.config.diffusion), Snapshots(folder / "snapshots", "denoiser")
    trained = train_denoiser(
        "denoiser",
        *inputs.subset("train"),
        config,
        seed=study.config.seed,
        device=CPU,
        checkpoint=folder / "checkpoint.safetensors",
        held_out=inputs.subset(HELD_OUT),
        training=Training(
            noise_scale=inputs.noise_scale,
            examined=inputs.examined(config.evaluation_images, study.config.seed),
            snapshot=snapshots.save,
        ),
    )
    return [row for row in trained.history if "gap_lower" in row], snapshots


class Attacker:
    """Looks among images for train and control people, one image each, in spreads of `aux` people."""

    def __init__(self, study: Study, inputs: Inputs) -> None:
        cohort, rng = inputs.cohort, numpy_rng(study.config.seed, "gap")
        images, subjects = load_images(study.path), cohort.subjects.astype(str)
        sides = [_one_each(subjects, rng.permutation(cohort.rows(name))) for name in ("train", "test", "aux")]
        count = min(len(sides[0]), len(sides[1]))
        self.people = np.concatenate([sides[0][:count], sides[1][:count]])
        self.train = np.arange(2 * count) < count
        known = np.array(images[np.sort(sides[2])])
        part: Any = MATCHERS.get(MATCHER)
        names = subjects[np.sort(sides[2])]
        self._matcher = part.fit(known, names, part.config(), seed=study.config.seed, device=CPU)
        self._gallery = self._matcher.enrol(np.array(images[self.people]), subjects[self.people])
        usual = np.concatenate(list(partial_correlations(self._bands(known), self._gallery)))
        self._mean, self._spread = usual.mean(axis=0), np.maximum(usual.std(axis=0), 1e-6)

    def auroc(self, drawn: np.ndarray) -> list[float]:
        """AUROC of train against control people by images uint8 [n,C,H,W], with its 95 % interval."""
        best = np.full(len(self.people), -np.inf)
        for block in partial_correlations(self._bands(drawn), self._gallery):
            best = np.maximum(best, ((block - self._mean) / self._spread).max(axis=0))
        estimate = auroc_estimate(best, self.train)
        around = z_of(0.975) * estimate.rest**0.5
        return [estimate.value, estimate.value - around, estimate.value + around]

    def _bands(self, images: np.ndarray) -> Any:
        return self._matcher.enrol(images.copy(), np.arange(len(images)).astype(str)).bands


@torch.no_grad()
def draw(study: Study, inputs: Inputs, weights: dict[str, torch.Tensor], count: int) -> np.ndarray:
    """`count` images uint8 [n,C,H,W] under conditions as synthesis draws them, the same noise for all weights."""
    config, codec = study.config.diffusion, load_codec(study.path)
    length = 0 if inputs.conditions is None else int(inputs.conditions.shape[1])
    shape = (int(inputs.latents.shape[1]), int(inputs.latents.shape[2]), int(inputs.latents.shape[3]))
    network = build_denoiser(config.network(shape, length), 0)
    network.load_state_dict(weights)
    denoiser = fold_weights(network)
    rows, rng = inputs.cohort.rows("train"), numpy_rng(study.config.seed, "gap conditions")
    told_of = None if length == 0 else blended(inputs, rows, config, count, rng)
    found = []
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        labels = None if told_of is None else torch.from_numpy(told_of[list(numbers)])
        noise = keyed_noise([("gap", number) for number in numbers], shape)
        found.append(to_uint8(codec.decode(sample(denoiser, noise, labels, solver=SOLVER, steps=STEPS))))
    return np.concatenate(found)


def _one_each(subjects: np.ndarray, rows: np.ndarray) -> np.ndarray:
    _, first = np.unique(subjects[rows], return_index=True)
    found: np.ndarray = rows[np.sort(first)]
    return found


def line(images: int, row: Mapping[str, float], auroc: list[float]) -> str:
    """A row of the table: shares of the held-out error, and the attacker's AUROC."""
    share = [row[name] / row["held_out_error"] for name in ("gap", "gap_lower", "gap_upper")]
    return f"| {images:,} | {row['held_out_error']:.3f} | {told(share, 4)} | {told(auroc)} |"


def main(arguments: list[str] | None = None) -> int:
    """Train, draw at every measurement, and print a row for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gap", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args(arguments)
    study = Study.open(options.study)
    inputs = Inputs.load(study.path, study.config.diffusion)
    key = study_key(study.path, *FILES)
    history, snapshots = train(study, inputs, options.out.parent / f"gap-{key}")
    rows = Rows(options.out, study=key, samples=options.samples)
    attacker: list[Attacker] = []

    def measure(path: Path) -> dict[str, Any]:
        attacker[:] = attacker or [Attacker(study, inputs)]
        drawn = draw(study, inputs, load_tensors(path)[0], options.samples)
        return {"auroc": attacker[0].auroc(drawn), "people": int(attacker[0].train.sum())}

    paths = {images: path for images, _, path in snapshots.found(sys.maxsize)}
    print("| images | held-out error | gap (95 %) | AUROC of membership (95 %) |\n|---|---|---|---|")
    for row in history:
        images = int(row["step"]) * study.config.diffusion.batch
        found = rows.measured(lambda path=paths[images]: measure(path), images=images)
        print(line(images, row, found["auroc"]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
