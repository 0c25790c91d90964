"""3x3 convolutions on the CPU by Winograd's minimal filtering F(4x4, 3x3), arXiv 1509.09308: 36 products, not 144.

Exact algebra; in float32 the result differs from a direct convolution by about 1e-6 of its root mean square.
Activations lie with space first, [H, W, B, C], so that the transform of an axis is a small matrix times a long one.
Legend: H = W a multiple of 4, k = H/4 tiles per axis, B batch, I and O channels in and out. Transformed activations are
[k, 6, 6, k, B, C]: row of tiles, two axes of points, column of tiles; each row of tiles meets the same 36 matrices.
"""

from __future__ import annotations

import math
import threading
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

TILE = 4
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
"""Where the polynomials of a tile are evaluated, besides infinity: a quarter of the rounding error of 0, ±1, ±2."""


class _Scratch(threading.local):
    """Memory for what lives within one call. Fresh memory costs a page fault per 4 KB, dearer than the work on it."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """A float32 tensor of `shape` with arbitrary values, valid until the next call with this name."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count:
            # one made in inference mode could not be written outside of it
            with torch.inference_mode(False):
                buffer = self._buffers[name] = torch.empty(count)
        return buffer[:count].view(shape)


_scratch = _Scratch()


def _vandermonde(columns: int) -> Tensor:
    powers = torch.tensor(POINTS, dtype=torch.float64)[:, None] ** torch.arange(columns, dtype=torch.float64)
    infinity = torch.zeros(1, columns, dtype=torch.float64)
    infinity[0, -1] = 1
    return torch.cat([powers, infinity])


