"""Letters: the draft queries of each note as a file that a person checks, corrects and sends.

One file per note that has queries, as plain text or DOCX. A file is named after its
note id, in the way of every export (``extractor.export.brat.FileNames``). The same
queries give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from extractor.naming import FileNames
from extractor.queries import fill
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.rules import QueryForm
    from extractor.suggestion import Suggestion

_MADE = datetime(2000, 1, 1)  # a file says when it was written; the letter in it does not


LetterFormat = Literal["txt", "docx"]


def letters(
    suggestions: Iterable[Suggestion], form: QueryForm, kind: LetterFormat
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of the file of each note that has queries.

    Parameters
    ----------
    suggestions
        The notes, in their order.
    form
        The words of every letter.
    kind
        Plain text or DOCX.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.rules import load_rules
    >>> note = "Mitral paravalvular leak closure. Several plugs were deployed and released."
    >>> ((name, content),) = letters([Coder().suggest(note, "A-17")], load_rules().form, "txt")
    >>> name, content.decode().splitlines()[:2]
    ('A-17.txt', ['Draft query to the physician', 'Note: A-17'])
    """
    names = FileNames()
    for suggestion in suggestions:
        if suggestion.queries:
            name = f"{names.of(suggestion.note_id)}.{kind}"
            lines = list(_lines(suggestion, form))
            yield name, _docx(lines) if kind == "docx" else _plain(lines)


def _lines(suggestion: Suggestion, form: QueryForm) -> Iterator[str]:
    yield form.heading
    yield fill(form.note_line, note=printable(suggestion.note_id))
    yield form.remark
    for query in suggestion.queries:
        yield ""
        yield from (printable(line) for line in query.text.split("\n"))


def _plain(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _docx(lines: list[str]) -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.author = ""
    document.core_properties.title = lines[0]
    document.core_properties.created = document.core_properties.modified = _MADE
    document.add_heading(lines[0], level=1)
    for line in lines[1:]:
        document.add_paragraph(line)
    written = io.BytesIO()
    document.save(written)
    return _undated(written)


def _undated(written: io.BytesIO) -> bytes:
    """The same parts, without the time at which they were packed."""
    packed = io.BytesIO()
    with ZipFile(written) as parts, ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name in parts.namelist():
            part = ZipInfo(name, _MADE.timetuple()[:6])
            part.compress_type = ZIP_DEFLATED
            archive.writestr(part, parts.read(name))
    return packed.getvalue()
