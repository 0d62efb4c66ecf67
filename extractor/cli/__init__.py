"""The command ``pvl``: notes in, codes out.

A module for each command or family of commands. ``options`` holds what several of them
take, ``destination`` where they write, ``outcome`` how they end, ``suggesting`` the engine.
Everything heavy is imported inside the commands: ``pvl --help`` and the shell's
completion never wait for spaCy.
"""

from __future__ import annotations

from typing import Annotated

import typer

from extractor import __version__
from extractor.cli import (
    audit,
    batch,
    code,
    evaluate,
    explain,
    export,
    query,
    rules,
    tables,
    worklist,
    worklist_out,
    worklist_serve,
    worklist_users,
)

# Tracebacks with local variables would print notes.
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Suggest codes for percutaneous paravalvular leak closures, with the evidence for every unit.",
    epilog="Exit status: 0 all well, 1 some input or rule failed (the others are done), 2 wrong usage.",
)


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


# The help shows them in this order.
app.command()(code.code)
app.command()(export.export)
app.command()(batch.batch)
app.command()(explain.explain)
app.command()(query.query)
app.command()(audit.audit)
app.command()(evaluate.evaluate)
app.add_typer(rules.app, name="rules")
app.add_typer(tables.app, name="tables")
app.add_typer(worklist.app, name="worklist")
worklist.app.add_typer(worklist_users.app, name="users")
worklist.app.command()(worklist_out.export)
worklist.app.command()(worklist_out.gold)
worklist.app.command()(worklist_serve.serve)
worklist.app.command()(worklist_serve.demo)
