"""C-CDA: the note in a clinical document (XML): the narrative of all its sections.

The narrative is what was signed; coded entries beside it are not read. Rows of tables
become lines whose cells are parted by tabs. XML that declares a document type or
entities is refused: no clinical document needs them, and they can reach files or fill
the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Literal

from extractor.dates import NoDayError, told_period
from extractor.errors import InputError
from extractor.readers.attachment import AGAIN, attached_text, from_base64
from extractor.readers.narrative import NarrativeError, narrative
from extractor.readers.note import Found, place, too_large, undated
from extractor.readers.options import Options
from extractor.readers.stamp import stamp
from extractor.readers.versions import Version

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_LARGEST = 100_000_000  # bytes
_CDA = "{urn:hl7-org:v3}"
_STATUS = "{urn:hl7-org:sdtc}statusCode"
_CLINICAL = f"{_CDA}ClinicalDocument"
_BACK = ("nullified", "aborted", "cancelled", "obsolete")
_SIGNED = ("AU", "LA")
_CARE = "PCPR"  # provision of care


def read_xml(path: str, _options: Options) -> Iterator[Found | Version]:
    """The version of a note that a C-CDA document is."""
    with open(path, "rb") as file:
        root = _root(file.read(_LARGEST + 1), path)
    if isinstance(root, InputError):
        yield root
    else:
        yield from _version(root, path)


def clinical_text(data: bytes, where: str) -> str | InputError:
    """The text of a C-CDA document that came inside another message."""
    root = _root(data, where)
    return root if isinstance(root, InputError) else _safe_text(root, where)


def _root(data: bytes, where: str) -> Element | InputError:
    """The clinical document that these bytes are."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

    if len(data) > _LARGEST:
        return too_large(where, f"more than {_LARGEST:,} bytes of XML")
    if not data.strip():
        return InputError("I005", where, "the file is empty", "give a clinical document")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        problem = "the XML declares a document type or entities, which can reach files or fill the memory"
        return InputError("I042", where, problem, "export it without a DOCTYPE")
    except ParseError as error:
        problem = f"not well-formed XML, or cut (line {error.position[0]})"
        return InputError("I043", where, problem, AGAIN)
    except (LookupError, ValueError, RecursionError, MemoryError):
        return InputError("I043", where, "XML in an unknown encoding, or nested too deeply", AGAIN)
    if root.tag != _CLINICAL:
        remedy = "give C-CDA, and FHIR as JSON; keep other XML out of the folder"
        return InputError("I048", where, "XML, but no clinical document (CDA)", remedy)
    return root


def _safe_text(root: Element, where: str) -> str | InputError:
    try:
        return _text(root, where)
    except NarrativeError as error:
        return InputError(error.code, where, str(error), AGAIN)
    except RecursionError:
        return InputError("I043", where, "XML that is nested too deeply", AGAIN)


def _version(root: Element, path: str) -> Iterator[Found | Version]:
    own = _id(root.find(f"{_CDA}id"))
    if own is None:
        yield InputError("I010", path, "the document has no id", AGAIN)
        return
    key, name = own
    relation, above, above_name = _related(root)
    series = _id(root.find(f"{_CDA}setId"))
    # An addendum may wrongly carry the series of its note.
    whole = series[0] if series and relation != "APND" else key
    standing = _standing(root)
    text: str | InputError | None = None
    if standing != "cancelled":
        text = _safe_text(root, place(path, None, name))
    served = None
    try:
        served = _served(root)
    except NoDayError as error:
        if standing != "cancelled":
            yield undated(place(path, None, name), str(error))
    yield Version(
        whole,
        None if isinstance(text, InputError) else text,
        path,
        None,
        standing,
        _revision(root),
        above if relation == "APND" and above != key else None,
        above if relation == "RPLC" and above != whole else None,
        alias=key if key != whole else None,
        name=name,
        unreadable=text if isinstance(text, InputError) else None,
        served=served,
        encounter=_encounter(root),
        parent_name=above_name,
        replaces_name=above_name,
    )


def _encounter(root: Element) -> str | None:
    """Id of the encounter in which the document was written."""
    found = _id(root.find(f"{_CDA}componentOf/{_CDA}encompassingEncounter/{_CDA}id"))
    return found[1] if found else None


def _served(root: Element) -> date | None:
    """The day of the service event that is documented; care over years is none."""
    days = set()
    for event in root.findall(f"{_CDA}documentationOf/{_CDA}serviceEvent"):
        time = event.find(f"{_CDA}effectiveTime")
        if time is None:
            continue
        low, high = (
            (found.get("value") or "") if (found := time.find(f"{_CDA}{name}")) is not None else ""
            for name in ("low", "high")
        )
        try:
            days.add(told_period(low or time.get("value") or "", high))
        except NoDayError:
            if event.get("classCode") != _CARE:
                raise
    days.discard(None)
    if len(days) > 1:
        raise NoDayError("several dates of service are told")
    return next(iter(days), None)


