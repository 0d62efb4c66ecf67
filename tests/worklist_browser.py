"""A browser without a window, at the pages of a worklist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from extractor.worklist import people
from extractor.worklist.database import Store
from extractor.worklist.models import User
from extractor.worklist.web.app import make_app
from extractor.worklist.web.security import Place

if TYPE_CHECKING:
    from httpx import Response

HOST = "localhost:8765"
ORIGIN = f"http://{HOST}"


class Browser:
    """A browser at the pages of a worklist."""

    def __init__(self, store: Store, place: Place | None = None, address: str = "127.0.0.1") -> None:
        from starlette.testclient import TestClient

        self.store = store
        self.app = make_app(store, place, recent=0)
        self.place = place or Place()
        self.origin = self.place.public or ORIGIN
        self.client = TestClient(
            self.app, base_url=self.origin, follow_redirects=False, client=(address, 50_000)
        )

    def become(self, name: str) -> Browser:
        """Sign in without a password."""
        with self.store.reading() as session:
            user = session.scalar(select(User).where(User.name == name))
        assert user is not None
        token = people.sign_in_by_proxy(self.store, name)
        self.client.cookies.set(self.place.cookie, token)
        return self

    @property
    def csrf(self) -> str:
        found = people.signed_in(self.store, self.client.cookies.get(self.place.cookie) or "")
        return found[1] if found else ""

    def get(self, path: str, **headers: str) -> Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Response:
        sent = {"csrf": self.csrf, **(fields or {})}
        return self.client.post(path, data=sent, headers={"origin": self.origin, **headers})
