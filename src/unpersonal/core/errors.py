"""The ways in which a command ends without success and without a bug."""

from __future__ import annotations


class InputError(Exception):
    """The input or the configuration is wrong (exit code 2).

    One readable message out of three parts: what is wrong, where it was found, how to mend it.
    """

    def __init__(self, what: str, *, where: str = "", how: str = "") -> None:
        self.what, self.where, self.how = what, where, how
        sentences = [what.rstrip(".") + "."]
        if where:
            sentences.append(f"Where: {where}.")
        if how:
            sentences.append(f"To mend it: {how.rstrip('.')}.")
        super().__init__(" ".join(sentences))


class DiskFullError(InputError):
    """The disk is full: nothing is wrong with the input, and what was done so far is worth keeping."""


class PolicyRefused(Exception):
    """The policy does not allow a release (exit code 3); `reasons` name each figure that fell short.

    `what` was refused, and by whom, in a sentence without full stop.
    """

    def __init__(self, reasons: list[str], what: str = "the policy refused the release") -> None:
        self.reasons, self.what = list(reasons), what
        super().__init__(f"{what[:1].upper()}{what[1:]}: " + "; ".join(reasons))
