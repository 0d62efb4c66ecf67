"""Learn: what the decisions say about the suggestions, in figures and plots.

A coder sees the figures of the own decisions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from extractor.worklist.learning import (
    DIMENSIONS,
    Changed,
    Figures,
    Row,
    Scope,
    figures,
    last_change,
    write_gold,
)
from extractor.worklist.models import Role
from extractor.worklist.queue import choices
from extractor.worklist.web import plots
from extractor.worklist.web.visit import Here, Visit

router = APIRouter()

DAYS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "A year", "all": "All"}
"""How far back the page looks, where it names no days."""

_USUAL = "90"
_PAGE = 100  # notes
_BLOCK = 64 * 1024
_IN_MEMORY = 1024 * 1024

TITLES = {
    "code": "Code",
    "why": "Coder's reason",
    "reason": "Reason",
    "rule": "Rule",
    "style": "Style",
    "site": "Site",
    "rules_version": "Rules version",
    "coder": "Coder",
}
"""The dimensions, as the page calls them."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which decisions the page is about, and how its addresses say so."""

    scope: Scope
    days: str

    @property
    def query(self) -> dict[str, str]:
        asked = self.scope.to_query()
        if self.days:
            asked = {name: value for name, value in asked.items() if name not in ("since", "until")}
            asked["days"] = self.days
        return asked

    def looking(self, days: str) -> str:
        """The page of another time."""
        return address(_Chosen(replace(self.scope, since=None, until=None), days))


def address(chosen: _Chosen, path: str = "/learn", **more: str) -> str:
    """A page about the same decisions."""
    return f"{path}?{urlencode({**chosen.query, **more})}"


@router.get("/learn")
def learn(visit: Here) -> Response:
    """The figures."""
    chosen = _chosen(visit, visit.query)
    found = _figures(visit, chosen.scope)
    with visit.store.reading() as session:
        offered = visit.house.recent.get("choices", lambda: choices(session))
    begins = [period.begin for period in found.periods]
    agreed = [100 * one.agreed.value if one.agreed.of else None for one in found.periods]
    return visit.render(
        "learn.html",
        chosen=chosen,
        times=[(days, words, chosen.looking(days)) for days, words in DAYS.items()],
        offered={"site": offered.sites, "style": offered.styles, "coder": offered.users},
        own=_is_own(visit),
        narrowed=bool(set(visit.query) & {"since", "until", "site", "style", "coder"}),
        figures=found,
        titles=TITLES,
        decided=plots.bars(begins, found.step, [one.decided for one in found.periods], "decisions"),
        agreement=plots.lines(begins, found.step, [("agreement", agreed)], "%", most=100),
        turn_around=plots.lines(
            begins,
            found.step,
            [
                ("median", [one.hours for one in found.periods]),
                ("90th percentile", [one.hours_90 for one in found.periods]),
            ],
            " h",
        ),
        named=plots.named,
        notes_of=lambda by, value: address(chosen, "/learn/notes", by=by, value=value),
        may_take=visit.may("/learn/gold", "POST"),
    )


@router.get("/learn/notes")
def notes(visit: Here) -> Response:
    """The notes whose suggestion was changed or rejected, behind one of the figures."""
    chosen = _chosen(visit, visit.query)
    by, value = visit.query.get("by", ""), visit.query.get("value", "")[:200]
    found = _changed(_figures(visit, chosen.scope), by, value)
    page = visit.query.get("page", "1")
    number = int(page) if page.isdecimal() and 0 < len(page) < 6 else 1
    begin = max(0, number - 1) * _PAGE
    more = {"by": by, "value": value} if by in DIMENSIONS else {}
    return visit.render(
        "learn_notes.html",
        title=TITLES.get(by, ""),
        value=value.replace("_", " ") if by in ("why", "reason") else value,
        back=address(chosen),
        number=len(found),
        notes=found[begin : begin + _PAGE],
        begin=begin,
        before=address(chosen, "/learn/notes", **more, page=str(number - 1)) if begin else "",
        after=address(chosen, "/learn/notes", **more, page=str(number + 1))
        if len(found) > begin + _PAGE
        else "",
        reads_notes=visit.may("/notes/{entry_id}"),
    )


@router.post("/learn/gold")
def gold(visit: Here) -> Response:
    """The decided notes with their labels, as a file for ``pvl evaluate``."""
    chosen = _chosen(visit, visit.fields)
    file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
    try:
        write_gold(visit.store, visit.user, lambda line: file.write(line.encode()), chosen.scope)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    headers = {"content-disposition": f'attachment; filename="pvl-gold-{visit.now:%Y-%m-%d}.jsonl"'}
    return StreamingResponse(
        _blocks(file), media_type="application/jsonl", headers=headers, background=BackgroundTask(file.close)
    )


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _is_own(visit: Visit) -> bool:
    return visit.user.role is Role.coder


def _chosen(visit: Visit, given: Mapping[str, str]) -> _Chosen:
    scope = Scope.from_query(given)
    if _is_own(visit):
        scope = replace(scope, coder=visit.user.name)
    if scope.since is not None or scope.until is not None:
        return _Chosen(scope, "")
    days = given.get("days", "")
    days = days if days in DAYS else _USUAL
    if days != "all":
        scope = replace(scope, since=visit.now.date() - timedelta(days=int(days) - 1))
    return _Chosen(scope, days)


def _figures(visit: Visit, scope: Scope) -> Figures:
    with visit.store.reading() as session:
        return visit.house.figures.get((scope, last_change(session)), lambda: figures(session, scope))


def _changed(found: Figures, by: str, value: str) -> list[Changed]:
    """The latest first."""
    rows: tuple[Row, ...] = found.by.get(by, ())
    if by in found.by:
        changed = [one for row in rows if row.value == value for one in row.changed]
    else:
        changed = list(
            {one.entry_id: one for row in found.by["rules_version"] for one in row.changed}.values()
        )
    return sorted(changed, key=lambda one: (one.at, one.entry_id), reverse=True)
