"""A note as HTML: its evidence marked and numbered, and links from anywhere to its words.

Pages show a note in the same way, each with its own frame: a single file to keep
(``page``), the worklist's note view. What is shown is the note, character for
character; control characters become pictures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from extractor.marking import Marked, Piece, evidence, mark
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.suggestion import Proof, Span, Suggestion

_COLOURS = 8
_OPEN_DEPTH = 3
_LONGEST_QUOTE = 90  # characters


@dataclass(frozen=True)
class Paper:
    """A note with the marks of a suggestion.

    Attributes
    ----------
    text
        The note as given.
    suggestion
        Whose evidence is marked.
    titles
        Further spans (start, end) to mark, each with what is said of it.
    open
        Those of them that stand out as unexplained.
    labels
        HTML to put before a character, by its offset, such as the name of a section.

    Examples
    --------
    >>> from extractor import Coder
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> paper = Paper(note, Coder().suggest(note))
    >>> '<mark class="device c1" data-n="1"' in paper.words()
    True
    """

    text: str
    suggestion: Suggestion
    titles: Mapping[tuple[int, int], str] = field(default_factory=dict)
    open: frozenset[tuple[int, int]] = frozenset()
    labels: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def marked(self) -> Marked:
        """The note cut into pieces."""
        return mark(self.text, self.suggestion, also=(*self.titles, *self._beside))

    @cached_property
    def _beside(self) -> dict[tuple[int, int], str]:
        """Words that speak for something else than the codes, and for what."""
        given = self.suggestion
        parts = (
            *(("also documented", one.evidence) for one in given.also_documented),
            *(("advice", one.evidence) for one in given.modifiers),
            *(("advice", one.evidence) for one in given.diagnoses),
            *(("what would change the codes", one.evidence) for one in given.changes),
        )
        return {(span.start, span.end): f"{what} ({span.rule})" for what, spans in parts for span in spans}

    @cached_property
    def ids(self) -> dict[tuple[int, int], int]:
        """The number of each span: ``#e5`` leads to the fifth."""
        return {span: index for index, span in enumerate(self.marked.spans)}

    def refs(self, spans: Iterable[tuple[int, int]]) -> str:
        """An attribute that names spans: what has it lights up with their words."""
        ids = sorted({self.ids[span] for span in spans if span in self.ids})
        return f' data-e="{" ".join(map(str, ids))}"' if ids else ""

    def refs_of(self, spans: Iterable[Span]) -> str:
        """The same, of evidence."""
        return self.refs((span.start, span.end) for span in spans)

    def link(self, span: Span, short: bool = False) -> str:
        """The words of a span, as a link to where they stand; short where they were just quoted."""
        words = " ".join(printable(span.text, keep="\n\r\t").split())
        quote = escape(words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 2] + " …")
        index = self.ids.get((span.start, span.end))
        where = f"{text(span.section)}, characters {span.start} to {span.end}, rule {text(span.rule)}"
        if index is None:
            return f'<span title="{where}">“{quote}”</span>'
        if short:
            return (
                f'<a href="#e{index}" data-e="{index}" title="{where}" aria-label="show “{quote}”">show</a>'
            )
        return f'<a href="#e{index}" data-e="{index}" title="{where}">“{quote}”</a>'

    def links(self, spans: Iterable[Span], shown: Collection[Span] = ()) -> str:
        """Links to several; those whose words are ``shown`` beside are short."""
        return " · ".join(self.link(span, span in shown) for span in spans)

    def words(self) -> str:
        """The whole note."""
        proven = {(span.start, span.end) for span in evidence(self.suggestion)}
        said = dict(self._beside)
        said.update(((s.start, s.end), f"evidence ({s.rule})") for s in evidence(self.suggestion))
        said.update(self.titles)
        waiting = dict(self.labels)
        html: list[str] = []
        for piece in self.marked.pieces:
            spans = [self.marked.spans[index] for index in piece.marks]
            for index in piece.marks:
                if self.marked.spans[index][0] == piece.start:
                    html.append(f'<span class="anchor" id="e{index}"></span>')
            html.append(waiting.pop(piece.start, ""))
            words = self._labelled(piece, waiting)
            if spans:
                title = escape(printable("; ".join(said[span] for span in spans)))
                data = f'{self.refs(spans)} title="{title}"'
                if proven.intersection(spans):
                    words = f"<mark{_classes(piece, self.marked.opens(piece))}{data}>{words}</mark>"
                else:
                    tag = "mark class=open" if self.open.intersection(spans) else "span"
                    words = f"<{tag}{data}>{words}</{tag.split()[0]}>"
            html.append(words)
        return "".join(html)

    def tree(self, proof: Proof) -> str:
        """The proof, with links to the words of each step."""
        return f'<ul class="tree">{self._node(proof, 0)}</ul>'

    def _node(self, proof: Proof, depth: int) -> str:
        refs = self.refs_of(_all_evidence(proof))
        statement = f"{text(proof.statement)} <code>{text(proof.rule)}</code>"
        words = f'<span class="words">{self.links(widest(proof.evidence))}</span>' if proof.evidence else ""
        if not proof.children:
            return f'<li><div class="leaf"{refs}>{statement}{words}</div></li>'
        children = "".join(self._node(child, depth + 1) for child in proof.children)
        state = " open" if depth < _OPEN_DEPTH else ""
        inside = f"{words}<ul>{children}</ul>"
        return f"<li><details{state}><summary{refs}>{statement}</summary>{inside}</details></li>"

    @cached_property
    def _label_places(self) -> list[int]:
        return sorted(self.labels)

    def _labelled(self, piece: Piece, labels: Mapping[int, str]) -> str:
        places = self._label_places
        here = places[bisect_left(places, piece.start) : bisect_left(places, piece.end)]
        html, start = [], piece.start
        for at in here:
            if at in labels:
                html += [text(self._slice(start, at)), labels[at]]
                start = at
        html.append(text(self._slice(start, piece.end)))
        return "".join(html)

    def _slice(self, start: int, end: int) -> str:
        # A browser shows CR LF as one line end; a cut between the two must not make it two.
        words = self.text[start:end].replace("\r\n", "\n")
        return words[:-1] if words.endswith("\r") and self.text[end : end + 1] == "\n" else words


