"""Messages in: HL7 v2, FHIR and C-CDA give the note that plain text gives, or an error that says why."""

from __future__ import annotations

import base64
import json
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape as xml_escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.errors import InputError, InputNotice
from extractor.readers import Note, attachment, read
from extractor.readers.hl7text import Marks, unescaped
from extractor.readers.versions import Versions

if TYPE_CHECKING:
    from extractor.coder import Coder
    from extractor.evaluate import Labelled

SECRET = "Zebrafish"
TEXT = "PROCEDURE: Closure of a leak\n\n  12 mm AVP II  | 8 & 10 mm ^ ~ # \\ × 2\nreleased.\tNo leak"


def collect(*paths: Path) -> tuple[list[Note], list[str]]:
    errors: list[InputError] = []
    notes = list(read(paths, errors.append))
    for error in errors:
        assert SECRET not in str(error)
        assert error.remedy
    return notes, [error.code for error in errors]


def b64(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


# --- HL7 v2 ---


def hl7_escaped(text: str) -> str:
    for char, code in (("\\", "E"), ("|", "F"), ("^", "S"), ("&", "T"), ("~", "R")):
        text = text.replace(char, f"\0{code}\0")
    return text.replace("\0", "\\")


def tx(text: str, kind: str = "TX", status: str = "F", name: str = "11505-5^Procedure note") -> list[str]:
    return [
        f"OBX|{number}|{kind}|{name}||{hl7_escaped(line)}||||||{status}"
        for number, line in enumerate(text.split("\n"), 1)
    ]


def ft(text: str) -> list[str]:
    broken = hl7_escaped(text).replace("\n", "\\.br\\")
    return [f"OBX|1|FT|11505-5^Procedure note||{broken}||||||F"]


def ed(data: str, kind: str = "^TEXT^PLAIN^Base64") -> list[str]:
    return [f"OBX|1|ED|11505-5^Procedure note||{kind}^{data}||||||F"]


def mdm(
    obx: Sequence[str],
    number: str = "d1",
    event: str = "T02",
    completion: str = "AU",
    parent: str = "",
    minute: int = 0,
    charset: str = "UNICODE UTF-8",
    availability: str = "AV",
) -> str:
    header = f"MSH|^~\\&|LAB|H|PVL|H|2024010510{minute:02}||MDM^{event}|c{minute}|P|2.5.1||||||{charset}"
    txa = f"TXA|1|OP|TX|||||||||{number}|{parent}||||{completion}||{availability}"
    return "".join(f"{segment}\r" for segment in (header, "PID|1||0||Testperson^Ada", txa, *obx))


def oru(obx: Sequence[str], number: str = "f1", state: str = "F", minute: int = 0) -> str:
    header = f"MSH|^~\\&|LAB|H|PVL|H|2024010510{minute:02}||ORU^R01|r{minute}|P|2.5.1||||||UNICODE UTF-8"
    obr = f"OBR|1|p1|{number}|28570-0^Procedure note{'|' * 21}{state}"
    return "".join(f"{segment}\r" for segment in (header, "PID|1||0||Testperson^Ada", obr, *obx))


def hl7(path: Path, *messages: str, name: str = "a.hl7") -> Path:
    (path / name).write_bytes("".join(messages).encode())
    return path / name


FORMS: dict[str, Callable[[str], bytes]] = {
    "mdm-tx": lambda text: mdm(tx(text)).encode(),
    "mdm-ft": lambda text: mdm(ft(text)).encode(),
    "mdm-ed": lambda text: mdm(ed(b64(text))).encode(),
    "oru-tx": lambda text: oru(tx(text), "d1").encode(),
    "oru-ft": lambda text: oru(ft(text), "d1").encode(),
    "newlines": lambda text: mdm(tx(text)).replace("\r", "\n").encode(),
    "windows": lambda text: mdm(tx(text)).replace("\r", "\r\n").encode(),
    "framed": lambda text: b"\x0b" + mdm(ed(b64(text))).encode() + b"\x1c\r",
    "repetitions": lambda text: mdm(
        ["OBX|1|TX|||" + "~".join(map(hl7_escaped, text.split("\n"))) + "||||||F"]
    ).encode(),
    "batch": lambda text: b"FHS|^~\\&|\rBHS|^~\\&|\r" + mdm(tx(text)).encode() + b"BTS|1\rFTS|1\r",
    "hexadecimal": lambda text: mdm(
        ["OBX|1|TX|||" + hl7_escaped(text).replace("\n", "\\X0D0A\\") + "||||||F"]
    ).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_messages_hl7_gives_the_text_as_it_was_written(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.hl7").write_bytes(FORMS[form](TEXT))
    notes, codes = collect(tmp_path)
    assert codes == []
    assert [(note.note_id, note.text, note.standing) for note in notes] == [("d1", TEXT, "final")]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_messages_hl7_escapes_come_back(text: str) -> None:
    assert unescaped(hl7_escaped(text), Marks(), ["utf-8"]) == text


def test_messages_hl7_every_sample_note_comes_back(tmp_path: Path, gold: list[Labelled]) -> None:
    texts = {item.note.note_id: item.note.text for item in gold}
    texts = {key: text for key, text in texts.items() if "\r" not in text}
    kinds = (lambda text: tx(text), lambda text: ft(text), lambda text: ed(b64(text)))
    path = hl7(tmp_path, *(mdm(kinds[n % 3](text), key) for n, (key, text) in enumerate(texts.items())))
    notes, codes = collect(path)
    assert codes == []
    # A message ends with its last letter: blanks behind that are gone.
    assert {note.note_id: note.text.rstrip() for note in notes} == {k: t.rstrip() for k, t in texts.items()}


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (r"8\.sp2\9", "8\n\n9"),
        (r"8\.sp\9", "8\n9"),
        (r"8\.sk3\9", "8   9"),
        (r"\H\8\N\ mm", "8 mm"),
        (r"\.in+4\8\.ce\9", "8\n9"),
        (r"8 \XC397\ 2", "8 × 2"),
        (r"\E\.br\E\ ", r"\.br\ "),
    ],
)
def test_messages_hl7_escapes(written: str, read_as: str) -> None:
    assert unescaped(written, Marks(), ["utf-8"]) == read_as


@pytest.mark.parametrize(
    ("completion", "state", "standing"),
    [
        ("AU", "F", "final"),
        ("LA", "", "final"),
        ("DI", "F", "preliminary"),
        ("IN", "F", "preliminary"),
        ("AU", "P", "preliminary"),
    ],
)
def test_messages_hl7_standing(tmp_path: Path, completion: str, state: str, standing: str) -> None:
    notes, _ = collect(hl7(tmp_path, mdm(tx("One plug.", status=state), completion=completion)))
    assert [note.standing for note in notes] == [standing]


@pytest.mark.parametrize(("state", "standing"), [("F", "final"), ("C", "final"), ("P", "preliminary")])
def test_messages_hl7_standing_of_results(tmp_path: Path, state: str, standing: str) -> None:
    notes, _ = collect(hl7(tmp_path, oru(tx("One plug."), state=state)))
    assert [note.standing for note in notes] == [standing]


def test_messages_hl7_versions_are_put_together(tmp_path: Path) -> None:
    path = hl7(
        tmp_path,
        mdm(tx("Draft: one plug."), "a^EPIC", completion="IN"),
        mdm(tx("Signed: two plugs."), "a^EPIC", "T08", minute=2),
        mdm(tx("Correction: three plugs."), "b^EPIC", "T06", parent="a^EPIC", minute=3),
        mdm(tx("First report, soon replaced by another one."), "c", minute=4),
        mdm(tx("Second report."), "d", "T10", parent="c", minute=5),
        mdm(tx("Wrong patient."), "e", minute=6),
        mdm([], "e", "T11", minute=7),
        mdm(tx("Dictated."), "f", completion="DI", minute=8),
        mdm([], "f", "T03", minute=9),
        mdm(tx("Supplement."), "g", "T06", parent="nowhere", minute=10),
    )
    notes, codes = collect(path)
    assert [(note.note_id, note.text, note.standing) for note in notes] == [
        ("a", "Signed: two plugs.\n\nADDENDUM:\nCorrection: three plugs.", "final"),
        ("d", "Second report.", "final"),
        ("f", "Dictated.", "final"),
        ("g", "Supplement.", "addendum"),
    ]
    assert sorted(codes) == ["N001", "N001", "N002"]


def test_messages_hl7_addendum_under_the_number_of_its_note(tmp_path: Path) -> None:
    path = hl7(tmp_path, mdm(tx("One plug.")), mdm(tx("A second plug."), event="T06", parent="d1", minute=1))
    notes, codes = collect(path)
    assert codes == []
    assert [note.text for note in notes] == ["One plug.\n\nADDENDUM:\nA second plug."]


def test_messages_hl7_older_version_of_an_addendum_is_told(tmp_path: Path) -> None:
    path = hl7(
        tmp_path,
        mdm(tx("One plug.")),
        mdm(tx("A second plug."), "d2", "T06", parent="d1", minute=1),
        mdm(tx("No second plug."), "d2", "T06", parent="d1", minute=2),
    )
    notes, codes = collect(path)
    assert [note.text for note in notes] == ["One plug.\n\nADDENDUM:\nNo second plug."]
    assert codes == ["N001"]


def test_messages_hl7_addendum_that_repeats_its_note_is_told_once(tmp_path: Path) -> None:
    note = "A 12 mm plug was placed at the aortic leak and released without any complication."
    whole = f"{note}\nAddendum: the residual leak is trivial."
    path = hl7(tmp_path, mdm(tx(note)), mdm(tx(whole), "d2", "T06", parent="d1", minute=1))
    assert [note.text for note in collect(path)[0]] == [whole]


def test_messages_hl7_same_number_of_two_systems_is_two_notes(tmp_path: Path) -> None:
    path = hl7(tmp_path, mdm(tx("One plug."), "7^CATH"), mdm(tx("Two plugs."), "8^ECHO"))
    assert [note.note_id for note in collect(path)[0]] == ["7", "8"]
    path = hl7(tmp_path, mdm(tx("One plug."), "7^CATH"), mdm(tx("Two plugs."), "7^ECHO"))
    notes, codes = collect(path)
    assert [note.text for note in notes] == ["One plug."]
    assert codes == ["I011"]  # told as an error, not taken for a newer version


def test_messages_hl7_deleted_lines_are_left_out_and_told(tmp_path: Path) -> None:
    lines = [*tx("One plug."), "OBX|2|TX|||A second plug.||||||D"]
    notes, codes = collect(hl7(tmp_path, oru(lines)))
    assert [note.text for note in notes] == ["One plug."]
    assert codes == ["N012"]


def test_messages_hl7_names_that_differ_stand_as_headings(tmp_path: Path) -> None:
    lines = [
        "OBX|1|TX|1^History||Two plugs in 2019.||||||F",
        "OBX|2|TX|18745-0&GDT||One plug was released.||||||F",
        "OBX|3|TX|18745-0&IMP||One plug.||||||F",
        "OBX|4|NM|2^Devices||1|pc|||||F",
    ]
    notes, _ = collect(hl7(tmp_path, oru(lines)))
    assert notes[0].text == (
        "History:\nTwo plugs in 2019.\n\nDescription:\nOne plug was released.\n\n"
        "Impression:\nOne plug.\nDevices: 1 pc"
    )


def test_messages_hl7_document_beside_the_same_lines_is_told_once(tmp_path: Path) -> None:
    text = "A 12 mm plug was placed at the aortic leak and released."
    lines = [*tx(text), "OBX|2|ED|PDF^Letter||^TEXT^PLAIN^Base64^" + b64(f"Page 1\n{text}")]
    notes, codes = collect(hl7(tmp_path, mdm(lines)))
    assert ([note.text for note in notes], codes) == ([f"Page 1\n{text}"], [])


def test_messages_hl7_document_beside_other_lines_is_an_error(tmp_path: Path) -> None:
    text = "A 12 mm plug was placed at the aortic leak and released without complication"
    lines = [*tx(f"{text}, and it was the only one."), *ed(b64(f"{text} and then a second."))]
    notes, codes = collect(hl7(tmp_path, mdm(lines)))
    assert (notes, codes) == ([], ["I034"])


def test_messages_hl7_raw_line_ends_inside_a_text(tmp_path: Path) -> None:
    path = hl7(tmp_path, mdm(["OBX|1|TX|||One plug.\n\nREL\nAVP II\nA second.||||||F"]))
    assert collect(path)[0][0].text == "One plug.\n\nREL\nAVP II\nA second."


def test_messages_hl7_charsets(tmp_path: Path) -> None:
    message = mdm(tx("Größe – 12 mm × 2"), charset="8859/1")
    (tmp_path / "a.hl7").write_bytes(message.encode("cp1252"))
    (tmp_path / "b.hl7").write_bytes(message.replace("|d1|", "|d2|").encode("utf-8"))
    (tmp_path / "c.hl7").write_bytes(message.replace("|d1|", "|d3|").replace("8859/1", "").encode("cp1252"))
    notes, codes = collect(tmp_path)
    assert [note.text for note in notes] == ["Größe – 12 mm × 2"] * 2
    assert codes == ["I033"]


def test_messages_hl7_document_cut_into_pieces_is_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"%PDF-1.7" + b"x" * 100
    seen: list[tuple[bytes, str]] = []

    def document_text(data: bytes, kind: str, where: str) -> str:
        seen.append((data, kind))
        return "One plug."

    monkeypatch.setattr(attachment, "document_text", document_text)
    whole = b64(data)
    pieces = [
        f"OBX|{n}|ED|P^Letter||^application^pdf^Base64^{whole[a : a + 60]}"
        for n, a in ((1, 0), (2, 60), (3, 120))
    ]
    notes, codes = collect(hl7(tmp_path, mdm(pieces)))
    assert ([note.text for note in notes], codes, seen) == (["One plug."], [], [(data, "pdf")])


BAD_HL7: dict[str, tuple[Sequence[str], str]] = {
    "cut base64": (ed(b64(SECRET)[:-3]), "I031"),
    "no data": (ed(""), "I031"),
    "damaged base64": (ed("@" + b64(SECRET)), "I031"),
    "bad hexadecimal": (ed("4g", "^TEXT^PLAIN^Hex"), "I031"),
    "picture": (ed(b64("\x89PNG"), "^IM^PNG^Base64"), "I032"),
    "encoding": (ed(b64(SECRET), "^TEXT^PLAIN^Zip"), "I032"),
    "binary as text": (ed(b64(b"\xff\xfe" + SECRET.encode("utf-16-le"))), "I033"),
    "escape without end": (["OBX|1|TX|||" + SECRET + "\\||||||F"], "I038"),
    "unknown escape": (["OBX|1|TX|||One \\Z99\\ " + SECRET + "||||||F"], "I038"),
    "other character set": (["OBX|1|TX|||\\M2442AB\\ " + SECRET + "||||||F"], "I038"),
    "bare separator": ([f"OBX|1|TX|||One plug | {SECRET}||||||F"], "I041"),
    "line behind the fields": ([f"OBX|1|TX|||One plug.||||||F\n{SECRET}"], "I041"),
    "line behind another segment": ([f"ROL|1\n{SECRET}", *tx("One plug.")], "I041"),
    "continued segment": ([*tx("One plug."), f"ADD|{SECRET}"], "I041"),
    "continued message": ([*tx("One plug."), "DSC|1234"], "I044"),
    "line that breaks off": ([*tx("One plug.\na")[:1], f"OBX|2|TX|||{SECRET}"], "I044"),
    "missing line": ([tx("a\nb\nc")[0], tx("a\nb\nc")[2]], "I045"),
    "missing first line": (tx("a\nb")[1:], "I045"),
    "no text": ([], "I037"),
    "blank text": (tx(" "), "I037"),
    "address": (["OBX|1|RP|||https://example.org/1.pdf||||||F"], "I046"),
}


@pytest.mark.parametrize("bad", BAD_HL7)
def test_messages_hl7_bad_text_costs_only_its_note(tmp_path: Path, bad: str) -> None:
    obx, code = BAD_HL7[bad]
    path = hl7(tmp_path, mdm(tx("First."), "d0"), mdm(obx, "d1"), mdm(tx("Last."), "d2"))
    notes, codes = collect(path)
    assert [note.note_id for note in notes] == ["d0", "d2"]
    assert codes == [code]


def test_messages_hl7_newest_version_that_cannot_be_read_is_not_replaced_by_an_older_one(
    tmp_path: Path,
) -> None:
    path = hl7(tmp_path, mdm(tx("One plug.")), mdm(ed(b64(SECRET)[:-3]), event="T08", minute=1))
    assert collect(path) == ([], ["N001", "I031"])
    path = hl7(tmp_path, mdm(tx("One plug.")), mdm([], event="T07", minute=1))
    assert collect(path) == ([], ["N001", "I035"])


def test_messages_hl7_addendum_that_cannot_be_read_costs_its_note(tmp_path: Path) -> None:
    path = hl7(tmp_path, mdm(tx("One plug.")), mdm(ed("x"), "d2", "T06", parent="d1", minute=1))
    assert collect(path) == ([], ["I031", "I030"])


@pytest.mark.parametrize(
    ("data", "codes", "kept"),
    [
        (b"", ["I040"], 0),
        (b"Dear colleague,\r" + SECRET.encode(), ["I040"], 0),
        (b"MSH|^~", ["I040"], 0),
        (mdm(tx("One.")).replace("TXA|", "TXB|").encode(), ["I041"], 0),
        (mdm(tx("One.")).replace("TXA|", "PV1|").encode(), ["I036"], 0),
        (mdm(tx("One."), number="").encode(), ["I010"], 0),
        (oru(tx("One.")).replace("OBR|", "PV1|").encode(), ["I036"], 0),
        (mdm(tx("One.")).replace("MDM^T02", "ADT^A01").encode(), ["N011"], 0),
        (oru(["OBX|1|NM|1^Hb||12|g/dl|||||F", "OBX|2|NM|2^K||4||||||F"]).encode(), ["N011"], 0),
        (b"BHS|^~\\&|\r" + (mdm(tx("One.")) + mdm(tx("Two."), "d2")).encode(), ["I044", "I044"], 1),
        (b"BHS|^~\\&|\r" + mdm(tx("One.")).encode() + b"BTS|2\r", ["I044"], 1),
        (b"\x0b" + mdm(tx("One.")).encode() + b"\x1c\r\x0b" + mdm(tx("Two."), "d2").encode(), ["I044"], 1),
        (mdm(tx("One.")).encode("utf-16"), ["I007"], 0),
        (b"\x00\x01\x02" * 100, ["I006"], 0),
    ],
)
def test_messages_hl7_bad_file(tmp_path: Path, data: bytes, codes: list[str], kept: int) -> None:
    (tmp_path / "a.hl7").write_bytes(data)
    notes, found = collect(tmp_path)
    assert sorted(found) == sorted(codes)
    assert len(notes) == kept


def test_messages_hl7_error_names_the_file_line_and_note(tmp_path: Path) -> None:
    errors: list[InputError] = []
    path = hl7(tmp_path, mdm(tx("One plug.\nReleased.")), mdm(["OBX|1|TX|||bad \\"], "d2"))
    assert len(list(read([path], errors.append))) == 1
    assert errors[0].where == f"{path}:6, note d2, line 9"


# --- FHIR ---


def docref(text: str = TEXT, number: str = "d1", **more: Any) -> dict[str, Any]:
    attached = {"contentType": "text/plain; charset=utf-8", "data": b64(text)}
    return {
        "resourceType": "DocumentReference",
        "id": number,
        "status": "current",
        "docStatus": "final",
        "content": [{"attachment": attached}],
        **more,
    }


def report(text: str = TEXT, number: str = "d1", **more: Any) -> dict[str, Any]:
    form = {"contentType": "text/plain", "data": b64(text)}
    return {
        "resourceType": "DiagnosticReport",
        "id": number,
        "status": "final",
        "presentedForm": [form],
        **more,
    }


def bundle(*resources: dict[str, Any], kind: str = "collection") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]}


