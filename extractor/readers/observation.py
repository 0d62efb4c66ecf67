r"""HL7 v2 observations (OBX): lines of text, values with a name, attached documents, and their whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from extractor.errors import InputError
from extractor.readers.attachment import attached_text, from_base64, sniffed, told_once
from extractor.readers.hl7text import EscapeError, Marks, unescaped

DRAFT = frozenset("PRSIB")
CANCELLED = frozenset("DWX")
_STATES = frozenset("ABCDFINOPRSUVWXZ")
_TEXT = ("TX", "FT", "CF", "")
_OUTSIDE = "the document is at an address outside the message, and nothing is fetched"
# Parts of a report, as the standard marks them behind the code of an observation.
_PARTS = {"GDT": "Description", "IMP": "Impression", "REC": "Recommendation", "ADT": "Addendum"}
_NO_WORD = re.compile(r"[\W\d_]+")


class ObservationError(ValueError):
    """What is wrong with an observation, by the code of its error; it quotes nothing."""

    def __init__(self, code: str, problem: str) -> None:
        self.code = code
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation.

    Attributes
    ----------
    kind
        ``text`` (a line or more), ``short`` (a string: a line, or the value of its name),
        ``value`` (of its name) or ``attached`` (a document).
    name
        What is observed, as OBX-3 has it.
    value
        The text, or the base64 of the document.
    status
        OBX-11.
    media_type
        Of a document.
    encoding
        Of a document: ``base64``, ``hex`` or ``a`` (text).
    """

    kind: Literal["text", "short", "value", "attached"]
    name: str
    value: str
    status: str = ""
    media_type: str = ""
    encoding: str = ""


def observations_of(
    segment: str, fields: Sequence[str], marks: Marks, charsets: list[str]
) -> list[Observation]:
    r"""What a segment observes; more than one where it repeats documents.

    Examples
    --------
    >>> fields = "OBX|1|TX|11505-5^Procedure note||8 mm plug\\.br\\released||||||F".split("|")
    >>> observations_of("OBX", fields, Marks(), ["utf-8"])[0].value
    '8 mm plug\nreleased'
    """

    def field(number: int) -> str:
        value = fields[number] if number < len(fields) else ""
        return "" if value == '""' else value

    try:
        if segment == "NTE":
            return [Observation("text", "", _lines(field(3), marks, charsets))]
        status, kind = field(11).strip(), field(2).strip().upper()
        if (status and status not in _STATES) or "\n" in "".join(fields[6:]):
            raise ObservationError(
                "I041", "a separator inside the text is not escaped, or a line has no segment"
            )
        if (kind in _TEXT and (field(6).strip() or field(7).strip())) or "\n" in "".join(fields[:5]):
            raise ObservationError(
                "I041", "a separator inside the text is not escaped, or a line has no segment"
            )
        name = _name(field(3), marks, charsets)
        if kind == "ED":
            return [_document(one, name, status, marks, charsets) for one in field(5).split(marks.repetition)]
        if kind == "RP":
            raise ObservationError("I046", _OUTSIDE)
        if kind in _TEXT or kind == "ST":
            text = _lines(field(5), marks, charsets)
            return [Observation("short" if kind == "ST" else "text", name, text, status)]
        value = f"{_value(field(5), kind, marks, charsets)} {_value(field(6), 'CE', marks, charsets)}".strip()
        return [Observation("value", name, value, status)]
    except EscapeError as error:
        raise ObservationError("I038", str(error)) from None


def has_text(seen: Sequence[Observation]) -> bool:
    """Whether observations tell a text: more than values with a name each."""
    return any(one.kind in ("text", "attached") for one in seen) or (
        all(one.kind == "short" for one in seen) and _names_repeat(seen)
    )


def document(seen: Sequence[Observation], where: str, charsets: list[str]) -> str | InputError:
    r"""The one text that observations come to.

    Where their names differ, each name stands above its lines as a heading.

    Examples
    --------
    >>> seen = [Observation("text", "Findings", "Leak."), Observation("text", "Impression", "One plug.")]
    >>> document(seen, "a.hl7:1", ["utf-8"])
    'Findings:\nLeak.\n\nImpression:\nOne plug.'
    """
    texts = ["\n".join(_written(seen))]
    for one in _put_together([one for one in seen if one.kind == "attached"]):
        text = _attached(one, where, charsets)
        if isinstance(text, InputError):
            return text
        texts.append(text)
    texts = [text for text in texts if text.strip()]
    if len(texts) < 2:
        return (
            texts[0] if texts else InputError("I037", where, "the text is empty", "export the message again")
        )
    once = told_once(texts, where)
    return once if isinstance(once, InputError) else "\n\n".join(once)


