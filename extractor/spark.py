"""Spark: the same rules over a DataFrame of notes, on one machine or a cluster.

``suggest`` adds what comes of each note to a DataFrame; ``table`` takes the flat tables
of ``extractor.results`` out of it; ``run`` does both for files. The rules are loaded once
in each Python worker of Spark, texts and results travel as batches of Arrow, and no row
depends on another, so partitions may be of any size and order. Needs the optional group
``spark`` on the driver, and pvl on every executor.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from extractor.coder import Coder
from extractor.dates import NoDayError, told_day
from extractor.errors import InputError, InputNotice, PvlError
from extractor.readers import Note, Options, Standing
from extractor.readers.columns import choose
from extractor.readers.note import checked, undated
from extractor.results import COLUMNS, RESULT, rows, schema, unmentioned
from extractor.rules import RuleBook
from extractor.screen import Screen
from extractor.standing import FINAL

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

TableName = Literal["notes", "lines", "devices", "errors"]
TIME_LIMIT = 60.0
"""Seconds that a note may take, where nothing else is said."""
FORMATS = {".parquet": "parquet", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".tsv": "csv"}
"""Ends of names of files, or of folders of files, that ``run`` reads, and what Spark calls them."""

_NESTED: tuple[Literal["lines", "devices"], ...] = ("lines", "devices")
_TOLD = ("error", "notice")
_STANDINGS = get_args(Standing)
_CODED = "coded"


# -- a DataFrame ----------------------------------------------------------------------


def suggest(
    notes: DataFrame,
    note_id: str = "note_id",
    text: str = "text",
    standing: str | None = None,
    keep: Sequence[str] = (),
    rules: RuleBook | None = None,
    time_limit: float = TIME_LIMIT,
    served: str | None = None,
    day: date | None = None,
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
        The rules; by default those installed on the executors.
    time_limit
        Seconds that a note may take; 0 for no limit. It ends what runs in Python, not what
        hangs in native code.
    served
        Name of a column with the date of service.
    day
        Date of service of the notes that have none there.

    Returns
    -------
    DataFrame
        ``note_id``, the kept columns, ``text_sha256``, the result columns of the table
        ``notes`` (see ``extractor.results``), ``lines`` and ``devices`` as arrays of
        structs, and ``error``, a struct. A note that cannot be coded has an error and no
        status; it costs only itself. ``notice``, a struct too, tells of a date of service
        that is no day. ``suggestion`` is the whole suggestion as JSON.
    """
    from pyspark.sql.functions import col
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    given = [col(note_id).cast("string").alias("note_id"), col(text).cast("string").alias("text")]
    if standing is not None:
        given.append(col(standing).cast("string").alias("standing"))
    if served is not None:
        given.append(col(served).cast("string").alias("served"))
    slim = notes.select(*given, *keep)
    kept = [field for field in to_arrow_schema(slim.schema) if field.name in keep]
    out = _schema(kept)
    work = partial(_coded, out=out, rules=rules, time_limit=time_limit, day=day)
    return slim.mapInArrow(work, from_arrow_schema(out))


def table(coded: DataFrame, name: TableName) -> DataFrame:
    """One flat table of what ``suggest`` gave: a row for every note, line, device or error."""
    if name == "errors":
        told = [coded.where(f"{name} is not null").select(f"{name}.*") for name in _TOLD]
        return told[0].unionByName(told[1])
    if name == "notes":
        made = [column for column in coded.columns if column not in (*_NESTED, *_TOLD)]
        return coded.where("error is null").select(*made)
    return coded.selectExpr("note_id", f"inline({name})").select(*COLUMNS[name])


def _schema(kept: Sequence[pa.Field] = ()) -> pa.Schema:
    """The columns of what ``suggest`` gives."""
    import pyarrow as pa

    nested = [pa.field(name, pa.list_(pa.struct(list(schema(COLUMNS[name]))[1:]))) for name in _NESTED]
    result = schema({"text_sha256": COLUMNS["notes"]["text_sha256"], **RESULT})
    told = [pa.field(name, pa.struct(list(schema(COLUMNS["errors"])))) for name in _TOLD]
    return pa.schema([pa.field("note_id", pa.string()), *kept, *result, *nested, *told])


# -- in the Python workers of Spark -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tools:
    coder: Coder
    screen: Screen


_tools: dict[str, _Tools] = {}  # by version of the rules; they live as long as the process


