"""``pvl evaluate``: compare suggestions with gold labels."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from extractor.cli import suggesting
from extractor.cli.destination import open_output
from extractor.cli.outcome import FAILED, Errors


class ScoreFormat(StrEnum):
    """Forms in which figures are written."""

    table = "table"
    json = "json"


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

    errors = Errors()
    labelled = list(scoring.load(gold, errors))
    if labelled:
        notes = [item.note for item in labelled]
        suggestions = list(suggesting.make_coder().pipe(notes, workers=workers))
        overall = scoring.score(labelled, suggestions)
        styles = scoring.by_style(labelled, suggestions)
        with open_output(None, exact=form is ScoreFormat.json) as stream:
            if form is ScoreFormat.json:
                stream.write(scoring.to_json(overall, styles) + "\n")
            else:
                scoring.print_score(overall, styles, show, console(stream))
    if errors.count or not labelled:
        typer.echo(f"{len(labelled)} labelled notes, {errors.count} inputs failed", err=True)
        raise typer.Exit(FAILED)