def fhir(path: Path, *resources: Any, name: str = "a.json") -> Path:
    values = "\n".join(json.dumps(one) for one in resources)
    (path / name).write_text(values, encoding="utf-8")
    return path / name


def attached(**fields: Any) -> list[dict[str, Any]]:
    return [{"attachment": fields}]


BINARY = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": b64(TEXT)}
PATIENT = {"resourceType": "Patient", "id": "p1"}
FHIR_FORMS: dict[str, tuple[str, list[Any]]] = {
    "document": ("a.json", [docref()]),
    "report": ("a.json", [report()]),
    "bundle": ("a.json", [bundle(PATIENT, docref())]),
    "list": ("a.json", [[PATIENT, docref()]]),
    "lines": ("a.ndjson", [PATIENT, docref()]),
    "lines as jsonl": ("a.jsonl", [docref(), PATIENT]),
    "lines as json": ("a.json", [docref(), PATIENT]),
    "binary": ("a.json", [bundle(docref(content=attached(url="Binary/b1")), BINARY)]),
    "binary elsewhere named": (
        "a.json",
        [bundle(BINARY, docref(content=attached(url="https://example.org/fhir/Binary/b1/_history/2")))],
    ),
    "binary behind": ("a.ndjson", [docref(content=attached(url="Binary/b1")), BINARY]),
    "contained": ("a.json", [docref(content=attached(url="#b1"), contained=[BINARY])]),
    "two forms": (
        "a.json",
        [docref(content=attached(contentType="image/tiff", data=b64("x")) + docref()["content"])],
    ),
    "latin": (
        "a.json",
        [docref(content=attached(contentType="text/plain;charset=latin1", data=b64(TEXT.encode("latin-1"))))],
    ),
}


