"""What ranking by class probabilities gains: `python -m benchmarks.selection STUDY --out FILE.jsonl`.

For every draw of the plan N candidates are drawn once and vetoed; then each way to choose takes its images from the
same candidates: `probabilities`, `least-like`, `first`, `random`, one image a draw; and `every`, all clean candidates,
which is what drawing without ranking yields at the cost of ranking. For each: AUROC of the recipient on real test
people, agreement of the labels with a classifier that ranked nothing (of the utility's kind and seeds, trained on real
images), diversity. Candidates are kept beside FILE, rows in it: what is there is not made again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.recipient import Members, Recipients
from benchmarks.rows import Row, Rows, study_key, told
from unpersonal.cohort.table import load_cohort
from unpersonal.core.config import build_config
from unpersonal.core.device import pick_device
from unpersonal.core.errors import InputError
from unpersonal.core.progress import progress_bar
from unpersonal.core.seeds import derive_seed, numpy_rng
from unpersonal.core.tensors import load_tensors, save_tensors
from unpersonal.features.blend import Mixing
from unpersonal.features.pca import fit_pca
from unpersonal.features.store import load_components
from unpersonal.judges.predicted import complete_cohort
from unpersonal.metrics.intervals import percentile_interval, subject_bootstrap
from unpersonal.study import Study
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.draw import draw_images, plan_candidates
from unpersonal.synthesis.parts import Parts
from unpersonal.synthesis.pipeline import Pipeline, open_pipeline
from unpersonal.synthesis.plan import Plan, make_plan
from unpersonal.synthesis.rank import RANKS, choose, label_distances
from unpersonal.utility.stage import image_metrics

FILES = ("study.toml", "cohort.parquet", "models/diffusion/denoiser.safetensors", "models/judges/gate.json")
RANKED, EVERY = "probabilities", "every"
REPLICATES = 1000
COMPONENTS = 64


@dataclass(frozen=True)
class Pool:
    """Candidates uint8 [n,C,H,W] of the draws `draw` [n], whether they were flagged, their distances to what is wanted.

    `source` [n] are rows of the cohort, `likeness` [n] says how like somebody a candidate is (`Ruling.likeness`).
    """

    images: np.ndarray
    draw: np.ndarray
    source: np.ndarray
    flagged: np.ndarray
    distance: np.ndarray
    likeness: np.ndarray

    def chosen(self, way: str, seed: int) -> np.ndarray:
        """Rows of the pool that a way to choose takes, in order."""
        if way == EVERY:
            return np.flatnonzero(~self.flagged)
        found = choose(
            self.draw,
            self.flagged,
            self.likeness if RANKS[way].by_likeness else self.distance,
            RANKS[way],
            lambda draw: numpy_rng(seed, "selection", way, draw),
        )
        return np.sort(np.array(list(found.values()), dtype=np.int64))


def draw_chunk(draws: range, plan: Plan, pipeline: Pipeline, seed: int) -> dict[str, torch.Tensor]:
    """The first attempt at some draws: what `Pool` holds of them."""
    config = pipeline.config
    planned = plan_candidates(list(draws), plan, pipeline.position, 0, pipeline.blender, config, seed)
    images = draw_images(planned, pipeline.sampler, config.strength(0), config.batch)
    owner, ruling = np.array([each.draw for each in planned]), pipeline.veto(images)
    found = {
        "images": images,
        "draw": owner,
        "source": np.array([each.source for each in planned]),
        "flagged": np.asarray(ruling.flagged),
        "likeness": ruling.likeness(),
        "distance": label_distances(pipeline.classify(images), pipeline.wanted(owner)),
    }
    return {name: torch.from_numpy(values) for name, values in found.items()}


def draw_pool(study: Study, options: argparse.Namespace, folder: Path, device: torch.device) -> Pool:
    """The candidates of the study's plan, drawn chunk by chunk into `folder`."""
    seed = derive_seed(study.config.seed, "selection")
    given = {"candidates": options.candidates, "images": options.images}
    values = study.config.synthesis.model_dump() | {key: value for key, value in given.items() if value is not None}
    config = build_config(SynthesisConfig, values, where="benchmarks.selection")
    cohort = complete_cohort(study.path, load_cohort(study.path))
    plan = make_plan(cohort, config, seed, mixing=Mixing.of(load_components(study.path), config.blend))
    parts = Parts(study.path, plan, config.chunk, "selection")
    pipeline: Pipeline | None = None
    chunks = []
    with progress_bar("candidates (draws)", len(plan)) as bar:
        for start in range(0, len(plan), config.chunk):
            draws = range(start, min(start + config.chunk, len(plan)))
            path = folder / f"{plan.fingerprint[:12]}-{config.candidates}-{start:07d}.safetensors"
            if not path.is_file():
                pipeline = pipeline or open_pipeline(parts, cohort, config, seed, device)
                save_tensors(path, draw_chunk(draws, plan, pipeline, seed))
            chunks.append({name: value.numpy() for name, value in load_tensors(path)[0].items()})
            bar.advance(len(draws))
    return Pool(**{name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})


@dataclass(frozen=True)
class Judged:
    """How well images fit their labels and how far they spread: one value per image, for intervals over subjects."""

    agreement: np.ndarray
    points: np.ndarray

    def over_subjects(self, rows: np.ndarray, subjects: np.ndarray, seed: int) -> dict[str, Any]:
        """Figures of the images `rows` of `subjects` [len(rows)], with 95 % intervals over these."""
        agreement, points = self.agreement[rows], self.points[rows]

        def spread(chosen: np.ndarray) -> float:
            return float(points[chosen].var(axis=0).sum())

        def agrees(chosen: np.ndarray) -> float:
            return float(agreement[chosen].mean())

        found: dict[str, Any] = {}
        for name, figure in (("agreement", agrees), ("spread", spread)):
            rng = numpy_rng(seed, "selection", name)
            drawn = subject_bootstrap(subjects, figure, replicates=REPLICATES, rng=rng)
            found[name] = [figure(np.arange(len(rows))), *percentile_interval(drawn)]
        return found


