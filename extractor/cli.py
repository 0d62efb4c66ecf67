"""The command ``pvl``: notes in, codes out.

Everything heavy is imported inside the commands: ``pvl --help`` and the shell's
completion never wait for spaCy.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from extractor import __version__
from extractor.errors import InputError, InputNotice, OutputError, PvlError, TableError
from extractor.files import BatchFormat
from extractor.terminal import printable

if TYPE_CHECKING:
    from datetime import date

    from extractor.coder import Coder
    from extractor.evaluate import Gold
    from extractor.export import Annotated as AnnotatedNote
    from extractor.published import Change
    from extractor.readers import Note, Options
    from extractor.rules import RuleBook
    from extractor.suggestion import Suggestion
    from extractor.tables import Table

FAILED = 1
"""Exit status when an input, a rule or an example failed."""

MISUSED = 2
"""Exit status when nothing was begun, because of how the command was given."""

STOPPED = 130
"""Exit status after an interrupt from the keyboard."""

_SHOWN_IDS = 5
_SHOWN_CHANGES = 20

# Tracebacks with local variables would print notes.
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Suggest codes for percutaneous paravalvular leak closures, with the evidence for every unit.",
    epilog="Exit status: 0 all well, 1 some input or rule failed (the others are done), 2 wrong usage.",
)
rules_app = typer.Typer(no_args_is_help=True, help="Check the rules in patterns/, or try them on a sentence.")
app.add_typer(rules_app, name="rules")
tables_app = typer.Typer(no_args_is_help=True, help="List the payer's tables, or import a newer edition.")
app.add_typer(tables_app, name="tables")


class Format(StrEnum):
    """Forms in which suggestions are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


class TableKind(StrEnum):
    """Kinds of tables that CMS publishes."""

    mue = "mue"
    ptp = "ptp"
    aoc = "aoc"
    mpfs = "mpfs"


class ClaimSetting(StrEnum):
    """Who claims."""

    practitioner = "practitioner"
    outpatient_hospital = "outpatient_hospital"


class ImpactFormat(StrEnum):
    """Forms in which the impact of a change is written."""

    text = "text"
    jsonl = "jsonl"


class ExportFormat(StrEnum):
    """Formats of other tools."""

    fhir = "fhir"
    brat = "brat"
    label_studio = "label-studio"
    prodigy = "prodigy"
    displacy = "displacy"
    displacy_html = "displacy-html"


class LetterFormat(StrEnum):
    """Forms in which queries are written."""

    txt = "txt"
    docx = "docx"


class Engine(StrEnum):
    """What runs over a corpus."""

    local = "local"
    spark = "spark"


class ScoreFormat(StrEnum):
    """Forms in which figures are written."""

    table = "table"
    json = "json"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="A note (.txt, .rtf, .docx, .pdf, .html), notes (.jsonl with id and text, FHIR .json, "
        "HL7 v2 .hl7, C-CDA .xml), a table (.csv, .tsv, .parquet), a folder of them, the URL of a database "
        "with --query, or - for one note of plain text from standard input.",
        show_default=False,
    ),
]
_TABLES = "Tables and databases"


def _column(option: str, what: str) -> Any:
    help_text = f"Column with {what}, where the guess does not fit."
    return typer.Option(option, metavar="NAME", help=help_text, rich_help_panel=_TABLES)


IdColumn = Annotated[str | None, _column("--id-column", "the id of a note")]
TextColumn = Annotated[str | None, _column("--text-column", "the text of a note, or of a line of it")]
LineColumn = Annotated[str | None, _column("--line-column", "the number of a line, where a note has many")]
RevisionColumn = Annotated[str | None, _column("--revision-column", "the number or time of a version")]
StatusColumn = Annotated[str | None, _column("--status-column", "whether a note is signed")]
ParentColumn = Annotated[str | None, _column("--parent-column", "the note that an addendum belongs to")]
ServiceDate = Annotated[
    str | None,
    typer.Option(
        "--service-date",
        metavar="YYYY-MM-DD",
        help="Date of service of notes whose source tells none; else that of the letterhead, if it has one.",
    ),
]
Query = Annotated[
    str | None,
    typer.Option("--query", metavar="SQL", help="Rows to read from a database.", rich_help_panel=_TABLES),
]
Patterns = Annotated[
    Path | None,
    typer.Option(
        "--patterns", metavar="FOLDER", help="Folder of pattern files to use instead of the shipped ones."
    ),
]


