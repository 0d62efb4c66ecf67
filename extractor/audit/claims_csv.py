"""Claims of a table: CSV or TSV with a service line a row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from extractor.audit.billed import BilledClaim, BilledLine, ClaimKind, FoundClaim, place_of
from extractor.audit.claims837 import units_of
from extractor.dates import parse_date
from extractor.errors import InputError
from extractor.readers.columns import plain_name

# The first name that a table has is taken.
_NAMES = {
    "encounter": (
        "encounter encounter_id encounter_number enc_id pat_enc_csn_id pat_enc_csn enc_csn_id csn encntr_id "
        "visit visit_id visit_number patient_control_number clm01 fin account account_id account_number "
        "hsp_account_id har"
    ),
    "date": (
        "date service_date date_of_service dos svc_date from_date service_from_date line_service_date "
        "date_from procedure_date"
    ),
    "code": "code cpt cpt_code hcpcs hcpcs_code cpt_hcpcs procedure_code proc_code px_code procedure",
    "units": "units unit qty quantity service_units billed_units unit_count units_billed",
    "modifiers": "modifiers modifier mods mod",
    "claim": "claim claim_id claim_number claim_no claim_key invoice invoice_number icn",
    "frequency": "frequency frequency_code claim_frequency claim_frequency_code",
    "kind": "claim_type claim_kind setting bill_type form_type claim_form",
}
_NEEDED = ("encounter", "date", "code", "units")
_FURTHER = re.compile(r"(?:mod|modifier|modifiers)[1-4]")
_CODE = re.compile(r"([0-9A-Z]{5})(?:\.0+)?((?:[\s,:-]+[0-9A-Z]{2})*)")
_MODIFIER = re.compile(r"[0-9A-Z]{2}")
_DATE_ONLY = re.compile(r"(\d{4})(\d\d)(\d\d)")
_KINDS: dict[str, ClaimKind] = {
    **dict.fromkeys(
        ("practitioner", "professional", "p", "837p", "cms1500", "physician", "pb"), "practitioner"
    ),
    **dict.fromkeys(
        ("outpatienthospital", "institutional", "i", "837i", "ub04", "hospital", "facility", "hb"),
        "outpatient_hospital",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClaimColumns:
    """Names of columns where the guesses do not fit."""

    encounter: str | None = None
    date: str | None = None
    code: str | None = None
    units: str | None = None
    modifiers: str | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column is which, as positions counted from 0."""

    at: dict[str, int]
    modifiers: tuple[int, ...]
    width: int


