"""Configuration of `[images]`: how the images of a cohort are brought to one form."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from .preprocess import PreprocessConfig
from .text_use import Use


class ImagesConfig(PreprocessConfig):
    """The form in which images are prepared, once, for everything that follows."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"workers", "read_text"})

    workers: int = Field(0, ge=0, le=256, description="processes that decode images; 0: one per core")
    read_text: Use = Field(
        "auto",
        description="whether images that look as if text were burned in are read, for the warning of init alone; "
        "auto: where the extra `ocr` is installed",
    )
