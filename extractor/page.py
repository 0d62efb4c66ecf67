"""One note on one page: its evidence in colour, the codes, and the proof of every unit.

The page is a single HTML file without anything from outside: style and script
are inside it and pinned by hash in its content security policy, so no text of a
note can ever run. It works from a mail attachment and without a network.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from extractor.edits import together
from extractor.marking import evidence
from extractor.output import codes_text
from extractor.paper import Paper, badge, colour, section_label, text, widest
from extractor.terminal import printable

if TYPE_CHECKING:
    from extractor.coder import Explanation
    from extractor.suggestion import Span, Suggestion

_STATUS = {
    "ready": "Ready: nothing in the note contradicts this; check it",
    "review": "Review: a person must decide",
    "none": "None: nothing to code here",
}
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
    title = f"{text(explanation.suggestion.note_id) or 'Note'}: {explanation.suggestion.status}"
    body = f"""{view.head()}
<main>
<section id="paper" tabindex="0" aria-label="The note">
{view.legend()}
<pre id="note">
{view.paper.words()}</pre>
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


@dataclass(frozen=True)
class _View:
    text: str
    explanation: Explanation

    @property
    def suggestion(self) -> Suggestion:
        return self.explanation.suggestion

    @cached_property
    def paper(self) -> Paper:
        mentions = self.explanation.mentions
        said: dict[tuple[int, int], str] = {}
        for mention in mentions:
            said[mention.start, mention.end] = f"{mention.explanation} ({mention.rule})"
        loose = frozenset(
            (mention.start, mention.end) for mention in mentions if mention.explanation == _UNEXPLAINED
        )
        labels = {at: section_label(section) for at, section in self._section_labels().items()}
        return Paper(self.text, self.suggestion, said, loose, labels)

    # The header and the note.

    def head(self) -> str:
        given = self.suggestion
        codes = text(codes_text(given.lines)).replace(" x", " ×") or "No codes"
        return (
            f"<header><h1>{text(given.note_id) or 'Note'}</h1>"
            f'<span class="status {given.status}">{_STATUS[given.status]}</span>'
            f'<span class="codes">{codes}</span>'
            f'<span class="rules">rules {text(given.rules_version)}</span></header>'
        )

    def legend(self) -> str:
        items = [
            f'<span><span class="number c{colour(device.number)}">{device.number}</span> '
            f"{text(device.outcome.replace('_', ' '))}</span>"
            for device in self.suggestion.devices
        ]
        if any(True for _ in evidence(self.suggestion)):
            items.append("<span><mark>words</mark> other evidence</span>")
        if any(mention.explanation == _UNEXPLAINED for mention in self.explanation.mentions):
            items.append('<span><span class="open">words</span> unexplained</span>')
        return f'<p class="legend">{"".join(items)}</p>' if items else ""

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
            self._changes(),
            self._queries(),
            self._mentions(),
        ]
        return "\n".join(part for part in parts if part)

    def _reasons(self) -> str:
        items = []
        for reason in self.suggestion.reasons:
            refs = self.paper.refs_of(reason.evidence)
            words = f'<div class="soft">{self.paper.links(reason.evidence)}</div>' if reason.evidence else ""
            label = text(reason.code.replace("_", " ")).capitalize()
            items.append(f"<li{refs}><b>{label}</b>{text(reason.message)}{words}</li>")
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
            numbers = " ".join(badge(number) for number in line.devices)
            note = text(line.role) + (
                f" · modifiers {text(', '.join(line.modifiers))}" if line.modifiers else ""
            )
            refs = self.paper.refs_of(spans)
            rows.append(
                (refs, f'<td class="code">{text(line.code)} {units}</td><td>{note}</td><td>{numbers}</td>')
            )
        for item in given.companions:
            refs = self.paper.refs_of(item.evidence)
            rows.append(
                (
                    refs,
                    f'<td class="code">{text(item.code)} ×{item.units}</td>'
                    f"<td>{text(item.message)} {self.paper.links(item.evidence)}</td><td></td>",
                )
            )
        body = _table(("Code", "What for", "Devices"), rows) if rows else '<p class="soft">No codes.</p>'
        if given.approaches:
            body += f'<p class="soft">Route: {text(", ".join(given.approaches))}</p>'
        for edit, where in together(given.edits):
            label = f'<span class="{edit.severity}">{edit.severity.capitalize()}</span>'
            body += f'<p>{label}: {text(edit.message)} <span class="soft">{text(where)}</span></p>'
        return _section("Codes", body)

    def _also_documented(self) -> str:
        rows = [
            (
                self.paper.refs_of(service.evidence),
                f'<td class="code">{text(" or ".join(service.codes))}</td>'
                f"<td>{text(service.service)}: {self.paper.links(service.evidence)}"
                f'<p class="soft">{text(service.message)}</p></td>',
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
            cells = f'<td class="code">{text(code)}</td><td>{text(message)} {self.paper.links(spans)}</td>'
            rows.append((self.paper.refs_of(spans), cells))
        return _section(title, _table(("Code", "Why"), rows)) if rows else ""

    def _devices(self) -> str:
        rows = []
        for device in self.suggestion.devices:
            name = " ".join(part for part in (device.size, device.product or "device") if part)
            refs = self.paper.refs_of(device.evidence)
            words = self.paper.links(widest(device.evidence))
            rows.append(
                (
                    refs,
                    f"<td>{badge(device.number)}</td><td>{text(name)}</td><td>{device.valve or ''}</td>"
                    f"<td>{device.outcome.replace('_', ' ')}</td><td>{words}</td>",
                )
            )
        return (
            _section("Devices", _table(("No.", "Device", "Valve", "Outcome", "Words"), rows)) if rows else ""
        )

    def _proof(self) -> str:
        return _section("Proof", self.paper.tree(self.suggestion.proof))

    def _changes(self) -> str:
        items = ""
        for change in self.suggestion.changes:
            refs, words = self.paper.refs_of(change.evidence), self.paper.links(change.evidence)
            items += f'<li{refs}>{text(change.answer)}<div class="soft">{words}</div></li>'
        return _section("What would change the answer", f"<ul>{items}</ul>", "changes") if items else ""

    def _queries(self) -> str:
        items = "".join(f"<li>{text(query.text)}</li>" for query in self.suggestion.queries)
        return _section("Draft queries to the physician", f"<ul>{items}</ul>", "queries") if items else ""

    def _mentions(self) -> str:
        rows = []
        for mention in self.explanation.mentions:
            words = " ".join(printable(mention.text, keep="\n\r\t").split())
            index = self.paper.ids.get((mention.start, mention.end))
            link = (
                escape(words)
                if index is None
                else f'<a href="#e{index}" data-e="{index}">{escape(words)}</a>'
            )
            mood = ' class="unexplained"' if mention.explanation == _UNEXPLAINED else ""
            refs = self.paper.refs([(mention.start, mention.end)])
            rows.append(
                (
                    refs,
                    f"<td>{link}</td><td{mood}>{text(mention.explanation)}</td>"
                    f"<td>{text(mention.section)}</td><td><code>{text(mention.rule)}</code></td>",
                )
            )
        if not rows:
            return ""
        table = _table(("Words", "Explained as", "Section", "Rule"), rows)
        left = sum(mention.explanation == _UNEXPLAINED for mention in self.explanation.mentions)
        title = f"All mentions ({len(rows)}, {left} unexplained)"
        return f"<section><details><summary>{title}</summary>{table}</details></section>"


def _section(title: str, body: str, name: str = "") -> str:
    return f"<section{f' class={name}' if name else ''}><h2>{title}</h2>{body}</section>"


def _table(titles: Iterable[str], rows: Iterable[tuple[str, str]]) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(f"<tr{refs}>{cells}</tr>" for refs, cells in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
