"""The pixel codec is exact."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.core.pixels import to_float, to_uint8


def test_pixel_codec_is_exact_and_scaled(smooth_images):
    codec = PixelCodec.fit(smooth_images)
    latents = codec.encode(to_float(smooth_images))
    assert latents.std(correction=0).item() == pytest.approx(0.5, abs=1e-4) and abs(latents.mean().item()) < 1e-4
    assert np.array_equal(to_uint8(codec.decode(latents)), smooth_images)
