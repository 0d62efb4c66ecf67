"""Stamps: the times that messages carry, in a form that sorts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_TIME = re.compile(
    r"(?P<year>\d{4})(?:-?(?P<month>\d\d)(?:-?(?P<day>\d\d)(?:[T ]?(?P<hour>\d\d)(?::?(?P<minute>\d\d)"
    r"(?::?(?P<second>\d\d)(?:\.(?P<part>\d+))?)?)?)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
NEVER = "0" * 20
"""Before every other stamp: no time was given, or none that can be read."""


def stamp(time: str) -> str:
    """A time of HL7 v2, of FHIR or of CDA as twenty digits, in UTC where it has a zone.

    Examples
    --------
    >>> stamp("20240105103000-0500"), stamp("2024-01-05T15:30:00Z")
    ('20240105153000000000', '20240105153000000000')
    >>> stamp("2024-01"), stamp("yesterday") == NEVER
    ('20240101000000000000', True)
    """
    found = _TIME.fullmatch(time.strip())
    if found is None:
        return NEVER
    part = (found["part"] or "").ljust(6, "0")[:6]
    try:
        moment = datetime(
            int(found["year"]),
            int(found["month"] or 1),
            int(found["day"] or 1),
            int(found["hour"] or 0),
            int(found["minute"] or 0),
            min(int(found["second"] or 0), 59),
            int(part),
            _zone(found["zone"]),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return NEVER
    # strftime pads no year before 1000.
    return f"{moment.year:04}{moment:%m%d%H%M%S%f}"


def _zone(zone: str | None) -> timezone:
    if zone is None or zone == "Z":
        return UTC
    digits = zone.replace(":", "")
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-offset if digits[0] == "-" else offset)
