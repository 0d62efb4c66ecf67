"""Files for other tools: read back as those tools read them, and compared with what was suggested."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy import displacy as spacy_displacy
from typer.testing import CliRunner, Result

from extractor.cli import app
from extractor.coder import Coder
from extractor.export import (
    LABELS,
    Annotated,
    Annotation,
    annotate,
    brat,
    displacy,
    fhir,
    label_studio,
    tokens_of,
)
from extractor.export import prodigy as prodigy_format
from extractor.naming import FileNames
from extractor.readers import Note, read
from extractor.suggestion import Proof, Suggestion

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "sample_notes" / "demo"
FORMATS = ("fhir", "brat", "label-studio", "prodigy", "displacy", "displacy-html")
ODD = {
    "emoji": "\U0001f600 Mitral paravalvular leak closure. \U0001f469\u200d\u2695\ufe0f A 12 mm AVP II was "
    "deployed and released. \U0001d538 A second 8 mm AVP II was deployed, then recaptured and removed.",
    "crlf": "PROCEDURE: Aortic paravalvular leak closure.\r\n\r\nThe leak was crossed retrograde "
    "from the aorta with a wire and a 12 mm\r\nAVP II was deployed next to the valve with a good result "
    "and then two\r\n8 mm AVP II plugs were deployed beside it. All three of the plugs were\r\nreleased.\r\n",
    "lone-cr": "Aortic paravalvular leak closure.\rA 12 mm AVP II\rwas deployed and released.\r",
    "breaks": "Aortic paravalvular leak closure.\u2028A 12 mm\tAVP II was\x0bdeployed\x0cand released.\x85",
    "../x": "Mitral paravalvular leak closure. A 10 mm plug\n    was deployed\n\n and released.",
    "unstated": "Mitral paravalvular leak closure. Multiple plugs were deployed.",
    "none": "Echocardiogram. No paravalvular leak.",
    "plain": "Nothing to see.",
}
Places = set[tuple[int, int, str]]


@pytest.fixture(scope="module")
def items(coder: Coder) -> list[Annotated]:
    texts = {note.note_id: note.text for note in read([DEMO], pytest.fail)} | ODD
    return [annotate(text, coder.suggest(text, note_id)) for note_id, text in texts.items()]


@pytest.fixture
def pvl(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setattr("extractor.cli.suggesting.make_coder", lambda: coder)
    return lambda *arguments: CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    path.write_text(
        "".join(json.dumps({"id": key, "text": ODD[key]}) + "\n" for key in ODD), encoding="utf-8"
    )
    return path


def proofs(proof: Proof) -> Iterator[Any]:
    yield from proof.evidence
    for child in proof.children:
        yield from proofs(child)


def expected(suggestion: Suggestion) -> dict[tuple[int, int, str], str]:
    """Place and label of all evidence, with its words: read off the contract, not off the export."""
    found = {
        (span.start, span.end, device.outcome): span.text
        for device in suggestion.devices
        for span in device.evidence
    }
    found |= {(s.start, s.end, "reason"): s.text for reason in suggestion.reasons for s in reason.evidence}
    found |= {(s.start, s.end, "companion"): s.text for item in suggestion.companions for s in item.evidence}
    known = {place[:2] for place in found}
    spans = [span for span in proofs(suggestion.proof) if (span.start, span.end) not in known]
    return found | {(span.start, span.end, "proof"): span.text for span in spans}


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return one["start"] < other["end"] and other["start"] < one["end"]


# -- the view all formats start from -------------------------------------------------


def test_export_annotations_are_all_evidence_with_its_words(items: list[Annotated]) -> None:
    for item in items:
        found = {(a.start, a.end, a.label): a.text for a in item.annotations}
        assert found == expected(item.suggestion)
        assert len(found) == len(item.annotations)
        assert all(item.text[a.start : a.end] == a.text for a in item.annotations)
        assert [(a.start, -a.end) for a in item.annotations] == sorted(
            (a.start, -a.end) for a in item.annotations
        )
    assert {"implanted", "removed", "reason", "companion", "proof"} <= {
        a.label for item in items for a in item.annotations
    }


def test_export_odd_notes_have_what_they_are_here_for(items: list[Annotated]) -> None:
    odd = {item.suggestion.note_id: item for item in items}
    assert any(a.start > 40 and a.label == "removed" for a in odd["emoji"].annotations)
    assert any("\r\n" in a.text for a in odd["crlf"].annotations)
    assert any(len(a.devices) == 2 for a in odd["crlf"].annotations)
    assert any("\t" in a.text for a in odd["breaks"].annotations)
    assert odd["none"].suggestion.status == "none"
    assert odd["none"].suggestion.devices == ()


def test_export_words_of_two_devices_are_one_annotation(explanation: Any, note: str) -> None:
    both = [a for a in annotate(note, explanation.suggestion).annotations if len(a.devices) > 1]
    assert [(a.devices, a.rules) for a in both] == [((1, 2), ("action.release",))]
    assert both[0].remark == "device 1, 2; action.release; description"


PIECES = st.sampled_from(["plug", " ", "  ", "\n", "\r\n", "\t", ".", "\U0001f600", "a", "é", "\u2028"])


@given(st.lists(PIECES, max_size=30).map("".join), st.data())
@settings(max_examples=200, deadline=None)
def test_export_tokens_are_the_note_and_fit_every_annotation(text: str, data: st.DataObject) -> None:
    places = st.tuples(*[st.integers(0, len(text))] * 2).filter(lambda place: place[0] < place[1])
    spans = data.draw(st.lists(places, max_size=4)) if text else []
    annotations = [Annotation(start, end, text[start:end], "proof", (), "") for start, end in spans]
    tokens = tokens_of(text, annotations)
    assert "".join(token.text + " " * token.space for token in tokens) == text
    assert all(text[token.start : token.end] == token.text != "" for token in tokens)
    assert {start for start, _ in spans} <= {token.start for token in tokens}
    assert {end for _, end in spans} <= {token.end for token in tokens}


# -- brat ----------------------------------------------------------------------------


def read_brat(folder: Path, name: str) -> tuple[str, list[tuple[str, list[tuple[int, int]], str]], list[str]]:
    """The document, the text-bound annotations and the other lines, as brat reads them."""
    with (folder / f"{name}.txt").open(encoding="utf-8") as file:  # universal newlines
        document = file.read()
    bound, others = [], []
    # Its reader splits lines at every line boundary of Unicode.
    for line in (folder / f"{name}.ann").read_bytes().decode("utf-8").splitlines():
        key, data, *tail = line.split("\t", 2)
        if key.startswith("T"):
            label, places = data.split(" ", 1)
            spans = [(int(start), int(end)) for start, end in map(str.split, places.split(";"))]
            assert tail[0] == " ".join(document[start:end] for start, end in spans)
            bound.append((label, spans, key))
        else:
            others.append(line)
    return document, bound, others


def test_export_brat_reads_back(items: list[Annotated], tmp_path: Path) -> None:
    brat.write(items, tmp_path)
    index = json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))
    by_id = {row["note_id"]: name for name, row in index.items()}
    for item in items:
        document, bound, others = read_brat(tmp_path, by_id[item.suggestion.note_id])
        assert len(document) == len(item.text)
        assert document.split() == item.text.split()
        found = {(spans[0][0], spans[-1][1], label) for label, spans, _ in bound}
        assert found == set(expected(item.suggestion))
        assert [key for _, _, key in bound] == [f"T{number}" for number in range(1, len(bound) + 1)]
        for (_, spans, key), annotation in zip(bound, item.annotations, strict=True):
            flat = [at for span in spans for at in span]
            assert flat == sorted(flat)
            assert " ".join(item.text[start:end] for start, end in spans).split() == annotation.text.split()
            devices = {line.split("\t")[1] for line in others if line.endswith(f" {key}")}
            assert devices == {f"Device{number} {key}" for number in annotation.devices}
        keys = [line.split("\t")[0] for line in others]
        assert len(set(keys)) == len(keys)


def test_export_brat_splits_at_line_ends(items: list[Annotated], tmp_path: Path) -> None:
    brat.write([item for item in items if item.suggestion.note_id == "crlf"], tmp_path)
    assert b"\r" not in (tmp_path / "crlf.txt").read_bytes()
    assert re.search(r"^T\d+\timplanted \d+ \d+;\d+ \d+", (tmp_path / "crlf.ann").read_text(), re.MULTILINE)


def test_export_brat_leaves_out_line_ends_and_the_blanks_beside_them() -> None:
    text = "a plug \r\n  \r\n\twas\x0breleased\u2028 today\x85."
    annotation = Annotation(2, len(text) - 2, text[2:-2], "implanted", ("action.release",), "body")
    bound, remark = brat.lines([annotation])
    assert len(bound.splitlines()) == 1
    places, words = bound.removeprefix("T1\timplanted ").split("\t")
    spans = [(int(start), int(end)) for start, end in map(str.split, places.split(";"))]
    assert [text[start:end] for start, end in spans] == ["plug", "was", "released", "today"]
    assert words == "plug was released today"
    assert remark == "#1\tAnnotatorNotes T1\taction.release; body"


def test_export_brat_folder_is_complete(items: list[Annotated], tmp_path: Path) -> None:
    brat.write(items, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    texts = {name[:-4] for name in names if name.endswith(".txt")}
    assert texts == {name[:-4] for name in names if name.endswith(".ann")}
    assert len(texts) == len(items)
    assert names - {f"{text}.{end}" for text in texts for end in ("txt", "ann")} == {
        "annotation.conf",
        "visual.conf",
        "notes.json",
    }
    config = (tmp_path / "annotation.conf").read_text(encoding="utf-8")
    assert re.findall(r"^\[(\w+)\]$", config, re.MULTILINE) == [
        "entities",
        "relations",
        "events",
        "attributes",
    ]
    entities = config[: config.index("[relations]")].split()[1:]
    assert entities == list(LABELS)
    used = {line.split("\t")[1].split()[0] for path in tmp_path.glob("*.ann") for line in path.open()}
    assert used - set(entities) - {"AnnotatorNotes"} <= set(re.findall(r"^Device\d+", config, re.MULTILINE))


def test_export_brat_knows_as_many_devices_as_there_are(make_suggestion: Any, tmp_path: Path) -> None:
    span = {"start": 0, "end": 4, "text": "plug", "section": "body", "rule": "device.plug"}
    device = {"valve": None, "product": None, "size": None, "outcome": "implanted", "evidence": [span]}
    devices = [device | {"number": number} for number in range(1, 41)]
    brat.write([annotate("plugs", make_suggestion("many", devices=devices))], tmp_path)
    assert "\nDevice40\tArg:<ENTITY>\n" in (tmp_path / "annotation.conf").read_text(encoding="utf-8")
    assert "Device40\tglyph:" in (tmp_path / "visual.conf").read_text(encoding="utf-8")


AWKWARD = ["../x", "..", ".", "/etc/passwd", "a/b", "a_b", "A", "a", "a\\b", "con", "x" * 500, "x" * 501]
AWKWARD += [
    "é",
    "e\u0301",
    "nul\0",
    "annotation.conf",
    "b.ann",
    "b",
    "-",
    " ",
    "\U0001f600",
    "___x-d6b96a97d147",
]


def test_naming_file_names_are_safe_and_differ() -> None:
    names = FileNames()
    made = [names.of(note_id) for note_id in AWKWARD]
    assert len({name.casefold() for name in made}) == len(AWKWARD)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,160}", name) for name in made)
    again = FileNames()
    assert [again.of(note_id) for note_id in AWKWARD] == made
    assert made[AWKWARD.index("a_b")] == "a_b"
    assert made[AWKWARD.index("con")] != "con"


@given(st.lists(st.text(min_size=1, max_size=4, alphabet="aA/.\u00e9-"), unique=True, max_size=30))
@settings(deadline=None)
def test_naming_file_names_differ_whatever_the_ids(ids: list[str]) -> None:
    names = FileNames()
    assert len({names.of(note_id).casefold() for note_id in ids}) == len(ids)


def test_export_brat_writes_nothing_outside(pvl: Any, tmp_path: Path) -> None:
    rows = [{"id": note_id, "text": ODD["plain"]} for note_id in AWKWARD if note_id.strip()]
    source = tmp_path / "in" / "notes.jsonl"
    source.parent.mkdir()
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    before = set(tmp_path.rglob("*"))
    assert pvl(source, "--to", "brat", "--out", tmp_path / "in" / "out").exit_code == 0
    new = set(tmp_path.rglob("*")) - before
    assert all(path == tmp_path / "in" / "out" or path.parent == tmp_path / "in" / "out" for path in new)
    assert sum(path.suffix == ".txt" for path in new) == len(rows)


# -- Label Studio ---------------------------------------------------------------------


def test_export_label_studio_reads_back(items: list[Annotated]) -> None:
    tasks = json.loads("".join(label_studio.lines(items)))
    assert len(tasks) == len(items)
    for task, item in zip(tasks, items, strict=True):
        characters = list(task["data"]["text"])  # its editor spreads a text into code points as well
        assert "".join(characters) == item.text
        results = task["predictions"][0]["result"]
        regions = [result for result in results if result["type"] == "labels"]
        for region in regions:
            value = region["value"]
            assert "".join(characters[value["start"] : value["end"]]) == value["text"]
        places = {(r["value"]["start"], r["value"]["end"], r["value"]["labels"][0]) for r in regions}
        assert places == set(expected(item.suggestion))
        assert len({region["id"] for region in regions}) == len(regions)
        numbers = {r["id"]: r["value"]["choices"] for r in results if r["from_name"] == "device"}
        for region, annotation in zip(regions, item.annotations, strict=True):
            assert numbers.get(region["id"], []) == [str(number) for number in annotation.devices]
        (status,) = (r["value"]["choices"] for r in results if r["from_name"] == "status")
        assert status == [item.suggestion.status]


def test_export_label_studio_tasks_fit_their_interface(items: list[Annotated]) -> None:
    interface = ElementTree.fromstring(label_studio.config())
    controls = {tag.get("name"): tag for tag in interface if tag.get("toName")}
    tasks = json.loads("".join(label_studio.lines(items)))
    kinds = {"labels": "Labels", "choices": "Choices", "textarea": "TextArea"}
    for result in (result for task in tasks for result in task["predictions"][0]["result"]):
        control = controls[result["from_name"]]
        assert control.tag == kinds[result["type"]]
        assert control.get("toName") == result["to_name"] == "text"
        known = {child.get("value") for child in control}
        assert {*result["value"].get("labels", []), *result["value"].get("choices", [])} <= known
    values = {tag.get("value") for tag in interface.iter() if (tag.get("value") or "").startswith("$")}
    assert all({value[1:] for value in values} <= task["data"].keys() for task in tasks)


def test_export_label_studio_of_no_note_is_a_list() -> None:
    assert json.loads("".join(label_studio.lines([]))) == []


# -- Prodigy --------------------------------------------------------------------------


def test_export_prodigy_reads_back(items: list[Annotated]) -> None:
    for line, item in zip(prodigy_format.lines(items), items, strict=True):
        task = json.loads(line)
        assert task["text"] == item.text
        tokens = task["tokens"]
        assert [token["id"] for token in tokens] == list(range(len(tokens)))
        assert "".join(token["text"] + " " * token["ws"] for token in tokens) == item.text
        for span in task["spans"]:
            words = item.text[span["start"] : span["end"]]
            assert words == expected(item.suggestion)[span["start"], span["end"], span["label"]]
            assert tokens[span["token_start"]]["start"] == span["start"]
            assert tokens[span["token_end"]]["end"] == span["end"]
        assert {(s["start"], s["end"], s["label"]) for s in task["spans"]} == set(expected(item.suggestion))
        assert [span["start"] for span in task["spans"]] == sorted(span["start"] for span in task["spans"])
        assert all(-(2**31) <= task[key] < 2**31 for key in ("_input_hash", "_task_hash"))
        assert task["meta"]["note_id"] == item.suggestion.note_id


def test_export_prodigy_hashes_are_of_text_and_of_spans(coder: Coder) -> None:
    def hashes(text: str, note_id: str) -> tuple[int, int]:
        task = json.loads(next(prodigy_format.lines([annotate(text, coder.suggest(text, note_id))])))
        return task["_input_hash"], task["_task_hash"]

    text = ODD["emoji"]
    assert hashes(text, "a") == hashes(text, "b")
    assert hashes(text, "a")[0] != hashes(text + " ", "a")[0]
    bare = json.loads(next(prodigy_format.lines([annotate(text, coder.suggest(ODD["plain"]))])))
    assert bare["_input_hash"] == hashes(text, "a")[0]
    assert bare["_task_hash"] != hashes(text, "a")[1]


# -- displaCy -------------------------------------------------------------------------


def test_export_displacy_reads_back(items: list[Annotated]) -> None:
    for line, item in zip(displacy.lines(items), items, strict=True):
        row = json.loads(line)
        assert row["text"] == item.text
        known = expected(item.suggestion)
        ents = row["ents"]
        assert {(ent["start"], ent["end"], ent["label"]) for ent in ents} <= set(known)
        assert all(one["end"] <= other["start"] for one, other in pairwise(ents))
        for span in row["spans"]:
            assert known[span["start"], span["end"], span["label"]] == item.text[span["start"] : span["end"]]
            # What the entities leave out is only what they would overlap.
            assert any(overlap(span, ent) for ent in ents)
            words = "".join(row["tokens"][span["start_token"] : span["end_token"]])
            assert "".join(words.split()) == "".join(item.text[span["start"] : span["end"]].split())
        assert len(row["spans"]) == len(known)


def test_export_displacy_renders_in_both_styles(items: list[Annotated]) -> None:
    rows = [json.loads(line) for line in displacy.lines(items)]
    for style in ("ent", "span"):
        html = spacy_displacy.render(rows, style=style, manual=True, options=displacy.OPTIONS, jupyter=False)
        assert html.count("<h2") == len(rows)
        assert LABELS["implanted"] in html
        assert LABELS["removed"] in html


def test_export_displacy_page_is_self_contained(explanation: Any, note: str, items: list[Annotated]) -> None:
    page = "".join(displacy.page([annotate(note, explanation.suggestion), *items]))
    assert page.count("<figure>") == len(items) + 1
    assert not re.search(r"<script|<link|<img|\bsrc=|href=|https?:|url\(|@import", page)
    assert "demo-&lt;1&gt;: review" in page
    assert "A 12 mm plug and a 10 mm plug" in page
    assert not {char for char in page if char < " "} - {"\n", "\t"}


# -- FHIR -----------------------------------------------------------------------------


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def evidence_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """Each extension of evidence as a dict of lists."""
    found = []
    for extension in resource.get("extension", []):
        if extension["url"] == "urn:pvl:evidence":
            parts: dict[str, Any] = {}
            for part in extension["extension"]:
                (value,) = (part[key] for key in part if key.startswith("value"))
                parts.setdefault(part["url"], []).append(value)
            found.append(parts)
    return found


def test_export_fhir_reads_back(items: list[Annotated]) -> None:
    for line, item in zip(fhir.lines(items), items, strict=True):
        (document,) = resources(json.loads(line), "DocumentReference")
        attachment = document["content"][0]["attachment"]
        data = base64.b64decode(attachment["data"])
        text = data.decode("utf-8")
        assert text == item.text
        assert attachment["size"] == len(data)
        assert base64.b64decode(attachment["hash"]) == hashlib.sha1(data).digest()
        places = {(e["start"][0], e["end"][0], e["label"][0]): e for e in evidence_of(document)}
        assert {place: text[place[0] : place[1]] for place in places} == expected(item.suggestion)
        assert [tuple(e.get("device", [])) for e in places.values()] == [a.devices for a in item.annotations]


@pytest.mark.parametrize("recorded", [None, "2024-07-01T12:00:00+02:00"])
def test_export_fhir_validates_against_the_standard(
    explanation: Any, note: str, items: list[Annotated], recorded: str | None
) -> None:
    full = annotate(note, explanation.suggestion)
    for line in fhir.lines([full, *items], recorded):
        bundle = Bundle.model_validate_json(line)
        given = json.loads(line)
        assert len(bundle.entry) == len(given["entry"])
        assert bundle.type == "collection"
        empty = re.findall(r'"\w+": (?:\[\]|\{\}|""|null)', line)
        assert not empty


def offered(bundle: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    """What is offered for coding: its element, its code and its units."""
    charges = [(c, c["code"], c["quantity"]["value"]) for c in resources(bundle, "ChargeItem")]
    inputs = [part for task in resources(bundle, "Task") for part in task.get("input", [])]
    return charges + [(i, i["type"], i["valueQuantity"]["value"]) for i in inputs if "valueQuantity" in i]


def test_export_fhir_charges_are_planned_and_only_of_ready_notes(items: list[Annotated]) -> None:
    seen = set()
    for line, item in zip(fhir.lines(items), items, strict=True):
        given = item.suggestion
        charges = resources(json.loads(line), "ChargeItem")
        assert len(charges) == (len(given.lines) + len(given.companions)) * (given.status == "ready")
        assert {charge["status"] for charge in charges} <= {"planned"}
        seen.add((given.status, bool(given.lines)))
    assert {("ready", True), ("review", True), ("none", False)} <= seen


def test_export_fhir_carries_codes_without_descriptors(items: list[Annotated]) -> None:
    for line, item in zip(fhir.lines(items), items, strict=True):
        given = item.suggestion
        offers = offered(json.loads(line))
        assert [(code["coding"], code["text"], units) for _, code, units in offers] == [
            ([{"system": "http://www.ama-assn.org/go/cpt", "code": code}], role, units)
            for code, role, units in (
                *((part.code, part.role, part.units) for part in given.lines),
                *((part.code, part.message, part.units) for part in given.companions),
            )
        ]
        for (offer, _, _), part in zip(offers, given.lines, strict=False):
            (interval,) = (e["valueRange"] for e in offer["extension"] if e["url"] == "urn:pvl:interval")
            assert (interval["low"]["value"], interval["high"]["value"]) == (part.low, part.high)
            spans = {
                (span.start, span.end)
                for device in given.devices
                if device.number in part.devices
                for span in device.evidence
            }
            assert {(e["start"][0], e["end"][0]) for e in evidence_of(offer)} == spans


def test_export_fhir_review_is_a_task_with_one_for_each_reason(items: list[Annotated]) -> None:
    seen = 0
    for line, item in zip(fhir.lines(items), items, strict=True):
        review, *tasks = resources(json.loads(line), "Task") or [None]
        assert (review is not None) == (item.suggestion.status == "review")
        assert [task["code"]["coding"][0]["code"] for task in tasks] == [
            reason.code for reason in item.suggestion.reasons
        ]
        for task, reason in zip(tasks, item.suggestion.reasons, strict=True):
            seen += 1
            assert (task["status"], task["intent"]) == ("requested", "proposal")
            assert task["description"] == reason.message
            assert [part["reference"] for part in task["partOf"]] == [f"urn:uuid:{review['id']}"]
            spans = {(span.start, span.end) for span in reason.evidence}
            assert {(e["start"][0], e["end"][0]) for e in evidence_of(task)} == spans
    assert seen


def test_export_fhir_edits_and_queries_travel_along(explanation: Any, note: str) -> None:
    given = explanation.suggestion
    told = [{"text": "mue 2024-07-01, practitioner, warning: more than the table allows"}]
    review, reason = resources(json.loads(next(fhir.lines([annotate(note, given)]))), "Task")
    assert review["note"] == told
    assert [part["valueString"] for part in reason["input"]] == [given.queries[0].text]
    ready = given.model_copy(update={"status": "ready", "reasons": ()})
    charges = resources(json.loads(next(fhir.lines([annotate(note, ready)]))), "ChargeItem")
    notes = {charge["code"]["coding"][0]["code"]: charge.get("note") for charge in charges}
    assert notes == {"93591": None, "93592": told, "93462": None}


def test_export_fhir_says_that_a_note_is_not_signed(coder: Coder) -> None:
    text = ODD["emoji"]
    for standing, status in (("preliminary", "preliminary"), ("final", None), ("addendum", None)):
        suggestion = coder.suggest(text, "a", standing)  # type: ignore[arg-type]
        bundle = json.loads(next(fhir.lines([annotate(text, suggestion)])))
        (document,) = resources(bundle, "DocumentReference")
        assert document.get("docStatus") == status
        assert len(resources(bundle, "ChargeItem")) == (suggestion.status == "ready")


def test_export_fhir_references_lead_somewhere(items: list[Annotated]) -> None:
    for line in fhir.lines(items):
        bundle = json.loads(line)
        urls = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(set(urls)) == len(urls)
        assert urls == [f"urn:uuid:{entry['resource']['id']}" for entry in bundle["entry"]]
        assert set(re.findall(r'"reference": "([^"]+)"', line)) <= set(urls)
        made = resources(bundle, "ChargeItem") + resources(bundle, "Task")
        targets = [t["reference"] for p in resources(bundle, "Provenance") for t in p["target"]]
        assert targets == [f"urn:uuid:{part['id']}" for part in made]


def test_export_fhir_names_the_software_and_when(items: list[Annotated]) -> None:
    ready = next(item for item in items if item.suggestion.status == "ready")
    bundle = json.loads(next(fhir.lines([ready])))
    (device,) = resources(bundle, "Device")
    assert {part["type"]["text"] for part in device["version"]} == {"software", "rules"}
    assert ready.suggestion.rules_version in [part["value"] for part in device["version"]]
    (provenance,) = resources(bundle, "Provenance")
    (entity,) = provenance["entity"]
    assert {(e["start"][0], e["end"][0], e["label"][0]) for e in evidence_of(entity)} == set(
        expected(ready.suggestion)
    )
    assert provenance["agent"][0]["who"]["reference"] == f"urn:uuid:{device['id']}"
    assert ready.suggestion.rules_version in provenance["agent"][0]["who"]["display"]
    assert provenance["_recorded"]["extension"][0]["valueCode"] == "unknown"
    (provenance,) = resources(json.loads(next(fhir.lines([ready], "2024-07-01T12:00:00Z"))), "Provenance")
    assert provenance["recorded"] == "2024-07-01T12:00:00Z"
    assert "_recorded" not in provenance


def test_export_fhir_note_with_nothing_to_code_has_no_charge(items: list[Annotated]) -> None:
    (none,) = (item for item in items if item.suggestion.note_id == "none")
    bundle = json.loads(next(fhir.lines([none])))
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == ["DocumentReference", "Device"]
    assert bundle["meta"]["tag"] == [{"system": "urn:pvl:status", "code": "none"}]


def test_export_fhir_ids_are_those_of_note_and_text(coder: Coder, items: list[Annotated]) -> None:
    def ids(text: str, note_id: str, rules: str) -> set[str]:
        suggestion = coder.suggest(text, note_id).model_copy(update={"rules_version": rules})
        bundle = json.loads(next(fhir.lines([annotate(text, suggestion)])))
        return {bundle["id"], *(entry["resource"]["id"] for entry in bundle["entry"])}

    text = ODD["emoji"]
    assert ids(text, "a", "1") == ids(text, "a", "2")
    assert not ids(text, "a", "1") & ids(text, "b", "1")
    assert not ids(text, "a", "1") & ids(text + " ", "a", "1")


# -- the command ----------------------------------------------------------------------


def written(pvl: Any, form: str, source: Path, out: Path) -> dict[str, bytes]:
    """Every file an export writes, by its name."""
    out.mkdir()
    target = out / {"brat": "folder", "label-studio": "tasks.json"}.get(form, "file")
    result = pvl(source, "--to", form, "--out", target)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FORMATS)
def test_export_command_writes_the_same_bytes_again(
    pvl: Any, form: str, notes: Path, tmp_path: Path, items: list[Annotated]
) -> None:
    first = written(pvl, form, notes, tmp_path / "first")
    assert first == written(pvl, form, notes, tmp_path / "second")
    assert all(data.decode("utf-8") for name, data in first.items() if not name.endswith(".ann"))
    assert not any(".part" in name for name in first)
    odd = [item for item in items if item.suggestion.note_id in ODD]
    if form == "fhir":
        assert first["file"].decode() == "".join(fhir.lines(odd))
    if form == "label-studio":
        assert set(first) == {"tasks.json", "tasks.xml"}
    if form == "brat":
        assert len(first) == 2 * len(ODD) + 3


@pytest.mark.parametrize("form", ["fhir", "prodigy", "displacy", "displacy-html"])
def test_export_command_writes_to_standard_output(pvl: Any, form: str, notes: Path, tmp_path: Path) -> None:
    result = pvl(notes, "--to", form)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout_bytes == written(pvl, form, notes, tmp_path / "out")["file"]


def test_export_command_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    shutil.copytree(DEMO, notes)
    outputs = []
    for workers in ("1", "2"):
        command = [sys.executable, "-c", "from extractor.cli import app; app()", "export", str(notes)]
        command += ["--to", "fhir", "--workers", workers]
        outputs.append(subprocess.run(command, capture_output=True, check=True).stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 12


def test_export_command_holds_what_is_not_signed(pvl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    note = Note("draft", "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released.")
    for standing, kinds in (("final", {"ChargeItem"}), ("preliminary", {"Task"})):
        given = replace(note, standing=standing)  # type: ignore[arg-type]
        monkeypatch.setattr("extractor.readers.read", lambda *_, given=given: iter([given]))
        bundle = json.loads(pvl("draft", "--to", "fhir").stdout)
        found = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
        assert found & {"ChargeItem", "Task"} == kinds


def test_export_command_costs_a_bad_input_only_itself(pvl: Any, notes: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "x"}\n{"id": "good", "text": "Nothing."}\n', encoding="utf-8")
    result = pvl(bad, notes, "--to", "prodigy", "--out", tmp_path / "tasks.jsonl")
    assert result.exit_code == 1
    assert "[I012]" in result.stderr
    assert result.stderr.endswith("1 input failed\n")
    assert len((tmp_path / "tasks.jsonl").read_text(encoding="utf-8").splitlines()) == len(ODD) + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["brat"], "folder to make"),
        (["brat", "--out", "full"], "[O002]"),
        (["brat", "--out", "full", "--force"], "[O003]"),
        (["brat", "--out", "."], "holds the input"),
        (["displacy-html", "--out", "page.html"], "[O001]"),
        (["label-studio", "--out", "page.json"], "[O001]"),
        (["brat", "--out", "notes.jsonl"], "is a file"),
        (["brat", "--out", "missing/out"], "does not exist"),
        (["label-studio"], ".json file"),
        (["label-studio", "--out", "tasks.xml"], ".json file"),
        (["prodigy", "--out", "full"], "is a folder"),
        (["fhir", "--out", "notes.jsonl"], "one of the inputs"),
        (["fhir", "--recorded", "2024-07-01"], "no instant"),
        (["fhir", "--recorded", "2024-13-01T00:00:00Z"], "no instant"),
        (["fhir", "--recorded", "2024-07-01T12:00:00"], "no instant"),
        (["brat", "--out", "new", "--recorded", "2024-07-01T12:00:00Z"], "for --to fhir"),
        (["word"], "fhir"),
    ],
)
def test_export_command_says_what_is_wrong_with_its_use(
    pvl: Any, notes: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(notes.parent)
    Path("full").mkdir()
    Path("page.html").touch()
    Path("page.xml").touch()
    Path("full", "corrected.ann").write_text("T1\timplanted 0 4\tplug\n")
    before = {path: path.read_bytes() for path in notes.parent.rglob("*") if path.is_file()}
    result = pvl("notes.jsonl", "--to", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert {path: path.read_bytes() for path in notes.parent.rglob("*") if path.is_file()} == before


def test_export_command_fills_an_empty_folder(pvl: Any, notes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert pvl(notes, "--to", "brat", "--out", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "annotation.conf").is_file()


@pytest.mark.parametrize("form", FORMATS)
def test_export_command_replaces_an_earlier_export_only_by_force(
    pvl: Any, form: str, notes: Path, tmp_path: Path
) -> None:
    first = written(pvl, form, notes, tmp_path / "out")
    changed = next(path for path in sorted((tmp_path / "out").rglob("*")) if path.is_file())
    corrected = changed.read_bytes() + b"\n"
    changed.write_bytes(corrected)
    target = tmp_path / "out" / {"brat": "folder", "label-studio": "tasks.json"}.get(form, "file")
    refused = pvl(notes, "--to", form, "--out", target)
    assert refused.exit_code == 2
    assert re.search(r"\[O00[12]\] .*--force", refused.stderr)
    assert changed.read_bytes() == corrected
    assert pvl(notes, "--to", form, "--out", target, "--force").exit_code == 0
    files = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in files} == first


def test_export_command_never_removes_what_it_did_not_write(pvl: Any, notes: Path, tmp_path: Path) -> None:
    assert pvl(notes, "--to", "brat", "--out", tmp_path / "out").exit_code == 0
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    refused = pvl(notes, "--to", "brat", "--out", tmp_path / "out", "--force")
    assert refused.exit_code == 2
    assert "[O003]" in refused.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_export_command_says_what_cannot_be_written(
    pvl: Any, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    before = set(tmp_path.rglob("*"))
    result = pvl(notes, "--to", "brat", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "[O004]" in result.stderr
    assert "No space left" in result.stderr
    assert "Mitral" not in result.stderr
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("form", FORMATS)
def test_export_command_leaves_nothing_unfinished(
    fake_coder: Any, form: str, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(notes: Any, workers: int = 1) -> Iterator[Suggestion]:
        yield from FakePipe(notes)
        raise RuntimeError("the machine stops")

    FakePipe = type(fake_coder)().pipe  # noqa: N806
    monkeypatch.setattr(fake_coder, "pipe", fail)
    before = set(notes.parent.iterdir())
    result = CliRunner().invoke(
        app, ["export", str(notes), "--to", form, "--out", str(notes.parent / "out.json")]
    )
    assert isinstance(result.exception, RuntimeError)
    assert set(notes.parent.iterdir()) == before


def test_export_command_reads_a_note_from_standard_input(
    coder: Coder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extractor.cli.suggesting.make_coder", lambda: coder)
    result = CliRunner().invoke(app, ["export", "-", "--to", "prodigy"], input=ODD["crlf"].encode())
    (line,) = io.StringIO(result.stdout_bytes.decode("utf-8"), newline="\n").readlines()
    assert json.loads(line)["text"] == ODD["crlf"]
