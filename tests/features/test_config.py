"""Settings of conditions that are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from unpersonal.features.config import FeaturesConfig


@pytest.mark.parametrize(
    "values",
    [
        {"condition": "labels"},
        {"condition": "feature+feature"},
        {"condition": "uncond+label"},
        {"condition": ""},
        {"condition": "label+"},
        {"text_encoder": "bert"},
        {"text_encoder": "hf:"},
        {"prompt": "an image"},
        {"prompt": "{labels} {sex}"},
        {"prompt": "{labels} and {labels}"},
    ],
)
def test_wrong_configurations_are_refused(values):
    with pytest.raises(ValidationError):
        FeaturesConfig(**values)
