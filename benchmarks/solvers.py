"""Few-step table of a finished study: `python -m benchmarks.solvers STUDY`.

For every solver and number of denoiser evaluations the same sources are drawn under the same conditions from the same
keyed noise, as the synthesis draws them (first attempt), and compared with 63 evaluations of Heun's method. Held-out
images are those of `val`; `test` is never read. Spaces: closed-form PCA fitted on `aux`. Intervals are over source
subjects, paired between the rows: half-samples of subjects (drawing half without replacement has the spread of the full
sample's figure), because IRS counts distinct images and a bootstrap would repeat them.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unpersonal.codec.store import load_images
from unpersonal.cohort.table import Cohort, load_cohort
from unpersonal.core.config import build_config
from unpersonal.core.device import pick_device
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_json
from unpersonal.core.seeds import derive_seed, numpy_rng
from unpersonal.diffusion.registry import SOLVERS
from unpersonal.features.blend import Mixing
from unpersonal.features.pca import PCAEncoder, fit_pca
from unpersonal.features.store import load_components
from unpersonal.judges.predicted import complete_cohort
from unpersonal.metrics.features import equal_share
from unpersonal.metrics.generative.fid import frechet_distance
from unpersonal.metrics.generative.fid_excess import excess_ratio
from unpersonal.metrics.generative.irs import irs, irs_adjusted, solve_irs
from unpersonal.metrics.neighbours import nearest
from unpersonal.metrics.roc import macro_auroc
from unpersonal.study import Study
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.draw import Candidate, draw_images, plan_candidates
from unpersonal.synthesis.parts import Parts
from unpersonal.synthesis.pipeline import open_pipeline
from unpersonal.synthesis.plan import make_plan
from unpersonal.synthesis.sampler import make_sampler

BUDGETS = (7, 11, 15, 23, 31, 63)
BASELINE = ("heun", 63)
IRS_RATIO, FID_RATIO, AUROC_LOSS = 0.9, 1.1, 0.02
MATCH = "match rate"
MATCH_MARGIN = 0.01
"""Greatest rise of the match rate, as a fraction, that the upper bound of the difference may reach."""
COMPONENTS = 64


@dataclass(frozen=True)
class Row:
    """What one setting drew, per candidate: train image hit [n], place [n, d], flagged [n], probabilities [n, C]."""

    solver: str
    steps: int
    seconds: float
    hits: np.ndarray
    points: np.ndarray
    flagged: np.ndarray
    probabilities: np.ndarray

    @property
    def budget(self) -> int:
        """Evaluations of the denoiser."""
        return SOLVERS.get(self.solver).evaluations(self.steps)


@dataclass(frozen=True)
class Ground:
    """What all rows share: subject and targets of every candidate's source, and the real images' places."""

    subjects: np.ndarray
    targets: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    space: PCAEncoder
    halves: list[np.ndarray]


@dataclass(frozen=True)
class Figure:
    """A value with its two-sided 95 % interval over source subjects; NaN where there is none."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.lower:.3f}, {self.upper:.3f}]"


@dataclass(frozen=True)
class Judged:
    """A row's figures, and those against the baseline with one-sided 95 % bounds; `failed` names what is not shown."""

    solver: str
    steps: int
    evaluations: int
    seconds: float
    irs: Figure
    fid: Figure
    match: Figure
    auroc: Figure
    irs_ratio: float
    irs_ratio_lower: float
    fid_ratio: float
    fid_ratio_upper: float
    match_rise: float
    match_rise_upper: float
    auroc_loss: float
    auroc_loss_upper: float
    failed: list[str]


