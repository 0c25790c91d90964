"""Learning rate, averages of the weights and their reconstruction against the recorded tables."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unpersonal.diffusion.ema import (
    PowerEMA,
    exponent_to_std,
    posthoc_coefficients,
    power_function_beta,
    power_function_response,
    profile_inner_products,
    reconstruct,
    std_to_exponent,
)
from unpersonal.diffusion.schedule import learning_rate

Check = Callable[..., None]


def read(reference: Path, name: str) -> Any:
    """One recorded file, without the average of a half-life, which nothing here computes."""
    content = json.loads((reference / "schedule" / f"{name}.json").read_text())
    return (
        {key: value for key, value in content.items() if key != "traditional_ema_trace"}
        if name == "ema_trace"
        else content
    )


class Toy(nn.Module):
    """One parameter and one buffer."""

    def __init__(self, value: float, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=dtype))
        self.register_buffer("count", torch.zeros(1, dtype=dtype))


def check_learning_rate(cases: list[Any], each_close: Check) -> None:
    assert cases
    for case in cases:
        given = case["params"]
        rates = [
            learning_rate(
                images,
                batch=given["batch_size"],
                ref_lr=given["ref_lr"],
                ref_batches=given["ref_batches"],
                rampup_images=given["rampup_Mimg"] * 1e6,
            )
            for images in case["cur_nimg"]
        ]
        each_close(rates, case["lr"], str(given), tolerance=1e-9)


def check_power_function(tables: dict[str, Any], each_close: Check) -> None:
    assert set(tables) == {"std_to_exp", "exp_to_std", "beta"}
    for row in tables["std_to_exp"]:
        each_close(std_to_exponent(row["std"]), row["exponent"], str(row), tolerance=1e-9)
    for row in tables["exp_to_std"]:
        each_close(exponent_to_std(row["exponent"]), row["std"], str(row), tolerance=1e-9)
    for row in tables["beta"]:
        beta = power_function_beta(row["std"], row["t_next"], row["t_delta"])
        each_close(beta, row["beta"], str(row), tolerance=1e-8)


def trace(average: PowerEMA, toy: Toy, given: dict[str, Any]) -> tuple[list[float], float]:
    """The averages after every update, and the last value of the buffer beside them."""
    averages = []
    for index, (value, images) in enumerate(zip(given["values"], given["cur_nimg_at_update"], strict=True)):
        with torch.no_grad():
            toy.value.fill_(value)
            toy.count.fill_(index)
        average.update(images, given["batch_size"])
        averages.append(float(average.weights()["value"]))
    return averages, float(average.weights()["count"])


def check_ema_trace(given: dict[str, Any], each_close: Check) -> None:
    stds = given["stds"]
    for dtype, traces in given["ema_trace"].items():
        assert set(traces) == {str(std) for std in stds}
        for std, buffer in zip(stds, given["buffers_after_get"], strict=True):
            toy = Toy(given["initial_value"], getattr(torch, dtype))
            averages, count = trace(PowerEMA(toy, std), toy, given)
            tolerance = 1e-10 if dtype == "float64" else 1e-5
            each_close(averages, traces[str(std)], f"{dtype} {std}", tolerance=tolerance)
            assert count == buffer


def check_posthoc_cases(cases: list[Any], each_close: Check, close: Check) -> None:
    assert cases
    for case in cases:
        inputs, ends = (case["in_nimg"], case["in_std"]), [case["out_nimg"]] * len(case["out_std"])
        gram = profile_inner_products(*inputs, *inputs)
        each_close(gram, case["A"], "A", tolerance=1e-9)
        each_close(profile_inner_products(*inputs, ends, case["out_std"]), case["B"], "B", tolerance=1e-9)
        each_close(np.linalg.cond(gram), case["cond_A"], "condition number", tolerance=1e-6)
        coefficients = posthoc_coefficients(*inputs, case["out_nimg"], case["out_std"])
        close(coefficients, case["coefficients"], "coefficients", tolerance=1e-10)


def check_toy_reconstruction(given: dict[str, Any], each_close: Check, close: Check) -> None:
    assert len(given["values"]) == given["n_updates"]
    toy = Toy(0.0)
    averages = {std: PowerEMA(toy, std) for std in (*given["snapshot_stds"], *given["out_std"])}
    snapshots, ends, widths = [], [], []
    for index, value in enumerate(given["values"]):
        with torch.no_grad():
            toy.value.fill_(value)
        images = (index + 1) * given["batch_size"]
        for average in averages.values():
            average.update(images, given["batch_size"])
        if (index + 1) % given["snapshot_every"] == 0:
            for std in given["snapshot_stds"]:
                snapshots.append(averages[std].weights())
                ends.append(images)
                widths.append(std)
    assert (ends, widths) == (given["in_nimg"], given["in_std"])
    each_close([float(each["value"]) for each in snapshots], given["snapshot_values"], "snapshots", tolerance=1e-9)
    coefficients = posthoc_coefficients(ends, widths, given["out_nimg"], given["out_std"])
    close(coefficients, given["coefficients"], "coefficients", tolerance=1e-10)
    values = [float(reconstruct(snapshots, column)["value"]) for column in coefficients.T]
    each_close(values, given["reconstructed"], "reconstructed", tolerance=1e-8)
    true = [float(averages[std].weights()["value"]) for std in given["out_std"]]
    each_close(true, given["true_ema"], "tracked directly", tolerance=1e-9)


def check_response(given: dict[str, Any], each_close: Check) -> None:
    columns = [power_function_response(given["ofs"], std, given["length"]) for std in given["std"]]
    assert given["axis"] == 0
    each_close(np.stack(columns, axis=1), given["response"], "response", tolerance=1e-9)


def check(name: str, given: Any, each_close: Check, close: Check) -> None:
    """Recompute everything in the recorded file `name`, whose content is `given`."""
    if name == "learning_rate":
        check_learning_rate(given, each_close)
    elif name == "power_function_ema":
        check_power_function(given, each_close)
    elif name == "ema_trace":
        check_ema_trace(given, each_close)
    elif name == "posthoc_ema":
        check_posthoc_cases(given["cases"], each_close, close)
        check_toy_reconstruction(given["toy_reconstruction"], each_close, close)
    elif name == "power_function_response":
        check_response(given, each_close)
    else:
        pytest.fail(f"nothing here recomputes schedule/{name}.json")


@pytest.mark.slow
def test_recorded_tables(reference: Path, schedule_name: str, each_close: Check, close: Check) -> None:
    check(schedule_name, read(reference, schedule_name), each_close, close)


def numbers(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to the numbers in a JSON value that are not tiny beside 1, in order of appearance."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in numbers(item, (*path, key))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in numbers(item, (*path, index))]
    return [path] if isinstance(value, float) and math.isfinite(value) and abs(value) > 1e-2 else []


@pytest.mark.slow
def test_an_altered_table_is_noticed(reference: Path, schedule_name: str, each_close: Check, close: Check) -> None:
    given = read(reference, schedule_name)
    paths = numbers(given)
    for path in (paths[-1], paths[len(paths) // 2]):
        altered = copy.deepcopy(given)
        holder = altered
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] *= 1.001
        with pytest.raises(AssertionError):
            check(schedule_name, altered, each_close, close)
