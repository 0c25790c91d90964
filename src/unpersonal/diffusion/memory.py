"""How much memory a training needs, counted before it starts.

The network is built and run on torch's `meta` device, which has shapes but no values; what autograd keeps for the
backward pass is counted through its hooks, and what a pass without gradients holds at once by watching every operation,
so that every size and precision is counted as it is computed. So is the decoder through which the samples of a
measurement go. A checkpoint costs nothing: it is written from the states themselves (`core.training.save_checkpoint`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..codec.autoencoder import Autoencoder, NetworkCodec
from .config import DiffusionConfig, NetworkConfig
from .copy_check import CopyCheck
from .layers import MPConv, normalize_weights_
from .loss import edm2_loss
from .monitor import MEASURED
from .network import DTYPES, Denoiser, Precision
from .private import TOGETHER
from .samples import AT_ONCE

FLOAT = 4
COPIES = 5
"""Of the weights: themselves, Adam's two moments, the copy that is measured and the best one. Averages come on top."""
CPU = torch.device("cpu")
BACKWARD = 1.25
"""What gradients of activations (at most 1.05) and the gaps of the allocator add to what autograd keeps; measured on
the CPU (benchmarks/memory.py), taken over for CUDA."""
PRIVATE = (3.4, 3.05)
"""A private step holds so many times what autograd keeps of `TOGETHER` images, and their gradients so many times;
measured on the CPU for four networks, at most 11 % off."""
FREED = 2**30
"""What `core.allocator.keep_freed_memory` keeps on the CPU at most, in blocks of a step's sizes, into which those of a
decoder do not fit: measured, a decoder comes on top of activations that are freed by then."""
UNFITTED = 0.5
"""What of the matchers' memory does not fit into those blocks either; measured on the CPU (benchmarks/memory.py)."""


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a training, as far as they grow with the network and the batch."""

    parameters: int
    """Number of parameters, not bytes."""
    states: int
    """Weights, moments, averages, the copy that is measured and the best one kept."""
    gradients: int
    """They grow while activations are freed."""
    activations: int
    """What autograd keeps of the largest part of a batch, and what the backward pass needs besides."""
    kept: int
    """From one measurement to the next: folded weights of the copy that is measured, the decoder of the samples, and on
    the CPU what matchers hold of the images that they are compared with."""
    measuring: int
    """Gradients of the last step, the weights that are measured or written, and what measures: activations without
    gradients, the decoding of samples, or on the CPU their comparison with train images."""

    @property
    def peak(self) -> int:
        """Bytes of what stays, and of activations, gradients or a measurement, whichever are most."""
        return self.states + self.kept + max(self.activations, self.gradients, self.measuring)


@dataclass(frozen=True)
class Pictures:
    """The images that `monitor_samples` become: their shape (C, H, W), how many images of train and held-out people are
    `enrolled` to be compared with them, and the network of the codec (on the device `meta`) where it is one."""

    shape: tuple[int, int, int]
    enrolled: int = 0
    decoder: Autoencoder | None = None


def training_memory(
    network: NetworkConfig,
    config: DiffusionConfig,
    *,
    precision: Precision = "fp32",
    device: torch.device = CPU,
    processes: int = 1,
    pictures: Pictures | None = None,
) -> Memory:
    """Peak memory of one process that trains `network` on `device` as `config` says, its body in `precision`.

    That is the first process: it measures and draws the samples. Without `pictures` nothing is said of their decoding.
    """
    with torch.device("meta"):
        denoiser = Denoiser(network).train()
    parameters = sum(parameter.numel() for parameter in denoiser.parameters())
    batch = TOGETHER if config.dp_epsilon else config.batch // (processes * config.accumulation)
    profiles = len({config.ema_std, *config.ema_profiles})
    on_cpu = device.type == "cpu"
    copies = COPIES + profiles + (processes > 1)  # processes share gradients through buckets
    copies += bool(config.start_from) and on_cpu  # the weights it started from
    drawn = min(config.monitor_samples, AT_ONCE)
    measured = max(min(config.batch, config.evaluation_images, MEASURED), drawn)
    saved = _saved(denoiser, network, batch, precision)
    folded = sum(module.weight.numel() for module in denoiser.modules() if isinstance(module, MPConv))
    folded *= DTYPES[precision].itemsize
    weights = parameters * FLOAT
    decoder, decoding = (0, 0) if pictures is None else _decoded(pictures, network, drawn, on_cpu)
    activations = round(saved * BACKWARD)
    if config.dp_epsilon:
        activations = round(saved * PRIVATE[0] + TOGETHER * weights * PRIVATE[1])
    if decoding and on_cpu:
        decoding += min(activations, FREED)
    references, compared = 0, 0
    if pictures is not None and on_cpu and drawn and config.max_match_rate < 1 and config.monitor_matchers:
        references, compared = CopyCheck.memory(pictures.enrolled, config.monitor_samples)
    # `save_tensors` copies what it writes to the memory of the CPU
    written = weights if config.ema_profiles and on_cpu else 0
    if compared:
        compared = max(compared, round(compared * UNFITTED) + min(activations, FREED))
    shown = max(_held(denoiser, network, measured), decoding, compared, written)
    return Memory(
        parameters=parameters,
        states=copies * weights,
        gradients=weights,
        activations=activations,
        kept=folded + decoder + references,
        measuring=2 * weights + shown,
    )


def _saved(denoiser: Denoiser, network: NetworkConfig, batch: int, precision: Precision) -> int:
    """Bytes of everything that autograd keeps of one forward pass, parameters aside, each storage once."""
    own = {parameter.untyped_storage()._cdata for parameter in denoiser.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = (storage.nbytes(), tensor)  # held, for a freed storage's number is used again
        return tensor

    images, sigma, labels = _inputs(network, batch)
    views = torch.empty(batch, network.augment_dim, device="meta") if network.augment_dim else None
    denoiser.precision = precision
    normalize_weights_(denoiser)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = edm2_loss(denoiser, images, sigma, torch.empty_like(images), labels, views)
        total = loss.sum()
    del total
    return sum(count for count, _ in kept.values())


def _inputs(network: NetworkConfig, batch: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images, noise levels and labels without values."""
    shape = (batch, network.channels, network.resolution, network.resolution)
    images, sigma = torch.empty(shape, device="meta"), torch.empty(batch, 1, 1, 1, device="meta")
    return images, sigma, torch.empty(batch, network.label_dim, device="meta") if network.label_dim else None


