"""``pvl worklist users``: who may sign in to the worklist, and as what.

Whoever may read the database may do all of this: the command asks for no password.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from extractor.cli.outcome import tell
from extractor.cli.worklist import Database, opened

BY = "command line"
"""Who did it, for the trail."""


class RoleName(StrEnum):
    """The roles; those of the worklist would load its database for every ``--help``."""

    coder = "coder"
    lead = "lead"
    auditor = "auditor"
    admin = "admin"


app = typer.Typer(no_args_is_help=True, help="Who may sign in to the worklist, and as what.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.", show_default=False)]


@app.command()
def add(
    name: Name,
    role: Annotated[RoleName, typer.Option("--role", help="What the user may do.")] = RoleName.coder,
    database: Database = None,
) -> None:
    """Add a user and print the one-time password; it has to be changed at the first sign-in."""
    from extractor.worklist import people
    from extractor.worklist.models import Role

    with opened(database) as store:
        password = people.add(store, BY, name, Role(role))
    tell(f"one-time password: {password}")


@app.command("list")
def list_users(database: Database = None) -> None:
    """Show every user."""
    from extractor.worklist import people

    with opened(database) as store, store.reading() as session:
        now = store.clock()
        rows = [("Name", "Role", "Signs in", "State")]
        for user in people.users(session):
            how = "by proxy" if user.password_hash is None else "with a password"
            locked = user.locked_until is not None and user.locked_until > now
            state = "disabled" if not user.active else "locked" if locked else ""
            rows.append(
                (user.name, user.role, how, state or ("one-time password" if user.must_change else ""))
            )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        tell("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def reset(name: Name, database: Database = None) -> None:
    """Give a user a new one-time password, unlock the account and end its sign-ins."""
    from extractor.worklist import people

    with opened(database) as store:
        password = people.reset(store, BY, name)
    tell(f"one-time password: {password}")


@app.command()
def role(
    name: Name,
    new: Annotated[
        RoleName, typer.Argument(metavar="ROLE", help="coder, lead, auditor or admin.", show_default=False)
    ],
    database: Database = None,
) -> None:
    """Give a user another role."""
    from extractor.worklist import people
    from extractor.worklist.models import Role

    with opened(database) as store:
        people.set_role(store, BY, name, Role(new))
    tell(f"the role is {new}")


@app.command()
def disable(name: Name, database: Database = None) -> None:
    """Let a user sign in no more; what the user had to do is free for others."""
    from extractor.worklist import people

    with opened(database) as store:
        people.disable(store, BY, name)
    tell("disabled")


@app.command()
def enable(name: Name, database: Database = None) -> None:
    """Let a user sign in again."""
    from extractor.worklist import people

    with opened(database) as store:
        people.enable(store, BY, name)
    tell("enabled")
