"""The `synthesis` stage: draw, gate, rank, ledger; one atomic part per chunk, so that a kill costs one chunk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.store import load_codec, load_images
from ..cohort.table import Cohort, load_cohort
from ..core.errors import InputError
from ..core.files import write_json
from ..core.hashing import sha256_bytes
from ..core.progress import progress_bar
from ..core.seeds import numpy_rng
from ..core.tensors import load_tensors, save_array, save_tensors
from ..features.blend import Blender, label_groups
from ..features.join import relabel
from ..features.store import check_conditions, load_components, load_conditions
from ..metrics.intervals import subject_bootstrap
from .config import SynthesisConfig
from .draw import Sampler, draw_images, plan_draws
from .gate import Ruling, choose, rule

if TYPE_CHECKING:
    import pandas as pd
    import torch

COLUMNS = ("source", "attempt", "candidate", "seed", "guidance", "score", "nearest", "flagged", "selected", "distance")


@dataclass(frozen=True)
class Bench:
    """What a chunk needs: the planner, the sampler, the gate and the wish of each source."""

    config: SynthesisConfig
    seed: int
    blender: Blender
    position: dict[int, int]
    sampler: Sampler
    judge: Callable[[np.ndarray], Ruling]
    classify: Callable[[np.ndarray], np.ndarray]
    wanted: dict[int, np.ndarray]


def run_stage(study: Path, config: SynthesisConfig, *, seed: int, device: torch.device) -> dict[str, Any]:
    """Write candidates/ledger.parquet and the selected images; returns the rates before and after the gate.

    Images that nobody labelled are sources under their predicted labels, if enough people were given these labels.
    """
    from ..judges.predicted import complete_cohort

    cohort = complete_cohort(study, load_cohort(study))
    sources = pick_sources(cohort, config.sources, seed)
    parts = study / "candidates" / "parts"
    chunks = [sources[start : start + config.chunk] for start in range(0, len(sources), config.chunk)]
    bench: Bench | None = None
    with progress_bar("synthesis (sources)", len(sources)) as bar:
        for number, chunk in enumerate(chunks):
            path = parts / f"part-{number:05d}.safetensors"
            if not path.exists():
                bench = bench or open_bench(study, cohort, sources, config, seed, device)
                save_tensors(path, draw_chunk(chunk, bench))
            bar.advance(len(chunk))
    figures = collect(study, cohort, sources, [parts / f"part-{n:05d}.safetensors" for n in range(len(chunks))], seed)
    shutil.rmtree(parts)
    return figures


def pick_sources(cohort: Cohort, count: int, seed: int) -> list[int]:
    """Rows of train images in seeded order, the first `count` of them (0 = all), different subjects first."""
    rows = numpy_rng(seed, "sources").permutation(cohort.rows("train"))
    seen: dict[str, int] = {}
    turn = []
    for row in rows:
        subject = cohort.subjects[row]
        seen[subject] = seen.get(subject, 0) + 1
        turn.append(seen[subject])
    ordered = rows[np.argsort(turn, kind="stable")]
    return [int(row) for row in (ordered[:count] if count else ordered)]


def open_bench(
    study: Path, cohort: Cohort, sources: list[int], config: SynthesisConfig, seed: int, device: torch.device
) -> Bench:
    """Load the networks once and bind them to the study's train images."""
    from ..judges.stage import load_judges

    images, train = load_images(study), cohort.rows("train")
    judges = load_judges(study, device)
    gallery = judges.reidentifier.embed_gallery(np.array(images[train]))
    threshold = float(judges.gate["threshold"])

    def judge(candidates: np.ndarray) -> Ruling:
        scores, rows = judges.reidentifier.best_match(judges.reidentifier.embed(candidates), gallery)
        return rule(scores, train[rows], threshold)

    components = load_components(study)
    conditions = relabel(load_conditions(study), components, cohort.targets, cohort.labelled)
    wishes = judges.classifier.probabilities(np.array(images[np.array(sources)]))
    return Bench(
        config=config,
        seed=seed,
        blender=Blender(
            None if conditions is None else np.array(conditions[train]),
            cohort.subjects[train],
            label_groups(cohort.targets[train]),
            config.blend,
            config.condition_noise,
            components,
            cohort.labelled[train],
        ),
        position={int(row): i for i, row in enumerate(train)},
        sampler=make_sampler(study, config, device),
        judge=judge,
        classify=judges.classifier.probabilities,
        wanted=dict(zip(sources, wishes, strict=True)),
    )


def make_sampler(study: Path, config: SynthesisConfig, device: torch.device) -> Sampler:
    """The study's denoiser, guide and codec as one function from seeds and conditions to 8-bit images."""
    import torch

    from ..codec.store import load_latents
    from ..core.pixels import to_uint8
    from ..diffusion.noise import keyed_noise
    from ..diffusion.sampling import sample
    from ..diffusion.stage import load_models

    denoiser, guide = load_models(study, device)
    codec, shape = load_codec(study), load_latents(study).shape[1:]
    solver_config = config.solver_config()

    def sampler(seeds: list[int], conditions: np.ndarray | None, guidance: float) -> np.ndarray:
        check_conditions(conditions, denoiser.config.label_dim)
        with torch.no_grad():
            latents = sample(
                denoiser,
                keyed_noise(seeds, shape).to(device),
                None if conditions is None else torch.from_numpy(conditions).to(device),
                guide=guide,
                guidance=guidance,
                # a guide that was trained with conditions is a lesser self of the denoiser: autoguidance
                labels_to_guide=guide.config.label_dim > 0,
                interval=config.guidance_interval,
                solver=config.solver,
                solver_config=solver_config,
                steps=config.steps,
                sigma_min=config.sigma_min,
                sigma_max=config.sigma_max,
                rho=config.rho,
            )
            return to_uint8(codec.decode(latents))

    return sampler


