"""Seconds per released image against the reference's procedure: `python -m benchmarks.reference_speed STUDY`.

In turn, round after round, in one process with the same networks: the reference's loop (`reference_loop`) with EDM2
written out, the same loop with our networks, our synthesis at equal evaluations (N = 32, 32 Heun steps), and our
synthesis as the study has it. Ours refuses by every matcher against the whole cohort and its redraws are counted; the
reference's pair by pair against the own source, and its redraws are not. Nothing is written in the study.
With one thread seconds are those of the processor, else of the wall. `--out FILE` keeps the rounds: one that is there
is not measured again.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.reference_loop import CANDIDATES, STEPS, ReferenceLoop, Solve, our_solver, plain_solver
from benchmarks.rows import Row, Rows, study_key
from benchmarks.stopwatch import Stopwatch, now, watched
from unpersonal.codec.store import load_latents
from unpersonal.cohort.table import load_cohort
from unpersonal.core.config import build_config
from unpersonal.core.device import pick_device
from unpersonal.core.errors import InputError
from unpersonal.core.seeds import derive_seed
from unpersonal.diffusion.models import load_models
from unpersonal.features.blend import Mixing
from unpersonal.features.store import load_components
from unpersonal.judges.predicted import complete_cohort
from unpersonal.judges.store import load_judges
from unpersonal.release.png import png_bytes
from unpersonal.study import Study
from unpersonal.synthesis.config import SynthesisConfig
from unpersonal.synthesis.parts import Parts, save_part
from unpersonal.synthesis.pipeline import Pipeline, draw_all, open_pipeline
from unpersonal.synthesis.plan import make_plan
from unpersonal.synthesis.sampler import make_sampler

FILES = ("study.toml", "cohort.parquet", "models/diffusion/denoiser.safetensors", "models/judges/gate.json")
REFERENCE, LOOP, EQUAL, DEFAULT = (
    "reference, EDM2 written out",
    "reference's loop, our networks",
    "ours, equal evaluations",
    "ours, as the study has it",
)
KEY = "reference speed"
"""What parts written here are made from: no study's."""
PRODUCT = 1024
"""Side of the float32 matrices whose product gives the machine's rate."""
AIMS = {EQUAL: 2.0, DEFAULT: 20.0}


@dataclass(frozen=True)
class Ours:
    """Our synthesis under one configuration, timed; parts are written below `folder`."""

    pipeline: Pipeline
    watch: Stopwatch
    folder: Path

    def release(self, draws: Sequence[int]) -> tuple[int, int]:
        """Draw, veto, rank and write; counts of released images and candidates."""
        with self.watch.part("planning"):
            columns, images = draw_all(list(draws), self.pipeline)
        with self.watch.part("writing"):
            parts = Parts(self.folder, self.pipeline.plan, self.pipeline.config.chunk, KEY)
            save_part(parts, draws[0], columns, images)
            for number, image in enumerate([] if images is None else images):
                (self.folder / f"{number}.png").write_bytes(png_bytes(image))
        return 0 if images is None else len(images), len(columns["draw"])


def ours(pipeline: Pipeline, changes: Mapping[str, Any], watch: Stopwatch, study: Path, device: torch.device) -> Ours:
    """The opened pipeline with other settings; its gallery is shared."""
    config = build_config(SynthesisConfig, pipeline.config.model_dump() | dict(changes), where="benchmarks")
    folder = Path(tempfile.mkdtemp(prefix="unpersonal-speed-"))
    with watched(watch):
        sampler = watch.timed("drawing", make_sampler(study, config, device))
    classify = watch.timed("classifier", pipeline.classify)
    # asks the classifier of real images, once for each draw
    wanted = watch.timed("classifier", pipeline.wanted)
    return Ours(replace(pipeline, config=config, sampler=sampler, classify=classify, wanted=wanted), watch, folder)


def product_rate(device: torch.device) -> float:
    """Floating-point operations per second of a float32 product (bf16 on CUDA, where the networks are)."""
    size, kind = (8192, torch.bfloat16) if device.type == "cuda" else (PRODUCT, torch.float32)
    a, b = (torch.randn(size, size, dtype=kind, device=device) for _ in range(2))
    times = []
    for _ in range(6):
        start = now()
        a @ b
        times.append(now() - start)
    return 2 * size**3 / statistics.median(times[1:])


