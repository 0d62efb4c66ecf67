"""The audit: planted errors are found, nothing is invented, and broken claims cost only themselves."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random

import pytest
import typer
from typer.testing import CliRunner, Result

from extractor.audit import (
    RESULTS,
    ClaimColumns,
    Family,
    Finding,
    adjusted,
    compare,
    documented,
    load_family,
    read_claims,
    sample,
)
from extractor.audit.documented import supported
from extractor.audit.output import csv_lines, jsonl, rvu_lines
from extractor.audit.report import Audited, render_audit
from extractor.cli import app
from extractor.coder import Coder
from extractor.errors import CODES, InputError, InputNotice
from extractor.readers import Note
from tests import audited

DAY = date(2024, 7, 15)
NAMES = ("TESTPERSON", "ADA", "DOCTOR", "DORA", "CLINIC", "W000")
MITRAL = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
AORTIC_TWO = "Aortic paravalvular leak closure. Two 8 mm AVP II plugs were deployed and released."
AORTIC_SEPTAL = (
    "Aortic paravalvular leak closure. Transseptal puncture was performed. "
    "The aortic leak was crossed antegrade. An 8 mm AVP II was deployed and released."
)
MANY = "Mitral paravalvular leak closure. Multiple plugs were deployed and released."
BETWEEN = (
    "DESCRIPTION: Mitral paravalvular leak. An 8 mm AVP II was released. A 10 mm AVP II was released.\n"
    "IMPLANTS:\nAVP II 10 mm implanted\n"
)
COLONOSCOPY = "Colonoscopy. A polyp was removed."
Audit = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def family(coder: Coder) -> Family:
    return load_family(coder.rules, coder.tables)


@pytest.fixture
def audit(coder: Coder, family: Family, tmp_path: Path) -> Audit:
    """Audits notes by claims, given as 837 or as a table; errors come to ``audit.errors``."""

    def run(notes: list[Note], claims: str, name: str = "claims.837", **more: object) -> list[Finding]:
        path = tmp_path / name
        path.write_text(claims, encoding="utf-8", newline="")
        run.errors = []  # type: ignore[attr-defined]
        found = read_claims([path], run.errors.append, family.codes, **more)  # type: ignore[attr-defined, arg-type]
        kept, notices = adjusted(found)
        run.errors += notices  # type: ignore[attr-defined]
        lost = any(not isinstance(error, InputNotice) for error in run.errors)  # type: ignore[attr-defined]
        return compare(documented(notes, coder.pipe, coder.tables.labels), kept, coder.rules, family, lost)

    return run


def errors_of(audit: Audit) -> list[InputError]:
    return audit.errors  # type: ignore[attr-defined, no-any-return]


def note(text: str, encounter: str = "E1", day: date | None = DAY, note_id: str = "") -> Note:
    return Note(note_id or f"note-{encounter}", text, served=day, encounter=encounter)


def sent(
    *lines: tuple[str, int] | tuple[str, int, str], encounter: str = "E1", **more: object
) -> audited.Sent:
    whole = tuple((line[0], line[1], line[2] if len(line) > 2 else "") for line in lines)
    return audited.Sent(encounter, more.pop("day", DAY), whole, **more)  # type: ignore[arg-type]


def told(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    return {one.code: (one.result, one.issue) for one in findings}


def by_encounter(findings: list[Finding]) -> dict[str, audited.Expected]:
    found: dict[str, audited.Expected] = {}
    for one in findings:
        if one.result != "agree" or one.issue:
            found.setdefault(one.encounter, {})[one.code] = (one.result, one.issue)
    return found


# -- the planted set --------------------------------------------------------------------


@pytest.fixture(scope="module")
def encounters() -> list[audited.Encounter]:
    return audited.make(seed=20240715)


@pytest.fixture(scope="module")
def coded(coder: Coder, encounters: list[audited.Encounter]) -> list:  # type: ignore[type-arg]
    return list(documented((one.note for one in encounters), coder.pipe, coder.tables.labels))


def test_audit_set_plants_sixty_errors_in_five_hundred(encounters: list[audited.Encounter]) -> None:
    assert len(encounters) == 500
    planted = Counter(one.planted for one in encounters)
    assert planted == {"": 440, **dict.fromkeys(audited.PLANTED, 10)}


def test_audit_pipeline_is_sure_of_every_note_of_the_set(
    encounters: list[audited.Encounter],
    coded: list,  # type: ignore[type-arg]
) -> None:
    wrong = [
        (one.text, note.suggestion.status)
        for one, note in zip(encounters, coded, strict=True)
        if note.suggestion.status != ("ready" if one.devices else "none")
    ]
    assert wrong == []


def test_audit_finds_every_planted_error_in_837_and_invents_none(
    encounters: list[audited.Encounter],
    coded: list,
    coder: Coder,
    family: Family,
    tmp_path: Path,  # type: ignore[type-arg]
) -> None:
    all_sent = audited.claims(encounters, seed=1)
    half = len(all_sent) // 2
    # A claim and what replaces it may stand in different files: they are ordered by their transactions.
    first = audited.x12(all_sent[:half], newline="\r\n") + audited.x12(
        all_sent[half:], "|", ">", "\n", clock=50
    )
    (tmp_path / "claims.837").write_text(first, encoding="utf-8", newline="")
    errors: list[InputError] = []
    read = read_claims([tmp_path / "claims.837"], errors.append, family.codes)
    kept, notices = adjusted(read)
    assert errors == []
    assert {notice.code for notice in notices} == {"N032"}
    findings = compare(coded, kept, coder.rules, family)
    assert by_encounter(findings) == {one.id: one.expected for one in encounters if one.planted}


@pytest.mark.parametrize(
    ("name", "delimiter"), [("claims.csv", ","), ("claims.csv", ";"), ("claims.tsv", "\t")]
)
def test_audit_finds_every_planted_error_in_a_table_and_invents_none(
    encounters: list[audited.Encounter], coded: list, coder: Coder, family: Family, tmp_path: Path,  # type: ignore[type-arg]
    name: str, delimiter: str,
) -> None:  # fmt: skip
    (tmp_path / name).write_text(audited.table(audited.claims(encounters, 1), delimiter), newline="")
    errors: list[InputError] = []
    kept, _ = adjusted(read_claims([tmp_path / name], errors.append, family.codes))
    assert errors == []
    findings = compare(coded, kept, coder.rules, family)
    assert by_encounter(findings) == {one.id: one.expected for one in encounters if one.planted}


def test_audit_says_the_same_for_any_order_of_notes_and_claims(
    encounters: list[audited.Encounter],
    coded: list,
    coder: Coder,
    family: Family,
    tmp_path: Path,  # type: ignore[type-arg]
) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(audited.table(audited.claims(encounters, 1)), newline="")
    claims = read_claims([path], pytest.fail, family.codes)
    first = compare(coded, claims, coder.rules, family)
    shuffled, turned = list(coded), list(claims)
    Random(3).shuffle(shuffled)
    Random(4).shuffle(turned)
    again = compare(shuffled, turned, coder.rules, family)
    assert again == first
    drawn = sample(first, 50, seed=7)
    assert len(drawn) == 50
    assert sample(again[::-1], 50, seed=7) == drawn
    assert sample(first, 50, seed=8) != drawn


# -- one encounter ------------------------------------------------------------------------


def test_audit_finding_carries_everything_an_auditor_needs(audit: Audit) -> None:
    claims = audited.x12([sent(("93591", 1), ("93592", 3, "59"))])
    found = {one.code: one for one in audit([note(AORTIC_TWO)], claims)}
    one = found["93592"]
    assert (one.encounter, one.date, one.kind) == ("E1", "2024-07-15", "practitioner")
    assert (one.billed, one.low, one.high, one.result) == (3, 1, 1, "over-billed")
    assert one.finding == "Billed 3, supported 1 (2 too many)."
    assert (one.notes, one.status, one.modifiers) == (("note-E1",), "ready", ("59",))
    assert one.evidence
    assert all(AORTIC_TWO[span.start : span.end] == span.text for span in one.evidence)
    assert one.proof.startswith("2 device(s) left in; valve: aortic; 93592 x1")
    assert [edit.table for edit in one.edits] == ["mue"]
    assert "93592 x3 is billed" in one.edits[0].message
    assert one.edits[0].setting == "practitioner"
    assert re.fullmatch(r".*claims\.837, segment \d+", one.claims[0])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("93591", 1)], {"93591": ("agree", ""), "93462": ("under-billed", "companion_missing")}),
        ([("93591", 1), ("93462", 1)], {"93591": ("agree", ""), "93462": ("agree", "")}),
        ([("93591", 2), ("93462", 1)], {"93591": ("over-billed", "too_many_units"), "93462": ("agree", "")}),
    ],
)
def test_audit_companion_by_route(
    audit: Audit, lines: list[tuple[str, int]], expected: audited.Expected
) -> None:
    assert told(audit([note(AORTIC_SEPTAL)], audited.x12([sent(*lines)]))) == expected


def test_audit_companion_extra_and_beside_a_primary_of_another_family(audit: Audit) -> None:
    found = told(audit([note(MITRAL)], audited.x12([sent(("93590", 1), ("93462", 1))])))
    assert found["93462"] == ("not supported", "companion_extra")
    found = told(audit([note(MITRAL)], audited.x12([sent(("93590", 1), ("93462", 1), ("93453", 1))])))
    assert found["93462"] == ("needs review", "companion_extra")


def test_audit_note_that_tells_of_no_closure_supports_none(audit: Audit) -> None:
    (one,) = audit([note(COLONOSCOPY)], audited.x12([sent(("93590", 1))]))
    assert (one.result, one.issue) == ("not supported", "no_closure")


def test_audit_note_without_closure_is_ignored_beside_one_with(audit: Audit) -> None:
    notes = [note(COLONOSCOPY, note_id="a"), note(MITRAL, note_id="b"), note(COLONOSCOPY, note_id="c")]
    (one,) = audit(notes, audited.x12([sent(("93590", 1))]))
    assert (one.result, one.notes) == ("agree", ("b",))


def test_audit_two_closure_notes_of_a_day_need_a_person(audit: Audit) -> None:
    notes = [note(MITRAL, note_id="a"), note(AORTIC_TWO, note_id="b")]
    claimed = audit(notes, audited.x12([sent(("93590", 1), ("93592", 1))]))
    assert told(claimed) == dict.fromkeys(("93590", "93592"), ("needs review", "several_notes"))
    assert {one.notes for one in claimed} == {("a", "b")}
    unclaimed = audit(notes, audited.x12([sent(("93458", 1))]))
    assert {one.result for one in unclaimed} == {"needs review"}
    assert len({one.key for one in unclaimed}) == len(unclaimed)


def test_audit_review_cannot_prove_what_lies_in_its_interval(audit: Audit) -> None:
    many = told(audit([note(MANY)], audited.x12([sent(("93590", 1), ("93592", 5))])))
    assert many == dict.fromkeys(("93590", "93592"), ("needs review", "note_in_doubt"))
    one = {f.code: f for f in audit([note(MANY)], audited.x12([sent(("93590", 1))]))}["93592"]
    assert (one.result, one.low, one.high) == ("under-billed", 1, None)
    assert "at least 1 too few" in one.finding


def test_audit_review_with_a_range_is_exceeded_only_beyond_it(
    audit: Audit, coder: Coder, family: Family
) -> None:
    (documented_note,) = documented([note(BETWEEN)], coder.pipe, ())
    interval = supported(documented_note, family)["93592"]
    assert documented_note.suggestion.status == "review"
    assert (interval.low, interval.high) == (0, 1)
    inside = told(audit([note(BETWEEN)], audited.x12([sent(("93590", 1), ("93592", 1))])))
    assert inside["93592"] == ("needs review", "note_in_doubt")
    found = {f.code: f for f in audit([note(BETWEEN)], audited.x12([sent(("93590", 1), ("93592", 3))]))}
    assert found["93592"].result == "over-billed"
    assert "at least 2 too many" in found["93592"].finding


def test_audit_review_about_the_number_proves_nothing_by_the_number_it_prefers(audit: Audit) -> None:
    text = (
        "Aortic paravalvular leak closure with three plugs. Two 8 mm AVP II plugs were deployed and released."
    )
    found = told(audit([note(text)], audited.x12([sent(("93591", 1), ("93592", 2))])))
    assert found == dict.fromkeys(("93591", "93592"), ("needs review", "note_in_doubt"))


def test_audit_unsigned_note_proves_nothing(audit: Audit) -> None:
    unsigned = Note("a", AORTIC_TWO, served=DAY, encounter="E1", standing="preliminary")
    found = told(audit([unsigned], audited.x12([sent(("93591", 1), ("93592", 4))])))
    assert {result for result, _ in found.values()} == {"needs review"}


def test_audit_split_lines_are_added_up_and_co_surgeons_are_not(audit: Audit) -> None:
    text = AORTIC_TWO.replace("Two", "Three")
    split = [sent(("93591", 1), ("93592", 1, "59")), sent(("93592", 1, "76"))]
    assert {one.result for one in audit([note(text)], audited.x12(split))} == {"agree"}
    pair = [
        sent(("93591", 1, "62"), ("93592", 2, "62")),
        sent(("93591", 1, "62"), ("93592", 2, "62"), ("93355", 1)),
    ]
    assert {one.result for one in audit([note(text)], audited.x12(pair))} == {"agree"}
    helped = [sent(("93591", 1), ("93592", 2)), sent(("93591", 1, "82"), ("93592", 2, "82"))]
    assert {one.result for one in audit([note(text)], audited.x12(helped))} == {"agree"}


def test_audit_replaced_and_voided_claims_do_not_count(audit: Audit) -> None:
    first, second = sent(("93590", 1), ("93592", 3)), sent(("93590", 1), frequency="7")
    assert told(audit([note(MITRAL)], audited.x12([first, second]))) == {"93590": ("agree", "")}
    gone = audit([note(MITRAL)], audited.x12([first, sent(("93590", 1), frequency="8")]))
    assert told(gone) == {"93590": ("no claim", "not_billed")}
    audit([note(MITRAL)], audited.x12([sent(("93590", 1), frequency="8")]))
    assert [error.code for error in errors_of(audit)] == ["N033"]


def test_audit_later_transaction_replaces_whatever_the_order_in_the_file(audit: Audit) -> None:
    late = audited.x12([sent(("93590", 1), frequency="7")], clock=9)
    early = audited.x12([sent(("93590", 1), ("93592", 3))], clock=1)
    assert told(audit([note(MITRAL)], late + early)) == {"93590": ("agree", "")}


def test_audit_judges_physician_and_hospital_apart(audit: Audit) -> None:
    lines = sent(("93591", 1), ("93592", 1))
    short = sent(("93591", 1))
    both = audited.x12([lines]) + audited.x12([short], institutional=True)
    found = {(one.kind, one.code): one for one in audit([note(AORTIC_TWO)], both)}
    assert {key: one.result for key, one in found.items()} == {
        ("practitioner", "93591"): "agree",
        ("practitioner", "93592"): "agree",
        ("outpatient_hospital", "93591"): "agree",
        ("outpatient_hospital", "93592"): "under-billed",
    }
    assert {edit.setting for one in found.values() for edit in one.edits if one.kind == "practitioner"} <= {
        "practitioner",
        "all",
    }


def test_audit_joins_by_date_and_names_the_other_day(audit: Audit) -> None:
    found = audit([note(MITRAL)], audited.x12([sent(("93590", 1), day=date(2024, 7, 18))]))
    assert [(one.date, one.result) for one in found] == [
        ("2024-07-15", "no claim"),
        ("2024-07-18", "no note"),
    ]
    assert "2024-07-18" in found[0].finding
    assert "2024-07-15" in found[1].finding


def test_audit_two_procedures_of_a_stay_are_joined_each_by_its_day(audit: Audit) -> None:
    notes = [note(MITRAL, note_id="a"), note(AORTIC_TWO, note_id="b", day=date(2024, 7, 18))]
    claims = [sent(("93590", 1)), sent(("93591", 1), ("93592", 1), day=date(2024, 7, 18))]
    found = audit(notes, audited.x12(claims))
    assert [(one.date[-2:], one.code, one.result, one.notes[0]) for one in found] == [
        ("15", "93590", "agree", "a"),
        ("18", "93591", "agree", "b"),
        ("18", "93592", "agree", "b"),
    ]


def test_audit_note_without_a_date_is_joined_by_the_encounter_where_that_is_clear(audit: Audit) -> None:
    (one,) = audit([note(MITRAL, day=None)], audited.x12([sent(("93590", 1))]))
    assert (one.result, one.joined) == ("agree", "encounter alone")
    assert "encounter alone" in one.finding
    claims = [sent(("93590", 1)), sent(("93590", 1), day=date(2024, 7, 18), encounter="E1")]
    found = audit([note(MITRAL, day=None)], audited.x12(claims))
    assert {one.result for one in found} == {"needs review"}


def test_audit_takes_the_date_of_the_letterhead_and_the_id_of_the_note(audit: Audit) -> None:
    text = f"Date of procedure: July 15, 2024\n{MITRAL}"
    (one,) = audit([Note("E1", text)], audited.x12([sent(("93590", 1))]))
    assert (one.result, one.joined) == ("agree", "encounter and date")


def test_audit_claim_level_date_and_range_of_a_stay(audit: Audit) -> None:
    text = audited.x12([sent(("93590", 1))], institutional=True)
    stay = re.sub(r"DTP\*472\*D8\*\d+~", "", text).replace(
        "REF*D9*REFE1~", "DTP*434*RD8*20240714-20240717~", 1
    )
    stay = re.sub(r"SE\*(\d+)", lambda m: f"SE*{int(m[1]) - 1}", stay)
    (one,) = audit([note(MITRAL)], stay)
    assert (errors_of(audit), one.result, one.date) == ([], "agree", "2024-07-14/2024-07-17")


def test_audit_encounter_from_a_reference(audit: Audit) -> None:
    claims = audited.x12([sent(("93590", 1), encounter="ACCOUNT")])
    (one,) = audit([note(MITRAL, encounter="REFACCOUNT")], claims, encounter_from="ref-d9")
    assert one.result == "agree"
    assert audit([], claims, encounter_from="ref-ea") == []
    (error,) = errors_of(audit)
    assert error.code == "I074"
    assert "REF*EA" in error.problem


def test_audit_discontinued_line_needs_a_person(audit: Audit) -> None:
    found = told(audit([note(MITRAL)], audited.x12([sent(("93590", 1, "53"))])))
    assert found == {"93590": ("needs review", "discontinued")}


def test_audit_review_note_that_supports_no_code_is_not_lost(audit: Audit) -> None:
    text = (
        "Attempted mitral paravalvular leak closure. A 12 mm AVP II was deployed but recaptured and removed."
    )
    (one,) = audit([note(text)], audited.x12([sent(("93458", 1))]))
    assert (one.code, one.result) == ("", "needs review")


# -- malformed files ----------------------------------------------------------------------

GOOD = [sent(("93590", 1), encounter="E1"), sent(("93591", 1), ("93592", 1), encounter="E2")]
NOTES = [note(MITRAL, "E1"), note(AORTIC_TWO, "E2")]


def _recounted(text: str) -> str:
    """With the right number of segments in its one transaction."""
    inside = text[text.index("ST*837") : text.index("SE*")]
    return re.sub(r"SE\*\d+", f"SE*{inside.count('~') + 1}", text)


@pytest.mark.parametrize(
    ("spoil", "code", "where", "results"),
    [
        (
            lambda t: t[: t.index("SV1*HC:93592")], "I072", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (lambda t: t[: t.index("93592") + 3], "I072", "segment", {"E1": "agree", "E2": "needs review"}),
        (lambda t: t[: t.index("IEA")], "I072", "segment", {"E1": "agree", "E2": "agree"}),
        (lambda t: t[t.index("GS*") :], "I070", "segment 1", {"E1": "no claim", "E2": "no claim"}),
        (lambda t: t[:106] + t[106:].replace("*", "|"), "I071", "segment 2", {"E2": "no claim"}),
        (lambda t: t[:106] + t[106:].replace("~", "\n"), "I072", "segment 2", {"E1": "no claim"}),
        (
            lambda t: t.replace("HC:93591", "HC>93591"), "I071", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (
            lambda t: _recounted(re.sub(r"SV1\*HC:93592[^~]*~", "", t)), "I075", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (
            lambda t: t.replace("HC:93592*", "HC:9359*"), "I075", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (
            lambda t: t.replace("HC:93592*900*UN*1", "HC:93592*900*UN*two"), "I076", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (
            lambda t: t.replace("HC:93592*900*UN*1", "HC:93592*900*UN*-1"), "I076", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (
            lambda t: re.sub(r"(93592.*?D8\*)20240715", r"\g<1>20240732", t), "I077", "encounter E2",
            {"E1": "agree", "E2": "needs review"},
        ),
        (lambda t: re.sub(r"SE\*\d+", "SE*7", t), "I073", "segment", {"E1": "agree", "E2": "agree"}),
        (lambda t: t.replace("GE*1*1", "GE*3*1"), "I073", "segment", {"E1": "agree", "E2": "agree"}),
        (lambda t: t.replace("CLM*E2", "CLM*"), "I074", "segment", {"E1": "agree", "E2": "no claim"}),
    ],
)  # fmt: skip
def test_audit_broken_837_costs_one_message_and_the_rest_is_audited(
    audit: Audit, spoil: Callable[[str], str], code: str, where: str, results: dict[str, str]
) -> None:
    found = audit(NOTES, spoil(audited.x12(GOOD)))
    (error,) = errors_of(audit)
    assert error.code == code
    assert where in error.where
    assert "claims.837" in error.where
    assert not any(name in str(error) for name in NAMES)
    for encounter, result in results.items():
        assert {one.result for one in found if one.encounter == encounter} == {result}


def test_audit_lines_that_may_be_missing_prove_no_unit_too_few(audit: Audit) -> None:
    text = re.sub(r"LX\*2~SV1\*HC:93592[^~]*~DTP[^~]*~", "", audited.x12(GOOD))
    found = {one.code: one for one in audit(NOTES, text) if one.encounter == "E2"}
    assert [error.code for error in errors_of(audit)] == ["I073"]
    assert (found["93591"].result, found["93592"].result) == ("agree", "needs review")


def test_audit_interchange_behind_a_broken_one_is_read(audit: Audit) -> None:
    text = audited.x12(GOOD[:1])
    found = audit(NOTES, text[: text.index("SE*")] + "\n" + audited.x12(GOOD[1:], "|", "^", "'"))
    assert [error.code for error in errors_of(audit)] == ["I072"]
    assert {one.result for one in found if one.encounter == "E2"} == {"agree"}


def test_audit_other_transactions_are_told(audit: Audit) -> None:
    audit([], audited.x12(GOOD).replace("ST*837*", "ST*835*"))
    (notice,) = errors_of(audit)
    assert (notice.code, isinstance(notice, InputNotice)) == ("N031", True)


def test_audit_no_damage_to_837_crashes_or_tells_a_name(family: Family, tmp_path: Path) -> None:
    whole = audited.x12(GOOD, newline="\n") + audited.x12(GOOD, "|", ">", "\n", institutional=True)
    random = Random(11)
    path = tmp_path / "claims.837"
    seen: Counter[str] = Counter()
    for _ in range(400):
        text = whole
        for _ in range(random.randrange(1, 4)):
            start = random.randrange(len(text))
            end = start + random.choice((1, 1, 2, 30, 300))
            text = text[:start] + random.choice(("", "", "~", "*", ":", "ISA*", "\n", "x")) + text[end:]
        path.write_text(text, encoding="utf-8", newline="")
        errors: list[InputError] = []
        for claim in read_claims([path], errors.append, family.codes):
            assert all(line.units >= 0 for line in claim.lines)
        seen.update(error.code for error in errors)
        assert not any(name in str(error) for error in errors for name in NAMES)
    assert set(seen) >= {"I070", "I071", "I072", "I073", "I075", "I076"}


CSV = (
    "encounter,date,code,units,modifiers\n"
    "E1,2024-07-15,93590,1,\nE2,2024-07-15,93591,1,\nE2,2024-07-15,93592,1,\n"
)


@pytest.mark.parametrize(
    ("text", "code", "where", "results"),
    [
        (CSV.replace("code", "kode"), "I078", "claims.csv", {"E1": "no claim"}),
        (CSV.replace("units", "code"), "I078", "claims.csv", {"E1": "no claim"}),
        (CSV.replace("15,93592", "45,93592"), "I077", "claims.csv:4, encounter E2", {"E2": "needs review"}),
        (CSV.replace("93592,1", "93592,one"), "I076", "claims.csv:4, encounter E2", {"E2": "needs review"}),
        (CSV.replace("93592,1", "93592,-1"), "I076", "claims.csv:4, encounter E2", {"E2": "needs review"}),
        (CSV.replace("93592,1", "93592,1.5"), "I076", "claims.csv:4, encounter E2", {"E2": "needs review"}),
        (CSV.replace("93592,1,", "93592"), "I079", "claims.csv:4, encounter E2", {"E2": "needs review"}),
        (CSV.replace("93592", "nine"), "I079", "claims.csv:4, encounter E2", {"E2": "needs review"}),
        (CSV.replace("E2,2024-07-15,93592", ",2024-07-15,93592"), "I074", "claims.csv:4", {"E1": "agree"}),
        (CSV.replace("E1,2024", '"E1,2024'), "I079", "claims.csv:2", {"E1": "no claim", "E2": "agree"}),
        ("", "I005", "claims.csv", {"E1": "no claim"}),
    ],
)
def test_audit_broken_table_costs_one_message_and_the_rest_is_audited(
    audit: Audit, text: str, code: str, where: str, results: dict[str, str]
) -> None:
    found = audit(NOTES, text, "claims.csv")
    (error,) = errors_of(audit)
    assert error.code == code
    assert error.where.endswith(where)
    for encounter, result in results.items():
        assert {one.result for one in found if one.encounter == encounter} == {result}
    if results.get("E2") == "needs review":
        assert {one.result for one in found if one.encounter == "E1"} == {"agree"}
    if "no claim" in results.values():
        assert any("could not be read" in one.finding for one in found)


def test_audit_table_columns_can_be_named(audit: Audit) -> None:
    text = "a;b;c;d;e\nE1;15.07.2024;93590.0;1.0;59 76\n"
    names = ClaimColumns(encounter="a", date="b", code="c", units="d", modifiers="e")
    (one,) = audit([note(MITRAL)], text, "claims.csv", names=names)
    assert (errors_of(audit), one.result, one.modifiers) == ([], "agree", ("59", "76"))


def test_audit_table_tells_claimants_and_replacements_apart(audit: Audit) -> None:
    text = (
        "claim_id,claim_type,frequency,encounter,date,code,units\n"
        "c1,professional,1,E1,2024-07-15,93590,1\nc1,professional,1,E1,2024-07-15,93592,2\n"
        "c1,professional,7,E1,2024-07-15,93590,1\nc2,institutional,1,E1,2024-07-15,93590,1\n"
    )
    found = audit([note(MITRAL)], text, "claims.csv")
    assert [(one.kind, one.code, one.result) for one in found] == [
        ("outpatient_hospital", "93590", "agree"),
        ("practitioner", "93590", "agree"),
    ]


def test_audit_unreadable_claims_are_told(family: Family, tmp_path: Path) -> None:
    errors: list[InputError] = []
    assert read_claims([tmp_path / "none.837", tmp_path], errors.append, family.codes) == []
    assert [error.code for error in errors] == ["I001", "I002"]
    assert all(error.code in CODES for error in errors)


# -- samples, files and the page ------------------------------------------------------------


@pytest.fixture(scope="module")
def findings(
    encounters: list[audited.Encounter], coded: list, coder: Coder, family: Family,  # type: ignore[type-arg]
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Finding]:  # fmt: skip
    path = tmp_path_factory.mktemp("claims") / "claims.csv"
    path.write_text(audited.table(audited.claims(encounters, 1)), newline="")
    return compare(coded, read_claims([path], pytest.fail, family.codes), coder.rules, family)


def test_audit_sample_has_every_stratum_while_there_is_room(findings: list[Finding]) -> None:
    def strata(some: list[Finding]) -> set[tuple[object, ...]]:
        return {(one.result, one.status, one.codes) for one in some}

    every = strata(findings)
    assert 8 < len(every) < 40
    assert strata(sample(findings, 40, seed=1)) == every
    assert len(strata(sample(findings, 5, seed=1))) == 5
    assert sample(findings, len(findings) + 5, seed=1) == findings
    drawn = Counter(one.result for one in sample(findings, 200, seed=1))
    assert drawn["agree"] > 100


def test_audit_sample_is_the_same_everywhere(findings: list[Finding]) -> None:
    """By value, so that another machine or version that draws otherwise is noticed."""
    results = ["agree", "agree", "agree", "no note", "over-billed"]
    fixed = {"date": "2024-07-15", "kind": "", "code": "93590"}
    made = [
        findings[0].model_copy(
            update={**fixed, "encounter": f"E{n:02}", "result": results[n % 5], "codes": 1 + n % 2}
        )
        for n in range(60)
    ]
    drawn = " ".join(one.encounter for one in sample(made, 8, seed=7))
    assert drawn == "E14 E23 E29 E40 E41 E47 E48 E52"


def test_audit_csv_is_safe_in_a_spreadsheet(audit: Audit) -> None:
    found = audit([note(MITRAL, "=1+1")], audited.x12([sent(("93590", 1), encounter="=1+1")]))
    header, row = csv.reader(io.StringIO("".join(csv_lines(found))))
    assert dict(zip(header, row, strict=True))["encounter"] == "'=1+1"


def test_audit_rvu_only_where_wanted(audit: Audit, coder: Coder) -> None:
    found = audit([note(AORTIC_TWO)], audited.x12([sent(("93591", 1), ("93592", 3))]))
    assert "rvu_" not in next(iter(csv_lines(found)))
    assert all('"rvu":' not in line for line in jsonl(found))
    assert all('"rvu":' in line for line in jsonl(found, coder.tables))
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(found, coder.tables)))))
    assert [row["rvu_difference"] for row in rows] == ["0.0", "22.52"]
    assert list(rvu_lines(found, coder.tables)) == [
        "RVU, over-billed: 33.78 billed, 11.26 supported, +22.52",
        "RVU, agree: 25.70 billed, 25.70 supported, 0",
        "RVU, all: 59.48 billed, 36.96 supported, +22.52",
    ]
    hospital = audit([note(AORTIC_TWO)], audited.x12([sent(("93591", 1), ("93592", 3))], institutional=True))
    assert list(rvu_lines(hospital, coder.tables)) == []


def test_audit_page_needs_nothing_from_outside_and_runs_nothing(audit: Audit, coder: Coder) -> None:
    evil = '"><script>alert(1)</script>'
    found = audit([note(AORTIC_TWO, evil)], audited.x12([sent(("93591", 1), ("93592", 3), encounter=evil)]))
    html = render_audit(found, Audited(1, 1, 0, "abc"), coder.tables)
    assert "<script" not in html
    assert "script-src" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"https?://|src=|url\(|@import", html)
    assert "&lt;script&gt;" in html
    assert "“Two 8 mm AVP II plugs were deployed and released”" in html
    for name in RESULTS:
        assert f"<span>{name}</span>" in html
    assert 'id="f-over-billed" checked' in html
    assert 'id="f-agree">' in html
    assert "22.52" in html
    assert "22.52" not in render_audit(found, Audited(1, 1, 0, "abc"))


# -- the command ------------------------------------------------------------------------------

SAMPLES = Path(__file__).parent.parent / "sample_notes" / "audit"


def pvl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_audit_command_names_every_planted_error_of_the_sample_notes() -> None:
    result = pvl(SAMPLES / "notes.jsonl", "--claims", SAMPLES / "claims.837")
    assert result.exit_code == 0
    for words in (
        "Wrong valve:",
        "Add-on without primary:",
        "Closure coded as another family:",
        "93462 is missing",
    ):
        assert words in result.stdout
    assert "V1001" not in result.stdout  # agrees
    assert "16 codes of 9 encounters audited (4 under-billed, 1 over-billed," in result.stdout


def test_audit_command_says_the_same_of_837_and_of_a_table() -> None:
    found = []
    for name in ("claims.837", "claims.csv"):
        result = pvl(SAMPLES / "notes.jsonl", "--claims", SAMPLES / name, "--format", "jsonl")
        assert result.exit_code == 0
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        found.append([{k: v for k, v in row.items() if k not in ("kind", "claims", "edits")} for row in rows])
    assert found[0] == found[1]
    assert len(found[0]) == 16


def test_audit_command_quotes_the_notes_exactly() -> None:
    notes = [json.loads(line) for line in (SAMPLES / "notes.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = {note["id"]: note["text"] for note in notes}
    result = pvl(SAMPLES / "notes.jsonl", "--claims", SAMPLES / "claims.837", "--format", "jsonl")
    seen = 0
    for row in map(json.loads, result.stdout.splitlines()):
        for span in row["evidence"]:
            assert texts[row["notes"][0]][span["start"] : span["end"]] == span["text"]
            seen += 1
    assert seen > 20


def test_audit_command_fails_for_inputs_only(tmp_path: Path) -> None:
    whole = (SAMPLES / "claims.837").read_text(encoding="utf-8")
    (tmp_path / "cut.837").write_text(whole[: whole.index("CLM*V1009")], encoding="utf-8")
    result = pvl(SAMPLES / "notes.jsonl", "--claims", tmp_path / "cut.837")
    assert result.exit_code == 1
    assert "[I072]" in result.stderr
    assert not any(name in result.output for name in NAMES)
    assert "V1003" in result.stdout
    missing = pvl(SAMPLES / "notes.jsonl", "--claims", tmp_path / "none.837")
    assert missing.exit_code == 1
    assert "could not be read" in missing.stdout


def test_audit_command_writes_a_sample_and_a_page(tmp_path: Path) -> None:
    more = ["--claims", SAMPLES / "claims.837", "--sample", "5", "--seed", "7"]
    files = ["--format", "csv", "--out", tmp_path / "a.csv", "--html", tmp_path / "a.html"]
    result = pvl(SAMPLES / "notes.jsonl", *more, *files)
    assert result.exit_code == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == 5
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert html.count('<td class="code">') == 5
    assert "a sample of 16" in html
    assert "drawn" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["--encounter-from", "ref"],
        ["--encounter-from", "clm05"],
        ["--sample", "0"],
        ["--out", SAMPLES / "claims.837"],
        ["--html", SAMPLES / "notes.jsonl"],
        ["--out", "a.html", "--html", "a.html"],
    ],
)
def test_audit_command_refuses_what_cannot_be_meant(arguments: list[str | Path]) -> None:
    before = (SAMPLES / "claims.837").read_bytes()
    result = pvl(SAMPLES / "notes.jsonl", "--claims", SAMPLES / "claims.837", *arguments)
    assert result.exit_code == 2
    assert (SAMPLES / "claims.837").read_bytes() == before
    assert pvl(SAMPLES / "notes.jsonl").exit_code == 2


def test_audit_command_and_all_others_are_in_the_readme() -> None:
    text = (SAMPLES.parent.parent / "README.md").read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert "audit" in commands
    for name in commands:
        assert re.search(rf"^pvl {name}\b", text, re.MULTILINE), name
    shown = text[text.index("## Audit") : text.index("## Export")]
    options = {option for p in commands["audit"].params for option in p.opts if option.startswith("--claim-")}
    assert len(options) == 5
    assert all(f"`{option}`" in shown for option in options)
