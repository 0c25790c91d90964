"""Conditioning modes side by side: the same cohort, codec, network and budget; only what the denoiser is told differs.

`python -m benchmarks.modes FOLDER --images ZIP [--minutes 25] [--modes feature label uncond]`. Each mode is a study in
FOLDER, so a run that was killed goes on. The budget is counted in images: `--minutes` is turned into images by a trial
of the first mode on this machine, and written down, so that every mode has the same. Samples are drawn without
guidance, under conditions blended over train people as in synthesis; figures are against held-out (val) people.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from unpersonal.codec.store import load_codec, load_images, load_latents
from unpersonal.cohort.table import load_cohort
from unpersonal.core.config import build_config
from unpersonal.core.files import write_json, write_text
from unpersonal.core.pixels import to_uint8
from unpersonal.core.seeds import numpy_rng
from unpersonal.diffusion.models import load_models
from unpersonal.diffusion.noise import keyed_noise
from unpersonal.diffusion.samples import write_sheet
from unpersonal.diffusion.sampling import sample
from unpersonal.features.blend import Blender, label_groups
from unpersonal.features.pca import fit_pca
from unpersonal.features.store import load_components, load_conditions
from unpersonal.init import init_study, to_toml
from unpersonal.metrics.evaluate import evaluate
from unpersonal.metrics.generative.prdc import prdc
from unpersonal.study import Study, StudyConfig

PRESET = "cpu"
COMPONENTS, SHEET, BATCH, GAP = 64, 64, 256, 16
TRIAL = 12_800
"""Images of the trial that finds out how many a minute are trained on."""


def main() -> None:
    """Train, draw and judge every mode; print the table and write it with the sheets."""
    options = parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    budget = images_of(options)
    print(f"{budget:,} images of training each; {torch.get_num_threads()} threads")
    table = {mode: judge(trained(mode, budget, options), options) for mode in options.modes}
    write_json(options.folder / "modes.json", {"images": budget, "modes": table})
    beside([options.folder / f"{folder_of(mode)}.png" for mode in options.modes], options.folder / "modes.png")
    names = ("fid", "fid_real", "irs", "irs_lower", "irs_upper", "precision", "recall", "density", "coverage")
    print(f"{'':<16}" + "".join(f"{name:>11}" for name in (*names, "kept", "gap")))
    for mode, row in table.items():
        print(f"{mode:<16}" + "".join(f"{row[name]:>11.3f}" for name in (*names, "kept", "gap")))


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--modes", nargs="+", default=["feature", "label", "uncond"])
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=18)
    return parser.parse_args()


def folder_of(mode: str) -> str:
    """The name of a mode's study."""
    return mode.replace("+", "-")


def beside(sheets: list[Path], path: Path) -> None:
    """One picture of grey sheets of equal height, side by side."""
    pictures = [Image.open(sheet) for sheet in sheets]
    width, height = pictures[0].size
    together = Image.new("L", (len(pictures) * (width + GAP) - GAP, height), 255)
    for place, picture in enumerate(pictures):
        together.paste(picture, (place * (width + GAP), 0))
    together.save(path, optimize=True)


def open_mode(name: str, changes: dict[str, dict[str, Any]], options: argparse.Namespace) -> Study:
    """A study with `changes` to the tables of its preset; one that is there already must have the same."""
    path = options.folder / name
    if not (path / "study.toml").is_file():
        init_study(path, {"images": str(options.images), "layout": "kermany"}, preset_name=PRESET)
    study = Study.open(path)
    values = study.config.model_dump(mode="json")
    for table, change in changes.items():
        values[table] |= change
    study.config = build_config(StudyConfig, values, where=name)
    write_text(path / "study.toml", to_toml(study.config, PRESET))
    return study


def changes(mode: str, images: int) -> dict[str, dict[str, Any]]:
    """What a study of `mode` has of its own: the whole budget is spent, whatever the monitor says."""
    return {
        "features": {"condition": mode},
        "diffusion": {"images": images, "stop_memorising": False, "patience": 0, "monitor_samples": 0},
    }


def images_of(options: argparse.Namespace) -> int:
    """How many images the minutes are worth, found once for a folder."""
    path = options.folder / "budget.json"
    if not path.is_file():
        trial = changes(options.modes[0], TRIAL)
        trial["diffusion"]["guide_images"] = 64
        study = open_mode("trial", trial, options)
        study.run(until="features")
        begin = time.perf_counter()
        study.run(until="diffusion")
        rate = TRIAL / (time.perf_counter() - begin)
        write_json(path, {"images": round(rate * 60 * options.minutes / 1000) * 1000, "images_per_second": rate})
    return int(json.loads(path.read_text(encoding="utf-8"))["images"])


def trained(mode: str, images: int, options: argparse.Namespace) -> Study:
    """The study of `mode`, run until its denoiser is trained."""
    study = open_mode(folder_of(mode), changes(mode, images), options)
    study.run(until="diffusion")
    return study


def judge(study: Study, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of samples against held-out people, in the PCA space of `aux`."""
    cohort, pixels = load_cohort(study.path), load_images(study.path)
    drawn = draw(study, options)
    write_sheet(options.folder / f"{study.path.name}.png", drawn[:SHEET])
    space = fit_pca(np.array(pixels[cohort.rows("aux")]), COMPONENTS)
    train, held_out = (space.transform(np.array(pixels[cohort.rows(part)])) for part in ("train", "val"))
    points = space.transform(drawn)
    found = evaluate(train, held_out, points, seed=0).to_json()
    against = vars(prdc(held_out, points, rng=numpy_rng("modes")))
    history = study.figures("diffusion") or {}
    facts = {"kept": float(history["denoiser_kept_step"]), "gap": float(history["denoiser_gap"])}
    write_text(options.folder / f"{study.path.name}.json", json.dumps({**found, **against}, indent=2, default=float))
    return {key: float(found[key]) for key in ("fid", "fid_real", "irs", "irs_lower", "irs_upper")} | {
        **{key: float(value) for key, value in against.items()},
        **facts,
    }


def draw(study: Study, options: argparse.Namespace) -> np.ndarray:
    """`samples` images uint8, their conditions blended over two train people, without guidance."""
    cohort, conditions = load_cohort(study.path), load_conditions(study.path)
    train, rng = cohort.rows("train"), numpy_rng("modes", "sources")
    labels: np.ndarray | None = None
    if conditions is not None:
        own, groups = np.array(conditions[train]), label_groups(cohort.targets[train])
        blender = Blender(own, cohort.subjects[train], groups, 2, 0.1, load_components(study.path))
        sources = rng.permutation(len(train))[: options.samples]
        labels = np.stack([c for row in sources if (c := blender.condition(int(row), rng)) is not None])
    count = options.samples if labels is None else len(labels)
    denoiser, _ = load_models(study.path, torch.device("cpu"))
    codec, shape = load_codec(study.path), load_latents(study.path).shape[1:]
    images = []
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        given = None if labels is None else torch.from_numpy(labels[numbers.start : numbers.stop])
        noise = keyed_noise([("modes", i) for i in numbers], shape)
        with torch.no_grad():
            images.append(to_uint8(codec.decode(sample(denoiser, noise, given, steps=options.steps))))
    return np.concatenate(images)


if __name__ == "__main__":
    main()