def draw_chunk(sources: list[int], bench: Bench) -> dict[str, torch.Tensor]:
    """All attempts of one chunk of sources, bounded by `attempts`; the part's tensors, ready to be stored."""
    import torch

    config, pending = bench.config, list(sources)
    ledger: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, "sha256")}
    images: list[np.ndarray] = []
    for attempt in range(config.attempts):
        draws = plan_draws(pending, bench.position, attempt, bench.blender, config, bench.seed)
        if not draws:
            break
        guidance = config.strength(attempt)
        drawn = draw_images(draws, bench.sampler, guidance, config.batch)
        ruling = bench.judge(drawn)
        probabilities = bench.classify(drawn)
        owners = np.array([draw.source for draw in draws])
        chosen = choose(owners, ruling.flagged, probabilities, bench.wanted)
        for index, draw in enumerate(draws):
            wish = bench.wanted[draw.source]
            row = (
                draw.source,
                attempt,
                draw.candidate,
                draw.seed,
                guidance,
                float(ruling.score[index]),
                int(ruling.nearest[index]),
                bool(ruling.flagged[index]),
                chosen.get(draw.source) == index,
                float(np.abs(probabilities[index] - wish).sum()),
            )
            for name, value in zip(COLUMNS, row, strict=True):
                ledger[name].append(value)
            ledger["sha256"].append(list(bytes.fromhex(sha256_bytes(drawn[index].tobytes()))))
        images += [drawn[index] for index in sorted(chosen.values())]
        pending = [source for source in pending if source not in chosen]
    tensors = {name: torch.tensor(np.array(values)) for name, values in ledger.items()}
    tensors["images"] = torch.from_numpy(np.stack(images)) if images else torch.zeros(0, dtype=torch.uint8)
    return tensors


def collect(study: Path, cohort: Cohort, sources: list[int], parts: list[Path], seed: int) -> dict[str, Any]:
    """Join the parts into the ledger and the selected images; assert that every seed is unique; count."""
    import pandas as pd

    frames, images = [], []
    for path in parts:
        tensors, _ = load_tensors(path)
        if not len(tensors["source"]):
            continue
        frame = pd.DataFrame({name: tensors[name].numpy() for name in COLUMNS})
        frame["sha256"] = [bytes(row.tolist()).hex() for row in tensors["sha256"]]
        frames.append(frame)
        if len(tensors["images"]):
            images.append(tensors["images"].numpy())
    if not frames:
        raise InputError(
            "No source shares its labels with enough other subjects, so no condition can be blended",
            where="synthesis",
            how="give each label at least two labelled train subjects, or lower [synthesis] blend",
        )
    ledger = pd.concat(frames, ignore_index=True)
    if ledger["seed"].duplicated().any():
        raise RuntimeError("two candidates share a seed")
    folder = study / "candidates"
    owners = ledger.loc[ledger["selected"], "source"].to_numpy()
    shape = (0, *np.load(study / "store" / "images.npy", mmap_mode="r", allow_pickle=False).shape[1:])
    save_array(folder / "selected.npy", np.concatenate(images) if images else np.zeros(shape, np.uint8))
    save_array(folder / "selected_targets.npy", cohort.targets[owners])
    write_json(folder / "selected_labels.json", [list(cohort.table["labels"].iloc[int(row)]) for row in owners])
    write_ledger(folder / "ledger.parquet", ledger)
    return rates(ledger, cohort, len(sources), seed)


def write_ledger(path: Path, ledger: pd.DataFrame) -> None:
    """Write the ledger as Parquet, atomically."""
    from ..core.files import atomic_path

    with atomic_path(path) as temporary:
        ledger.to_parquet(temporary, index=False)


def rates(ledger: pd.DataFrame, cohort: Cohort, sources: int, seed: int) -> dict[str, Any]:
    """Counts, and the match rate of the first draws with a two-sided 95 % interval over source subjects.

    Redraws are left out of the rate: they happen only where the first draw failed, and would bias it upwards.
    """
    first = ledger[ledger["attempt"] == 0]
    flagged = first["flagged"].to_numpy()
    owners = cohort.subjects[first["source"].to_numpy()]
    replicates = subject_bootstrap(
        owners, lambda rows: float(flagged[rows].mean()), replicates=1000, rng=numpy_rng(seed, "match rate")
    )
    released = int(ledger["selected"].sum())
    chosen = ledger.loc[ledger["selected"], "source"].to_numpy()
    predicted = {"released_with_predicted_labels": int((~cohort.labelled[chosen]).sum())}
    return {
        **({} if cohort.labelled.all() else predicted),
        "sources": sources,
        "candidates": len(ledger),
        "released": released,
        "sources_without_image": sources - released,
        "match_rate_before_gate": float(flagged.mean()),
        "match_rate_interval": [float(value) for value in np.quantile(replicates, (0.025, 0.975))],
        "match_rate_all_attempts": float(ledger["flagged"].mean()),
        "attempts_mean": float(ledger.groupby("source")["attempt"].max().add(1).mean()),
    }
