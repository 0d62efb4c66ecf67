"""Edits: what a payer's dated tables do with the suggested codes.

In: a suggestion and the tables. Out: its edits, for each setting. They say what to expect
of a claim; they change neither units nor status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Literal

from extractor.suggestion import Edit, Service, Suggestion
from extractor.tables import SETTINGS, Kind, Setting, Table, Tables

if TYPE_CHECKING:
    from extractor.rules import RuleBook

Severity = Literal["info", "warning", "error"]

_LISTED = 6  # codes named one by one
_UNDATED = "The date of service is not known: each edit is by the newest edition of its table."
_LIMITS = {
    "1": "on a claim line (MAI 1)",
    "2": "a day, absolute by policy (MAI 2)",
    "3": "a day (MAI 3: more may be paid where the documentation supports it)",
}
_NONE_HELPS = "no modifier bypasses this pair for Medicare; other payers may differ"
_ONE_MAY = "a modifier may bypass this pair where the documentation supports a separate service"


def edits(suggestion: Suggestion, book: RuleBook, tables: Tables, day: date | None) -> tuple[Edit, ...]:
    """The edits for a suggestion.

    Parameters
    ----------
    suggestion
        What is suggested; its own edits are not looked at.
    book
        The rules by which it was made.
    tables
        The payer's tables.
    day
        Date of service; the newest editions where it is not known, which one more edit says.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral and aortic paravalvular leak closure. An 8 mm AVP II was released at the "
    >>> note += "mitral valve, and an 8 mm AVP II was released at the aortic valve."
    >>> for edit in Coder().suggest(note).edits:
    ...     print(edit.table, edit.edition, edit.setting, edit.severity, edit.codes)
    ptp 2024-07-01 practitioner error ('93590', '93591')
    ptp 2024-07-01 outpatient_hospital error ('93590', '93591')
    all 2024-07-01 all info ('93590', '93591')
    """
    units = {line.code: line.units for line in suggestion.lines}
    units |= {companion.code: companion.units for companion in suggestion.companions}
    if not units or suggestion.status == "none":
        return ()
    found: list[Edit] = []
    used: list[Table] = []
    implanted = _implanted(suggestion, book)
    for setting in SETTINGS:
        for kind in _KINDS:
            table = tables.in_force(kind, None if kind == "aoc" else setting, day)
            if table is None:
                continue
            used.append(table)
            found += _of_table(table, setting, units, implanted, tables)
            if kind == "ptp":
                told = _beside(table, tuple(units), suggestion.also_documented)
                found += _edits(table, setting, told)
    return (*found, *(_undated(found) if day is None else _outdated(used, tuple(units), day)))


_KINDS: tuple[Kind, ...] = ("aoc", "mue", "ptp")


def _of_table(
    table: Table,
    setting: Setting,
    units: dict[str, int],
    implanted: str | None,
    tables: Tables,
) -> Iterator[Edit]:
    told: Iterable[_Told]
    if table.kind == "aoc":
        told = _add_ons(table, tuple(units))
    elif table.kind == "mue":
        told = _units(table, units)
    else:
        told = _pairs(table, tuple(units))
        if implanted is not None:
            told = [*told, *_bundles(table, tuple(units), implanted, tables.uses)]
    yield from _edits(table, setting, told)


def _edits(table: Table, setting: Setting, told: Iterable[_Told]) -> Iterator[Edit]:
    for severity, codes, message in told:
        yield Edit(
            table=table.kind,
            edition=table.edition.isoformat(),
            setting=setting,
            severity=severity,
            codes=codes,
            message=message,
        )


_Told = tuple[Severity, tuple[str, ...], str]


def _add_ons(table: Table, codes: tuple[str, ...]) -> Iterator[_Told]:
    """Add-on codes without a primary code beside them."""
    for code in codes:
        types = {primary: row[2] for (add_on, primary), row in table.rows.items() if add_on == code}
        if not types or any(primary in codes for primary in types):
            continue
        primaries = [primary for primary in types if primary != "CCCCC"]
        if "1" in types.values():
            message = f"{code} is an add-on code: it is paid only beside {_one_of(primaries)}."
            yield "error", (code,), message
        else:
            message = f"{code} is an add-on code and stands alone here: the payer says what it may go with."
            yield "warning", (code,), message


def _units(table: Table, units: dict[str, int]) -> Iterator[_Told]:
    """More units than the table expects. They are never capped: what is documented is reported."""
    for code, number in units.items():
        row = table.rows.get((code,))
        if row is not None and number > int(row[1]):
            severity: Severity = "error" if row[2] == "2" else "warning"
            message = f"{code} x{number} is documented, the limit is {row[1]} {_LIMITS[row[2]]}."
            yield severity, (code,), f"{message} Report what is documented."


def _pairs(table: Table, codes: tuple[str, ...]) -> Iterator[_Told]:
    """Suggested codes of which the payer pays only one."""
    for first in codes:
        for second in codes:
            row = table.rows.get((first, second))
            if row is None or row[3] == "9":
                continue
            what = f"{first} is paid and {second} is not when both are claimed:"
            if row[3] == "0":
                yield "error", (first, second), f"{what} {_NONE_HELPS}."
            else:
                yield "warning", (first, second), f"{what} {_ONE_MAY}."


def _implanted(suggestion: Suggestion, book: RuleBook) -> str | None:
    """What else was implanted in the session: ``valve``, ``clip``, or nothing."""
    reason = next((r for r in suggestion.reasons if r.code == "same_session_valve_implant"), None)
    if reason is None:
        return None
    rules = {span.rule for span in reason.evidence}
    means = [rule.means for rule in book.rules if rule.id in rules]
    clip = any(
        getattr(m, "event", None) == "clip_implant" or getattr(m, "role", None) == "clip" for m in means
    )
    return "clip" if clip else "valve"


def _bundles(table: Table, codes: tuple[str, ...], implanted: str, uses: dict[str, str]) -> Iterator[_Told]:
    """Pairs of the closure with the codes that the implant of this session may have."""
    others = [code for code, use in uses.items() if use == implanted]
    pairs: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for code in codes:
        for other in others:
            for pair in ((other, code), (code, other)):
                row = table.rows.get(pair)
                if row is not None and row[3] != "9":
                    paid = "implant" if pair[0] == other else "closure"
                    pairs.setdefault(row[3], {}).setdefault((code, paid), []).append(other)
    for indicator, found in sorted(pairs.items()):
        told = "; ".join(
            f"{_ranges(group)} is paid and {code} is not"
            if paid == "implant"
            else f"{code} is paid and {_ranges(group)} is not"
            for (code, paid), group in found.items()
        )
        involved = tuple(
            dict.fromkeys([*(c for c, _ in found), *sorted({o for g in found.values() for o in g})])
        )
        how = _NONE_HELPS if indicator == "0" else _ONE_MAY
        severity: Severity = "error" if indicator == "0" else "warning"
        message = f"A {implanted} was implanted in the same session, and its code bundles with the closure: "
        yield severity, involved, f"{message}{told}; {how}."


def _undated(found: list[Edit]) -> Iterator[Edit]:
    """A notice, once for all edits, that their editions may not be those of the service."""
    if found:
        yield Edit(
            table="all",
            edition=max(edit.edition for edit in found),
            setting="all",
            severity="info",
            codes=tuple(dict.fromkeys(code for edit in found for code in edit.codes)),
            message=_UNDATED,
        )


def _beside(table: Table, codes: tuple[str, ...], services: tuple[Service, ...]) -> Iterator[_Told]:
    """For each service that is only documented, its pairs with the claim and with the services behind it."""
    for number, service in enumerate(services):
        others = [*codes, *(code for other in services[number + 1 :] for code in other.codes)]
        pairs = _pairs_of(table, service.codes, others)
        if not pairs:
            continue
        told = [_pairs_told(found, indicator) for indicator, found in sorted(pairs.items())]
        involved = [other for found in pairs.values() for other, _ in found]
        own = [code for found in pairs.values() for group in found.values() for code in group]
        name = f"{service.service[:1].upper()}{service.service[1:]}"
        message = f"{name} is also documented and not claimed: {'; '.join(told)}."
        yield "info", tuple(dict.fromkeys([*involved, *own])), message


_OfOne = dict[tuple[str, bool], list[str]]  # by the other code, and whether that is the one paid
_Pairs = dict[str, _OfOne]  # by indicator


def _pairs_told(found: _OfOne, indicator: str) -> str:
    """Pairs of one indicator, those that say the same of several codes once."""
    sides: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for (other, is_paid), own in found.items():
        sides.setdefault((tuple(own), is_paid), []).append(other)
    told = []
    for (own_codes, is_paid), others in sides.items():
        paid, unpaid = (others, list(own_codes)) if is_paid else (list(own_codes), others)
        told.append(f"{_ranges(paid)} {_is(paid)} paid and {_ranges(unpaid)} {_is(unpaid)} not")
    how = _NONE_HELPS if indicator == "0" else _ONE_MAY
    return f"{', '.join(told)} when both are claimed; {how}"


def _is(codes: list[str]) -> str:
    return "is" if len(codes) == 1 else "are"


def _pairs_of(table: Table, own: tuple[str, ...], others: Iterable[str]) -> _Pairs:
    """The codes of a service that stand in a pair with another code."""
    pairs: _Pairs = {}
    for other in others:
        for code in own:
            for pair, is_paid in (((other, code), True), ((code, other), False)):
                row = table.rows.get(pair)
                if row is not None and row[3] != "9":
                    pairs.setdefault(row[3], {}).setdefault((other, is_paid), []).append(code)
    return pairs


def governed(suggestion: Suggestion, tables: Tables, day: date | None) -> tuple[Service, ...]:
    """The services that are also documented, each with what governs it beside the suggested codes.

    Parameters
    ----------
    suggestion
        What is suggested.
    tables
        The payer's tables.
    day
        Date of service; the newest editions where it is not known.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was released. An ICE catheter was used."
    >>> Coder().suggest(note).also_documented[0].message.split(". ")[-2]
    'Practitioner and outpatient hospital, 2024-07-01: no pair edit with 93590'
    """
    codes = tuple(line.code for line in suggestion.lines)
    codes += tuple(companion.code for companion in suggestion.companions)
    out = []
    for service in suggestion.also_documented:
        message = " ".join([service.message, *_rules_of(service, codes, tables, day)])
        out.append(service.model_copy(update={"message": message}))
    return tuple(out)


def _rules_of(service: Service, codes: tuple[str, ...], tables: Tables, day: date | None) -> Iterator[str]:
    """What the tables have of a service, in sentences."""
    said: dict[str, list[str]] = {}
    for setting in SETTINGS:
        table = tables.in_force("ptp", setting, day)
        if table is not None:
            what = f"{table.edition}: {_pair_edits(_pairs_of(table, service.codes, codes), codes)}"
            said.setdefault(what, []).append(_words(setting))
    for what, settings in said.items():
        yield f"{' and '.join(settings).capitalize()}, {what}."
    add_ons = tables.in_force("aoc", None, day)
    if add_ons is not None:
        yield from _add_on_told(add_ons, service.codes, codes)


def _add_on_told(table: Table, own: tuple[str, ...], codes: tuple[str, ...]) -> Iterator[str]:
    """Of an add-on code that is only documented, whether the claim has its primary code."""
    for code in own:
        primaries = {primary for add_on, primary in table.rows if add_on == code}
        beside = [claimed for claimed in codes if claimed in primaries]
        if primaries:
            named = " and ".join(beside) if beside else "none of these codes"
            yield f"{code} is an add-on code: the table of {table.edition} lists {named} as primary."


def _pair_edits(pairs: _Pairs, codes: tuple[str, ...]) -> str:
    if not pairs:
        return f"no pair edit with {_ranges(list(codes))}"
    told = []
    for indicator, found in sorted(pairs.items()):
        others = _ranges(list(dict.fromkeys(other for other, _ in found)))
        what = "no modifier bypasses" if indicator == "0" else "a modifier may bypass"
        told.append(f"{what} the pair edit with {others}")
    return "; ".join(told)


def _outdated(used: Iterable[Table], codes: tuple[str, ...], day: date) -> Iterator[Edit]:
    """A notice for each table that is older, or newer, than the service."""
    tables: dict[tuple[Kind, date], list[Table]] = {}
    for table in used:
        tables.setdefault((table.kind, table.edition), []).append(table)
    for (kind, edition), group in tables.items():
        if edition <= day < group[0].until:
            continue
        older = "older than the service date" if day >= edition else "newer than the service date"
        yield Edit(
            table=kind,
            edition=edition.isoformat(),
            setting=(group[0].setting or "all") if len(group) == 1 else "all",
            severity="info",
            codes=codes,
            message=f"The table is {older}, {day}: import the edition of that day to be sure.",
        )


def together(found: Iterable[Edit]) -> list[tuple[Edit, str]]:
    """Edits for people: those that say the same once, with their tables, editions and settings.

    Examples
    --------
    >>> first = Edit(
    ...     table="mue", edition="2024-07-01", setting="practitioner", severity="warning",
    ...     codes=("93592",), message="Too many.",
    ... )
    >>> second = first.model_copy(update={"setting": "outpatient_hospital"})
    >>> [where for _, where in together([first, second])]
    ['mue 2024-07-01, practitioner and outpatient hospital']
    """
    groups: dict[tuple[str, str], list[Edit]] = {}
    for edit in found:
        groups.setdefault((edit.severity, edit.message), []).append(edit)
    out = []
    for group in groups.values():
        tables = dict.fromkeys(_table(edit) for edit in group)
        settings = dict.fromkeys(_words(edit.setting) for edit in group)
        out.append((group[0], f"{', '.join(tables)}, {' and '.join(settings)}"))
    return out


def _table(edit: Edit) -> str:
    return "all tables" if edit.table == "all" else f"{edit.table} {edit.edition}"


def _words(setting: str) -> str:
    return "all settings" if setting == "all" else setting.replace("_", " ")


def _one_of(codes: list[str]) -> str:
    if len(codes) > _LISTED:
        return f"one of the {len(codes)} primary codes of the table"
    return " or ".join(codes)


def _ranges(codes: list[str]) -> str:
    """Codes, those that follow one another as a range.

    Examples
    --------
    >>> _ranges(["33361", "33362", "33363", "0483T"])
    '0483T, 33361 to 33363'
    """
    runs: list[list[str]] = []
    for code in sorted(codes):
        if runs and code.isdigit() and runs[-1][-1].isdigit() and int(code) == int(runs[-1][-1]) + 1:
            runs[-1].append(code)
        else:
            runs.append([code])
    parts = [run if len(run) < 3 else [f"{run[0]} to {run[-1]}"] for run in runs]
    return ", ".join(part for run in parts for part in run)
