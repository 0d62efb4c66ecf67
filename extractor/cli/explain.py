"""``pvl explain``: show why, for one note."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli import suggesting
from extractor.cli.destination import check_file, open_output
from extractor.cli.options import ServiceDate, reads_sources, service_day
from extractor.cli.outcome import FAILED, Errors
from extractor.errors import InputError, InputNotice
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.readers import Note, Options

_SHOWN_IDS = 5


@reads_sources
def explain(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A note: a file, a folder, the URL of a database with --query, or - for standard input.",
            show_default=False,
        ),
    ],
    *,
    note_id: Annotated[
        str | None, typer.Option("--note-id", metavar="ID", help="Which note, when there is more than one.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page instead of printing."),
    ] = None,
    options: Options,
    service_date: ServiceDate = None,
) -> None:
    """Show why: the note with its evidence, the proof of every unit, every mention."""
    check_file(html, [path])
    served = service_day(service_date)
    note = _one_note(path, note_id, options)
    coder = suggesting.make_coder()
    explanation = coder.explain(note.text, note.note_id, note.standing, note.served or served)
    if html is not None:
        from extractor.page import render_page

        with open_output(html, exact=True) as stream:
            stream.write(render_page(note.text, explanation))
        typer.echo(f"wrote {printable(str(html))}", err=True)
        return
    from extractor.explain import print_explanation
    from extractor.terminal import console

    with open_output(None) as stream:
        print_explanation(note.text, explanation, console(stream))


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
        errors = Errors()
        for error in failed:
            errors(error)
        raise typer.Exit(FAILED)
    for error in failed:
        if isinstance(error, InputNotice) and error.where.endswith(f"note {found[0].note_id}"):
            Errors()(error)
    return found[0]
