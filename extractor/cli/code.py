"""``pvl code``: suggest codes for notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from extractor.cli.destination import check_file, check_new_folder, new_folder, open_output
from extractor.cli.options import ServiceDate, Sources, Workers, reads_sources, service_day
from extractor.cli.outcome import FAILED, Errors, reported
from extractor.cli.suggesting import suggestions

if TYPE_CHECKING:
    from extractor.readers import Note, Options
    from extractor.suggestion import Suggestion


class Format(StrEnum):
    """Forms in which suggestions are written."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


@reads_sources
def code(
    paths: Sources,
    *,
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
    workers: Workers = 1,
    keep_text: Annotated[
        Path | None,
        typer.Option(
            "--keep-text",
            metavar="DIR",
            help="Write the text of each note, which offsets refer to, into this new folder as well.",
        ),
    ] = None,
    options: Options,
    service_date: ServiceDate = None,
) -> None:
    """Suggest codes for notes, in the order they are given."""
    from extractor.output import summary
    from extractor.readers import dated, read

    day = service_day(service_date)
    check_file(out, paths)
    if keep_text is not None:
        check_new_folder(keep_text, paths)
    errors = Errors()
    statuses: Counter[str] = Counter()
    with (
        reported(),
        _kept(read(paths, errors, options), keep_text) as kept,
        open_output(out, exact=form is not Format.table) as stream,
    ):
        _write(suggestions(dated(kept, day), workers, statuses), form, stream)
    if errors.count or out:
        typer.echo(summary(statuses, errors.count), err=True)
    elif form is Format.table:
        typer.echo(summary(statuses, errors.count))
    if errors.count:
        raise typer.Exit(FAILED)


@contextmanager
def _kept(notes: Iterator[Note], folder: Path | None) -> Iterator[Iterator[Note]]:
    """Notes that leave their text in a folder, which appears when it is complete."""
    if folder is None:
        yield notes
        return
    from extractor.texts import keep

    with new_folder(folder) as part:
        yield keep(notes, part)


def _write(found: Iterable[Suggestion], form: Format, stream: TextIO) -> None:
    from extractor.output import csv_lines, jsonl, print_table
    from extractor.terminal import console

    if form is Format.table:
        print_table(found, console(stream))
    else:
        stream.writelines((jsonl if form is Format.jsonl else csv_lines)(found))
