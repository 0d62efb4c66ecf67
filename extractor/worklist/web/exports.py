"""Exports: what waits to leave the worklist, and every file that left it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import Response

from extractor.errors import WorklistError
from extractor.worklist import exports as made_of
from extractor.worklist.queue import Filters, choices
from extractor.worklist.web.visit import Here, Number

router = APIRouter()
_PAGE = 50  # exports
_SHOWN = 20  # decisions that wait
_ASKED = ("site", "style", "code", "since", "until")
_LARGEST = 2**31


@router.get("/exports")
def exports(visit: Here) -> Response:
    """What waits, and what was exported."""
    filters = _filters(visit.query)
    before = visit.query.get("before", "")
    last = int(before) if before.isdecimal() and len(before) < 11 and int(before) < _LARGEST else None
    with visit.store.reading() as session:
        offered = visit.house.recent.get("choices", lambda: choices(session))
        waiting = made_of.waiting(session, filters)
        everything = waiting if filters == Filters() else made_of.waiting(session)
        leaving = made_of.preview(session, filters, _SHOWN)
        made = made_of.exports(session, _PAGE + 1, last)
        fetched = made_of.fetched(session, made)
        left = made_of.exported(session)
    return visit.render(
        "exports.html",
        asked=filters.to_query(),
        filters=filters,
        offered={"site": offered.sites, "style": offered.styles, "code": offered.codes},
        waiting=waiting,
        everything=everything,
        most=made_of.MOST,
        leaving=leaving,
        forms=made_of.FORMS,
        made=made[:_PAGE],
        earlier=made[_PAGE - 1].id if len(made) > _PAGE else None,
        fetched=fetched,
        left=left,
        may_export=visit.may("/exports", "POST"),
        reads_notes=visit.may("/notes/{entry_id}"),
    )


@router.post("/exports")
def make(visit: Here) -> Response:
    """Export what waits."""
    filters = _filters(visit.fields)
    try:
        export, _ = made_of.make(visit.store, visit.user, visit.fields.get("form", ""), filters)
    except WorklistError as error:
        if error.code != "W033":
            raise
        return visit.go("/exports", "nothing-to-export", **filters.to_query())
    return visit.go(f"/exports#export-{export.id}", "exported", export.id)


@router.post("/exports/{export_id}/file")
def fetch(visit: Here, export_id: Number) -> Response:
    """The file of an export."""
    export, content = made_of.again(visit.store, visit.user, export_id)
    form = made_of.FORMS[export.form]
    headers = {"content-disposition": f'attachment; filename="pvl-export-{export.id}.{form.suffix}"'}
    return Response(content, media_type=form.media_type, headers=headers)


def _filters(given: Mapping[str, str]) -> Filters:
    """Of the queue's filters those that make sense here."""
    read = Filters.from_query(given)
    return Filters(**{name: getattr(read, name) for name in _ASKED})