class _Errors:
    """Prints each failed input on standard error, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, error: PvlError) -> None:
        self.count += not isinstance(error, InputNotice)
        typer.echo(f"pvl: {printable(str(error))}", err=True)


def make_coder() -> Coder:
    """Load the engine; no other command than those that need it waits for spaCy."""
    # All that loading makes is kept: looking for garbage in it, now or at exit, finds none and takes long.
    gc.disable()
    try:
        from extractor.coder import Coder

        with _reported():
            return Coder()
    finally:
        gc.freeze()
        gc.enable()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pvl {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Suggest codes for percutaneous paravalvular leak closures, with the evidence for every unit."""


@app.command()
def code(
    paths: Sources,
    form: Annotated[
        Format,
        typer.Option("--format", help="table for reading, jsonl for everything, csv for a spreadsheet."),
    ] = Format.table,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write to this file instead; it appears when it is complete."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, metavar="N", help="Processes to use; the output is the same for any number."
        ),
    ] = 1,
    keep_text: Annotated[
        Path | None,
        typer.Option(
            "--keep-text",
            metavar="DIR",
            help="Write the text of each note, which offsets refer to, into this new folder as well.",
        ),
    ] = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
    service_date: ServiceDate = None,
) -> None:
    """Suggest codes for notes, in the order they are given."""
    from extractor.readers import Options, read

    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    _check_out(out, paths)
    if keep_text is not None:
        _check_empty(keep_text, paths)
    errors = _Errors()
    statuses: Counter[str] = Counter()
    with (
        _reported(),
        _kept(read(paths, errors, options), keep_text) as kept,
        _destination(out, exact=form is not Format.table) as stream,
    ):
        notes = _served(kept, _service_date(service_date))
        suggestions = _counted(_suggestions(notes, workers), statuses)
        if form is Format.table:
            from extractor.output import print_table
            from extractor.terminal import console

            print_table(suggestions, console(stream))
        else:
            from extractor.output import csv_lines, jsonl

            stream.writelines((jsonl if form is Format.jsonl else csv_lines)(suggestions))
    from extractor.output import summary

    if errors.count or out:
        typer.echo(summary(statuses, errors.count), err=True)
    elif form is Format.table:
        typer.echo(summary(statuses, errors.count))
    if errors.count:
        raise typer.Exit(FAILED)


@app.command()
def export(
    paths: Sources,
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--to",
            help="fhir: a Bundle a line; brat: a folder; label-studio: tasks, and the interface beside them; "
            "prodigy and displacy: a task a line; displacy-html: one page.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE|FOLDER",
            help="Write to this file instead; it appears when it is complete. For brat a folder, "
            "for label-studio a .json file (its .xml appears beside it): needed for both.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, metavar="N", help="Processes to use; the output is the same for any number."
        ),
    ] = 1,
    recorded: Annotated[
        str | None,
        typer.Option(
            "--recorded",
            metavar="INSTANT",
            help="For fhir: when the suggestions were made, such as 2024-07-01T12:00:00Z; unknown otherwise.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace an earlier export, with what was corrected in it."),
    ] = False,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
) -> None:
    """Write suggestions with their evidence for other tools, to be checked and corrected there."""
    from extractor.output import summary
    from extractor.readers import Options, read

    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    if recorded is not None:
        _check_instant(form, recorded)
    try:
        _check_export(form, out, paths, force)
    except OutputError as error:
        typer.echo(f"pvl: {printable(str(error))}", err=True)
        raise typer.Exit(MISUSED) from None
    errors = _Errors()
    statuses: Counter[str] = Counter()
    items = _annotated(read(paths, errors, options), workers, statuses)
    _write_export(form, items, out, recorded, force)
    if errors.count or out:
        typer.echo(summary(statuses, errors.count), err=True)
    if errors.count:
        raise typer.Exit(FAILED)


