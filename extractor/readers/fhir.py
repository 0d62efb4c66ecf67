"""FHIR: the notes in documents and reports (JSON), alone, in bundles, or one a line.

Read are ``DocumentReference``, ``DiagnosticReport`` and the ``Composition`` of a
document. Their text is an attachment inside the resource, or a ``Binary`` of the same
file that it names; nothing is ever fetched.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO, Literal

from extractor.dates import NoDayError, told_day, told_period
from extractor.errors import InputError, InputNotice
from extractor.readers.attachment import AGAIN, attached_text, from_base64, told_once
from extractor.readers.document import document_text
from extractor.readers.note import Found, place, too_large, undated
from extractor.readers.stamp import NEVER, stamp
from extractor.readers.versions import Version

Resource = dict[str, Any]

_LONGEST = 80_000_000  # bytes of a line
_ENDS = {"DocumentReference": "content", "DiagnosticReport": "presentedForm", "Composition": "section"}
_BACK = ("entered-in-error", "superseded", "cancelled", "deprecated")
_SIGNED = ("", "final", "amended", "corrected", "appended", "current")
_OTHER_FORM = ("I032", "I046")  # of these a document may have another form that is read
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]{1,30})", re.I)


@dataclass(slots=True)
class _Around:
    """What stands around a resource: its file, and where the resources that it names are."""

    source: str
    binary: Callable[[str], Resource | None]
    line: int | None = None
    keys: dict[str, str] = field(default_factory=dict)  # by the address of an entry

    def key(self, reference: str) -> str:
        return self.keys.get(reference) or _last(reference)


def is_resource(value: object) -> bool:
    """Whether a JSON value is a FHIR resource.

    Examples
    --------
    >>> is_resource({"resourceType": "Bundle"}), is_resource({"id": "a", "text": "One plug."})
    (True, False)
    """
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def versions_of(path: str, resources: Sequence[Resource]) -> Iterator[Found | Version]:
    """The versions of notes in resources that a file holds as a whole."""
    binaries = {
        f"Binary/{one['id']}": one
        for one in resources
        if one.get("resourceType") == "Binary" and isinstance(one.get("id"), str)
    }
    around = _Around(path, lambda reference: binaries.get(_last(reference)))
    empty = True
    for resource in resources:
        for found in _versions(resource, around):
            empty = False
            yield found
    if empty:
        yield _no_document(path)


def versions_of_lines(path: str) -> Iterator[Found | Version]:
    """The versions of notes in a file with one resource a line (NDJSON)."""
    binaries: dict[str, int] | None = None

    def binary(reference: str) -> Resource | None:
        nonlocal binaries
        if binaries is None:
            binaries = _index(path)
        at = binaries.get(_last(reference))
        if at is None:
            return None
        with open(path, "rb") as file:
            file.seek(at)
            found = _parsed(file.readline())
        return found if isinstance(found, dict) else None

    empty = True
    with open(path, "rb") as file:
        for number, _, line in _lines(file):
            around = _Around(path, binary, number)
            if line is None:
                found: Iterator[Found | Version] = iter(
                    [too_large(place(path, number), f"a line of more than {_LONGEST:,} bytes")]
                )
            else:
                found = _of_line(line, around)
            for one in found:
                empty = False
                yield one
    if empty:
        yield _no_document(path)


def _of_line(line: bytes, around: _Around) -> Iterator[Found | Version]:
    resource = _parsed(line)
    if resource is None or not is_resource(resource):
        problem = "not valid JSON" if resource is None else "no FHIR resource"
        yield InputError(
            "I008", place(around.source, around.line), problem, "write one FHIR resource per line"
        )
    else:
        yield from _versions(resource, around)


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes | None]]:
    """Number, offset and bytes of each line that is not blank; None for the bytes of one that is too long."""
    number, offset = 0, 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        at, offset = offset, offset + len(line)
        if len(line) > _LONGEST and not line.endswith(b"\n"):
            while (rest := file.readline(_LONGEST)) and not rest.endswith(b"\n"):
                offset += len(rest)
            offset += len(rest)
            yield number, at, None
        elif line.strip():
            yield number, at, line


def _index(path: str) -> dict[str, int]:
    """Where the ``Binary`` resources of a file are, one a line."""
    out = {}
    with open(path, "rb") as file:
        for _, at, line in _lines(file):
            resource = _parsed(line) if line and b'"Binary"' in line else None
            if isinstance(resource, dict) and resource.get("resourceType") == "Binary":
                out[f"Binary/{resource.get('id')}"] = at
    return out


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):
        return None


def _no_document(path: str) -> InputNotice:
    return InputNotice("N014", path, "FHIR without a clinical document or report", "nothing in it is read")


def _versions(resource: Resource, around: _Around) -> Iterator[Found | Version]:
    kind = _string(resource, "resourceType")
    if kind == "Bundle":
        yield from _of_bundle(resource, around)
    elif kind in _ENDS:
        yield from _of_resource(resource, around)
    elif not kind:
        yield InputError(
            "I048", place(around.source, around.line), "an entry that is no FHIR resource", AGAIN
        )


def _of_bundle(bundle: Resource, around: _Around) -> Iterator[Found | Version]:
    entries = _dicts(bundle.get("entry"))
    if bundle.get("type") == "history":
        entries.reverse()  # the newest stands first
    inside: dict[str, Resource] = {}
    keys = dict(around.keys)
    for entry in entries:
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        address = _string(entry, "fullUrl")
        if "id" not in resource and address:
            resource["id"] = address.rpartition("/")[2].rpartition(":")[2]
        key = f"{resource.get('resourceType')}/{resource.get('id')}"
        keys |= {address: key} if address else {}
        if resource.get("resourceType") == "Binary":
            inside[key] = resource
            inside |= {address: resource} if address else {}

    def binary(reference: str) -> Resource | None:
        return (
            inside.get(reference)
            or inside.get(keys.get(reference) or _last(reference))
            or around.binary(reference)
        )

    here = _Around(around.source, binary, around.line, keys)
    for entry in entries:
        resource, request = entry.get("resource"), entry.get("request")
        if isinstance(resource, dict):
            if resource.get("resourceType") == "Composition" and not resource.get("id"):
                resource["id"] = _string(bundle, "id") or _identifier(bundle)
            yield from _versions(resource, here)
        elif isinstance(request, dict) and request.get("method") == "DELETE":
            key = _last(_string(request, "url"))
            if key.partition("/")[0] in _ENDS:
                yield _deleted(key, entry, here)


def _deleted(key: str, entry: Resource, around: _Around) -> Version:
    response = entry.get("response")
    time = _string(response, "lastModified") if isinstance(response, dict) else ""
    revision = "9" * len(NEVER) if stamp(time) == NEVER else stamp(time)
    name = key.rpartition("/")[2]
    return Version(key, None, around.source, around.line, "cancelled", revision, name=name)


def _of_resource(resource: Resource, around: _Around) -> Iterator[Found | Version]:
    """The version that a document, a report or a composition is."""
    kind = str(resource["resourceType"])
    identifier = _identifier(resource)
    name = _string(resource, "id") or identifier
    if not name.strip():
        where = place(around.source, around.line)
        yield InputError("I010", where, f"a {kind} without an id", "give it an id")
        return
    where = place(around.source, around.line, name)
    standing = _standing(resource)
    text: str | InputError | None = None
    if standing != "cancelled":
        text, notice = _text(resource, where, around)
        yield from notice
    served = None
    try:
        served = _served(resource)
    except NoDayError as error:
        if standing != "cancelled":
            yield undated(where, str(error))
    parent, replaces = _related(resource, around)
    yield Version(
        f"{kind}/{name}",
        None if isinstance(text, InputError) else text,
        around.source,
        around.line,
        standing,
        _revision(resource),
        parent,
        replaces,
        alias=identifier if identifier != name else None,
        name=name,
        unreadable=text if isinstance(text, InputError) else None,
        served=served,
        encounter=_encounter(resource, around),
        parent_name=_name(parent),
        replaces_name=_name(replaces),
    )


def _name(key: str | None) -> str | None:
    """The id of a resource without its kind; that of an identifier is all there is."""
    kind, _, name = (key or "").partition("/")
    return name if kind in _ENDS and name else key


def _served(resource: Resource) -> date | None:
    """The day of the service that is documented; when it was written down says nothing of it."""
    if isinstance(resource.get("effectiveDateTime"), str):
        return told_day(resource["effectiveDateTime"])
    # R4 has the period of a document in its context, R5 beside it.
    context = resource.get("context")
    events = _dicts(resource.get("event"))
    around = [resource.get("effectivePeriod"), resource.get("period")]
    around += [context.get("period")] if isinstance(context, dict) else []
    periods = [one for one in (*around, *(event.get("period") for event in events)) if isinstance(one, dict)]
    days = {told_period(_string(period, "start"), _string(period, "end")) for period in periods} - {None}
    if len(days) > 1:
        raise NoDayError("several dates of service are told")
    return next(iter(days), None)


def _encounter(resource: Resource, around: _Around) -> str | None:
    """Id of the encounter: its identifier where the reference has one, else its id in FHIR."""
    context = resource.get("context")
    # R4 has the encounters of a document in its context, R5 there or beside it; reports have one.
    told = context.get("encounter") if isinstance(context, dict) else context
    named = _dicts(told) or _dicts([told, resource.get("encounter")])
    found: set[str] = set()
    for reference in named:
        identifier = reference.get("identifier")
        target = around.key(_string(reference, "reference"))
        if isinstance(identifier, dict) and _string(identifier, "value").strip():
            found.add(_string(identifier, "value").strip())
        elif target.startswith("Encounter/"):
            found.add(target.partition("/")[2])
    return found.pop() if len(found) == 1 else None


def _standing(resource: Resource) -> Literal["final", "preliminary", "cancelled"]:
    states = [_string(resource, "status"), _string(resource, "docStatus")]
    if any(state in _BACK for state in states):
        return "cancelled"
    told = [resource[name] for name in ("status", "docStatus") if resource.get(name) is not None]
    return "final" if all(state in _SIGNED for state in told) else "preliminary"


def _revision(resource: Resource) -> str:
    meta = resource.get("meta")
    times = [_string(meta, "lastUpdated")] if isinstance(meta, dict) else []
    times += [_string(resource, name) for name in ("date", "issued", "effectiveDateTime")]
    return next((found for time in times if (found := stamp(time)) != NEVER), NEVER)


def _related(resource: Resource, around: _Around) -> tuple[str | None, str | None]:
    """Keys of the note that a resource is an addendum to, and of the one that it replaces."""
    found: dict[str, str] = {}
    for relation in _dicts(resource.get("relatesTo")):
        code: object = relation.get("code")
        if isinstance(code, dict):
            code = next((_string(one, "code") for one in _dicts(code.get("coding"))), "")
        target = next((relation[k] for k in ("target", "targetReference") if k in relation), None)
        identifier = relation.get("targetIdentifier")
        key = ""
        if isinstance(target, dict):
            key = around.key(_string(target, "reference"))
            identifier = target.get("identifier", identifier)
        if not key and isinstance(identifier, dict):
            key = _string(identifier, "value")
        # What was made from a document by a conversion stands in for it.
        found.setdefault({"transforms": "replaces"}.get(str(code), str(code)), key or "-")
    return found.get("appends"), found.get("replaces")


def _text(resource: Resource, where: str, around: _Around) -> tuple[str | InputError, Sequence[InputNotice]]:
    kind = resource["resourceType"]
    if kind == "Composition":
        return _of_sections(resource, where), []
    parts = _dicts(resource.get(_ENDS[kind]))
    attachments = [part.get("attachment") for part in parts] if kind == "DocumentReference" else parts
    forms = [_attached(one, where, resource, around) for one in attachments if isinstance(one, dict)]
    texts = [form for form in forms if isinstance(form, str)]
    wrong = [form for form in forms if isinstance(form, InputError)]
    damaged = next((error for error in wrong if error.code not in _OTHER_FORM or not texts), None)
    if damaged:
        return damaged, []
    if not texts:
        return InputError("I037", where, f"the {kind} has no document ({_ENDS[kind]})", AGAIN), []
    notices = [InputNotice("N013", where, error.problem, "another form of it is read") for error in wrong]
    conclusion = _string(resource, "conclusion") if kind == "DiagnosticReport" else ""
    once = told_once([*texts, *([conclusion] if conclusion.strip() else [])], where)
    if isinstance(once, InputError):
        return once, []
    headed = [f"Conclusion:\n{text}" if text == conclusion else text for text in once]
    return "\n\n".join(headed if len(once) > 1 else once), notices


def _attached(attachment: Resource, where: str, resource: Resource, around: _Around) -> str | InputError:
    """The text of an attachment, inside or in a ``Binary`` of the same file."""
    data, media_type = attachment.get("data"), _string(attachment, "contentType")
    url = _string(attachment, "url")
    if not data and url:
        binary = _contained(resource, url) if url.startswith("#") else around.binary(url)
        if binary is None:
            problem = "the document is at an address outside the file, and nothing is fetched"
            return InputError(
                "I046", where, problem, "export it with the documents inside, or with their Binary"
            )
        data, media_type = binary.get("data"), _string(binary, "contentType") or media_type
    if not isinstance(data, str) or not data:
        return InputError("I037", where, "the attachment has no data", AGAIN)
    found = from_base64(data, where)
    if isinstance(found, InputError):
        return found
    size = attachment.get("size")
    if isinstance(size, int) and size > len(found):
        return InputError("I031", where, "the document is shorter than the message says", AGAIN)
    charset = _CHARSET.search(media_type)
    return attached_text(found, media_type, where, [charset[1]] if charset else ["utf-8"])


def _contained(resource: Resource, url: str) -> Resource | None:
    inside = _dicts(resource.get("contained"))
    return next(
        (one for one in inside if one.get("id") == url[1:] and one.get("resourceType") == "Binary"), None
    )


def _of_sections(composition: Resource, where: str) -> str | InputError:
    """The text of a composition: title and narrative of each section."""
    parts = [_string(composition, "title")]
    waiting = _dicts(composition.get("section"))
    while waiting:
        section = waiting.pop(0)
        waiting = _dicts(section.get("section")) + waiting
        narrative = section.get("text")
        div = _string(narrative, "div") if isinstance(narrative, dict) else ""
        if not div and section.get("entry"):
            return InputError("I037", where, "a section has no narrative", AGAIN)
        text = document_text(div.encode("utf-8", "replace"), "html", where) if div else ""
        if isinstance(text, InputError):
            return text
        title = _string(section, "title").strip()
        parts.append("\n".join(filter(None, [title and f"{title.rstrip(':')}:", text])))
    if not any(parts[1:]):
        return InputError("I037", where, "the Composition has no section with a narrative", AGAIN)
    return "\n\n".join(filter(None, parts))


def _identifier(resource: Resource) -> str:
    """The identifier of a resource that its owner gave it."""
    named = resource.get("masterIdentifier") or resource.get("identifier")
    first = next(iter(_dicts(named if isinstance(named, list) else [named])), {})
    return _string(first, "value")


def _last(reference: str) -> str:
    """The type and id at the end of a reference, whatever server and version it names.

    Examples
    --------
    >>> _last("https://example.org/fhir/Binary/7/_history/2"), _last("Binary/7")
    ('Binary/7', 'Binary/7')
    """
    return "/".join(reference.partition("/_history/")[0].rstrip("/").split("/")[-2:])


def _dicts(value: object) -> list[Resource]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _string(value: Resource, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
