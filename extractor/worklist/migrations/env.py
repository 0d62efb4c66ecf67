"""Run by Alembic: migrate over the connection that ``migrate.upgrade`` holds."""

from alembic import context

from extractor.worklist.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
