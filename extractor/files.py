"""Files: the tables of a run written for those who use them, part by part.

Each file is written under another name and appears when it is complete. Numbers and
texts alone decide its bytes.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from extractor.output import csv_line
from extractor.results import COLUMNS, Table, schema

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

_GROUP_ROWS = 65_536  # rows of a Parquet row group
_GROUP_BYTES = 64_000_000


class BatchFormat(StrEnum):
    """Forms in which the tables of a run are written."""

    parquet = "parquet"
    jsonl = "jsonl"
    csv = "csv"


def file_name(table: Table, form: BatchFormat) -> str:
    """Name of the file of a table; what people work through is always CSV.

    Examples
    --------
    >>> file_name("notes", BatchFormat.jsonl), file_name("worklist", BatchFormat.jsonl)
    ('notes.jsonl', 'worklist.csv')
    """
    return f"{table}.{_form(table, form)}"


def _form(table: Table, form: BatchFormat) -> BatchFormat:
    return BatchFormat.csv if table in ("worklist", "errors") else form


class TableFiles(AbstractContextManager["TableFiles"]):
    """The files of all tables, open for writing; they get their names if all goes well.

    Parameters
    ----------
    folder
        Where to write.
    form
        Form of the tables.
    """

    def __init__(self, folder: Path, form: BatchFormat) -> None:
        self._final = {name: folder / file_name(name, form) for name in COLUMNS}
        self._growing = {name: path.with_name(f".{path.name}.part") for name, path in self._final.items()}
        self._stack = ExitStack()
        self._writers = {
            name: self._stack.enter_context(_WRITERS[_form(name, form)](name, path))
            for name, path in self._growing.items()
        }

    def write(self, tables: Mapping[Table, pa.Table]) -> None:
        """Add the rows of a part."""
        for name, writer in self._writers.items():
            writer.write(tables[name])

    def __exit__(self, *failed: Any) -> None:
        self._stack.__exit__(*failed)
        for name, path in self._growing.items():
            if failed[0] is None:
                os.replace(path, self._final[name])
            else:
                path.unlink(missing_ok=True)


class _Writer(AbstractContextManager["_Writer"]):
    @abstractmethod
    def __init__(self, table: Table, path: Path) -> None: ...

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def write(self, rows: pa.Table) -> None: ...


class _Parquet(_Writer):
    """Row groups of equal size, however small the parts are."""

    def __init__(self, table: Table, path: Path) -> None:
        import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

        self._file = pq.ParquetWriter(path, schema(COLUMNS[table]), compression="zstd")
        self._waiting: list[pa.Table] = []

    def write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        count = sum(one.num_rows for one in self._waiting)
        if count >= _GROUP_ROWS or sum(one.nbytes for one in self._waiting) >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

        if self._waiting:
            self._file.write_table(pa.concat_tables(self._waiting).combine_chunks(), row_group_size=1 << 30)
        self._waiting = []

    def __exit__(self, *failed: Any) -> None:
        if failed[0] is None:
            self._flush()
        self._file.close()


class _Text(_Writer):
    def __init__(self, table: Table, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")

    def __exit__(self, *failed: Any) -> None:
        self._file.close()


class _Jsonl(_Text):
    def write(self, rows: pa.Table) -> None:
        for row in rows.to_pylist():
            if row.get("suggestion"):
                row["suggestion"] = json.loads(row["suggestion"])
            self._file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


class _Csv(_Text):
    """Cells that no spreadsheet takes for a formula; the whole suggestion would fit in none."""

    def __init__(self, table: Table, path: Path) -> None:
        super().__init__(table, path)
        self._columns = [column for column in COLUMNS[table] if column != "suggestion"]
        self._file.write(csv_line(self._columns))

    def write(self, rows: pa.Table) -> None:
        for row in rows.select(self._columns).to_pylist():
            self._file.write(csv_line(_cell(value) for value in row.values()))


_WRITERS: dict[BatchFormat, type[_Writer]] = {
    BatchFormat.parquet: _Parquet,
    BatchFormat.jsonl: _Jsonl,
    BatchFormat.csv: _Csv,
}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