def _written(seen: Sequence[Observation]) -> list[str]:
    """The lines of all that is no attached document."""
    short = [one for one in seen if one.kind == "short"]
    as_text = _names_repeat(short) and not any(one.kind == "value" for one in seen)
    lines = [
        replace(one, kind="text" if one.kind == "text" or as_text or not one.name else "value")
        for one in seen
        if one.kind != "attached"
    ]
    headed = len({_words(one.name) for one in lines if one.kind == "text" and _words(one.name)}) > 1
    out: list[str] = []
    above = ""
    for one in lines:
        if one.kind == "value":
            out.append(f"{one.name}: {one.value}" if one.name else one.value)
            continue
        if headed and one.name and _words(one.name) != _words(above):
            out += ["", f"{one.name}:"] if out else [f"{one.name}:"]
            above = one.name
        out.append(one.value)
    return out


def _names_repeat(seen: Sequence[Observation]) -> bool:
    names = [_words(one.name) for one in seen]
    return len(names) == 1 or len(set(names)) < len(names)


def _words(name: str) -> str:
    return _NO_WORD.sub(" ", name).strip().casefold()


def _name(field: str, marks: Marks, charsets: list[str]) -> str:
    parts = field.split(marks.repetition)[0].split(marks.component)
    _, _, part = parts[0].partition(marks.part)
    if part in _PARTS:
        return _PARTS[part]
    name = next((parts[n] for n in (1, 4) if n < len(parts) and parts[n].strip()), "")
    return " ".join(unescaped(name, marks, charsets).split())


def _lines(field: str, marks: Marks, charsets: list[str]) -> str:
    """A text; its repetitions are lines, and other separators in it stand for themselves."""
    return "\n".join(unescaped(line, marks, charsets) for line in field.split(marks.repetition))


def _value(field: str, kind: str, marks: Marks, charsets: list[str]) -> str:
    values = []
    for one in field.split(marks.repetition):
        parts = [unescaped(part, marks, charsets) for part in one.split(marks.component)]
        if kind in ("CE", "CWE", "CNE", "CF"):
            parts = [next((parts[n] for n in (8, 1, 4, 0) if n < len(parts) and parts[n].strip()), "")]
        values.append(" ".join(part for part in parts if part))
    return ", ".join(value for value in values if value)


def _document(field: str, name: str, status: str, marks: Marks, charsets: list[str]) -> Observation:
    """An encapsulated document: application, type, subtype, encoding, data."""
    parts = field.split(marks.component)
    if len(parts) < 5 or not parts[4].strip():
        raise ObservationError("I031", "the attached document is empty or cut")
    if len(parts) > 5 and any(part.strip() for part in parts[5:]):
        raise ObservationError("I041", "a separator inside the attached document is not escaped")
    kind, subtype, encoding = (part.strip().lower() for part in parts[1:4])
    subtype = subtype.lstrip(".")
    if "/" in subtype:
        media_type = subtype
    elif subtype in ("", "plain", "text", "txt"):
        media_type = "text/plain" if kind in ("text", "tx", "ft", "") or subtype else ""
    else:
        media_type = f".{subtype}"
    if encoding not in ("base64", "hex", "a", ""):
        raise ObservationError("I032", "the encoding of the attached document is not known")
    data = unescaped(marks.component.join(parts[4:5]), marks, charsets)
    return Observation("attached", name, data, status, media_type, encoding or "a")


def _put_together(seen: Sequence[Observation]) -> list[Observation]:
    """Documents; one whose base64 goes on in the next observation is one document."""
    out: list[Observation] = []
    for one in seen:
        if out and _goes_on(out[-1], one):
            out[-1] = replace(out[-1], value=out[-1].value + one.value)
        else:
            out.append(one)
    return out


def _goes_on(above: Observation, one: Observation) -> bool:
    if (above.encoding, above.media_type, above.name) != ("base64", one.media_type, one.name):
        return False
    if one.encoding != "base64" or above.value.rstrip().endswith("="):
        return False
    begun = from_base64("".join(one.value.split())[:64], "")
    telling = isinstance(begun, bytes) and sniffed(begun, None) is not None
    return not telling and _kind_is_whole(above)


def _kind_is_whole(above: Observation) -> bool:
    """Whether the kind of a document shows where one ends, so that two cannot be taken for one."""
    return above.media_type.lstrip(".").rpartition("/")[2] in ("pdf", "rtf", "docx", "html")


def _attached(one: Observation, where: str, charsets: list[str]) -> str | InputError:
    if one.encoding == "base64":
        data = from_base64(one.value, where)
    elif one.encoding == "hex":
        try:
            data = bytes.fromhex(one.value)
        except ValueError:
            data = InputError(
                "I031", where, "the hexadecimal text of the document is damaged", "export the message again"
            )
    else:
        data, charsets = one.value.encode("utf-8"), ["utf-8"]
    return data if isinstance(data, InputError) else attached_text(data, one.media_type, where, charsets)
