"""Codecs on disk."""

from __future__ import annotations

import pytest
import torch

from unpersonal.codec.codecs.patch import PatchCodec
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.store import load_codec, save_codec
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float
from unpersonal.core.tensors import load_tensors, save_tensors


def fitted(kind, images):
    return PixelCodec.fit(images) if kind == "pixel" else PatchCodec.fit(images, patch=4, components=8)


@pytest.mark.parametrize("kind", ["patch", "pixel"])
def test_a_saved_codec_is_the_same_codec(smooth_images, tmp_path, kind):
    codec = fitted(kind, smooth_images)
    save_codec(tmp_path / "store" / "codec.safetensors", codec, kind)
    back = load_codec(tmp_path)
    assert torch.equal(back.encode(to_float(smooth_images)), codec.encode(to_float(smooth_images)))
    assert not (tmp_path / "store" / "codec.json").exists()


def test_a_file_that_names_no_codec_or_lacks_a_tensor_is_refused(smooth_images, tmp_path):
    path = tmp_path / "store" / "codec.safetensors"
    save_codec(path, fitted("pixel", smooth_images), "pixel")
    tensors, metadata = load_tensors(path)
    assert metadata["kind"] == "pixel"
    save_tensors(path, tensors, {"kind": "PixelCodec"})
    with pytest.raises(InputError, match="no codec 'PixelCodec'"):
        load_codec(tmp_path)
    del tensors["scale"]
    save_tensors(path, tensors, {"kind": "pixel"})
    with pytest.raises(InputError, match="lacks 'scale'"):
        load_codec(tmp_path)