@app.command()
def batch(
    sources: Sources,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the results; made if it is not there."),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Processes that code notes; the results are the same for any number.",
            show_default="one for each processor",
        ),
    ] = None,
    form: Annotated[
        BatchFormat,
        typer.Option("--format", help="Form of the tables; the worklist and the errors are always csv."),
    ] = BatchFormat.parquet,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped; the results are the same.")
    ] = False,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", min=0.1, metavar="SECONDS", help="Time that one note may take."),
    ] = 60.0,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
    patterns: Patterns = None,
    engine: Annotated[
        Engine,
        typer.Option(
            "--engine",
            help="spark: tables by a cluster, from files with a note a row; needs the group spark.",
        ),
    ] = Engine.local,
    master: Annotated[
        str | None,
        typer.Option("--master", metavar="URL", help="For spark: the cluster, or local[N] for this machine."),
    ] = None,
) -> None:
    """Code a corpus of any size: tables, a worklist, errors and a report, in a folder.

    A run that was stopped goes on with --resume. A note that hangs or breaks a worker costs only itself.
    """
    from extractor import batch as running
    from extractor.output import summary
    from extractor.progress import Progress
    from extractor.readers import Options

    _check_results(out, sources)
    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    if engine is Engine.spark:
        if resume or form is not BatchFormat.parquet or workers is not None:
            raise typer.BadParameter("--engine spark takes no --resume, --workers or --format but parquet")
        _run_spark(sources, out, master, options, _rules(patterns) if patterns else None, time_limit)
        return
    if master is not None:
        raise typer.BadParameter("--master is for --engine spark")
    job = running.Job(tuple(sources), out, form, workers or os.cpu_count() or 1, time_limit, resume, options)
    try:
        with _reported(), Progress(sources, sys.stderr) as progress:
            report = running.run(job, _rules(patterns), progress)
    except KeyboardInterrupt:
        typer.echo("pvl: stopped; the same command with --resume goes on from here", err=True)
        raise typer.Exit(STOPPED) from None
    except OSError as error:
        problem = f"cannot be written ({error.strerror or type(error).__name__})"
        typer.echo(f"pvl: {printable(str(out))}: {problem}; the same command with --resume goes on", err=True)
        raise typer.Exit(FAILED) from None
    typer.echo(
        f"{summary(report.statuses, report.failed)}; see {printable(str(out / 'report.html'))}", err=True
    )
    if report.failed:
        raise typer.Exit(FAILED)


@app.command()
def explain(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A note: a file, a folder, the URL of a database with --query, or - for standard input.",
            show_default=False,
        ),
    ],
    note_id: Annotated[
        str | None, typer.Option("--note-id", metavar="ID", help="Which note, when there is more than one.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page instead of printing."),
    ] = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
    service_date: ServiceDate = None,
) -> None:
    """Show why: the note with its evidence, the proof of every unit, every mention."""
    from extractor.readers import Options

    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    _check_out(html, [path])
    served = _service_date(service_date)
    note = _one_note(path, note_id, options)
    explanation = make_coder().explain(note.text, note.note_id, note.standing, note.served or served)
    if html is not None:
        from extractor.page import render_page

        with _destination(html, exact=True) as stream:
            stream.write(render_page(note.text, explanation))
        typer.echo(f"wrote {printable(str(html))}", err=True)
        return
    from extractor.explain import print_explanation
    from extractor.terminal import console

    with _destination(None) as stream:
        print_explanation(note.text, explanation, console(stream))


@app.command("query")
def draft_letters(
    paths: Sources,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the drafts; made if it is not there."),
    ],
    form: Annotated[
        LetterFormat, typer.Option("--format", help="txt: plain text; docx: for a word processor.")
    ] = LetterFormat.txt,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, metavar="N", help="Processes to use; the output is the same for any number."
        ),
    ] = 1,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace earlier drafts of the same name, with all changes to them."),
    ] = False,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
) -> None:
    """Draft the queries to the physician: a file for each note in review that a physician can clear up.

    Each draft quotes the note, offers what it supports, and waits for a person who checks and sends it.
    """
    from extractor.readers import Options, read

    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    _check_results(out, paths)
    if not out.is_dir() and not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {printable(str(out.parent))} does not exist: create it first")
    errors = _Errors()
    statuses: Counter[str] = Counter()
    suggestions = _counted(_suggestions(read(paths, errors, options), workers), statuses)
    try:
        out.mkdir(exist_ok=True)
        drafted, written = _write_letters(suggestions, out, form, force, errors)
    except OSError as error:
        raise _unwritable(out, error) from None
    drafts = "1 draft" if written == 1 else f"{written} drafts"
    without = statuses["review"] - drafted
    _echo(f"{drafts} written; {without} of {statuses['review']} in review ask nothing of a physician")
    if errors.count:
        raise typer.Exit(FAILED)


