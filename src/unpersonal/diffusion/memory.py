"""How much memory a training needs, counted before it starts.

The network is built and run on torch's `meta` device, which has shapes but no values; what autograd keeps for the
backward pass is counted through its hooks, so that every size and precision is counted as it is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import DiffusionConfig, NetworkConfig
from .loss import edm2_loss
from .network import Block, Denoiser, Precision, normalize_weights_

FLOAT = 4
COPIES = 5
"""Of the weights: themselves, Adam's two moments, the copy that is measured and the best one. Averages come on top."""
CPU = torch.device("cpu")
BACKWARD = 1.15
"""What gradients of activations and the gaps of the allocator add to what autograd keeps; measured on the CPU
(benchmarks/memory.py), taken over for CUDA."""
SCRATCH = 3
"""Buffers that `winograd` keeps, each as large as the largest transformed input."""


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a training step, as far as they grow with the network and the batch."""

    parameters: int
    """Number of parameters, not bytes."""
    states: int
    """Weights, moments, averages, the copy that is measured and the best one kept."""
    gradients: int
    """They grow while activations are freed."""
    activations: int
    """What autograd keeps of the largest part of a batch, and what the backward pass needs besides."""

    @property
    def peak(self) -> int:
        """Bytes of the states, and of activations or gradients, whichever are more."""
        return self.states + max(self.activations, self.gradients)


def training_memory(
    network: NetworkConfig,
    config: DiffusionConfig,
    *,
    precision: Precision = "fp32",
    device: torch.device = CPU,
    processes: int = 1,
) -> Memory:
    """Peak memory of one process that trains `network` on `device` as `config` says, its body in `precision`."""
    with torch.device("meta"):
        denoiser = Denoiser(network).train()
    parameters = sum(parameter.numel() for parameter in denoiser.parameters())
    batch = config.batch // (processes * config.accumulation)
    profiles = len({config.ema_std, *config.ema_profiles})
    copies = COPIES + profiles + (processes > 1)  # processes share gradients through buckets
    saved = _saved(denoiser, network, batch, precision)
    kept, scratch = _transformed(denoiser, batch) if device.type == "cpu" and precision == "fp32" else (0, 0)
    activations = round((saved + kept) * BACKWARD) + scratch
    return Memory(parameters, copies * parameters * FLOAT, parameters * FLOAT, activations)


def _transformed(denoiser: Denoiser, batch: int) -> tuple[int, int]:
    """Bytes that `winograd` keeps beyond a direct convolution (inputs of 9/4 the size, and transformed weights), and
    those of its buffers."""
    extra = largest = 0
    for name, block in denoiser.named_modules():
        if isinstance(block, Block) and block.fits_winograd:
            pixels = int(name.split(".")[-1].split("x")[0]) ** 2
            for conv in (block.conv_res0, block.conv_res1):
                outputs, inputs = conv.weight.shape[:2]
                extra += batch * pixels * inputs * 5 // 4 + 36 * outputs * inputs
                largest = max(largest, batch * pixels * max(inputs, outputs) * 9 // 4)
    return extra * FLOAT, SCRATCH * largest * FLOAT


def _saved(denoiser: Denoiser, network: NetworkConfig, batch: int, precision: Precision) -> int:
    """Bytes of everything that autograd keeps of one forward pass, parameters aside, each storage once."""
    own = {parameter.untyped_storage()._cdata for parameter in denoiser.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = (storage.nbytes(), tensor)  # held, for a freed storage's number is used again
        return tensor

    shape = (batch, network.channels, network.resolution, network.resolution)
    images, sigma = torch.empty(shape, device="meta"), torch.empty(batch, 1, 1, 1, device="meta")
    labels = torch.empty(batch, network.label_dim, device="meta") if network.label_dim else None
    denoiser.precision = precision
    normalize_weights_(denoiser)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = edm2_loss(denoiser, images, sigma, torch.empty(shape, device="meta"), labels)
        total = loss.sum()
    del total
    return sum(count for count, _ in kept.values())
