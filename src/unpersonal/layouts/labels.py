"""Label schemes and policies: from what an input says about an image to the labels that it is kept with."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from ..core.errors import InputError
from ..core.letters import look, mended, spellings
from ..core.words import plural
from ..images.reasons import Reason
from .config import CohortConfig, Missing, Value
from .listing import ListedImage, Listing, Refusal

# label columns of the public ChestX-ray8 lists, in their order
CHEST8 = (
    "No Finding",
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)
# CheXpert's observations (Irvin et al., AAAI 2019) in the order of its tables; MIMIC-CXR-JPG has the same
CHEXPERT14 = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
SCHEMES = {"chest8": CHEST8}
UNCERTAIN = -1
BLANKS = {
    "", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "null", "#null!", "#value!", "#ref!", "#div/0!", "#name?",
    "#num!",
}  # fmt: skip
"""What programs write where there is no value, in small letters: read as a blank."""
DOUBTFUL = {"na", "none", "unknown", "missing", "undefined", "unspecified", "not available", "-", "--", "?", "."}
"""What people write where there is no label, in small letters; somebody's label may be called so."""
_READ_AS = {"ignore": None, "predict": None, "zero": 0, "one": 1}
UNLABELLED: tuple[tuple[str, ...], str, str] = ((), "", "unlabelled")
"""Stands for the labels of an image that is kept although nobody labelled it."""
_NO_FINDING = "nofinding"
_DEVICES = "supportdevices"  # a tube or a pacemaker is no finding of the disease
# Lung Opacity is above Edema, Consolidation, Pneumonia, Lung Lesion and Atelectasis in CheXpert's hierarchy, Enlarged
# Cardiomediastinum above Cardiomegaly: beside them they are no second finding
_PARENTS = ("lungopacity", "enlargedcardiomediastinum")


@cache
def _plain(name: str) -> str:
    """A label's name without case, spaces, hyphens and underscores."""
    return re.sub(r"[\W_]+", "", name).lower()


_CHEST8_NAMES = {
    **{_plain(name): name for name in CHEST8},
    "effusion": "Pleural Effusion",  # ChestX-ray14
    "nofindings": "No Finding",
    "oedema": "Edema",
}


def is_blank(text: str) -> bool:
    """Whether a label's text says that there is none: nothing, `N/A`, `nan`, an error of a spreadsheet."""
    return text.strip().lower() in BLANKS


def doubts(labels: Sequence[str]) -> list[tuple[str, str]]:
    """What is odd about the labels of a cohort: a sentence for each kind of oddity, and how to mend it.

    Kinds: names of one another's spelling, several labels in one name, and words for no label.
    """
    found = []
    forms: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        forms[_spelling(label)].append(label)
    if alike := [members for members in forms.values() if len(members) > 1]:
        shown = spellings(alike[0])
        what = (
            f"{plural(len(alike), 'label is', 'labels are')} written in several ways ({shown}), each a class of its own"
        )
        found.append((what, "write each label in one way"))
    if joined := [label for label in labels if re.search(r"[^,;]\s*[,;]\s*[^,;\s]", label)]:
        hold = plural(len(joined), "label holds", "labels hold")
        what = f"{hold} a comma or semicolon ({joined[0]!r}), and each is one class"
        found.append((what, "write several labels as a|b"))
    if words := [label for label in labels if label.strip().lower() in DOUBTFUL or is_blank(label)]:
        what = f"{', '.join(map(repr, words))} was taken as a label like any other, and would be released"
        found.append((what, "leave the cell blank, and say with --missing what that means, if it stands for no label"))
    return found


def _spelling(label: str) -> str:
    """A label as it looks, without case and marks between words; `ER+` and `ER-` stay two, as do `1-1` and `11`."""
    return re.sub(r"(?<=[^\W\d_])[\s_-]+(?=[^\W_])", "", look(mended(label)).strip().casefold())


@dataclass(frozen=True)
class Policy:
    """How labels that are uncertain (-1) or left blank (None) are read, and the scheme that selects images."""

    uncertain: Value = "ignore"
    missing: Missing = "zero"
    scheme: str = "all"

    @classmethod
    def of(cls, config: CohortConfig) -> Policy:
        """The policy of 0/1 columns that a cohort's configuration asks for; blank is 0 unless it says otherwise."""
        return cls(config.uncertain, config.missing or "zero", config.labels)


