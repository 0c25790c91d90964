"""The reference's way to a released image, re-enacted: one source at a time.

Written from arXiv 2506.17975 and docs/method.md alone: N candidates under the source's own condition, 32 Heun steps
(EDM2 as its paper states it, `edm2_plain`), denoiser and guide called one after the other in every evaluation, the N
latents decoded, the N images compared pair by pair with the own source, the classifier asked of candidates and source,
the clean candidate nearest in class probabilities written as a file. Networks are those of a study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.edm2_plain import PlainDenoiser, plain_sample
from benchmarks.stopwatch import Stopwatch
from unpersonal.codec.base import Codec
from unpersonal.codec.store import load_codec, load_images, load_latents
from unpersonal.cohort.table import Cohort
from unpersonal.core.config import build_config
from unpersonal.core.files import read_json
from unpersonal.core.pixels import to_float, to_uint8
from unpersonal.core.tensors import load_tensors
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.models import FOLDER, load_models
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.sampling import sample
from unpersonal.features.join import relabel
from unpersonal.features.store import load_components, load_conditions
from unpersonal.judges.classifier import Classifier
from unpersonal.judges.member import Member
from unpersonal.judges.store import Judges
from unpersonal.release.png import png_bytes

STEPS, CANDIDATES, GUIDANCE = 32, 32, 1.4
LEVEL = 0.0
"""Logit of the probability 0.5, from which a pair is one person."""
FLAGGED = 1e3
"""More than any distance of class probabilities."""
Solve = Callable[[Tensor, Tensor | None], Tensor]
"""(noise [N,c,h,w], conditions [N,L] or None) to latents [N,c,h,w]."""


def plain_network(study: Path, name: str, device: torch.device) -> PlainDenoiser:
    """A network of the study as EDM2 is written out: its weights are normalised in every evaluation."""
    path = study.joinpath(*FOLDER) / f"{name}.safetensors"
    config = build_config(NetworkConfig, read_json(path.with_suffix(".json")), where=str(path))
    network = PlainDenoiser(config)
    network.load_state_dict(load_tensors(path)[0], strict=True)
    return network.to(device).eval().requires_grad_(False)


def plain_solver(study: Path, device: torch.device, steps: int = STEPS) -> Solve:
    """EDM2 written out; on CUDA in bf16, as everything else there."""
    denoiser, guide = (plain_network(study, name, device) for name in ("denoiser", "guide"))

    def solve(noise: Tensor, conditions: Tensor | None) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            return plain_sample(denoiser, guide, noise, conditions, GUIDANCE, steps).float()

    return solve


def our_solver(study: Path, device: torch.device, steps: int = STEPS) -> Solve:
    """Our networks and Heun's method: what is left of the ratio is then the order of the work."""
    denoiser, guide = load_models(study, device)

    def solve(noise: Tensor, conditions: Tensor | None) -> Tensor:
        return sample(denoiser, noise, conditions, guide=guide, guidance=GUIDANCE, solver="heun", steps=steps)

    return solve


@dataclass(frozen=True)
class ReferenceLoop:
    """Releases one image of one source after the other into `folder`."""

    solve: Solve
    codec: Codec
    member: Member
    classifier: Classifier
    images: np.ndarray
    conditions: np.ndarray | None
    shape: tuple[int, ...]
    device: torch.device
    folder: Path
    candidates: int = CANDIDATES

    @classmethod
    def of(
        cls, study: Path, cohort: Cohort, judges: Judges, solve: Solve, device: torch.device, folder: Path
    ) -> ReferenceLoop:
        """With the networks of the study at `study`."""
        components = load_components(study)
        conditions = relabel(load_conditions(study), components, cohort.targets, cohort.labelled)
        return cls(
            solve=solve,
            codec=load_codec(study),
            member=judges.reidentifier.members[0],
            classifier=judges.classifier,
            images=load_images(study),
            conditions=conditions,
            shape=load_latents(study).shape[1:],
            device=device,
            folder=folder,
        )

    @torch.no_grad()
    def release(self, source: int, seeds: list[int], watch: Stopwatch) -> Path:
        """The file of the image of row `source` of the cohort; `seeds` [N] are those of the candidates.

        Where no candidate passes one is written all the same: redraws, of which the reference needs many, cost it
        nothing here.
        """
        condition = None if self.conditions is None else torch.from_numpy(np.array(self.conditions[source]))
        given = None if condition is None else condition.to(self.device).expand(len(seeds), -1)
        original = to_float(np.array(self.images[[source]]), self.device)
        with watch.part("drawing"):
            latents = self.solve(keyed_noise(seeds, self.shape).to(self.device), given)
        with watch.part("decoding"):
            drawn = self.codec.decode(latents).to(self.device)
        with watch.part("gate: pairs"):
            same = self.member(drawn, original.expand_as(drawn)) >= LEVEL
        with watch.part("classifier"):
            logits = self.classifier.network(torch.cat([drawn, original]))
            found = logits.softmax(dim=1) if self.classifier.exclusive else logits.sigmoid()
            distance = (found[:-1] - found[-1]).abs().sum(dim=1)
        with watch.part("writing"):
            nearest = int((distance + same * FLAGGED).argmin())
            path = self.folder / f"{source}.png"
            path.write_bytes(png_bytes(to_uint8(drawn[nearest][None])[0]))
        return path
