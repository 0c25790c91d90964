"""Every attack of ours is a whole part: configured, named and measured where it says."""

from __future__ import annotations

import pytest

from unpersonal.audit.attack import AttackNeeds
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.spaces import KINDS
from unpersonal.core.config import Config, part_config


@pytest.mark.parametrize("name", ATTACKS.own_names())
def test_an_attack_says_what_it_needs_and_how_it_is_configured(name: str) -> None:
    attack = ATTACKS.get(name)
    assert isinstance(attack.needs, AttackNeeds) and set(attack.needs.spaces) <= set(KINDS)
    assert issubclass(attack.config, Config)


def test_our_attacks_are_configured_by_the_keys_of_the_audit_itself() -> None:
    table = AuditConfig(weight_divisor=50)
    assert table.attacks == ATTACKS.own_names() and AuditConfig().attacks == ATTACKS.own_names()
    options = part_config(ATTACKS, "isolation", table, {})
    assert options.model_dump() == {"weight_divisor": 50, "secondary_weight_divisor": 10}
