"""Implants: the rows of implant tables, supply logs and implant lists.

In: the parsed rows of one source and the words of tables (column names, fates).
Out: a ``Timeline``: one entry of a row is a device, or as many as its quantity
says, with the fate the row gives it. A row that is not understood gives a device
that may be one, so that the count stays open.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

from extractor.events import Event, Loose, State, Statement, Timeline, TrackedDevice, same_product
from extractor.fates import Fate, Outcome, counted_fates, fate_of, number_behind
from extractor.grammar import Parse
from extractor.mentions import Mention, begun, begun_at
from extractor.phrases import LARGEST_SIZE, DevicePhrase, size_key
from extractor.sheet import Row, Sheet, SheetCell, count_of, sheets_of

Listing = Literal["implants", "equipment"]

_Interval = tuple[int, int | None]

_LEAST_SIZE = 3  # mm
_MANY_OF_ONE_ARTICLE = 4  # of a larger number it is not sure that it counts
_MOST_OF_ONE_ARTICLE = 9  # a larger number in a quantity column is a size or an order number
_STATE: dict[Outcome | None, State] = {"implanted": "released", "removed": "removed", "unused": "unused"}
_PARTING = frozenset({",", ";", "+", "&", "and"})
_JOINING = frozenset({"+", "&", "and"})


def read_implants(rows: list[tuple[Parse, Listing]], tables: list[Mention]) -> dict[Listing, Timeline]:
    """Devices of implant tables, supply logs and implant lists: one entry a line.

    Supplies list what was taken from the shelf; where their rows say what became of
    it, they list implants too.

    Parameters
    ----------
    rows
        The rows in text order, each with the kind of list its section is.
    tables
        Mentions of the ``table`` layer (column names and row fates) of the note.
    """
    reader = _Reader(tables)
    for sheet in sheets_of([parse for parse, _ in rows], tables, [part for _, part in rows]):
        reader.read(sheet)
    reader.read_sums()
    return reader.timelines


@dataclass(frozen=True, slots=True)
class _Article:
    """What an entry of a row names."""

    product: str | None
    size: str | None
    valve: str | None
    target: str | None
    rule: str


@dataclass(slots=True)
class _Reader:
    tables: list[Mention]
    timelines: dict[Listing, Timeline] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)  # of the sheet being read
    listing: Listing = "implants"
    unsaid: Outcome | None = None  # what holds for its rows that say nothing
    seen: Counter[str] = field(default_factory=Counter)
    serials: dict[str, TrackedDevice] = field(default_factory=dict)
    lots: dict[int, str] = field(default_factory=dict)  # by id of the device
    sums: list[tuple[Row, DevicePhrase]] = field(default_factory=list)  # "3 plugs", and no article
    listed: bool = False  # the lists name articles

    def read(self, sheet: Sheet) -> None:
        """Take in the rows that stand together."""
        says = [self._says(row) for row in sheet.rows]
        headed = any(row.headed for row in sheet.rows)
        ours = self.timelines.setdefault("implants", Timeline())
        before, known = [d for d in ours.devices if d.in_place], len(ours.devices)
        name: DevicePhrase | None = None
        for n, row in enumerate(sheet.rows):
            ends = sheet.part == "implants" or says[n] or (headed and any(says))
            self.listing = "implants" if ends else "equipment"
            self.unsaid = "implanted" if sheet.part == "implants" else None
            self.timeline = self.timelines.setdefault(self.listing, Timeline())
            name = _name_of(row, sheet.rows[n + 1 : n + 2], name)
            self._read_row(row, name)
        if all(row.parse.sentence.form != "record" for row in sheet.rows):
            self._open_repeated(before, ours.devices[known:])

    @staticmethod
    def _open_repeated(before: list[TrackedDevice], listed: list[TrackedDevice]) -> None:
        """A second list may show the devices of the first again: what fits one of them stays open."""
        left = list(before)
        for device in listed:
            same = next((d for d in left if device.in_place and _alike(d, device)), None)
            if same is not None:
                left.remove(same)
                device.state = "named"

    def _read_row(self, row: Row, name: DevicePhrase | None) -> None:
        entries = _entries(row.parse, _named(row))
        if name is not None and name in entries:
            name.explanation = "heading"
            entries.remove(name)
        elif name is not None and not entries:
            entries = [_under(name, row)]
        parts = _parts(row, entries)
        carried: Fate | None = None
        for n, (part, phrase) in enumerate(zip(parts, entries, strict=True)):
            phrase.explanation = _no_entry(part, phrase)
            sums = all(_only_counts(entry) for entry in entries) or (n > 0 and phrase.plural)
            if not phrase.explanation and sums and _only_counts(phrase):
                if self.listing == "implants":
                    self.sums.append((part, phrase))
                phrase.explanation = f"{self.listing}: {phrase.number} in all"
            if phrase.explanation:
                continue
            fate, carried = self._fate(part, phrase, carried, parts[n + 1 :])
            phrase.explanation = self._enter(part, phrase, fate, alone=len(entries) == 1)
        if row.parse.sentence.form == "record" and not entries:
            self._unnamed(row)
        for phrase in row.parse.phrases:
            if not phrase.explanation and _new(row, phrase, entries):
                self.timeline.loose.append(_loose(row, phrase, phrase.quantity or 1))
                phrase.explanation = "unexplained"
            self.timeline.explained.append((phrase, phrase.explanation or "of the row"))

    def _fate(
        self, part: Row, phrase: DevicePhrase, carried: Fate | None, later: list[Row]
    ) -> tuple[Fate, Fate | None]:
        """What became of an entry, and of the next: "Implanted: X, Y" tells of both, "X implanted, Y" not."""
        fate = fate_of(part, self._unsaid(part))
        if fate is not None:
            told = part.fates()
            before = bool(told) and told[0].first < phrase.first
            return fate, fate if before else None
        if carried is not None:
            return carried, carried
        fate = Fate(self._unsaid(part))
        joined = later and part.parse.words.words[later[0].first - 1] in _JOINING
        if joined and fate.outcome == "implanted":
            following = fate_of(later[0], None)  # "10 mm and 8 mm wasted": perhaps both
            fate = Fate("implanted", sure=following is None or following.outcome == "implanted")
        return fate, None

    def read_sums(self) -> None:
        """What a list says of its devices in all; where it names none of them, that is what it lists."""
        self.timeline = self.timelines.get("implants", self.timeline)
        self.listing, self.unsaid = "implants", "implanted"
        self.listed = bool(self.timeline.devices)
        counted: dict[int, int] = {}
        for row, phrase in self.sums:
            fate = fate_of(row, self._unsaid(row)) or Fate(self._unsaid(row))
            dated = any(m.kind == "size" and m.means.form == "date" for m in row.parse.items.values())
            aside = dated or row.parse.cue_kinds() & {"history", "plan"} or phrase.words & {"another", "more"}
            if not self.listed:
                self._add(row, _article(row, phrase), fate, (phrase.number or 1,) * 2, phrase.first)
            elif fate == Fate("implanted") and not aside:
                counted[row.parse.first] = counted.get(row.parse.first, 0) + (phrase.number or 1)
        if counted:
            self._state_sums(counted)

    def _state_sums(self, counted: dict[int, int]) -> None:
        """What the rows that only count come to: each may count the devices of one leak, or all of them."""
        last = next(row.parse for row, _ in reversed(self.sums) if row.parse.first in counted)
        whole = [
            counted[row.parse.first]
            for row, _ in self.sums
            if row.parse.first in counted
            and any(m.means.total for m in begun(self.tables, row.parse.first, row.parse.last))
        ]
        low, high = (whole[-1], whole[-1]) if whole else (max(counted.values()), sum(counted.values()))
        start, end = last.words.starts[last.first], last.words.ends[last.last - 1]
        at = sum(d.in_place for d in self.timeline.today())
        role = last.sentence.section.role
        self.timeline.statements.append(Statement(low, high, start, end, role, "table.total", "total", at=at))

    def _says(self, row: Row) -> bool:
        """Whether a row of supplies says that its article stayed in, or came out again."""
        fate = fate_of(row, None) or Fate(_fate_of_header(row.parse, self.tables))
        return fate.outcome in ("implanted", "removed")

    def _unsaid(self, row: Row) -> Outcome | None:
        """What holds for an entry that says nothing of itself."""
        return _fate_of_header(row.parse, self.tables) or self.unsaid

    # -- entries ------------------------------------------------------------------

    def _enter(self, row: Row, phrase: DevicePhrase, fate: Fate, *, alone: bool) -> str:
        """Put the devices of an entry on the timeline; returns how the entry is explained."""
        article = _article(row, phrase)
        if row.parse.sentence.form == "heap":
            self._add(row, article, Fate(fate.outcome, sure=False), (1, 1), phrase.first)
            self.timeline.loose.append(_loose(row, phrase, _MOST_OF_ONE_ARTICLE - 1))
            return "unexplained"
        fates: list[tuple[Fate, _Interval]] = [
            (told, (number, number)) for told, number in counted_fates(row) if number <= _MOST_OF_ONE_ARTICLE
        ]
        for told, number in fates or [(fate, _number(row, phrase, alone=alone))]:
            self._add(row, article, told, number, phrase.first)
        return f"{self.listing}: {fate.outcome or 'listed'}"

    def _unnamed(self, row: Row) -> None:
        """A record of an occluder whose name no rule knows: "Occluder family: Muscular VSD"."""
        named = [cell for cell in row.of("item") if row.words(cell) and row.answer(cell) != "no"]
        keys = [m for i, m in row.parse.items.items() if i in row.keys and m.kind == "device"]
        known = any(m.kind in ("other_device", "valve") for cell in named for m in row.mentions(cell))
        if not named or not keys or known:
            return
        size = next((size for cell in row.of("size") for size in _sizes_in(row, cell)), None)
        article = _Article(None, size, _valve(row), None, "table.device")
        fate = fate_of(row, self._unsaid(row)) or Fate(self._unsaid(row))
        sure = fate.sure and not all(m.means.vague for m in keys)  # "Device: ..." may be anything
        self._add(row, article, replace(fate, sure=sure), (1, 1), named[0].first)

    def _add(self, row: Row, article: _Article, fate: Fate, number: _Interval, first: int) -> None:
        """The devices of an entry: so many for certain, and those there may be beyond."""
        low, high = number
        serial = _cell_text(row, "serial") if low == high == 1 else ""
        for n in range(1 if high is None else high):
            device = self._device(row, article, fate)
            if serial in self.serials:
                self._same_again(self.serials[serial], device)
                continue
            if fate.outcome == "removed" and fate.sure and self._took_out(row, device):
                continue
            if (not fate.sure and fate.outcome != "unused") or n >= low or row.earlier == "maybe":
                device.state = "named"
            if row.earlier == "surely":
                device.standing = "prior"
            text = " ".join(
                [*row.parse.between(row.parse.first, row.parse.last), str(first - row.parse.first)]
            )
            self.seen[text] += 1
            device.doubtful = self.seen[text] > max(1, low) and not _told_apart(row)
            device.many = high is None
            self.lots[id(device)] = _cell_text(row, "lot")
            if serial:
                self.serials[serial] = device
            self.timeline.devices.append(device)

    @staticmethod
    def _device(row: Row, article: _Article, fate: Fate) -> TrackedDevice:
        parse = row.parse
        device = TrackedDevice(article.product, article.size, valve=article.valve)
        device.target = fate.target or article.target
        leak = any(m.kind == "leak" and m.means.term != "device" for m in row.mentions())
        device.placed = device.target is None and (leak or article.valve is not None)
        device.state = _STATE.get(fate.outcome, "loaded")
        start, end = parse.words.starts[row.first], parse.words.ends[row.last - 1]
        told = fate.outcome or "listed"
        device.events.append(Event(told, start, end, parse.sentence.section.role, article.rule))
        return device

    @staticmethod
    def _same_again(known: TrackedDevice, device: TrackedDevice) -> None:
        """A serial number a second time is the same device: what the later row says counts."""
        known.state = device.state
        known.events += device.events

    def _took_out(self, row: Row, device: TrackedDevice) -> bool:
        """IMPLANTED, then EXPLANTED in a later row: one device; "removed" may be said of another one."""
        lot = _cell_text(row, "lot")
        earlier = [
            d
            for d in self.timeline.devices
            if d.in_place
            and size_key(d.size) == size_key(device.size)
            and d.product == device.product
            and not (lot and self.lots[id(d)] and lot != self.lots[id(d)])
        ]
        said = row.fates() or _of_header(row.parse, self.tables)
        reverses = any(m.means.reverses for m in said)
        if not earlier or not (reverses or any(a.means.event == "withdraw" for a in row.actions())):
            return False
        certain = reverses or (lot and self.lots[id(earlier[-1])] == lot)
        earlier[-1].state = "removed" if certain else "named"
        return True


def _alike(one: TrackedDevice, other: TrackedDevice) -> bool:
    """Whether two entries may be of one device."""
    return (
        (not one.size or not other.size or size_key(one.size) == size_key(other.size))
        and same_product(one.product, other.product)
        and (one.valve is None or other.valve is None or one.valve == other.valve)
        and one.target == other.target
    )


def _of_header(parse: Parse, tables: list[Mention]) -> list[Mention]:
    """The fates that the header above a row names."""
    section = parse.sentence.section
    return [m for m in begun_at(tables, section.start, section.body) if m.means.fate]


def _fate_of_header(parse: Parse, tables: list[Mention]) -> Outcome | None:
    """As in "OPENED, NOT IMPLANTED:" says what became of the rows under it."""
    fates = [m.means.fate for m in _of_header(parse, tables) if m.means.fate in ("removed", "unused")]
    return fates[-1] if fates else None


# -- how many ---------------------------------------------------------------------


def _number(row: Row, phrase: DevicePhrase, *, alone: bool) -> _Interval:
    """How many devices an entry stands for: at least, at most. A column counts it where it is ``alone``."""
    counts = {n for n in (_in_words(row, phrase), _in_column(row) if alone else None) if n is not None}
    if phrase.number is None and (slashed := _slashed(row, phrase)) is not None:
        counts.add(slashed)
    if row.uncertain and phrase.number == row.label and phrase.first == row.parse.first:
        counts.add(1)
    listed = _sizes_behind(row, phrase)
    if not counts and listed > max(1, len(phrase.sizes)):
        return max(1, len(phrase.sizes)), listed
    sizes = {size_key(size) for cell in row.of("size") for size in _sizes_in(row, cell)}
    if not counts and len(sizes) > 1:
        return 1, len(sizes)  # "Device sizes: 10 mm, 8 mm"
    if not counts and not phrase.plural:
        beside = {number_behind(row, m) for m in row.fates()}
        counts = {n for n in beside if n} or _bare(row, phrase)
    counts = {n for n in counts if n <= _MOST_OF_ONE_ARTICLE}
    if not counts:
        one = phrase.number is not None or phrase.label is not None  # "Device 1: KONAR 10-8"
        quantity = 1 if one else phrase.quantity
        return (1, 1) if quantity == 1 else (2, None) if quantity is None else (quantity, quantity)
    least = 1 if max(counts) > _MANY_OF_ONE_ARTICLE else min(counts)
    return least, max(counts)


def _in_words(row: Row, phrase: DevicePhrase) -> int | None:
    """The number a phrase gives itself ("x2", "two"), unless it is the running number of the row."""
    if phrase.number is None:
        return None
    if row.label == phrase.number and phrase.first == row.parse.first and not row.uncertain:
        inside = [m for i, m in row.parse.items.items() if phrase.first <= i < phrase.last]
        times = any(m.kind == "count" and m.means.word == "times" for m in inside)
        return phrase.number if times else None
    return phrase.number


def _slashed(row: Row, phrase: DevicePhrase) -> int | None:
    """As in "AVP II 12/10/8": three sizes or more are as many devices."""
    words = row.parse.words.words
    i, sizes = phrase.last, list(size_key(phrase.sizes[-1])) if phrase.sizes else []
    if not sizes and i < row.last and words[i].isdigit():
        i, sizes = i + 1, [words[i]]
    while sizes and i + 1 < row.last and words[i] == "/" and words[i + 1].isdigit():
        i, sizes = i + 2, [*sizes, words[i + 1]]
    counts = any(float(size) < _LEAST_SIZE for size in sizes)  # "1 / 0 / 1"
    return None if counts or len(sizes) < 3 else len(sizes)


def _sizes_behind(row: Row, phrase: DevicePhrase) -> int:
    """As in "AVP II 12, 10", "AVP II (12, 10)", "AVP II 12/10": sizes that may be of as many devices."""
    words, items = row.parse.words.words, row.parse.items
    i, sizes = phrase.last, len(phrase.sizes)
    if sizes == 1 and phrase.head is not None and phrase.head.means.round and "/" in phrase.sizes[0]:
        sizes = len(size_key(phrase.sizes[0]))
    while i + 1 < row.last and words[i] in _PARTING | {"(", "/"}:
        mention = items.get(i + 1)
        plain = mention is not None and mention.kind == "count" and mention.means.word is None
        number = count_of(mention) if mention is not None and plain else None
        if mention is None or number is None or not _LEAST_SIZE <= number <= LARGEST_SIZE:
            break
        i, sizes = mention.last, sizes + 1
    return sizes


def _in_column(row: Row) -> int | None:
    """The number of the quantity column: of what was implanted, where there are several."""
    cells = row.of("quantity") or ([] if row.label is not None else row.of("number"))
    cells = [cell for cell in cells if cell.fate == "implanted"] or cells
    numbers = {n for cell in cells for n in row.numbers(cell)}
    return numbers.pop() if len(numbers) == 1 else None


def _bare(row: Row, phrase: DevicePhrase) -> set[int]:
    """The number that stands apart: "QTY 2", a cell that is one number, a number behind the size."""
    found = {n for m in row.mentions() if (n := _times(row, m, phrase))}
    if not row.headed:
        alone = [n for cell in row.cells if (n := _alone(row, cell)) is not None]
        found |= set(alone) if len(alone) > 1 else {n for n in alone if n}
    words, items = row.parse.words.words, row.parse.items
    behind = phrase.last + (words[phrase.last : phrase.last + 1] in ([":"], ["="]))
    size, mention = items.get(phrase.last - 1), items.get(behind)
    sized = size is not None and size.kind == "size" and behind < row.last
    if sized and mention is not None and mention.kind == "count" and mention.means.word is None:
        found |= {mention.value} if mention.value and _closes(row, mention.last) else set()
    pieces = {m.first for m in row.marks if m.means.column == "quantity"}
    found |= {
        number
        for m in row.mentions()
        if m.kind == "count" and m.last in pieces and m.first >= phrase.last and (number := count_of(m))
    }
    return found | {1} if row.uncertain and found else found


def _times(row: Row, mention: Mention, phrase: DevicePhrase) -> int | None:
    """The number of a "x2" or "QTY 2" that no phrase took in, behind the entry and before other hardware."""
    if mention.kind != "count" or mention.means.word != "times" or mention.first < phrase.last:
        return None
    cell = next((cell for cell in row.cells if cell.first <= mention.first < cell.last), None)
    named = cell is not None and cell.column not in (None, "quantity")
    taken = any(p.first <= mention.first < p.last for p in row.parse.phrases)
    masked = row.parse.words.words[mention.first - 1] == "*"  # "lot ***2"
    other = any(m.kind == "other_device" and phrase.last <= m.first < mention.first for m in row.nouns())
    return None if named or taken or masked or other else count_of(mention)


def _alone(row: Row, cell: SheetCell) -> int | None:
    """The number that is all of a cell without a name, and does not count the rows."""
    counts_rows = row.label is not None and cell.first == row.parse.first and not row.uncertain
    numbers = row.numbers(cell)
    if cell.column is not None or cell.fate is not None or counts_rows or not numbers:
        return None
    pieces = {i for m in row.marks if m.means.column == "quantity" for i in range(m.first, m.last)}
    return numbers[0] if len(set(range(cell.first, cell.last)) - pieces) == 1 else None  # "2 ea"


def _closes(row: Row, i: int) -> bool:
    """Whether an entry ends before word ``i``, or there only counts pieces ("2 ea")."""
    words = row.parse.words.words
    return i >= row.last or words[i] in "|.;,()" or i + 1 == row.last


# -- entries ----------------------------------------------------------------------


def _name_of(row: Row, following: list[Row], name: DevicePhrase | None) -> DevicePhrase | None:
    """The article whose sizes stand below its name, one a line."""
    if _leads_with_size(row):
        return name
    phrases = [p for p in row.parse.phrases if p.product and not p.sizes]
    if len(phrases) == 1 and any(_leads_with_size(below) for below in following):
        return phrases[0]
    return None


def _leads_with_size(row: Row) -> bool:
    """Whether a row begins with a size, and names no device."""
    return _sized(row.parse.items.get(row.first)) and not any(p.head for p in row.parse.phrases)


def _under(name: DevicePhrase, row: Row) -> DevicePhrase:
    """The entry of a row that only gives a size of an article."""
    size = row.parse.items[row.first]
    sizes = [" ".join(row.parse.between(size.first, size.last))]
    return DevicePhrase(size.first, size.last, name.head, product=name.product, sizes=sizes)


def _named(row: Row) -> list[DevicePhrase]:
    """The phrases that may be entries: where the cell of the item is known, those in it."""
    cells = row.of("item")
    inside = [
        phrase
        for phrase in row.parse.phrases
        if any(cell.first < phrase.last and phrase.first < cell.last for cell in cells)
    ]
    if row.parse.sentence.form == "record" or (row.headed and any(p.product or p.sizes for p in inside)):
        return inside
    return row.parse.phrases


def _parts(row: Row, entries: list[DevicePhrase]) -> list[Row]:
    """The part of a row that tells of each entry: of a list, the words between its marks."""
    cuts = [] if any(cell.column for cell in row.cells) else _cuts(row)
    parts: list[Row] = []
    if not entries:
        return parts
    before = [cut for cut in cuts if cut < entries[0].first]
    begin = max((cut + 1 for cut in before if _hardware(row, row.first, cut)), default=row.first)
    leads = any(begin <= cut for cut in before)
    for phrase, following in zip(entries, [*entries[1:], None], strict=True):
        end = following.first if following else row.last
        behind = [cut for cut in cuts if phrase.last <= cut < end]
        cut = _cut(row, behind, leads=leads) if following else None
        hardware = next((c for c in behind if _hardware(row, c, end)), None)
        stop = end if cut is None else cut
        parts.append(row.part(begin, stop if hardware is None else min(stop, hardware)))
        begin = end if cut is None else cut + 1
    return parts


def _cut(row: Row, cuts: list[int], *, leads: bool) -> int | None:
    """The mark that ends an entry: a semicolon; else the last one, or the first where places lead."""
    strong = [cut for cut in cuts if row.parse.words.words[cut] == ";"]
    if strong or leads:
        return next(iter(strong or cuts), None)
    return cuts[-1] if cuts else None


def _cuts(row: Row) -> list[int]:
    """Commas and conjunctions of a list, outside brackets."""
    cuts, depth = [], 0
    for i in range(row.first, row.last):
        word = row.parse.words.words[i]
        depth += (word in "([") - (word in ")]" and depth > 0)
        if not depth and word in _PARTING:
            cuts.append(i)
    return cuts


def _hardware(row: Row, first: int, last: int) -> bool:
    """Whether other hardware is listed between two words; "(snare)" or "with a snare" is a tool."""
    return any(
        m.kind == "other_device" and first <= m.first < last and not _tool(row, m) for m in row.parse.nouns
    )


def _tool(row: Row, noun: Mention) -> bool:
    """Whether a noun stands in brackets by itself, or behind a preposition."""
    words, roles = row.parse.words.words, row.parse.roles
    if words[noun.first - 1] == "(" and words[noun.last : noun.last + 1] == [")"]:
        return True
    article = words[noun.first - 1] in ("a", "the")
    return roles.get(noun.first - 1 - article) in ("with", "preposition")


def _no_entry(row: Row, phrase: DevicePhrase) -> str:
    """Why a phrase of a row is no device of it; empty when it is one."""
    cells = row.of("item")
    others = [m for m in row.nouns() if m.kind == "other_device"]
    if cells and row.headed:
        others = [m for m in others if any(cell.first <= m.first < cell.last for cell in cells)]
        if any(m.first < phrase.first for m in others):
            return "other device"  # "Delivery sheath for AVP II"
    if (others or (phrase.plural and phrase.number is None)) and not phrase.product:
        return "other device" if others else "heading"
    if phrase.headless or phrase.none or phrase.head is None or phrase.head.means.head == "weak":
        return "none" if phrase.none else "reference"
    if (
        _hangs(row, phrase)
        and phrase.ordinal is not None
        and not (phrase.product or phrase.sizes or row.fates())
    ):
        return "reference"  # "Leaflet impingement: with first device"
    if _bare_noun(phrase) and not row.fates() and not any(row.answer(cell) for cell in row.cells):
        return "heading"
    behind = [cell for cell in row.cells if cell.first >= phrase.last][:1]
    if phrase.label is not None and not phrase.product and any(row.answer(cell) == "no" for cell in behind):
        return "none"  # "Device 2 .... <none>"
    if row.parse.sentence.form == "record" and _only_kind(row, phrase):
        return "described"
    return ""


def _hangs(row: Row, phrase: DevicePhrase) -> bool:
    """As in "with first and second device": behind a preposition, over what is joined to it."""
    parse, i = row.parse, phrase.first - 1
    while i > parse.first and (
        parse.roles.get(i) == "conjunction" or (i in parse.items and parse.items[i].kind == "count")
    ):
        i -= 1
    return parse.roles.get(i) in ("with", "preposition")


def _bare_noun(phrase: DevicePhrase) -> bool:
    """As in "Device | Site | Sl. No.": a noun that names no article, and no number of them."""
    told = phrase.product or phrase.sizes or phrase.words or phrase.valve
    return not told and phrase.number is None and phrase.label is None and phrase.ordinal is None


def _only_counts(phrase: DevicePhrase) -> bool:
    """As in "2 plugs", "one additional device" in a list: a number of devices, and no article."""
    told = phrase.number or phrase.words & {"another", "more"}
    return bool(told) and not phrase.product and not phrase.sizes and phrase.label is None


def _only_kind(row: Row, phrase: DevicePhrase) -> bool:
    """As in "Device type: AVP II": the kind of all devices; no one of them by size, number or fate."""
    told = phrase.label or phrase.ordinal or phrase.sizes or any(row.told(cell) for cell in row.of("status"))
    cells = [word for cell in row.of("size", "quantity", "lot", "serial") for word in row.words(cell)]
    return not told and not any(c.isdigit() for word in cells for c in word)


def _article(row: Row, phrase: DevicePhrase) -> _Article:
    """What an entry names, with the size and the valve that other cells give."""
    told = [size for cell in row.of("size") for size in _sizes_in(row, cell)]
    others = row.of("quantity", "number", "lot", "serial", "time")
    if any(phrase.first <= cell.first < phrase.last for cell in others):
        phrase.sizes = [size for cell in row.of("item") for size in _sizes_in(row, cell)]  # it ran too far
    size = next(iter(told if row.of("item") else phrase.sizes + told), None) or next(iter(phrase.sizes), None)
    target = row.place()
    head = phrase.head
    return _Article(
        phrase.product,
        size,
        phrase.valve or _valve(row),
        target or (head.means.usual_target if head else None),
        head.rule if head else "count.reference",
    )


def _sizes_in(row: Row, cell: SheetCell) -> list[str]:
    """The sizes of a cell: "8/4", "10 mm", or a number without its unit."""
    sizes = [m for m in row.mentions(cell) if m.kind == "size" and m.means.form == "device"]
    if sizes:
        return [" ".join(row.parse.between(size.first, size.last)) for size in sizes]
    numbers = row.numbers(cell)
    return [f"{numbers[0]} mm"] if len(numbers) == 1 and numbers[0] <= LARGEST_SIZE else []


def _valve(row: Row) -> str | None:
    """The valve a row names, if it is one."""
    valves = {m.means.valve for m in row.mentions() if m.kind in ("valve", "leak") and m.means.valve}
    return valves.pop() if len(valves) == 1 else None


def _cell_text(row: Row, column: str) -> str:
    """The lot or serial number of a row; empty where it is missing or masked."""
    text = " ".join(word for cell in row.of(column) for word in row.parse.between(cell.first, cell.last))
    return text if any(c.isdigit() for c in text) and "*" not in text else ""


def _told_apart(row: Row) -> bool:
    """Whether a row that stands twice tells of two devices: a form filled in for each, without a lot."""
    return row.parse.sentence.form == "record" and not row.of("lot", "serial")


def _new(row: Row, phrase: DevicePhrase, entries: list[DevicePhrase]) -> bool:
    """As in "Device 1 | exchanged for a 10 mm AVP II": a device named beside the one the row is of."""
    names = phrase.product or phrase.sizes or phrase.words & {"another", "more"}
    ours = any(cell.first < phrase.last and phrase.first < cell.last for cell in row.of("item", "size"))
    return bool(names) and not ours and not any(_same_article(entry, phrase) for entry in entries)


def _loose(row: Row, phrase: DevicePhrase, extra: int) -> Loose:
    """A phrase of a row that may be so many devices more."""
    words, section = row.parse.words, row.parse.sentence.section.role
    return Loose(phrase, words.starts[phrase.first], words.ends[phrase.last - 1], section, extra)


def _entries(parse: Parse, phrases: list[DevicePhrase]) -> list[DevicePhrase]:
    """One phrase a device of a row: the same article named twice is one entry."""
    kept: list[DevicePhrase] = []
    for phrase in phrases:
        if phrase.headless and not phrase.none:
            phrase.explanation = "reference"
            continue
        behind = parse.items.get(phrase.last)
        if (
            not phrase.sizes
            and behind is not None
            and behind.kind == "size"
            and behind.means.form == "device"
        ):
            phrase.sizes.append(" ".join(parse.between(behind.first, behind.last)))
        same = next(
            (p for p in kept if _same_article(p, phrase) and not _listed_apart(parse, p, phrase)), None
        )
        if same is None:
            kept.append(phrase)
            continue
        same.product = same.product or phrase.product
        same.sizes = same.sizes or phrase.sizes
        same.number = same.number if same.number is not None else phrase.number
        phrase.explanation = "the same entry"
    return kept


def _sized(mention: Mention | None) -> bool:
    return mention is not None and mention.kind == "size" and mention.means.form == "device"


def _listed_apart(parse: Parse, one: DevicePhrase, other: DevicePhrase) -> bool:
    """As in "AVP II 10 mm and AVP II 10 mm": two entries, where "Name: X  Item: X" is one."""
    gap = parse.between(one.last, other.first)
    return len(gap) <= 4 and bool(set(gap) & {"and", ",", "+", "&", ";"})


def _same_article(one: DevicePhrase, other: DevicePhrase) -> bool:
    """Whether two phrases of a row may name one article: what both tell agrees."""
    if other.plural and _only_counts(other):
        return False  # "10 mm ... total: 2 plugs"
    if one.none or other.none or other.headless or (one.number is not None and other.number is not None):
        return False
    if one.label is not None and other.label is not None and one.label != other.label:
        return False
    if one.product != other.product and one.product is not None and other.product is not None:
        return False
    return not one.sizes or not other.sizes or size_key(one.sizes[0]) == size_key(other.sizes[0])
