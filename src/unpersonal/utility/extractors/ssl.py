"""The space `ssl`: an encoder trained without labels on all real images, two views of one against all others."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ...core.seeds import derive_seed
from ..extractor import COMPONENTS, Extractor, Fitting, Space
from ..network_rows import weights_hash

VIEWS = 100
"""Pairs of views that training sees of each image; of many images fewer, as the encoder's own budget says."""


class SelfSupervised(Extractor):
    """See `features.ssl`."""

    takes = ""

    def size(self, argument: str) -> int:
        """As for every space that is made of the images themselves."""
        return 64

    def open(self, argument: str, fitting: Fitting) -> Space:
        """The encoder of all real images: both halves are treated alike."""
        from ...features.base import EncoderInputs
        from ...features.encoders.ssl import SSLConfig
        from ...features.ssl import train_ssl

        own: int = SSLConfig.model_fields["images"].default
        config = SSLConfig(images=min(own, VIEWS * len(fitting.real)))
        seed = derive_seed(fitting.seed, "metrics", "ssl")
        with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
            checkpoint = Path(folder) / "checkpoint"
            inputs = EncoderInputs(fitting.real, COMPONENTS, seed, fitting.device, checkpoint)
            encoder, _ = train_ssl(config, inputs)
        return Space(
            encoder.unit,
            "an encoder trained without labels on the real images; rows of unit length",
            fitting.real.shape[-1],
            sha256=weights_hash(list(encoder.network.state_dict().items())),
        )


EXTRACTOR = SelfSupervised()
