"""``pvl worklist export`` and ``gold``: decisions leave the worklist."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.destination import check_file, open_output
from extractor.cli.worklist import Database, opened
from extractor.cli.worklist_users import BY

if TYPE_CHECKING:
    from extractor.worklist.models import Export


class Form(StrEnum):
    """The forms of files; those of the worklist would load its database for every ``--help``."""

    csv = "csv"
    jsonl = "jsonl"
    fhir = "fhir"
    x12 = "x12"


_DAY = ["%Y-%m-%d"]

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write to this file, readable by you alone, instead of standard output; it appears when it is "
        "complete.",
        show_default=False,
    ),
]
Site = Annotated[str, typer.Option("--site", help="Only notes of this site.")]
Style = Annotated[str, typer.Option("--style", help="Only notes of this style.")]


def export(
    *,
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="csv: a row a line, safe to open in a spreadsheet; jsonl: a note a line with the whole "
            "decision; fhir: an R4 Bundle a line; x12: claims and service lines of an 837P.",
        ),
    ] = Form.csv,
    out: Out = None,
    again: Annotated[
        int | None,
        typer.Option(
            "--again",
            metavar="ID",
            min=1,
            max=2**31 - 1,
            help="The file of this earlier export once more, byte for byte, instead of a new one.",
            show_default=False,
        ),
    ] = None,
    site: Site = "",
    style: Style = "",
    code: Annotated[str, typer.Option("--code", help="Only notes for which this code was suggested.")] = "",
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since", metavar="YYYY-MM-DD", formats=_DAY, help="First date of service.", show_default=False
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", metavar="YYYY-MM-DD", formats=_DAY, help="Last date of service.", show_default=False
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Export what is decided and was not exported before: each decision leaves once."""
    from extractor.worklist import exports
    from extractor.worklist.queue import Filters

    filters = Filters(site=site, style=style, code=code, since=_day(since), until=_day(until))
    if again is not None and filters != Filters():
        raise typer.BadParameter("--again gives a file as it was made: leave out the other filters")
    check_file(out, [])
    with opened(database) as store:
        if again is None:
            with store.reading() as session:
                number = exports.waiting(session, filters)
            if not number:
                _say("nothing is decided that was not exported")
                return
        # The file is opened first: where it cannot be written, nothing is marked as exported.
        with open_output(out, exact=True, private=True) as stream:
            if again is None:
                made, content = exports.make(store, BY, form, filters)
            else:
                made, content = exports.again(store, BY, again)
            stream.write(content.decode())
            _say(_told(made, again is not None, number - made.number if again is None else 0))


def gold(
    *,
    out: Out = None,
    site: Site = "",
    style: Style = "",
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            metavar="YYYY-MM-DD",
            formats=_DAY,
            help="First day of the decisions (UTC).",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            metavar="YYYY-MM-DD",
            formats=_DAY,
            help="Last day of the decisions (UTC).",
            show_default=False,
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Write decided notes with their text as labels that pvl evaluate reads: measure yourself."""
    from extractor.worklist.learning import Scope, write_gold

    check_file(out, [])
    scope = Scope(_day(since), _day(until), site, style)
    with opened(database) as store, open_output(out, exact=True, private=True) as stream:
        number = write_gold(store, BY, stream.write, scope)
    _say(f"{number} {'note' if number == 1 else 'notes'} with labels")


def _told(export: Export, again: bool, left: int) -> str:
    notes = f"{export.number} {'note' if export.number == 1 else 'notes'}"
    if again:
        return f"export {export.id} again: {notes}, as on {export.made_at:%Y-%m-%d}"
    more = "; more wait for the next export" if left > 0 else ""
    return f"export {export.id}: {notes}{more}; the same file again with --again {export.id}"


def _say(text: str) -> None:
    """On standard error: standard output may be the file."""
    typer.echo(text, err=True)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
