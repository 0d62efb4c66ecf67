"""One note on one page: its evidence in colour, the codes, and the proof of every unit.

The page is a single HTML file without anything from outside: style and script
are inside it and pinned by hash in its content security policy, so no text of a
note can ever run. It works from a mail attachment and without a network.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from extractor.edits import together
from extractor.marking import Marked, Piece, evidence, mark
from extractor.output import codes_text
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.coder import Explanation
    from extractor.suggestion import Proof, Span, Suggestion

_STATUS = {
    "ready": "Ready: nothing in the note contradicts this; check it",
    "review": "Review: a person must decide",
    "none": "None: nothing to code here",
}
_COLOURS = 8
_OPEN_DEPTH = 3
_UNEXPLAINED = "unexplained"


def render_page(note_text: str, explanation: Explanation) -> str:
    """Render one note and its explanation as a self-contained HTML page.

    Parameters
    ----------
    note_text
        The note as given.
    explanation
        What ``Coder.explain`` says about it.

    Returns
    -------
    str
        The whole page. The text of its ``<pre>`` is the note, character for
        character; control characters are shown as pictures.
    """
    view = _View(note_text, explanation)
    title = f"{_text(explanation.suggestion.note_id) or 'Note'}: {explanation.suggestion.status}"
    body = f"""{view.head()}
