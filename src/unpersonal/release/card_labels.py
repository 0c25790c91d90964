"""What the card says of labels: class probabilities, and how many hard labels are wrong."""

from __future__ import annotations

from ..cohort.soft_labels import FILE
from ..judges.figures import TeacherFigures
from ..metrics.figures import LabelNoiseFigures
from ..synthesis.figures import SynthesisFigures
from .evidence import suppressed

IN_FILES = f"- `{FILE}`: `file,<class>…`, class probabilities to three digits, in the order of `labels.csv`."


def soft_statement(synthesis: SynthesisFigures | None, teachers: TeacherFigures | None) -> str:
    """Whose class probabilities are released, how far they may be trusted, and that they were attacked."""
    count = str(teachers.teachers) if teachers else "several"
    of_nobody = synthesis is not None and synthesis.soft_labels == "mean"
    whose = (
        f"the mean of {count} classifiers, because the condition of an image belongs to nobody; each was trained on the"
        f" training people but for one part in {count}"
        if of_nobody
        else f"one of {count} classifiers: one that was trained without any of the people of whom the image's condition"
        " was made"
    )
    said = f"The probabilities in `{FILE}` are those of {whose}. The audit attacked the dataset with them in hand."
    if teachers is None:
        return said
    low, high = teachers.accuracy_interval
    return said + (
        f" On real images of people whom a classifier had not seen it was right in {teachers.accuracy:.3f} (95 %"
        f" interval {low:.3f} to {high:.3f}); the expected calibration error of its probabilities was"
        f" {teachers.calibration_error:.3f}."
    )


def noise_statement(noise: LabelNoiseFigures | None) -> str:
    """How many labels are estimated to be wrong, and what that rests on."""
    if noise is None:
        return ""
    people = suppressed(noise.held_out_subjects)
    said = (
        f"A classifier that was trained on the real images and chose none of the synthetic ones disputes"
        f" {noise.disputed:.3f} of the labels. "
    )
    if noise.wrong is None:
        return said + "It errs too often for the share of wrong labels to be told from that."
    low, high = noise.wrong_interval
    return said + (
        f"With its own errors on {people} people held out taken off, {noise.wrong:.3f} of the labels are not shown by"
        f" their image (95 % interval {low:.3f} to {high:.3f}). That is beyond errors in the labels of the real images,"
        " and takes the classifier to err on synthetic images as it does on real ones."
    )