def operations(study: Path, device: torch.device) -> int:
    """Floating-point operations of denoiser and guide for one candidate in one evaluation."""
    from torch.utils.flop_counter import FlopCounterMode

    noise = torch.randn(1, *load_latents(study).shape[1:], device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for network in load_models(study, device):
            width = network.config.label_dim
            network(noise, torch.ones((), device=device), torch.ones(1, width, device=device) if width else None)
    return int(counter.get_total_flops())


class Contest:
    """Everybody with the same networks; `turn` releases some images and says what they cost."""

    def __init__(self, study: Study, options: argparse.Namespace) -> None:
        path, self.device = study.path, pick_device(options.device)
        self.options, self.watch = options, Stopwatch()
        seed, config = derive_seed(study.config.seed, KEY), study.config.synthesis
        cohort = complete_cohort(path, load_cohort(path))
        plan = make_plan(cohort, config, seed, mixing=Mixing.of(load_components(path), config.blend))
        start = now()
        with watched(self.watch):
            pipeline = open_pipeline(Parts(path, plan, config.chunk, KEY), cohort, config, seed, self.device)
        self.opening, self.planned, self._plan = now() - start, len(plan), plan
        equal = {"candidates": CANDIDATES, "solver": "heun", "steps": STEPS, "options": {}}
        self._ours = {
            EQUAL: ours(pipeline, equal, self.watch, path, self.device),
            DEFAULT: ours(pipeline, {}, self.watch, path, self.device),
        }
        judges = load_judges(path, self.device)

        def loop(solve: Solve) -> ReferenceLoop:
            return ReferenceLoop.of(path, cohort, judges, solve, self.device, Path(tempfile.mkdtemp()))

        self._loops = {
            REFERENCE: loop(plain_solver(path, self.device)),
            LOOP: loop(our_solver(path, self.device)),
        }
        self._operations = operations(path, self.device)

    def turn(self, name: str, number: int) -> dict[str, Any]:
        """One round of one of the four."""
        self.watch.seconds.clear()
        rate, start = product_rate(self.device), now()
        if name in self._loops:
            released = self._reference(self._loops[name], number)
            candidates, evaluations = released * CANDIDATES, 2 * STEPS - 1
        else:
            count = self.options.draws if name == DEFAULT else self.options.equal_draws
            config = self._ours[name].pipeline.config
            draws = [(number * count + i) % self.planned for i in range(count)]
            released, candidates = self._ours[name].release(sorted(set(draws)))
            evaluations = config.evaluations
        spent = now() - start
        parts = dict(self.watch.seconds)
        done = self._operations * evaluations * candidates
        return {
            "released": released,
            "candidates": candidates,
            "evaluations": evaluations,
            "per_image": spent / max(released, 1),
            "parts": {part: value / max(released, 1) for part, value in parts.items()},
            "share_of_products": done / parts["drawing"] / rate,
        }

    def _reference(self, loop: ReferenceLoop, number: int) -> int:
        for source in range(self.options.sources):
            draw = (number * self.options.sources + source) % self.planned
            seeds = [derive_seed("reference", draw, each) for each in range(loop.candidates)]
            loop.release(int(self._plan.sources[draw]), seeds, self.watch)
        return int(self.options.sources)


def middle(values: Sequence[float]) -> str:
    """Median, and the least and the greatest."""
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def report(rounds: Mapping[str, Sequence[Row]], opened: Row) -> None:
    """Print the table: seconds per released image, ratios round by round, parts."""
    baseline = [float(row["per_image"]) for row in rounds[REFERENCE]]
    print("| | s per released image | reference / it | aim | candidates per image | share of the product rate |")
    print("|---|---|---|---|---|---|")
    for name, rows in rounds.items():
        own = [float(row["per_image"]) for row in rows]
        ratios = [base / each for base, each in zip(baseline, own, strict=True)]
        aim = f"≥ {AIMS[name]:g}" if name in AIMS else ""
        drawn = sum(row["candidates"] for row in rows) / max(sum(row["released"] for row in rows), 1)
        share = statistics.median(float(row["share_of_products"]) for row in rows)
        print(f"| {name} | {middle(own)} | {middle(ratios)} | {aim} | {drawn:.1f} | {share:.0%} |")
    own = statistics.median(float(row["per_image"]) for row in rounds[DEFAULT])
    whole = own + opened["opening"] / opened["planned"]
    print(
        f"\nOpening (networks, galleries of everybody): {opened['opening']:.1f} s once; over the {opened['planned']:,} "
        f"images of the plan ours takes {whole:.3g} s an image, {statistics.median(baseline) / whole:.3g} times less."
    )
    print("\nMilliseconds per released image, median of the rounds:\n")
    names = list(dict.fromkeys(part for rows in rounds.values() for row in rows for part in row["parts"]))
    print("| | " + " | ".join(rounds) + " |\n" + "|---" * (len(rounds) + 1) + "|")
    for part in names:
        cells = [
            1e3 * statistics.median(float(row["parts"].get(part, 0.0)) for row in rows) for rows in rounds.values()
        ]
        print(f"| {part} | " + " | ".join(f"{cell:.3g}" for cell in cells) + " |")


def measure(study: Study, options: argparse.Namespace) -> tuple[dict[str, list[Row]], Row]:
    """All rounds of all four, and what opening takes; those in `--out` are taken from there."""
    device = pick_device(options.device)
    rows = Rows(
        options.out,
        study=study_key(study.path, *FILES),
        device=device.type,
        threads=torch.get_num_threads(),
        sizes=[options.sources, options.equal_draws, options.draws],
    )
    opened: list[Contest] = []

    def contest() -> Contest:
        if not opened:
            opened.append(Contest(study, options))
        return opened[0]

    def turn(name: str, number: int) -> Callable[[], dict[str, Any]]:
        return lambda: contest().turn(name, number)

    first = rows.measured(lambda: {"opening": contest().opening, "planned": contest().planned}, what="opening")
    names = (REFERENCE, LOOP, EQUAL, DEFAULT)
    found: dict[str, list[Row]] = {name: [] for name in names}
    for number in range(options.rounds):
        for name in names:
            found[name].append(rows.measured(turn(name, number), what=name, round=number))
            print(f"round {number + 1}: {name}: {found[name][-1]['per_image']:.3f} s an image", file=sys.stderr)
    return found, first


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reference_speed", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("study", type=Path, help="study folder; the stages up to judges must have run")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--sources", type=int, default=1, help="sources of the reference in a round")
    parser.add_argument("--equal-draws", type=int, default=4, help="draws of ours at equal evaluations in a round")
    parser.add_argument("--draws", type=int, default=64, help="draws of ours as the study has it in a round")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="JSON lines, a row for each round")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print; 2 where the study or the options are wrong."""
    options = parse(arguments)
    try:
        found, opened = measure(Study.open(options.study), options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\n{torch.get_num_threads()} thread(s); medians of {options.rounds} rounds, least to greatest in brackets\n")
    report(found, opened)
    return 0


if __name__ == "__main__":
    sys.exit(main())
