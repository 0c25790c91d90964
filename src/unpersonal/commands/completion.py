"""What the shell is told when somebody presses TAB after an option that takes one of several words."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def completing(words: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """The `autocompletion` of an option: those of `words()` that begin as what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words() if word.startswith(incomplete)]

    return complete


def presets() -> Iterable[str]:
    """Names of `--preset`."""
    from ..presets import PRESETS

    return PRESETS


def forms() -> Iterable[str]:
    """Names of `export --to`."""
    from ..release.exports import FORMS

    return FORMS.names()


def stages() -> Iterable[str]:
    """Names of `--until`."""
    from ..study import stage_list

    return (stage.name for stage in stage_list())