<main>
<section id="paper" tabindex="0" aria-label="The note">
{view.legend()}
<pre id="note">
{view.note()}</pre>
</section>
<div id="side">
{view.side()}
</div>
</main>"""
    return page(title, body, asset("page.css"), asset("page.js"))


def page(title: str, body: str, style: str, script: str = "") -> str:
    """A page that needs nothing from outside and runs no script but its own.

    Parameters
    ----------
    title, body
        HTML.
    style, script
        What the policy of the page pins.
    """
    scripts = f"script-src {_hash(script)}; " if script else ""
    policy = f"default-src 'none'; style-src {_hash(style)}; {scripts}base-uri 'none'; form-action 'none'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


def asset(name: str) -> str:
    """A style or script of the package."""
    return (files("extractor") / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    return escape(printable(text, keep="\n\t"))


def _colour(number: int) -> int:
    return (number - 1) % _COLOURS + 1


@dataclass(frozen=True)
class _View:
    text: str
    explanation: Explanation

    @property
    def suggestion(self) -> Suggestion:
        return self.explanation.suggestion

    @cached_property
    def marked(self) -> Marked:
        mentions = ((mention.start, mention.end) for mention in self.explanation.mentions)
        beside = ((span.start, span.end) for span in (*self._beside(), *self.advice))
        return mark(self.text, self.suggestion, also=(*mentions, *beside))

    @property
    def advice(self) -> list[Span]:
        """The words that modifiers and diagnoses rest on."""
        given = self.suggestion
        parts = (*(m.evidence for m in given.modifiers), *(d.evidence for d in given.diagnoses))
        return [span for spans in parts for span in spans]

    @cached_property
    def ids(self) -> dict[tuple[int, int], int]:
        return {span: index for index, span in enumerate(self.marked.spans)}

    def refs(self, spans: Iterable[tuple[int, int]]) -> str:
        ids = sorted({self.ids[span] for span in spans if span in self.ids})
        return f' data-e="{" ".join(map(str, ids))}"' if ids else ""

    def link(self, span: Span) -> str:
        words = " ".join(printable(span.text, keep="\n\r\t").split())
        quote = escape(words if len(words) <= 90 else words[:88] + " …")
        index = self.ids.get((span.start, span.end))
        where = f"{_text(span.section)}, characters {span.start} to {span.end}, rule {_text(span.rule)}"
        if index is None:
            return f'<span title="{where}">“{quote}”</span>'
        return f'<a href="#e{index}" data-e="{index}" title="{where}">“{quote}”</a>'

    def links(self, spans: Iterable[Span]) -> str:
        return " · ".join(self.link(span) for span in spans)

    # The header and the note.

    def head(self) -> str:
        given = self.suggestion
        codes = _text(codes_text(given.lines)).replace(" x", " ×") or "No codes"
        return (
            f"<header><h1>{_text(given.note_id) or 'Note'}</h1>"
            f'<span class="status {given.status}">{_STATUS[given.status]}</span>'
            f'<span class="codes">{codes}</span>'
            f'<span class="rules">rules {_text(given.rules_version)}</span></header>'
        )

    def legend(self) -> str:
        items = [
            f'<span><span class="number c{_colour(device.number)}">{device.number}</span> '
            f"{_text(device.outcome.replace('_', ' '))}</span>"
            for device in self.suggestion.devices
        ]
        if any(True for _ in evidence(self.suggestion)):
            items.append("<span><mark>words</mark> other evidence</span>")
        if any(mention.explanation == _UNEXPLAINED for mention in self.explanation.mentions):
            items.append('<span><span class="open">words</span> unexplained</span>')
        return f'<p class="legend">{"".join(items)}</p>' if items else ""

    def note(self) -> str:
        proven = {(span.start, span.end) for span in evidence(self.suggestion)}
        loose = {
            (mention.start, mention.end)
            for mention in self.explanation.mentions
            if mention.explanation == _UNEXPLAINED
        }
        titles: dict[tuple[int, int], str] = {}
        for mention in self.explanation.mentions:
            titles[mention.start, mention.end] = f"{mention.explanation} ({mention.rule})"
        for span in evidence(self.suggestion):
            titles.setdefault((span.start, span.end), f"evidence ({span.rule})")
        for span in self._beside():
            titles.setdefault((span.start, span.end), f"also documented ({span.rule})")
        for span in self.advice:
            titles.setdefault((span.start, span.end), f"advice ({span.rule})")
        labels = self._section_labels()
        html: list[str] = []
        for piece in self.marked.pieces:
            spans = [self.marked.spans[index] for index in piece.marks]
            for index in piece.marks:
                if self.marked.spans[index][0] == piece.start:
                    html.append(f'<span class="anchor" id="e{index}"></span>')
            html.append(_label(labels.pop(piece.start, None)))
            words = self._words(piece, labels)
            if spans:
                title = escape(printable("; ".join(titles[span] for span in spans)))
                data = f'{self.refs(spans)} title="{title}"'
                if not proven.intersection(spans):
                    tag = "mark class=open" if loose.intersection(spans) else "span"
                    words = f"<{tag}{data}>{words}</{tag.split()[0]}>"
                else:
                    words = f"<mark{_classes(piece, self.marked.opens(piece))}{data}>{words}</mark>"
            html.append(words)
        return "".join(html)

    def _words(self, piece: Piece, labels: dict[int, str]) -> str:
        html, start = [], piece.start
        for at in sorted(at for at in labels if piece.start <= at < piece.end):
            html.append(_text(self._slice(start, at)))
            html.append(_label(labels[at]))
            start = at
        html.append(_text(self._slice(start, piece.end)))
        return "".join(html)

    def _slice(self, start: int, end: int) -> str:
        # A browser shows CR LF as one line end; a cut between the two must not make it two.
        words = self.text[start:end].replace("\r\n", "\n")
        return words[:-1] if words.endswith("\r") and self.text[end : end + 1] == "\n" else words

    def _section_labels(self) -> dict[int, str]:
        """Line starts where the section changes, as far as mentions tell.

        A label moves up to the start of its block of lines, where the header stands.
        """
        seen: dict[int, tuple[int, str]] = {}
        spans = [(s.start, s.section) for s in evidence(self.suggestion)]
        spans += [(mention.start, mention.section) for mention in self.explanation.mentions]
        for start, section in sorted(spans):
            if 0 <= start <= len(self.text):
                seen.setdefault(self.text.rfind("\n", 0, start) + 1, (start, section))
        labels: dict[int, str] = {}
        current, below = None, 0
        for line, (_, section) in sorted(seen.items()):
            if section and section != current:
                labels[self._block_start(line, below)] = section
                current = section
            below = line + 1
        return labels

    def _block_start(self, line: int, below: int) -> int:
        while line > below:
            before = self.text.rfind("\n", 0, line - 1) + 1
            if before < below or not self.text[before:line].strip():
                break
            line = before
        return line

    # The side: reasons, codes, devices, proof, queries, mentions.

    def side(self) -> str:
        parts = [
            self._reasons(),
            self._codes(),
            self._also_documented(),
            self._modifiers(),
            self._diagnoses(),
            self._devices(),
            self._proof(),
            self._queries(),
            self._mentions(),
        ]
        return "\n".join(part for part in parts if part)

    def _reasons(self) -> str:
        items = []
        for reason in self.suggestion.reasons:
            refs = self.refs((span.start, span.end) for span in reason.evidence)
            words = f'<div class="soft">{self.links(reason.evidence)}</div>' if reason.evidence else ""
            label = _text(reason.code.replace("_", " ")).capitalize()
            items.append(f"<li{refs}><b>{label}</b>{_text(reason.message)}{words}</li>")
        if not items:
            return ""
        return _section("Why a person must decide", f"<ul>{''.join(items)}</ul>", "reasons")

    def _codes(self) -> str:
        given = self.suggestion
        evidence_of = {device.number: device.evidence for device in given.devices}
        rows = []
        for line in given.lines:
            spans = [s for number in line.devices for s in evidence_of.get(number, ())]
            units = f"×{line.units}" + (f" ({line.low} to {line.high})" if line.low != line.high else "")
            numbers = " ".join(_badge(number) for number in line.devices)
            note = _text(line.role) + (
                f" · modifiers {_text(', '.join(line.modifiers))}" if line.modifiers else ""
            )
            refs = self.refs((s.start, s.end) for s in spans)
            rows.append(
                (refs, f'<td class="code">{_text(line.code)} {units}</td><td>{note}</td><td>{numbers}</td>')
            )
        for item in given.companions:
            refs = self.refs((s.start, s.end) for s in item.evidence)
            rows.append(
                (
                    refs,
                    f'<td class="code">{_text(item.code)} ×{item.units}</td>'
                    f"<td>{_text(item.message)} {self.links(item.evidence)}</td><td></td>",
                )
            )
        body = _table(("Code", "What for", "Devices"), rows) if rows else '<p class="soft">No codes.</p>'
        if given.approaches:
            body += f'<p class="soft">Route: {_text(", ".join(given.approaches))}</p>'
        for edit, where in together(given.edits):
            label = f'<span class="{edit.severity}">{edit.severity.capitalize()}</span>'
            body += f'<p>{label}: {_text(edit.message)} <span class="soft">{_text(where)}</span></p>'
        return _section("Codes", body)

    def _beside(self) -> Iterator[Span]:
        for service in self.suggestion.also_documented:
            yield from service.evidence

    def _also_documented(self) -> str:
        rows = [
            (
                self.refs((span.start, span.end) for span in service.evidence),
                f'<td class="code">{_text(" or ".join(service.codes))}</td>'
                f"<td>{_text(service.service)}: {self.links(service.evidence)}"
                f'<p class="soft">{_text(service.message)}</p></td>',
            )
            for service in self.suggestion.also_documented
        ]
        if not rows:
            return ""
        return _section("Also documented, not claimed", _table(("Code", "What the note says"), rows))

    def _modifiers(self) -> str:
        rows = [(m.modifier, f"On {', '.join(m.codes)}. {m.message}", m.evidence)
                for m in self.suggestion.modifiers]  # fmt: skip
        return self._advice("Modifiers to consider", rows)

    def _diagnoses(self) -> str:
        rows = [(d.code + ("?" if d.question else ""), d.message, d.evidence)
                for d in self.suggestion.diagnoses]  # fmt: skip
        return self._advice("Diagnoses to confirm", rows)

    def _advice(self, title: str, advice: Iterable[tuple[str, str, tuple[Span, ...]]]) -> str:
        """What a person decides: a code, what speaks for it, and the words."""
        rows = []
        for code, message, spans in advice:
            refs = self.refs((span.start, span.end) for span in spans)
            cells = f'<td class="code">{_text(code)}</td><td>{_text(message)} {self.links(spans)}</td>'
            rows.append((refs, cells))
        return _section(title, _table(("Code", "Why"), rows)) if rows else ""

    def _devices(self) -> str:
        rows = []
        for device in self.suggestion.devices:
            name = " ".join(part for part in (device.size, device.product or "device") if part)
            refs = self.refs((span.start, span.end) for span in device.evidence)
            words = self.links(_widest(device.evidence))
            rows.append(
                (
                    refs,
                    f"<td>{_badge(device.number)}</td><td>{_text(name)}</td><td>{device.valve or ''}</td>"
                    f"<td>{device.outcome.replace('_', ' ')}</td><td>{words}</td>",
                )
            )
        return (
            _section("Devices", _table(("No.", "Device", "Valve", "Outcome", "Words"), rows)) if rows else ""
        )

    def _proof(self) -> str:
        return _section("Proof", f'<ul class="tree">{self._node(self.suggestion.proof, 0)}</ul>')

    def _node(self, proof: Proof, depth: int) -> str:
        refs = self.refs((span.start, span.end) for span in _all_evidence(proof))
        statement = f"{_text(proof.statement)} <code>{_text(proof.rule)}</code>"
        words = f'<span class="words">{self.links(proof.evidence)}</span>' if proof.evidence else ""
        if not proof.children:
            return f'<li><div class="leaf"{refs}>{statement}{words}</div></li>'
        children = "".join(self._node(child, depth + 1) for child in proof.children)
        state = " open" if depth < _OPEN_DEPTH else ""
        inside = f"{words}<ul>{children}</ul>"
        return f"<li><details{state}><summary{refs}>{statement}</summary>{inside}</details></li>"

    def _queries(self) -> str:
        items = "".join(f"<li>{_text(query.text)}</li>" for query in self.suggestion.queries)
        return _section("Draft queries to the physician", f"<ul>{items}</ul>", "queries") if items else ""

    def _mentions(self) -> str:
        rows = []
        for mention in self.explanation.mentions:
            words = " ".join(printable(mention.text, keep="\n\r\t").split())
            index = self.ids.get((mention.start, mention.end))
            link = (
                escape(words)
                if index is None
                else f'<a href="#e{index}" data-e="{index}">{escape(words)}</a>'
            )
            mood = ' class="unexplained"' if mention.explanation == _UNEXPLAINED else ""
            refs = self.refs([(mention.start, mention.end)])
            rows.append(
                (
                    refs,
                    f"<td>{link}</td><td{mood}>{_text(mention.explanation)}</td>"
                    f"<td>{_text(mention.section)}</td><td><code>{_text(mention.rule)}</code></td>",
                )
            )
        if not rows:
            return ""
        table = _table(("Words", "Explained as", "Section", "Rule"), rows)
        left = sum(mention.explanation == _UNEXPLAINED for mention in self.explanation.mentions)
        title = f"All mentions ({len(rows)}, {left} unexplained)"
        return f"<section><details><summary>{title}</summary>{table}</details></section>"


def _classes(piece: Piece, numbered: bool) -> str:
    if not piece.devices:
        return ""
    first = f"device c{_colour(piece.devices[0])}"
    both = f" both s{_colour(piece.devices[1])}" if len(piece.devices) > 1 else ""
    numbers = f' data-n="{" ".join(map(str, piece.devices))}"' if numbered else ""
    return f' class="{first}{both}"{numbers}'


def _label(section: str | None) -> str:
    return f'<span class="read" data-s="read as: {_text(section)}"></span>' if section else ""


def _badge(number: int) -> str:
    return f'<span class="number c{_colour(number)}">{number}</span>'


def _widest(spans: Iterable[Span]) -> list[Span]:
    """Spans that no other one contains."""
    widest: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not widest or span.end > widest[-1].end:
            widest.append(span)
    return widest


def _all_evidence(proof: Proof) -> Iterable[Span]:
    yield from proof.evidence
    for child in proof.children:
        yield from _all_evidence(child)


def _section(title: str, body: str, name: str = "") -> str:
    return f"<section{f' class={name}' if name else ''}><h2>{title}</h2>{body}</section>"


def _table(titles: Iterable[str], rows: Iterable[tuple[str, str]]) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(f"<tr{refs}>{cells}</tr>" for refs, cells in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
