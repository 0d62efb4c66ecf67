"""The queue: lanes, filters, saved views, and the next note."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response

from extractor.worklist.decisions import DECIDERS, drawn
from extractor.worklist.models import Lane
from extractor.worklist.queue import NOBODY, WAITING, Choices, Filters, QueueRow, choices, next_note, rows
from extractor.worklist.views import delete_view, filters_of, save_view, views_of
from extractor.worklist.web.visit import Here, Number, Visit

router = APIRouter()

LANES = {
    Lane.ready: "Ready",
    Lane.edits: "Ready with claim edits",
    Lane.review: "Review",
    Lane.query: "Query open",
    Lane.done: "Done",
    Lane.none: "None",
}
"""The lanes, as the pages call them."""

SORTS = {"age": "Waiting longest", "doubt": "Largest doubt", "date": "Date of service"}
_MORE = ("operator", "site", "style", "assignee", "since", "until", "fewest", "most")


def address(filters: Filters, **changed: object) -> str:
    """The queue page of these filters, some of them changed; it begins anew at page one.

    Examples
    --------
    >>> address(Filters(lane=Lane.review, page=3), sort="doubt")
    '/queue?lane=review&sort=doubt'
    """
    asked = replace(filters, **{"page": 1, **changed}).to_query()  # type: ignore[arg-type]
    return f"/queue?{urlencode(asked)}" if asked else "/queue"


@router.get("/queue")
def queue(visit: Here) -> Response:
    """A page of the queue."""
    filters = Filters.from_query(visit.query)
    return _queue(visit, filters)


@router.post("/queue/next")
def take_next(visit: Here) -> Response:
    """Hand out the next note of these filters."""
    filters = Filters.from_query(visit.fields)
    lease = timedelta(minutes=visit.settings.lease_minutes)
    entry_id = next_note(visit.store, visit.user, filters, lease=lease)
    asked = {name: value for name, value in filters.to_query().items() if name not in ("page", "size")}
    if entry_id is None:
        return visit.go("/queue", "nothing-waits", **asked)
    return visit.go(f"/notes/{entry_id}", **asked)


@router.post("/views")
def keep_view(visit: Here) -> Response:
    """Keep the filters of the page as a view."""
    filters = Filters.from_query(visit.fields)
    save_view(visit.store, visit.user, visit.fields.get("name", ""), filters)
    return visit.go(address(filters), "view-saved")


@router.post("/views/{view_id}/delete")
def drop_view(visit: Here, view_id: Number) -> Response:
    """Delete a view."""
    delete_view(visit.store, visit.user, view_id)
    return visit.go("/queue", "view-deleted")


def _queue(visit: Visit, filters: Filters) -> Response:
    with visit.store.reading() as session:
        found = rows(session, filters, visit.now)
        counts = visit.house.counts.of(session, filters, visit.now)
        offered = visit.house.recent.get("choices", lambda: choices(session))
        views = [(view.id, view.name, address(filters_of(view))) for view in views_of(session, visit.user)]
    everywhere = address(filters, lane=None, everything=True)
    lanes = [
        (
            "To do",
            sum(counts[lane] for lane in WAITING),
            address(filters, lane=None, everything=False),
            not (filters.lane or filters.everything),
        ),
        *(
            (words, counts[lane], address(filters, lane=lane, everything=False), filters.lane is lane)
            for lane, words in LANES.items()
            if lane is not Lane.none or counts[lane] or filters.lane is lane
        ),
        ("All", sum(counts.values()), everywhere, filters.lane is None and filters.everything),
    ]
    return visit.render(
        "queue.html",
        filters=filters,
        asked={name: value for name, value in filters.to_query().items() if name not in ("page", "size")},
        rows=found,
        unseen={row.entry_id for row in found if _is_unseen(visit, row)},
        lanes=lanes,
        everywhere=everywhere,
        offered=_lists(offered, filters),
        views=views,
        sorts=SORTS,
        lane_words=LANES,
        short_words=LANES | {Lane.edits: "Claim edits"},
        more_set=any(getattr(filters, name) not in ("", None) for name in _MORE),
        filtered=replace(filters, lane=None, everything=False, sort="age", page=1, size=50) != Filters(),
        plain=address(Filters(lane=filters.lane, everything=filters.everything)),
        before=address(filters, page=filters.page - 1) if filters.page > 1 else "",
        after=address(filters, page=filters.page + 1) if found.more else "",
    )


def _is_unseen(visit: Visit, row: QueueRow) -> bool:
    """Whether the queue must not tell what is suggested for a note: it is still to be coded blind."""
    decides = visit.user.role in DECIDERS and row.lane is not Lane.done
    return decides and drawn(row.note_id, "blind", visit.settings.blind_share)


def _lists(offered: Choices, filters: Filters) -> dict[str, list[tuple[str, str]]]:
    """What each list of the filters offers: value and words, with what is chosen now though it is gone."""
    plain = {
        "reason": [(one, one.replace("_", " ")) for one in offered.reasons],
        "code": [(one, one) for one in offered.codes],
        "valve": [(one, one) for one in offered.valves],
        "operator": [(one, one) for one in offered.operators],
        "site": [(one, one) for one in offered.sites],
        "style": [(one, one) for one in offered.styles],
        "assignee": [(NOBODY, "nobody"), *((one, one) for one in offered.users)],
    }
    for name, listed in plain.items():
        chosen = getattr(filters, name)
        if chosen and chosen not in dict(listed):
            listed.append((chosen, chosen))
    return plain
