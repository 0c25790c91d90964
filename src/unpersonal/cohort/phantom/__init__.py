"""Procedural people: the embedded default data set, and populations that can be sampled without end."""

from .chest import (
    ACQUISITION,
    CLASSES,
    POPULATION,
    Subjects,
    draw_subjects,
    draw_visits,
    phantom_cohort,
    render,
    write_phantom,
)

__all__ = [
    "ACQUISITION",
    "CLASSES",
    "POPULATION",
    "Subjects",
    "draw_subjects",
    "draw_visits",
    "phantom_cohort",
    "render",
    "write_phantom",
]
