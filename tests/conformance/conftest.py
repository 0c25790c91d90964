"""Recorded numbers: where they are, what is present, and what counts as equal.

The folder is `$UNPERSONAL_REFERENCE`, else `tests/data/reference`. A test file belongs to a recorded kind (a subfolder)
by the start of its name, as in `test_edm2_net.py`; the tests of an absent kind do not run. A missing or empty folder
fails every test.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

KIND_OF_FILE = {
    "test_edm2_net": "edm2_net",
    "test_edm2_loss": "edm2_loss",
    "test_edm2_sampler": "edm2_sampler",
    "test_schedule": "schedule",
    "test_metrics": "metrics",
    "test_filelist": "filelists",
}
KINDS = tuple(dict.fromkeys(KIND_OF_FILE.values()))
TOLERANCE = 1e-4
ABSENT = "(the reference folder is absent or empty)"


def reference_root() -> Path:
    """The folder of the recorded numbers, which need not exist."""
    default = Path(__file__).resolve().parents[1] / "data" / "reference"
    return Path(os.environ.get("UNPERSONAL_REFERENCE") or default)


def present_kinds() -> list[str]:
    """The recorded kinds that the folder holds."""
    root = reference_root()
    return [kind for kind in KINDS if (root / kind).is_dir() and any((root / kind).iterdir())]


def is_absent(path: Path) -> bool:
    """Whether the test file at `path` is of an absent kind; False if all are absent, because then all must fail."""
    kinds = present_kinds()
    owner = next((kind for start, kind in KIND_OF_FILE.items() if path.name.startswith(start)), None)
    return bool(kinds) and owner is not None and owner not in kinds


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out test files of an absent kind."""
    return True if is_absent(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The same for files that were named on the command line, which `pytest_ignore_collect` does not see."""
    here = Path(__file__).parent
    absent = [item for item in items if item.path.parent == here and is_absent(item.path)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


def names(kind: str, suffix: str) -> list[str]:
    """What comes before `suffix` in the file names of a kind, sorted."""
    found = sorted((reference_root() / kind).glob(f"*{suffix}"))
    return [path.name[: -len(suffix)] for path in found] or [ABSENT]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`net_name` runs over the recorded networks, `loss_name` and `schedule_name` over theirs."""
    if "net_name" in metafunc.fixturenames:
        metafunc.parametrize("net_name", names("edm2_net", ".config.json"), scope="module")
    if "loss_name" in metafunc.fixturenames:
        metafunc.parametrize("loss_name", names("edm2_loss", ".loss.safetensors"), scope="module")
    if "schedule_name" in metafunc.fixturenames:
        metafunc.parametrize("schedule_name", names("schedule", ".json"))


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference folder; its absence fails the test."""
    root = reference_root()
    if not root.is_dir():
        pytest.fail(f"the reference folder {root} does not exist")
    if not present_kinds():
        pytest.fail(f"the reference folder {root} holds none of {', '.join(KINDS)}")
    return root


def assert_close(actual: object, expected: object, what: str = "", *, tolerance: float = TOLERANCE) -> None:
    """Equal shapes, and every difference at most `tolerance` of the largest magnitude expected."""
    a, e = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert a.shape == e.shape, f"{what}: shape {a.shape}, recorded {e.shape}"
    assert np.isfinite(a).all(), f"{what}: not finite"
    scale = float(np.abs(e).max(initial=0.0))
    worst = float(np.abs(a - e).max(initial=0.0))
    assert worst <= tolerance * scale, (
        f"{what}: differs by {worst:.3g}, {worst / max(scale, 1e-300):.3g} of the maximum"
    )


def assert_each_close(actual: object, expected: object, what: str = "", *, tolerance: float = 1e-6) -> None:
    """As `assert_close`, with every number measured against its own magnitude: for scalars and tables of them."""
    a, e = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert a.shape == e.shape, f"{what}: shape {a.shape}, recorded {e.shape}"
    bad = ~(np.abs(a - e) <= tolerance * np.abs(e))
    assert not bad.any(), f"{what}: {a[bad][:3]} instead of {e[bad][:3]}"


@pytest.fixture(scope="session")
def close():
    """`assert_close`: relative to the tensor's maximum."""
    return assert_close


@pytest.fixture(scope="session")
def each_close():
    """`assert_each_close`: relative to each number."""
    return assert_each_close
