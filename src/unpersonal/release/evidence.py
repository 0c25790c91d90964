"""What may be said about people in a release: aggregates only, and no cell under five.

The rules are stated once here, so that the writer and the verifier cannot disagree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
SMALLEST_CELL = 5
"""Counts below this number are never published (a usual rule of statistical disclosure control)."""

SUPPRESSED = "<5"
"""What stands in place of a count below `SMALLEST_CELL`."""

COMPLEMENT = "withheld"
"""What stands in place of a count from which a suppressed neighbour could be computed by subtraction."""

FORBIDDEN = frozenset(
    {"subject", "path", "paths", "seed", "seeds", "source", "nearest", "file", "filename", "patient", "ids"}
)
"""Words that no key of the evidence may contain: they would name a person, a file or a link to one."""

TOTALS_ONLY = frozenset({"subjects", "sources", "patients"})
_COUNT_WORDS = frozenset(
    {"count", "counts", "n", "k", "images", "subjects", "sources", "patients", "quarantined", "released"}
    | {"candidates", "positives", "negatives", "flagged", "isolated", "isolations", "missed", "misses", "hits"}
    | {"copies", "trials", "successes"}
)
PARAMETERS = frozenset(
    {"repeats", "components", "steps", "width", "attempts", "releases", "blend", "permutations", "replicates", "blocks"}
    | {"neighbours", "members", "dimensions", "channels"}
)
"""Keys of settings: whole numbers that count no people."""
_GROUP_SIZES = frozenset({"subjects", "images"})
_RATE_WORDS = frozenset({"rate", "share", "fraction", "advantage", "probability", "auroc", "upper", "lower"})
# a single slash between two words (train/control) is language; a root, two slashes or a suffix is a path
_PATH_LIKE = re.compile(
    r"\\|\.(?:png|jpe?g|dcm|nii|gz|tiff?|bmp|webp|zip|csv|parquet|npy)\b|(?:^|\s)[~.]{0,2}/|[^\s/]/[^\s/]*/[^\s/]",
    re.IGNORECASE,
)


_CATEGORIES = re.compile(r"_by_|_reasons$")
"""Names of tables whose keys are labels, splits or reasons, that is words from the input."""


def key_words(key: str) -> set[str]:
    """Lower-case words of a key such as `nearest_subject`, `worstSubject` or `source-path`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return {word for word in re.split(r"[^a-z0-9]+", split.lower()) if word}


def suppressed(count: T) -> T | str:
    """A count as it is published: `SUPPRESSED` where it is below `SMALLEST_CELL`; all else as it is."""
    return SUPPRESSED if isinstance(count, int) and 0 <= count < SMALLEST_CELL else count


def _is_count_key(key: str) -> bool:
    words = key_words(key)
    return bool(words & _COUNT_WORDS) and not words & _RATE_WORDS


def is_small_cell(key: str, value: object) -> bool:
    """Whether `value` under `key` is a count below `SMALLEST_CELL`.

    Every whole number is taken for a count; a float only under a key that names one (`isolated`, `subjects`, ...).
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    counts = isinstance(value, int) or _is_count_key(key)
    return counts and 0 <= value < SMALLEST_CELL


def _suppress_table(table: Mapping[str, object], name: str) -> dict[str, object]:
    result = {key: suppress_small_cells(value, key) for key, value in table.items()}
    cells = {key: value for key, value in table.items() if isinstance(value, int) and not isinstance(value, bool)}
    hidden = [key for key in cells if result[key] == SUPPRESSED]
    # figures of a group of fewer than five say as much about its members as the count would
    if any(key in _GROUP_SIZES for key in hidden):
        result = {key: COMPLEMENT if isinstance(value, float) else value for key, value in result.items()}
    # one hidden cell of a table of categories equals the published total minus the other cells
    # a label may be called as a count is ("flagged nodule"): where the table's name says so, its keys are categories
    by_name = bool(_CATEGORIES.search(name)) or not any(_is_count_key(key) for key in cells)
    categories = len(cells) == len(table) >= 2 and by_name
    if categories and len(hidden) == 1:
        shown = [key for key in cells if key not in hidden]
        result[min(shown, key=cells.__getitem__)] = COMPLEMENT
    return result


def suppress_small_cells(value: object, key: str = "") -> object:
    """Copy of a JSON value in which every count below `SMALLEST_CELL` reads `SUPPRESSED`.

    In a table that holds nothing but counts, one further cell is withheld where a single suppressed one could be
    computed by subtraction.
    """
    if isinstance(value, Mapping):
        return _suppress_table(value, key)
    if isinstance(value, list | tuple):
        return [suppress_small_cells(item, key) for item in value]
    return SUPPRESSED if is_small_cell(key, value) else value


def aggregates_only(value: object) -> object:
    """Copy of a JSON value without forbidden keys, per-person lists, text that looks like a path, NaN or infinity."""
    if isinstance(value, Mapping):
        return aggregate_table(value)
    if isinstance(value, list | tuple):
        return [aggregates_only(item) for item in value]
    if isinstance(value, str):
        return None if _PATH_LIKE.search(value) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    if hasattr(value, "item"):
        return aggregates_only(value.item())
    raise TypeError(f"evidence holds a value that is not plain JSON: {type(value).__name__}")


def aggregate_table(table: Mapping[str, object]) -> dict[str, object]:
    """`aggregates_only` of a table."""
    kept = {}
    for key, item in table.items():
        words = key_words(str(key))
        named = words & TOTALS_ONLY and isinstance(item, Mapping | list | tuple | str) and item != COMPLEMENT
        if words & FORBIDDEN or named or _PATH_LIKE.search(str(key)):
            continue
        # a setting is no count of people: written as text, so that it is not taken for a small cell
        setting = key in PARAMETERS and isinstance(item, int)
        kept[str(key)] = str(item) if setting else aggregates_only(item)
    return kept


def safe_evidence(value: Mapping[str, object]) -> dict[str, object]:
    """`aggregates_only`, then `suppress_small_cells`: the form in which evidence.json is written."""
    return _suppress_table(aggregate_table(value), "")


def evidence_problems(value: object, where: str = "evidence.json", key: str = "") -> list[str]:
    """Every breach of the rules in a parsed evidence file."""
    problems: list[str] = []
    if isinstance(value, Mapping):
        for name, item in value.items():
            words = key_words(str(name))
            if words & FORBIDDEN or _PATH_LIKE.search(str(name)):
                problems.append(f"{where}: {name}: a key that may name a person, a file or a link is forbidden")
            elif words & TOTALS_ONLY and isinstance(item, Mapping | list):
                problems.append(f"{where}: {name}: only a total is allowed here")
            problems += evidence_problems(item, f"{where}: {name}", str(name))
    elif isinstance(value, list):
        for item in value:
            problems += evidence_problems(item, where, key)
    elif isinstance(value, str) and _PATH_LIKE.search(value):
        problems.append(f"{where}: text that looks like a path")
    elif is_small_cell(key, value):
        problems.append(f"{where}: a cell under {SMALLEST_CELL}")
    return problems