def half_samples(subjects: np.ndarray, replicates: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of `replicates` random halves of the subjects, whole subjects each."""
    people, codes = np.unique(subjects.astype(str), return_inverse=True)
    if len(people) < 4:
        raise InputError("Fewer than four subjects were drawn for", where="benchmarks.solvers", how="use more sources")
    half = len(people) // 2
    return [np.flatnonzero(np.isin(codes, rng.permutation(len(people))[:half])) for _ in range(replicates)]


def figures(row: Row, ground: Ground, rows: np.ndarray) -> dict[str, float]:
    """IRS (not adjusted), FID to the held-out images, match rate and macro AUROC of the candidates `rows`."""
    return {
        "irs": solve_irs(len(ground.train), len(rows), len(np.unique(row.hits[rows]))).irs_inf,
        "fid": frechet_distance(ground.held_out, row.points[rows]).fid,
        "match": float(row.flagged[rows].mean()),
        "auroc": macro_auroc(row.probabilities[rows], ground.targets[rows]),
    }


def spread(halves: np.ndarray) -> np.ndarray:
    """Deviations of the half-samples' figures from their mean; NaN is left out."""
    known = halves[np.isfinite(halves)]
    return known - known.mean() if len(known) else np.array([np.nan])


def match_rise_upper(rise: np.ndarray, subjects: np.ndarray) -> float:
    """One-sided 95 % upper bound of the mean rise of the match rate over subjects; `rise` [n] in -1, 0, 1.

    A normal bound with one imagined subject added for whom it rose fully: with no rise seen among S subjects that is
    2.6 / (S + 1), near the exact 3 / S, instead of 0.
    """
    _, codes = np.unique(subjects.astype(str), return_inverse=True)
    means = np.append(np.bincount(codes, rise) / np.bincount(codes), 1.0)
    return float(means.mean() + 1.645 * means.std(ddof=1) / np.sqrt(len(means)))


def judge(row: Row, baseline: Row, ground: Ground, margin: float) -> Judged:
    """Set `row` against `baseline` by the margins of docs/benchmarks.md; a bound that is not known fails."""
    everything = np.arange(len(row.hits))
    own, base = figures(row, ground, everything), figures(baseline, ground, everything)
    halves = [(figures(row, ground, rows), figures(baseline, ground, rows)) for rows in ground.halves]
    rng = numpy_rng("few-step table", "irs")
    held_out = equal_share(ground.held_out, len(row.points), None, rng)
    points = equal_share(row.points, len(held_out), None, rng)
    adjusted = irs_adjusted(irs(ground.train, points), irs(ground.train, held_out))

    def figure(name: str, value: float) -> Figure:
        scale = value / own[name] if own[name] else 1.0
        low, high = np.quantile(spread(np.array([one[name] for one, _ in halves])), (0.025, 0.975)) * scale
        return Figure(value, value + low, value + high)

    def ratio(name: str) -> tuple[float, float, float]:
        value = own[name] / base[name]
        logs = spread(np.log([one[name] / other[name] for one, other in halves]))
        return value, value * float(np.exp(np.quantile(logs, 0.05))), value * float(np.exp(np.quantile(logs, 0.95)))

    irs_ratio, irs_lower, _ = ratio("irs")
    # in excess of what finite sets have among themselves, which would pull a ratio of two FIDs to 1
    fid = excess_ratio(
        ground.held_out,
        None,
        row.points,
        baseline.points,
        numpy_rng("few-step table", "fid"),
        sources=ground.subjects,
        confidence=0.9,
    )
    loss = base["auroc"] - own["auroc"]
    loss_upper = loss + float(np.quantile(spread(np.array([b["auroc"] - a["auroc"] for a, b in halves])), 0.95))
    rise = row.flagged.astype(float) - baseline.flagged.astype(float)
    rise_upper = match_rise_upper(rise, ground.subjects)
    passed = {
        "IRS": irs_lower >= IRS_RATIO,
        "FID": fid.upper <= FID_RATIO,
        MATCH: rise_upper <= margin,
        "AUROC": loss_upper <= AUROC_LOSS,
    }
    return Judged(
        solver=row.solver,
        steps=row.steps,
        evaluations=row.budget,
        seconds=row.seconds,
        irs=figure("irs", adjusted),
        fid=figure("fid", own["fid"]),
        match=figure("match", own["match"]),
        auroc=figure("auroc", own["auroc"]),
        irs_ratio=irs_ratio,
        irs_ratio_lower=irs_lower,
        fid_ratio=fid.value,
        fid_ratio_upper=fid.upper,
        match_rise=float(rise.mean()),
        match_rise_upper=rise_upper,
        auroc_loss=loss,
        auroc_loss_upper=loss_upper,
        failed=[] if row is baseline else [name for name, fine in passed.items() if not fine],
    )


def fewest(table: list[Judged]) -> Judged:
    """The row with the fewest evaluations that is not inferior, nor is its solver with any larger budget of the table.

    A pass below a failure in IRS, FID or AUROC of the same solver is luck and does not count. Below a failure in the
    match rate it does: the match rate rises with the accuracy of the solver, so that fewer evaluations match less. Ties
    go to the lesser FID ratio; the baseline is there at worst.
    """
    sound = [
        row
        for row in table
        if not row.failed
        and not any(
            set(other.failed) - {MATCH}
            for other in table
            if other.solver == row.solver and other.evaluations > row.evaluations
        )
    ]
    baseline = [row for row in table if (row.solver, row.evaluations) == BASELINE]
    return min(sound or baseline, key=lambda row: (row.evaluations, row.fid_ratio))


class Drawing:
    """A study's candidates, planned once and drawn with any solver."""

    def __init__(self, study: Study, options: argparse.Namespace) -> None:
        self.path, self.device = study.path, pick_device(options.device)
        given = {"candidates": options.candidates, "guidance": options.guidance, "guidance_interval": options.interval}
        given |= {"sources": options.sources}
        values = study.config.synthesis.model_dump() | {key: value for key, value in given.items() if value is not None}
        self.config = build_config(SynthesisConfig, values, where="benchmarks.solvers")
        seed = derive_seed(study.config.seed, "few-step table")
        cohort = complete_cohort(study.path, load_cohort(study.path))
        plan = make_plan(cohort, self.config, seed, mixing=Mixing.of(load_components(study.path), self.config.blend))
        parts = Parts(study.path, plan, self.config.chunk, "few-step table")
        self.pipeline = open_pipeline(parts, cohort, self.config, seed, self.device)
        position, blender = self.pipeline.position, self.pipeline.blender
        self.draws = plan_candidates(range(len(plan)), plan, position, 0, blender, self.config, seed)
        self.ground = common_ground(study.path, cohort, self.draws, options.replicates, seed)

    def row(self, solver: str, steps: int) -> Row:
        """Draw every candidate with `steps` steps of `solver` and look at the images."""
        settings = self.config.model_dump() | {"solver": solver, "steps": steps}
        config = build_config(SynthesisConfig, settings, where="benchmarks.solvers")
        sampler = make_sampler(self.path, config, self.device)
        begin = time.perf_counter()
        images = draw_images(self.draws, sampler, config.strength(0), config.batch)
        seconds = time.perf_counter() - begin
        points = self.ground.space.transform(images)
        return Row(
            solver=solver,
            steps=steps,
            seconds=seconds,
            hits=nearest(points, self.ground.train)[0],
            points=points,
            flagged=self.pipeline.veto(images).flagged,
            probabilities=self.pipeline.classify(images),
        )


def common_ground(path: Path, cohort: Cohort, draws: list[Candidate], replicates: int, seed: int) -> Ground:
    """Places of the train and val images in the PCA space of aux, and the halves of the source subjects."""
    images, owners = load_images(path), np.array([draw.source for draw in draws])
    pixels = {part: np.array(images[cohort.rows(part)]) for part in ("train", "val", "aux")}
    space = fit_pca(pixels["aux"], COMPONENTS)
    subjects = cohort.subjects[owners]
    return Ground(
        subjects=subjects,
        targets=cohort.targets[owners],
        train=space.transform(pixels["train"]),
        held_out=space.transform(pixels["val"]),
        space=space,
        halves=half_samples(subjects, replicates, numpy_rng(seed, "halves")),
    )


def steps_within(solver: str, budget: int) -> int:
    """The most steps that `solver` can take in `budget` evaluations; `ValueError` where that is none."""
    steps = range(budget, 0, -1)
    found = next((n for n in steps if SOLVERS.get(solver).evaluations(n) <= budget), None)
    if found is None:
        raise ValueError("a solver needs at least one evaluation")
    return found


def settings_of(solvers: list[str], budgets: list[int]) -> list[tuple[str, int]]:
    """(solver, steps) for every budget, the baseline first; Heun's method gets the odd number at or below a budget."""
    wanted = [(solver, steps_within(solver, budget)) for solver in solvers for budget in sorted(set(budgets))]
    first = (BASELINE[0], steps_within(*BASELINE))
    # the configuration asks for two steps at least
    return [first, *dict.fromkeys(pair for pair in wanted if pair != first and pair[1] >= 2)]


def line(row: Judged) -> str:
    """One row of the printed table."""
    verdict = "not inferior" if not row.failed else "not shown: " + ", ".join(row.failed)
    return (
        f"{row.evaluations:>5} {row.solver:<9} {row.steps:>5} {row.seconds:>8.1f}  {row.irs!s:<22} {row.fid!s:<28} "
        f"{row.match!s:<22} {row.auroc!s:<22} {row.irs_ratio:.3f} (>= {row.irs_ratio_lower:.3f})  "
        f"{row.fid_ratio:.3f} (<= {row.fid_ratio_upper:.3f})  {row.match_rise:+.4f} (<= {row.match_rise_upper:.4f})  "
        f"{row.auroc_loss:+.3f} (<= {row.auroc_loss_upper:.3f})  {verdict}"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solvers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path, help="study folder; the stages up to judges must have run")
    parser.add_argument("--sources", type=int, help="train images that lend conditions (the study's; 0 = every one)")
    parser.add_argument("--candidates", type=int, help="candidates per source (the study's)")
    parser.add_argument("--evaluations", type=int, nargs="+", default=list(BUDGETS), help="budgets to try")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS.names(), default=list(SOLVERS.own_names()))
    parser.add_argument("--guidance", type=float, help="strength (the study's)")
    parser.add_argument(
        "--interval", type=float, nargs=2, help="noise levels between which guidance acts (the study's)"
    )
    parser.add_argument("--match-margin", type=float, default=MATCH_MARGIN, help="greatest rise of the match rate")
    parser.add_argument("--replicates", type=int, default=200, help="half-samples of the source subjects")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write the table here as well")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Draw, compare, print; 2 where the study or the options are wrong."""
    options = parse(arguments)
    try:
        table = few_steps(Study.open(options.study), options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    best = fewest(table)
    print(
        f"Fewest evaluations not inferior to {BASELINE[1]} of {BASELINE[0]}: {best.evaluations} "
        f'(solver = "{best.solver}", steps = {best.steps})'
    )
    if options.json is not None:
        write_json(options.json, {"rows": [plain(row) for row in table], "fewest": plain(best)})
    return 0


def few_steps(study: Study, options: argparse.Namespace) -> list[Judged]:
    """Print the table row by row and return it; the baseline is its first row."""
    drawing = Drawing(study, options)
    ground = drawing.ground
    print(
        f"{len(drawing.draws)} candidates for {len(set(ground.subjects))} subjects, against {len(ground.train)} train "
        f"and {len(ground.held_out)} val images; guidance {drawing.config.strength(0):g}, interval "
        f"{drawing.config.guidance_interval or 'all'}, device {drawing.device}. Brackets: 95 % over source subjects; "
        f"(>=) and (<=): one-sided 95 % bounds.\nRequired: IRS ratio >= {IRS_RATIO}, FID ratio <= {FID_RATIO}, rise of "
        f"the match rate <= {options.match_margin:g}, AUROC loss <= {AUROC_LOSS}, each by its bound.\n"
        "evals solver    steps  seconds  adjusted IRS           FID to val                   match rate             "
        "label AUROC            IRS ratio  FID ratio  rise of match rate  AUROC loss  verdict"
    )
    baseline: Row | None = None
    table = []
    for solver, steps in settings_of(options.solvers, options.evaluations):
        row = drawing.row(solver, steps)
        baseline = baseline or row
        table.append(judge(row, baseline, ground, options.match_margin))
        print(line(table[-1]), flush=True)
    return table


def plain(row: Judged) -> dict[str, Any]:
    """A row for JSON, which has no NaN."""
    values: dict[str, Any] = {}
    for name, value in asdict(row).items():
        items = value.items() if isinstance(value, dict) else [(None, value)]
        clean = {key: None if isinstance(item, float) and not np.isfinite(item) else item for key, item in items}
        values[name] = clean if isinstance(value, dict) else clean[None]
    return values


if __name__ == "__main__":
    sys.exit(main())
