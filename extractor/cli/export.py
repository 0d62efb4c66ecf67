"""``pvl export``: write suggestions with their evidence for other tools."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.destination import check_file, check_parent, new_folder, open_output, writing
from extractor.cli.options import ServiceDate, Sources, Workers, reads_sources, service_day
from extractor.cli.outcome import FAILED, MISUSED, Errors, reported
from extractor.cli.suggesting import suggestions
from extractor.errors import OutputError
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.export import Annotated as AnnotatedNote
    from extractor.readers import Note, Options

_REPLACE = "name another, or give --force to replace it with all that was changed in it"


class ExportFormat(StrEnum):
    """Formats of other tools."""

    fhir = "fhir"
    brat = "brat"
    label_studio = "label-studio"
    prodigy = "prodigy"
    displacy = "displacy"
    displacy_html = "displacy-html"


@reads_sources
def export(
    paths: Sources,
    *,
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
    workers: Workers = 1,
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
    options: Options,
    service_date: ServiceDate = None,
) -> None:
    """Write suggestions with their evidence for other tools, to be checked and corrected there."""
    from extractor.output import summary
    from extractor.readers import dated, read

    day = service_day(service_date)
    if recorded is not None:
        _check_instant(form, recorded)
    with reported(MISUSED):
        _check_output(form, out, paths, force)
    errors = Errors()
    statuses: Counter[str] = Counter()
    items = _annotated(dated(read(paths, errors, options), day), workers, statuses)
    _write(form, items, out, recorded, force)
    if errors.count or out:
        typer.echo(summary(statuses, errors.count), err=True)
    if errors.count:
        raise typer.Exit(FAILED)


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


def _check_output(form: ExportFormat, out: Path | None, sources: list[str], force: bool) -> None:
    """An earlier export may have been corrected: none is written over unless it is said."""
    if form is ExportFormat.brat:
        _check_brat_folder(out, sources, force)
        return
    if form is ExportFormat.label_studio and (out is None or out.suffix.lower() != ".json"):
        raise typer.BadParameter("label-studio needs --out with the name of a .json file")
    if out is None:
        return
    for path in (out, out.with_suffix(".xml")) if form is ExportFormat.label_studio else (out,):
        check_file(path, sources)
        if not force and os.path.lexists(path):
            raise OutputError("O001", str(path), "it exists already", _REPLACE)


def _check_brat_folder(out: Path | None, sources: list[str], force: bool) -> None:
    from extractor.export import brat

    if out is None:
        raise typer.BadParameter("brat needs --out with the name of a folder to make")
    check_parent(out)
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise typer.BadParameter(f"{printable(str(out))} is a file: name a folder to make")
    inputs = (Path(source).resolve() for source in sources if source != "-")
    if any(found.is_relative_to(out.resolve()) for found in inputs):
        raise typer.BadParameter(f"{printable(str(out))} holds the input: name another folder to make")
    if not out.exists() or not any(out.iterdir()):
        return
    if not force:
        raise OutputError("O002", str(out), "the folder is not empty", _REPLACE)
    if not brat.is_export(out):
        raise OutputError("O003", str(out), "the folder holds what no export wrote", "name another folder")


def _annotated(notes: Iterator[Note], workers: int, statuses: Counter[str]) -> Iterator[AnnotatedNote]:
    """Notes with what is suggested for them; only those still being worked on are remembered."""
    from extractor.export import annotate

    texts: deque[str] = deque()

    def remembered() -> Iterator[Note]:
        for note in notes:
            texts.append(note.text)
            yield note

    for suggestion in suggestions(remembered(), workers, statuses):
        yield annotate(texts.popleft(), suggestion)


def _write(
    form: ExportFormat, items: Iterator[AnnotatedNote], out: Path | None, recorded: str | None, force: bool
) -> None:
    if form is ExportFormat.brat and out is not None:
        from extractor.export import brat

        with new_folder(out, force) as folder, writing(out):
            brat.write(items, folder)
        return
    with open_output(out, exact=True) as stream:
        stream.writelines(_parts(form, items, recorded))
    if form is ExportFormat.label_studio and out is not None:
        from extractor.export import label_studio

        with open_output(out.with_suffix(".xml"), exact=True) as stream:
            stream.write(label_studio.config())


def _parts(form: ExportFormat, items: Iterator[AnnotatedNote], recorded: str | None) -> Iterator[str]:
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
