"""What the audit notices, and what its verdicts mean: `python -m benchmarks.audit_power [TABLE ...]`.

Tables: `alarms` (false alarms of releases of fresh people), `bounds` (coverage, repeats included), `scores` (how many
scores of membership a pass can bear), `kinds` (releases of copies of every kind, wholly and in part), `novel` (the same
of kinds that gate and audit know nothing of), `copied` (few verbatim copies among many images), `nulls` (verdicts on
releases that leak nothing), `practice` (the reference's gate re-enacted in a finished study). All are Markdown, with
95 % intervals. What repetitions share is said in `audit_bench`; no attack that trains a network on the release is run.

`--out FILE` keeps every repetition as a line of JSON: the same command goes on where it was stopped, and with more
`--audits` it adds to what is there. `--minutes` begins no further repetition after so long.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.audit_bench import verdict_of
from benchmarks.audit_bounds import bounds, scores
from benchmarks.audit_kinds import copied, kinds, novel
from benchmarks.audit_tables import Options
from benchmarks.audit_verdicts import alarms, nulls
from benchmarks.rows import Rows

if TYPE_CHECKING:
    from benchmarks.audit_practice import Reenacted


def practice(options: Options) -> None:
    """The reference's practice re-enacted in a finished study (`audit_practice`), our own selection beside it."""
    from benchmarks.audit_practice import Practice, reenacted
    from unpersonal.judges.generated import has_denoiser

    if options.study is None or not has_denoiser(options.study):
        print("\npractice: name a study with a trained denoiser and selected images: --study STUDY")
        return
    study, settings = options.study, Practice(side=options.sides[0], released=options.released)
    found = list(options.repetitions(["practice", asdict(settings)], lambda _: told(reenacted(study, settings)), 1))
    for columns in found:
        print("\n| figure | reference's practice | our default |\n|---|---|---|")
        for name, pair in columns.items():
            print(f"| {name} | {' | '.join(pair)} |")


def told(found: Reenacted) -> dict[str, list[str]]:
    """The figures of both audits in words, by their names."""
    both = (found.theirs, found.ours)
    rows = [
        {row.name: f"{row.value:.3f} ({row.lower:.3f} to {row.upper:.3f})" for row in one.primary or ()} for one in both
    ]
    plain = {
        "verdict": [verdict_of(one) for one in both],
        "released images": [str(one.released) for one in both],
        "sources with an image": [f"{found.yielded} of {found.sources}", "see its own report"],
        "images that copy a person": [str(one.copied.images if one.copied else "not measured") for one in both],
    }
    return plain | {
        name: [row.get(name, "not measured") for row in rows] for name in dict.fromkeys((*rows[0], *rows[1]))
    }


TABLES: dict[str, Callable[[Options], None]] = {
    "bounds": bounds,
    "scores": scores,
    "copied": copied,
    "kinds": kinds,
    "novel": novel,
    "alarms": alarms,
    "nulls": nulls,
    "practice": practice,
}


def main() -> None:
    """Print the tables that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=[])
    parser.add_argument("--sides", type=int, nargs="+", default=[300, 1_000, 20_000], help="people a side")
    parser.add_argument("--audits", type=int, default=200, help="repetitions")
    parser.add_argument("--released", type=int, default=1_000, help="images of a release")
    parser.add_argument("--size", type=int, default=64, help="side of phantoms in pixels")
    parser.add_argument("--auxiliary", type=int, default=400, help="auxiliary people")
    parser.add_argument("--study", type=Path, help="a study of real images (Kermany), prepared or finished")
    parser.add_argument("--out", type=Path, help="a file of JSON lines that keeps every repetition")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no repetition begins after so long")
    given = vars(parser.parse_args())
    names, out, minutes = given.pop("tables") or list(TABLES), given.pop("out"), given.pop("minutes")
    given["sides"] = tuple(given["sides"])
    options = Options(**given, rows=Rows(out), until=time.monotonic() + 60.0 * minutes)
    for name in names:
        TABLES[name](options)


if __name__ == "__main__":
    main()
