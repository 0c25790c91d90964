"""Tables of `audit_power`: verdicts on releases that leak nothing."""

from __future__ import annotations

from functools import cache

from benchmarks.audit_tables import Options, phantoms, real, repeated, verdict_row

NULLS = [(1_500, "open"), (450, "agreement")]
"""People a side, and the profile that so many are for; `--sides` with one of the two measures it alone."""


def alarms(options: Options) -> None:
    """False alarms: the release shows fresh people, and no audit may fail."""
    print("\n| people a side, release of fresh people | audits | fail | inconclusive | pass |\n|---|---|---|---|---|")
    for side in options.sides:
        bench = cache(lambda side=side: phantoms(side, options, 2 * options.released))
        found = repeated(["alarms", side], options, bench, "open", side)
        print(verdict_row(f"{side:,} phantoms, {options.released} images", found), flush=True)


def nulls(options: Options) -> None:
    """How often a release of disjoint real people passes, under the profile that the number of people is for."""
    print("\n| null release | audits | fail | inconclusive | pass |\n|---|---|---|---|---|")
    for side, profile in [case for case in NULLS if case[0] in options.sides] or NULLS:
        benches = {"phantoms": cache(lambda side=side: phantoms(side, options, 2 * options.released))}
        if options.study is not None:
            benches["Kermany"] = cache(lambda side=side: real(options, options.released, side))
        for name, bench in benches.items():
            found = repeated(["nulls", name, side], options, bench, profile, side)
            print(verdict_row(f"at most {side:,} {name} a side, `{profile}`", found), flush=True)
