"""Addresses: what may be shown of the URL of a database, and can be of a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL


def shown(source: str) -> str:
    """A source as messages and notes name it: of the URL of a database, what is no secret.

    Of a path, bytes that are no letters are shown as question marks.

    Examples
    --------
    >>> shown("postgresql+psycopg://ada:secret@db.example/epic?sslpassword=secret")
    'postgresql://db.example/epic'
    >>> shown("postgresql://ada:p@ss@db.example/epic"), shown("notes.csv")
    ('postgresql://...', 'notes.csv')
    """
    if "://" not in source:
        return source.encode("utf-8", "replace").decode()
    url = parsed_url(source)
    dialect = source.partition("://")[0].partition("+")[0]
    named = dialect if dialect.isalnum() and len(dialect) < 20 else "database"
    if url is None or source.count("@") > (url.username is not None) or "@" in (url.host or ""):
        return f"{named}://..."
    port = f":{url.port}" if url.port else ""
    return f"{named}://{url.host or ''}{port}/{url.database or ''}"


def parsed_url(url: str) -> URL | None:
    """The parts of the URL of a database, or None where it is none."""
    try:
        from sqlalchemy import make_url

        return make_url(url)
    except Exception:
        return None
