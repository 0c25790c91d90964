"""What a release is, for those who describe it: card, datasheet and croissant.json tell the same of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..audit.profiles import PROFILES, in_words
from .config import ReleaseConfig
from .figures import StudyFigures
from .place import Place
from .policy import PolicyConfig

PAPER = "Enabling PSO-Secure Synthetic Data Sharing Using Diversity-Aware Diffusion Models"
TERMS = "terms-of-use"
"""Name of the licence where the card's own terms are all that is given."""


@dataclass(frozen=True, kw_only=True)
class About:
    """Number of images, their `shape` (C, H, W), the labels that occur, figures, policy, version of the software, and
    what its publisher tells.

    `soft`: class probabilities lie beside the labels; `several`: some image has two labels.
    """

    images: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    figures: StudyFigures
    policy: PolicyConfig
    version: str
    told: ReleaseConfig = field(default_factory=ReleaseConfig)
    soft: bool = False
    several: bool = False
    place: Place | None = None
    """Where it stands among the releases of its cohort."""

    @property
    def colour(self) -> str:
        """`grey` or `RGB`."""
        return "grey" if self.shape[0] == 1 else "RGB"

    @property
    def size(self) -> str:
        """Width and height, in pixels."""
        return f"{self.shape[2]} × {self.shape[1]} pixels"

    @property
    def open(self) -> bool:
        """Whether anybody may have it, without signing terms."""
        return PROFILES[self.policy.profile].name == "open"

    @property
    def licence(self) -> str:
        """The short name of its licence; `TERMS` where the terms of the card are all."""
        return self.told.license if self.open and self.told.license else TERMS


def label_list(classes: Sequence[str], mark: str = "`") -> str:
    """The labels in words."""
    return ", ".join(f"{mark}{name}{mark}" for name in classes) or "none"


def terms(policy: PolicyConfig) -> str:
    """Under what terms the release may be passed on: none in the profile `open`."""
    profile = PROFILES[policy.profile]
    if profile.name == "open":
        return ""
    return (
        f"**Terms.** The audit held the margins of the profile `{profile.name}`{_but_for(policy)}, which are wider than"
        f" those of `open`: this dataset is for {profile.who}. Who receives it signs that they will not try to find out"
        " whose images it was made from, will not join it with data about people, will not pass it on, and will delete "
        "it when the purpose that was agreed has ended."
    )


def _but_for(policy: PolicyConfig) -> str:
    """The margins that a policy puts in place of the profile's; empty where there are none."""
    return in_words(policy.margins()).removeprefix(policy.profile)


def terms_of_use(about: About) -> str:
    """The terms of the card, for every profile."""
    if not about.open:
        return terms(about.policy)
    licence = (
        f"Whoever gave this dataset away names `{about.told.license}` as its licence."
        if about.told.license
        else "No licence comes with this dataset: ask whoever gave it to you what you may do with it."
    )
    return (
        f"{licence} The audit held the margins of the profile `open`{_but_for(about.policy)}. That profile asks "
        "nothing of recipients. Please do not try to find out whose images it was made from, and do not take away the "
        "mark that says that its images are synthetic."
    )


def citation(about: About) -> str:
    """BibTeX of the dataset and of its method."""
    told = about.told
    fields = {
        "title": told.title,
        "author": told.creator,
        "year": told.published[:4],
        "url": told.url,
        "note": f"Synthetic images, made with unpersonal {about.version}",
    }
    own = "".join(f"  {name} = {{{_bibtex(value)}}},\n" for name, value in fields.items() if value)
    return (
        f"@misc{{dataset,\n{own}}}\n\n"
        "@article{dombrowski2025pso,\n"
        f"  title = {{{PAPER}}},\n"
        "  author = {Dombrowski, Mischa and Kainz, Bernhard},\n"
        "  journal = {arXiv preprint arXiv:2506.17975},\n"
        "  year = {2025},\n}"
    )


def _bibtex(text: str) -> str:
    """A text without the letters that mean something to BibTeX."""
    return "".join(letter for letter in text if letter not in "{}\\")