def _write_letters(
    suggestions: Iterable[Suggestion], out: Path, form: LetterFormat, force: bool, errors: _Errors
) -> tuple[int, int]:
    """Write each letter under its name once it is complete; how many there are, and how many were written."""
    from extractor.export import letters
    from extractor.rules import load_rules

    words = load_rules().form
    drafted = written = 0
    for name, content in letters.letters(suggestions, words, form.value) if words is not None else ():
        path = out / name
        drafted += 1
        if not force and os.path.lexists(path):
            remedy = "name another folder, or give --force to replace it with all that was changed in it"
            errors(_exists(path, "O001", "it exists already", remedy))
            continue
        part = path.with_name(f".{name}.{os.getpid()}.part")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        written += 1
    return drafted, written


@app.command()
def evaluate(
    gold: Annotated[
        list[str],
        typer.Argument(
            metavar="GOLD.jsonl",
            help="Labelled notes: id, text and gold on each line.",
            show_default=False,
        ),
    ],
    show: Annotated[
        int, typer.Option("--show", min=0, metavar="N", help="How many wrong notes to list.")
    ] = 20,
    form: Annotated[
        ScoreFormat, typer.Option("--format", help="table for reading, json for everything.")
    ] = ScoreFormat.table,
    workers: Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Processes to use.")] = 1,
) -> None:
    """Compare suggestions with gold labels: figures with 95 % intervals, overall and per style."""
    from extractor import evaluate as scoring
    from extractor.terminal import console

    errors = _Errors()
    labelled = list(scoring.load(gold, errors))
    if labelled:
        suggestions = list(make_coder().pipe([item.note for item in labelled], workers=workers))
        overall = scoring.score(labelled, suggestions)
        styles = scoring.by_style(labelled, suggestions)
        with _destination(None, exact=form is ScoreFormat.json) as stream:
            if form is ScoreFormat.json:
                stream.write(scoring.to_json(overall, styles) + "\n")
            else:
                scoring.print_score(overall, styles, show, console(stream))
    if errors.count or not labelled:
        typer.echo(f"{len(labelled)} labelled notes, {errors.count} inputs failed", err=True)
        raise typer.Exit(FAILED)


@rules_app.command("check")
def rules_check(
    notes: Annotated[
        list[str] | None,
        typer.Option(
            "--notes", metavar="PATH", help="Report rules that no note here uses; may be given again."
        ),
    ] = None,
    patterns: Patterns = None,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
) -> None:
    """Run every rule's own examples, and report phrases that two rules claim."""
    from extractor.readers import Options, read
    from extractor.workbench import check

    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    errors = _Errors()
    report = check(_rules(patterns), read(notes or [], errors, options))
    for failure in report.failures:
        _echo(f"{failure.rule}: {failure.list} example does not hold: {failure.example}")
        _echo(f"    {failure.problem}")
    for duplicate in report.duplicates:
        _echo(f"phrase “{duplicate.phrase}” ({duplicate.kind}) is claimed by {', '.join(duplicate.rules)}")
    if report.unused:
        _echo(f"used by none of {report.notes} notes ({len(report.unused)}): {', '.join(report.unused)}")
    failed, double = len(report.failures), len(report.duplicates)
    _echo(f"{report.rules} rules, {report.examples} examples, {failed} failed, {double} double phrases")
    if failed or errors.count:
        raise typer.Exit(FAILED)


