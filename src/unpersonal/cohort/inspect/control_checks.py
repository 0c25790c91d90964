"""Whether chance decided who trains and who is the control group of the audit, and who of them shares a picture."""

from __future__ import annotations

from ...core.words import plural
from ..dealing import CONTROL
from ..table import Cohort
from .suspicion import Suspicion

CARVED = ("val", "test", CONTROL)
"""Splits of people who do not train, and are control where chance dealt them together with train."""


def suspect_control(cohort: Cohort) -> list[Suspicion]:
    """Splits that were given, so that the audit has no control by chance, or little; people of two splits who share a
    picture."""
    found, dealt = [], cohort.dealing.dealt
    given = [name for name in ("test",) if name not in dealt and len(cohort.rows(name))]
    subjects = cohort.subjects
    control = sum(len(set(subjects[cohort.rows(name)])) for name in CARVED if name in dealt)
    if given and CONTROL not in dealt:
        has = f"has {plural(control, 'person', 'people')} only" if control else "cannot pass"
        found.append(
            Suspicion(
                "control-not-at-random",
                f"test was given: chance did not decide who trains and who is control, so that the audit {has}",
                len(set(subjects[cohort.rows("test")])),
                "hold out a part of the train people by chance for the audit: --control random; test stays for utility",
            )
        )
    if shared := cohort.dealing.shared:
        people = len({name for pair in shared for name in pair})
        found.append(
            Suspicion(
                "shared-across-splits",
                f"{plural(people, 'person', 'people')} of different given splits share a picture: they are no control",
                people,
                "give them one subject if they are one person, else remove one of the pictures",
            )
        )
    return found
