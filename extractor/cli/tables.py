"""``pvl tables``: list the payer's tables, or import a newer edition."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.outcome import reported, tell
from extractor.errors import TableError

if TYPE_CHECKING:
    from datetime import date

    from extractor.published import Change
    from extractor.tables import Setting, Table, Tables

_SHOWN_CHANGES = 20

app = typer.Typer(no_args_is_help=True, help="List the payer's tables, or import a newer edition.")


class TableKind(StrEnum):
    """Kinds of tables that CMS publishes."""

    mue = "mue"
    ptp = "ptp"
    aoc = "aoc"
    mpfs = "mpfs"


class ClaimSetting(StrEnum):
    """Who claims."""

    practitioner = "practitioner"
    outpatient_hospital = "outpatient_hospital"


@app.command("list")
def list_tables() -> None:
    """Show the editions of every table, where each comes from and until when it holds."""
    from datetime import timedelta

    from extractor.tables import load_tables, own_dir

    with reported():
        tables = load_tables()
    rows = [("Table", "Setting", "Edition", "Through", "Rows", "Source")]
    for table in tables.editions:
        setting, size = table.setting or "all", str(len(table.rows))
        through = str(table.until - timedelta(days=1))
        rows.append((table.kind, setting, str(table.edition), through, size, table.source))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        tell("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    tell(f"imported tables are in {own_dir()}")


@app.command("import")
def import_tables(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="The file as CMS publishes it: a zip, a workbook (.xlsx), CSV or text; "
            "all of them where it is parted.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        TableKind,
        typer.Option(
            "--kind",
            help="mue units per day, ptp pairs, aoc add-on codes, mpfs fee schedule.",
            show_default=False,
        ),
    ],
    edition: Annotated[
        str, typer.Option("--edition", metavar="YYYY-MM-DD", help="The day from which it holds.")
    ],
    setting: Annotated[
        ClaimSetting | None,
        typer.Option("--setting", help="For whom the file is, where neither it nor its name says so."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace the same edition where it was imported before; also with limits that lack a code.",
        ),
    ] = False,
) -> None:
    """Import an edition into the user's data folder, and show what it changes."""
    from extractor.published import changes, read_published
    from extractor.tables import edition_of, load_tables, own_dir, store

    with reported():
        tables = load_tables()
        day = edition_of(edition)
        whom: Setting | None = setting.value if setting else None
        found = read_published(files, kind.value, day, whom, tables, complete=not force)
        if not force:
            _check_same(found, tables, day, files[0])
        for table in found:
            earlier = [t for t in tables.of(table.kind, table.setting) if t.edition < day]
            before = earlier[-1] if earlier else None
            path = store(table, own_dir())
            _tell_changes(before, table, changes(before, table))
            tell(f"{len(table.rows)} rows kept in {path}")


def _check_same(found: list[Table], tables: Tables, day: date, file: Path) -> None:
    """Refuse an edition that is there already with other values."""
    from extractor.published import changes

    for table in found:
        same = next((t for t in tables.of(table.kind, table.setting) if t.edition == day), None)
        if same is not None and changes(same, table):
            problem = "this edition is there already, with other values"
            raise TableError("T010", str(file), problem, "check --edition, or give --force to replace it")


def _tell_changes(before: Table | None, table: Table, changed: list[Change]) -> None:
    noun = {"ptp": "pairs", "mue": "limits", "aoc": "add-on pairs"}.get(table.kind, "rows")
    noun = noun.removesuffix("s") if len(changed) == 1 else noun
    since = f"since {before.edition}" if before else "as there is no edition before it"
    tell(f"{table.file}: {len(changed)} {noun} changed for this code family {since}")
    ordered = sorted(changed, key=lambda change: (change.after is None, change.before is None))
    for change in ordered[:_SHOWN_CHANGES]:
        key = " ".join(part for part in change.key if part)
        if change.before is None or change.after is None:
            tell(f"  {'+' if change.before is None else '-'} {key}")
            continue
        pairs = [(a, b) for a, b in zip(change.before, change.after, strict=True) if a != b]
        tell(f"  * {key}: " + ", ".join(f"{a or 'nothing'} to {b or 'nothing'}" for a, b in pairs))
    if len(changed) > _SHOWN_CHANGES:
        tell(f"  and {len(changed) - _SHOWN_CHANGES} more")
