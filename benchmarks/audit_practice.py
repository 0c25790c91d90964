"""The reference's gate re-enacted in a finished study, and audited as the study's own release is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.audit_bench import Bench, Pool, cheap
from benchmarks.matching import Study
from unpersonal.audit.figures import AuditFigures
from unpersonal.core.files import read_json
from unpersonal.core.seeds import derive_seed
from unpersonal.judges.copies import one_row_each
from unpersonal.judges.generated import overfitted_samples
from unpersonal.judges.reidentifier import Reidentifier, embed_images, raw_scores

CPU = torch.device("cpu")
SOURCES = 96
"""Train people, one image each, that the over-fitted model has learnt: every one is a source."""
LEVEL = 0.0
"""Logit of the probability 0.5."""


def passes_own_source(reidentifier: Reidentifier, draws: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Which draws uint8 [n,C,S,S] one network calls another person than their own `sources` [n], bool [n]."""
    model = reidentifier.members[0]
    one, two = (embed_images(model, batch, CPU) for batch in (draws, sources))
    logits = np.array([float(raw_scores(model, a, b[None], CPU)[0, 0]) for a, b in zip(one, two, strict=True)])
    return logits < LEVEL


def reenacted(path: Path) -> tuple[AuditFigures, AuditFigures]:
    """Figures of the re-enacted practice, and those of the study's own audit.

    Train and control people are those of the cohort, as many of either as there are control people; the auxiliary ones
    are the study's. An image that no draw passed for is drawn once and left out, as the reference leaves it out.
    """
    study = Study.open(path, SOURCES)
    rows = one_row_each(study.cohort, "train", 0)[:SOURCES]
    draws = overfitted_samples(path, rows, derive_seed(0, "benchmarks", "practice"), CPU)
    released = draws[passes_own_source(study.judges.reidentifier, draws, np.array(study.images[rows]))]
    pool = Pool.prepared(path)
    parts = {name: study.cohort.rows(name) for name in ("train", "test", "aux-network", "aux-weights")}
    people = {name: np.unique(pool.subjects[found]) for name, found in parts.items()}
    halves = pool.of(people["aux-network"]), pool.of(people["aux-weights"])
    bench = Bench(pool, halves, np.concatenate([people["train"], people["test"]]), pool.images[:0], cheap())
    theirs = bench.audit(pool.of(people["train"]), pool.of(people["test"]), released)
    found = AuditFigures.from_json(read_json(path / "audit" / "audit.json"), where="audit/audit.json")
    return theirs, found
