"""Where codecs are found: the modules of `codec.codecs`, and the entry points `unpersonal.codecs` of other packages."""

from __future__ import annotations

from ..core.registry import Registry
from .base import CodecPart

CODECS: Registry[CodecPart] = Registry("codec", package="unpersonal.codec.codecs", attribute="CODEC")
