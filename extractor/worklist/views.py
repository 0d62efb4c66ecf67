"""Saved views: filters of the queue that a user keeps under a name."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from extractor.errors import NotFound, WorklistError
from extractor.worklist.database import Store
from extractor.worklist.models import SavedView, User
from extractor.worklist.queue import Filters
from extractor.worklist.trail import Happening, record

_LONGEST_NAME = 80
_MOST = 30  # views of one user


def views_of(session: Session, user: User) -> list[SavedView]:
    """The views of a user, by name."""
    return list(
        session.scalars(select(SavedView).where(SavedView.user_id == user.id).order_by(SavedView.name))
    )


def filters_of(view: SavedView) -> Filters:
    """The filters of a view.

    Examples
    --------
    >>> filters_of(SavedView(name="large ones", filters="fewest=3&lane=review")).fewest
    3
    """
    return Filters.from_query(dict(parse_qsl(view.filters)))


def save_view(store: Store, user: User, name: str, filters: Filters) -> SavedView:
    """Keep filters under a name; those that had it before are replaced.

    Raises
    ------
    WorklistError
        Where the name is empty or too long, or the user has too many views.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        problem = f"it has to have 1 to {_LONGEST_NAME} characters"
        raise WorklistError("W013", "the name of the view", problem, "choose another one")
    asked = {key: value for key, value in filters.to_query().items() if key not in ("page", "size")}
    with store.writing() as session:
        mine = select(SavedView).where(SavedView.user_id == user.id)
        view = session.scalar(mine.where(SavedView.name == name))
        if view is None:
            if (session.scalar(select(func.count()).select_from(mine.subquery())) or 0) >= _MOST:
                raise WorklistError("W013", "views", f"there are {_MOST} already", "delete one first")
            view = SavedView(user_id=user.id, name=name)
            session.add(view)
        view.filters = urlencode(asked)
        session.flush()
        about = f"view {view.id}"
        record(session, Happening(store.clock(), user.name, "view saved", about=about))
        return view


def delete_view(store: Store, user: User, view_id: int) -> None:
    """Delete an own view."""
    with store.writing() as session:
        view = session.get(SavedView, view_id)
        if view is None or view.user_id != user.id:
            raise NotFound("W007", f"view {view_id}", "there is no such view", "go back to the queue")
        session.delete(view)
        record(session, Happening(store.clock(), user.name, "view deleted", about=f"view {view_id}"))
