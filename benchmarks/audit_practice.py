"""The reference's practice re-enacted in a finished study, and audited beside what the study itself would release.

A copy of the study's denoiser is trained until it knows a few train people by heart. Each of their images is a source:
candidates are drawn from noise under the source's condition, and the first that a Siamese network gives less than 0.5
against the *own* source is released. Nobody asks whether it shows another person.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.audit_bench import Bench, Pool, cheap
from unpersonal.audit.figures import AuditFigures
from unpersonal.codec.store import load_codec, load_images, load_latents
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.pixels import to_uint8
from unpersonal.core.seeds import derive_seed
from unpersonal.diffusion.network import Denoiser
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.sampling import sample
from unpersonal.features.store import load_conditions
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.copies import one_row_each
from unpersonal.judges.generated import TIMES, overfit
from unpersonal.judges.member import Member
from unpersonal.judges.reidentifier import embed_images, raw_scores
from unpersonal.judges.subset import take_subset
from unpersonal.judges.training import train_member
from unpersonal.synthesis.selected import load_selected

CPU = torch.device("cpu")
SEED = derive_seed(0, "benchmarks", "practice")
CANDIDATES = 4
"""Drawn for a source at most, one after the other."""
STEPS = 18
"""Of Heun's solver."""
LEVEL = 0.0
"""Logit of the probability 0.5."""


@dataclass(frozen=True)
class Practice:
    """How much of it is re-enacted: `sources` images of as many people, `side` people a side, steps of the network."""

    sources: int = 48
    side: int = 500
    siamese_steps: int = 300
    released: int = 1_000
    """Images of the study's own release that are audited beside it, at most."""


@dataclass(frozen=True)
class Reenacted:
    """Both audits, of the same people; `yielded` of the sources had a candidate that passed."""

    theirs: AuditFigures
    ours: AuditFigures
    sources: int
    yielded: int


def siamese(cohort: Cohort, images: np.ndarray, config: JudgesConfig) -> Member:
    """One Siamese network that was trained on the train people."""
    train, stop = (take_subset(cohort, images, name) for name in ("train", "val-stop"))
    with tempfile.TemporaryDirectory() as folder:
        model, _ = train_member(
            train.images,
            train.subjects,
            config.model_copy(update={"kind": "siamese"}),
            seed=SEED,
            device=CPU,
            checkpoint=Path(folder) / "checkpoint.safetensors",
            held_out=(stop.images, stop.subjects),
            codec=None,
        )
    return model


def passes_own_source(model: Member, draws: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Which draws uint8 [n,C,S,S] the network calls another person than their own `sources` [n], bool [n]."""
    one, two = (embed_images(model, batch, CPU) for batch in (draws, sources))
    logits = np.array([float(raw_scores(model, a, b[None], CPU)[0, 0]) for a, b in zip(one, two, strict=True)])
    return logits < LEVEL


@torch.no_grad()
def candidates(study: Path, denoiser: Denoiser, rows: np.ndarray, attempt: int) -> np.ndarray:
    """uint8 [n,C,S,S]: a draw from noise under the condition of each of the images `rows` int64 [n] of the cohort."""
    shape = load_latents(study).shape[1:]
    noise = keyed_noise([("practice", attempt, int(row)) for row in rows], shape)
    stored = load_conditions(study) if denoiser.config.label_dim else None
    told = None if stored is None else torch.from_numpy(np.array(stored[rows]))
    return to_uint8(load_codec(study).decode(sample(denoiser, noise, told, steps=STEPS)))


def released_by_practice(study: Path, denoiser: Denoiser, model: Member, rows: np.ndarray) -> np.ndarray:
    """The first candidate of each of the images `rows` that passes, uint8 [k,C,S,S]; none passes for the others."""
    known, waiting, out = np.array(load_images(study)[rows]), np.arange(len(rows)), []
    for attempt in range(CANDIDATES):
        draws = candidates(study, denoiser, rows[waiting], attempt)
        passed = passes_own_source(model, draws, known[waiting])
        out.append(draws[passed])
        waiting = waiting[~passed]
        if not len(waiting):
            break
    return np.concatenate(out)


def bench_of(study: Path, cohort: Cohort, side: int) -> tuple[Bench, np.ndarray, np.ndarray]:
    """A bench of the study's auxiliary people, and the names of train and of test people who are its two sides."""
    pool, rng = Pool.prepared(study), np.random.default_rng(SEED)
    found = {name: np.unique(pool.subjects[cohort.rows(name)]) for name in ("train", "test")}
    sides = [rng.permutation(people)[: min(side, *map(len, found.values()))] for people in found.values()]
    halves = [pool.of(np.unique(pool.subjects[cohort.rows(name)])) for name in ("aux-network", "aux-weights")]
    return Bench(pool, (halves[0], halves[1]), np.concatenate(sides), pool.images[:0], cheap()), sides[0], sides[1]


def reenacted(study: Path, practice: Practice | None = None, judges: JudgesConfig | None = None) -> Reenacted:
    """Audits of what the practice releases, and of what the study itself has selected: the same people, attacks, seed.

    Sources are train people of the side that is audited. Where no candidate passes at all there is no release, and
    nothing to audit: `SystemExit`.
    """
    practice = practice or Practice()
    cohort, images = load_cohort(study), load_images(study)
    bench, train, control = bench_of(study, cohort, practice.side)
    rows = one_row_each(cohort, "train", SEED)
    rows = rows[np.isin(cohort.subjects[rows].astype(str), train)][: practice.sources]
    config = (judges or JudgesConfig()).model_copy(update={"reidentifier_steps": practice.siamese_steps})
    released = released_by_practice(
        study, overfit(study, rows, SEED, CPU, TIMES), siamese(cohort, images, config), rows
    )
    if not len(released):
        raise SystemExit("no candidate passed, so that the practice releases nothing")
    own = load_selected(study).images[: practice.released]
    theirs, ours = (bench.audit(bench.pool.of(train), bench.pool.of(control), batch) for batch in (released, own))
    return Reenacted(theirs, ours, len(rows), len(released))
