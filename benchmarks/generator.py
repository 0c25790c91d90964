"""Which generator points at nobody: `python -m benchmarks.generator STUDY --out FILE.jsonl [--variant NAME ...]`.

A row is a variant of the study's generator (see `variants`) on one seed of the cohort: other people train, are held out
and are audited with every `--seed`, so that a variant can be chosen on seeds other than those reported. The stages
run as `unpersonal run` runs them, in a folder beside FILE, with the study's images and codec where they stay fresh.
`--volumes` are drawn at once and audited and learnt from one by one, as in `benchmarks.volume`. Rows in FILE are
not measured again, a row that was killed goes on stage by stage; `--minutes` begins no further row after so long.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.recipient import Recipients
from benchmarks.rows import Row, Rows, study_key, told
from benchmarks.variants import all_variants, derived, settings_of
from benchmarks.volume import HARD, Volumes, volume_of
from unpersonal.audit.profiles import MEMBERSHIP
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.core.device import pick_device
from unpersonal.core.errors import InputError
from unpersonal.core.hashing import hash_json
from unpersonal.study import Study
from unpersonal.synthesis.selected import load_selected
from unpersonal.utility.stage import image_metrics

FILES = ("study.toml",)
MIXTURES = "mixtures"
"""The matcher that finds blends of people, which is told apart from those that find one."""
METRICS = ("irs", "irs_lower", "irs_upper", "fid_excess", "fid_excess_lower", "fid_excess_upper")


@dataclass(frozen=True)
class Bench:
    """A base study, where its variants are made, and how they are measured."""

    base: Study
    folder: Path
    volumes: tuple[str, ...]
    images: int | None
    repeats: int
    device: torch.device

    def root(self, seed: int) -> Study:
        """The base study with another seed, up to what no variant changes."""
        study = derived(self.base.path, self.folder / f"seed-{seed}", {"seed": seed})
        study.run(until="encode")
        return study

    def settings(self, variant: str) -> dict[str, Any]:
        """A variant with its budget of training images and what is drawn of it."""
        found: dict[str, Any] = {"synthesis.images": max(self.volumes, key=lambda word: volume_of(word, 10**6))}
        if self.images is not None:
            config = self.base.config.diffusion
            guide = max(round(config.guide_images * self.images / config.images), 1)
            found |= {"diffusion.images": self.images, "diffusion.guide_images": guide}
        return found | settings_of(variant)

    def trained(self, variant: str, seed: int) -> Study:
        """The study of a variant, its candidates drawn."""
        study = self.opened(variant, seed)
        study.run(until="synthesis")
        return study

    def opened(self, variant: str, seed: int) -> Study:
        """The study of a variant, as far as it is."""
        settings = self.settings(variant)
        folder = self.folder / f"{variant}-{seed}-{hash_json(settings)[:8]}"
        return Study.open(folder) if folder.is_dir() else derived(self.root(seed).path, folder, settings)

    def generator(self, variant: str, seed: int) -> dict[str, Any]:
        """Match rates before the gate, the watch's errors, likeness to real images and minutes of a variant."""
        study = self.trained(variant, seed)
        summary = study.summary()
        synthesis, diffusion = summary["synthesis"], summary["diffusion"]
        by_matcher = synthesis["match_rate_by_matcher"]
        errors = ("denoiser_images", "denoiser_train_error", "denoiser_held_out_error", "denoiser_ended_early")
        return {
            "match_rate": [synthesis["match_rate_before_gate"], *synthesis["match_rate_interval"]],
            "by_matcher": by_matcher,
            "mixtures": by_matcher.get(MIXTURES, 0.0),
            "others": sum(rate for name, rate in by_matcher.items() if name != MIXTURES),
            "released": synthesis["released"],
            "draws": synthesis["draws"],
            "training": {name: diffusion.get(name) for name in errors},
            "epsilon": diffusion.get("epsilon"),
            "metrics": self._metrics(study),
            "stage_seconds": {name: summary["seconds"].get(name) for name in ("diffusion", "judges", "synthesis")},
        }

    def _metrics(self, study: Study) -> dict[str, Any]:
        """Of one times the train images, where so many passed."""
        cohort, images = load_cohort(study.path), load_images(study.path)
        part = {name: np.array(images[cohort.rows(name)]) for name in ("train", "test", "aux")}
        drawn = self.parts(study).selection(min(len(part["train"]), len(load_selected(study.path))))[1]
        whose = cohort.subjects[cohort.rows("train")], cohort.subjects[cohort.rows("test")]
        config = study.config
        found = image_metrics(
            part["train"],
            part["test"],
            drawn.images,
            part["aux"],
            components=config.utility.components,
            seed=config.seed,
            subjects=whose,
        ).to_json()
        return {name: found.get(name) for name in METRICS}

    def parts(self, study: Study) -> Volumes:
        """The volumes of a variant, and their recipients."""
        recipients = Recipients.of(study, self.repeats, self.folder / "recipients" / study.path.name, self.device)
        place = self.folder / "volumes" / study.path.name
        return Volumes(study, load_selected(study.path), recipients, place, self.device)

    def counts(self, study: Study) -> dict[str, int]:
        """Images of each volume: fewer where the gate let fewer through."""
        train, passed = len(load_cohort(study.path).rows("train")), len(load_selected(study.path))
        return {word: min(volume_of(word, train), passed) for word in self.volumes}