class _Watch(TorchDispatchMode):
    """Bytes of the results of operations that live at once, each storage once; those of `own` are not counted.

    With `reordered` a convolution holds a copy of its input and of its result besides: on the CPU oneDNN brings both
    into blocks of channels.
    """

    def __init__(self, own: nn.Module, *, reordered: bool = False) -> None:
        super().__init__()
        self._reordered = reordered
        self.now = self.peak = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in (*own.parameters(), *own.buffers())}
        self._tensors: set[int] = set()
        self._storages: dict[int, list[int]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(tensor, Tensor) and id(tensor) not in self._tensors:
                self._enter(tensor)
        if self._reordered and func is torch.ops.aten.convolution.default:
            self.peak = max(self.peak, self.now + args[0].nbytes + found.nbytes)
        return found

    def _enter(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        entry = self._storages.setdefault(key, [0, storage.nbytes()])
        if not entry[0]:
            self.now += entry[1]
            self.peak = max(self.peak, self.now)
        entry[0] += 1
        self._tensors.add(id(tensor))
        weakref.finalize(tensor, self._leave, id(tensor), key).atexit = False

    def _leave(self, tensor: int, key: int) -> None:
        self._tensors.discard(tensor)
        entry = self._storages[key]
        entry[0] -= 1
        if not entry[0]:
            self.now -= entry[1]
            del self._storages[key]


class _Fused(TorchFunctionMode):
    """Attention as fused kernels compute it, which hold no weights of pairs; `meta` would choose the plain form."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def _held(denoiser: Denoiser, network: NetworkConfig, batch: int) -> int:
    """Bytes that one pass without gradients holds at its peak, in the precision that `_saved` set."""
    inputs = _inputs(network, batch)
    denoiser.eval()
    with torch.no_grad(), _Watch(denoiser) as watch:
        denoiser(*inputs)
    return watch.peak


def _decoded(pictures: Pictures, network: NetworkConfig, count: int, on_cpu: bool) -> tuple[int, int]:
    """Bytes of the decoder's weights, which stay on the device, and what decoding `count` latents holds at its peak."""
    if pictures.decoder is None:
        return 0, 0
    module = pictures.decoder.module
    weights = sum(tensor.numel() * tensor.itemsize for tensor in (*module.parameters(), *module.buffers()))
    if not count:
        return weights, 0
    one = torch.ones(network.channels, device="meta")
    codec = NetworkCodec(pictures.decoder, {}, pictures.shape[0], one, one)
    latents = torch.empty(count, network.channels, network.resolution, network.resolution, device="meta")
    with torch.no_grad(), _Fused(), _Watch(module, reordered=on_cpu) as watch:
        codec.decode(latents)
    return weights, watch.peak