@lru_cache(maxsize=16)
def _matrices(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of an axis with zeros around it: input to (tile, point) and to (point, tile), [6k, H]; output back, [H, 6k].

    A tile's matrices are those of Toom and Cook's polynomial product, transposed: input V(6)⁻ᵀ, output V(4)ᵀ.
    """
    tiles = size // TILE
    of_tile, of_output = torch.linalg.inv(_vandermonde(6)).T / _balance()[:, None], _vandermonde(TILE).T
    inputs = torch.zeros(tiles, 6, size + 2, dtype=torch.float64)
    outputs = torch.zeros(tiles, TILE, tiles, 6, dtype=torch.float64)
    for tile in range(tiles):
        inputs[tile, :, TILE * tile : TILE * tile + 6] = of_tile
        outputs[tile, :, tile] = of_output
    inputs, outputs = inputs[:, :, 1:-1], outputs.reshape(size, tiles, 6)
    both = (inputs, inputs.transpose(0, 1), outputs, outputs.transpose(1, 2))
    shapes = ((-1, size), (-1, size), (size, -1), (size, -1))
    rows, columns, back_rows, back_columns = (
        m.reshape(s).float().contiguous() for m, s in zip(both, shapes, strict=True)
    )
    return rows, columns, back_rows, back_columns


def _balance() -> Tensor:
    """Factors per point that make the transforms of input and kernel equally large."""
    return (torch.linalg.inv(_vandermonde(6)).T.norm(dim=1) / _vandermonde(3).norm(dim=1)).sqrt()


@lru_cache(maxsize=1)
def _of_kernel() -> Tensor:
    """Of a whole kernel [36, 9]: V(3) on both axes."""
    matrix = _vandermonde(3) * _balance()[:, None]
    return torch.kron(matrix, matrix).float()


def fits(size: int, inputs: int, outputs: int) -> bool:
    """Whether this beats oneDNN's direct convolution: measured on maps of 4 and 8 pixels (see benchmarks/speed.py)."""
    return size in (4, 8) and min(inputs, outputs) >= 64


def pays() -> bool:
    """Whether this process computes with one thread: direct convolutions gain more from a second one than this does."""
    return torch.get_num_threads() == 1


def transform_weight(weight: Tensor) -> Tensor:
    """[O, I, 3, 3] to [36, O, I]."""
    outputs, inputs = weight.shape[:2]
    return (_of_kernel() @ weight.reshape(outputs * inputs, 9).T).view(36, outputs, inputs)


def _both_axes(first: Tensor, second: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """`first` and `second` [n, m] along the first and second axis of `x` [m, m, B, C], into `out` [n, n, B, C]."""
    n, m = first.shape
    wide = x.reshape(m, -1)
    half = torch.mm(first, wide, out=_scratch.take("axis", n, wide.shape[1])).view(n, m, -1)
    torch.bmm(second.expand(n, n, m), half, out=out.view(n, n, -1))
    return out


def _rows(x: Tensor, out: Tensor) -> Tensor:
    """Transformed input [H, W, B, I] in `out` [6k, 6k, B, I], seen as [k, 36, k B, I]."""
    size, _, _, inputs = x.shape
    rows, columns, _, _ = _matrices(size)
    return _both_axes(rows, columns, x, out).view(size // TILE, 36, -1, inputs)


def _maps(products: Tensor, size: int, batch: int) -> Tensor:
    """[k, 36, k B, O] back to maps [H, W, B, O]."""
    width, outputs = 6 * size // TILE, products.shape[-1]
    _, _, rows, columns = _matrices(size)
    found = products.new_empty(size, size, batch, outputs)
    return _both_axes(rows, columns, products.view(width, width, batch, outputs), found)


def _multiply(rows: Tensor, matrices: Tensor) -> Tensor:
    """[k, 36, k B, I] with [36, I, O]: [k, 36, k B, O], in scratch memory."""
    out = _scratch.take("multiplied", *rows.shape[:3], matrices.shape[2])
    for row, found in zip(rows, out, strict=True):
        torch.bmm(row, matrices, out=found)
    return out


def convolve(x: Tensor, transformed: Tensor) -> Tensor:
    """'Same' convolution of `x` [H, W, B, I] with `transform_weight`'s result: [H, W, B, O]. Keeps no gradient."""
    size, _, batch, inputs = x.shape
    width = 6 * size // TILE
    rows = _rows(x, _scratch.take("rows", width, width, batch, inputs))
    return _maps(_multiply(rows, transformed.transpose(1, 2)), size, batch)


class _Convolution(torch.autograd.Function):
    """`convolve` with gradients; the transformed input is kept for the weight's (9/4 of the input's memory)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        size, _, batch, inputs = x.shape
        width = 6 * size // TILE
        transformed = transform_weight(weight)
        rows = _rows(x, x.new_empty(width, width, batch, inputs))
        ctx.save_for_backward(rows, transformed)
        ctx.size, ctx.batch = size, batch
        return _maps(_multiply(rows, transformed.transpose(1, 2)), size, batch)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, transformed = ctx.saved_tensors
        first, second, back_first, back_second = _matrices(ctx.size)
        width, (_, outputs, inputs) = len(first), transformed.shape
        room = _scratch.take("rows", width, width, ctx.batch, outputs)
        gradient = _both_axes(back_first.T, back_second.T, gradients[0], room).view(*rows.shape[:3], outputs)
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            spread = _multiply(gradient, transformed).view(width, width, ctx.batch, inputs)
            for_x = spread.new_empty(ctx.size, ctx.size, ctx.batch, inputs)
            _both_axes(first.T, second.T, spread, for_x)
        if ctx.needs_input_grad[1]:
            summed = _scratch.take("weight", 36, outputs, inputs)
            for number, (row, other) in enumerate(zip(gradient, rows, strict=True)):
                torch.baddbmm(summed, row.transpose(1, 2), other, beta=float(number > 0), out=summed)
            for_weight = (_of_kernel().T @ summed.view(36, -1)).T.reshape(outputs, inputs, 3, 3)
        return for_x, for_weight


def convolve_with_gradients(x: Tensor, weight: Tensor) -> Tensor:
    """'Same' convolution of `x` [H, W, B, I] with `weight` [O, I, 3, 3], differentiable once: [H, W, B, O]."""
    return _Convolution.apply(x, weight)
