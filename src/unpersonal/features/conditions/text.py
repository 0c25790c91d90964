"""The condition `text`: the vector of the image's text, or of a prompt made of its labels (see `features.text`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from ...cohort.table import Cohort
from ...core.config import Config
from ...core.files import is_litter
from ...core.hashing import hash_json, sha256_file
from ...core.seeds import derive_seed
from ..base import ConditionInputs, ConditionPart, Made


def _known_encoder(value: str) -> str:
    if value != "bow" and not re.fullmatch(r"hf:\S.*", value):
        raise ValueError(f"{value!r} is neither bow nor hf:MODEL")
    return value


def _one_place_for_labels(value: str) -> str:
    if value.count("{labels}") != 1 or re.search(r"[{}]", value.replace("{labels}", "")):
        raise ValueError("the prompt holds {labels} once and no other braces")
    return value


class TextConfig(Config):
    """Keys of the condition `text`."""

    text_encoder: Annotated[str, AfterValidator(_known_encoder)] = Field(
        "bow", description="text: bow (hashed bag of words), or hf:MODEL (transformers)"
    )
    text_dimensions: int = Field(64, ge=2, le=4096, description="text: greatest length of a text vector")
    prompt: Annotated[str, AfterValidator(_one_place_for_labels)] = Field(
        "{labels}", description="text: sentence made of the labels where a cohort has no text"
    )


class TextPart(ConditionPart):
    """The condition `text`. Nothing of it is written but the rows: words would be personal data."""

    config = TextConfig
    summary = "the vector of a text"
    noun = "texts"

    def length(self, config: TextConfig, cohort: Cohort | None, assumed: list[str]) -> int:
        """At most that of a text vector."""
        return config.text_dimensions

    def fingerprint(self, config: TextConfig, study: Path) -> str:
        """SHA-256 over the files of a local model; nothing of one that lies in the hub's cache."""
        folder = Path(config.text_encoder.removeprefix("hf:"))
        if config.text_encoder == "bow" or not folder.is_dir():
            return ""
        files = sorted(path for path in folder.iterdir() if path.is_file() and not is_litter(path.name))
        return hash_json({path.name: sha256_file(path) for path in files})

    def make(self, config: TextConfig, inputs: ConditionInputs) -> Made:
        """The texts of the cohort, else prompts; an image that nobody labelled has no prompt: it says nothing."""
        from ..text import encode_texts

        cohort, texts = inputs.cohort, inputs.texts
        prompts = texts is None
        if texts is None:
            pairs = zip(cohort.labels, cohort.labelled, strict=True)
            texts = [prompt_of(labels, config.prompt) if labelled else "" for labels, labelled in pairs]
        rows, words = encode_texts(
            texts,
            cohort.subjects,
            cohort.rows("train"),
            encoder=config.text_encoder,
            dimensions=config.text_dimensions,
            seed=derive_seed(inputs.seed, "features", "text"),
            device=inputs.device,
        )
        figures = {
            "text_encoder": config.text_encoder.split(":")[0],  # the rest may be a path
            "text_from": "labels" if prompts else "reports",
            "text_length": int(rows.shape[1]),
            **words,
        }
        return Made(rows, from_labels=prompts, figures=figures)


def prompt_of(labels: Sequence[str], template: str) -> str:
    """`template` with the labels in place of `{labels}`: lower case, joined as `a, b and c`; `no finding` for none."""
    names = [label.lower() for label in labels]
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "no finding"
    return template.replace("{labels}", text)


CONDITION = TextPart()
