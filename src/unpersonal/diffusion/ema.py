"""Power-function averages of the weights and their reconstruction after training (arXiv 2312.02696, section 3).

Time t is counted in images seen. A profile has a relative width `std` and, equivalently, an exponent gamma.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def std_to_exponent(std: float) -> float:
    """The exponent gamma of the profile with relative width `std` (equation 123 and algorithm 2).

    It is the largest real root of gamma³ + 7 gamma² + (16 - std⁻²) gamma + (12 - std⁻²); `ValueError` if it is not
    positive, which is the case from a width of sqrt(1/12) = 0.289 on.
    """
    inverse = float(std) ** -2
    roots = np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse])
    exponent = float(roots[np.abs(roots.imag) < 1e-9].real.max())
    if exponent <= 0:
        raise ValueError(f"no power-function profile has the relative width {std}")
    return exponent


def exponent_to_std(exponent: float) -> float:
    """The relative width of the profile with exponent `exponent` (equation 123)."""
    return float(np.sqrt((exponent + 1) / ((exponent + 2) ** 2 * (exponent + 3))))


def power_function_beta(std: float, t_next: float, t_delta: float) -> float:
    """Decay `(1 - t_delta/t_next)^(gamma+1)` of the update that reaches `t_next` images (equation 127)."""
    return float((1 - t_delta / t_next) ** (std_to_exponent(std) + 1))


def power_function_response(ofs: float, std: float, length: int) -> np.ndarray:
    """The profile `(t/ofs)^gamma` for t = 0 .. length-1, zero after `ofs`, with sum 1; float64 [length]."""
    t = np.arange(length, dtype=np.float64)
    response = np.where(t <= ofs, (t / ofs) ** std_to_exponent(std), 0.0)
    return response / response.sum()


def profile_inner_products(
    t_a: Sequence[float], std_a: Sequence[float], t_b: Sequence[float], std_b: Sequence[float]
) -> np.ndarray:
    """Inner products of the normalised profiles that end at `t_a`, `t_b`: float64 [len(a), len(b)] (algorithm 3)."""
    ends_a, ends_b = np.asarray(t_a, dtype=np.float64)[:, None], np.asarray(t_b, dtype=np.float64)[None, :]
    gamma_a = np.array([std_to_exponent(std) for std in std_a])[:, None]
    gamma_b = np.array([std_to_exponent(std) for std in std_b])[None, :]
    first = np.minimum(ends_a, ends_b)
    shape = (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1)
    return shape * (first / ends_a) ** gamma_a * (first / ends_b) ** gamma_b / np.maximum(ends_a, ends_b)


def posthoc_coefficients(
    in_images: Sequence[float], in_std: Sequence[float], out_images: Sequence[float] | float, out_std: Sequence[float]
) -> np.ndarray:
    """Coefficients [inputs, targets] that combine stored averages into the target ones; each column sums to 1.

    Least squares between profiles (equation 148): solve A X = B, then rescale the columns.
    """
    ends = np.broadcast_to(np.asarray(out_images, dtype=np.float64), (len(out_std),)).tolist()
    gram = profile_inner_products(in_images, in_std, in_images, in_std)
    solution = np.linalg.solve(gram, profile_inner_products(in_images, in_std, ends, out_std))
    return solution / solution.sum(axis=0, keepdims=True)


def reconstruct(snapshots: Iterable[Mapping[str, Tensor]], coefficients: Sequence[float]) -> dict[str, Tensor]:
    """The combination of `snapshots` (state dicts with equal names), summed in float64, in the snapshots' dtypes.

    They are taken one at a time, for those of a large network do not fit into memory together.
    """
    import torch

    total: dict[str, Tensor] = {}
    dtypes: dict[str, torch.dtype] = {}
    for snapshot, coefficient in zip(snapshots, coefficients, strict=True):
        for name, value in snapshot.items():
            term = float(coefficient) * value.to(torch.float64)
            total[name] = total[name].add_(term) if dtypes else term
        dtypes = dtypes or {name: value.dtype for name, value in snapshot.items()}
    return {name: value.to(dtypes[name]) for name, value in total.items()}


class PowerEMA:
    """Power-function average of a module's parameters: `average ← average + (1 - beta)(value - average)`.

    `std` is its relative width; the first update forgets the initial values (beta = 0).
    """

    def __init__(self, module: nn.Module, std: float) -> None:
        self._module, self.std = module, std
        self._average = {name: value.detach().clone() for name, value in module.named_parameters()}

    def update(self, images: float, batch: float) -> None:
        """Take in the present parameters; `images` are those seen after this update, `batch` those it used."""
        import torch

        beta = power_function_beta(self.std, images, batch)
        values = dict(self._module.named_parameters())
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self._average.values()), [values[name].detach() for name in self._average], 1 - beta
            )

    def weights(self) -> dict[str, Tensor]:
        """A full state dict: averaged parameters and the module's present buffers, copied."""
        present = self._module.state_dict()
        return {name: self._average.get(name, value).detach().clone() for name, value in present.items()}

    def state_dict(self) -> dict[str, Any]:
        """The averages, by parameter name."""
        return dict(self._average)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state_dict`; other names are a `ValueError`."""
        import torch

        if set(state) != set(self._average):
            raise ValueError("the averages belong to another network")
        with torch.no_grad():
            for name, value in self._average.items():
                value.copy_(state[name])