@pytest.mark.parametrize("form", FHIR_FORMS)
def test_messages_fhir_gives_the_text_as_it_was_written(tmp_path: Path, form: str) -> None:
    name, resources = FHIR_FORMS[form]
    notes, codes = collect(fhir(tmp_path, *resources, name=name))
    assert codes == (["N013"] if form == "two forms" else [])
    assert [(note.note_id, note.text, note.standing) for note in notes] == [("d1", TEXT, "final")]


def test_messages_fhir_entry_named_by_urn(tmp_path: Path) -> None:
    document = docref(content=attached(url="urn:uuid:1-2"))
    del document["id"]
    entries = [
        {"fullUrl": "urn:uuid:3-4", "resource": document},
        {"fullUrl": "urn:uuid:1-2", "resource": {k: v for k, v in BINARY.items() if k != "id"}},
        {
            "fullUrl": "urn:uuid:5-6",
            "resource": docref("Later.", "d2", relatesTo=relates("appends", "urn:uuid:3-4")),
        },
    ]
    notes, codes = collect(fhir(tmp_path, {"resourceType": "Bundle", "type": "collection", "entry": entries}))
    assert codes == []
    assert [(note.note_id, note.text) for note in notes] == [("3-4", f"{TEXT}\n\nADDENDUM:\nLater.")]