@rules_app.command("try")
def rules_try(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Any sentence, in quotes.", show_default=False)],
    patterns: Patterns = None,
) -> None:
    """Show which rules match a sentence, where and why."""
    from extractor.workbench import try_text

    matches = try_text(text, _rules(patterns))
    for match in matches:
        _echo(f"{match.start}-{match.end}  {match.text}")
        _echo(f"    {match.rule}" + (f"  ({match.means})" if match.means else ""))
        _echo(f"    by {match.why}; source: {match.source}")
    if not matches:
        _echo("no rule matches")


@rules_app.command("impact")
def rules_impact(
    corpus: Sources,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="REV|FILE",
            help="The old rules: a git revision, a folder or zip file of pattern files, or one pattern "
            "file that stands in for its namesake.",
        ),
    ] = "HEAD",
    patterns: Patterns = None,
    form: Annotated[
        ImpactFormat,
        typer.Option("--format", help="text for reading, jsonl for every change with its places."),
    ] = ImpactFormat.text,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, metavar="N", help="Processes to use; the output is the same for any number."
        ),
    ] = 1,
    fail_on_loss: Annotated[
        bool, typer.Option("--fail-on-loss", help="Exit with status 1 when a labelled note got worse.")
    ] = False,
    id_column: IdColumn = None,
    text_column: TextColumn = None,
    line_column: LineColumn = None,
    revision_column: RevisionColumn = None,
    status_column: StatusColumn = None,
    parent_column: ParentColumn = None,
    query: Query = None,
) -> None:
    """Show which notes a change of the rules changes, from what to what and by which rule.

    Only rules are compared: the old ones and those of the pattern folder, both read by the code of today.
    Notes with gold labels also show whether they went from right to wrong or from wrong to right.
    """
    from extractor import impact
    from extractor.readers import Options
    from extractor.revisions import complete, other_rules
    from extractor.rules import patterns_dir
    from extractor.terminal import console

    options = Options(
        id_column, text_column, line_column, revision_column, status_column, parent_column, query
    )
    errors = _Errors()
    folder = patterns or patterns_dir()
    with _reported():
        new = complete(_rules(patterns), str(folder))
        old = other_rules(against, folder)
    totals = impact.total(impact.compare(_labelled(corpus, errors, options), old, new, workers))
    edited = impact.edited_rules(old, new)
    with _destination(None, exact=form is ImpactFormat.jsonl) as stream:
        if form is ImpactFormat.jsonl:
            stream.writelines(impact.jsonl(totals, edited, old, new))
        else:
            impact.print_impact(totals, edited, old, new, console(stream))
    if errors.count:
        typer.echo(f"{totals.notes} notes compared, {errors.count} inputs failed", err=True)
    if errors.count or (fail_on_loss and totals.worse):
        raise typer.Exit(FAILED)