def _id(element: Element | None) -> tuple[str, str] | None:
    """An id that no other document has, and the part of it that people know it by."""
    if element is None or element.get("nullFlavor"):
        return None
    root, extension = (element.get("root") or "").strip(), (element.get("extension") or "").strip()
    return (f"{root} {extension}".strip(), extension or root) if root or extension else None


def _related(root: Element) -> tuple[str, str, str]:
    """How a document belongs to an earlier one (APND, RPLC), the id of that, and what people know of it."""
    for related in root.findall(f"{_CDA}relatedDocument"):
        code = related.get("typeCode", "")
        if code in ("APND", "RPLC"):
            above = _id(related.find(f"{_CDA}parentDocument/{_CDA}id"))
            return code, *(above or ("-", "-"))
    return "", "", ""


def _revision(root: Element) -> str:
    """The number of the version before the time: the time may be that of the visit."""
    version = root.find(f"{_CDA}versionNumber")
    number = (version.get("value") or "" if version is not None else "").strip()
    time = root.find(f"{_CDA}effectiveTime")
    counted = number if number.isascii() and number.isdigit() else "0"
    return counted[-9:].zfill(9) + stamp(time.get("value") or "" if time is not None else "")


def _standing(root: Element) -> Literal["final", "preliminary", "cancelled"]:
    """Signed is what says so: a document without a legal authenticator is not, by the standard."""
    status = root.find(_STATUS)
    if status is not None and status.get("code") in _BACK:
        return "cancelled"
    completion = next((one for one in root if one.tag.rpartition("}")[2] == "completionCode"), None)
    if completion is not None and completion.get("code"):
        return "final" if completion.get("code") in _SIGNED else "preliminary"
    for name in ("legalAuthenticator", "authenticator"):
        for signer in root.findall(f"{_CDA}{name}"):
            signature = signer.find(f"{_CDA}signatureCode")
            if not signer.get("nullFlavor") and (signature is None or signature.get("code", "S") == "S"):
                return "final"
    return "preliminary"


def _text(root: Element, where: str) -> str | InputError:
    attached = root.find(f"{_CDA}component/{_CDA}nonXMLBody/{_CDA}text")
    if attached is not None:
        return _attached(attached, where)
    parts = [" ".join("".join(one.itertext()).split()) for one in root.findall(f"{_CDA}title")]
    media = {one.get("ID"): one for one in root.iter(f"{_CDA}observationMedia")}
    told = 0
    for section in root.iter(f"{_CDA}section"):
        _refuse_media(section, media)
        title = " ".join("".join(section.findtext(f"{_CDA}title") or "").split())
        block = section.find(f"{_CDA}text")
        text = narrative(block) if block is not None else ""
        told += bool(text)
        if title or text:
            parts.append("\n".join(filter(None, [title and f"{title.rstrip(':')}:", text])))
    if not told:
        return InputError("I037", where, "the document has no section with a narrative", AGAIN)
    return "\n\n".join(filter(None, parts))


def _refuse_media(section: Element, media: dict[str | None, Element]) -> None:
    """A text that stands in an attached document would be missed; pictures tell no text."""
    for shown in section.iterfind(f"{_CDA}text//{_CDA}renderMultiMedia"):
        for name in (shown.get("referencedObject") or "").split():
            value = media[name].find(f"{_CDA}value") if name in media else None
            if value is not None and not (value.get("mediaType") or "image/").startswith(
                ("image/", "video/")
            ):
                raise NarrativeError("I032", "a section shows an attached document, which is not read")


def _attached(element: Element, where: str) -> str | InputError:
    """The text of a document inside, in base64 or as it stands."""
    content = "".join(element.itertext())
    media_type = element.get("mediaType") or "text/plain"
    if element.find(f"{_CDA}reference") is not None and not content.strip():
        problem = "the document is at an address outside the file, and nothing is fetched"
        return InputError("I046", where, problem, "export it with the documents inside")
    if element.get("compression"):
        return InputError("I032", where, "the document is compressed", "export it without compression")
    if element.get("representation") != "B64":
        data: bytes | InputError = content.encode("utf-8")
    else:
        data = from_base64(content, where)
    if isinstance(data, InputError):
        return data
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]{1,30})", media_type, re.I)
    return attached_text(data, media_type, where, [charset[1]] if charset else ["utf-8"])
