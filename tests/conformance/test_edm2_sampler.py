"""The solver against every recorded run: time grids, guidance, label conventions, trajectory, churn, seeded noise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.edm2_plain import config_of
from unpersonal.diffusion.guidance import guided
from unpersonal.diffusion.network import Denoiser, fold_weights
from unpersonal.diffusion.noise import SeededNoise
from unpersonal.diffusion.sampling import sample, time_grid
from unpersonal.diffusion.solvers.heun import Churn, heun

INPUTS = {"noise", "class_labels", "churn_noise", "churncap_noise"}


class Recorded:
    """The files of the sampler and its two networks; `measured` runs everything once."""

    def __init__(self, folder: Path) -> None:
        self._nets = folder / "edm2_net"
        self.facts = json.loads((folder / "edm2_sampler" / "sampler.json").read_text())
        self.tensors = load_file(folder / "edm2_sampler" / "sampler.safetensors")
        self.noise, self.labels = self.tensors["noise"], self.tensors.get("class_labels")
        self.prose = (folder / "README.md").read_text() if (folder / "README.md").is_file() else ""
        self.grid = {name: self.facts[name] for name in ("sigma_min", "sigma_max", "rho")}
        self.main, self.guide = self._network(self.facts["main"]), self._network(self.facts["guide"])

    def _network(self, name: str) -> Denoiser:
        config = json.loads((self._nets / f"{name}.config.json").read_text())["constructor"]
        network = Denoiser(config_of(config))
        network.load_state_dict(load_file(self._nets / f"{name}.weights.safetensors"), strict=True)
        return fold_weights(network)

    def run(self, steps: int, guidance: float, **options: Any) -> Tensor:
        """A deterministic run from the recorded noise, guided as the runs of the record."""
        options = {"noise": self.noise, "labels": self.labels, "guide": self.guide, **options}
        return sample(self.main, steps=steps, guidance=guidance, **options, **self.grid)

    @cached_property
    def self_guidance(self) -> list[float]:
        """The guidance of the runs in which the main network guides itself, as far as the record tells.

        A record may hold it beside the runs. Otherwise it is that of the sentence which describes them or one of the
        values that the record names elsewhere.
        """
        named = {key: value for key, value in self.facts.items() if "selfguid" in key.replace("_", "").lower()}
        told = [*guidances(named), *(float(value) for value in named.values() if isinstance(value, (int, float)))]
        if not told:
            sentence = re.findall(r"guiding itself,?\s+(?:at\s+)?guidance\s+(\d+(?:\.\d+)?)", self.prose)
            told = [*map(float, sentence), *guidances(self.facts)]
        return sorted(set(told) - {1.0})

    def self_guided(self, steps: int, labels_to_guide: bool) -> Tensor:
        """The run in which the main network guides itself; of several values told, the one nearest to the record."""
        key = f"selfguide_labels_{'passed' if labels_to_guide else 'dropped'}"
        runs = [
            self.run(steps, guidance, guide=self.main, labels_to_guide=labels_to_guide)
            for guidance in self.self_guidance
        ]
        return (
            min(runs, key=lambda run: float((run - self.tensors[key]).abs().max())) if key in self.tensors else runs[0]
        )

    def stochastic(self, name: str) -> tuple[Tensor, list[int], list[float]]:
        """Output, steps with noise and relative rises of the stochastic run `name`."""
        case, draws = self.facts[name], iter(self.tensors[f"{name}_noise"])
        steps_with_noise: list[int] = []

        def draw(step: int, x: Tensor) -> Tensor:
            steps_with_noise.append(step)
            return next(draws)

        churn = Churn(
            case["S_churn"], draw, t_min=float(case["S_min"]), t_max=float(case["S_max"]), scale=float(case["S_noise"])
        )
        sigmas = time_grid(case["num_steps"], **self.grid)
        denoise = guided(self.main, self.labels, guide=self.guide, guidance=case["guidance"])
        out = heun(denoise, self.noise, sigmas, churn=churn)
        assert next(draws, None) is None, "not every recorded noise was used"
        rises = [churn.gamma(float(sigmas[step]), case["num_steps"]) for step in steps_with_noise]
        return out, steps_with_noise, rises

    @cached_property
    def trajectory(self) -> list[tuple[Tensor, Tensor]]:
        """Every (x, t) at which the main network was evaluated in the recorded trajectory."""
        case, seen = self.facts["trajectory"], []

        def main(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
            seen.append((x.clone(), t.clone()))
            return self.main(x, t, labels)

        sample(
            main,
            self.noise,
            self.labels,
            guide=self.guide,
            guidance=case["guidance"],
            steps=case["num_steps"],
            **self.grid,
        )
        return seen

    @cached_property
    def churned(self) -> dict[str, tuple[Tensor, list[int], list[float]]]:
        """The stochastic runs."""
        return {name: self.stochastic(name) for name in ("churn", "churncap")}

    @cached_property
    def measured(self) -> dict[str, Tensor]:
        """All outputs by their recorded names."""
        runs = self.facts["runs"]
        values = {run["key"]: self.run(run["num_steps"], run["guidance"]) for run in runs}
        fewest = min(run["num_steps"] for run in runs)
        values["main_labels_none"] = self.run(fewest, 1.0, labels=None)
        for key, passed in (("selfguide_labels_passed", True), ("selfguide_labels_dropped", False)):
            values[key] = self.self_guided(fewest, passed)
        values["traj_denoiser_inputs"] = torch.stack([x for x, _ in self.trajectory])
        values["traj_sigma"] = torch.stack([t for _, t in self.trajectory])
        values |= {f"{name}_out": out for name, (out, _, _) in self.churned.items()}
        seeded = SeededNoise(self.facts["seeded_noise"]["seeds"])
        values["seeded_noise"] = seeded.draw(self.facts["seeded_noise"]["shape"])
        values["seeded_noise_second_draw"] = seeded.draw(self.facts["seeded_noise"]["shape"])
        return values


def guidances(value: Any) -> list[float]:
    """Every number that is named `guidance` in a JSON value."""
    if isinstance(value, list):
        return [found for item in value for found in guidances(item)]
    if not isinstance(value, dict):
        return []
    here = [float(value["guidance"])] if isinstance(value.get("guidance"), (int, float)) else []
    return here + [found for item in value.values() for found in guidances(item)]


@pytest.fixture(scope="module")
def recorded(reference: Path) -> Recorded:
    return Recorded(reference)


def compare(tensors: dict[str, Tensor], measured: dict[str, Tensor], close: Callable[..., None]) -> None:
    compared = [name for name in tensors if name not in INPUTS]
    unknown = [name for name in compared if name not in measured]
    assert compared and not unknown, f"recorded, but not measured: {unknown}"
    for name in compared:
        close(measured[name], tensors[name], name)


def test_every_recorded_run(recorded: Recorded, close: Callable[..., None]) -> None:
    compare(recorded.tensors, recorded.measured, close)


def test_the_facts_of_the_runs(recorded: Recorded, each_close: Callable[..., None]) -> None:
    assert recorded.facts["dtype"] == "float32"
    for run in recorded.facts["runs"]:
        assert run["S_churn"] == 0
        out = recorded.measured[run["key"]]
        assert out.dtype == torch.float32
        each_close(float(out.double().std()), run["out_std"], run["key"], tolerance=1e-4)


def test_the_solver_is_as_insensitive_as_recorded(recorded: Recorded) -> None:
    run = min(recorded.facts["runs"], key=lambda run: (run["num_steps"], run["guidance"]))
    moved = recorded.run(run["num_steps"], run["guidance"], noise=recorded.noise * (1 + 1e-6))
    probe = float((moved - recorded.measured[run["key"]]).abs().max())
    for each in recorded.facts["runs"]:
        # a probe of rounding size agrees in its magnitude only
        assert probe / 20 < each["probe_relperturb_1e6_maxabs"] < probe * 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_time_grids(recorded: Recorded, each_close: Callable[..., None], dtype: torch.dtype) -> None:
    kind, tolerance = str(dtype).removeprefix("torch."), 1e-5 if dtype == torch.float32 else 1e-12
    assert recorded.facts["t_steps"]
    for steps, grids in recorded.facts["t_steps"].items():
        grid = time_grid(int(steps), **recorded.grid, dtype=dtype)
        each_close(grid, grids[kind], f"{steps} steps", tolerance=tolerance)


def test_number_of_evaluations(recorded: Recorded) -> None:
    case = recorded.facts["trajectory"]
    assert len(recorded.trajectory) == case["n_calls"] == 2 * case["num_steps"] - 1


def test_facts_of_the_stochastic_runs(recorded: Recorded, each_close: Callable[..., None]) -> None:
    churn, capped = recorded.facts["churn"], recorded.facts["churncap"]
    _, steps, rises = recorded.churned["churn"]
    assert steps == churn["steps_with_noise"]
    each_close(rises, [churn["gamma"]] * len(steps), "gamma")
    each_close(time_grid(churn["num_steps"], **recorded.grid), churn["t_steps"], "t_steps", tolerance=1e-5)
    _, steps, rises = recorded.churned["churncap"]
    assert len(steps) == capped["n_noise"]
    each_close(rises, [capped["gamma"]] * len(steps), "capped gamma")


def test_a_network_that_guides_itself_with_labels_changes_nothing(
    recorded: Recorded, close: Callable[..., None]
) -> None:
    fewest = min(run["num_steps"] for run in recorded.facts["runs"])
    close(recorded.measured["selfguide_labels_passed"], recorded.run(fewest, 1.0))


def test_an_altered_record_is_noticed(recorded: Recorded, close: Callable[..., None]) -> None:
    for name in (name for name in recorded.tensors if name not in INPUTS):
        altered = {key: value.clone() for key, value in recorded.tensors.items()}
        flat = altered[name].reshape(-1)
        flat[int(flat.abs().argmax())] *= 1.001
        with pytest.raises(AssertionError):
            compare(altered, recorded.measured, close)
