"""Results: a suggestion as rows of flat tables, for files, databases and Spark.

``notes`` has a row for every note, ``lines`` one for every code, ``devices`` one for
every device; ``worklist`` has what a coder needs of each note that is not ``none``,
``errors`` what could not be read or coded, and what was left out. Rows are plain tuples
in the order of the columns; Arrow is imported only where a schema is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from extractor.output import codes_text, companion_units, devices_text

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    from extractor.suggestion import Suggestion

Table = Literal["notes", "lines", "devices", "worklist", "errors"]
Row = tuple[Any, ...]

_TEXT, _NUMBER, _TEXTS, _NUMBERS = "text", "number", "texts", "numbers"
_CODES = ("93590", "93591", "93592")

ORIGIN = {"note_id": _TEXT, "source": _TEXT, "line": _NUMBER, "text_sha256": _TEXT}
"""Columns of ``notes`` that say which note it is; the reader knows them, not the suggestion."""

RESULT = {
    "status": _TEXT,
    "codes": _TEXT,
    **{f"{bound}_{code}": _NUMBER for code in _CODES for bound in ("units", "low", "high")},
    "units_93462": _NUMBER,
    "approaches": _TEXTS,
    "reasons": _TEXTS,
    "rules_version": _TEXT,
    "suggestion": _TEXT,
}
"""Columns of ``notes`` that say what came of it. ``suggestion`` is the whole suggestion as
JSON; it is null where the screen says that the note cannot concern a closure."""

COLUMNS: dict[Table, dict[str, str]] = {
    "notes": {**ORIGIN, **RESULT},
    "lines": {
        "note_id": _TEXT,
        "code": _TEXT,
        "units": _NUMBER,
        "low": _NUMBER,
        "high": _NUMBER,
        "role": _TEXT,
        "devices": _NUMBERS,
    },
    "devices": {
        "note_id": _TEXT,
        "number": _NUMBER,
        "valve": _TEXT,
        "product": _TEXT,
        "size": _TEXT,
        "outcome": _TEXT,
        "start": _NUMBER,
        "end": _NUMBER,
    },
    "worklist": {
        "note_id": _TEXT,
        "status": _TEXT,
        "codes": _TEXT,
        "devices": _TEXT,
        "approaches": _TEXT,
        "93462": _NUMBER,
        "reasons": _TEXT,
        "why": _TEXT,
        "source": _TEXT,
        "line": _NUMBER,
    },
    "errors": {"code": _TEXT, "kind": _TEXT, "where": _TEXT, "problem": _TEXT, "remedy": _TEXT},
}
"""Columns of each table. ``start`` and ``end`` of a device are those of its first evidence."""


class Rows(NamedTuple):
    """What one suggestion comes to.

    Attributes
    ----------
    note
        Values of the ``RESULT`` columns.
    lines, devices
        Rows of these tables.
    task
        Cells of the worklist up to ``why``; empty for a note that is ``none``.
    """

    note: Row
    lines: tuple[Row, ...] = ()
    devices: tuple[Row, ...] = ()
    task: Row = ()


def rows(suggestion: Suggestion) -> Rows:
    """The rows of a suggestion.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> found = rows(Coder().suggest(note, "a"))
    >>> found.note[:5]
    ('ready', '93590 x1', 1, 1, 1)
    >>> found.lines
    (('a', '93590', 1, 1, 1, 'initial device, mitral', [1]),)
    >>> found.devices
    (('a', 1, 'mitral', 'Amplatzer Vascular Plug II', '12 mm', 'implanted', 34, 48),)
    """
    note_id = suggestion.note_id
    by_code = {line.code: line for line in suggestion.lines}
    units: list[int] = []
    for code in _CODES:
        line = by_code.get(code)
        units += [line.units, line.low, line.high] if line else [0, 0, 0]
    note = (
        suggestion.status,
        codes_text(suggestion.lines),
        *units,
        companion_units(suggestion, "93462"),
        list(suggestion.approaches),
        [reason.code for reason in suggestion.reasons],
        suggestion.rules_version,
        suggestion.to_json(),
    )
    lines = tuple(
        (note_id, line.code, line.units, line.low, line.high, line.role, list(line.devices))
        for line in suggestion.lines
    )
    devices = tuple(
        (
            note_id,
            device.number,
            device.valve,
            device.product,
            device.size,
            device.outcome,
            device.evidence[0].start if device.evidence else None,
            device.evidence[0].end if device.evidence else None,
        )
        for device in suggestion.devices
    )
    return Rows(note, lines, devices, _task(suggestion))


def unmentioned(rules_version: str) -> Rows:
    """The rows of a note that the screen has found to tell of no closure.

    Examples
    --------
    >>> unmentioned("440e43bdd6aa").note[0]
    'none'
    """
    return Rows(("none", "", *[0] * (3 * len(_CODES) + 1), [], [], rules_version, None))


def _task(suggestion: Suggestion) -> Row:
    if suggestion.status == "none":
        return ()
    return (
        suggestion.note_id,
        suggestion.status,
        codes_text(suggestion.lines),
        devices_text(suggestion),
        " ".join(suggestion.approaches),
        companion_units(suggestion, "93462"),
        " ".join(reason.code for reason in suggestion.reasons),
        " ".join(reason.message for reason in suggestion.reasons),
    )


def schema(columns: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of some columns.

    Examples
    --------
    >>> schema(COLUMNS["lines"]).names
    ['note_id', 'code', 'units', 'low', 'high', 'role', 'devices']
    """
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    types = {
        _TEXT: pa.string(),
        _NUMBER: pa.int64(),
        _TEXTS: pa.list_(pa.string()),
        _NUMBERS: pa.list_(pa.int64()),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])
