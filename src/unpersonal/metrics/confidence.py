"""What an attack's success says about risk: rates with errors, the residual over a control, and when not to trust it.

Giomi et al., "A Unified Framework for Quantifying Privacy Risk in Synthetic Data", arXiv 2211.10459, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from .intervals import probit


@dataclass(frozen=True)
class Risk:
    """A risk in [0, 1] and its interval, both clipped."""

    value: float
    lower: float
    upper: float


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))


@dataclass(frozen=True)
class Rate:
    """`value` plus or minus `error`, not clipped: a residual may be negative."""

    value: float
    error: float

    def risk(self) -> Risk:
        """Value and interval clipped to [0, 1]."""
        return Risk(_clip(self.value), _clip(self.value - self.error), _clip(self.value + self.error))


def success_rate(successes: int, trials: int, confidence: float = 0.95) -> Rate:
    """Centre and half width of the Wilson score interval (arXiv 2211.10459, eq. 5).

    value = (s + z^2/2) / (n + z^2), error = z / (n + z^2) sqrt(s (n - s) / n + z^2 / 4), where
    z = Phi^-1((1 + confidence) / 2).
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} attacks is not a count of successes")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence must lie strictly between 0 and 1, not {confidence}")
    z2 = probit(confidence) ** 2
    value = (successes + z2 / 2.0) / (trials + z2)
    return Rate(value, sqrt(z2) / (trials + z2) * sqrt(successes * (trials - successes) / trials + z2 / 4.0))


def residual_success(attack: Rate, control: Rate) -> Rate:
    """Success beyond the control's, as a share of what was left to gain (arXiv 2211.10459, eq. 6), errors propagated.

    (a - c) / (1 - c); a control that always succeeds leaves nothing to measure: `ValueError`.
    """
    room = 1.0 - control.value
    if room <= 0.0:
        raise ValueError("the control attack always succeeds, so no residual is defined")
    value = (attack.value - control.value) / room
    by_attack = attack.error / room
    by_control = control.error * (attack.value - 1.0) / room**2
    return Rate(value, sqrt(by_attack**2 + by_control**2))


@dataclass(frozen=True)
class AttackEvaluation:
    """Success of an attack against its baseline (guessing) and, if there is one, its control (people not in train)."""

    attack: Rate
    baseline: Rate
    control: Rate | None
    risk: Risk
    """Clipped residual where there is a control, else the clipped success rate."""
    baseline_risk: Risk
    warnings: tuple[str, ...]
    """The attack is no better than guessing: it was too weak to show that the data are safe."""
    reservations: tuple[str, ...]
    """Further reasons for doubt: no control, a control as strong as the attack, an interval that says nothing."""

    @property
    def trustworthy(self) -> bool:
        """False where a low risk would only mean that the attack was weak."""
        return not self.warnings


def evaluate_attack(
    n_attacks: int, n_success: int, n_baseline: int, n_control: int | None = None, confidence: float = 0.95
) -> AttackEvaluation:
    """Evaluate counts of successes out of `n_attacks` each (attack, baseline, control)."""
    attack = success_rate(n_success, n_attacks, confidence)
    baseline = success_rate(n_baseline, n_attacks, confidence)
    control = None if n_control is None else success_rate(n_control, n_attacks, confidence)
    risk = (attack if control is None else residual_success(attack, control)).risk()
    warnings, reservations = [], []
    if attack.value <= baseline.value:
        warnings.append("the attack succeeds no more often than its baseline; a low risk only says that it is weak")
    if control is None:
        reservations.append("there is no control: general knowledge and leaks about train subjects are not told apart")
    elif control.value >= attack.value:
        reservations.append("the attack succeeds on control subjects at least as often as on train subjects")
    if risk.upper - risk.lower > 0.5:
        reservations.append("the interval of the risk is wider than half its range")
    return AttackEvaluation(attack, baseline, control, risk, baseline.risk(), tuple(warnings), tuple(reservations))
