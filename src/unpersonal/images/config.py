"""Configuration of `[images]`: how the images of a cohort are brought to one form."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from .preprocess import PreprocessConfig


class ImagesConfig(PreprocessConfig):
    """The form in which images are prepared, once, for everything that follows."""

    IDLE: ClassVar[frozenset[str]] = frozenset({"workers"})

    workers: int = Field(0, ge=0, le=256, description="processes that decode images; 0: one per core")
