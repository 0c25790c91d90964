"""The audit of anyone's synthetic data set: folders and zips in, audit.json and report.md out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..cohort.soft_labels import SoftLabels
from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import write_json, write_text
from ..core.hashing import hash_json
from ..core.places import check_output_folder, real_place, resolved
from ..layouts.config import CohortConfig
from ..layouts.pictures import Pictures
from .attempts import LEDGER, SHARED, Ledger, shared_ledger
from .colours import grey_views
from .config import AuditConfig
from .control import check_left, leave_out_shared, unsealed, weigh
from .evaluate import audit_images
from .figures import AuditFigures, ControlFigures
from .game import smallest_trials
from .images import SubjectImages, check_images
from .markdown import markdown
from .model import access_for
from .profiles import PROFILES, Profile
from .reading import read_side, side_read, unread_remarks
from .recording import Recording, hash_of_images, record
from .resolution import Reading, notes_of_reading, reading_of
from .result import AuditResult, masked
from .shapes import all_views, cut_remarks, deep_remarks, finer_remarks, low_views, one_shape
from .soft_files import find_soft
from .tiles import measure_tiles

SIDE = 64
"""Side in pixels of the squares that are compared, unless another is asked for."""
SMALLEST, LARGEST = 32, 512
FEWEST_A_SIDE = 10
"""People in train, and in control, below whom no audit begins."""
RELEASED = "synthetic"
UNLABELLED = "no labels were given: strata are images per subject alone, and attacks that need labels were not run"
HALVED = "no auxiliary images were given: a seeded half of the control subjects serves as auxiliary"


def audit_folders(
    train: Path,
    control: Path,
    synthetic: Path,
    subject: str | None,
    out: Path,
    *,
    auxiliary: Path | None = None,
    seed: int = 0,
    size: int = SIDE,
    config: AuditConfig | None = None,
    profile: Profile = PROFILES["open"],
    at_random: bool = True,
    sealed: float | None = None,
    open_seal: bool = False,
    ledger: Path | None = None,
    model: Path | None = None,
) -> AuditResult:
    """Audit images in folders, zips or saved data sets; writes out/audit.json and out/report.md.

    `subject` is a regex with the named group `subject`, searched in the path relative to the root, or `file`; None: the
    PatientID of DICOM or the sub-… of BIDS, which all pictures must have. It is not applied to `synthetic`. Without
    `auxiliary` a seeded half of the control subjects serves, and the notes say so. Pictures are compared as squares of
    `size` pixels. `model` is a study, or the .safetensors of its denoiser, that the attacker has as well. Raises
    `InputError` for every problem of the input before anything is written, and for anything in `synthetic` that is not
    read.

    `at_random` says whether chance decided who trained and who is control; without it nothing passes. The attempt is
    noted in `ledger`, by default audit-attempts.jsonl beside `out`, of which a copy lies in it. `open_seal` makes this
    the last audit, which alone sees the people whom `sealed` (absent: `config.sealed`) holds back.
    """
    paths = {"train": train, "control": control, RELEASED: synthetic}
    paths |= {} if auxiliary is None else {"auxiliary": auxiliary}
    out = real_place(out)
    check_options(subject, size, out, paths.values())
    given = given_by(paths, subject, size, seed)
    config = (config or config_of(size)).model_copy(update={} if sealed is None else {"sealed": sealed})
    sets, excluded, untold = leave_out_shared(given.sets)
    check_left(sets, paths)
    behind = unsealed(sets["control"], config.sealed, opened=True)
    # who is sealed hangs on no seed: nobody behind the seal was ever the auditor's own
    sets["control"] = unsealed(sets["control"], config.sealed, opened=False)
    # before halves are drawn: an overlap is told once, of whole sides
    check_images(sets, given.released)
    if auxiliary is None:
        sets["control"], sets["auxiliary"] = sets["control"].halves(seed, "audit-auxiliary")
    check_enough(sets, profile, config.confidence, halved=auxiliary is None)
    access = None if model is None else access_for(model, sets["train"].images)
    network, certify = sets["auxiliary"].halves(seed, "audit")
    check_images({**sets, "auxiliary (network)": network, "auxiliary": certify}, given.released)
    if config.sealed:
        check_images({"behind the seal": behind}, given.released)
    people = people_of(given, "train")
    recording = record(
        ledger_for(out, ledger, people),
        config,
        people=people,
        release=given.release,
        seed=seed,
        policy=[asdict(profile), size, at_random, access.source if access else None, given.contents],
        final=open_seal,
    )
    result = audit_images(
        sets["train"],
        behind if recording.seal == "open" else sets["control"],
        given.released,
        certify,
        network,
        config=recording.config,
        seed=seed,
        profile=profile,
        pictures=given.pictures,
        shortfalls=given.shortfalls,
        notes=(UNLABELLED, *([HALVED] if auxiliary is None else []), *given.notes),
        reading=given.reading,
        model=access,
        soft=None if given.soft is None else given.soft.only(given.pictures),
    )
    told = finish(result.figures, recording, out, excluded=excluded, untold=untold, at_random=at_random)
    return replace(result, figures=told)


def ledger_for(out: Path, given: Path | None, people: str) -> Ledger:
    """The ledger `given`, or that of all stand-alone audits whose results lie beside `out`."""
    return shared_ledger(out, people) if given is None else Ledger(given, people)


def finish(
    figures: AuditFigures, recording: Recording, out: Path, *, excluded: int, untold: bool, at_random: bool = True
) -> AuditFigures:
    """The figures with control weighed and the attempt ended, as they are written to out/audit.json and out/report.md.

    `excluded` people were left out because they share a picture with train people; `untold`: nobody looked for such.
    """
    control = ControlFigures(
        at_random="assumed" if at_random else "no",
        joined=0,
        excluded=masked(excluded) if excluded else 0,
        untold=untold,
        held_out_p=None,
    )
    told = recording.end(weigh(figures, control))
    told = replace(told, claim=f"{told.claim}; {known_attempts(told)}" if told.claim else None)
    write_json(out / "audit.json", told.to_json())
    write_text(out / "report.md", markdown(told))
    if recording.ledger.path.name == SHARED:
        write_text(out / LEDGER, recording.ledger.path.read_text(encoding="utf-8"))
    return told


def known_attempts(figures: AuditFigures) -> str:
    """What a claim says of attempts: no ledger knows of those that were noted elsewhere."""
    found = figures.attempts
    which = f"attempt {found.attempts}" if found else "an attempt"
    return (
        f"it is {which} on these people as far as its ledger knows, and of audits that were noted elsewhere it does not"
    )


def check_options(subject: str | None, size: int, out: Path, sides: Iterable[Path]) -> None:
    """`InputError` for a pattern, a size or a folder of results that cannot be used."""
    # the cohort's configuration knows what a subject pattern must look like
    build_config(CohortConfig, {"images": ".", "subject": subject or "file"}, where="--subject")
    if not SMALLEST <= size <= LARGEST:
        raise InputError(
            f"{size} pixels cannot be compared",
            where="--size",
            how=f"write a number from {SMALLEST} to {LARGEST}, or leave it out",
        )
    # among the pictures that are read the next audit would find them
    for side in sides:
        if side.is_dir() and resolved(out).is_relative_to(resolved(side)):
            raise InputError(
                "The results would lie in a folder whose pictures are audited",
                where=f"--out {out}",
                how=f"choose a folder outside {side}",
            )
    check_output_folder(out)


def check_enough(sets: Mapping[str, SubjectImages], profile: Profile, confidence: float, *, halved: bool) -> None:
    """`InputError` where a side has so few people that no attack could be told from chance, before any attack begins.

    `halved` says that half of the control people were taken for auxiliary ones.
    """
    counts = {name: len(sets[name].names) for name in ("train", "control")}
    few = [f"{count} in {name}" for name, count in counts.items() if count < FEWEST_A_SIDE]
    if few:
        taken = ", when half of it has become auxiliary" if halved and counts["control"] < FEWEST_A_SIDE else ""
        more = f" (or give --auxiliary, and {FEWEST_A_SIDE} in control)" if taken else ""
        raise InputError(
            f"Too few people: {', '.join(few)}{taken}; nothing that happens to so few can be told from chance",
            where="audit",
            how=f"give {FEWEST_A_SIDE} people in train and {(1 + halved) * FEWEST_A_SIDE} in control at least{more};"
            f" nothing passes the profile {profile.name} with fewer than"
            f" {smallest_trials(profile.isolated, confidence)} in train",
        )


def config_of(size: int) -> AuditConfig:
    """The default audit, whose spaces see more of larger squares."""
    least: int = AuditConfig.model_fields["size"].default
    return AuditConfig(size=max(least, size // 2))


@dataclass(frozen=True)
class Given:
    """The sides of an audit as they are compared: real people by side, and the released squares uint8 [m,1,S,S].

    `pictures` int64 [m] says which released picture each of these is a view of; `contents` are hashes of what the files
    of real people hold, by side, in order.
    """

    sets: dict[str, SubjectImages]
    released: np.ndarray
    pictures: np.ndarray
    shortfalls: tuple[str, ...]
    notes: tuple[str, ...]
    reading: Reading
    contents: dict[str, list[str]]
    soft: SoftLabels | None = None

    @property
    def release(self) -> str:
        """A hash of all that is released: the squares, and class probabilities where there are any."""
        squares = hash_of_images(self.released)
        if self.soft is None:
            return squares
        return hash_json([squares, list(self.soft.classes), self.soft.thousandths.tolist()])


def people_of(given: Given, *protected: str) -> str:
    """A hash of the pictures of the `protected` sides, as the files have them.

    Neither the size at which they are compared nor other control people make others of them: whoever tries with these
    tries again.
    """
    return hash_json(sorted({content for name in protected for content in given.contents[name]}))


def given_by(paths: dict[str, Path], subject: str | None, size: int, seed: int) -> Given:
    """Everything below `paths`, read and brought to one form; see `audit_folders`."""
    # the released side first: what is wrong with it is an error, and the others may be large
    order = sorted(paths, key=lambda name: name != RELEASED)
    sides = {name: read_side(paths[name], name, "file" if name == RELEASED else subject, size) for name in order}
    same = one_shape(sides)
    cut = [*cut_remarks(sides), *finer_remarks(sides, RELEASED)]
    seen = {name: _compared(pictures, size, same, low=name == RELEASED) for name, pictures in sides.items()}
    flat, deep = deep_remarks(sides[RELEASED], RELEASED)
    accounts = tuple(side_read(name, sides[name], len(seen[name][0])) for name in paths)
    tiles, copied = measure_tiles(sides, RELEASED, size, seed)
    reading = replace(reading_of(sides, accounts, size, same), tiles=tiles)
    people = {name: sides[name] for name in paths if name != RELEASED}
    unread, left_out = unread_remarks(people)
    # where every file is a subject, equal names in two folders are two subjects
    prefixes = {name: f"{name}:" if subject == "file" else "" for name in people}
    sets = {
        name: SubjectImages(seen[name][0], _subjects(pictures, prefixes[name])[seen[name][1]])
        for name, pictures in people.items()
    }
    notes = (*left_out, *deep, *notes_of_reading(reading))
    contents = {name: sorted(pictures.contents) for name, pictures in people.items()}
    soft = find_soft(paths[RELEASED], sides[RELEASED])
    return Given(sets, *seen[RELEASED], (*unread, *cut, *flat, *copied), notes, reading, contents, soft)


def _compared(pictures: Pictures, size: int, same_shape: bool, *, low: bool) -> tuple[np.ndarray, np.ndarray]:
    """The squares uint8 [v,1,S,S] by which a side is compared, and the picture of each, int64 [v].

    `low`: also by the lower 8 bits of what has more.
    """
    seen = pictures if same_shape else all_views(pictures, size)
    seen = low_views(pictures, seen, size) if low else seen
    squares, view = grey_views(seen.views)
    return squares, seen.picture[view]


def _subjects(pictures: Pictures, prefix: str) -> np.ndarray:
    """Whose each picture is, str [n]; composed and decomposed letters are one spelling, as in the cohort."""
    return np.array([prefix + unicodedata.normalize("NFC", str(who)).strip() for who in pictures.subjects], dtype=str)
