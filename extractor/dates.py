"""Dates: on which day a procedure was done, as its source or its letterhead tells it."""

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
    (rf"(?P<d>\d{{1,2}})-(?P<m>{_NAME})-(?P<y>\d{{2}})(?![\d_])", False),
)
_DATES = tuple((re.compile(form, re.IGNORECASE), either) for form, either in _FORMS)
_FIGURES = re.compile(r"(\d{4})(\d\d)(\d\d)(?:\d{2,6}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_YEARS = range(1950, 2100)  # others stand for a date that nobody knows


class NoDayError(ValueError):
    """What a source tells as a date of service is no day, or more than one; it quotes nothing."""


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


def told_day(value: str) -> date | None:
    """The day of service that a field of a source tells; ``None`` where it is blank.

    Of a time the day counts that is written, in whatever zone.

    Parameters
    ----------
    value
        A date or a time, as tables, FHIR, HL7 v2 or CDA write it.

    Raises
    ------
    NoDayError
        It is no day, such as a month, or one that stands for none, such as 1900-01-01.

    Examples
    --------
    >>> [str(told_day(t)) for t in ("2024-07-15T22:30:00-05:00", "202407152230", "15-JUL-24", " ")]
    ['2024-07-15', '2024-07-15', '2024-07-15', 'None']
    >>> told_day("2024-07")
    Traceback (most recent call last):
    extractor.dates.NoDayError: the date of service is no day
    """
    text = value.strip()
    if not text:
        return None
    figures = _FIGURES.fullmatch(text)
    day = parse_date("-".join(figures.groups()) if figures else text)
    if day is None or day.year not in _YEARS:
        raise NoDayError("the date of service is no day")
    return day


def told_period(start: str, end: str) -> date | None:
    """The day on which a service began; ``None`` where that is blank.

    Raises
    ------
    NoDayError
        It is no day, or the service went on after the next one: a stay, and not a procedure.

    Examples
    --------
    >>> str(told_period("2024-07-15T23:00:00Z", "2024-07-16T01:00:00Z"))
    '2024-07-15'
    >>> told_period("2024-07-15", "2024-07-19")
    Traceback (most recent call last):
    extractor.dates.NoDayError: the time of service is longer than a day
    """
    day, last = told_day(start), told_day(end)
    if day is not None and last is not None and not 0 <= (last - day).days <= 1:
        raise NoDayError("the time of service is longer than a day")
    return day


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
