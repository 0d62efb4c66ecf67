"""Documents: the plain text of text and simple HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from extractor.errors import InputError

_KINDS = {
    "text/plain": "text",
    ".txt": "text",
    "text/html": "html",
    "application/xhtml+xml": "html",
    ".html": "html",
    "text/rtf": "rtf",
    "application/rtf": "rtf",
    ".rtf": "rtf",
    "application/pdf": "pdf",
    ".pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    ".docx": "docx",
}
_BLOCKS = {"p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "pre"}


def kind_of(media_type_or_suffix: str) -> str | None:
    """The kind of a document, or None where it is not read."""
    return _KINDS.get(media_type_or_suffix.partition(";")[0].strip().lower())


def document_text(data: bytes, kind: str, where: str) -> str | InputError:
    """The text of a document."""
    if kind not in ("text", "html"):
        return InputError("I050", where, f"a document of the kind {kind}", "export it as text")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return InputError("I051", where, "the document is not UTF-8", "convert it")
    if kind == "text":
        return text
    page = _Page()
    page.feed(text)
    page.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(page.parts)).strip()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append("\t")

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"\s+", " ", data) if data.strip() else "")
