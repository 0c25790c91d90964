"""An audit on the record: which attempt it is, what error it may have, what of control it may look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .. import __version__
from ..core.hashing import hash_json, sha256_bytes
from .attempts import Attempt, Ledger
from .chain import Seal, alpha_of_attempt
from .config import AuditConfig
from .figures import AuditFigures

SPENT = (
    "the sealed part of control was opened for another release, so that this one is audited by the open part alone;"
    " a new cohort would be needed"
)
CLOSED = "the sealed part of control has not been opened: this audit is no last one"


@dataclass(frozen=True)
class Recording:
    """An attempt that has begun. `config` has the confidence that is left for it."""

    ledger: Ledger
    attempt: Attempt
    config: AuditConfig
    alpha: float
    seal: Seal

    def end(self, figures: AuditFigures) -> AuditFigures:
        """The figures with what is known of all attempts; before the seal is opened, inconclusive at best."""
        reason = {"spent": SPENT, "closed": CLOSED}.get(self.seal)
        if reason:
            verdict = "inconclusive" if figures.verdict == "pass" else figures.verdict
            figures = replace(figures, verdict=verdict, reasons=(*figures.reasons, reason))
        return replace(figures, attempts=self.ledger.end(self.attempt, figures, self.seal, self.alpha))


def record(
    ledger: Ledger,
    config: AuditConfig,
    *,
    people: str,
    release: str,
    seed: int,
    policy: object = None,
    known: int = 0,
    final: bool = False,
) -> Recording:
    """Note that an audit begins.

    `people` and `release` are hashes of all images of train and control and of all released ones; `policy` is what else
    decides the verdict, as JSON. `known` attempts are remembered elsewhere. A `final` audit opens what is sealed.
    """
    last = final and config.sealed > 0
    what = hash_json([__version__, config.model_dump(mode="json"), policy, last])
    attempt = Attempt(people, what, seed, release)
    alpha = alpha_of_attempt(ledger.begin(attempt, known, config.sealed), 1.0 - config.confidence)
    seal: Seal = "none"
    if config.sealed:
        seal = ("open" if ledger.unseal(attempt, config.sealed) else "spent") if last else "closed"
    return Recording(ledger, attempt, config.model_copy(update={"confidence": 1.0 - alpha}), alpha, seal)


def hash_of_images(*sets: Iterable[np.ndarray]) -> str:
    """One hash of sets of images, whatever their order inside a set."""
    return hash_json([sorted(sha256_bytes(_bytes(image)) for image in images) for images in sets])


def _bytes(image: np.ndarray) -> bytes:
    return str(image.shape).encode() + np.ascontiguousarray(image).tobytes()
