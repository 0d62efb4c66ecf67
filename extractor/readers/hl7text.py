r"""HL7 v2 text: character sets, and the escapes that stand for separators and line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CHARSETS = {
    "ASCII": "ascii",
    "8859/1": "cp1252",  # a superset that has the quotes and dashes of office programs
    "8859/2": "iso8859-2",
    "8859/3": "iso8859-3",
    "8859/4": "iso8859-4",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}
_WIDE = ("gb18030", "euc_kr", "big5")
_REPEATED = re.compile(r"\.(sp|sk|in|ti)\s*([+-]?\d{1,3})?", re.I)
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")


class EscapeError(ValueError):
    """A text with an escape that is not ended or not known; its message quotes nothing."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The separators and the escape mark of a message, as its header names them."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    part: str = "&"
    cut: str = "#"


def charsets(declared: str) -> list[str]:
    """Character sets to try in turn, by what MSH-18 says.

    UTF-8 comes first, wrongly declared or not: text in a set of one byte per letter is
    not UTF-8 by chance.

    Examples
    --------
    >>> charsets(""), charsets("8859/1"), charsets("UNICODE UTF-8")
    (['utf-8'], ['utf-8', 'cp1252'], ['utf-8'])
    """
    known = _CHARSETS.get(
        re.sub(r"^ISO[ -]?(?=8859)", "", declared.strip().upper()).replace("8859-", "8859/")
    )
    if known in _WIDE:
        return [known, "utf-8"]
    return ["utf-8"] if known in (None, "utf-8", "ascii") else ["utf-8", str(known)]


def decoded(data: bytes, names: list[str]) -> str | None:
    r"""Bytes as text, by the first character set that fits.

    Examples
    --------
    >>> decoded(b"12 mm Gr\xf6\xdfe", ["utf-8", "cp1252"])
    '12 mm Größe'
    >>> decoded(b"12 mm Gr\xf6\xdfe", ["utf-8"]) is None
    True
    """
    for name in names:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return None


def unescaped(text: str, marks: Marks, names: list[str]) -> str:
    r"""A text with its escapes resolved.

    Raises
    ------
    EscapeError
        Where one is not ended or not known: what it stands for would be lost.

    Examples
    --------
    >>> unescaped(r"8 mm \T\ 10 mm\.br\released \X0D0A\No leak", Marks(), ["utf-8"])
    '8 mm & 10 mm\nreleased \nNo leak'
    >>> unescaped("One plug \\", Marks(), ["utf-8"])
    Traceback (most recent call last):
    ...
    extractor.readers.hl7text.EscapeError: an escape is not ended
    """
    if marks.escape not in text:
        return text
    pieces = text.split(marks.escape)
    if len(pieces) % 2 == 0:
        raise EscapeError("an escape is not ended")
    pieces[1::2] = _resolved(pieces[1::2], marks, names)
    return "".join(pieces)


def _resolved(codes: list[str], marks: Marks, names: list[str]) -> list[str]:
    signs = {
        "F": marks.field,
        "S": marks.component,
        "R": marks.repetition,
        "T": marks.part,
        "E": marks.escape,
        "P": marks.cut,
        "H": "",
        "N": "",
        ".br": "\n",
        ".ce": "\n",
        ".fi": "",
        ".nf": "",
    }
    return [
        signs[code]
        if code in signs
        else signs[code.lower()]
        if code.lower() in signs
        else _other(code, names)
        for code in codes
    ]


def _other(code: str, names: list[str]) -> str:
    repeated = _REPEATED.fullmatch(code)
    if repeated:
        number = max(0, int(repeated[2] or 1))
        return {"sp": "\n" * number, "sk": " " * number}.get(repeated[1].lower(), "")
    hexadecimal = _HEX.fullmatch(code)
    if hexadecimal is None:
        raise EscapeError("an escape is not known")
    text = decoded(bytes.fromhex(hexadecimal[1]), names)
    if text is None:
        raise EscapeError("an escape is not in the character set of the message")
    return re.sub(r"\r\n?", "\n", text)
