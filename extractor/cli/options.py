"""Options that several commands take, each said once, and what their values stand for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from extractor.cli.outcome import reported
from extractor.terminal import printable

if TYPE_CHECKING:
    from datetime import date

    from extractor.readers import Options
    from extractor.rules import RuleBook

_TABLES = "Tables and databases"
"""Where the help shows the options of such sources."""

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
Workers = Annotated[
    int,
    typer.Option(
        "--workers", min=1, metavar="N", help="Processes to use; the output is the same for any number."
    ),
]
ServiceDate = Annotated[
    str | None,
    typer.Option(
        "--service-date",
        metavar="YYYY-MM-DD",
        help="Date of service of notes whose source tells none; else that of the letterhead, if it has one.",
    ),
]
Patterns = Annotated[
    Path | None,
    typer.Option(
        "--patterns", metavar="FOLDER", help="Folder of pattern files to use instead of the shipped ones."
    ),
]


def _column(option: str, what: str) -> Any:
    help_text = f"Column with {what}, where the guess does not fit."
    return typer.Option(option, metavar="NAME", help=help_text, rich_help_panel=_TABLES)


def _source_options(
    *,
    id_column: Annotated[str | None, _column("--id-column", "the id of a note")] = None,
    text_column: Annotated[
        str | None, _column("--text-column", "the text of a note, or of a line of it")
    ] = None,
    line_column: Annotated[
        str | None, _column("--line-column", "the number of a line, where a note has many")
    ] = None,
    revision_column: Annotated[
        str | None, _column("--revision-column", "the number or time of a version")
    ] = None,
    status_column: Annotated[str | None, _column("--status-column", "whether a note is signed")] = None,
    parent_column: Annotated[
        str | None, _column("--parent-column", "the note that an addendum belongs to")
    ] = None,
    date_column: Annotated[str | None, _column("--date-column", "the date of service")] = None,
    encounter_column: Annotated[
        str | None, _column("--encounter-column", "the id of the encounter (visit)")
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="SQL", help="Rows to read from a database.", rich_help_panel=_TABLES),
    ] = None,
) -> Options:
    from extractor.readers import Options

    return Options(
        id_column,
        text_column,
        line_column,
        revision_column,
        status_column,
        parent_column,
        query,
        date_column,
        encounter_column,
    )


def reads_sources(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of sources, in the place of its parameter ``options``.

    Parameters
    ----------
    command
        Takes the ``Options`` of the readers as the keyword ``options``.

    Returns
    -------
    Callable
        The command as typer is to see it: with an option for each column, and for the query.

    Examples
    --------
    >>> @reads_sources
    ... def show(*, options: Options, count: int = 1) -> None:
    ...     print(options.id_column, options.query, count)
    >>> list(inspect.signature(show).parameters)[-3:]
    ['encounter_column', 'query', 'count']
    >>> show(id_column="KEY", count=2)
    KEY None 2
    """
    shared = _signature(_source_options).parameters
    signature = _signature(command)
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        parameters.extend(shared.values() if name == "options" else [parameter])

    @wraps(command)
    def taking_each(*args: Any, **values: Any) -> None:
        options = _source_options(**{name: values.pop(name) for name in shared if name in values})
        command(*args, options=options, **values)

    # typer reads both.
    taking_each.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    taking_each.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return taking_each


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    # The readers are not imported for a command's help, so their name stands for nothing here.
    return inspect.signature(function, eval_str=True, locals={"Options": object})


def service_day(text: str | None) -> date | None:
    """Read the date of service that the user gives.

    Examples
    --------
    >>> str(service_day("2024-07-01"))
    '2024-07-01'
    >>> try:
    ...     service_day("1 July")
    ... except typer.BadParameter as error:
    ...     print(error)
    1 July is no day: write it like 2024-07-01
    """
    from extractor.dates import parse_date

    if text is None:
        return None
    day = parse_date(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    if day is None:
        raise typer.BadParameter(f"{printable(text)} is no day: write it like 2024-07-01")
    return day


def rule_book(patterns: Path | None) -> RuleBook:
    """Load the rules of a pattern folder, or the shipped ones.

    Examples
    --------
    >>> try:
    ...     rule_book(Path("no-such-folder"))
    ... except typer.Exit as end:
    ...     print(end.exit_code)
    1
    """
    from extractor.rules import load_rules

    with reported():
        return load_rules(patterns)