def relates(code: str, reference: str) -> list[dict[str, Any]]:
    return [{"code": code, "target": {"reference": reference}}]


@pytest.mark.parametrize(
    ("resource", "standing"),
    [
        (docref(), "final"),
        (docref(docStatus="amended"), "final"),
        (docref(docStatus="preliminary"), "preliminary"),
        (report(status="preliminary"), "preliminary"),
        (report(status="partial"), "preliminary"),
        (report(status="corrected"), "final"),
        (docref(docStatus="entered-in-error"), None),
        (docref(status="entered-in-error"), None),
        (docref(status="superseded"), None),
        (report(status="entered-in-error"), None),
        (report(status="cancelled"), None),
    ],
)
def test_messages_fhir_standing(tmp_path: Path, resource: dict[str, Any], standing: str | None) -> None:
    notes, codes = collect(fhir(tmp_path, resource))
    assert [note.standing for note in notes] == ([standing] if standing else [])
    assert codes == ([] if standing else ["N002"])


def test_messages_fhir_versions_are_put_together(tmp_path: Path) -> None:
    path = fhir(
        tmp_path,
        docref(
            "Draft: one plug.", "a", docStatus="preliminary", meta={"lastUpdated": "2024-01-05T10:00:00Z"}
        ),
        docref("Signed: two plugs.", "a", meta={"lastUpdated": "2024-01-05T11:00:00+01:00"}),
        docref("Correction: three plugs.", "b", relatesTo=relates("appends", "DocumentReference/a")),
        docref("First report.", "c"),
        docref(
            "Second report.", "d", relatesTo=relates("replaces", "https://example.org/DocumentReference/c")
        ),
        report("A report with an id that a document has too.", "e"),
        docref("Supplement.", "f", relatesTo=relates("appends", "DocumentReference/nowhere")),
        name="a.ndjson",
    )
    notes, codes = collect(path)
    assert [(note.note_id, note.text, note.standing) for note in notes] == [
        ("a", "Signed: two plugs.\n\nADDENDUM:\nCorrection: three plugs.", "final"),
        ("d", "Second report.", "final"),
        ("e", "A report with an id that a document has too.", "final"),
        ("f", "Supplement.", "addendum"),
    ]
    assert codes == ["N001", "N001"]


