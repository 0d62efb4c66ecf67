"""A worklist for tests: an empty one on each database, a clock that is set, a coder that is told."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from extractor.readers import Note
from extractor.suggestion import Suggestion
from extractor.worklist import people
from extractor.worklist.database import Store
from extractor.worklist.models import Role, User

BASES = ("sqlite", "postgresql")
SERVER = "PVL_TEST_POSTGRES"


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **time: float) -> None:
        self.now += timedelta(**time)


class ToldCoder:
    """Says of a text what it was told, and ``none`` of every other."""

    def __init__(self, suggest: Callable[..., Suggestion], rules: str = "rules-1") -> None:
        self._suggest = suggest
        self.rules = rules
        self.told: dict[str, dict[str, Any]] = {}
        self.seen: list[Note] = []

    def tell(self, text: str, status: str = "ready", units: dict[str, int] | None = None, **more: Any) -> str:
        """What to say of a text: lines of these units, and more fields of a suggestion."""
        lines = [
            {"code": code, "units": n, "low": n, "high": n, "role": "device"}
            for code, n in (units or {}).items()
        ]
        self.told[text] = {"status": status, "lines": lines, **more}
        return text

    def pipe(self, notes: Iterable[Note], workers: int = 1) -> Iterator[Suggestion]:
        for note in notes:
            self.seen.append(note)
            yield self._suggest(note.note_id, **{"rules_version": self.rules, **self.told.get(note.text, {})})


@contextmanager
def empty_database(base: str, folder: Path) -> Iterator[str]:
    """The address of a database that holds nothing, and is gone afterwards."""
    if base == "sqlite":
        yield f"sqlite:///{folder / 'worklist.db'}"
        return
    with _on_server() as url:
        yield url


class Migrated:
    """Empty worklists. The migrations run once for each kind of database; what tests get are copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first: dict[str, str] = {}
        self._until_the_end = ExitStack()

    @contextmanager
    def database(self, base: str, folder: Path) -> Iterator[str]:
        """The address of an empty worklist, which is gone afterwards."""
        if base not in self._first:
            url = self._until_the_end.enter_context(empty_database(base, self._folder))
            Store(url).close()
            self._first[base] = url
        if base == "sqlite":
            file = shutil.copy(self._folder / "worklist.db", folder)
            yield f"sqlite:///{file}"
            return
        with _on_server(template=str(make_url(self._first[base]).database)) as url:
            yield url

    def close(self) -> None:
        self._until_the_end.close()


@contextmanager
def _on_server(template: str = "template1") -> Iterator[str]:
    server = make_url(os.environ[SERVER]).set(drivername="postgresql+psycopg")
    name = f"pvl_test_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        url = server.set(drivername="postgresql", database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def add_user(store: Store, name: str, role: Role = Role.coder) -> User:
    """A user without a password."""
    return people.user_by_proxy(store, name, role)
