"""Prompts made of labels."""

from __future__ import annotations

from unpersonal.features.conditions.text import prompt_of


def test_prompts_are_sentences():
    template = "chest radiograph showing {labels}"
    assert prompt_of(["Edema"], template) == "chest radiograph showing edema"
    assert prompt_of(["Edema", "Pleural Effusion"], template) == "chest radiograph showing edema and pleural effusion"
    assert prompt_of(["A", "B", "C"], "{labels}") == "a, b and c"
    assert prompt_of([], template) == "chest radiograph showing no finding"
