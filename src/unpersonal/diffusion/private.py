"""Private training: what one subject adds to a step is bounded, and noise hides whether it did (arXiv 1607.00133).

Every subject is taken with the same probability, independently, with one image at random. Its gradient is clipped as a
whole, and the sum is noised. Whatever is made of the noised sum (Adam's moments, forced weight normalisation, averages)
knows no more of anybody. Who is taken, how they are shown and the noise follow from a secret of the training, not from
the study's seed, which others may guess; it is kept in the checkpoint, so that a resumed run equals an uninterrupted
one, and is gone with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.seeds import numpy_rng, torch_generator
from .config import DiffusionConfig
from .layers import SWITCHES, normalize_weights_
from .loss import edm2_loss
from .network import Denoiser
from .rows import Batch, Batches

TOGETHER = 16
"""Images whose gradients are held at once."""


@dataclass(frozen=True)
class Privacy:
    """Noise `multiplier` σ, `rate` q at which a subject is taken, `clip` C, and whose the train images are, [n]."""

    multiplier: float
    rate: float
    clip: float
    subjects: np.ndarray


class Secret:
    """From which everything follows that must not be guessed."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(32)

    def state_dict(self) -> dict[str, str]:
        """The key."""
        return {"key": self.key}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.key = str(state["key"])


class PrivateBatches(Batches):
    """Batches of whoever is taken: as many images as subjects, none of them twice from one subject, at times none."""

    def __init__(self, *given: Any, privacy: Privacy, secret: Secret, **named: Any) -> None:
        super().__init__(*given, **named)
        self._rate, self._secret, self._name = privacy.rate, secret, str(named["name"])
        _, whose = np.unique(np.asarray(privacy.subjects).astype(str), return_inverse=True)
        self._images = [np.flatnonzero(whose == subject) for subject in range(int(whose.max()) + 1)]

    def rows(self, step: int) -> np.ndarray:
        """The int64 row numbers of `step`, one of every subject that is taken."""
        rng = numpy_rng(self._secret.key, self._name, "who", step)
        taken = np.flatnonzero(rng.random(len(self._images)) < self._rate)
        return np.array([rng.choice(self._images[subject]) for subject in taken], dtype=np.int64)

    def at(self, step: int, generator: torch.Generator, share: slice, device: torch.device) -> Batch:
        """Everybody who is taken at `step`, whatever the `share`: were there a most, one would push out another.

        Levels, noise and views are by place in the batch, and one more moves the places of others: so these follow from
        the secret and not from `generator`, which is known, or what others add would tell of that one.
        """
        self._key = (self._secret.key, self._name)
        return super().at(step, torch_generator(*self._key, "shown", step), slice(None), device)


class _Sum(nn.Module):
    """The summed loss of a batch, so that gradients of its single images can be asked for."""

    def __init__(self, network: Denoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, **batch: Tensor) -> Tensor:
        """A scalar; `batch` is what `edm2_loss` takes."""
        return edm2_loss(self.network, **batch).sum()


@contextmanager
def _plain_operations() -> Iterator[None]:
    """Gradients of single images are not known of the operations that were written for speed."""
    before = SWITCHES.one_pass_norm, SWITCHES.fused_attention
    SWITCHES.one_pass_norm = SWITCHES.fused_attention = False
    try:
        yield
    finally:
        SWITCHES.one_pass_norm, SWITCHES.fused_attention = before


def clipped_gradients(network: Denoiser, batch: Batch, clip: float) -> tuple[dict[str, Tensor], Tensor]:
    """The sum of the gradients of the images of `batch`, each clipped to length `clip`, by name; and the summed loss.

    The length is over all parameters. An image whose gradient is not finite adds nothing.
    """
    from torch.func import functional_call, grad_and_value, vmap

    module = _Sum(network)
    parameters = {name: value.detach() for name, value in module.named_parameters()}
    buffers = dict(module.named_buffers())

    def of_one(weights: dict[str, Tensor], image: dict[str, Tensor]) -> Any:
        return functional_call(module, (weights, buffers), (), {name: part[None] for name, part in image.items()})

    given = {name: part for name, part in vars(batch).items() if part is not None}
    every = vmap(grad_and_value(of_one), in_dims=(None, 0))
    summed = {name: torch.zeros_like(value) for name, value in parameters.items()}
    total = batch.latents.new_zeros(())
    with _plain_operations():
        for start in range(0, len(batch.latents), TOGETHER):
            some = {name: part[start : start + TOGETHER] for name, part in given.items()}
            gradients, losses = every(parameters, some)
            lengths = torch.stack([value.reshape(len(losses), -1).norm(dim=1) for value in gradients.values()]).norm(
                dim=0
            )
            sound = torch.isfinite(lengths)
            shares = torch.where(sound, clip / lengths.clamp_min(clip), 0.0)
            for name, value in gradients.items():
                whole = torch.where(sound.reshape(-1, *[1] * (value.ndim - 1)), value, 0.0)
                summed[name] += torch.tensordot(shares, whole, dims=1)
            total = total + losses.detach().sum()
    return {name.removeprefix("network."): value for name, value in summed.items()}, total


class PrivateStep:
    """One optimiser step on a noised sum; see the module."""

    def __init__(
        self,
        network: Denoiser,
        config: DiffusionConfig,
        device: torch.device,
        *,
        privacy: Privacy,
        name: str,
        betas: tuple[float, float],
    ) -> None:
        self.network, self.privacy, self.secret = network, privacy, Secret()
        self._name, self._device, self.steps = name, device, 0
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.ref_lr, betas=betas, fused=True)
        self.scaler = torch.amp.GradScaler(device.type, enabled=False)
        self._expected = privacy.rate * len(np.unique(np.asarray(privacy.subjects).astype(str)))

    def __call__(self, batch: Batch, rate: float) -> Tensor:
        """Update the network; returns the mean loss per element of the images that were taken (0: none was)."""
        self.network.train()
        normalize_weights_(self.network)
        self.optimizer.param_groups[0]["lr"] = rate
        summed, loss = clipped_gradients(self.network, batch, self.privacy.clip)
        generator = torch_generator(self.secret.key, self._name, "noise", self.steps)
        deviation = self.privacy.multiplier * self.privacy.clip
        for name, parameter in self.network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(self._device)
            # by the expected number: how many were taken is nobody's business
            parameter.grad = (summed[name] + deviation * noise) / self._expected
        self.optimizer.step()
        self.steps += 1
        return loss / max(batch.latents.numel(), 1)

    def state_dict(self) -> dict[str, Any]:
        """The secret and the steps done."""
        return {"secret": self.secret.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.secret.load_state_dict(state["secret"])
        self.steps = int(state["steps"])
