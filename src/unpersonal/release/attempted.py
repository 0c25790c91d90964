"""How often a cohort was audited: what refuses a release, what its card says, and what its evidence must show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..audit.attempts import study_problems
from ..audit.chain import AttemptFigures, attempt_problems, never_seen
from ..audit.figures import AuditFigures
from ..core.errors import InputError
from ..core.words import plural

WHERE = "evidence.json: audit: attempts"


def attempt_reasons(study: Path, audit: AuditFigures | None) -> list[str]:
    """The reasons why the ledger of a study, or what its audit tells of it, refuses a release."""
    if audit is None:
        return []
    if audit.attempts is None:
        return ["audit.attempts is missing: nobody knows how often this cohort was audited"]
    told = [f"audit.attempts: {problem}" for problem in attempt_problems(audit.attempts, audit.verdict)]
    return told + study_problems(study, audit)


def attempts_statement(audit: AuditFigures | None) -> str:
    """How often the cohort was audited, and what that left for this audit; empty where nobody knows."""
    found = audit.attempts if audit else None
    if found is None:
        return ""
    unseen = found.seal == "open" and never_seen(found.ledger)
    sealed = " by control people whom no audit before had seen" if unseen else ""
    return (
        f"This cohort was audited {'once' if found.attempts == 1 else plural(found.attempts, 'time')}; the last audit"
        f"{sealed} may err with {100 * found.alpha:.3g} % in each bound, so that all attempts together err with what"
        " one alone might. All are listed in `evidence.json`, each chained to the one before."
    )


def evidence_attempt_problems(evidence: object) -> list[str]:
    """What is wrong with the chain of attempts in parsed evidence."""
    audit = evidence.get("audit") if isinstance(evidence, Mapping) else None
    if not isinstance(audit, Mapping):
        return []
    told = audit.get("attempts")
    try:
        # a count of attempts is written as text, see `evidence`
        values = {**told, "attempts": int(told["attempts"])} if isinstance(told, Mapping) else told
        found = AttemptFigures.from_json(values, where=WHERE)
    except (InputError, KeyError, TypeError, ValueError):
        return [f"{WHERE}: missing, or not what a release tells of them"]
    verdict = str(audit.get("verdict"))
    problems = [f"{WHERE}: {problem}" for problem in attempt_problems(found, verdict)]
    return problems if verdict == "pass" else [*problems, f"evidence.json: audit: its verdict is {verdict!r}"]
