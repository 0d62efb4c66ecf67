"""Attachments: documents inside messages, and texts that a message says more than once."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Sequence

from extractor.errors import InputError
from extractor.readers.document import document_text, kind_of

_BOM = "\ufeff"
_MAGIC = ((b"%PDF-", "pdf"), (b"{\\rtf", "rtf"), (b"PK\x03\x04", "docx"))
_MARKUP = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.I)
_CLINICAL, _HEAD = re.compile(rb"<(?:\w+:)?ClinicalDocument\b"), 4_096
_WORD = re.compile(r"\w+")
_RUN = 4  # words
# Of the runs of words: page numbers and letterheads break some.
_CONTAINED, _ALIKE = 0.8, 0.5
AGAIN = "export the message again"


def from_base64(text: str, where: str) -> bytes | InputError:
    """The bytes of a base64 text, or the error where it is cut or damaged.

    Examples
    --------
    >>> from_base64("TGVhaw==", "a.hl7:1")
    b'Leak'
    >>> print(from_base64("TGVha", "a.hl7:1"))
    [I031] a.hl7:1: the base64 of the document is cut or damaged; export the message again
    """
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return InputError("I031", where, "the base64 of the document is cut or damaged", AGAIN)
    return data or InputError("I031", where, "the document is empty", AGAIN)


def sniffed(data: bytes, kind: str | None) -> str | None:
    """The kind of a document, by its first bytes where these are telling."""
    for magic, telling in _MAGIC:
        if data.startswith(magic):
            return telling
    return "html" if kind is None and _MARKUP.match(data) else kind


def attached_text(
    data: bytes, media_type: str, where: str, charsets: Sequence[str] = ("utf-8",)
) -> str | InputError:
    """The text of an attached document.

    Parameters
    ----------
    data
        Its bytes.
    media_type
        As the message names it ("text/rtf"); its first bytes win where they are telling.
    where
        File, line and note, for errors.
    charsets
        Tried in turn for plain text.

    Examples
    --------
    >>> attached_text("Größe".encode("latin-1"), "text/plain", "a.hl7:1", ["utf-8", "latin-1"])
    'Größe'
    """
    kind = sniffed(data, kind_of(media_type))
    if kind is None and _CLINICAL.search(data[:_HEAD]):
        from extractor.readers.ccda import clinical_text

        return clinical_text(data, where)
    if kind is None:
        problem = "the document is of a kind that is not read"
        return InputError("I032", where, problem, "export it as text, HTML, RTF, PDF or Word (docx)")
    if kind != "text":
        return document_text(data, kind, where)
    for charset in charsets:
        try:
            return data.decode(charset).removeprefix(_BOM)
        except (LookupError, UnicodeError):
            continue
    problem = f"the text is not {' nor '.join(_shown(name) for name in charsets)}"
    return InputError("I033", where, problem, "export the message in UTF-8, or name its character set")


def told_once(texts: Sequence[str], where: str) -> list[str] | InputError:
    """Texts without those that another one has in full, as a PDF beside the same lines.

    Two that are much alike and yet differ are an error: read one after the other
    they would tell of every device twice.

    Examples
    --------
    >>> told_once(["One 8 mm plug released.", "Page 1  One 8 mm plug released. No leak."], "a.hl7:1")
    ['Page 1  One 8 mm plug released. No leak.']
    >>> told_once(["Two plugs were released.", "Correction: three plugs."], "a.hl7:1")
    ['Two plugs were released.', 'Correction: three plugs.']
    """
    words = [_WORD.findall(text.casefold()) for text in texts]
    runs = [Counter(zip(*(found[n:] for n in range(min(_RUN, len(found)))), strict=False)) for found in words]
    order = sorted((n for n in range(len(texts)) if words[n]), key=lambda n: (-len(words[n]), n))
    kept: list[int] = []
    for n in order:
        shared = [(runs[n] & runs[other]).total() / runs[n].total() for other in kept]
        whole = [not Counter(words[n]) - Counter(words[other]) for other in kept]
        if any(share >= _CONTAINED and all_words for share, all_words in zip(shared, whole, strict=True)):
            continue
        if any(share >= _ALIKE for share in shared):
            problem = "the message holds the text in two forms that differ"
            return InputError("I034", where, problem, "send one of them, or read it in the record")
        kept.append(n)
    return [texts[n] for n in sorted(kept)]


def _shown(charset: str) -> str:
    return charset if re.fullmatch(r"[\w.:/ -]{1,30}", charset) else "in a character set that is known"