def measure(bench: Bench, variant: str, seed: int, rows: Rows) -> dict[str, Any]:
    """The row of a variant on a seed, part by part: `generator`, and `audit` and `utility` of every volume."""
    key = {"variant": variant, "seed": seed, "settings": bench.settings(variant), "volumes": list(bench.volumes)}
    found: dict[str, Any] = {"variant": variant, "seed": seed}
    found["generator"] = rows.measured(partial(bench.generator, variant, seed), what="generator", **key)
    study = bench.opened(variant, seed)
    if not found["generator"]["released"]:
        return found
    parts = bench.parts(study)
    for word, count in bench.counts(study).items():
        own = {**key, "volume": word, "count": count}
        audit = rows.measured(partial(parts.audited, count, HARD), what="audit", **own)
        useful = rows.measured(partial(parts.useful, audit["left"], HARD), what="utility", repeats=bench.repeats, **own)
        found[word] = {"audit": audit, "utility": useful}
    return found


def head(volumes: Sequence[str]) -> str:
    """The first two lines of the table."""
    cells = [
        "variant",
        "seed",
        "matched before the gate, by one (interval of all)",
        "by mixtures",
        "adjusted IRS (90 %)",
    ]
    cells += ["FID above real–real (95 %)"]
    cells += [f"{word}: {what}" for word in volumes for what in ("images", "strongest attack, AUROC", "gap (bound)")]
    cells += ["minutes: denoisers, judges, drawing, rest"]
    return f"| {' | '.join(cells)} |\n" + "|---" * len(cells) + "|"


def line(found: dict[str, Any], volumes: Sequence[str]) -> str:
    """One row of the table."""
    made, metrics = found["generator"], found["generator"]["metrics"]
    low, high = made["match_rate"][1:]
    cells = [
        found["variant"],
        str(found["seed"]),
        f"{made['others']:.3f} ({low:.3f}, {high:.3f})",
        f"{made['mixtures']:.3f}",
        told([metrics[name] for name in METRICS[:3]]),
        told([metrics[name] for name in METRICS[3:]], 1),
    ]
    rest = 0.0
    for word in volumes:
        if word not in found:
            cells += ["0", "nothing passed", "nothing passed"]
            continue
        audit, useful = found[word]["audit"], found[word]["utility"]
        rest += audit["seconds"] + useful["seconds"]
        cells += [f"{len(audit['left']):,}", _strongest(audit), told(useful["gap"])]
    seconds = [*made["stage_seconds"].values(), rest]
    cells.append(", ".join("not known" if each is None else f"{each / 60:.1f}" for each in seconds))
    return f"| {' | '.join(cells)} |"


def _strongest(audit: Row) -> str:
    """The attack on membership with the largest upper bound, with its bounds and the verdict."""
    if audit["membership"] is None:
        return f"not known, {audit['verdict']}"
    name = next((row["attack"] for key, row in audit["primary"].items() if key == MEMBERSHIP), "")
    return f"{told(audit['membership'])}{f' {name}' if name else ''}, {audit['verdict']}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path, help="base study; its stage cohort should have run")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; folders of the variants lie beside")
    parser.add_argument("--variant", nargs="+", default=list(all_variants()), help="such as label+augmented")
    parser.add_argument("--seed", type=int, nargs="+", help="seeds of the cohort; by default the study's own")
    parser.add_argument("--images", type=int, help="images the denoiser is trained on; by default the study's")
    parser.add_argument("--volumes", default="1x,3x", help='numbers, or "2x" = times the train images')
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further row after so long")
    parser.add_argument("--repeats", type=int, default=2, help="classifiers of each arm, at least 2")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 2 where the study or the options are wrong, or a variant cannot be had of these people."""
    options = parse(arguments)
    until, failed = time.monotonic() + 60 * options.minutes, False
    try:
        base = Study.open(options.study)
        volumes = tuple(options.volumes.split(","))
        device = pick_device(options.device)
        bench = Bench(base, options.out.with_suffix(".work"), volumes, options.images, options.repeats, device)
        for variant in options.variant:
            bench.settings(variant)  # a name that is none is told before hours of training
        rows = Rows(options.out, study=study_key(base.path, *FILES))
        print(head(volumes))
        for seed in options.seed or [base.config.seed]:
            for variant in options.variant:
                if time.monotonic() > until:
                    return 2 if failed else 0
                # what one variant lacks (people of a label set, say) the next may not
                try:
                    print(line(measure(bench, variant, seed, rows), volumes), flush=True)
                except InputError as error:
                    print(f"{variant}, seed {seed}: {error}", file=sys.stderr, flush=True)
                    failed = True
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
