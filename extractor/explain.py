"""Why these units: the note with its evidence, the proof, and every mention, for a terminal."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from extractor.edits import together
from extractor.explanation import UNEXPLAINED
from extractor.marking import mark
from extractor.output import codes_text
from extractor.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from extractor.coder import Explanation
    from extractor.explanation import ExplainedMention
    from extractor.suggestion import Device, Diagnosis, Modifier, Proof, Span, Suggestion

_STATUS = {
    "ready": ("bold green", "ready: nothing in the note contradicts this; check it"),
    "review": ("bold yellow", "review: a person must decide"),
    "none": ("bold", "none: nothing to code here"),
}
_WIDEST = 100  # columns of the list of mentions
_LONGEST = 60  # characters of a mention shown there
_COLOURS = ("cyan", "magenta", "yellow", "green", "bright_blue", "bright_red")


@dataclass(slots=True)
class _Bracket:
    end: int
    devices: tuple[int, ...]


def print_explanation(text: str, explanation: Explanation, console: Console) -> None:
    """Print one note with its evidence marked, the proof tree and every mention.

    Words that prove a device stand in brackets with its number, ``[1: 12 mm AVP
    II]``; other evidence stands in plain brackets.

    Parameters
    ----------
    text
        The note as given.
    explanation
        What ``Coder.explain`` says about it.
    console
        Where to print.
    """
    suggestion = explanation.suggestion
    _head(suggestion, console)
    _title("Note", console)
    for line in marked_note(text, suggestion).split("\n"):
        console.print(line)
    _title("Proof", console)
    console.print(_proof_tree(suggestion.proof))
    if suggestion.changes:
        _title("What would change the answer", console)
        for change in suggestion.changes:
            console.print(Text(f"- {printable(change.answer)}"))
    if suggestion.devices:
        _title("Devices", console)
        console.print(_devices(suggestion.devices))
    if suggestion.queries:
        _title("Draft queries to the physician", console)
        for query in suggestion.queries:
            console.print(Text(textwrap.indent(printable(query.text, keep="\n"), "  ")), Text(""), sep="\n")
    _title("Mentions", console)
    _mentions(explanation.mentions, console)


def _mentions(mentions: tuple[ExplainedMention, ...], console: Console) -> None:
    """Every mention under the part of the note it stands in, and how many stay unexplained."""
    table = _table("Words", "Rule", "Explained as")
    table.width = min(console.width, _WIDEST)
    section = None
    for mention in mentions:
        if mention.section != section:
            section = mention.section
            table.add_row(Text(f"[{_one_line(section)}]", "dim"))
        style = "bold red" if mention.explanation == UNEXPLAINED else ""
        words = textwrap.shorten(_one_line(mention.text), _LONGEST, placeholder=" …")
        table.add_row(*(Text(cell, style) for cell in (words, mention.rule, _one_line(mention.explanation))))
    if mentions:
        console.print(table)
    left = sum(mention.explanation == UNEXPLAINED for mention in mentions)
    console.print(Text(tally(len(mentions), left), "bold red" if left else "bold"))


def tally(mentions: int, left: int) -> str:
    """Count mentions and those that stay unexplained.

    Examples
    --------
    >>> tally(42, 1)
    '42 mentions, 1 unexplained'
    """
    return f"{mentions} {'mention' if mentions == 1 else 'mentions'}, {left} unexplained"


def marked_note(text: str, suggestion: Suggestion) -> Text:
    """Give the note with its evidence in brackets, numbered and coloured by device.

    Parameters
    ----------
    text
        The note as given.
    suggestion
        What was suggested for it.
    """
    marked = mark(text, suggestion)
    result = Text()
    brackets: list[_Bracket] = []  # those open, inmost last
    for piece in marked.pieces:
        while brackets and brackets[-1].end <= piece.start:
            result.append("]", _colour(brackets.pop().devices))
        for index in piece.marks:
            (start, end), devices = marked.spans[index], marked.devices[index]
            if start != piece.start or (brackets and not devices):
                continue
            same = next((bracket for bracket in brackets if bracket.devices == devices), None)
            if same is not None:
                same.end = max(same.end, end)
                continue
            numbers = ",".join(str(number) for number in devices)
            result.append(f"[{numbers}: " if numbers else "[", _colour(devices))
            brackets.append(_Bracket(end, devices))
        words = printable(text[piece.start : piece.end].replace("\r\n", "\n"), keep="\n\t")
        result.append(words, _colour(piece.devices) if piece.marks else "")
    for bracket in reversed(brackets):
        result.append("]", _colour(bracket.devices))
    return result


def _colour(devices: tuple[int, ...]) -> str:
    return f"bold {_COLOURS[(devices[0] - 1) % len(_COLOURS)]}" if devices else "underline"


def _head(suggestion: Suggestion, console: Console) -> None:
    style, words = _STATUS[suggestion.status]
    console.print(Text.assemble(("Note ", "bold"), printable(suggestion.note_id), "   ", (words, style)))
    for reason in suggestion.reasons:
        for number, line in enumerate(textwrap.wrap(f"{reason.code}: {printable(reason.message)}", 100)):
            console.print(Text(("  ? " if number == 0 else "    ") + line, "yellow"))
    if suggestion.lines:
        console.print(Text.assemble(("Codes ", "bold"), codes_text(suggestion.lines)))
    for companion in suggestion.companions:
        code = f"{companion.code} x{companion.units} "
        console.print(Text.assemble(("Also  ", "bold"), code, printable(companion.message)))
    _also_documented(suggestion, console)
    _advice(suggestion, console)
    for edit, where in together(suggestion.edits):
        label = f"{edit.severity}, {where}: "
        console.print(Text.assemble(("Edit  ", "bold"), label, printable(edit.message)))
    if suggestion.approaches:
        console.print(Text.assemble(("Route ", "bold"), ", ".join(suggestion.approaches)))
    console.print(Text(f"Rules {suggestion.rules_version}", "dim"))


def _also_documented(suggestion: Suggestion, console: Console) -> None:
    """Services beside the closure, which are not on the claim."""
    for service in suggestion.also_documented:
        words = ", ".join(f"“{_quote(span)}”" for span in service.evidence)
        codes = " or ".join(service.codes)
        head = f"{printable(service.service)} ({codes}), also documented, not claimed: {words}"
        console.print(Text.assemble(("Note  ", "bold"), head))
        for line in textwrap.wrap(printable(service.message), _WIDEST - 6):
            console.print(Text(f"      {line}", "dim"))


def _advice(suggestion: Suggestion, console: Console) -> None:
    """Modifiers to consider and diagnoses to confirm, each with the words it rests on."""
    for modifier in suggestion.modifiers:
        _advise("Modifier ", f"{modifier.modifier} on {', '.join(modifier.codes)}", modifier, console)
    for diagnosis in suggestion.diagnoses:
        _advise("Diagnosis ", diagnosis.code + ("?" if diagnosis.question else ""), diagnosis, console)


def _advise(label: str, code: str, advice: Modifier | Diagnosis, console: Console) -> None:
    quotes = ", ".join(f"“{_quote(span)}”" for span in advice.evidence)
    console.print(Text.assemble((label, "bold"), f"{code}: {printable(advice.message)} ", (quotes, "cyan")))


def _title(words: str, console: Console) -> None:
    console.print()
    console.print(Rule(Text(words, "bold"), align="left", style="dim"))


def _proof_tree(proof: Proof) -> Tree:
    tree = Tree(_proof_node(proof), guide_style="dim")
    for child in proof.children:
        tree.add(_proof_tree(child))
    return tree


def _proof_node(proof: Proof) -> Text:
    node = Text.assemble(printable(proof.statement), "  ", (proof.rule, "dim"))
    for span in proof.evidence:
        node.append(f"\n“{_quote(span)}”", "cyan").append(f"  {span.section} {span.start}-{span.end}", "dim")
    return node


def _quote(span: Span) -> str:
    return textwrap.shorten(_one_line(span.text), 90, placeholder=" …")


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _devices(devices: Iterable[Device]) -> Table:
    table = _table("No.", "Device", "Size", "Valve", "Outcome")
    for device in devices:
        cells = (
            device.product or "unnamed",
            device.size or "-",
            device.valve or "-",
            device.outcome.replace("_", " "),
        )
        table.add_row(
            Text(str(device.number), _colour((device.number,))), *(Text(printable(c)) for c in cells)
        )
    return table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