def test_messages_fhir_history_and_deletion(tmp_path: Path) -> None:
    history = bundle(docref("New: two plugs."), docref("Old: one plug."), kind="history")
    history["entry"].insert(0, {"request": {"method": "DELETE", "url": "DocumentReference/gone"}})
    history["entry"].append({"resource": docref("Gone.", "gone")})
    notes, codes = collect(fhir(tmp_path, history))
    assert [note.text for note in notes] == ["New: two plugs."]
    assert sorted(codes) == ["N001", "N002"]


def test_messages_fhir_conclusion_is_not_lost(tmp_path: Path) -> None:
    resources = [
        report("One plug was released.", "a", conclusion="A second plug was needed."),
        report("A plug was released.\nImpression: One plug in place.", "b", conclusion="One plug\nin place."),
    ]
    notes, _ = collect(fhir(tmp_path, *resources, name="a.ndjson"))
    assert [note.text for note in notes] == [
        "One plug was released.\n\nConclusion:\nA second plug was needed.",
        "A plug was released.\nImpression: One plug in place.",
    ]


def test_messages_fhir_html_and_composition(tmp_path: Path) -> None:
    page = "<html><body><p>One plug was released.</p><p>No leak.</p></body></html>"
    narrative = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Two plugs.</p></div>'
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "title": "Operative note",
        "section": [{"title": "Impression", "text": {"status": "additional", "div": narrative}}],
    }
    document = bundle(composition, kind="document") | {"id": "c1"}
    html = docref(content=attached(contentType="text/html", data=b64(page)))
    notes, codes = collect(fhir(tmp_path, html, document, name="a.ndjson"))
    assert codes == []
    assert notes[0].text.split("\n") in (
        ["One plug was released.", "No leak."],
        ["One plug was released.", "", "No leak."],
    )
    assert (notes[1].note_id, notes[1].text) == ("c1", "Operative note\n\nImpression:\nTwo plugs.")


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (docref(content=attached(contentType="text/plain", data=b64(SECRET)[:-3])), "I031"),
        (docref(content=attached(contentType="text/plain", data=b64(SECRET), size=4000)), "I031"),
        (docref(content=attached(contentType="text/plain", data="")), "I037"),
        (docref(content=attached(contentType="text/plain")), "I037"),
        (docref(content=[]), "I037"),
        (docref(content={"attachment": SECRET}), "I037"),
        (docref(content=attached(contentType="text/plain", url="https://example.org/n.txt")), "I046"),
        (docref(content=attached(contentType="text/plain", url="Binary/none")), "I046"),
        (docref(content=attached(contentType="image/jpeg", data=b64("x"))), "I032"),
        (docref(content=attached(contentType="text/plain", data=b64(SECRET.encode("utf-16")))), "I033"),
        (
            docref(content=docref()["content"] + attached(contentType="text/plain", data=b64(SECRET)[:-3])),
            "I031",
        ),
        (report(presentedForm=None, conclusion=SECRET), "I037"),
        (docref(""), "I037"),
        (docref(" "), "I005"),
        (docref(number=""), "I010"),
        (docref(number=None), "I010"),  # type: ignore[arg-type]
    ],
)
def test_messages_fhir_bad_resource_costs_only_its_note(
    tmp_path: Path, resource: dict[str, Any], code: str
) -> None:
    path = fhir(tmp_path, docref("First.", "d0"), resource, docref("Last.", "d2"), name="a.ndjson")
    notes, codes = collect(path)
    assert [note.note_id for note in notes] == ["d0", "d2"]
    assert codes == [code]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.json", "{" + SECRET, "I008"),
        ("a.json", "[" * 100_000, "I008"),
        ("a.json", json.dumps({"id": "a", "text": SECRET}), "I048"),
        ("a.json", "[]", "I048"),
        ("a.json", json.dumps(PATIENT), "N014"),
        ("a.ndjson", json.dumps(PATIENT) + "\n" + json.dumps(PATIENT), "N014"),
        ("a.ndjson", json.dumps(PATIENT) + "\n{" + SECRET, "I008"),
        ("a.ndjson", json.dumps(PATIENT) + "\n" + json.dumps({"id": "a", "text": SECRET}), "I008"),
        ("a.json", "\ufeff" + json.dumps(PATIENT), "N014"),
    ],
)
def test_messages_fhir_bad_file(tmp_path: Path, name: str, data: str, code: str) -> None:
    (tmp_path / name).write_text(data, encoding="utf-8")
    assert collect(tmp_path) == ([], [code])


