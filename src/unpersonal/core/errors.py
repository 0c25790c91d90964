"""The ways in which a command ends without success and without a bug."""

from __future__ import annotations

from collections.abc import Callable


class InputError(Exception):
    """The input or the configuration is wrong (exit code 2).

    One readable message out of three parts: what is wrong, where it was found, how to mend it.
    """

    def __init__(self, what: str, *, where: str = "", how: str = "") -> None:
        self.what, self.where, self.how = what, where, how
        super().__init__(self._told())

    def _told(self) -> str:
        sentences = [self.what.rstrip(".") + "."]
        if self.where:
            sentences.append(f"Where: {self.where}.")
        if self.how:
            sentences.append(f"To mend it: {self.how.rstrip('.')}.")
        return " ".join(sentences)

    def reword(self, change: Callable[[str], str]) -> None:
        """Say each part as `change` has it."""
        self.what, self.where, self.how = change(self.what), change(self.where), change(self.how)
        self.args = (self._told(),)


class DiskFullError(InputError):
    """The disk is full: nothing is wrong with the input, and what was done so far is worth keeping."""


class PolicyRefused(Exception):
    """The policy does not allow a release (exit code 3); `reasons` name each figure that fell short.

    `what` was refused, and by whom, in a sentence without full stop.
    """

    def __init__(self, reasons: list[str], what: str = "the policy refused the release") -> None:
        self.reasons, self.what = list(reasons), what
        super().__init__(f"{what[:1].upper()}{what[1:]}: " + "; ".join(reasons))
