"""Bring a database to the newest form, from any form it ever had."""

from __future__ import annotations

from importlib.resources import files

from sqlalchemy import Engine, text

_LOCK = 93592  # of PostgreSQL, so that two servers that start at once do not both migrate


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations that the database has not seen yet."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option(
        "script_location", str(files("extractor.worklist") / "migrations").replace("%", "%%")
    )
    with engine.connect() as connection:
        connection = connection.execution_options(pvl_writing=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
