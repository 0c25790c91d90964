"""Layers and operations of EDM2 that preserve magnitudes (arXiv 2312.02696, configuration G).

Legend of shapes: B batch, C channels, H = W resolution. In memory the channels of images lie innermost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-4
"""Added to every root mean square before it divides (arXiv 2312.02696, appendix B.2)."""

SILU_MAGNITUDE = 0.596
"""Root mean square of silu(z) for a unit normal z (equation 81)."""


@dataclass
class Switches:
    """What makes the network fast; `benchmarks/speed.py` turns one off at a time. Results stay the same."""

    channels_inner: bool = True
    fused_attention: bool = True
    one_pass_norm: bool = True


SWITCHES = Switches()


def normalize(x: Tensor, dims: tuple[int, ...] | None = None) -> Tensor:
    """`x / (1e-4 + rms(x))` with the root mean square over `dims`, by default all but the first (equation 66)."""
    dims = tuple(range(1, x.ndim)) if dims is None else dims
    count = math.prod([x.shape[dim] for dim in dims])  # a list, for the compiler
    length = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    return x / torch.add(EPSILON, length, alpha=1 / math.sqrt(count)).to(x.dtype)


class _Normalized(torch.autograd.Function):
    """`normalize(x, (-1,))` with its gradient in closed form: one pass over what is kept instead of autograd's six.

    With u = x / (e + r), r = rms(x): dx = (du - x (x · du) / (n r (e + r))) / (e + r).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * x.shape[-1] ** -0.5
        ctx.save_for_backward(x, length)
        return x / (length + EPSILON)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, length = ctx.saved_tensors
        whole = length + EPSILON
        along = (x * gradients[0]).sum(dim=-1, keepdim=True)
        # a row of zeros has no direction; torch's norm gives it the gradient 0 too
        along /= (length * whole).clamp_min(torch.finfo(x.dtype).tiny) * -x.shape[-1]
        return torch.addcmul(gradients[0], x, along).div_(whole)


def _closed_form(x: Tensor) -> bool:
    """Whether an operation may be one of ours: elsewhere the compiler fuses, and fp32 sums need a cast."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32
    return SWITCHES.one_pass_norm and plain and not torch.compiler.is_compiling()


def normalize_inner(x: Tensor) -> Tensor:
    """`normalize` over the last dimension."""
    return _Normalized.apply(x) if _closed_form(x) and torch.is_grad_enabled() else normalize(x, (-1,))


def mp_silu(x: Tensor) -> Tensor:
    """Magnitude-preserving silu (equation 81)."""
    return F.silu(x) / SILU_MAGNITUDE


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Magnitude-preserving sum with share `t` of `b` (equation 88)."""
    return a.lerp(b, t) / math.hypot(1 - t, t)