def test_messages_lines_of_records_are_read_as_before(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.ndjson"):
        (tmp_path / name).write_text(json.dumps({"id": name, "text": "One plug."}))
    notes, codes = collect(tmp_path)
    assert [(note.note_id, note.line) for note in notes] == [("a.jsonl", 1), ("b.ndjson", 1)]
    assert codes == []


# --- C-CDA ---

SIGNED = '<legalAuthenticator><signatureCode code="S"/></legalAuthenticator>'


def ccda(body: str, number: str = "d1", head: str = SIGNED, before: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{before}'
        '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc">'
        f'<id root="1.2.3" extension="{number}"/>{head}<component>{body}</component></ClinicalDocument>'
    )


def sections(*texts: str) -> str:
    inside = "".join(f"<component><section><text>{text}</text></section></component>" for text in texts)
    return f"<structuredBody>{inside}</structuredBody>"


def xml(path: Path, *documents: str) -> Path:
    for n, document in enumerate(documents):
        (path / f"{n}.xml").write_text(document, encoding="utf-8")
    return path


def test_messages_ccda_every_element_of_the_narrative(tmp_path: Path) -> None:
    text = """
      <paragraph>Access was <content styleCode="Bold">retrograde</content>.<br/>
        A leak of 8 mm<sup>2</sup>.</paragraph>
      <list listType="ordered"><caption>Steps</caption><item>Crossed</item>
        <item>Closed <list><item>first plug</item><item>second plug</item></list></item></list>
      <table><thead><tr><th>Device</th><th>Size</th><th>Status</th></tr></thead>
        <tbody><tr><td rowspan="2">AVP II</td><td>12
              mm</td><td>implanted</td></tr>
          <tr><td>10 mm</td><td>removed</td></tr>
          <tr><td colspan="2">AVP 4</td>
            <td><paragraph>not</paragraph><paragraph>used</paragraph></td></tr></tbody></table>
      <content revised="delete">Three plugs.</content><content revised="insert">Two plugs.</content>
      Running text in
      several lines.
    """
    section = f"<section><title>Findings</title><text>{text}</text><component><section><title>Plan:</title>"
    section += "<text>Echo.</text></section></component></section>"
    body = f"<structuredBody><component>{section}</component></structuredBody>"
    notes, codes = collect(xml(tmp_path, ccda(body, head=f"<title>Cath report</title>{SIGNED}")))
    assert codes == []
    assert notes[0].text == (
        "Cath report\n\nFindings:\nAccess was retrograde.\nA leak of 8 mm².\nSteps\n1. Crossed\n2. Closed\n"
        "- first plug\n- second plug\nDevice\tSize\tStatus\nAVP II\t12 mm\timplanted\n | 10 mm | removed\n"
        "AVP 4\t\tnot, used\nTwo plugs.\nRunning text in\nseveral lines.\n\nPlan:\nEcho."
    )


def test_messages_ccda_breaks_are_lines(tmp_path: Path) -> None:
    text = "One plug.<br/>Two.\n  <br/>\n  <br/>\n  Three.<br/><br/><br/>Four.\n  Five."
    notes, _ = collect(xml(tmp_path, ccda(sections(text))))
    assert notes[0].text == "One plug.\nTwo.\n\nThree.\n\n\nFour.\nFive."


def test_messages_ccda_body_that_is_no_xml(tmp_path: Path) -> None:
    inside = f'<nonXMLBody><text mediaType="text/plain" representation="B64">{b64(TEXT)}</text></nonXMLBody>'
    plain = f"<nonXMLBody><text>{xml_escape(TEXT)}</text></nonXMLBody>"
    notes, codes = collect(xml(tmp_path, ccda(inside), ccda(plain, "d2")))
    assert codes == []
    assert [note.text for note in notes] == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("head", "standing"),
    [
        (SIGNED, "final"),
        ("<legalAuthenticator/>", "final"),
        ("<authenticator><signatureCode code='S'/></authenticator>", "final"),
        ("<completionCode code='LA'/>", "final"),
        ("", "preliminary"),
        ("<legalAuthenticator><signatureCode code='X'/></legalAuthenticator>", "preliminary"),
        (f"<completionCode code='IN'/>{SIGNED}", "preliminary"),
    ],
)
def test_messages_ccda_standing(tmp_path: Path, head: str, standing: str) -> None:
    notes, _ = collect(xml(tmp_path, ccda(sections("One plug."), head=head)))
    assert [note.standing for note in notes] == [standing]


