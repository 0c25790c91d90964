"""What evidence says of the audit: a `pass` must be borne out by every figure beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..audit.profiles import ISOLATED, LABELS_INFERRED, margins_of
from ..matching.kinds import PICTURE_KINDS, strength_of
from .blind import in_order
from .claimed import FEW, WHERE, above, rows, table, texts
from .policy import PolicyConfig, is_number

LEAST_CONFIDENCE = 0.95
"""One-sided confidence below which no bound counts."""
_ROUNDING = 1e-9


def audit_claims(evidence: Mapping[str, Any], policy: PolicyConfig) -> list[str]:
    """Why the audit's figures do not allow the release: above a margin, missing, less sure than 95 %, contradicting the
    verdict or one another, or silent about a kind of copy that this version plants.
    """
    audit = table(evidence, "audit")
    found = above("audit.advantage_upper", audit.get("advantage_upper"), policy.margins().isolated)
    told = {row.get("name"): row for row in rows(audit.get("primary"))}
    for name, margin in margins_of(policy.margins()).items():
        found += above(f"audit.primary.{name}", told.get(name, {}).get("upper"), margin, lowest=-1.0)
    problems = (*_contradictions(audit), *_rows(told, policy), *_bounds(audit, told), *_confidence(audit))
    found += [f"{WHERE}: audit.{problem}" for problem in problems]
    games = ("audit", "detectable"), ("audit", "unlabelled", "detectable")
    for path in games:
        if path == games[0] or "unlabelled" in audit:
            found += [f"{WHERE}: {'.'.join(path)}.{problem}" for problem in _detectable(table(evidence, *path), policy)]
    return [*found, *_labels(evidence)]


def _contradictions(audit: Mapping[str, Any]) -> Iterator[str]:
    """Figures with which no audit passes."""
    for game in ("labelled", "unlabelled"):
        if game in audit and (verdict := table(audit, game).get("verdict")) != "pass":
            yield f"{game}.verdict is {verdict!r}, not 'pass'"
    for verdict in ("first_verdict", "second_verdict"):
        if "swap" in audit and table(audit, "swap").get(verdict) == "fail":
            yield f"swap.{verdict} is 'fail'"
    for check in ("placebo", "sham"):
        if table(audit, check).get("difference", False) is not False:
            yield f"{check}.difference is not false: train and control cannot be compared"
    if table(audit, "copied").get("found", False) is not False:
        yield "copied.found is not false: people are copied"
    if table(audit, "weights").get("certified", True) is not True:
        yield "weights.certified is not true: the weight of predicates cannot be stated"


def _rows(told: Mapping[object, Mapping[str, Any]], policy: PolicyConfig) -> Iterator[str]:
    """Primary figures that are out of order, or held against another margin than the policy has."""
    margins = margins_of(policy.margins())
    for name, row in told.items():
        lower, value, upper, margin = (row.get(key) for key in ("lower", "value", "upper", "margin"))
        if row.get("outcome") != "within":
            yield f"primary.{name}.outcome is {row.get('outcome')!r}, not 'within'"
        if not (is_number(lower) and is_number(upper) and lower <= upper + _ROUNDING):
            yield f"primary.{name}: its bounds {lower!r} and {upper!r} are out of order"
        elif not (is_number(value) and value <= upper + _ROUNDING):
            yield f"primary.{name}.value = {value!r} is above its upper bound {upper:.4g}"
        if name in margins and not (is_number(margin) and margin <= margins[str(name)] + _ROUNDING):
            yield f"primary.{name}.margin = {margin!r} is not that of the policy ({margins[str(name)]:g})"


def _bounds(audit: Mapping[str, Any], told: Mapping[object, Mapping[str, Any]]) -> Iterator[str]:
    """Bounds that are told twice, and differ."""
    upper, single = audit.get("advantage_upper"), told.get(ISOLATED, {}).get("upper")
    if is_number(upper) and is_number(single) and upper < single - _ROUNDING:
        yield f"advantage_upper = {upper:.4g} is below the bound {single:.4g} of audit.primary.{ISOLATED}"
    advantage = audit.get("advantage")
    if is_number(upper) and is_number(advantage) and advantage > upper + _ROUNDING:
        yield f"advantage = {advantage:.4g} is above its upper bound {upper:.4g}"
    for attack in ("membership", "isolation", "inference"):
        for row in rows(audit.get(attack)):
            for key, value in row.items():
                stem = key.removesuffix("_upper")
                if stem != key and is_number(value) and is_number(row.get(stem)) and row[stem] > value + _ROUNDING:
                    yield f"{attack}.{row.get('name')}.{stem} = {row[stem]:.4g} is above its upper bound {value:.4g}"


def _confidence(audit: Mapping[str, Any]) -> Iterator[str]:
    attempts = table(audit, "attempts")
    confidence, alpha = audit.get("confidence"), attempts.get("alpha")
    if confidence is not None and not (is_number(confidence) and LEAST_CONFIDENCE - _ROUNDING <= confidence < 1):
        yield f"confidence is {confidence!r}; bounds count from {LEAST_CONFIDENCE:g}"
    # an audit that tells of no attempts at all breaks another rule
    if attempts and not (is_number(alpha) and 0 < alpha <= 1 - LEAST_CONFIDENCE + _ROUNDING):
        yield f"attempts.alpha is {alpha!r}; each bound may err with {1 - LEAST_CONFIDENCE:.2g} at most"


def _detectable(found: Mapping[str, Any], policy: PolicyConfig) -> Iterator[str]:
    """Kinds of copies that the audit did not plant, or of which too large a leak would go unseen."""
    told = {row.get("kind"): row.get("persons") for row in rows(found.get("kinds")) if "persons" in row}
    allowed = set(policy.may_be_blind)
    planted = {kind.named(strength_of(kind)) for kind in PICTURE_KINDS}
    if lacking := in_order(planted - allowed - set(map(str, told))):
        yield f"kinds lacks {', '.join(lacking)}: this version plants copies of every kind"
    blind = {str(kind) for kind, persons in told.items() if persons != FEW and not is_number(persons)}
    if unseen := in_order((blind | set(texts(found.get("blind")))) - allowed):
        yield f"blind: no number of people copied as {', '.join(unseen)} would be found"
    for kind, persons in told.items():
        if kind not in allowed and is_number(persons) and persons > policy.audit_leak_persons:
            yield (
                f"kinds: copies of {persons:g} people of the kind {kind} are needed to find one; its policy allows"
                f" {policy.audit_leak_persons:g}"
            )


def _labels(evidence: Mapping[str, Any]) -> list[str]:
    if not table(evidence, "cohort").get("classes", True):
        return []
    tried = [str(row.get("name")) for row in rows(table(evidence, "audit").get("inference"))]
    if any(name.startswith(LABELS_INFERRED) for name in tried):
        return []
    return [f"{WHERE}: audit.inference has no label inference, although people have labels"]
