"""Every kind of part has a registry, its parts can be loaded and configured, and the plug-ins of a study are told."""

from __future__ import annotations

import pytest

from unpersonal.core.config import Config
from unpersonal.core.registry import Registry
from unpersonal.judges.config import JudgesConfig
from unpersonal.layouts.config import CohortConfig
from unpersonal.plugins import REGISTRIES, registry, used_by
from unpersonal.study import StudyConfig

NETWORK = """
from unpersonal.core.config import Config

class Theirs:
    config = Config

PART = Theirs()
"""


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_kind_has_a_registry_and_every_part_of_ours_a_configuration(kind):
    found = registry(kind)
    assert isinstance(found, Registry) and found.kind == kind and found.group == f"unpersonal.{kind}s"
    assert found.own_names()
    for part in found:
        assert issubclass(part.config, Config)


def test_a_study_of_our_own_parts_uses_no_plugin():
    study = StudyConfig(cohort=CohortConfig(images="x", layout="folder"))
    assert ("network", "small") in study.named_parts()
    assert used_by(study) == ()


def test_a_plugin_is_told_by_the_table_that_names_it(offer):
    offer("network", "theirs", NETWORK)
    study = StudyConfig(cohort=CohortConfig(images="x", layout="folder"))
    judged = study.model_copy(update={"judges": JudgesConfig(classifier="theirs")})
    assert [(plugin.kind, plugin.name) for plugin in used_by(judged)] == [("network", "theirs")]
    assert used_by(judged.judges) == used_by(judged) and used_by(judged.utility) == ()