def _coded(
    batches: Iterator[pa.RecordBatch],
    out: pa.Schema,
    rules: RuleBook | None,
    time_limit: float,
    day: date | None = None,
) -> Iterator[pa.RecordBatch]:
    """What a task does with its rows, a batch at a time."""
    import pyarrow as pa

    tools = _tools_of(rules)
    for batch in batches:
        made = pa.RecordBatch.from_pylist(
            [_made(tools, row, time_limit, day) for row in _given(batch)], schema=out
        )
        columns = [
            batch.column(name) if name in batch.schema.names else made.column(name) for name in out.names
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=out)


def _given(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    used = [name for name in ("note_id", "text", "standing", "served") if name in batch.schema.names]
    return cast(list[dict[str, Any]], batch.select(used).to_pylist())


@cache
def _installed() -> RuleBook:
    from extractor.rules import load_rules

    return load_rules()


def _tools_of(rules: RuleBook | None) -> _Tools:
    rules = rules or _installed()
    if rules.version not in _tools:
        _tools[rules.version] = _Tools(Coder(rules), Screen(rules))
    return _tools[rules.version]


def _made(tools: _Tools, row: dict[str, Any], time_limit: float, day: date | None = None) -> dict[str, Any]:
    """What ``suggest`` adds to a row, or the error of its note."""
    text = row["text"]
    made: dict[str, Any] = {"text_sha256": text and hashlib.sha256(text.encode("utf-8")).hexdigest()}
    try:
        note = _note(row)
        try:
            note = replace(note, served=told_day(row.get("served") or "") or day)
        except NoDayError as error:
            note = replace(note, served=day)
            made["notice"] = _told(undated(note.source, str(error)))
        return made | _result(tools, note, time_limit)
    except InputError as error:
        return made | {"error": _told(error)}


def _note(row: dict[str, Any]) -> Note:
    note_id, text, standing = row["note_id"], row["text"], row.get("standing", FINAL)
    where = f"note {note_id}"
    if note_id is None or text is None:
        problem = f"it has no {'id' if note_id is None else 'text'}"
        raise InputError(
            "I010" if note_id is None else "I012", where, problem, "give it one, or leave it out"
        )
    if standing not in _STANDINGS:
        raise InputError("B011", where, "its standing is not known", f"use {', '.join(_STANDINGS)}")
    found = checked(Note(note_id, text, where, standing=standing))
    if isinstance(found, InputError):
        raise found
    return found


def _result(tools: _Tools, note: Note, time_limit: float) -> dict[str, Any]:
    where = f"note {note.note_id}"
    if not tools.screen(note.text):
        made = unmentioned(tools.coder.rules.version)
    else:
        try:
            with _alarm(time_limit):
                made = rows(tools.coder.suggest(note.text, note.note_id, note.standing, note.served))
        except _TimeUpError:
            problem = f"coding it took longer than {time_limit:g} seconds"
            raise InputError("B006", where, problem, "code it by hand") from None
        except Exception as error:  # its message may quote the note, its type does not
            problem = f"coding it failed ({type(error).__name__})"
            raise InputError("B008", where, problem, "code it by hand, and report this") from None
    nested = {
        name: [dict(zip(COLUMNS[name], row, strict=True)) for row in found]
        for name, found in zip(_NESTED, (made.lines, made.devices), strict=True)
    }
    return dict(zip(RESULT, made.note, strict=True)) | nested


def _told(error: PvlError) -> dict[str, str]:
    return dict(zip(COLUMNS["errors"], _cells(error), strict=True))


def _cells(error: PvlError) -> tuple[str, ...]:
    kind = "notice" if isinstance(error, InputNotice) else "error"
    return (error.code, kind, error.where, error.problem, error.remedy)


class _TimeUpError(Exception):
    pass


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise ``_TimeUpError`` after some seconds, where that can be: in the main thread, not on Windows."""
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


# -- files ------------------------------------------------------------------------------


def run(
    sources: Sequence[str],
    out: Path | str,
    master: str = "local[*]",
    options: Options | None = None,
    rules: RuleBook | None = None,
    time_limit: float = TIME_LIMIT,
    day: date | None = None,
) -> Counter[str]:
    """Code files with one row for each note, and write the tables as folders of Parquet.

    Parameters
    ----------
    sources
        Files or folders of one kind, see ``FORMATS``; anything that Spark reads, such as
        ``s3a://...``.
    out
        Folder of the results, which the executors can write to: ``coded`` (what ``suggest``
        gives), ``notes``, ``lines``, ``devices`` and ``errors`` are made in it.
    master
        The cluster, or ``local[N]`` for this machine; an active session is used as it is.
    options
        Names of columns, where the guesses do not fit.
    rules
        The rules; by default those installed on the executors.
    time_limit
        Seconds that a note may take.
    day
        Date of service of the notes whose source tells none.

    Returns
    -------
    Counter
        Notes by status, and errors under ``failed``.

    Raises
    ------
    PvlError
        Where the sources are of no kind, or of several; where a column is missing; where
        rows would have to be put together to notes first.
    """
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    session = active or _session(master)
    try:
        notes, names = _notes(session, sources, options or Options())
        keep = ["_source", "_at", "_day"]
        served = names.get("date")
        coded = suggest(
            notes, names["id"], names["text"], None, keep, rules, time_limit, served=served, day=day
        )
        coded.write.parquet(f"{out}/{_CODED}")  # once, however many tables are made of it
        return _write(session.read.parquet(f"{out}/{_CODED}"), str(out))
    finally:
        if active is None:
            session.stop()


def _kind(source: str) -> str:
    """How the name of a source ends.

    Examples
    --------
    >>> _kind("s3a://notes/2024.parquet/")
    '.parquet'
    """
    return Path(source.rstrip("/").lower()).suffix


def _session(master: str) -> SparkSession:
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master).appName("pvl")
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    return builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000").getOrCreate()


def _notes(
    session: SparkSession, sources: Sequence[str], options: Options
) -> tuple[DataFrame, dict[str, str]]:
    """The rows of all sources with where they came from, and the names of its columns by what they hold."""
    from pyspark.sql.functions import coalesce, col, input_file_name, lit, monotonically_increasing_id

    where = ", ".join(sources)
    (kind, *others) = {_kind(source) for source in sources}
    if others or kind not in FORMATS:
        remedy = f"give files, or folders of files, of one kind: {' '.join(FORMATS)}"
        raise InputError("B012", where, "not of one kind that Spark reads here", remedy)
    reader = session.read.format(FORMATS[kind])
    if FORMATS[kind] == "csv":
        reader = reader.options(header=True, multiLine=True, escape='"', sep="\t" if kind == ".tsv" else ",")
    frame = reader.load(list(sources))
    columns = choose(where, frame.columns, options)
    if isinstance(columns, InputError):
        raise columns
    if not columns.whole:
        problem = "its rows have to be put together to notes first (lines, revisions or addenda)"
        remedy = "do so with pvl batch on one machine; if it is not so, name these columns ''"
        raise InputError("B013", where, problem, remedy)
    day = lit("") if columns.date is None else col(f"`{frame.columns[columns.date]}`").cast("string")
    named = frame.withColumns(
        {
            "_source": input_file_name(),
            "_at": monotonically_increasing_id(),
            "_day": coalesce(day, lit("")),
        }
    )
    used = {"id": columns.id, "text": columns.text, "date": columns.date}
    return named, {role: frame.columns[at] for role, at in used.items() if at is not None}


def _write(coded: DataFrame, out: str) -> Counter[str]:
    """Write the tables. A note that comes twice counts once; two texts or days under one id count as none."""
    from pyspark.sql import Window
    from pyspark.sql.functions import col, concat, lit, when
    from pyspark.sql.functions import max as largest
    from pyspark.sql.functions import min as least

    of_id = Window.partitionBy("note_id")
    seen = coded.where("error is null").withColumns(
        {
            "_first": col("_at") == least(col("_at")).over(of_id),
            "_same": (least(col("text_sha256")).over(of_id) == largest(col("text_sha256")).over(of_id))
            & (least(col("_day")).over(of_id) == largest(col("_day")).over(of_id)),
        }
    )
    same = InputNotice("N021", "", "the same text comes twice under this id", "it is coded once")
    problem = "several texts or dates of service under this id"
    other = InputError("I027", "", problem, "give each note an id of its own")
    told = when(col("_same"), _literal(same)).otherwise(_literal(other)).alias("error")
    repeated = seen.where("not _same and _first or _same and not _first").select("note_id", told)
    repeated = repeated.select("note_id", "error.*").withColumns({"where": concat(lit("note "), "note_id")})
    errors = table(coded, "errors").unionByName(repeated.select(*COLUMNS["errors"]))
    once = (
        seen.where("_same and _first")
        .drop("_first", "_same", "_at", "_day")
        .withColumnRenamed("_source", "source")
    )
    for name in ("notes", "lines", "devices"):
        table(once, name).write.parquet(f"{out}/{name}")
    errors.write.parquet(f"{out}/errors")
    counts = Counter({row["status"]: row["count"] for row in once.groupBy("status").count().collect()})
    counts["failed"] = errors.where("kind = 'error'").count()
    return counts


def _literal(error: PvlError) -> Column:
    """An error as a struct, the same in each row."""
    from pyspark.sql.functions import lit, struct

    cells = zip(COLUMNS["errors"], _cells(error), strict=True)
    return struct(*(lit(cell).alias(name) for name, cell in cells))
