"""Exports: each decision leaves once, every file can be had again, and each form is what its readers need."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import select

from extractor.coder import Coder
from extractor.errors import NotAllowed, NotFound, WorklistError
from extractor.readers import Note
from extractor.suggestion import Device, Span
from extractor.worklist import exports
from extractor.worklist.database import Store
from extractor.worklist.decisions import Coded
from extractor.worklist.filing import file_notes
from extractor.worklist.models import Entry, Export, Kind, Lane, Role, User
from extractor.worklist.queue import Filters
from tests.worklist_bench import ONE_LINE, Bench
from tests.worklist_store import Clock, ToldCoder, add_user

NOTE = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released. 02/03/2024 <b>&amp;"


@pytest.fixture
def bench(store: Store, told_coder: ToldCoder, clock: Clock) -> Bench:
    return Bench(store, told_coder, clock)


def made(bench: Bench, form: str, who: str = "lea", filters: Filters | None = None) -> str:
    return exports.make(bench.store, bench.users[who], form, filters)[1].decode()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# -- once --------------------------------------------------------------------------


def test_exports_hold_what_is_done_and_hold_it_once(bench: Bench) -> None:
    bench.file("a", "b", "c")
    bench.decide(note_id="a")
    taken_back = bench.decide(note_id="b")
    bench.undo(taken_back, note_id="b")
    with bench.store.reading() as session:
        assert exports.waiting(session) == 1
    assert {row["note_id"] for row in rows(made(bench, "csv"))} == {"a"}
    for form in exports.FORMS:
        with pytest.raises(WorklistError) as error:
            made(bench, form)
        assert error.value.code == "W033"
    bench.decide(note_id="b")
    assert {row["note_id"] for row in rows(made(bench, "csv"))} == {"b"}
    assert bench.entry("a").exported_at == bench.clock()
    assert bench.entry("c").exported_at is None


def test_exports_leave_out_what_waits_for_a_second_coder(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("a")
    bench.decide("ada")
    with pytest.raises(WorklistError):
        made(bench, "csv")
    bench.decide("bo")
    found = rows(made(bench, "csv"))
    assert {(row["decided_by"], row["checked_by"]) for row in found} == {("ada", "bo")}


def test_exports_are_had_again_byte_for_byte_and_each_time_is_recorded(bench: Bench) -> None:
    bench.file("a")
    bench.decide(kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    export, content = exports.make(bench.store, bench.users["lea"], "fhir")
    bench.file("a", text="a later text")  # reopens the entry
    same, again = exports.again(bench.store, bench.users["lin"], export.id)
    assert (same.id, again) == (export.id, content)
    assert same.sha256 == hashlib.sha256(content).hexdigest()
    (row,) = bench.trail("export")
    assert (row.by, row.about) == ("lea", f"export {export.id}")
    told = {name: value for name, value in json.loads(row.after).items() if name != "seals"}
    assert told == {"form": "fhir", "number": 1, "sha256": export.sha256}
    (one,) = bench.trail("exported")
    assert one.entry_id == bench.entry().id
    assert [row.by for row in bench.trail(exports.FETCHED)] == ["lin"]
    with bench.store.reading() as session:
        assert [one.id for one in exports.exports(session)] == [export.id]


def test_exports_that_were_tampered_with_are_not_given_out(bench: Bench) -> None:
    bench.file("a")
    bench.decide()
    export, _ = exports.make(bench.store, bench.users["lea"], "csv")
    with bench.store.writing() as session:
        session.get_one(Export, export.id).content = b"something else"
    with pytest.raises(WorklistError) as error:
        exports.again(bench.store, bench.users["lea"], export.id)
    assert error.value.code == "W034"
    with bench.store.reading() as session:
        assert exports.fetched(session, [export]) == {}


def test_exports_of_a_corrected_note_name_what_they_correct(bench: Bench) -> None:
    bench.file("a")
    first = bench.decide()
    made(bench, "csv")
    bench.file("a", text="a later text", units={"93590": 1})
    second = bench.decide("bo")
    (row,) = rows(made(bench, "csv"))
    assert (row["code"], row["decision_id"], row["corrects"]) == ("93590", str(second.id), str(first.id))


def test_exports_are_for_leads_and_known_forms(bench: Bench) -> None:
    bench.file("a")
    bench.decide()
    bench.users["root"] = add_user(bench.store, "root", Role.admin)  # who reads no notes
    for who in ("ada", "eye", "root"):
        with pytest.raises(NotAllowed):
            made(bench, "csv", who)
    with pytest.raises(WorklistError) as error:
        made(bench, "xlsx")
    assert error.value.code == "W035"
    with pytest.raises(NotFound):
        exports.again(bench.store, bench.users["lea"], 99)


def test_exports_take_the_filters_of_the_queue_and_no_more_than_a_file_holds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.file("a1", "a2", "a3", "b1")
    for note_id in ("a1", "a2", "a3", "b1"):
        bench.decide(note_id=note_id)
    monkeypatch.setattr(exports, "MOST", 2)
    only = Filters(search="a", lane=Lane.review)
    assert {row["note_id"] for row in rows(made(bench, "csv", filters=only))} == {"a1", "a2"}
    assert {row["note_id"] for row in rows(made(bench, "csv", filters=only))} == {"a3"}
    assert {row["note_id"] for row in rows(made(bench, "csv"))} == {"b1"}


# -- forms -------------------------------------------------------------------------


def serve(bench: Bench, note_id: str, day: date | None) -> None:
    with bench.store.writing() as session:
        session.scalars(select(Entry).where(Entry.note_id == note_id)).one().service_date = day


def test_exports_csv_has_a_row_for_each_line_and_no_formula(bench: Bench) -> None:
    bench.file("=cmd|' /C calc'!A0", "b")
    serve(bench, "b", date(2024, 8, 1))
    odd = [Coded("93590", 1, ("62", "22")), Coded("93592", 3)]
    bench.decide(
        note_id="=cmd|' /C calc'!A0", kind=Kind.change, lines=odd, reason="missed_device", comment="=1+1"
    )
    bench.decide(note_id="b", kind=Kind.reject, lines=(), reason="not_this_session")
    text = made(bench, "csv")
    first, second, rejected = rows(text)
    assert first["note_id"] == "'=cmd|' /C calc'!A0"
    assert [first[name] for name in ("line", "code", "units", "modifiers", "decision", "reason")] == [
        "1", "93590", "1", "62 22", "change", "missed_device",
    ]  # fmt: skip
    assert (second["line"], second["code"], second["units"]) == ("2", "93592", "3")
    assert first["suggested"] == "93590 x1 + 93592 x1"
    assert (rejected["code"], rejected["units"], rejected["service_date"]) == ("", "0", "2024-08-01")
    assert "=1+1" not in text
    assert not re.search(r'(?:^|,)"?[=+@-]', text, re.M)


def test_exports_jsonl_holds_the_whole_decision(bench: Bench) -> None:
    bench.file("a")
    decision = bench.decide(
        kind=Kind.change,
        lines=ONE_LINE,
        reason="other",
        comment="see p. 2",
        outcomes={"2": {"outcome": "removed"}},
    )
    (line,) = made(bench, "jsonl").splitlines()
    found = json.loads(line)
    assert found["decision"] == {
        "id": decision.id, "kind": "change", "lines": [{"code": "93590", "units": 1, "modifiers": []}],
        "outcomes": {"2": {"outcome": "removed"}}, "reason": "other", "comment": "see p. 2", "blind": False,
        "by": "ada", "checked_by": None, "at": "2024-09-02T08:00:00+00:00", "corrects": None,
    }  # fmt: skip
    assert found["suggestion"]["rules_version"] == "rules-1"
    assert found["revision"]["number"] == 1


def test_exports_x12_are_segments_of_service_lines(bench: Bench) -> None:
    bench.file("note*1~:^" + "x" * 60, "b")
    lines = [Coded("93590", 1, ("62", "22")), Coded("93592", 2)]
    for note_id in ("note*1~:^" + "x" * 60, "b"):
        bench.decide(note_id=note_id, kind=Kind.change, lines=lines, reason="modifier")
    serve(bench, "b", date(2024, 8, 1))
    segments = made(bench, "x12").splitlines()
    first = bench.entry("note*1~:^" + "x" * 60).id
    assert segments[:3] == [f"CLM*note_1___xxxxxxxxx.{first}****:B:1~", "LX*1~", "SV1*HC:93590:62:22**UN*1~"]
    assert segments[-4:-1] == ["LX*2~", "SV1*HC:93592**UN*2~", "DTP*472*D8*20240801~"]
    controls = [one.removeprefix("REF*6R*").removesuffix("~") for one in segments if one.startswith("REF")]
    assert len(set(controls)) == 4
    assert all(len(one) <= 50 and re.fullmatch(r"[\w.-]+", one) for one in controls)
    assert controls[-1].startswith("b.")
    assert all(one.endswith("~") and one.count("~") == 1 for one in segments)


def bundle(line: str) -> dict[str, list[dict[str, Any]]]:
    Bundle.model_validate_json(line)
    assert not re.findall(r'"\w+": (?:\[\]|\{\}|""|null)', line)
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in json.loads(line)["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def test_exports_fhir_is_a_valid_bundle_that_names_who_decided_by_which_words(
    bench: Bench, coder: Coder
) -> None:
    bench.set(second_check_share=1.0)
    file_notes(bench.store, [Note("a", NOTE), Note("b", NOTE + " B")], coder, by="import")
    lines = [Coded("93590", 1, ("62",)), Coded("93592", 1)]
    for who in ("ada", "bo"):
        bench.decide(who, "a", Kind.change, lines, reason="missed_device")
        bench.decide(who, "b")
    changed, accepted = (bundle(line) for line in made(bench, "fhir").splitlines())
    charges = {one["code"]["coding"][0]["code"]: one for one in changed["ChargeItem"]}
    assert {code: (one["status"], one["quantity"]["value"]) for code, one in charges.items()} == {
        "93590": ("billable", 1),
        "93592": ("billable", 1),
    }
    modifiers = [
        one["valueCode"] for one in charges["93590"]["extension"] if one["url"] == "urn:pvl:modifier"
    ]
    assert modifiers == ["62"]
    (provenance,) = changed["Provenance"]
    assert provenance["recorded"] == "2024-09-02T08:00:00+00:00"
    assert [
        (one["type"]["coding"][0]["code"], one["who"]["display"].split(",")[0]) for one in provenance["agent"]
    ] == [
        ("author", "ada"),
        ("verifier", "bo"),
        ("assembler", "pvl " + changed["Device"][0]["version"][0]["value"]),
    ]
    (source,) = provenance["entity"]
    spans = [{part["url"]: next(v for k, v in part.items() if k != "url") for part in one["extension"]}
             for one in source["extension"]]  # fmt: skip
    assert spans
    assert all(NOTE[one["start"] : one["end"]] == one["text"] for one in spans)
    assert {one["status"] for one in accepted["ChargeItem"]} == {"billable"}
    ids = [one["id"] for kind in (*changed.values(), *accepted.values()) for one in kind]
    assert len(set(ids)) == len(ids)


def test_exports_fhir_of_a_rejected_note_bills_nothing(bench: Bench) -> None:
    bench.file("a")
    bench.file("b", status="none", units={})
    bench.decide(note_id="a", kind=Kind.reject, lines=(), reason="not_this_session")
    bench.decide(note_id="b")
    rejected, nothing = (bundle(line) for line in made(bench, "fhir").splitlines())
    assert {one["status"] for one in rejected["ChargeItem"]} == {"not-billable"}
    assert "ChargeItem" not in nothing
    (provenance,) = nothing["Provenance"]
    assert [one["type"] for one in provenance["target"]] == ["DocumentReference"]


def test_exports_fhir_without_kept_text_has_the_evidence_alone(bench: Bench) -> None:
    span = Span(start=3, end=7, text="plug", section="body", rule="device.plug")
    device = Device(number=1, valve="mitral", product=None, size=None, outcome="implanted", evidence=(span,))
    bench.file("a", text="a plug", keep=False, devices=[device])
    bench.decide()
    found = bundle(made(bench, "fhir"))
    (document,) = found["DocumentReference"]
    assert document["content"] == [{"attachment": {"contentType": "text/plain; charset=utf-8"}}]
    parts = {part["url"]: part for part in document["extension"][0]["extension"]}
    assert (parts["start"]["valueUnsignedInt"], parts["text"]["valueString"]) == (3, "plug")


def test_exports_by_two_leads_at_once_never_hold_the_same_note(bench: Bench) -> None:
    names = [f"n{number}" for number in range(12)]
    bench.file(*names)
    for name in names:
        bench.decide(note_id=name)

    def export(user: User) -> list[str]:
        try:
            return [row["note_id"] for row in rows(exports.make(bench.store, user, "csv")[1].decode())]
        except WorklistError:
            return []  # the other one had them all

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(export, (bench.users["lea"], bench.users["lin"]))
    assert set(one) | set(two) == set(names)
    assert not set(one) & set(two)


def test_exports_at_is_utc(bench: Bench) -> None:
    bench.clock.now = datetime(2024, 9, 2, 23, 30, 15, 123456, tzinfo=UTC)
    bench.file("a")
    bench.decide()
    assert rows(made(bench, "csv"))[0]["decided_at"] == "2024-09-02T23:30:15+00:00"


# -- corrections -------------------------------------------------------------------


def corrected(bench: Bench, form: str, *, first: str = "csv") -> str:
    """What a form says of a note that was billed, then revised and rejected."""
    bench.file("a", "b")
    for note_id in ("a", "b"):
        bench.decide(note_id=note_id)
    made(bench, first)
    bench.file("a", "b", text="a later text")
    bench.decide(note_id="a", kind=Kind.reject, lines=(), reason="not_this_session")
    bench.decide(note_id="b", kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    return made(bench, form)


def test_exports_csv_of_a_rejection_that_corrects(bench: Bench) -> None:
    rejected, replaced = rows(corrected(bench, "csv"))
    assert (rejected["note_id"], rejected["units"], rejected["corrects"]) == ("a", "0", "1")
    assert (replaced["note_id"], replaced["code"], replaced["corrects"]) == ("b", "93590", "2")


def test_exports_x12_take_back_and_replace_what_was_billed(bench: Bench) -> None:
    numbers = {"a": bench_entry_id(bench, "a"), "b": bench_entry_id(bench, "b")}
    assert corrected(bench, "x12", first="x12").splitlines() == [
        f"CLM*a.{numbers['a']}****:B:8~",
        f"CLM*b.{numbers['b']}****:B:7~",
        "LX*1~",
        "SV1*HC:93590**UN*1~",
        "REF*6R*b.4.1~",
    ]
    # Billed once more after all: nothing is billed now that this one would stand in for.
    bench.file("a", text="the last text")
    bench.decide(note_id="a")
    assert made(bench, "x12").startswith(f"CLM*a.{numbers['a']}****:B:1~\n")


def bench_entry_id(bench: Bench, note_id: str) -> int:
    bench.file(note_id)
    return bench.entry(note_id).id


def test_exports_x12_of_a_rejected_note_that_was_never_billed_is_nothing(bench: Bench) -> None:
    bench.file("a")
    bench.decide(kind=Kind.reject, lines=(), reason="not_this_session")
    assert made(bench, "x12") == ""


def test_exports_fhir_take_the_charges_of_before_back(bench: Bench) -> None:
    bench.file("a")
    bench.decide()
    before = bundle(made(bench, "fhir"))
    bench.file("a", text="a later text")
    bench.decide(kind=Kind.change, lines=ONE_LINE, reason="device_not_left")
    now = bundle(made(bench, "fhir"))
    assert [one["status"] for one in now["ChargeItem"]] == [
        "billable",
        "entered-in-error",
        "entered-in-error",
    ]
    assert [one["id"] for one in now["ChargeItem"]][1:] == [one["id"] for one in before["ChargeItem"]]
    assert {one["identifier"][0]["value"] for one in now["ChargeItem"][1:]} == {"1"}
    (provenance,) = now["Provenance"]
    assert provenance["entity"][1] == {
        "role": "revision",
        "what": {"identifier": {"system": "urn:pvl:decision", "value": "1"}},
    }
    assert len(provenance["target"]) == 3


def test_exports_fhir_of_a_rejection_takes_the_charges_of_before_back(bench: Bench) -> None:
    found = [bundle(line) for line in corrected(bench, "fhir", first="fhir").splitlines()]
    assert sorted(one["status"] for one in found[0]["ChargeItem"]) == [
        "entered-in-error",
        "entered-in-error",
        "not-billable",
        "not-billable",
    ]


def test_exports_name_who_checked_whatever_the_order_of_the_lines(bench: Bench) -> None:
    bench.set(second_check_share=1.0)
    bench.file("a")
    bench.decide(
        "ada", kind=Kind.change, lines=[Coded("93590", 1), Coded("93592", 2)], reason="missed_device"
    )
    bench.decide("bo", kind=Kind.change, lines=[Coded("93592", 2), Coded("93590", 1)], reason="missed_device")
    assert {(row["decided_by"], row["checked_by"]) for row in rows(made(bench, "csv"))} == {("ada", "bo")}


@pytest.mark.parametrize(
    "note_id", ["＝1+1", "＋1", "－1", "＠a", "\ta", " =1", "x;=1", "x\t@a", "x|+1", "\r=1", "\n=1"]
)
def test_exports_csv_leave_no_way_to_begin_a_formula(bench: Bench, note_id: str) -> None:
    bench.file(note_id)
    bench.decide(note_id=note_id)
    for delimiter in ",;|\t":
        for row in csv.reader(io.StringIO(made_again(bench)), delimiter=delimiter):
            assert not [cell for cell in row if re.match(r"\s*[=+@＝＋－＠-]", cell)]


def made_again(bench: Bench) -> str:
    with bench.store.reading() as session:
        if exports.waiting(session):
            return made(bench, "csv")
    return exports.again(bench.store, bench.users["lea"], 1)[1].decode()


def test_exports_of_more_than_one_file_holds_by_two_leads_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST", 3)
    names = [f"n{number}" for number in range(12)]
    bench.file(*names)
    for name in names:
        bench.decide(note_id=name)
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda _: rows(made(bench, "csv")), range(4)))
    found = [row["note_id"] for file in files for row in file if row["line"] == "1"]
    assert sorted(found) == sorted(names)
