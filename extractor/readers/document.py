"""Documents that are no plain text: RTF, DOCX, PDF with a text layer, HTML.

Each becomes one text, and offsets refer to that. A document is read as a whole or
not at all: one that ends early, that holds a scanned page, a remark or an embedded
file, or whose letters cannot be told costs an error, because a note that lost its
second device on the way would be counted low.

What its author took back is left out: tracked deletions, text that is struck
through, and hidden text. No-break spaces are written as spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from extractor.errors import InputError
from extractor.readers.flow import CannotReadError
from extractor.readers.note import Found, Note, checked, place
from extractor.readers.options import Options
from extractor.readers.plain import text_note

MAX_BYTES = 50_000_000
"""Largest document, pictures and all."""

_KINDS = {
    "text/plain": "text",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/rtf": "rtf",
    "application/rtf": "rtf",
    "application/x-rtf": "rtf",
    "text/richtext": "rtf",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-word.document.macroenabled.12": "docx",
}
_SUFFIXES = {
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".rtf": "rtf",
    ".pdf": "pdf",
    ".docx": "docx",
}
_CONVERTERS = ("html", "rtf", "pdf", "docx")  # modules beside this one, imported when first needed


def kind_of(name: str) -> str | None:
    """The kind of document that a media type or the suffix of a file name stands for.

    Examples
    --------
    >>> kind_of("text/plain; charset=utf-8"), kind_of("Application/PDF"), kind_of("letter.RTF")
    ('text', 'pdf', 'rtf')
    >>> kind_of("image/tiff") is kind_of("note.doc") is None
    True
    """
    name = name.partition(";")[0].strip().lower()
    return _KINDS.get(name) or next((kind for end, kind in _SUFFIXES.items() if name.endswith(end)), None)


def document_text(data: bytes, kind: str, where: str) -> str | InputError:
    r"""The text of a document, or the error that it costs.

    Parameters
    ----------
    data
        The document.
    kind
        ``text``, ``html``, ``rtf``, ``pdf`` or ``docx``; ``kind_of`` tells it.
    where
        File, line and note, for the error.

    Examples
    --------
    >>> document_text(b"{\\rtf1 One plug.\\par Then {\\b another}.}", "rtf", "a.rtf")
    'One plug.\nThen another.'
    >>> document_text(b"{\\rtf1 One plug.}\\par Then another.}", "rtf", "a.rtf").code
    'I052'
    """
    if kind == "text":
        found = text_note(where, "", data)
        return found if isinstance(found, InputError) else found.text
    if kind not in _CONVERTERS:
        raise ValueError(f"no kind of document: {kind}")
    if len(data) > MAX_BYTES:
        return InputError(
            "I013", where, f"the document is too large: more than {MAX_BYTES:,} bytes", "export it as text"
        )
    convert: Callable[[bytes], str] = getattr(import_module(f"extractor.readers.{kind}"), f"{kind}_text")
    try:
        text = convert(data)
    except CannotReadError as error:
        return InputError(error.code, where, error.problem, error.remedy)
    except (RecursionError, MemoryError):
        return InputError(
            "I056", where, "the document is nested too deeply or unpacks to too much", "export it as text"
        )
    except Exception as error:  # libraries raise what they like where bytes are damaged
        problem = f"the document is damaged ({type(error).__name__})"
        return InputError("I058", where, problem, "export the note again")
    found = checked(Note("", text, where))
    return found if isinstance(found, InputError) else found.text


def read_document(path: str, _options: Options) -> Iterator[Found]:
    """The note that a document is; its id is the file's stem."""
    kind = kind_of(path)
    if kind is None:
        raise ValueError(f"no kind of document: {Path(path).suffix}")
    with open(path, "rb") as file:
        text = document_text(file.read(MAX_BYTES + 1), kind, place(path))
    yield text if isinstance(text, InputError) else Note(Path(path).stem, text, path)
