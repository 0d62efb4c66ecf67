"""FHIR R4: one Bundle for each note, with the suggestion as resources of their own.

A Bundle of type ``collection``, tagged with the status, holds

- the note: a ``DocumentReference`` with the text (base64, SHA-1) and all evidence;
- for a ``ready`` note each line and companion: a ``ChargeItem``, always ``planned``. The
  value set of R4 has nothing nearer to a suggestion; ``billable`` is for a person to say;
- for a ``review`` note no ``ChargeItem`` at all, but a ``Task``, ``requested`` and a
  ``proposal``, whose inputs are the lines and companions that the note supports, and
  as a part of it a ``Task`` for each reason: somebody must decide.
  (A ``DetectedIssue`` would be a clinical issue of the patient's care.)
- the software: a ``Device`` with its version and that of the rules;
- a ``Provenance`` that names the software as assembler of charges and tasks from the
  note, and the places of the note they rest on.

A code stands with the system of CPT and a role name of our own, never a descriptor.

The extensions are:

====================== ======================================================
``urn:pvl:evidence``   words of the note: ``label``, ``start``, ``end`` (code
                       points of the text, end exclusive), ``text``,
                       ``section``, ``rule``, ``device``, ``reason``
``urn:pvl:interval``   least and most units the note supports (a Range)
``urn:pvl:modifier``   modifier advised for a line
====================== ======================================================

Ids are made from the note's id and text, so the same note has the same ids in every
export. The clock is never asked: when the suggestion was recorded is what the caller
says, or marked as unknown. Who the patient is, no note tells us: unknown as well.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from extractor import __version__
from extractor.export import Annotated, Annotation
from extractor.suggestion import Companion

if TYPE_CHECKING:
    from extractor.suggestion import Line, Reason

CPT = "http://www.ama-assn.org/go/cpt"
"""The system of the codes."""

_NAMESPACE = UUID("6e1d7c1e-8f0b-5a55-9d0a-3c1f0c6f2b51")
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_UNKNOWN = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
# A FHIR string has no control character but these three.
_CONTROL = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"}

_Json = dict[str, Any]


def lines(items: Iterable[Annotated], recorded: str | None = None) -> Iterator[str]:
    """Yield the Bundle of each note as a line of JSON.

    Parameters
    ----------
    items
        The notes.
    recorded
        When the suggestions were made, as a FHIR instant; unknown without it.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.export import annotate
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> bundle = json.loads(next(lines([annotate(note, Coder().suggest(note, "A17"))])))
    >>> [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    ['DocumentReference', 'Device', 'ChargeItem', 'Provenance']
    >>> charge = bundle["entry"][2]["resource"]
    >>> charge["status"], charge["code"]["coding"][0]["code"], charge["quantity"]
    ('planned', '93590', {'value': 1})
    """
    for item in items:
        yield json.dumps(_Bundle(item).resource(recorded)) + "\n"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A line as a person decided it."""

    code: str
    role: str
    units: int
    modifiers: tuple[str, ...] = ()
    devices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person decided about the suggestion for a note.

    Attributes
    ----------
    key
        Tells this decision from others about the same note.
    lines
        What is claimed. Empty where the suggestion was rejected.
    by, checked
        Names of the user who decided and of the one who checked it, if any.
    recorded
        When, as a FHIR instant.
    text_kept
        Whether the text of the note may be given along.
    """

    key: str
    lines: tuple[Claimed, ...]
    by: str
    checked: str
    recorded: str
    text_kept: bool = True


def decided(
    item: Annotated, ruling: Ruling, before: tuple[Annotated, Ruling] | None = None
) -> dict[str, Any]:
    """The Bundle of a note that a person has decided about.

    Lines are ``ChargeItem``s with the status ``billable``, entered by the person; where
    nothing is claimed those suggested are ``not-billable``. The ``Provenance`` names who
    decided, who checked it, and the software with its rules, and holds the evidence.

    Where a decision corrects one that left ``before``, the Bundle also has each
    ``ChargeItem`` of that one, under its id of then, as ``entered-in-error``, and the
    ``Provenance`` names the decision it revises.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.export import annotate
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> line = Claimed("93590", "initial device, mitral", 1, ("62",), (1,))
    >>> ruling = Ruling("17", (line,), "ada", "bo", "2024-09-02T08:00:00+00:00")
    >>> bundle = decided(annotate(note, Coder().suggest(note, "A17")), ruling)
    >>> charge = bundle["entry"][2]["resource"]
    >>> charge["status"], charge["enterer"]["display"], charge["quantity"]
    ('billable', 'ada', {'value': 1})
    """
    return _Decided(item, ruling, None if before is None else _Decided(*before)).resource(ruling.recorded)


class _Bundle:
    """The resources of one note, and how they refer to each other."""

    def __init__(self, item: Annotated) -> None:
        self.item = item
        self.given = item.suggestion
        self.key = f"{hashlib.sha256(item.text.encode()).hexdigest()}\0{self.given.note_id}"
        self.software = f"pvl {__version__}, rules {self.given.rules_version}"

    def resource(self, recorded: str | None) -> _Json:
        if self.given.status == "review":
            reasons = enumerate(self.given.reasons)
            made = [self._review(), *(self._task(number, reason) for number, reason in reasons)]
        else:
            made = [self._charge(part) for part in self._parts()]
        resources = [self._note(), self._device(), *made]
        # A Provenance must be about something, and for this note nothing may have been suggested.
        if made:
            resources.append(self._provenance(made, recorded))
        return {
            "resourceType": "Bundle",
            "id": self._id("Bundle"),
            "meta": {"tag": [{"system": "urn:pvl:status", "code": self.given.status}]},
            "identifier": self._identifier(),
            "type": "collection",
            "entry": [{"fullUrl": f"urn:uuid:{part['id']}", "resource": part} for part in resources],
        }

    def _id(self, *parts: object) -> str:
        return str(uuid5(_NAMESPACE, "\0".join([self.key, *map(str, parts)])))

    def _reference(self, kind: str, display: str) -> _Json:
        return {"reference": f"urn:uuid:{self._id(kind)}", "type": kind, "display": _string(display)}

    def _identifier(self) -> _Json:
        return {"system": "urn:pvl:note", "value": _string(self.given.note_id)}

    def _note(self) -> _Json:
        data = self.item.text.encode("utf-8")
        attachment = {
            "contentType": "text/plain; charset=utf-8",
            "data": base64.b64encode(data).decode(),
            "size": len(data),
            # R4 prescribes SHA-1 here; it is a checksum, not a secret.
            "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
        }
        evidence = [_evidence(annotation) for annotation in self.item.annotations]
        unsigned = any(reason.code == "note_not_signed" for reason in self.given.reasons)
        return _without_empty(
            {
                "resourceType": "DocumentReference",
                "id": self._id("DocumentReference"),
                "extension": evidence,
                "identifier": [self._identifier()],
                "status": "current",
                **({"docStatus": "preliminary"} if unsigned else {}),
                "content": [{"attachment": attachment}],
            }
        )

    def _device(self) -> _Json:
        versions = {"software": __version__, "rules": self.given.rules_version}
        return {
            "resourceType": "Device",
            "id": self._id("Device"),
            "status": "active",
            "deviceName": [{"name": "pvl", "type": "user-friendly-name"}],
            "version": [
                {"type": {"text": what}, "value": _string(value)} for what, value in versions.items()
            ],
        }

    def _parts(self) -> list[Line | Companion]:
        return [*self.given.lines, *self.given.companions]

    def _extensions(self, part: Line | Companion) -> list[_Json]:
        """Interval, modifiers and evidence of a line or companion."""
        if isinstance(part, Companion):
            # The contract does not say which of several companions a span of evidence is for.
            return [_evidence(item) for item in self.item.annotations if item.label == "companion"]
        interval = {"low": {"value": part.low}, "high": {"value": part.high}}
        extensions: list[_Json] = [{"url": "urn:pvl:interval", "valueRange": interval}]
        extensions += [{"url": "urn:pvl:modifier", "valueCode": modifier} for modifier in part.modifiers]
        return extensions + [
            _evidence(annotation)
            for annotation in self.item.annotations
            if set(annotation.devices).intersection(part.devices)
        ]

    def _notes(self, codes: set[str]) -> list[_Json]:
        """The edits that concern one of the codes."""
        return [
            {"text": _string(f"{edit.table} {edit.edition}, {edit.setting}, {edit.severity}: {edit.message}")}
            for edit in self.given.edits
            if codes.intersection(edit.codes)
        ]

    def _charge(self, part: Line | Companion) -> _Json:
        return _without_empty(
            {
                "resourceType": "ChargeItem",
                "id": self._id("ChargeItem", part.code),
                "extension": self._extensions(part),
                "status": "planned",
                "code": _code(part),
                "subject": _UNKNOWN,
                "quantity": {"value": part.units},
                "enterer": self._reference("Device", self.software),
                "note": self._notes({part.code}),
                "supportingInformation": [self._reference("DocumentReference", self.given.note_id)],
            }
        )

    def _review(self) -> _Json:
        """What a person is asked to decide: the note as a whole."""
        supported = [
            _without_empty(
                {
                    "extension": self._extensions(part),
                    "type": _code(part),
                    "valueQuantity": {"value": part.units},
                }
            )
            for part in self._parts()
        ]
        return _without_empty(
            {
                "resourceType": "Task",
                "id": self._id("Task"),
                "status": "requested",
                "intent": "proposal",
                "code": {"coding": [{"system": "urn:pvl:status", "code": "review"}]},
                "description": "A person must decide what is coded.",
                "focus": self._reference("DocumentReference", self.given.note_id),
                "requester": self._reference("Device", self.software),
                "note": self._notes({part.code for part in self._parts()}),
                "input": supported,
            }
        )

    def _task(self, number: int, reason: Reason) -> _Json:
        evidence = [_evidence(item) for item in self.item.annotations if reason.code in item.reasons]
        queries = [
            {"type": {"text": "draft query to the physician"}, "valueString": _string(query.text)}
            for query in self.given.queries
            if query.reason == reason.code
        ]
        return _without_empty(
            {
                "resourceType": "Task",
                "id": self._id("Task", number, reason.code),
                "extension": evidence,
                "partOf": [self._reference("Task", "review")],
                "status": "requested",
                "intent": "proposal",
                "code": {"coding": [{"system": "urn:pvl:reason", "code": reason.code}]},
                "description": _string(reason.message),
                "focus": self._reference("DocumentReference", self.given.note_id),
                "requester": self._reference("Device", self.software),
                "input": queries,
            }
        )

    def _provenance(self, made: list[_Json], recorded: str | None) -> _Json:
        source = {
            "extension": [_evidence(annotation) for annotation in self.item.annotations],
            "role": "source",
            "what": self._reference("DocumentReference", self.given.note_id),
        }
        time: _Json = {"_recorded": _UNKNOWN} if recorded is None else {"recorded": recorded}
        return {
            "resourceType": "Provenance",
            "id": self._id("Provenance"),
            "target": [
                {"reference": f"urn:uuid:{part['id']}", "type": part["resourceType"]} for part in made
            ],
            **time,
            "agent": [
                {
                    "type": {"coding": [{"system": _PARTICIPANT, "code": "assembler"}]},
                    "who": self._reference("Device", self.software),
                }
            ],
            "entity": [_without_empty(source)],
        }


class _Decided(_Bundle):
    """The resources of one note that a person has decided about."""

    def __init__(self, item: Annotated, ruling: Ruling, before: _Decided | None = None) -> None:
        super().__init__(item)
        self.ruling, self.before = ruling, before
        self.key = f"{self.key}\0{ruling.key}"

    def resource(self, recorded: str | None) -> _Json:
        claimed = self.ruling.lines
        made = [self._billed(line) for line in claimed]
        if not made:
            made = [{**self._charge(part), "status": "not-billable"} for part in self._parts()]
        if self.before is not None:
            made += self.before.taken_back()
        note = self._note()
        resources = [note, self._device(), *made, self._provenance(made or [note], recorded)]
        return {
            "resourceType": "Bundle",
            "id": self._id("Bundle"),
            "meta": {"tag": [{"system": "urn:pvl:status", "code": "decided"}]},
            "identifier": self._identifier(),
            "type": "collection",
            "entry": [{"fullUrl": f"urn:uuid:{part['id']}", "resource": part} for part in resources],
        }

    def _note(self) -> _Json:
        note = super()._note()
        if not self.ruling.text_kept:
            note["content"] = [{"attachment": {"contentType": "text/plain; charset=utf-8"}}]
        return note

    def taken_back(self) -> list[_Json]:
        """What this decision billed, once another one stands in for it."""
        kept = ("resourceType", "id", "identifier", "status", "code", "subject", "quantity")
        return [
            {name: value for name, value in self._billed(line).items() if name in kept}
            | {"status": "entered-in-error"}
            for line in self.ruling.lines
        ]

    def _billed(self, line: Claimed) -> _Json:
        extensions: list[_Json] = [
            {"url": "urn:pvl:modifier", "valueCode": modifier} for modifier in line.modifiers
        ]
        extensions += [
            _evidence(annotation)
            for annotation in self.item.annotations
            if set(annotation.devices).intersection(line.devices)
        ]
        return _without_empty(
            {
                "resourceType": "ChargeItem",
                "id": self._id("ChargeItem", line.code),
                "extension": extensions,
                "identifier": [_decision(self.ruling)],
                "status": "billable",
                "code": {"coding": [{"system": CPT, "code": line.code}], "text": _string(line.role)},
                "subject": _UNKNOWN,
                "quantity": {"value": line.units},
                "enterer": _person(self.ruling.by),
                "enteredDate": self.ruling.recorded,
                "note": self._notes({line.code}),
                "supportingInformation": [self._reference("DocumentReference", self.given.note_id)],
            }
        )

    def _provenance(self, made: list[_Json], recorded: str | None) -> _Json:
        provenance = super()._provenance(made, recorded)
        people = [("author", self.ruling.by), ("verifier", self.ruling.checked)]
        agents = [
            {"type": {"coding": [{"system": _PARTICIPANT, "code": part}]}, "who": _person(name)}
            for part, name in people
            if name
        ]
        entities = provenance["entity"]
        if self.before is not None:
            revised = {"role": "revision", "what": {"identifier": _decision(self.before.ruling)}}
            entities = [*entities, revised]
        return {**provenance, "agent": [*agents, *provenance["agent"]], "entity": entities}


def _decision(ruling: Ruling) -> _Json:
    return {"system": "urn:pvl:decision", "value": ruling.key}


def _person(name: str) -> _Json:
    """A user of the worklist: who that is, the site knows."""
    return {
        "type": "Practitioner",
        "identifier": {"system": "urn:pvl:user", "value": _string(name)},
        "display": _string(name),
    }


def _code(part: Line | Companion) -> _Json:
    # A role in our own words, never the descriptor of the code.
    text = part.message if isinstance(part, Companion) else part.role
    return {"coding": [{"system": CPT, "code": part.code}], "text": _string(text)}


def _evidence(annotation: Annotation) -> _Json:
    parts: list[_Json] = [
        {"url": "label", "valueCode": annotation.label},
        {"url": "start", "valueUnsignedInt": annotation.start},
        {"url": "end", "valueUnsignedInt": annotation.end},
        {"url": "text", "valueString": _string(annotation.text)},
        {"url": "section", "valueString": _string(annotation.section)},
    ]
    parts += [{"url": "rule", "valueString": rule} for rule in annotation.rules]
    parts += [{"url": "device", "valuePositiveInt": number} for number in annotation.devices]
    parts += [{"url": "reason", "valueCode": reason} for reason in annotation.reasons]
    return {"url": "urn:pvl:evidence", "extension": parts}


def _string(text: str) -> str:
    return text.translate(_CONTROL) or "-"


def _without_empty(resource: _Json) -> _Json:
    """FHIR has no empty lists: what is empty is left out."""
    return {name: value for name, value in resource.items() if value != []}
