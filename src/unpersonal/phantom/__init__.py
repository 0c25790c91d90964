"""Procedural people: the embedded default data set, and populations that can be sampled without end."""

from ..core.rooms import callable_room
from .chest import ACQUISITION, CLASSES, POPULATION
from .modality import Modality, Scene, get_modality
from .population import Subjects, draw_subjects, draw_visits, phantom_cohort, render, render_raw, severities
from .write import write_phantom

__all__ = [
    "ACQUISITION",
    "CLASSES",
    "POPULATION",
    "Modality",
    "Scene",
    "Subjects",
    "draw_subjects",
    "draw_visits",
    "get_modality",
    "phantom_cohort",
    "render",
    "render_raw",
    "severities",
    "write_phantom",
]

callable_room(__name__)
