"""``pvl audit``: billed claims beside the notes that have to support them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from extractor.cli.destination import check_file, open_output
from extractor.cli.options import Sources, Workers, reads_sources
from extractor.cli.outcome import FAILED, Errors, reported, tell
from extractor.cli.suggesting import suggestions
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.audit import BilledClaim, Finding
    from extractor.audit.report import Audited
    from extractor.readers import Note, Options
    from extractor.tables import Tables

_CLAIMS = "Claims"
"""Where the help shows the options of tables of claims."""


class AuditFormat(StrEnum):
    """Forms in which findings are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


def _claim_column(option: str, what: str) -> Any:
    help_text = f"Column of a table of claims with {what}, where the guess does not fit."
    return typer.Option(option, metavar="NAME", help=help_text, rich_help_panel=_CLAIMS)


@reads_sources
def audit(
    paths: Sources,
    *,
    claims: Annotated[
        list[str],
        typer.Option(
            "--claims",
            metavar="FILE",
            help="Billed claims: X12 837P or 837I, or a table (.csv, .tsv) with a line a row; "
            "may be given again.",
        ),
    ],
    form: Annotated[
        AuditFormat,
        typer.Option("--format", help="table: what does not agree; csv and jsonl: every finding."),
    ] = AuditFormat.table,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write to this file instead; it appears when it is complete."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the findings as one page as well."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", min=1, metavar="N", help="Only so many findings, of every kind, for people to check."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Which sample: the same number draws the same one.")
    ] = 1,
    rvu: Annotated[
        bool, typer.Option("--rvu", help="Relative value units billed and supported, for practitioners.")
    ] = False,
    workers: Workers = 1,
    options: Options,
    encounter_from: Annotated[
        str,
        typer.Option(
            "--encounter-from",
            metavar="FIELD",
            help="Where an 837 claim has the id of its encounter: clm01, or ref- and a qualifier "
            "such as ref-d9.",
            rich_help_panel=_CLAIMS,
        ),
    ] = "clm01",
    claim_encounter_column: Annotated[
        str | None, _claim_column("--claim-encounter-column", "the id of the encounter")
    ] = None,
    claim_date_column: Annotated[
        str | None, _claim_column("--claim-date-column", "the date of service")
    ] = None,
    claim_code_column: Annotated[str | None, _claim_column("--claim-code-column", "the code")] = None,
    claim_units_column: Annotated[str | None, _claim_column("--claim-units-column", "the units")] = None,
    claim_modifiers_column: Annotated[
        str | None, _claim_column("--claim-modifiers-column", "the modifiers")
    ] = None,
) -> None:
    """Compare billed claims with what the notes support, code by code.

    What is found is no failure: the exit status tells only of inputs that could not be read.
    """
    from extractor.audit import ClaimColumns

    _check(paths, claims, out, html, encounter_from)
    names = ClaimColumns(
        claim_encounter_column,
        claim_date_column,
        claim_code_column,
        claim_units_column,
        claim_modifiers_column,
    )
    errors = Errors()
    with reported(), open_output(out, exact=form is not AuditFormat.table) as stream:
        findings, audited, tables = _audit(
            paths, claims, options, names, encounter_from.lower(), workers, errors
        )
        shown = findings if sample is None else _drawn(findings, sample, seed)
        _write(shown, form, stream, tables if rvu else None, sample is not None)
    if html is not None:
        _write_page(html, shown, audited, tables if rvu else None, len(findings) if sample else None)
    _conclude(
        findings, shown, tables if rvu else None, errors, quiet=form is not AuditFormat.table and not out
    )
    if errors.count:
        raise typer.Exit(FAILED)


def _check(
    paths: list[str], claims: list[str], out: Path | None, html: Path | None, encounter_from: str
) -> None:
    """Refuse what cannot be meant before work begins."""
    check_file(out, [*paths, *claims])
    check_file(html, [*paths, *claims])
    if out is not None and html is not None and out.resolve() == html.resolve():
        raise typer.BadParameter("--out and --html name the same file: give each its own")
    if not re.fullmatch(r"clm01|ref-[a-z0-9]{2,3}", encounter_from.lower()):
        problem = f"{printable(encounter_from)} is neither clm01 nor ref- and a qualifier such as ref-d9"
        raise typer.BadParameter(problem)


def _audit(
    paths: list[str],
    files: list[str],
    options: Options,
    names: Any,
    encounter_from: str,
    workers: int,
    errors: Errors,
) -> tuple[list[Finding], Audited, Tables]:
    """Read claims and notes, code the notes and compare."""
    from extractor.audit import adjusted, compare, documented, load_family, read_claims
    from extractor.audit.report import Audited
    from extractor.readers import read
    from extractor.rules import load_rules
    from extractor.tables import load_tables

    book, tables = load_rules(), load_tables()
    family = load_family(book, tables)
    claims: list[BilledClaim] = read_claims(files, errors, family.codes, encounter_from, names)
    failed = errors.count
    kept, notices = adjusted(claims)
    for notice in notices:
        errors(notice)
    statuses: Counter[str] = Counter()

    def coded(notes: Iterator[Note]) -> Iterator[Any]:
        return suggestions(notes, workers, statuses)

    notes = documented(read(paths, errors, options), coded, tables.labels)
    findings = compare(notes, kept, book, family, lost=failed > 0)
    return findings, Audited(statuses.total(), len(claims), errors.count, book.version), tables


def _drawn(findings: list[Finding], size: int, seed: int) -> list[Finding]:
    from extractor.audit import sample

    return sample(findings, size, seed)


def _write(
    shown: list[Finding], form: AuditFormat, stream: Any, tables: Tables | None, agreeing: bool
) -> None:
    from extractor.audit.output import csv_lines, jsonl, print_table
    from extractor.terminal import console

    if form is AuditFormat.table:
        print_table(shown, console(stream), agreeing)
    else:
        stream.writelines((jsonl if form is AuditFormat.jsonl else csv_lines)(shown, tables))


def _write_page(
    html: Path, shown: list[Finding], audited: Audited, tables: Tables | None, of: int | None
) -> None:
    from dataclasses import replace

    from extractor.audit.report import render_audit

    with open_output(html) as stream:
        stream.write(render_audit(shown, replace(audited, of=of), tables))


def _conclude(
    findings: list[Finding], shown: list[Finding], tables: Tables | None, errors: Errors, quiet: bool
) -> None:
    """The closing lines; on standard error where standard output is for a program."""
    from extractor.audit.output import rvu_lines, summary

    lines = list(rvu_lines(shown, tables)) if tables else []
    if len(shown) != len(findings):
        lines.append(f"shown is a sample of {len(shown)}, drawn from what follows")
    lines.append(summary(findings, errors.count))
    for line in lines:
        if quiet:
            typer.echo(printable(line), err=True)
        else:
            tell(line)
