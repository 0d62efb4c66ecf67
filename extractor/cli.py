"""The command ``pvl``: notes in, codes out.

Everything heavy is imported inside the commands: ``pvl --help`` and the shell's
completion never wait for spaCy.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from extractor import __version__
from extractor.errors import InputError, InputNotice, PvlError
from extractor.files import BatchFormat
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.coder import Coder
    from extractor.evaluate import Gold
    from extractor.readers import Note
    from extractor.rules import RuleBook
    from extractor.suggestion import Suggestion

FAILED = 1
"""Exit status when an input, a rule or an example failed."""

STOPPED = 130
"""Exit status after an interrupt from the keyboard."""

_SHOWN_IDS = 5

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


class Format(StrEnum):
    """Forms in which suggestions are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


class ImpactFormat(StrEnum):
    """Forms in which the impact of a change is written."""

    text = "text"
    jsonl = "jsonl"


class ScoreFormat(StrEnum):
    """Forms in which figures are written."""

    table = "table"
    json = "json"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="A .txt file (one note), a .jsonl file (one object per line with id and text), "
        "a folder of them, or - for one note from standard input.",
        show_default=False,
    ),
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
) -> None:
    """Suggest codes for notes, in the order they are given."""
    from extractor.readers import read

    _check_out(out, paths)
    errors = _Errors()
    statuses: Counter[str] = Counter()
    suggestions = _counted(_suggestions(read(paths, errors), workers), statuses)
    with _destination(out, exact=form is not Format.table) as stream:
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
    patterns: Patterns = None,
) -> None:
    """Code a corpus of any size: tables, a worklist, errors and a report, in a folder.

    A run that was stopped goes on with --resume. A note that hangs or breaks a worker costs only itself.
    """
    from extractor import batch as running
    from extractor.output import summary
    from extractor.progress import Progress

    _check_folder(out, sources)
    job = running.Job(tuple(sources), out, form, workers or os.cpu_count() or 1, time_limit, resume)
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
            metavar="PATH", help="A note: .txt, .jsonl, folder, or - for standard input.", show_default=False
        ),
    ],
    note_id: Annotated[
        str | None, typer.Option("--note-id", metavar="ID", help="Which note, when there is more than one.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page instead of printing."),
    ] = None,
) -> None:
    """Show why: the note with its evidence, the proof of every unit, every mention."""
    _check_out(html, [path])
    note = _one_note(path, note_id)
    explanation = make_coder().explain(note.text, note.note_id, note.standing)
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
) -> None:
    """Run every rule's own examples, and report phrases that two rules claim."""
    from extractor.readers import read
    from extractor.workbench import check

    errors = _Errors()
    report = check(_rules(patterns), read(notes or [], errors))
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
) -> None:
    """Show which notes a change of the rules changes, from what to what and by which rule.

    Only rules are compared: the old ones and those of the pattern folder, both read by the code of today.
    Notes with gold labels also show whether they went from right to wrong or from wrong to right.
    """
    from extractor import impact
    from extractor.revisions import complete, other_rules
    from extractor.rules import patterns_dir
    from extractor.terminal import console

    errors = _Errors()
    folder = patterns or patterns_dir()
    with _reported():
        new = complete(_rules(patterns), str(folder))
        old = other_rules(against, folder)
    totals = impact.total(impact.compare(_labelled(corpus, errors), old, new, workers))
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


def _labelled(paths: list[str], errors: _Errors) -> Iterator[tuple[Note, Gold | None]]:
    """Notes with their labels; one that is not usable is reported, and its note compared without."""
    from extractor.evaluate import notes_with_labels

    for note, gold in notes_with_labels(paths, errors):
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


def _one_note(path: str, note_id: str | None) -> Note:
    """Find the one note meant: errors of other notes do not matter once it is found."""
    from extractor.readers import read

    failed: list[InputError] = []
    notes = read([path], failed.append)
    if note_id is None:
        found = [note for _, note in zip(range(_SHOWN_IDS + 1), notes, strict=False)]
        if len(found) > 1:
            ids = ", ".join(printable(note.note_id) for note in found[:_SHOWN_IDS])
            more = " ..." if len(found) > _SHOWN_IDS else ""
            raise typer.BadParameter(f"more than one note here, name one with --note-id: {ids}{more}")
    else:
        found = [note for note in notes if note.note_id == note_id][:1]
        if not found:
            place = "standard input" if path == "-" else path
            failed.append(
                InputError(
                    "I017", f"{place}, note {note_id}", "no such note", "check the id; it must be exact"
                )
            )
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


def _check_folder(out: Path, sources: list[str]) -> None:
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
        problem = f"cannot be written ({error.strerror or type(error).__name__})"
        typer.echo(f"pvl: {printable(str(out))}: {problem}", err=True)
        raise typer.Exit(FAILED) from None
    finally:
        part.unlink(missing_ok=True)


def _echo(text: str) -> None:
    typer.echo(printable(text))
