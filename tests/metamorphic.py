"""Changes to a note that a reader would not notice, and how often the suggestion survives them.

``python -m tests.metamorphic`` prints the share of the labelled sample notes whose
status and lines stay as they are, for each change. A note whose text a change leaves
alone counts for nothing. ``further_plug`` is the one change that means something:
one more unit, or a person decides.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from extractor.coder import Coder
from extractor.evaluate import Labelled, load
from extractor.suggestion import Suggestion

GOLD = Path(__file__).parent.parent / "sample_notes" / "gold"
Change = Callable[[str], str]

# --- What kind of line it is: a system wraps prose and leaves the rest alone.

_ROW = re.compile(r"\.{4,}|\||\t|\S {3,}\S|\S {2,}\S.*\S {2,}\S|^\s*[-=_*+]{3,}")
_TIMED = re.compile(r"\s*[\[(]?(?:\d{1,2}[:.h]\d{2}|\d{4}h?\s|t\s?[+=]\s?\d)", re.I)
_ITEM = re.compile(r"\s*(?:[-*•·–—>#]|\(?\d{1,2}[.)]\s|\(?[a-z][.)]\s|\[[ xX✓]?\])")
_LABEL = re.compile(r"\s*[A-Z][^.:;,|]{0,40}:")


def _is_prose(line: str) -> bool:
    return bool(line.strip()) and not _ROW.search(line) and not _is_entry(line)


def _is_entry(line: str) -> bool:
    """A line of a log or of a list."""
    return bool(_TIMED.match(line) or _ITEM.match(line))


# --- Type and lines.


def upper_case(text: str) -> str:
    """As typed with the shift key down."""
    return text.upper()


def lower_case(text: str) -> str:
    """As typed without it."""
    return text.lower()


def _wrapped(text: str, width: int, *, entries: bool = False) -> str:
    if unwrapped(text) != text:
        return text  # it is wrapped already
    lines = []
    for line in text.split("\n"):
        prose = _is_prose(line) or (entries and _is_entry(line) and not _ROW.search(line))
        if len(line) <= width or not prose:
            lines.append(line)
            continue
        lines += textwrap.wrap(
            line,
            width,
            break_long_words=False,
            break_on_hyphens=False,
            expand_tabs=False,
            subsequent_indent="    " if entries else "",
        )
    return "\n".join(lines)


def wrapped_80(text: str) -> str:
    """Prose broken at 80 columns; rows, logs and list items as they are."""
    return _wrapped(text, 80)


def wrapped_60(text: str) -> str:
    """Prose broken at 60 columns."""
    return _wrapped(text, 60)


def hanging_72(text: str) -> str:
    """Prose, logs and list items broken at 72 columns, what follows a break indented."""
    return _wrapped(text, 72, entries=True)


def unwrapped(text: str) -> str:
    """Each wrapped paragraph as one line."""
    lines = text.split("\n")
    width = max((len(line.rstrip()) for line in lines), default=0)
    if width > 100:
        return text  # no system wrapped it
    joined = lines[:1]
    for before, line in pairwise(lines):
        words = line.split(None, 1)
        full = bool(words) and len(before.rstrip()) + 1 + len(words[0]) > width
        hangs = line.startswith("  ") and not _ROW.search(line)
        prose = hangs or (_is_prose(line) and not _LABEL.match(line))
        if full and prose and not _ROW.search(before):
            joined[-1] = joined[-1].rstrip() + " " + line.lstrip()
        else:
            joined.append(line)
    return "\n".join(joined)


def two_blanks(text: str) -> str:
    """Two blanks behind a full stop, as many typists put."""
    return re.sub(r"(?<=[a-z)]\.) (?=[A-Z])", "  ", text)


def typeset(text: str) -> str:
    """With the quotes of a word processor."""
    return re.sub(r'"(?=\w)', "\u201c", text).replace('"', "\u201d").replace("'", "\u2019")


def bold_labels(text: str) -> str:
    """Headers and labels marked as bold."""
    return re.sub(r"^([A-Z][A-Za-z /-]{3,40}:)(?=\s|$)", r"**\1**", text, flags=re.M)


# --- Numbers: only a small count before what is counted, never a size, a date, a name or an ordinal.

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_COUNTED = (
    r"(?:(?:more|further|additional|other|separate|distinct|new|small|large|long|stiff|vascular|amplatzer|"
    r"closure|paravalvular|perivalvular|femoral|venous|mitral|aortic|prior|previous|old|avp|ado|occlutech)[\s-]+"
    r"(?:(?:ii|iii|iv)\s+)?){0,3}"
    r"(?:plugs|devices|occluders|avps|coils|dis[ck]s|leaflets|wires|leaks|defects|jets|sutures|sheaths|catheters|"
    r"perclose|proglides?|prostyles?|units|months|weeks|years|days|hours|minutes|attempts|passes|projections)\b"
)
_SINGLE = r"(?:plug|device|occluder|avp|ado|amplatzer|perclose|proglide|suture|leak|jet|wire)\b"
_WORD_COUNT = re.compile(
    rf"(?<![\w-])(?:(one)(?=\s+{_SINGLE})|({'|'.join(_NUMBERS[1:])})(?=\s+{_COUNTED}))", re.I
)
_DIGIT_COUNT = re.compile(
    rf"(?:(?<=[A-Za-z,:;.]\s)|(?<=[(\n])|^)(?:(1)(?=\s+{_SINGLE})|([2-9])(?=\s+{_COUNTED}))", re.I
)
# What may end in a number of its own: "AVP 2 plugs", "NYHA 3", "day 2".
_NAMED = re.compile(
    r"(?:\d|\b(?:a|an|this|that|any|no|each|every|other|avp|ado|plug|plugs|type|number|no\.|device|class|nyha|day|step|part|x|times|twenty|thirty|forty|fifty|sixty|seventy|eighty|hundred|thousand|or))\s$",
    re.I,
)


def digits_for_words(text: str) -> str:
    """Small counts as digits: "2 plugs"."""
    return _WORD_COUNT.sub(
        lambda m: m[0] if _names(text, m.start()) else str(_NUMBERS.index(m[0].lower()) + 1), text
    )


def words_for_digits(text: str) -> str:
    """Small counts as words: "two plugs"."""
    return _DIGIT_COUNT.sub(lambda m: m[0] if _names(text, m.start()) else _NUMBERS[int(m[0]) - 1], text)


def _names(text: str, end: int) -> bool:
    return _NAMED.search(text, max(0, end - 12), end) is not None


# --- Other words for the same thing.


def _like(model: str, word: str) -> str:
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def perivalvular(text: str) -> str:
    """The other word for paravalvular, but not in the name of a product."""
    return re.sub(
        r"\bparavalvular\b(?!\s+(?:plug|leak device))",
        lambda m: _like(m[0], "perivalvular"),
        text,
        flags=re.I,
    )


def abbreviated_leak(text: str) -> str:
    """PVL for paravalvular leak, which a note need not spell out."""
    text = re.sub(r"\bparavalvular leak\s*\(PVL\)", "PVL", text, flags=re.I)
    return re.sub(r"\bparavalvular leak(s?)\b(?!\s+device)", lambda m: "PVL" + m[1].lower(), text, flags=re.I)


_AFTER = r"(?![\w/]|\s*['’]s|\s*(?:mm\b|[x×]\s?\d)|[-./]\d|\s*\((?:avp|ado|amplatzer))"
_BEFORE = r"(?<![\w-])"
# long name, Roman short name, Arabic short name
_PRODUCTS = (
    ("Amplatzer Vascular Plug II", "AVP II", "AVP2", r"2"),
    ("Amplatzer Vascular Plug III", "AVP III", "AVP3", r"3"),
    ("Amplatzer Vascular Plug 4", "AVP 4", "AVP4", r"4"),
    ("Amplatzer Duct Occluder II", "ADO II", "ADO2", r"2"),
)


def _renamed(text: str, to: int) -> str:
    """Every product under its long (0), Roman (1) or Arabic (2) name."""
    for names in _PRODUCTS:
        roman = re.escape(names[1]).replace(r"\ ", r"[\s-]?")
        arabic = names[2][:3] + r"[\s-]?" + names[3]
        long = re.escape(names[0]).replace(r"\ ", r"\s")
        long = rf"{long[: -len(names[0].split()[-1])]}(?:{names[0].split()[-1]}|{names[3]})"
        for name in (long, rf"(?:Amplatzer\s)?(?:{roman}|{arabic})"):
            text = re.sub(rf"(?<!\()(?:(?<=^)|{_BEFORE}){name}{_AFTER}", names[to], text, flags=re.I)
    return text


def long_product_names(text: str) -> str:
    """Amplatzer Vascular Plug II for AVP II."""
    return _renamed(text, 0)


def roman_product_names(text: str) -> str:
    """AVP II for Amplatzer Vascular Plug II and AVP2."""
    return _renamed(text, 1)


def arabic_product_names(text: str) -> str:
    """AVP2 for AVP II and Amplatzer Vascular Plug II."""
    return _renamed(text, 2)


# --- A paragraph or a sentence more.

_HISTORY = re.compile(
    r"\s*(?:\d\.\s*)?(?:indication|history|clinical|background|past|pre-?op|diagnos|hpi|plan|title|proc)[^.:]{0,60}(?:[:.]|$)",
    re.I,
)
_CLOSING = re.compile(
    r"\s*[*=#|]*\s*(?:\d{1,2}\.\s*)?(?:implant|complication|impression|conclusion|summary|result|ebl\b|estimated|"
    r"plan\b|dispo|final|ha?emodynamic|devices|device (?:log|table|summary|tally|register|list|count)|suppl|"
    r"inventory|closure|access clos|ha?emosta|radiation|fluoro|contrast|attest|addend|post|recommend|follow|"
    r"equipment|adverse|assessment|signed|electronically|outcome|specimen|discharge|material|yours|"
    r"with (?:warm|kind)|kind)[^.:]{0,60}(?::|$)",
    re.I,
)
_DEVICE = re.compile(r"\b(?:plugs?|avp|ado|devices?|occluders?|dis[ck]s?|pld|both|it|released)\b", re.I)
_LET_GO = re.compile(
    r"\b(?:releas|deploy|detach|unscrew|let go|freed|separated|disconnect|implanted|opened|delivered|left in|"
    r"put in|recaptur|withdrawn|snared|resheath|seated)",
    re.I,
)
_CORRECTS = re.compile(r"\b(?:addendum|correction|erratum|copied)\b", re.I)
_RECORD = re.compile(r"\s*[\w ]{0,20}(?:device|outcome|result)[\w ]{0,20}\s?[:=].{0,160}$", re.I)
_BULLET = re.compile(r"\s*(?:[-*•·–>]\s*)?(?:[\[(]?\d{1,2}[:.h]\d{2}[\])]?\s+)?")
_STOP = re.compile(r"[.!?](?=\s|$)")


def _paragraphs(text: str) -> list[tuple[int, int]]:
    """Blocks between blank lines."""
    return [m.span() for m in re.finditer(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", text)]


def _last_told(text: str) -> tuple[int, int] | None:
    """The last lines of the narrative that tell what was done with a device; None without a narrative."""
    told, open_block, start = None, False, 0
    for line in text.split("\n"):
        stop = start + len(line.rstrip())
        if told and _CLOSING.match(line):
            break
        wrapped = open_block and _is_prose(line) and not _LABEL.match(line)
        tells = bool(_DEVICE.search(line) and _LET_GO.search(line)) and not _HISTORY.match(line)
        if wrapped and told:
            told = (told[0], stop)
        elif tells and not _ROW.search(line) and not _RECORD.match(line) and len(line.split()) >= 5:
            told, open_block = (start, stop), _is_prose(line)
        else:
            open_block = False
        start += len(line) + 1
    return told


def _appended(text: str, sentence: str) -> str:
    """A sentence at the end of the narrative; in a note of one paragraph behind the last release."""
    told = _last_told(text)
    if told is None:
        return text
    start, end = told
    line = text[start:end].rsplit("\n", 1)[-1]
    if not _is_prose(line):
        lead = _BULLET.match(line)
        return f"{text[:end]}\n{lead[0] if lead else ''}{sentence}{text[end:]}"
    if end - start > 0.7 * len(text):
        acts = list(_LET_GO.finditer(text, start, end))
        close = _STOP.search(text, acts[-1].end(), end) if acts else None
        end = close.end() if close else end
    stop = "" if text[:end].endswith((".", "!", "?")) else "."
    return f"{text[:end]}{stop} {sentence}{text[end:]}"


def history_added(text: str) -> str:
    """Two plugs of another year and hospital, in a paragraph under its own header."""
    added = (
        "PAST HISTORY: In 2014, at another hospital, two Amplatzer vascular plugs (10 mm and 8 mm) "
        "were implanted for a paravalvular leak."
    )
    blocks = _paragraphs(text)
    at = next((a for a, _ in blocks[1:4] if _HISTORY.match(text, a)), None)
    if at is None:
        first = text[slice(*blocks[0])]
        copied = re.search("previous|copied", first, re.I)
        title = (
            len(blocks) > 1 and not copied and not any(len(line.split()) > 14 for line in first.split("\n"))
        )
        at = blocks[1][0] if title else 0
    return f"{text[:at]}{added}\n\n{text[at:]}"


def letterhead_added(text: str) -> str:
    """The name of a hospital and of the patient above the note."""
    head = "RIVERSIDE MEDICAL CENTER\nPatient: Testperson, Ada   MRN: 000000\nDate of service: 03/04/2024"
    return f"{head}\n\n{text}"


def vascular_closure_added(text: str) -> str:
    """A paragraph on the sutures of the groin."""
    told = _last_told(text)
    end = next((b for _, b in _paragraphs(text) if told and b >= told[1]), None)
    return (
        text
        if end is None
        else f"{text[:end]}\n\nFemoral haemostasis was obtained with Perclose x2.{text[end:]}"
    )


def no_further_device(text: str) -> str:
    """The last sentence of the narrative says that nothing else was needed."""
    return _appended(text, "No further device was required.")


def further_plug(text: str) -> str:
    """One more device at the end of the narrative, unless the note corrects its count or holds two."""
    if _CORRECTS.search(text):
        return text
    return _appended(
        text,
        "A further 8 mm AVP II was then deployed and released at the same valve with trace residual leak.",
    )


SAME: tuple[Change, ...] = (
    upper_case,
    lower_case,
    wrapped_80,
    wrapped_60,
    hanging_72,
    unwrapped,
    two_blanks,
    typeset,
    bold_labels,
    digits_for_words,
    words_for_digits,
    perivalvular,
    abbreviated_leak,
    long_product_names,
    roman_product_names,
    arabic_product_names,
    letterhead_added,
    history_added,
    vascular_closure_added,
    no_further_device,
)
MORE: tuple[Change, ...] = (further_plug,)


@dataclass(slots=True)
class Result:
    """What one change did to the notes it touched; ids only."""

    touched: int = 0
    moved: list[str] = field(default_factory=list)  # status or lines are not what they should be
    harmed: list[str] = field(default_factory=list)  # ready with wrong lines, and was not before

    @property
    def rate(self) -> float:
        """Share of the touched notes whose status and lines are what they should be."""
        return 1 - len(self.moved) / self.touched if self.touched else 1.0

    def add(self, item: Labelled, old: Suggestion, new: Suggestion, more: int) -> None:
        """Take in a note, before and after a change that adds ``more`` devices."""
        self.touched += 1
        held = [_with(old.units, more)] + ([_with(item.gold.lines, more)] if more and item.gold.lines else [])
        asked = new.status == "review" if more else False
        if not asked and (new.units not in held or (not more and new.status != old.status)):
            self.moved.append(item.note.note_id)
        if _wrong_ready(item, new, more) and not _wrong_ready(item, old, 0):
            self.harmed.append(item.note.note_id)


def _with(units: dict[str, int], more: int) -> dict[str, int]:
    return {**units, "93592": units.get("93592", 0) + more} if more else units


def _wrong_ready(item: Labelled, suggestion: Suggestion, more: int) -> bool:
    """Whether a note is called ready and should not be, or with other lines than labelled and ``more``."""
    if suggestion.status != "ready":
        return False
    if more and item.gold.lines:
        return suggestion.units != _with(item.gold.lines, more)
    return "ready" not in item.gold.status or item.gold.lines not in (None, suggestion.units)


def _at_width(change: Change, text: str) -> str:
    """A note that is wrapped stays so."""
    straight = unwrapped(text)
    if straight == text or change in (wrapped_80, wrapped_60, hanging_72, unwrapped):
        return change(text)
    changed = change(straight)
    width = max(len(line) for line in text.split("\n"))
    return text if changed == straight else _wrapped(changed, width)


def measure(
    coder: Coder, gold: Sequence[Labelled], before: Sequence[Suggestion], workers: int = 1
) -> dict[str, Result]:
    """Suggest every note again after every change, and compare with the suggestions ``before``."""
    cases = [
        (change, item, old, text)
        for change in SAME + MORE
        for item, old in zip(gold, before, strict=True)
        if (change not in MORE or (item.gold.positive and item.gold.lines and old.lines))
        and (text := _at_width(change, item.note.text)) != item.note.text
    ]
    results = {change.__name__: Result() for change in SAME + MORE}
    for (change, item, old, _), new in zip(cases, coder.pipe((c[3] for c in cases), workers), strict=True):
        results[change.__name__].add(item, old, new, int(change in MORE))
    return results


def main() -> int:
    """Print the table; with ``-v`` also the ids of the notes that did not hold."""
    failed: list[object] = []
    gold = list(load(sorted(GOLD.glob("*.jsonl")), failed.append))
    coder = Coder()
    before = list(coder.pipe(item.note for item in gold))
    for name, result in measure(coder, gold, before, workers=os.cpu_count() or 1).items():
        kept = f"{result.touched - len(result.moved)}/{result.touched}"
        ids = "  " + " ".join(result.moved) if "-v" in sys.argv else ""
        sys.stdout.write(f"{name.replace('_', ' '):24}{kept:>9}{100 * result.rate:7.1f} %{ids}\n")
        if result.harmed:
            sys.stdout.write(f"{'':24}newly wrong and ready: {' '.join(result.harmed)}\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