def read_csv_claims(
    path: str, text: str, codes: Collection[str], names: ClaimColumns | None = None, delimiters: str = ",;\t|"
) -> Iterator[FoundClaim]:
    r"""The claims of a table: rows of one claim together, in the order of their first rows.

    Parameters
    ----------
    path
        The file, for messages.
    text
        What it holds.
    codes
        The codes whose units matter.
    names
        Names of columns that the user gave.
    delimiters
        What may part the columns; the one with which the first row names them does.

    Examples
    --------
    >>> rows = "CSN,DOS,CPT,Qty,Mod1\nE1,07/15/2024,93590,1,\nE1,07/15/2024,93592,2,59\n"
    >>> (claim,) = read_csv_claims("claims.csv", rows, {"93590", "93592"})
    >>> claim.encounter, [(line.code, line.units, line.modifiers) for line in claim.lines]
    ('E1', [('93590', 1, ()), ('93592', 2, ('59',))])
    """
    if not text.strip():
        yield InputError("I005", path, "the file is empty", "give a table with a claim line in it")
        return
    chosen = _chosen(path, text, names or ClaimColumns(), delimiters)
    if isinstance(chosen, InputError):
        yield chosen
        return
    delimiter, columns = chosen
    claims: dict[tuple[str, ...], list[BilledClaim]] = {}
    for number, row in _records(text, delimiter):
        if row is None:
            yield _unread(place_of(path, line=number), "the quotes of the row do not close")
            continue
        for found in _row(path, number, row, columns, codes):
            if isinstance(found, InputError):
                yield found
            else:
                key = (found.kind, found.claim_id, found.encounter, found.frequency)
                claims.setdefault(key, []).append(found)
    for parts in claims.values():
        lines = tuple(line for part in parts for line in part.lines)
        yield replace(parts[0], lines=lines, unread=any(part.unread for part in parts))


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Rows behind the first with the lines where they begin; ``None`` for one that cannot be read.

    Where quotes do not close anywhere, every line is a row: else one quote would hide all rows behind it.
    """
    records: list[tuple[int, list[str] | None]] = []
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        start = 1
        for row in rows:
            records.append((start, row))
            start = rows.line_num + 1
    except csv.Error:
        records = [
            (number, _one_line(line, delimiter))
            for number, line in enumerate(text.splitlines(keepends=True), 1)
        ]
    for number, cells in records[1:]:
        if cells is None or any(cell.strip() for cell in cells):
            yield number, cells


def _one_line(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _chosen(path: str, text: str, names: ClaimColumns, delimiters: str) -> tuple[str, _Columns] | InputError:
    """The delimiter with which the first row names the columns, and the columns."""
    error, most = None, 0
    first = text[: text.find("\n") if "\n" in text else len(text)].rstrip("\r")
    for delimiter in delimiters:
        head = next(csv.reader([first], delimiter=delimiter), [])
        columns = _columns(path, [name.strip() for name in head], names)
        if isinstance(columns, _Columns):
            return delimiter, columns
        if len(head) > most:
            error, most = columns, len(head)
    assert error is not None
    return error


def _columns(path: str, head: Sequence[str], names: ClaimColumns) -> _Columns | InputError:
    plain = [plain_name(name) for name in head]
    at: dict[str, int] = {}
    for role, guesses in _NAMES.items():
        named = getattr(names, role, None)
        wanted = [plain_name(named)] if named else [plain_name(guess) for guess in guesses.split()]
        found = next((plain.index(name) for name in wanted if name in plain), None)
        if found is None and (role in _NEEDED or named):
            what = f"no column {named}" if named else f"no column with the {role} of a claim line"
            remedy = f"name the one that holds it with --claim-{role}-column"
            return InputError("I078", path, what, remedy)
        if found is not None:
            if plain.count(plain[found]) > 1:
                problem = f"more than one column with the {role} of a claim line has the same name"
                return InputError("I078", path, problem, "give each a name of its own")
            at[role] = found
    further = tuple(i for i, name in enumerate(plain) if _FURTHER.fullmatch(name))
    one = (at["modifiers"],) if "modifiers" in at else ()
    return _Columns(at, one + tuple(i for i in further if i not in one), len(head))


def _row(
    path: str, number: int, row: list[str], columns: _Columns, codes: Collection[str]
) -> Iterator[FoundClaim]:
    """The claim of one line that a row is; what cannot be read spoils the claim that it belongs to."""

    def cell(role: str) -> str:
        at = columns.at.get(role)
        return row[at].strip() if at is not None and at < len(row) else ""

    encounter = cell("encounter")
    where = place_of(path, line=number, encounter=encounter)
    if not encounter:
        problem = "the row has no id of its encounter"
        yield InputError("I074", place_of(path, line=number), problem, "give every row one, or leave it out")
        return
    claim = BilledClaim(
        encounter,
        cell("claim"),
        kind=_KINDS.get(plain_name(cell("kind")), ""),
        frequency=cell("frequency").removesuffix(".0") or "1",
        place=place_of(path, line=number),
    )
    fits = len(row) == columns.width or (len(row) > columns.width and not any(row[columns.width :]))
    if not fits:
        yield _unread(where, f"{len(row)} cells where the first row has {columns.width}")
        yield replace(claim, unread=True)
        return
    code = _CODE.fullmatch(cell("code").upper())
    if code is None:
        yield _unread(where, "no code of five characters")
        yield replace(claim, unread=True)
        return
    day = _day(cell("date"))
    if cell("date") and day is None:
        yield InputError("I077", where, "the date of service is no day", "write it like 2024-07-15")
        yield replace(claim, unread=True)
        return
    units = units_of(cell("units"))
    if units is None and code[1] in codes:
        problem = f"the units of {code[1]} are no whole number of 0 or more"
        yield InputError("I076", where, problem, "correct the row; a claim taken back has frequency 8")
        yield replace(claim, unread=True)
        return
    told = " ".join([code[2], *(row[at] for at in columns.modifiers)]).upper()
    line = BilledLine(
        code[1],
        units or 0,
        tuple(dict.fromkeys(_MODIFIER.findall(told))),
        (day, day) if day else None,
        place_of(path, line=number),
    )
    yield replace(claim, lines=(line,))


def _unread(where: str, problem: str) -> InputError:
    return InputError("I079", where, problem, "correct the row, or put cells with delimiters in quotes")


def _day(text: str) -> date | None:
    digits = _DATE_ONLY.fullmatch(text.removesuffix(".0"))
    return parse_date("-".join(digits.groups()) if digits else text)
