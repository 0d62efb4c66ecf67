"""Findings as files and tables: JSON lines, CSV for spreadsheets, a table for an auditor."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING

from extractor.audit.finding import RESULTS, Finding
from extractor.audit.rvu import totals, value_of
from extractor.output import csv_line
from extractor.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

    from extractor.tables import Tables

CSV_COLUMNS = (
    "encounter", "date", "kind", "code", "billed", "supported_low", "supported_high", "result", "issue",
    "finding", "status", "notes", "joined", "modifiers", "claims", "evidence", "proof", "edits",
)  # fmt: skip
_RVU_COLUMNS = ("rvu_billed", "rvu_supported", "rvu_difference")
_TITLES = ("Encounter", "Date", "Code", "Billed", "Supported", "Result", "Note")
_STYLES = {
    "agree": "bold green", "needs review": "bold yellow",
    "no note": "bold magenta", "no claim": "bold magenta",
}  # fmt: skip
_NARROWEST = 6
_INDENT = "    "
_KINDS = {"practitioner": "practitioner", "outpatient_hospital": "hospital"}


def jsonl(findings: Iterable[Finding], tables: Tables | None = None) -> Iterator[str]:
    """The JSON line of each finding, with RVUs where the tables are given."""
    for finding in findings:
        if tables is None:
            yield finding.model_dump_json() + "\n"
        else:
            yield (
                json.dumps(
                    finding.model_dump(mode="json") | {"rvu": _rvu(finding, tables)}, ensure_ascii=False
                )
                + "\n"
            )


def csv_lines(findings: Iterable[Finding], tables: Tables | None = None) -> Iterator[str]:
    """A header and a CSV row for each finding; no cell is taken for a formula by a spreadsheet."""
    yield csv_line(CSV_COLUMNS + (_RVU_COLUMNS if tables else ()))
    for one in findings:
        cells = [
            one.encounter, one.date, one.kind, one.code, str(one.billed), _number(one.low), _number(one.high),
            one.result, one.issue, one.finding, one.status, " ".join(one.notes), one.joined,
            " ".join(one.modifiers), "; ".join(one.claims),
            "; ".join(f"{' '.join(span.text.split())} ({span.start}-{span.end})" for span in one.evidence),
            one.proof, " ".join(dict.fromkeys(edit.message for edit in one.edits)),
        ]  # fmt: skip
        if tables:
            cells += [_number(number) for number in _rvu(one, tables).values()]
        yield csv_line(cells)


def _number(value: float | None) -> str:
    return "" if value is None else str(value)


def _rvu(finding: Finding, tables: Tables) -> dict[str, float | None]:
    value = value_of(finding, tables)
    if value is None:
        return {"billed": None, "supported": None, "difference": None}
    return {
        "billed": float(value.billed),
        "supported": None if value.supported is None else float(value.supported),
        "difference": None if value.difference is None else float(value.difference),
    }


def print_table(findings: Sequence[Finding], console: Console, agreeing: bool = False) -> None:
    """Print findings, each with its words beneath it; those that agree only where it is said.

    Parameters
    ----------
    findings
        What to print.
    console
        Where to print.
    agreeing
        Print those that agree too.
    """
    from rich.text import Text

    shown = [one for one in findings if agreeing or one.result != "agree" or one.issue]
    if not shown:
        return
    rows = [_row(one) for one in shown]
    widths = _widths([_TITLES, *rows], console.width)
    console.print(Text("  ".join(f"{t:{w}}" for t, w in zip(_TITLES, widths, strict=True)).rstrip(), "bold"))
    console.print(Text("  ".join("─" * width for width in widths), "dim"), overflow="crop")
    for row, one in zip(rows, shown, strict=True):
        cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            line = Text()
            for column, (part, width) in enumerate(zip(parts, widths, strict=True)):
                style = _STYLES.get(one.result, "bold red") if _TITLES[column] == "Result" else ""
                line.append(f"{part:{width}}", style).append("  ")
            line.rstrip()
            console.print(line, soft_wrap=True)
        room = max(console.width - len(_INDENT), 20)
        for piece in textwrap.wrap(printable(one.finding), room, subsequent_indent="  "):
            console.print(Text(_INDENT + piece), soft_wrap=True)


def _row(one: Finding) -> tuple[str, ...]:
    kind = f", {_KINDS[one.kind]}" if one.kind in _KINDS else ""
    return (
        printable(one.encounter),
        (one.date or "-") + kind,
        one.code or "-",
        str(one.billed),
        one.supported or "-",
        one.result,
        printable(", ".join(one.notes)) or "-",
    )


def _widths(rows: list[tuple[str, ...]], total: int) -> list[int]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    room = total - 2 * (len(_TITLES) - 1)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def summary(findings: Iterable[Finding], failed: int) -> str:
    """The closing line: encounters and codes audited, by result, and inputs that failed.

    Examples
    --------
    >>> summary([], failed=1)
    '0 codes of 0 encounters audited, 1 input failed'
    """
    found = list(findings)
    counts = Counter(one.result for one in found)
    encounters = len({one.encounter for one in found})
    split = ", ".join(f"{counts[name]} {name}" for name in RESULTS if counts[name])
    text = f"{len(found)} {'code' if len(found) == 1 else 'codes'} of {encounters} "
    text += f"{'encounter' if encounters == 1 else 'encounters'} audited" + (f" ({split})" if split else "")
    return f"{text}, {failed} {'input' if failed == 1 else 'inputs'} failed"


def rvu_lines(findings: Iterable[Finding], tables: Tables) -> Iterator[str]:
    """RVU totals in words, a line for each result, and for all that can be compared."""
    found = totals(findings, tables)
    for name in (*RESULTS, "all"):
        if name not in found:
            continue
        value = found[name]
        if value.supported is None:
            yield f"RVU, {name}: {value.billed:,} billed"
        else:
            told = f"{value.billed:,} billed, {value.supported:,} supported, {signed(value.difference)}"
            yield f"RVU, {name}: {told}"


def signed(value: Decimal | None) -> str:
    """A difference with its sign.

    Examples
    --------
    >>> signed(Decimal("1211.26")), signed(Decimal("-3")), signed(Decimal(0))
    ('+1,211.26', '-3', '0')
    """
    return "" if value is None else f"{value:+,}" if value else "0"
