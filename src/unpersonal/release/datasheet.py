"""The questions of Datasheets for Datasets (Gebru et al., CACM 2021) answered from the figures of a study.

What no figure tells is left to the publisher, and said to be.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.words import plural
from .about import About, label_list
from .card_labels import noise_statement
from .evidence import SMALLEST_CELL, suppressed
from .figures import StudyFigures
from .planned import planned_statement
from .policy import origin_unknown

UNKNOWN = "Not known to the software that wrote this card; ask the publisher."


@dataclass(frozen=True)
class Answer:
    """A question of the datasheet, in short, and what is answered."""

    question: str
    answer: str


def datasheet(about: About) -> dict[str, tuple[Answer, ...]]:
    """Sections of the datasheet, each with its questions and answers."""
    return {
        "Motivation": _motivation(about),
        "Composition": _composition(about),
        "Collection process": _collection(about),
        "Preprocessing and labelling": _labelling(about),
        "Uses": _uses(about),
        "Distribution and maintenance": _distribution(about),
    }


def purpose() -> str:
    """Why such data sets are made."""
    return (
        "To let others train and compare classifiers on images like those of a cohort of people, without handing over "
        "images of these people."
    )


def people(figures: StudyFigures) -> str:
    """Of how many people images were used, and for what; no number under five is told."""
    cohort = figures.cohort
    if cohort is None:
        return "It is not known of how many people images were used."
    images, subjects = (_count(value) for value in (cohort.images, cohort.subjects))
    return (
        f"The cohort has {images} images of {subjects} people. A part of these people trained the generator; the others"
        " were held out, for the gate, the audit and the test of classifiers."
    )


def _count(number: int) -> str:
    told = suppressed(number)
    return f"{told:,}" if isinstance(told, int) else "fewer than five"


def personal(about: About) -> str:
    """Whether the data set is personal, as far as was measured: no bare no."""
    return (
        "No image was taken from a file of a person: each was drawn by a model that was trained on images of people. "
        "Such a model can repeat what it has seen. How far images were found to point back at people, which kinds of "
        "copies were searched for and which would not be found, stands under *What was tested before the release* and "
        "in `evidence.json`; no more than that is claimed. Labels are those of drawn images and of nobody."
    )


def limitations(about: About) -> tuple[str, ...]:
    """What the data set cannot do, and what was not measured."""
    utility = about.figures.utility
    found = [
        f"Images have {about.size}; findings that show only in finer detail are not in them.",
        "Nobody has read the images: a label says under what an image was drawn.",
        "Not for diagnosis, nor for testing a product: what a classifier reaches on these images says nothing of "
        "patients.",
    ]
    if utility and utility.auroc_real is not None and utility.auroc_synthetic is not None:
        found.append(
            f"A classifier trained on them reached a macro AUROC of {utility.auroc_synthetic:.3f} on real images, one "
            f"trained on the real images {utility.auroc_real:.3f}: this is the one use that was measured, with one "
            "network."
        )
    return tuple(found)


def biases(about: About) -> tuple[str, ...]:
    """Where the data set does not stand for people at large."""
    found = [
        "It inherits the biases of the cohort that it was learned from: who came to that hospital, on which machines, "
        "and who labelled the images. No attribute of people but their labels was looked at.",
        planned_statement(about.figures.synthesis),
    ]
    utility = about.figures.utility
    if utility and utility.worst_class in about.classes and (worst := utility.classes.get(utility.worst_class)):
        # figures of a group of fewer than five say as much about its members as the count would
        few = min(worst.images, worst.subjects) < SMALLEST_CELL
        lost = f", by {worst.gap:.3f} of AUROC" if worst.gap is not None and not few else ""
        found.append(f"A classifier loses most for the label {utility.worst_class}{lost}.")
    return tuple(found)


def use_cases() -> tuple[str, ...]:
    """For what it was tested, and for what it is meant."""
    return (
        "Training and pre-training of classifiers of the same labels; tested on held-out people, see the figures.",
        "Teaching, and trying software, where no images of people may be used. Not measured.",
    )


def unfit() -> str:
    """For what it should not be used."""
    return (
        "Diagnosis; evidence that a product works; statements about how frequent a finding is; trying to find the "
        "people of whom it was learned; training a generator whose images are then called free of these people."
    )


def social_impact() -> str:
    """What may come of it."""
    return (
        "More people can do research on such images than could be given those of patients. What it does not show of "
        "small groups, a classifier trained on it will not know of either; and an image that looks like one of a "
        "patient may be taken for one: each file is marked as synthetic, and the mark should stay."
    )


def sampling(figures: StudyFigures) -> str:
    """How images came about."""
    began = (
        " The model began with the weights of another one, whose people are not known."
        if origin_unknown(figures)
        else ""
    )
    return (
        "A diffusion model was trained on images of people and drew several candidates for each planned image, without "
        "copying any file; a gate discarded those in which it found a person of the cohort, and of the rest one was "
        f"taken.{began} Nothing was collected from anybody for this dataset."
    )


def _motivation(about: About) -> tuple[Answer, ...]:
    return (
        Answer("For what purpose was it created?", purpose()),
        Answer("Who created it, and who paid?", about.told.creator or UNKNOWN),
    )


def _composition(about: About) -> tuple[Answer, ...]:
    count = plural(about.images, "synthetic image")
    noise = noise_statement(about.figures.utility.label_noise if about.figures.utility else None)
    return (
        Answer("What is an instance?", f"A synthetic image of {about.size}, {about.colour}, 8 bits, with its labels."),
        Answer("How many are there?", f"{count}; labels: {label_list(about.classes)}."),
        Answer("Is it a sample of a larger set?", f"It stands for a cohort. {people(about.figures)}"),
        Answer(
            "Is anything missing from instances?", "Names, dates, devices, and everything else but pixels and labels."
        ),
        Answer(
            "Are there recommended splits?",
            "No: train on all of it, and test on real images of people who did not take part.",
        ),
        Answer("Are there errors or noise?", noise or "How many labels are wrong was not measured."),
        Answer("Is it self-contained?", "Yes; nothing is loaded from elsewhere."),
        Answer("Does it relate to people, or could it identify them?", personal(about)),
        Answer("Does it name subpopulations?", "No, other than by labels. " + biases(about)[0]),
    )


def _collection(about: About) -> tuple[Answer, ...]:
    return (
        Answer("How were instances acquired?", sampling(about.figures)),
        Answer("How were they sampled?", planned_statement(about.figures.synthesis)),
        Answer("Of whom, when, and with what consent or approval were the images of the cohort taken?", UNKNOWN),
    )


def _labelling(about: About) -> tuple[Answer, ...]:
    return (
        Answer(
            "What was done to the images?",
            f"The images of the cohort were brought to {about.size} before training; the drawn ones were not changed.",
        ),
        Answer("Who labelled them?", "Nobody: an image has the labels under which it was drawn."),
        Answer("Are the raw images available?", "Not with this dataset."),
    )


def _uses(about: About) -> tuple[Answer, ...]:
    return (
        Answer("For what is it meant?", " ".join(use_cases())),
        Answer("For what should it not be used?", unfit()),
        Answer("What may come of it?", social_impact()),
    )


def _distribution(about: About) -> tuple[Answer, ...]:
    told = about.told
    plan = (
        "Whoever gives it away may withdraw it; an attack that nobody knew when it was audited is a reason. Check a "
        "copy with `unpersonal verify`."
    )
    return (
        Answer("Under what terms?", "See *Terms of use*."),
        Answer("When was it published, and where?", " ".join(filter(None, (told.published, told.url))) or UNKNOWN),
        Answer("Who maintains it, and how can they be reached?", told.contact or UNKNOWN),
        Answer("Will it be updated or withdrawn?", plan),
    )
