"""Suggestions as files and tables: JSON lines, CSV for spreadsheets, a table for a coder."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from extractor.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

    from extractor.suggestion import Line, Suggestion

CSV_COLUMNS = (
    "note_id",
    "status",
    "codes",
    "93590",
    "93591",
    "93592 units",
    "93592_low",
    "93592_high",
    "93462",
    "approaches",
    "reasons",
    "rules_version",
)

_STATUS_STYLES = {"ready": "bold green", "review": "bold yellow", "none": "dim"}

# What a formula begins with, also in the wide letters of East Asia, where a cell or a part of it begins.
_FORMULA = re.compile(r"(^|[;|\t\r\n]\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_TITLES = ("Note", "Status", "Codes", "Devices", "Approach", "93462")
_NARROWEST = 8
_INDENT = "    "


def codes_text(lines: Iterable[Line]) -> str:
    """Codes and units as a coder writes them, with the range where the note leaves one.

    Examples
    --------
    >>> from extractor.suggestion import Line
    >>> first = Line(code="93591", units=1, low=1, high=1, role="initial device, aortic")
    >>> more = Line(code="93592", units=1, low=1, high=2, role="each additional device")
    >>> codes_text([first, more])
    '93591 x1 + 93592 x1 (1 to 2)'
    """
    return " + ".join(
        f"{line.code} x{line.units}" + (f" ({line.low} to {line.high})" if line.low != line.high else "")
        for line in lines
    )


def devices_text(suggestion: Suggestion) -> str:
    """How many devices had which outcome, for example ``3 implanted, 1 removed``."""
    outcomes: Counter[str] = Counter(device.outcome for device in suggestion.devices)
    order = ("implanted", "removed", "unused", "unknown", "other_target", "prior", "planned")
    return ", ".join(f"{outcomes[name]} {name.replace('_', ' ')}" for name in order if outcomes[name])


def companion_units(suggestion: Suggestion, code: str) -> int:
    """Units of a companion code in a suggestion."""
    return sum(companion.units for companion in suggestion.companions if companion.code == code)


def jsonl(suggestions: Iterable[Suggestion]) -> Iterator[str]:
    """Yield the JSON line of each suggestion, with its line end."""
    for suggestion in suggestions:
        yield suggestion.to_json() + "\n"


def csv_lines(suggestions: Iterable[Suggestion]) -> Iterator[str]:
    """Yield a header and one CSV row per suggestion, safe to open in a spreadsheet.

    A cell that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    yield csv_line(CSV_COLUMNS)
    for suggestion in suggestions:
        lines = {line.code: line for line in suggestion.lines}
        more = lines.get("93592")
        first = [str(lines[code].units) if code in lines else "0" for code in ("93590", "93591")]
        units = [str(more.units), str(more.low), str(more.high)] if more else ["0", "0", "0"]
        yield csv_line(
            (
                suggestion.note_id,
                suggestion.status,
                codes_text(suggestion.lines),
                *first,
                *units,
                str(companion_units(suggestion, "93462")),
                " ".join(suggestion.approaches),
                " ".join(reason.code for reason in suggestion.reasons),
                suggestion.rules_version,
            )
        )


def csv_line(cells: Iterable[str]) -> str:
    r"""One row for a spreadsheet: no cell of it is taken for a formula.

    Nor is a part of a cell, where a spreadsheet divides at semicolons or tabs instead of commas.

    Examples
    --------
    >>> csv_line(["a", "=1+1", "b;@c"])
    "a,'=1+1,b;'@c\r\n"
    """
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return buffer.getvalue()


def _cell(text: str) -> str:
    return "'" + text if text[:1].isspace() else _FORMULA.sub(r"\1'", text)


def print_table(suggestions: Iterable[Suggestion], console: Console) -> None:
    """Print the table for a coder: one row per note, the reasons of a review beneath it.

    Parameters
    ----------
    suggestions
        What to print; read to the end before the first row is printed.
    console
        Where to print.
    """
    from rich.text import Text

    rows = [(_row(suggestion), _beneath(suggestion), suggestion.status) for suggestion in suggestions]
    if not rows:
        return
    widths = _widths([_TITLES, *(row for row, _, _ in rows)], console.width)
    console.print(Text("  ".join(f"{t:{w}}" for t, w in zip(_TITLES, widths, strict=True)).rstrip(), "bold"))
    console.print(Text("  ".join("─" * width for width in widths), "dim"), overflow="crop")
    for row, beneath, status in rows:
        cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            line = Text()
            for column, (part, width) in enumerate(zip(parts, widths, strict=True)):
                style = _STATUS_STYLES[status] if column == 1 else "bold" if column == 2 else ""
                line.append(f"{part:{width}}", style).append("  ")
            line.rstrip()
            console.print(line, soft_wrap=True)
        for label, message in beneath:
            body = textwrap.wrap(
                f"{label}: {message}", max(console.width - len(_INDENT), 20), subsequent_indent="  "
            )
            for number, piece in enumerate(body):
                line = Text(_INDENT + piece)
                if number == 0:
                    line.stylize("yellow", len(_INDENT), len(_INDENT) + len(label) + 1)
                console.print(line, soft_wrap=True)


def _row(suggestion: Suggestion) -> tuple[str, ...]:
    return (
        printable(suggestion.note_id),
        suggestion.status,
        codes_text(suggestion.lines) or "-",
        devices_text(suggestion) or "-",
        ", ".join(suggestion.approaches) or "-",
        f"x{units}" if (units := companion_units(suggestion, "93462")) else "-",
    )


def _beneath(suggestion: Suggestion) -> list[tuple[str, str]]:
    reasons = [(reason.code, printable(reason.message)) for reason in suggestion.reasons]
    return reasons + _edits(suggestion)


def _edits(suggestion: Suggestion) -> list[tuple[str, str]]:
    of_claim = [edit for edit in suggestion.edits if edit.severity != "info"]
    if not of_claim:
        return []
    from extractor.edits import together

    return [("edit", f"{printable(edit.message)} ({where})") for edit, where in together(of_claim)]


def _widths(rows: list[tuple[str, ...]], total: int) -> list[int]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    room = total - 2 * (len(_TITLES) - 1)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def summary(statuses: Counter[str], failed: int) -> str:
    """The closing line: notes coded, by status, and inputs that failed.

    Examples
    --------
    >>> summary(Counter(ready=2, review=1), failed=1)
    '3 notes coded (2 ready, 1 review), 1 input failed'
    """
    total = sum(statuses.values())
    split = ", ".join(f"{statuses[name]} {name}" for name in _STATUS_STYLES if statuses[name])
    text = f"{total} {'note' if total == 1 else 'notes'} coded" + (f" ({split})" if split else "")
    return f"{text}, {failed} {'input' if failed == 1 else 'inputs'} failed"
