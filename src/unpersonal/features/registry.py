"""Where conditions and encoders of images are found.

They are the modules of `features.conditions` and `features.encoders`, and the entry points `unpersonal.conditions` and
`unpersonal.encoders` of other packages.
"""

from __future__ import annotations

from ..core.registry import Registry
from .base import ConditionPart, EncoderPart

CONDITIONS: Registry[ConditionPart] = Registry(
    "condition", package="unpersonal.features.conditions", attribute="CONDITION"
)
ENCODERS: Registry[EncoderPart] = Registry("encoder", package="unpersonal.features.encoders", attribute="ENCODER")