def settle(names: Sequence[str], values: Sequence[int | None], policy: Policy) -> tuple[tuple[str, ...], str, str]:
    """Labels of one image from its 1, 0, -1 (uncertain) and None (blank) values; or reason and detail of a refusal.

    `one` and `zero` read the value as present or absent. `ignore` leaves it open, and an image with an open value is
    refused (`label-uncertain`, else `label-missing`) if the value matters: with the scheme `all` it always does; with
    `chest8` it does if reading any one open value as present would change which class the image is selected for.
    So an image with two certain findings is refused for these, whatever else is uncertain; one with a certain finding
    and another uncertain one is refused as uncertain; Support Devices never matter. `predict` is `ignore`, save
    that an image of which every value is blank is `UNLABELLED`: what was said of one is never overruled.
    """
    if policy.missing == "predict" and all(value is None for value in values):
        return UNLABELLED
    positive: list[str] = []
    opened: list[tuple[str, Reason]] = []
    for name, value in zip(names, values, strict=True):
        read = value
        if value is None or value == UNCERTAIN:
            read = _READ_AS[policy.missing if value is None else policy.uncertain]
        if read is None:
            opened.append((name, Reason.LABEL_MISSING if value is None else Reason.LABEL_UNCERTAIN))
        elif read == 1:
            positive.append(name)
    if opened and policy.scheme != "all":
        chosen = select(tuple(positive))[0]
        opened = [(name, reason) for name, reason in opened if select((*positive, name))[0] != chosen]
    if opened:
        reason = max(reason for _, reason in opened)  # uncertain before missing
        what = ", ".join(name for name, why in opened if why == reason)
        return (), reason, f"{what}: {'uncertain' if reason == Reason.LABEL_UNCERTAIN else 'left blank'}"
    return tuple(positive), "", ""


@lru_cache(maxsize=2**16)
def select(labels: tuple[str, ...]) -> tuple[str | None, str, str]:
    """The class of `chest8` that an image is selected for; or None with reason and detail of the refusal.

    Selected is what has exactly one finding if that is one of the eight. No Finding counts as the one where it stands
    alone. Support Devices are no finding. Lung Opacity and Enlarged Cardiomediastinum are not counted (they are parents
    of others in CheXpert's hierarchy), except beside No Finding, which they contradict.
    """
    plain = {_plain(label): label for label in labels}
    uncounted = {_DEVICES} if _NO_FINDING in plain else {_DEVICES, *_PARENTS}
    found = {_CHEST8_NAMES.get(key, label) for key, label in plain.items() if key not in uncounted}
    if len(found) > 1:
        return None, Reason.SEVERAL_FINDINGS, ", ".join(sorted(found))
    if found <= set(CHEST8) and found:
        return found.pop(), "", ""
    named = ", ".join(sorted(set(labels))) or "none at all"
    return None, Reason.OTHER_FINDING, f"no finding of the scheme chest8 ({named})"


def apply_scheme(listing: Listing, scheme: str) -> Listing:
    """The listing with the classes of a named scheme; images that it does not select become refused rows.

    `all` leaves everything as it is. `chest8`: names are compared without case, spaces and underscores, `Effusion` is
    Pleural Effusion; see `select` for what is kept; reasons are `several-findings` and `other-finding`. Applying it
    twice changes nothing. A scheme that selects no image at all is an `InputError`.
    """
    if scheme == "all":
        return listing
    kept: list[ListedImage] = []
    refused: list[Refusal] = []
    parents = 0
    for record in listing.records:
        if not record.labelled:
            kept.append(record)
            continue
        chosen, reason, detail = select(record.labels)
        if chosen is None:
            refused.append((record.image, Reason(reason), detail))
        else:
            kept.append(replace(record, labels=(chosen,)))
            parents += any(_plain(label) in _PARENTS for label in record.labels)
    if not kept and listing.records:
        raise InputError(
            f"No image of {len(refused)} has exactly one finding of the scheme {scheme}{_seen(listing)}",
            where=str(listing.archive.root),
            how="leave out --labels, or name the column or folder that holds the findings",
        )
    notes = listing.notes
    if parents:
        have = plural(parents, "image also has", "images also have")
        notes += (f"{have} a label above theirs in CheXpert's hierarchy; it was not counted.",)
    refused_rows = tuple(sorted([*listing.refused, *refused]))
    return replace(listing, records=tuple(kept), classes=SCHEMES[scheme], refused=refused_rows, notes=notes)


def _seen(listing: Listing) -> str:
    counts = Counter(label for record in listing.records for label in record.labels)
    return f" (labels seen: {', '.join(name for name, _ in counts.most_common(10))})" if counts else ""
