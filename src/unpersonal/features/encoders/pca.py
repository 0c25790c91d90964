"""The encoder `pca`: principal components in closed form (see `features.pca`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.config import Config
from ..base import EncoderInputs, EncoderPart
from ..pca import PCAEncoder, fit_pca

if TYPE_CHECKING:
    import torch


class PCAPart(EncoderPart):
    """The encoder `pca`, which has no keys of its own."""

    config = Config
    summary = "closed form"

    def fit(self, config: Config, inputs: EncoderInputs) -> tuple[PCAEncoder, list[dict[str, float]]]:
        """The principal components of train."""
        return fit_pca(inputs.images, inputs.dimensions), []

    def save(self, encoder: PCAEncoder) -> dict[str, torch.Tensor]:
        """`mean` and `basis` (float64), and `size` (an int64 scalar)."""
        import torch

        basis = torch.from_numpy(encoder.basis).contiguous()
        return {"mean": torch.from_numpy(encoder.mean), "basis": basis, "size": torch.tensor(encoder.size)}

    def load(self, tensors: dict[str, torch.Tensor]) -> PCAEncoder:
        """The encoder of `save`."""
        return PCAEncoder(tensors["mean"].numpy(), tensors["basis"].numpy(), int(tensors["size"]))


ENCODER = PCAPart()