def mp_cat(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Magnitude-preserving concatenation along the channels with share `t` of `b` (equation 103)."""
    count_a, count_b = a.shape[1], b.shape[1]
    scale = math.sqrt((count_a + count_b) / ((1 - t) ** 2 + t**2))
    return torch.cat([a * (scale * (1 - t) / math.sqrt(count_a)), b * (scale * t / math.sqrt(count_b))], dim=1)


class MPFourier(nn.Module):
    """Random Fourier features `sqrt(2) cos(x f + p)` of a scalar (equation 75): [B] -> [B, channels]."""

    freqs: Tensor
    phases: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(channels))
        self.register_buffer("phases", 2 * math.pi * torch.rand(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Features of `x`, computed in float32."""
        return math.sqrt(2) * torch.cos(torch.outer(x.float(), self.freqs.float()) + self.phases.float())


class MPConv(nn.Module):
    """Linear map or convolution without bias whose weight always has unit magnitude (equations 47 and 66).

    `kernel` 0 is a linear map. In train mode the stored weight is first overwritten by its normalised form (forced
    weight normalisation), unless `forced` is off because `normalize_weights_` does so once per step. With `folding`
    (see `fold_weights`) the normalised weight is kept between calls in eval mode, and used only while the stored weight
    is the very tensor in the very version it was computed from. Train mode, and any call that asks for a gradient of
    the weight, end the folding: fused optimisers write without counting a version.

    `scale` is multiplied into the weight; `heads` reorders outputs from (h, d, q/k/v) to (q/k/v, h, d).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, scale: float = 1.0, heads: int = 0) -> None:
        super().__init__()
        self.kernel, self.scale, self.heads = kernel, scale, heads
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *([kernel, kernel] if kernel else [])))
        self.folding = False
        self.forced = True
        self._folded: dict[torch.dtype, tuple[Tensor, int, Tensor]] = {}

    def _unit_weight(self) -> Tensor:
        flat = self.weight.flatten(1)
        unit = normalize_inner(flat) * (self.scale / math.sqrt(flat.shape[1]))
        if self.heads:
            unit = unit.unflatten(0, (self.heads, -1, 3)).permute(2, 0, 1, 3)
        return unit.reshape(self.weight.shape)

    def effective_weight(self, dtype: torch.dtype | None = None) -> Tensor:
        """The weight that multiplies the input, without gain."""
        weight, dtype = self.weight, dtype or self.weight.dtype
        if torch.compiler.is_compiling():
            # what is kept between calls would break the graph; there the compiler fuses the normalisation
            return self._unit_weight().to(dtype)
        if self.training and self.forced:
            self.normalize_()
        if self.training or (weight.requires_grad and torch.is_grad_enabled()):
            self._folded, self.folding = {}, False
        if not self.folding or weight.is_inference():
            return self._unit_weight().to(dtype)
        kept = self._folded.get(dtype)
        if kept is None or kept[0] is not weight or kept[1] != weight._version:
            # one made in inference mode could not be kept for the gradient of a later input
            with torch.inference_mode(False), torch.no_grad():
                kept = (weight, weight._version, self._unit_weight().to(dtype))
            self._folded[dtype] = kept
        return kept[2]

    @torch.no_grad()
    def normalize_(self) -> None:
        """Overwrite the stored weight by its normalised form."""
        length = torch.linalg.vector_norm(
            self.weight, dim=tuple(range(1, self.weight.ndim)), keepdim=True, dtype=torch.float32
        )
        self.weight.div_(length.mul_(self.weight[0].numel() ** -0.5).add_(EPSILON))

    def forward(self, x: Tensor, gain: Tensor | None = None) -> Tensor:
        """Apply the map to [B, inputs] (linear) or [B, inputs, H, W], then multiply by `gain`."""
        weight = None if self.kernel else self.effective_weight(x.dtype)
        y = channels_outer(self.inner(channels_inner(x))) if weight is None else F.linear(x, weight)
        return y if gain is None else y * gain.to(y.dtype)

    def inner(self, x: Tensor) -> Tensor:
        """The convolution of [B, H, W, I]; the result lies likewise."""
        weight = self.effective_weight(x.dtype)
        if self.kernel == 1:
            return F.linear(x, weight.flatten(1))
        return F.conv2d(x.permute(0, 3, 1, 2), weight, padding=self.kernel // 2).permute(0, 2, 3, 1)

    def _apply(self, fn: Any, recurse: bool = True) -> MPConv:
        # `.to()` replaces the values behind the same tensor without counting a version
        self._folded = {}
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        # a copy holds other tensors; the kept weight would only waste memory there
        return {**self.__dict__, "_folded": {}}


def channels_inner(x: Tensor) -> Tensor:
    """[B, C, H, W] with the channels innermost, [B, H, W, C]; copied only if it does not lie so."""
    if not SWITCHES.channels_inner:
        return x.contiguous().permute(0, 2, 3, 1)
    return x.permute(0, 2, 3, 1).contiguous()


def channels_outer(x: Tensor) -> Tensor:
    """The inverse view of `channels_inner`."""
    return x.permute(0, 3, 1, 2)


def normalize_weights_(network: nn.Module, *, forced: bool = False) -> None:
    """Overwrite every weight of `network` by its normalised form, for a training loop that does so once per step.

    Afterwards forward passes in train mode leave the weights alone (`forced` turns their own overwriting on again), so
    that gradient accumulation, compiled graphs and DDP see weights that do not change between two optimiser steps. Call
    it before the first forward pass of each step; values are those of forced normalisation in the forward pass.
    """
    for module in network.modules():
        if isinstance(module, MPConv):
            module.normalize_()
            module.forced = forced
