"""Bring a database to the newest form, from any form it ever had."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from extractor.errors import WorklistError

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 93592  # of PostgreSQL, so that two servers that start at once do not both migrate
_VERSIONS = "alembic_version"


def upgrade(engine: Engine, place: str, revision: str = "head") -> None:
    """Run the migrations that the database has not seen yet.

    Parameters
    ----------
    engine
        The database.
    place
        How errors call it.
    revision
        The form to bring it to.

    Raises
    ------
    WorklistError
        Where it holds something else, or was brought to a form that this program does not know.
    """
    from alembic import command

    config = configuration()
    with engine.connect() as connection:
        connection = connection.execution_options(pvl_writing=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _check(connection, config, place)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)


def configuration() -> Config:
    """What Alembic needs to know."""
    from alembic.config import Config

    config = Config()
    folder = files("extractor.worklist") / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _check(connection: Connection, config: Config, place: str) -> None:
    from alembic.script import ScriptDirectory

    tables = inspect(connection).get_table_names()
    if _VERSIONS not in tables:
        if tables:
            problem = "this database holds other tables than those of a worklist"
            raise WorklistError("W003", place, problem, "name a database of its own")
        return
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for (revision,) in connection.execute(text(f"SELECT version_num FROM {_VERSIONS}")):
        if revision not in known:
            problem = f"a newer version of pvl made this worklist (form {revision})"
            raise WorklistError("W003", place, problem, "install that version of pvl, or a later one")
