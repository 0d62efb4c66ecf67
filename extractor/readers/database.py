"""Databases: the rows of a query, by the URL of any database that SQLAlchemy reaches.

What the database says of an error is not shown, as it may quote rows or the
password; its kind is. The query runs in a transaction that is never committed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from extractor.errors import InputError
from extractor.readers.address import parsed_url, shown
from extractor.readers.columns import Columns, choose
from extractor.readers.note import Found, place
from extractor.readers.options import Options
from extractor.readers.table import Row, Unread, table_notes
from extractor.readers.versions import Version

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_ROWS = 256
_URL = "write it as dialect://user:password@host/database, with @ : / in a password as %40 %3A %2F"
_CHECK = "check the address, the name, the password and that the database runs"
# SQLite's own words for what is wrong; other databases may quote rows.
_KNOWN = {
    "no such table": "no such table",
    "no such column": "no such column",
    "syntax error": "not valid SQL",
    "incomplete input": "not valid SQL",
    "database is locked": "the database is locked by another program",
    "file is not a database": "the file is not a database",
    "readonly database": "it would change the database",
    "unable to open database": "the database cannot be opened",
}


def read_database(url: str, options: Options) -> Iterator[Found | Version]:
    """The notes that the query of the options gives."""
    where = shown(url)
    engine = _engine(url, where)
    if isinstance(engine, InputError):
        yield engine
        return
    if not options.query or not options.query.strip():
        remedy = "give it with --query, such as: SELECT note_id, text FROM notes"
        yield InputError("I029", where, "a database needs a query", remedy)
        return
    try:
        try:
            connection = engine.connect()
        except Exception as error:
            yield _failed(where, error, "cannot be reached", _CHECK)
            return
        with connection:
            yield from _notes(connection, where, options, options.query)
    finally:
        engine.dispose()


def _engine(url: str, where: str) -> Engine | InputError:
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        return InputError(
            "I047", where, "reading a database needs SQLAlchemy", "install it: pip install sqlalchemy"
        )
    parsed = parsed_url(url)
    if parsed is None:
        return InputError("I029", where, "not the URL of a database", _URL)
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    if file and file != ":memory:" and not file.startswith("file:") and not os.path.exists(file):
        return InputError("I028", where, "no such file", "check the path; sqlite:////tmp/a.db is /tmp/a.db")
    try:
        engine = sqlalchemy.create_engine(parsed)
        if engine.dialect.driver == "pysqlite":
            sqlalchemy.event.listen(engine, "connect", _prepare)
        return engine
    except ModuleNotFoundError as error:
        problem = f"the driver of the database is not installed ({error.name})"
        return InputError("I047", where, problem, f"install it, such as: pip install {error.name}")
    except (sqlalchemy.exc.SQLAlchemyError, TypeError, ValueError):
        return InputError("I029", where, "not the URL of a database that is known", _URL)


def _prepare(connection: Any, _record: object) -> None:
    """Let SQLite change nothing, and let a text that is not UTF-8 cost its row only."""
    connection.execute("PRAGMA query_only = ON")
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")


def _notes(connection: Connection, where: str, options: Options, query: str) -> Iterator[Found | Version]:
    streamed = connection.execution_options(stream_results=True, yield_per=_ROWS, no_parameters=True)
    try:
        result = streamed.exec_driver_sql(query)
    except Exception as error:
        yield _failed(where, error, "the query fails", "try it in the database's own client")
        return
    with result:
        if not result.returns_rows:
            yield InputError("I028", where, "the query gives no rows", "give a SELECT; nothing was changed")
            return
        columns = choose(where, list(result.keys()), options, sure=True)
        if isinstance(columns, InputError):
            yield columns
        else:
            yield from table_notes(where, columns, _rows(where, result, columns))


def _rows(where: str, result: Any, columns: Columns) -> Iterator[Row]:
    number = 0
    try:
        for row in result:
            number += 1
            yield number, tuple(None if at is None else row[at] for at in columns.positions)
    except Exception as error:
        yield Unread()
        problem = "from this row on nothing came"
        yield _failed(place(where, number + 1), error, problem, "give the query again")


def _failed(where: str, error: Exception, problem: str, remedy: str) -> InputError:
    cause = getattr(error, "orig", None) or error
    said = str(cause) if type(cause).__module__ == "sqlite3" else ""
    kind = next((words for known, words in _KNOWN.items() if known in said), type(cause).__name__)
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    known = f"{kind} {state}" if isinstance(state, str) and state.isalnum() else kind
    return InputError("I028", where, f"{problem} ({known})", remedy)