def agreement_of(members: Members, targets: np.ndarray) -> np.ndarray:
    """Share of classifiers and labels that say of an image what `targets` [n,C] say, float64 [n].

    Where every image has one label, the likeliest one is what a classifier says and counts as a whole; else a label is
    said from a probability of a half on.
    """
    truth = np.asarray(targets) > 0.5
    if (truth.sum(axis=1) == 1).all():
        right = [member.argmax(axis=1) == truth.argmax(axis=1) for member in members]
    else:
        right = [((member >= 0.5) == truth).mean(axis=1) for member in members]
    return np.asarray(np.mean(right, axis=0))


class Selection:
    """The ways to choose, on one pool of candidates."""

    def __init__(self, study: Study, options: argparse.Namespace) -> None:
        device, self.seed = pick_device(options.device), study.config.seed
        folder = options.out.with_suffix(".work")
        self.recipients = Recipients.of(study, options.repeats, folder / "recipients", device)
        self.pool = draw_pool(study, options, folder / "candidates", device)
        self.cohort = complete_cohort(study.path, load_cohort(study.path))
        self.targets = self.cohort.targets[self.pool.source]
        judge = self.recipients.real("judge", self.pool.images)
        images = self.recipients.images
        self.pixels = {part: np.array(images[self.cohort.rows(part)]) for part in ("train", "test", "aux")}
        space = fit_pca(self.pixels["aux"], COMPONENTS)
        self.judged = Judged(agreement_of(judge, self.targets), space.transform(self.pool.images))
        self.real_spread = float(space.transform(self.pixels["test"]).var(axis=0).sum())

    def members(self, way: str) -> Members:
        """The recipients of what a way to choose takes."""
        rows = self.pool.chosen(way, self.seed)
        return self.recipients.learned(
            way, self.pool.images[rows], self.targets[rows], groups=self.pool.draw[rows].astype(str)
        )

    def row(self, way: str) -> dict[str, Any]:
        """Figures of a way to choose; `gain` is what the study's way has above it."""
        rows = self.pool.chosen(way, self.seed)
        own = self.members(way)
        ranked = self.recipients.compared(self.members(RANKED), own)
        against_real = self.recipients.compared(self.recipients.real(), own)
        metrics = image_metrics(
            self.pixels["train"],
            self.pixels["test"],
            self.pool.images[rows],
            self.pixels["aux"],
            components=COMPONENTS,
            seed=self.seed,
        ).to_json()
        subjects = self.cohort.subjects[self.pool.source[rows]].astype(str)
        found = self.judged.over_subjects(rows, subjects, self.seed)
        return {
            "images": len(rows),
            "auroc": [ranked.auroc_synthetic, *(ranked.auroc_synthetic_interval or (None, None))],
            "gain": [ranked.gap, *(ranked.gap_interval or (None, None))],
            "gap": [against_real.gap, against_real.gap_upper],
            "agreement": found["agreement"],
            "spread": [value / self.real_spread for value in found["spread"]],
            "irs": [metrics.get(name) for name in ("irs", "irs_lower", "irs_upper")],
            "fid": metrics.get("fid"),
            "coverage": metrics.get("coverage"),
        }


def report(table: Mapping[str, Row], candidates: str) -> None:
    """Print the table."""
    print(f"Candidates: {candidates}. `gain`: AUROC of `{RANKED}` less that of the row. 95 % intervals over people.\n")
    print(
        "| chosen | images | AUROC on real people | gain | gap to real (bound) | label agreement | adjusted IRS (90 %) "
        "| spread / real | FID | coverage |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for way, row in table.items():
        cells = [told(row[name]) for name in ("auroc", "gain", "gap", "agreement", "irs", "spread")]
        print(f"| {way} | {row['images']:,} | {' | '.join(cells)} | {told(row['fid'], 1)} | {told(row['coverage'])} |")


def measure(study: Study, options: argparse.Namespace) -> dict[str, Row]:
    """Every way to choose; rows in `--out` are taken from there."""
    rows = Rows(
        options.out,
        study=study_key(study.path, *FILES),
        repeats=options.repeats,
        candidates=options.candidates,
        images=options.images,
    )
    opened: list[Selection] = []

    def selection() -> Selection:
        if not opened:
            opened.append(Selection(study, options))
        return opened[0]

    def row(way: str) -> Row:
        return rows.measured(lambda: selection().row(way), chosen=way)

    return {way: row(way) for way in (RANKED, "least-like", "first", "random", EVERY)}


def count_of(word: str) -> int | str:
    """`--images` as `[synthesis] images` has it: a number, or text like "2x"."""
    return int(word) if word.isdigit() else word


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path, help="study folder; the stages up to judges must have run")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, a row for each way to choose")
    parser.add_argument("--images", type=count_of, help='draws: a number or "2x" (the study\'s)')
    parser.add_argument("--candidates", type=int, help="candidates of each draw (the study's)")
    parser.add_argument("--repeats", type=int, default=2, help="classifiers of each arm, at least 2")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Draw, choose, train, print; 2 where the study or the options are wrong."""
    options = parse(arguments)
    try:
        table = measure(Study.open(options.study), options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    report(table, f"{options.candidates or 'as many as the study has'} for each draw")
    return 0


if __name__ == "__main__":
    sys.exit(main())
