"""The verbs of the command line as functions: typed results, progress by callback, no printing, no exit.

What is wrong with the input or the disk is an `InputError`; what the policy refuses is a `PolicyRefused`, or stands in
the result (each verb says which). `progress` is called with every `Progress`; an exception that it raises ends the
work as an interruption does. Heavy libraries are imported when a verb is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .cohort_keys import CohortKeys
from .core.arguments import verb
from .core.errors import InputError, PolicyRefused
from .core.extras import extras_named
from .core.telling import Listener, Progress, stage_progress, told_to
from .core.terminal import system_refused

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .audit.figures import AuditFigures
    from .audit.profiles import ProfileName
    from .match_result import MatchResult
    from .release.exporting import ExportFigures
    from .release.signature import Trust
    from .release.verify import Verification
    from .report.summary import Summary
    from .study import Study
    from .utility.compare import FolderFigures
    from .utility.matrix_figures import MatrixFigures

Place = Path | str
Places = Sequence[Place] | Place

__all__ = [
    "InputError",
    "PolicyRefused",
    "Progress",
    "audit",
    "demo",
    "export",
    "init_study",
    "match",
    "metrics",
    "phantom",
    "utility",
    "verify",
]


@contextmanager
def working(stage: str, progress: Listener | None) -> Iterator[None]:
    """The block is the work of a verb: its progress is told, and what a person can mend is an `InputError`."""
    with told_to(progress), system_refused(), extras_named(), stage_progress(stage):
        yield


def _path(place: Place) -> Path:
    return Path(place).expanduser()


def _optional(place: Place | None) -> Path | None:
    return None if place is None else _path(place)


@verb(*CohortKeys.__annotations__)
def init_study(
    path: Place,
    images: Place,
    *,
    preset: str = "cpu",
    size: int | None = None,
    fit: str | None = None,
    read_text: str | None = None,
    seed: int = 0,
    progress: Listener | None = None,
    **cohort: Unpack[CohortKeys],
) -> Study:
    r"""Read `images` (folder, zip, table or file list) completely and create the study at `path`, as `unpersonal init`.

    `cohort` are keys of the table `[cohort]` of study.toml: `layout`, `subject`, `label_from` and so on. `size` is the
    edge of the images in pixels, the preset's where None, as are `fit` and `read_text`. What was understood of the
    input is `Study.understanding`. Nothing is left behind where an `InputError` is raised.

    Examples:
        >>> from unpersonal import init_study, phantom
        >>> count = phantom("images", subjects=120, size=32)
        >>> study = init_study("study", "images", subject=r"(?P<subject>sub-\d+)", preset="tiny")
        >>> study.config.images.size
        32
        >>> study.understanding.subjects
        120
        >>> study.understanding.layout
        'folder'
    """
    from .init import init_study as create
    from .study import Study

    with working("init", progress):
        keys = {**cohort, "images": str(_path(images))}
        _, understanding = create(
            _path(path), keys, preset_name=preset, size=size, fit=fit, read_text=read_text, seed=seed
        )
        return replace(Study.open(_path(path)), understood=understanding)


@verb()
def demo(
    path: Place = "demo-study", *, device: str = "auto", seed: int = 0, progress: Listener | None = None
) -> Summary:
    """Run the main job on phantoms, which lie in `<path>-images`, as `unpersonal demo`: minutes on two CPU cores.

    Another `seed` invents other people and draws anew. Raises `PolicyRefused` as `Study.run` does.
    """
    from .demo import demo as run

    with told_to(progress), system_refused(), extras_named():
        return run(_path(path), device=device, seed=seed)


@verb()
def phantom(
    path: Place,
    subjects: int,
    *,
    size: int = 64,
    seed: int = 0,
    modality: str = "cxr",
    fmt: str | None = None,
    findings: Sequence[str] | None = None,
    progress: Listener | None = None,
) -> int:
    """Write procedural images [size, size] of invented people to the new folder `path`; returns how many.

    `modality` is cxr, ct or mri, `fmt` png, dicom or nifti (absent: the modality's usual one), as `unpersonal phantom`.
    `findings` are those that people may have, None: all of the modality.

    Examples:
        >>> from unpersonal import phantom
        >>> phantom("images", subjects=3, size=32)
        3
    """
    from .phantom.write import write_phantom

    with working("phantom", progress):
        return write_phantom(_path(path), subjects, seed, size, modality=modality, fmt=fmt, findings=findings)


@verb()
def audit(
    train: Place,
    control: Place,
    synthetic: Place,
    *,
    out: Place,
    subject: str | None = None,
    auxiliary: Place | None = None,
    size: int = 64,
    profile: ProfileName = "open",
    model: Place | None = None,
    swap: Place | None = None,
    at_random: bool = True,
    sealed: float = 0.0,
    open_seal: bool = False,
    ledger: Place | None = None,
    seed: int = 0,
    progress: Listener | None = None,
) -> AuditFigures:
    """Audit anyone's synthetic set, as `unpersonal audit`: does it point at the people of `train` more than at others?

    Each side is a folder, zip or saved data set. `subject` says who is on a picture of a real person: a regex with the
    named group `subject`, or `file`; None: the PatientID of DICOM, the sub-… of BIDS. `swap` are images of a second
    generator, trained on the people of `control`. The results are written to the folder `out`, and the attempt to
    `ledger` (audit-attempts.jsonl beside `out` where None). The verdict, `pass`, `inconclusive` or `fail`, is in the
    figures: nothing is raised for it, and whoever reads no verdict knows nothing.

    Examples:
        >>> from unpersonal import InputError, audit, phantom
        >>> for name, seed in (("theirs", 1), ("strangers", 2), ("drawn", 3)):
        ...     count = phantom(name, subjects=9, size=32, seed=seed)
        >>> try:
        ...     verdict = audit("theirs", "strangers", "drawn", out="audit", subject="file", size=32).verdict
        ... except InputError as error:
        ...     print(error.what.split(":")[0])  # nothing that happens to nine people can be told from chance
        Too few people
    """
    from .audit.config import MOST_SEALED
    from .audit.folders import audit_folders
    from .audit.profiles import PROFILES

    with working("audit", progress):
        if profile not in PROFILES:
            raise InputError(f"There is no profile {profile!r}", where="--profile", how=f"use {', '.join(PROFILES)}")
        if not 0 <= sealed <= MOST_SEALED:
            raise InputError(
                f"{sealed:g} is no share of control people to be sealed",
                where="--sealed",
                how=f"write a number from 0 to {MOST_SEALED:g}",
            )
        sides, limits = (_path(train), _path(control)), PROFILES[profile]
        if swap is None:
            return audit_folders(
                *sides,
                _path(synthetic),
                subject,
                _path(out),
                auxiliary=_optional(auxiliary),
                seed=seed,
                size=size,
                profile=limits,
                sealed=sealed,
                at_random=at_random,
                open_seal=open_seal,
                ledger=_optional(ledger),
                model=_optional(model),
            ).figures
        _check_swap({"--model": model, "--sealed": sealed, "--open-seal": open_seal}, auxiliary, at_random)
        from .audit.swap_folders import audit_swap_folders

        return audit_swap_folders(
            sides,
            (_path(synthetic), _path(swap)),
            _path(auxiliary or ""),
            subject,
            _path(out),
            seed=seed,
            size=size,
            profile=limits,
            ledger=_optional(ledger),
        ).figures


def _check_swap(options: dict[str, object], auxiliary: Place | None, at_random: bool) -> None:
    """`InputError` for what an audit of a swap does not take, and for what it lacks."""
    given = {**options, "--control-not-at-random": not at_random}
    if unused := [name for name, value in given.items() if value]:
        raise InputError("A swap does not take this option", where=unused[0], how="leave it out")
    if auxiliary is None:
        raise InputError("A swap has no control of which half could serve", where="--swap", how="give --auxiliary")


@verb()
def match(
    gallery: Place,
    images: Place,
    *,
    subject: str | None = None,
    rate: float | None = None,
    size: int | None = None,
    device: str = "auto",
    progress: Listener | None = None,
) -> MatchResult:
    r"""Say of every picture in `images` whether it shows somebody of `gallery` and would be refused, and by what.

    `gallery` is a study, or a folder or zip of pictures of at least 20 people; as `unpersonal match`. The pictures that
    would be refused are `MatchResult.refused`: nothing is raised for them.

    Examples:
        >>> from unpersonal import match, phantom
        >>> for name, seed in (("known", 1), ("asked", 2)):
        ...     count = phantom(name, subjects=24, size=32, seed=seed)
        >>> found = match("known", "asked", subject=r"(?P<subject>sub-\d+)", size=32)
        >>> len(found.rows) >= 24, all(row in found.rows for row in found.refused)
        (True, True)
    """
    from .match import match_pictures

    with working("match", progress):
        return match_pictures(gallery, images, subject=subject, rate=rate, size=size, device=device)


@verb()
def utility(
    train: Places,
    test: Places,
    *,
    synthetic: Places = (),
    labels: Sequence[str] | str = (),
    subject: str | None = None,
    layout: str = "auto",
    size: int = 64,
    fit: str = "crop",
    network: str = "small",
    seeds: int = 3,
    steps: int | None = None,
    out: Place | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Listener | None = None,
) -> MatrixFigures:
    """Train a classifier on each data set and test it on others, synthetic beside real, as `unpersonal utility`.

    `synthetic` are none, or one beside each of `train`. `labels` says where labels stand, once for all or once for each
    data set: `folder`, a regex with the named group `label`, a table, or `chest8`. `out` is a folder for utility.json,
    utility.md and utility.png, or one such file.

    Examples:
        >>> from unpersonal import phantom, utility
        >>> for name, seed in (("here", 1), ("drawn", 2), ("there", 3)):
        ...     count = phantom(name, subjects=40, size=32, seed=seed)
        >>> figures = utility("here", "there", synthetic="drawn", labels="folder", size=32, seeds=1, steps=2)
        >>> [(cell.train, cell.test) for cell in figures.cells]
        [('here', 'there'), ('drawn', 'there')]
    """
    from .utility.folders import paths_of, utility_folders
    from .utility.matrix_files import check_out, write_matrix

    with working("utility", progress):
        if out is not None:
            check_out(_path(out), [*paths_of(train), *paths_of(synthetic), *paths_of(test)])
        figures = utility_folders(
            train,
            test,
            synthetic=synthetic,
            labels=labels,
            subject=subject,
            layout=layout,
            size=size,
            fit=fit,
            network=network,
            seeds=seeds,
            steps=steps,
            seed=seed,
            device=device,
        )
        if out is not None:
            write_matrix(_path(out), figures)
        return figures


@verb()
def metrics(
    real: Place,
    synthetic: Place,
    *,
    features: str = "closed-form",
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Listener | None = None,
) -> FolderFigures:
    """Generative metrics of a synthetic set against a real one, half of which is held out, as `unpersonal metrics`.

    `features` names the space in which they are told: `closed-form`, `ssl`, `hf:MODEL`, `file:PATH.safetensors`, or one
    of a plug-in (docs/features.md); the figures say which it was. Images are brought to `size` pixels, None: as the
    space wants it.

    Examples:
        >>> from unpersonal import metrics, phantom
        >>> for name, seed in (("real", 1), ("drawn", 2)):
        ...     count = phantom(name, subjects=24, size=32, seed=seed)
        >>> figures = metrics("real", "drawn", size=32)
        >>> 0 <= figures.precision <= 1 and figures.fid > 0
        True
        >>> figures.space.name
        'closed-form'
    """
    from .utility.compare import compare_folders

    with working("metrics", progress):
        return compare_folders(_path(real), _path(synthetic), features=features, size=size, seed=seed, device=device)


@verb()
def verify(
    release: Place,
    *,
    key: Place | None = None,
    certificate_chain: Places = (),
    notice: Place | None = None,
    trust_anchors: Place | None = None,
    progress: Listener | None = None,
) -> Verification:
    """Recompute the hashes of a release, a folder or its zip, and hold its figures against its own limits.

    Returns what was found of one that is whole. Raises `InputError` for one that is no release, altered or against the
    rules, and `PolicyRefused` for one that is not what it claims to be or was withdrawn, as `unpersonal verify` ends;
    `release.verify.check_release` returns what was found in any case. `key` or `certificate_chain` are its publisher's,
    by which a signature is checked; `notice` withdraws it from elsewhere; `trust_anchors` are certificates (PEM) to one
    of which the C2PA signature of every image must lead.

    Examples:
        >>> from unpersonal import InputError, verify
        >>> try:
        ...     verify("no-release")
        ... except InputError as error:
        ...     print(error.how)
        correct the path of the release
    """
    from .release.verify import check_release, refuse_unless_whole

    with working("verify", progress):
        found = check_release(_path(release), _trust(key, certificate_chain, notice, trust_anchors))
        refuse_unless_whole(found, str(release))
        return found


def _trust(key: Place | None, certificate_chain: Places, notice: Place | None, anchors: Place | None = None) -> Trust:
    from .release.signature import Trust

    several = [certificate_chain] if isinstance(certificate_chain, Path | str) else certificate_chain
    chain = tuple(_path(each) for each in several)
    return Trust(_optional(key), chain, _optional(notice), _optional(anchors))


@verb()
def export(
    release: Place,
    out: Place,
    to: str,
    *,
    modality: str | None = None,
    key: Place | None = None,
    certificate_chain: Places = (),
    notice: Place | None = None,
    progress: Listener | None = None,
) -> ExportFigures:
    """Write a release to the new folder `out` in another form: dicom, nifti, parquet, webdataset or a plug-in's.

    It is checked first and refused as by `verify`. `modality` is what DICOM headers say (DX, CT, …; None: OT).

    Examples:
        >>> from unpersonal import InputError, export
        >>> try:
        ...     export("release", "exported", to="papyrus")
        ... except InputError as error:
        ...     print(error.what)
        There is no export 'papyrus'
    """
    from .release.exporting import export_release

    with working("export", progress):
        if modality is not None and to != "dicom":
            raise InputError(f"The form {to!r} says nothing of a modality", where="--modality", how="leave it out")
        trust = _trust(key, certificate_chain, notice)
        return export_release(_path(release), to, _path(out), modality=modality or "OT", trust=trust)