@tables_app.command("list")
def tables_list() -> None:
    """Show the editions of every table, where each comes from and until when it holds."""
    from datetime import timedelta

    from extractor.tables import load_tables, own_dir

    with _reported():
        tables = load_tables()
    rows = [("Table", "Setting", "Edition", "Through", "Rows", "Source")]
    for table in tables.editions:
        through = str(table.until - timedelta(days=1))
        rows.append(
            (
                table.kind,
                table.setting or "all",
                str(table.edition),
                through,
                str(len(table.rows)),
                table.source,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        _echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    _echo(f"imported tables are in {own_dir()}")


@tables_app.command("import")
def tables_import(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="The file as CMS publishes it, unpacked: CSV or tab text; all of them where it is parted.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        TableKind,
        typer.Option(
            "--kind",
            help="mue units per day, ptp pairs, aoc add-on codes, mpfs fee schedule.",
            show_default=False,
        ),
    ],
    edition: Annotated[
        str, typer.Option("--edition", metavar="YYYY-MM-DD", help="The day from which it holds.")
    ],
    setting: Annotated[
        ClaimSetting | None,
        typer.Option("--setting", help="For whom the file is; needed for ptp, which does not say."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the same edition where it was imported before.")
    ] = False,
) -> None:
    """Import an edition into the user's data folder, and show what it changes."""
    from extractor.published import changes, read_published
    from extractor.tables import edition_of, load_tables, own_dir, store

    with _reported():
        tables = load_tables()
        day = edition_of(edition)
        found = read_published(
            files, kind.value, day, setting.value if setting else None, tables, complete=not force
        )
        for table in found:
            same = next((t for t in tables.of(table.kind, table.setting) if t.edition == day), None)
            if same is not None and changes(same, table) and not force:
                problem = "this edition is there already, with other values"
                raise TableError(
                    "T010", str(files[0]), problem, "check --edition, or give --force to replace it"
                )
        for table in found:
            before = [t for t in tables.of(table.kind, table.setting) if t.edition < day]
            path = store(table, own_dir())
            _tell_changes(
                before[-1] if before else None, table, changes(before[-1] if before else None, table)
            )
            _echo(f"{len(table.rows)} rows kept in {path}")


def _tell_changes(before: Table | None, table: Table, changed: list[Change]) -> None:
    noun = {"ptp": "pairs", "mue": "limits", "aoc": "add-on pairs"}.get(table.kind, "rows")
    noun = noun.removesuffix("s") if len(changed) == 1 else noun
    since = f"since {before.edition}" if before else "as there is no edition before it"
    _echo(f"{table.file}: {len(changed)} {noun} changed for this code family {since}")
    ordered = sorted(changed, key=lambda change: (change.after is None, change.before is None))
    for change in ordered[:_SHOWN_CHANGES]:
        key = " ".join(part for part in change.key if part)
        if change.before is None or change.after is None:
            _echo(f"  {'+' if change.before is None else '-'} {key}")
            continue
        pairs = [(a, b) for a, b in zip(change.before, change.after, strict=True) if a != b]
        _echo(f"  * {key}: " + ", ".join(f"{a or 'nothing'} to {b or 'nothing'}" for a, b in pairs))
    if len(changed) > _SHOWN_CHANGES:
        _echo(f"  and {len(changed) - _SHOWN_CHANGES} more")


def _service_date(text: str | None) -> date | None:
    """The date of service that the user gives."""
    from extractor.dates import parse_date

    if text is None:
        return None
    day = parse_date(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    if day is None:
        raise typer.BadParameter(f"{printable(text)} is no day: write it like 2024-07-01")
    return day


def _served(notes: Iterator[Note], day: date | None) -> Iterator[Note]:
    """Notes with a date of service for those whose source tells none."""
    from dataclasses import replace

    for note in notes:
        yield replace(note, served=day) if day is not None and note.served is None else note


def _write_export(
    form: ExportFormat, items: Iterator[AnnotatedNote], out: Path | None, recorded: str | None, force: bool
) -> None:
    if form is ExportFormat.brat and out is not None:
        from extractor.export import brat

        with _new_folder(out, force) as folder, _writing(out):
            brat.write(items, folder)
        return
    with _destination(out, exact=True) as stream:
        stream.writelines(_exported(form, items, recorded))
    if form is ExportFormat.label_studio and out is not None:
        from extractor.export import label_studio

        with _destination(out.with_suffix(".xml"), exact=True) as stream:
            stream.write(label_studio.config())


def _exported(form: ExportFormat, items: Iterator[AnnotatedNote], recorded: str | None) -> Iterator[str]:
    """The parts of the one file of a format."""
    if form is ExportFormat.fhir:
        from extractor.export import fhir

        return fhir.lines(items, recorded)
    if form is ExportFormat.prodigy:
        from extractor.export import prodigy

        return prodigy.lines(items)
    if form is ExportFormat.label_studio:
        from extractor.export import label_studio

        return label_studio.lines(items)
    from extractor.export import displacy

    return (displacy.page if form is ExportFormat.displacy_html else displacy.lines)(items)


def _annotated(notes: Iterator[Note], workers: int, statuses: Counter[str]) -> Iterator[AnnotatedNote]:
    """Notes with what is suggested for them; only those still being worked on are remembered."""
    from extractor.export import annotate

    texts: deque[str] = deque()

    def remembered() -> Iterator[Note]:
        for note in notes:
            texts.append(note.text)
            yield note

    for suggestion in _counted(_suggestions(remembered(), workers), statuses):
        yield annotate(texts.popleft(), suggestion)


def _labelled(paths: list[str], errors: _Errors, options: Options) -> Iterator[tuple[Note, Gold | None]]:
    """Notes with their labels; one that is not usable is reported, and its note compared without."""
    from extractor.evaluate import notes_with_labels

    for note, gold in notes_with_labels(paths, errors, options):
        if isinstance(gold, InputError):
            errors(gold)
            gold = None
        yield note, gold


def _rules(patterns: Path | None) -> RuleBook:
    from extractor.rules import load_rules

    with _reported():
        return load_rules(patterns)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn an error that stops everything into its message and exit status 1."""
    try:
        yield
    except PvlError as error:
        typer.echo(f"pvl: {printable(str(error))}", err=True)
        raise typer.Exit(FAILED) from None


def _suggestions(notes: Iterator[Note], workers: int) -> Iterator[Suggestion]:
    # Without a single note there is nothing to load the engine for.
    first = next(notes, None)
    if first is not None:
        yield from make_coder().pipe(chain([first], notes), workers=workers)


def _counted(suggestions: Iterable[Suggestion], statuses: Counter[str]) -> Iterator[Suggestion]:
    for suggestion in suggestions:
        statuses[suggestion.status] += 1
        yield suggestion


def _one_note(path: str, note_id: str | None, options: Options) -> Note:
    """Find the one note meant: errors of other notes do not matter once it is found."""
    from extractor.readers import place, read, shown

    failed: list[InputError] = []
    notes = read([path], failed.append, options)
    if note_id is None:
        found = [note for _, note in zip(range(_SHOWN_IDS + 1), notes, strict=False)]
        if len(found) > 1:
            ids = ", ".join(printable(note.note_id) for note in found[:_SHOWN_IDS])
            more = " ..." if len(found) > _SHOWN_IDS else ""
            raise typer.BadParameter(f"more than one note here, name one with --note-id: {ids}{more}")
    else:
        found = [note for note in notes if note.note_id == note_id][:1]
        if not found:
            where = place(shown(path), note_id=note_id)
            failed.append(InputError("I017", where, "no such note", "check the id; it must be exact"))
    if not found:
        errors = _Errors()
        for error in failed:
            errors(error)
        raise typer.Exit(FAILED)
    return found[0]


def _check_out(out: Path | None, sources: list[str]) -> None:
    if out is None:
        return
    if out.is_dir():
        raise typer.BadParameter(f"{printable(str(out))} is a folder: name a file to write")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {printable(str(out.parent))} does not exist: create it first")
    if any(source != "-" and Path(source).resolve() == out.resolve() for source in sources):
        raise typer.BadParameter(f"{printable(str(out))} is one of the inputs: name another file to write")


def _check_export(form: ExportFormat, out: Path | None, sources: list[str], force: bool) -> None:
    """An earlier export may have been corrected: none is written over unless it is said."""
    if form is ExportFormat.brat:
        _check_folder(out, sources, force)
        return
    if form is ExportFormat.label_studio and (out is None or out.suffix.lower() != ".json"):
        raise typer.BadParameter("label-studio needs --out with the name of a .json file")
    if out is None:
        return
    for path in (out, out.with_suffix(".xml")) if form is ExportFormat.label_studio else (out,):
        _check_out(path, sources)
        if not force and os.path.lexists(path):
            raise _exists(path, "O001", "it exists already")


def _exists(path: Path, code: str, problem: str, remedy: str = "") -> OutputError:
    remedy = remedy or "name another, or give --force to replace it with all that was changed in it"
    return OutputError(code, str(path), problem, remedy)


def _check_instant(form: ExportFormat, recorded: str) -> None:
    from datetime import datetime

    if form is not ExportFormat.fhir:
        raise typer.BadParameter("--recorded is for --to fhir")
    # A FHIR instant is never less exact than this; fromisoformat alone would take a date.
    exact = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", recorded, re.ASCII)
    try:
        valid = exact is not None and datetime.fromisoformat(recorded) is not None
    except ValueError:
        valid = False
    if not valid:
        raise typer.BadParameter(
            f"{printable(recorded)} is no instant: give date, time to the second and zone, "
            "for example 2024-07-01T12:00:00Z"
        )


def _check_folder(out: Path | None, sources: list[str], force: bool) -> None:
    from extractor.export import brat

    if out is None:
        raise typer.BadParameter("brat needs --out with the name of a folder to make")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {printable(str(out.parent))} does not exist: create it first")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise typer.BadParameter(f"{printable(str(out))} is a file: name a folder to make")
    inputs = (Path(source).resolve() for source in sources if source != "-")
    if any(found.is_relative_to(out.resolve()) for found in inputs):
        raise typer.BadParameter(f"{printable(str(out))} holds the input: name another folder to make")
    if not out.exists() or not any(out.iterdir()):
        return
    if not force:
        raise _exists(out, "O002", "the folder is not empty")
    if not brat.is_export(out):
        raise _exists(out, "O003", "the folder holds what no export wrote", "name another folder")


def _check_empty(out: Path, sources: list[str]) -> None:
    """A folder for texts is a new one: what is in it may be someone's notes."""
    _check_results(out, sources)
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {printable(str(out.parent))} does not exist: create it first")
    if out.is_symlink() or (out.exists() and any(out.iterdir())):
        raise typer.BadParameter(f"{printable(str(out))} is not an empty folder: name one to make")


@contextmanager
def _new_folder(out: Path, force: bool) -> Iterator[Path]:
    """Make a folder that takes its name, and the place of an earlier one, only once it is complete."""
    from shutil import rmtree

    part = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.part")
    old = part.with_suffix(".old")
    try:
        with _writing(out):
            part.mkdir()
        yield part
        with _writing(out):
            if force and out.exists():
                out.rename(old)
            elif out.exists():
                out.rmdir()
            part.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        rmtree(part, ignore_errors=True)
        if out.exists():
            rmtree(old, ignore_errors=True)


@contextmanager
def _kept(notes: Iterator[Note], folder: Path | None) -> Iterator[Iterator[Note]]:
    """Notes that leave their text in a folder, which appears when it is complete."""
    if folder is None:
        yield notes
        return
    from extractor.texts import keep

    with _new_folder(folder, force=False) as part:
        yield keep(notes, part)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(out, error) from None


def _unwritable(out: Path, error: OSError) -> typer.Exit:
    """Tell that a file or folder cannot be written."""
    problem = f"cannot be written ({error.strerror or type(error).__name__})"
    failed = OutputError("O004", str(out), problem, "see that there is room and that you may write there")
    typer.echo(f"pvl: {printable(str(failed))}", err=True)
    return typer.Exit(FAILED)


def _run_spark(
    sources: list[str],
    out: Path,
    master: str | None,
    options: Options,
    rules: RuleBook | None,
    time_limit: float,
) -> None:
    from importlib.util import find_spec
    from shutil import which

    from extractor.output import summary

    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{printable(str(out))} is not empty: name another folder")
    if find_spec("pyspark") is None:
        raise typer.BadParameter(
            "--engine spark needs the group spark: in the folder of pvl, pip install '.[spark]'"
        )
    if which("java") is None and "JAVA_HOME" not in os.environ:
        raise typer.BadParameter(
            "--engine spark needs Java 17 or later: put java on the path, or set JAVA_HOME"
        )
    from extractor.spark import run

    with _reported():
        statuses = run(sources, out, master or "local[*]", options, rules, time_limit)
    failed = statuses.pop("failed")
    typer.echo(f"{summary(statuses, failed)}; see {printable(str(out))}", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _check_results(out: Path, sources: list[str]) -> None:
    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{printable(str(out))} is a file: name a folder to write to")
    inside = (source for source in sources if source != "-" and os.path.isdir(source))
    if any(out.resolve().is_relative_to(Path(source).resolve()) for source in inside):
        raise typer.BadParameter(f"{printable(str(out))} is in a folder of the inputs: name another one")


@contextmanager
def _destination(out: Path | None, exact: bool = False) -> Iterator[TextIO]:
    """Open standard output, or a file that replaces ``out`` only once it is complete.

    ``exact`` output is the same bytes on every machine: UTF-8, line ends as written.
    """
    if out is None:
        if isinstance(sys.stdout, TextIOWrapper):
            if exact:
                sys.stdout.reconfigure(encoding="utf-8", newline="")
            else:
                sys.stdout.reconfigure(errors="replace")
        yield sys.stdout
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as stream:
            yield stream
        os.replace(part, out)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        part.unlink(missing_ok=True)


def _echo(text: str) -> None:
    typer.echo(printable(text))
