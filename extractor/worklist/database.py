"""The database of the worklist: SQLite in a file by default, PostgreSQL by URL.

Reading and writing go apart: ``Store.reading`` sees one state and changes nothing,
``Store.writing`` is one transaction that is kept whole or not at all. On SQLite a
writer takes its lock at once, so that two can never wait for each other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, local
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from extractor.errors import WorklistError
from extractor.tables import data_dir

_WRITING = "pvl_writing"
_BUSY = 30_000  # milliseconds to wait for another process
_REACH = 10  # seconds to wait for a server
_NAMES = "name it sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_POOL: dict[str, Any] = {"pool_size": 20, "max_overflow": 30, "hide_parameters": True}


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

    Raises
    ------
    WorklistError
        Where there is no such database, it cannot be opened, or it fails.

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

        target = _target(url)
        self.clock = clock
        self.place = _place(target)
        self.engine = _engine(target, self.place)
        sqlite = target.get_backend_name() == "sqlite"
        self._one_writer = Lock() if sqlite else nullcontext()
        self._reading: dict[str, Any] = (
            {} if sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        self._here = local()
        try:
            upgrade(self.engine, self.place)
        except SQLAlchemyError as error:
            self.close()
            raise _cannot_open(self.place, error) from None
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state."""
        with (
            self._told(),
            self.engine.connect() as connection,
            Session(connection.execution_options(**self._reading)) as session,
        ):
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are kept when the block ends, and none of them if it fails.

        What it hands out can be read after the end. Another one cannot begin within the block:
        functions that change something together share its session.
        """
        if getattr(self._here, "writing", False):
            raise RuntimeError("this thread is writing already: give its session on")
        with self._told(), self._one_writer:
            self._here.writing = True
            try:
                with (
                    self.engine.connect() as connection,
                    Session(
                        connection.execution_options(**{_WRITING: True}), expire_on_commit=False
                    ) as session,
                    session.begin(),
                ):
                    yield session
            finally:
                self._here.writing = False

    def look_over(self) -> None:
        """After much was filed: let PostgreSQL count what it holds, or it plans as if it held little.

        It does so by itself, but a while later.
        """
        if self.engine.dialect.name == "postgresql":
            with self.writing() as session:
                session.execute(text("ANALYZE"))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what a database says without its own words: they may quote what was to be stored."""
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            raise WorklistError(
                "W004",
                self.place,
                f"the database fails ({_kind(error)})",
                "nothing of this change was kept; try again, and see the database's own log if it goes on",
            ) from None


def _target(url: str) -> URL:
    """The address as meant, or what is wrong with it; never with a password."""
    try:
        target = make_url(url)
        backend = target.get_backend_name()
    except (ArgumentError, ValueError):
        raise WorklistError("W001", "PVL_DATABASE_URL", "this is no address of a database", _NAMES) from None
    place = _place(target)
    if backend == "postgresql":
        return target.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise WorklistError("W001", place, f"databases of this kind ({backend}) are not used", _NAMES)
    if not target.database or target.database.startswith((":memory:", "file:")) or target.query:
        raise WorklistError("W001", place, "the worklist needs a file, without options", _NAMES)
    return target.set(drivername="sqlite+pysqlite")


def _place(target: URL) -> str:
    """How a database is shown: without user, password and options."""
    if target.get_backend_name() == "sqlite":
        return target.database or "sqlite://"
    shown = URL.create(
        target.get_backend_name(), host=target.host, port=target.port, database=target.database
    )
    return shown.render_as_string()


def _engine(target: URL, place: str) -> Engine:
    try:
        if target.get_backend_name() == "postgresql":
            reach = {} if "connect_timeout" in target.query else {"connect_timeout": _REACH}
            return create_engine(target, pool_pre_ping=True, connect_args=reach, **_POOL)
        _private(Path(str(target.database)))
    except ModuleNotFoundError:
        raise WorklistError(
            "W002", place, "psycopg is not installed", "install it: pip install 'pvl[postgres]'"
        ) from None
    except OSError as error:
        problem = f"the file cannot be made or opened ({type(error).__name__})"
        raise WorklistError("W002", place, problem, "check the folder and its permissions") from None
    engine = create_engine(target, **_POOL)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in (
            f"busy_timeout = {_BUSY}",
            "journal_mode = WAL",
            "synchronous = FULL",  # what was acknowledged survives a power cut too
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _private(path: Path) -> None:
    """Make the file, or one that is there, readable by its owner alone: it holds the text of notes."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if stat.S_IMODE(os.fstat(file).st_mode) & 0o077:
            os.fchmod(file, 0o600)
    finally:
        os.close(file)


def _cannot_open(place: str, error: SQLAlchemyError) -> WorklistError:
    if "not a database" in str(getattr(error, "orig", "")):
        return WorklistError("W002", place, "this file is no database", "name another file")
    return WorklistError(
        "W002",
        place,
        f"the database cannot be opened ({_kind(error)})",
        "check that it is there, that it may be written, and the user and password",
    )


def _kind(error: SQLAlchemyError) -> str:
    """What kind of failure it is, in the database's own code where it has one."""
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    return str(code or type(original or error).__name__)