def text(words: str) -> str:
    r"""Words of a note for HTML: they can neither be markup nor steer the page.

    Examples
    --------
    >>> text("<b> \x1b")
    '&lt;b&gt; ␛'
    """
    return escape(printable(words, keep="\n\t"))


def section_label(section: str, name: str = "") -> str:
    """The name of a section, shown in the note but no part of it."""
    where = f' id="{name}"' if name else ""
    return f'<span class="read"{where} data-s="read as: {text(section)}"></span>'


def badge(number: int) -> str:
    """The number of a device in its colour."""
    return f'<span class="number c{colour(number)}">{number}</span>'


def colour(number: int) -> int:
    """The colour of a device: 1 to 8, then again from 1."""
    return (number - 1) % _COLOURS + 1


def widest(spans: Iterable[Span]) -> list[Span]:
    """Spans that no other one contains."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not found or span.end > found[-1].end:
            found.append(span)
    return found


def _classes(piece: Piece, numbered: bool) -> str:
    if not piece.devices:
        return ""
    first = f"device c{colour(piece.devices[0])}"
    both = f" both s{colour(piece.devices[1])}" if len(piece.devices) > 1 else ""
    numbers = f' data-n="{" ".join(map(str, piece.devices))}"' if numbered else ""
    return f' class="{first}{both}"{numbers}'


def _all_evidence(proof: Proof) -> Iterator[Span]:
    yield from proof.evidence
    for child in proof.children:
        yield from _all_evidence(child)
