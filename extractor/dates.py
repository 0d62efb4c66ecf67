"""Dates: on which day a note says that its procedure was done."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

_LETTERHEAD = 1_500  # characters in which it stands
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = "(" + "|".join(_MONTHS) + r")[a-z]*\.?"
_FORMS = (
    (r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?!\d)", False),
    (rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -]+(?P<m>{_NAME})[ ,-]+(?P<y>\d{{4}})(?!\d)", False),
    (rf"(?P<m>{_NAME})[ -]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[ -]+(?P<y>\d{{4}})(?!\d)", False),
    (r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?!\d)", False),
    (r"(?P<m>\d{1,2})[/-](?P<d>\d{1,2})[/-](?P<y>\d{4})(?!\d)", True),
    (r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{2})(?![\d_])", True),
)
_DATES = tuple((re.compile(form, re.IGNORECASE), either) for form, either in _FORMS)


def parse_date(text: str) -> date | None:
    """The day with which a text begins, ``None`` where it begins with none.

    Of 03/04/2024 the month is read first, as in the country of the tables, unless it cannot be one.

    Examples
    --------
    >>> [str(parse_date(t)) for t in ("2024-07-15", "15 July 2024", "Jul 15, 2024", "07/15/2024 08:00")]
    ['2024-07-15', '2024-07-15', '2024-07-15', '2024-07-15']
    >>> str(parse_date("15/07/2024")), parse_date("31.02.2024"), parse_date("2019")
    ('2024-07-15', None, None)
    """
    for form, either in _DATES:
        found = form.match(text)
        if found is None:
            continue
        name = found["m"][:3].lower()
        month = _MONTHS.index(name) + 1 if name in _MONTHS else int(found["m"])
        day = int(found["d"])
        if either and month > 12:
            month, day = day, month
        try:
            return date(int(found["y"]) + (2000 if len(found["y"]) == 2 else 0), month, day)
        except ValueError:
            return None
    return None


def service_date(text: str, labels: tuple[str, ...]) -> date | None:
    """The date of service in the letterhead of a note; ``None`` unless there is exactly one.

    Parameters
    ----------
    text
        The note.
    labels
        What letterheads call it.

    Examples
    --------
    >>> labels = ("date of procedure", "dos")
    >>> str(service_date("Name: A B    Date of procedure: 15 July 2024", labels))
    '2024-07-15'
    >>> service_date("DOS: 2024-07-15 ... Date of Procedure: 2024-07-16", labels) is None
    True
    """
    if not labels:
        return None
    head = text[:_LETTERHEAD]
    days = {parse_date(head[found.end() :]) for found in _labels(labels).finditer(head)}
    days.discard(None)
    return days.pop() if len(days) == 1 else None


@lru_cache(maxsize=4)
def _labels(labels: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(r"\s+".join(map(re.escape, label.split())) for label in labels)
    day = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
    return re.compile(rf"(?<![\w-])(?:{names})[ \t]*[*_]*[ \t]*[:|=]?[ \t:|*_.]*{day}", re.IGNORECASE)
