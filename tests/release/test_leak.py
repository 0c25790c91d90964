"""A release is refused where the audit would not have found enough copied people."""

from __future__ import annotations

from dataclasses import replace

from unpersonal.audit.copied_figures import Detectable
from unpersonal.matching.kinds import MAY_BE_BLIND, names
from unpersonal.release.leak import leak_reasons
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.report.summary import Summary


def with_persons(found: Detectable, kind: str, persons: int | None) -> Detectable:
    kinds = tuple(replace(row, persons=persons) if row.kind == kind else row for row in found.kinds)
    return replace(found, kinds=kinds)


def test_the_least_leak_is_capped_for_kinds_that_may_not_be_blind(demo_summary: Summary) -> None:
    audit = demo_summary.figures.audit
    assert audit is not None and audit.detectable is not None
    assert leak_reasons(audit, 20, ()) == []
    for persons, refuses in ((20, False), (21, True), (None, True)):
        worse = replace(audit, detectable=with_persons(audit.detectable, "half", persons))
        assert bool(leak_reasons(worse, 20, ())) == refuses
        assert leak_reasons(worse, 20, ("half",)) == []
    assert "half 21" in leak_reasons(replace(audit, detectable=with_persons(audit.detectable, "half", 21)), 20, ())[0]


def test_what_is_not_known_refuses(demo_summary: Summary) -> None:
    audit = demo_summary.figures.audit
    assert audit is not None
    unknown = replace(audit, detectable=None)
    assert "audit.detectable is missing" in leak_reasons(unknown, 999, ())[0]
    refused, _ = check(PolicyConfig(), replace(demo_summary.figures, audit=unknown))
    assert any("audit.detectable" in reason for reason in refused)


def test_a_laxer_cap_is_told(demo_summary: Summary) -> None:
    _, told = check(PolicyConfig(audit_leak_persons=30), demo_summary.figures)
    assert any("audit_leak_persons = 30 is looser" in text for text in told)


def test_kinds_that_nobody_planted_refuse(demo_summary: Summary) -> None:
    audit = demo_summary.figures.audit
    assert audit is not None and audit.detectable is not None
    for kept in ((), tuple(row for row in audit.detectable.kinds if row.kind != "mirror")):
        fewer = replace(audit, detectable=replace(audit.detectable, kinds=kept))
        (reason,) = leak_reasons(fewer, 20, MAY_BE_BLIND)
        assert "audit.detectable.kinds lacks" in reason and "mirror" in reason
    assert leak_reasons(replace(audit, detectable=replace(audit.detectable, kinds=())), 20, names()) == []