def related(code: str, number: str) -> str:
    above = f'<parentDocument><id root="1.2.3" extension="{number}"/></parentDocument>'
    return f'{SIGNED}<relatedDocument typeCode="{code}">{above}</relatedDocument>'


def series(number: int) -> str:
    return f'<setId root="1.2.3" extension="s1"/><versionNumber value="{number}"/>{SIGNED}'


def test_messages_ccda_versions_are_put_together(tmp_path: Path) -> None:
    path = xml(
        tmp_path,
        ccda(sections("Correction: three plugs."), "b", related("APND", "a")),
        ccda(sections("Two plugs."), "a"),
        ccda(sections("First report."), "c"),
        ccda(sections("Second report."), "d", related("RPLC", "c")),
        ccda(sections("Tenth version."), "e", series(10)),
        ccda(sections("Ninth version."), "f", series(9)),
        ccda(sections("Wrong patient."), "g", f'<sdtc:statusCode code="nullified"/>{SIGNED}'),
    )
    notes, codes = collect(path)
    assert [(note.note_id, note.text) for note in notes] == [
        ("a", "Two plugs.\n\nADDENDUM:\nCorrection: three plugs."),
        ("d", "Second report."),
        ("e", "Tenth version."),
    ]
    assert sorted(codes) == ["N001", "N001", "N002"]


