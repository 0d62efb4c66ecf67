"""Report: an audit on one page that needs nothing from outside.

There is no script in it: a style pinned by hash filters the rows. It may hold quotations
of notes, so it is to be kept as the notes are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from extractor.audit.finding import RESULTS, Finding
from extractor.audit.output import signed
from extractor.audit.rvu import totals
from extractor.edits import together
from extractor.page import asset, page
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.suggestion import Span
    from extractor.tables import Tables

_HEADS = ("Result", "Encounter", "Date", "Code", "Billed", "Supported", "Finding", "Note")
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Audited:
    """What was audited, for the head of the page.

    Attributes
    ----------
    notes, claims
        How many were read.
    failed
        Inputs that failed.
    rules_version
        The rules by which notes were coded.
    of
        How many findings there are in all, where the page shows a sample of them.
    """

    notes: int
    claims: int
    failed: int
    rules_version: str
    of: int | None = None


def render_audit(findings: Sequence[Finding], audited: Audited, tables: Tables | None = None) -> str:
    """The page of an audit.

    Parameters
    ----------
    findings
        What to show.
    audited
        What was audited.
    tables
        The payer's tables where RVUs are wanted.
    """
    counts: Counter[str] = Counter(one.result for one in findings)
    parts = [
        _head(findings, audited),
        '<main class="audit">',
        f"<section><h2>Results</h2>{_numbers(counts)}</section>",
        _rvus(findings, tables) if tables else "",
        f"<section><h2>Findings</h2>{_filter(counts)}{_table(findings)}</section>",
        "</main>",
    ]
    body = "\n".join(part for part in parts if part)
    return page("Audit of billed claims", body, asset("page.css") + asset("audit/report.css") + _filters())


def _filters() -> str:
    """Rows disappear with the mark of their result; units that agree stay where something else is wrong."""
    return "".join(
        f"body:has(#f-{_name(result)}:not(:checked)) tr.{_name(result)}:not(.issue) {{ display: none; }}\n"
        if result == "agree"
        else f"body:has(#f-{_name(result)}:not(:checked)) tr.{_name(result)} {{ display: none; }}\n"
        for result in RESULTS
    )


def _name(result: str) -> str:
    return result.replace(" ", "-")


def _text(value: str) -> str:
    return escape(printable(value))


def _head(findings: Sequence[Finding], audited: Audited) -> str:
    encounters = len({one.encounter for one in findings})
    sample = f", a sample of {audited.of:,}" if audited.of is not None else ""
    failed = f'<span class="status failed">{audited.failed:,} failed</span>' if audited.failed else ""
    return (
        "<header><h1>Audit of billed claims</h1>"
        f'<span class="codes">{len(findings):,} codes{sample}, {encounters:,} encounters</span>'
        f"<span>{audited.notes:,} notes, {audited.claims:,} claims</span>{failed}"
        f'<span class="rules">rules {_text(audited.rules_version)}</span></header>'
    )


def _numbers(counts: Counter[str]) -> str:
    boxes = (
        f'<div class="{_name(name)}"><b>{counts[name]:,}</b><span>{name}</span></div>' for name in RESULTS
    )
    return f'<div class="numbers">{"".join(boxes)}</div>'


def _filter(counts: Counter[str]) -> str:
    """A box for each result that occurs; those that agree are hidden at first where others do not."""
    only = set(counts) <= {"agree"}
    boxes = (
        f'<label><input type="checkbox" id="f-{_name(name)}"'
        f"{' checked' if only or name != 'agree' else ''}>"
        f'<span class="word {_name(name)}">{name} {counts[name]:,}</span></label>'
        for name in RESULTS
        if counts[name]
    )
    return f'<div class="filter">{"".join(boxes)}</div>'


def _rvus(findings: Sequence[Finding], tables: Tables) -> str:
    found = totals(findings, tables)
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{value.billed:,}</td>'
        f"<td>{'' if value.supported is None else f'{value.supported:,}'}</td>"
        f"<td>{signed(value.difference)}</td></tr>"
        for name in (*RESULTS, "all")
        if (value := found.get(name))
    )
    head = "<tr><th>Result</th><th>Billed</th><th>Supported</th><th>Difference</th></tr>"
    note = "Work, facility practice expense and malpractice, for practitioners, before any reduction."
    return (
        f'<section><h2>Relative value units</h2><table class="totals">{head}{rows}</table>'
        f'<p class="soft">{note}</p></section>'
    )


def _table(findings: Sequence[Finding]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _HEADS)
    body = "\n".join(_row(one) for one in findings)
    return f'<div class="scroll"><table class="findings"><tr>{head}</tr>\n{body}\n</table></div>'


def _row(one: Finding) -> str:
    kind = f'<div class="soft">{_text(one.kind.replace("_", " "))}</div>' if one.kind else ""
    name = _name(one.result)
    return (
        f'<tr class="{name}{" issue" if one.issue else ""}">'
        f'<td><span class="word {name}">{one.result}</span></td>'
        f'<td>{_text(one.encounter)}</td><td class="units">{_text(one.date)}{kind}</td>'
        f'<td class="code">{_text(one.code)}{_modifiers(one)}</td><td class="units">{one.billed}</td>'
        f'<td class="units">{one.supported}</td><td>{_text(one.finding)}{_details(one)}</td>'
        f"<td>{_text(', '.join(one.notes))}"
        f'<div class="soft">{_text(one.status)}</div></td></tr>'
    )


def _modifiers(one: Finding) -> str:
    return f'<div class="soft">{_text(" ".join(one.modifiers))}</div>' if one.modifiers else ""


def _details(one: Finding) -> str:
    """Evidence, proof, edits and places, folded."""
    parts = []
    if one.evidence:
        parts.append(("Evidence", "".join(map(_quote, one.evidence))))
    if one.proof:
        parts.append(("Proof", _text(one.proof)))
    for edit, where in together(one.edits):
        label = f'<span class="{edit.severity}">{edit.severity.capitalize()}</span>'
        parts.append(("Edit", f'{label}: {_text(edit.message)} <span class="soft">{_text(where)}</span>'))
    if one.claims:
        parts.append(("Billed in", _text("; ".join(one.claims))))
    if one.joined:
        parts.append(("Joined by", _text(one.joined)))
    if not parts:
        return ""
    rows = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in parts)
    return f"<details><summary>evidence and proof</summary><dl>{rows}</dl></details>"


def _quote(span: Span) -> str:
    words = " ".join(span.text.split())
    words = words if len(words) <= _LONGEST else words[: _LONGEST - 2] + " …"
    return f'<span class="quote">“{_text(words)}” <span class="soft">{span.start}–{span.end}</span></span>'
