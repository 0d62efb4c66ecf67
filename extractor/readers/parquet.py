"""Parquet: the columns that notes need, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from extractor.errors import InputError
from extractor.readers.columns import Columns, choose
from extractor.readers.note import Found, place
from extractor.readers.options import Options
from extractor.readers.table import Row, Unread, all_differ, table_notes
from extractor.readers.versions import Version

_ROWS = 256
_IDS = 16_384
_BUFFER = 1 << 20


def read_parquet(path: str, options: Options) -> Iterator[Found | Version]:
    """The notes of a ``.parquet`` file."""
    with open(path, "rb") as file:
        if not file.read(1):
            yield InputError("I005", path, "the file is empty", "give a table with a note in it")
            return
    try:
        pa = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        yield InputError("I047", path, "reading Parquet needs pyarrow", "install it: pip install pyarrow")
        return
    try:
        table = parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError):
        yield _damaged(path, None)
        return
    with table:
        names = table.schema_arrow.names
        columns = choose(path, names, options, sure=True)
        if isinstance(columns, InputError):
            yield columns
        else:
            distinct = columns.whole and _ids_differ(table, names[columns.id])
            yield from table_notes(path, columns, _rows(path, table, names, columns), distinct)


def _ids_differ(table: Any, name: str) -> bool:
    """Whether no two rows have one id; the column of the ids can be read alone, at little cost."""
    pa = import_module("pyarrow")

    def ids() -> Iterator[object]:
        for batch in table.iter_batches(_IDS, columns=[name], use_threads=False):
            yield from _values(batch.column(0))

    try:
        return all_differ(ids, table.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError, ArithmeticError):
        return False  # it is damaged, which is told when its rows are read


def _rows(path: str, table: Any, names: list[str], columns: Columns) -> Iterator[Row]:
    pa = import_module("pyarrow")

    used = [at for at in columns.positions if at is not None]
    number = 0
    try:
        for batch in table.iter_batches(_ROWS, columns=[names[at] for at in used], use_threads=False):
            cells: list[list[Any]] = [
                [None] * len(batch) if at is None else _values(batch.column(names[at]), at == columns.date)
                for at in columns.positions
            ]
            for row in zip(*cells, strict=True):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError, ArithmeticError):
        yield Unread()
        yield _damaged(path, number + 1)


def _values(column: Any, local: bool = False) -> list[Any]:
    """The values of a column; of text that is not UTF-8 the bytes.

    Times with a zone are in UTC, or ``local``: as they are written.
    """
    pa = import_module("pyarrow")

    if local and pa.types.is_timestamp(column.type) and column.type.tz:
        with suppress(pa.ArrowException):  # where this machine does not know the zone
            column = import_module("pyarrow.compute").local_timestamp(column)
    if pa.types.is_timestamp(column.type):  # Python has no nanoseconds
        zone = "UTC" if column.type.tz else None
        column = column.cast(pa.timestamp("us", zone), safe=False)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        kind = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
        return list(column.view(kind).to_pylist())


def _damaged(path: str, row: int | None) -> InputError:
    problem = "not a whole Parquet file" if row is None else "damaged, from this row on nothing can be read"
    return InputError("I021", place(path, row), problem, "write or copy the file again")