BOMB = "<!DOCTYPE x [<!ENTITY a 'lol'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (ccda(sections("&j;"), before=BOMB + "]>"), "I042"),
        (ccda(sections("&x;"), before='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/hostname">]>'), "I042"),
        (ccda(sections("One."), before='<!DOCTYPE x SYSTEM "https://example.org/x.dtd">'), "I042"),
        (ccda(sections(SECRET))[:-30], "I043"),
        (ccda(sections(f"<b>{SECRET}")), "I043"),
        (ccda(sections(f"{SECRET} &nbsp;")), "I043"),
        (ccda(sections("<content>" * 20_000 + "x" + "</content>" * 20_000)), "I043"),
        ("<?xml version='1.0' encoding='klingon'?><a/>", "I043"),
        ("", "I005"),
        ("<Bundle xmlns='http://hl7.org/fhir'/>", "I048"),
        (ccda("<structuredBody/>"), "I037"),
        (ccda(sections("")), "I037"),
        (ccda(sections("One plug."), ""), "I010"),
        (ccda(f"<nonXMLBody><text representation='B64'>{b64(SECRET)[:-3]}</text></nonXMLBody>"), "I031"),
        (
            ccda("<nonXMLBody><text mediaType='image/tiff' representation='B64'>eA==</text></nonXMLBody>"),
            "I032",
        ),
        (ccda("<nonXMLBody><text><reference value='n.pdf'/></text></nonXMLBody>"), "I046"),
    ],
)
def test_messages_ccda_bad_document_is_one_clear_error(tmp_path: Path, data: str, code: str) -> None:
    path = xml(
        tmp_path, data.replace('<id root="1.2.3" extension=""/>', ""), ccda(sections("One plug."), "d2")
    )
    notes, codes = collect(path)
    assert [note.note_id for note in notes] == ["d2"]
    assert codes == [code]


def test_messages_ccda_inside_another_message(tmp_path: Path) -> None:
    inside = b64(ccda(sections("One plug.<br/>No leak.")))
    content = attached(contentType="application/hl7-v3+xml", data=inside)
    cut = attached(contentType="application/hl7-v3+xml", data=b64(ccda(sections(SECRET))[:-40]))
    hl7(tmp_path, mdm(ed(inside, "^multipart^x-hl7-cda-level-one^Base64")))
    fhir(tmp_path, docref(content=content, number="d2"), docref(content=cut, number="d3"), name="b.ndjson")
    notes, codes = collect(tmp_path)
    assert [(note.note_id, note.text) for note in notes] == [(f"d{n}", "One plug.\nNo leak.") for n in (1, 2)]
    assert codes == ["I043"]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_messages_damaged_files_are_errors_and_nothing_worse(data: st.DataObject) -> None:
    wholes = [
        ("a.hl7", mdm(tx(TEXT)) + mdm(ed(b64(TEXT)), "d2", "T06", parent="d1")),
        ("a.json", json.dumps(bundle(docref(), report(number="d2")))),
        ("a.ndjson", json.dumps(docref(content=attached(url="Binary/b1"))) + "\n" + json.dumps(BINARY)),
        ("a.xml", as_ccda(TEXT)),
    ]
    name, whole = data.draw(st.sampled_from(wholes))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 30)))
    put = data.draw(st.text(st.sampled_from('|^~\\&\r\n"[]{}<>/=0nA\x0b\x1cé'), max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes((whole[:start] + put + whole[end:]).encode())
        notes, codes = collect(path)
    assert notes or codes


# --- The same note in every format ---


def as_ccda(text: str) -> str:
    """Blocks as sections, lines as paragraphs."""
    blocks = [[line for line in block.split("\n") if line.strip()] for block in text.split("\n\n")]
    paragraphs = ["".join(f"<paragraph>{xml_escape(line)}</paragraph>" for line in block) for block in blocks]
    return ccda(sections(*paragraphs))


def as_ccda_text(text: str) -> str:
    return ccda(sections(xml_escape(text)))


@pytest.mark.parametrize("form", [as_ccda, as_ccda_text])
def test_messages_ccda_gives_the_suggestions_of_plain_text(
    tmp_path: Path, coder: Coder, gold: list[Labelled], form: Callable[[str], str]
) -> None:
    texts = [
        item.note.text for item in gold[::40] if "\r" not in item.note.text and "\x0c" not in item.note.text
    ]
    for n, text in enumerate(texts):
        (tmp_path / f"{n:03}.xml").write_text(form(text).replace('"d1"', f'"{n}"'), encoding="utf-8")
    notes, codes = collect(tmp_path)
    assert codes == []
    assert len(notes) == len(texts) > 20
    plain = [Note(str(n), text) for n, text in enumerate(texts)]
    for wanted, found in zip(coder.pipe(plain), coder.pipe(notes), strict=True):
        assert (found.status, found.lines) == (wanted.status, wanted.lines), wanted.note_id
        assert [one.outcome for one in found.devices] == [one.outcome for one in wanted.devices]


def test_messages_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_versions: Versions, _version: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Versions, "add", full)
    assert collect(hl7(tmp_path, mdm(tx("One plug.")), mdm(tx("Two plugs."), "d2"))) == ([], ["I049"])


def test_messages_notices_are_told_apart_from_errors(tmp_path: Path) -> None:
    told: list[InputError] = []
    list(read([fhir(tmp_path, docref(status="entered-in-error"))], told.append))
    assert [type(one) for one in told] == [InputNotice]
