"""The database of the worklist: SQLite in a file by default, PostgreSQL by URL.

Reading and writing go apart: ``Store.reading`` sees one state and changes nothing,
``Store.writing`` is one transaction that is kept whole or not at all. On SQLite a
writer takes its lock at once, so that two can never wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import Session

from extractor.tables import data_dir

_WRITING = "pvl_writing"
_BUSY = 30_000  # milliseconds to wait for another process


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def default_url() -> str:
    """Where the worklist is: ``PVL_DATABASE_URL``, else a file in the user's data folder."""
    return os.environ.get("PVL_DATABASE_URL") or f"sqlite:///{data_dir() / 'worklist.db'}"


class Store:
    """An open worklist.

    Parameters
    ----------
    url
        ``sqlite:///FILE`` or ``postgresql://...``.
    clock
        What time it is; tests set their own.

    Examples
    --------
    >>> import tempfile
    >>> from extractor.worklist.models import Entry
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(f"sqlite:///{folder}/worklist.db")
    ...     with store.reading() as session:
    ...         session.query(Entry).count()
    ...     store.close()
    0
    """

    def __init__(self, url: str, clock: Callable[[], datetime] = now) -> None:
        from extractor.worklist.migrate import upgrade

        self.clock = clock
        self.engine = _engine(url)
        self._one_writer = Lock() if self.engine.dialect.name == "sqlite" else nullcontext()
        upgrade(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are kept when the block ends, and none of them if it fails."""
        with (
            self._one_writer,
            self.engine.connect() as connection,
            Session(connection.execution_options(**{_WRITING: True})) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    target = make_url(url)
    if target.get_backend_name() == "postgresql":
        return create_engine(target.set(drivername="postgresql+psycopg"), pool_size=20, pool_pre_ping=True)
    if target.database is None or target.database == ":memory:":
        raise ValueError("the worklist needs a file")
    _private(Path(target.database))
    engine = create_engine(target)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",  # what was acknowledged survives a power cut too
            "foreign_keys = ON",
            f"busy_timeout = {_BUSY}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _private(path: Path) -> None:
    """Make the file, readable by its owner alone: it holds the text of notes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
