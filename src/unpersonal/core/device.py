"""The device that a study runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .distributed import world
from .errors import InputError

if TYPE_CHECKING:
    import torch


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA where there is one, else the CPU; a device that is absent is an `InputError`.

    Of several processes that `torchrun` started on one machine each takes the GPU of its own number.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and (processes := world()).size > 1:
        name = f"cuda:{processes.local_rank}"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device {name!r}", where="--device", how="use auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("CUDA was asked for and is not available", where="--device", how="use --device cpu")
    return device
