"""What `unpersonal match` prints for people; names are never taken for markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .match_result import UNREAD, MatchResult, MatchRow

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LONGEST_TABLE = 50
"""Pictures that are printed, the surest first."""


def print_match(result: MatchResult, console: Console, *, private: bool) -> None:
    """How many pictures would be refused, which, and what they were compared with."""
    from rich.text import Text

    refused = result.refused
    would = "picture would be refused" if len(result.rows) == 1 else "pictures would be refused"
    console.print(Text(f"{len(refused):,} of {len(result.rows):,} {would}.", style="bold"))
    if refused:
        console.print(_table(result, private))
        if len(refused) > LONGEST_TABLE:
            console.print(Text(f"… and {len(refused) - LONGEST_TABLE:,} more refused."))
    print_notes(result, console)
    console.print(Text("Only pictures that would be refused are listed; --json has all."), soft_wrap=True)


def print_notes(result: MatchResult, console: Console) -> None:
    """What was compared, what was not read, and what the matchers do not see."""
    from rich.text import Text

    for note in result.notes:
        console.print(Text(note), soft_wrap=True)
    if result.blind is not None:
        seen = ", ".join(result.blind) or "none of those that were tried"
        console.print(Text(f"Kinds of copies that are not found reliably: {seen}."), soft_wrap=True)


def _table(result: MatchResult, private: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    table.add_column("picture", overflow="fold")
    table.add_column("refused by", no_wrap=True)
    table.add_column("strangers as alike", overflow="fold")
    if private:
        table.add_column("subject", overflow="fold")
    surest = sorted(result.refused, key=lambda row: -1.0 if row.stranger_rate is None else row.stranger_rate)
    for row in surest[:LONGEST_TABLE]:
        cells = [row.file, row.matcher or "", row.why if row.matcher == UNREAD else _share(row, result.strangers)]
        table.add_row(*(Text(cell) for cell in (*cells, *((row.subject or "",) if private else ()))))
    return table


def _share(row: MatchRow, strangers: int) -> str:
    """How many of the strangers score at least as high, in words."""
    reached = round((row.stranger_rate or 0) * (strangers + 1)) - 1
    return f"{'none' if reached == 0 else f'{reached:,}'} of {strangers:,}"
