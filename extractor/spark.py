"""Spark: the same rules over a DataFrame of notes, on one machine or a cluster.

``suggest`` adds the columns of a suggestion to a DataFrame; ``table`` takes the flat
tables out of it. The rules are loaded once in each Python worker of Spark, texts and
results travel as Arrow batches, and no row depends on another: partitions may be of any
size and order. Needs the optional group ``spark``, on the driver and on the executors.
"""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from extractor.coder import Coder
from extractor.errors import InputError
from extractor.readers import Note, Standing
from extractor.readers.note import checked
from extractor.results import COLUMNS, RESULT, Row, rows, schema
from extractor.rules import RuleBook
from extractor.standing import FINAL

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

TIME_LIMIT = 60.0
"""Seconds a note may take, where nothing else is said."""

_NESTED: tuple[Literal["lines", "devices"], ...] = ("lines", "devices")
_MADE = ("text_sha256", *RESULT, *_NESTED, "error_code", "error")
_STANDINGS = get_args(Standing)
_coders: dict[str, Coder] = {}  # by version of the rules; lives as long as the worker process


def suggest(
    notes: DataFrame,
    note_id: str = "note_id",
    text: str = "text",
    standing: str | None = None,
    keep: Sequence[str] = (),
    rules: RuleBook | None = None,
    time_limit: float = TIME_LIMIT,
) -> DataFrame:
    """Code every row of a DataFrame.

    Parameters
    ----------
    notes
        One row for a note.
    note_id, text
        Names of the columns with the id (of any type that can be a string) and the text.
    standing
        Name of a column that says ``final``, ``preliminary`` or ``addendum``; only a
        final note is ever ``ready``. Without it every note is final.
    keep
        Further columns to carry over, such as a date or an encounter.
    rules
        The rules; by default the ones installed on the executors.
    time_limit
        Seconds a note may take; 0 for no limit.

    Returns
    -------
    DataFrame
        ``note_id``, the kept columns, ``text_sha256``, the result columns of the table
        ``notes`` (see ``extractor.results``), ``lines`` and ``devices`` as arrays of
        structs, and ``error_code`` and ``error``. A note that cannot be coded has these two
        and no status; it costs only itself. ``suggestion`` is the whole suggestion as JSON.
    """
    from pyspark.sql.functions import col
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    given = [col(note_id).cast("string").alias("note_id"), col(text).cast("string").alias("text")]
    if standing is not None:
        given.append(col(standing).cast("string").alias("standing"))
    slim = notes.select(*given, *keep)
    kept = [field for field in to_arrow_schema(slim.schema) if field.name in keep]
    out = _coded_schema(kept)
    work = partial(_coded, out=out, rules=rules, time_limit=time_limit)
    return slim.mapInArrow(work, from_arrow_schema(out))


def table(coded: DataFrame, name: Literal["notes", "lines", "devices", "errors"]) -> DataFrame:
    """One flat table of what ``suggest`` gave: a row for every note, line, device or error."""
    if name == "notes":
        made = [column for column in coded.columns if column not in (*_NESTED, "error_code", "error")]
        return coded.where("error_code is null").select(*made)
    if name == "errors":
        return coded.where("error_code is not null").selectExpr("note_id", "error_code as code", "error")
    return coded.selectExpr("note_id", f"inline({name})").select(*COLUMNS[name])


def _coded_schema(kept: list[pa.Field]) -> pa.Schema:
    import pyarrow as pa

    nested = {name: pa.list_(pa.struct(list(schema(name))[1:])) for name in _NESTED}
    types = {field.name: field.type for field in schema("notes")} | nested
    made = [pa.field(name, types.get(name, pa.string())) for name in _MADE]
    return pa.schema([pa.field("note_id", pa.string()), *kept, *made])


def _coded(
    batches: Iterator[pa.RecordBatch], out: pa.Schema, rules: RuleBook | None, time_limit: float
) -> Iterator[pa.RecordBatch]:
    """What one task of Spark does with its rows, a batch of Arrow at a time."""
    import pyarrow as pa

    coder = _coder(rules)
    for batch in batches:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        standings = columns["standing"].to_pylist() if "standing" in columns else [FINAL] * batch.num_rows
        given = zip(columns["note_id"].to_pylist(), columns["text"].to_pylist(), standings, strict=True)
        made = list(zip(*(_row(coder, *one, time_limit) for one in given), strict=True))
        for name, values in zip(_MADE, made or [()] * len(_MADE), strict=True):
            columns[name] = pa.array(_structs(name, values), out.field(name).type)
        yield pa.RecordBatch.from_arrays([columns[name] for name in out.names], schema=out)


@cache
def _installed() -> Coder:
    return Coder()


def _coder(rules: RuleBook | None) -> Coder:
    """The coder of this worker process, which lives as long as the process."""
    if rules is None:
        return _installed()
    if rules.version not in _coders:
        _coders[rules.version] = Coder(rules)
    return _coders[rules.version]


def _row(coder: Coder, note_id: str | None, text: str | None, standing: str | None, limit: float) -> Row:
    """Values of the made columns for one note."""
    where = f"note {note_id}"
    if note_id is None or text is None:
        problem = f"the note has no {'id' if note_id is None else 'text'}"
        return _failed(None, InputError("I005", where, problem, "give it one, or leave it out"))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    found = checked(Note(note_id, text, where))
    if isinstance(found, InputError):
        return _failed(digest, found)
    if standing not in _STANDINGS:
        problem = "its standing is not known"
        return _failed(digest, InputError("B006", where, problem, f"use one of: {', '.join(_STANDINGS)}"))
    try:
        with _alarm(limit):
            suggestion = coder.suggest(text, note_id, cast(Standing, standing))
    except _TimeUpError:
        problem = f"not coded after {limit:g} s"
        return _failed(digest, InputError("B002", where, problem, "code it by hand, or raise the time limit"))
    except Exception as error:  # its message may quote the note, its type does not
        problem = f"not coded ({type(error).__name__})"
        return _failed(digest, InputError("B001", where, problem, "code it by hand, and report the error"))
    made = rows(suggestion)
    lines, devices = ([row[1:] for row in table] for table in (made.lines, made.devices))
    return (digest, *made.note, lines, devices, None, None)


def _failed(digest: str | None, error: InputError) -> Row:
    return (digest, *[None] * (len(_MADE) - 3), error.code, str(error))


def _structs(name: str, values: Sequence[Any]) -> list[Any]:
    """Rows of a nested table as Arrow wants them: one dict each."""
    if name not in _NESTED:
        return list(values)
    names = list(COLUMNS[name])[1:]
    return [None if v is None else [dict(zip(names, row, strict=True)) for row in v] for v in values]


class _TimeUpError(Exception):
    pass


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise ``_TimeUpError`` after some seconds, where the system can: in the main thread, on POSIX."""
    able = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if not able or not seconds:
        yield
        return
    before = signal.signal(signal.SIGALRM, _time_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _time_up(*_: object) -> None:
    raise _TimeUpError
