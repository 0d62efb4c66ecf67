"""``pvl query``: draft the queries to the physician."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.destination import check_folder, check_parent, write_whole, writing
from extractor.cli.options import Sources, Workers, reads_sources
from extractor.cli.outcome import FAILED, Errors, tell
from extractor.cli.suggesting import suggestions
from extractor.errors import OutputError

if TYPE_CHECKING:
    from extractor.readers import Options
    from extractor.suggestion import Suggestion


class LetterFormat(StrEnum):
    """Forms in which queries are written."""

    txt = "txt"
    docx = "docx"


@reads_sources
def query(
    paths: Sources,
    *,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the drafts; made if it is not there."),
    ],
    form: Annotated[
        LetterFormat, typer.Option("--format", help="txt: plain text; docx: for a word processor.")
    ] = LetterFormat.txt,
    workers: Workers = 1,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace earlier drafts of the same name, with all changes to them."),
    ] = False,
    options: Options,
) -> None:
    """Draft the queries to the physician: a file for each note in review that a physician can clear up.

    Each draft quotes the note, offers what it supports, and waits for a person who checks and sends it.
    """
    from extractor.readers import read

    check_folder(out, paths)
    if not out.is_dir():
        check_parent(out)
    errors = Errors()
    statuses: Counter[str] = Counter()
    found = suggestions(read(paths, errors, options), workers, statuses)
    with writing(out):
        out.mkdir(exist_ok=True)
        drafted, written = _write_letters(found, out, form, force, errors)
    drafts = "1 draft" if written == 1 else f"{written} drafts"
    without = statuses["review"] - drafted
    tell(f"{drafts} written; {without} of {statuses['review']} in review ask nothing of a physician")
    if errors.count:
        raise typer.Exit(FAILED)


def _write_letters(
    found: Iterable[Suggestion], out: Path, form: LetterFormat, force: bool, errors: Errors
) -> tuple[int, int]:
    """Write each letter under its name once it is complete; how many there are, and how many were written."""
    from extractor.export import letters
    from extractor.rules import load_rules

    words = load_rules().form
    drafted = written = 0
    for name, content in letters.letters(found, words, form.value) if words is not None else ():
        path = out / name
        drafted += 1
        if not force and os.path.lexists(path):
            remedy = "name another folder, or give --force to replace it with all that was changed in it"
            errors(OutputError("O001", str(path), "it exists already", remedy))
            continue
        write_whole(path, content)
        written += 1
    return drafted, written
