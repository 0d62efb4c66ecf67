"""The trail: what happened to a note, or everything, and whether the chain holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response

from extractor.worklist import trail as chain
from extractor.worklist.history import Asked, actions, history
from extractor.worklist.web.visit import Here

router = APIRouter()
_SIZE = 100
_MOST = 50  # findings that are shown


@router.get("/trail")
def trail(visit: Here) -> Response:
    """A page of the trail."""
    asked = Asked.from_query(visit.query)
    with visit.store.reading() as session:
        found = history(session, asked, _SIZE + 1)
        kinds = visit.house.recent.get("actions", lambda: actions(session))
    shown = found[:_SIZE]
    further = replace(asked, before=shown[-1].number).to_query() if len(found) > _SIZE else {}
    if asked.action and asked.action not in kinds:
        kinds = [*kinds, asked.action]
    return visit.render(
        "trail.html",
        asked=asked,
        rows=shown,
        kinds=kinds,
        earlier=f"/trail?{urlencode(further)}" if further else "",
        reads_notes=visit.may("/notes/{entry_id}"),
    )


@router.get("/trail/verify")
def verify(visit: Here) -> Response:
    """Walk the whole chain."""
    with visit.store.reading() as session:
        verdict = chain.verify(session)
        findings = list(islice(chain.verify_seals(session), _MOST + 1)) if not verdict.problem else []
    return visit.render("verify.html", verdict=verdict, findings=findings[:_MOST], many=len(findings) > _MOST)
