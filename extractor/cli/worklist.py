"""``pvl worklist``: put notes on the worklist, suggest anew, and check that nobody changed it unseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli import suggesting
from extractor.cli.options import ServiceDate, Sources, Workers, reads_sources, service_day
from extractor.cli.outcome import FAILED, Errors, complain, reported, tell

if TYPE_CHECKING:
    from extractor.readers import Note, Options
    from extractor.suggestion import Suggestion
    from extractor.worklist.database import Store
    from extractor.worklist.filing import WouldChange

app = typer.Typer(no_args_is_help=True, help="The coders' worklist: notes in, decisions out.")

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="PVL_DATABASE_URL",
        help="sqlite:///FILE or postgresql://USER@HOST/DATABASE (a password only by the variable: others see "
        "what a command is called with); without, a file in the user's data folder.",
        show_default=False,
        show_envvar=True,
    ),
]


@contextmanager
def opened(database: str | None) -> Iterator[Store]:
    """Open the worklist for a command; what goes wrong with it becomes a message and an exit status.

    Examples
    --------
    >>> try:
    ...     with opened("mysql://host/base"):
    ...         pass
    ... except typer.Exit as end:
    ...     print(end.exit_code)
    1
    """
    from contextlib import closing

    from extractor.worklist.database import Store, default_url

    with reported(), closing(Store(database or default_url())) as store:
        yield store


@app.command("import")
@reads_sources
def import_notes(
    paths: Sources,
    *,
    site: Annotated[str, typer.Option("--site", help="Where the notes come from, to filter by.")] = "",
    style: Annotated[str, typer.Option("--style", help="Who writes like that, to compare by.")] = "",
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Keep no text: only the place of each note and its hash.")
    ] = False,
    keep_none: Annotated[
        bool, typer.Option("--keep-none", help="Also file notes that concern no closure.")
    ] = False,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore", help="A text that was superseded supersedes in its turn, instead of being old."
        ),
    ] = False,
    workers: Workers = 1,
    database: Database = None,
    options: Options,
    service_date: ServiceDate = None,
) -> None:
    """Code notes and put them on the worklist; one that is there and says the same changes nothing."""
    from extractor.readers import dated, read
    from extractor.worklist import settings
    from extractor.worklist.filing import Label, file_notes
    from extractor.worklist.trail import SYSTEM

    errors = Errors()
    day = service_day(service_date)
    with opened(database) as store:
        with store.reading() as session:
            keeps = settings.read(session).keep_text
        filed = file_notes(
            store,
            dated(read(paths, errors, options), day),
            _Engine(),
            by=SYSTEM,
            keep_text=keeps and not no_text,
            keep_none=keep_none,
            label=Label(site, style),
            workers=workers,
            restore=restore,
        )
    for one in (*filed.refused, *filed.notices):
        errors(one)
    tell(
        f"{filed.new} new, {filed.revised} revised (of them {filed.reopened} open again), "
        f"{filed.same} as before, {filed.older} older than what is there left out, "
        f"{filed.skipped} without a closure left out, {errors.count} failed"
    )
    if errors.count:
        raise typer.Exit(FAILED)


@app.command("resuggest")
@reads_sources
def resuggest_notes(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Where the notes are whose texts the worklist does not keep.",
            show_default=False,
        ),
    ] = None,
    *,
    workers: Workers = 1,
    database: Database = None,
    options: Options,
) -> None:
    """Suggest anew by the rules of today: undecided notes change, of decided ones it is listed what would."""
    from extractor.worklist.filing import resuggest
    from extractor.worklist.trail import SYSTEM

    errors = Errors()
    with opened(database) as store:
        texts = _texts(paths, errors, options) if paths else None
        found = resuggest(
            store,
            _Engine(),
            by=SYSTEM,
            texts=None if texts is None else lambda revision: texts.get(revision.sha256),
            workers=workers,
        )
    for one in found.decided:
        tell(_would_change(one))
    tell(
        f"{found.changed} undecided notes changed, {len(found.decided)} decided ones would change, "
        f"{found.same} as before, {found.without_text} without text"
    )
    if errors.count:
        raise typer.Exit(FAILED)


@app.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="HASH",
            help="A last hash that was noted elsewhere; it must be in the trail.",
            show_default=False,
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Check that nobody changed the trail, or what it tells of, behind the worklist's back.

    That is notes, suggestions, decisions, queries, exports, users and settings.
    """
    from extractor.errors import WorklistError
    from extractor.worklist.trail import holds, verify_seals
    from extractor.worklist.trail import verify as verify_trail

    with opened(database) as store, store.reading() as session:
        verdict = verify_trail(session)
        found = [] if verdict.wrong is None else [f"row {verdict.wrong} of the trail: {verdict.problem}"]
        if not found:
            found += verify_seals(session)
        if expect is not None and not holds(session, expect):
            found.append("the hash that was noted is not in the trail")
        place = store.place
    for problem in found:
        complain(WorklistError("W011", place, problem, "compare with a backup"))
    if found:
        raise typer.Exit(FAILED)
    tell(f"{verdict.rows} rows, all as they were recorded; the last hash is {verdict.last}")


class _Engine:
    """Makes suggestions; the engine is loaded when the first note is there that has to be coded."""

    def pipe(self, notes: Iterable[Note], workers: int = 1) -> Iterator[Suggestion]:
        from collections import Counter

        return suggesting.suggestions(iter(notes), workers, Counter())


def _texts(paths: list[str], errors: Errors, options: Options) -> dict[str, str]:
    """Texts by their hash."""
    from extractor.readers import read
    from extractor.worklist.filing import sha256

    return {sha256(note.text): note.text for note in read(paths, errors, options)}


def _would_change(one: WouldChange) -> str:
    def written(units: dict[str, int]) -> str:
        return ", ".join(f"{code} x{number}" for code, number in sorted(units.items())) or "nothing"

    before, now = one.status
    status = "" if before == now else f"; {before} then, {now} now"
    return (
        f"{one.note_id}: decided {written(one.decided)}; suggested {written(one.suggested)} then, "
        f"{written(one.now)} now{status}"
    )
