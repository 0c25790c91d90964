"""What the house weighs: `python -m benchmarks.house [FOLDER]` for this checkout or another one.

Lines of each room and its share of `src/unpersonal`, lines of the tests, and how often `dict[str, Any]` stands in the
source.
"""

from __future__ import annotations

import sys
from pathlib import Path


def lines_of(folder: Path) -> int:
    """Lines of all Python files below a folder."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


def main(root: Path = Path(__file__).parents[1]) -> None:
    """Print the table of one checkout."""
    house = root / "src" / "unpersonal"
    total = lines_of(house)
    rooms = {path.name: lines_of(path) for path in sorted(house.iterdir()) if (path / "__init__.py").is_file()}
    rooms["(beside the rooms)"] = total - sum(rooms.values())
    for name, lines in sorted(rooms.items(), key=lambda item: -item[1]):
        print(f"{name:<20}{lines:>7,}{lines / total:>7.1%}")
    loose = sum(path.read_text(encoding="utf-8").count("dict[str, Any]") for path in house.rglob("*.py"))
    print(f"{'source':<20}{total:>7,}\n{'tests':<20}{lines_of(root / 'tests'):>7,}\n{'dict[str, Any]':<20}{loose:>7,}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
