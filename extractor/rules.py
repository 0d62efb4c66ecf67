"""Rules as data: load, validate and hand out the files of ``patterns/``.

A pattern file holds rules of one kind. What a rule may *mean* depends on that
kind, so every kind has its own small model here. Nothing clinical is written in
Python: a domain expert changes the YAML and runs ``pvl rules check``.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from extractor.errors import RuleError
from extractor.suggestion import ReasonCode, Route, Valve


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceMeans(_Strict):
    """An occluder: a product, or a word that may stand for any occluder.

    ``head`` says how much the words prove alone: ``product`` names a product,
    ``generic`` is a noun such as "plug", ``weak`` a noun that is an occluder
    only where an action or an earlier device makes it one ("disc", "button").
    """

    product: str | None = None
    head: Literal["product", "generic", "weak"] = "product"
    # A product usually put into another defect: counts at a leak only when the
    # text ties it to one.
    usual_target: str | None = None
    # Sold by one size: "12/10" is no oblong one of it, but two.
    round: bool = False
    # "its twin", "the neighbour": named by another device, and not that one.
    relative: bool = False
    # "PVL device": names the leak as well.
    leak: bool = False
    # May also stand for a valve, a clip or a vascular closure device named before.
    vague: bool = False


class OtherDeviceMeans(_Strict):
    """Hardware that is never an occluder of the leak."""

    role: Literal[
        "vascular_closure", "valve", "balloon", "wire", "sheath", "catheter", "snare",
        "clip", "lead", "filter", "ring", "appendage", "needle", "suture", "imaging",
        "support", "stent", "part", "other",
    ]  # fmt: skip
    # The position a valve product is made for.
    valve: Valve | None = None
    # Sewn in by a surgeon: where it is only named, it was there before.
    surgical: bool = False


class TargetMeans(_Strict):
    """A place other than the leak into which an occluder may go."""

    site: Literal[
        "asd", "vsd", "pfo", "pda", "appendage", "fistula", "pseudoaneurysm",
        "septal_access", "apical_tract", "vessel",
    ]  # fmt: skip
    after: Literal["transapical", "transseptal"] | None = None  # only in a note that names this route


class ValveMeans(_Strict):
    """A valve position; ``prosthesis`` when the words name an artificial valve there.

    ``side`` words ("aortic side") name a place beside a valve, or that valve as a
    heading; ``field`` words open a field that names the treated valve; ``near`` words
    name a place that only this valve has.
    """

    valve: Valve | None = None
    prosthesis: bool = False
    side: Valve | None = None
    near: Valve | None = None
    field: bool = False


class LeakMeans(_Strict):
    """The leak. ``paravalvular`` words prove one, ``leak`` words may refer to one,
    ``closure`` words name its closure, ``central`` words name another kind, and
    ``ring`` words place it at an annuloplasty ring, ``device`` words at another
    kind of implant. A ``leak`` word that is ``common`` stands in reports of any heart:
    it concerns a closure only in a note that also names an occluder.
    """

    term: Literal["paravalvular", "leak", "closure", "central", "ring", "device"]
    valve: Valve | None = None
    # "mitral regurgitation": blood that may also flow through the valve.
    flow: bool = False
    # "defect": a hole anywhere in the heart.
    hole: bool = False
    common: bool = False


class ApproachMeans(_Strict):
    """A word about a route to the leak. ``use`` says what it proves: a route by ``named``
    or a ``step`` of taking it; a ``side`` the leak was crossed from; a ``site`` that is
    a step only with a needle; a ``vessel`` or ``tool`` that suits a route; a ``rail`` or
    a ``snare``, which are none; surgical exposure (``open``). Others say what became of the
    route beside them: ``crossed``, ``tried``, ``failed``, ``barred``, for another ``purpose``
    or, of a vessel, a ``probe``. A ``groin`` may be of the artery or the vein; who ``arrived``
    in the atrium from the ventricle has crossed a mitral leak.
    """

    route: Route | None = None
    use: Literal[
        "named", "step", "side", "site", "vessel", "tool", "rail", "snare", "open",
        "crossed", "tried", "failed", "barred", "purpose", "probe", "groin", "arrived",
    ]  # fmt: skip
    side: Literal[
        "aorta", "ventricle", "atrium", "above", "below", "antegrade", "vein", "artery", "apex",
    ] | None = None  # fmt: skip


class ActionMeans(_Strict):
    """What happens to a device. See ``timeline.py`` for the states."""

    event: Literal[
        "select", "load", "open", "release", "withdraw", "exchange", "embolize",
        "capture", "unused", "waste", "reposition", "remain", "close", "check", "pull", "aside",
    ]  # fmt: skip
    # passive: the words follow the device ("was released"); noun: "release of";
    # verb: active or participle, the argument may be on either side.
    form: Literal["verb", "noun"] = "verb"
    final: bool = False  # says that it stays: no release need be told
    all: bool = False  # happens to every device on a cable: "the cables were unscrewed"
    # Said of occluders only: with an unknown subject it may be a device unaccounted for.
    sure: bool = False
    # May also be said of an attempt or a route: "abandoned".
    undertaking: bool = False


class CueMeans(_Strict):
    """A word that changes the standing of what is near it, and in which direction."""

    cue: Literal[
        "negation", "history", "plan", "possible", "failure", "today", "summary",
        "sequence", "correction", "landmark", "same", "inability", "imaging",
        "cancelled", "simultaneous", "again", "tests", "intent", "instead", "neither", "likewise", "minor",
        "apart", "asked", "succession", "repeat", "turn", "until", "unhandled", "begins",
    ]  # fmt: skip
    reach: Literal["after", "before", "both", "sentence"] = "after"
    beside: bool = False  # of a landmark: what it names is another thing
    ahead: bool = False  # of a landmark in time: what it leads up to had not happened yet
    sure: bool = False  # of a succession: what was there is gone


class CountMeans(_Strict):
    """A number word, an ordinal or a quantifier."""

    number: int | None = None
    ordinal: int | None = None
    word: (
        Literal[
            "article", "another", "both", "all", "all_but", "each", "several", "pair", "none", "nothing",
            "same", "definite", "pronoun", "former", "latter", "remaining", "more",
            "last", "other", "only", "none_more", "additional", "numbered", "times", "possessive",
        ]
        | None
    ) = None  # fmt: skip
    alone: bool = False  # "this was released": may stand for a noun


class GrammarMeans(_Strict):
    """A function word: what bounds and joins noun phrases and clauses."""

    role: Literal[
        "be", "preposition", "conjunction", "modal", "adverb", "relative", "with",
        "exchange", "of", "subject", "adjective", "clause", "verb",
    ]  # fmt: skip


class SizeMeans(_Strict):
    """A size, found by regular expression with the groups the grammar reads."""

    form: Literal["device", "devices", "other_unit", "clock", "date", "time", "label"]


class SectionMeans(_Strict):
    """What part of a note a header opens."""

    role: Literal[
        "title", "history", "plan", "findings", "description", "implants", "log",
        "summary", "addendum", "copied", "particulars", "equipment", "letterhead",
        "other",
    ]  # fmt: skip


class DocumentMeans(_Strict):
    """What kind of document the words show."""

    document: Literal[
        "procedure", "discharge", "echo", "clinic", "consult", "imaging", "cancelled", "surgical"
    ]


class TableMeans(_Strict):
    """A word of a supply table or log: a column name or the fate of a row.

    ``number`` columns hold a running number or a quantity: their values tell.
    ``record`` words name the device that a block of ``key: value`` lines tells of,
    ``total`` words the field of a form that counts devices, ``answer`` words say
    yes or no to a column that asks for a fate. A fate that is ``alone`` counts only
    between marks ("tried, out"); one that ``reverses`` takes back an earlier row.
    ``target`` words are places beside which no leak or valve is named.
    """

    column: (
        Literal["item", "quantity", "number", "status", "size", "site", "lot", "serial", "time", "comment"]
        | None
    ) = None
    fate: Literal["implanted", "removed", "unused", "other"] | None = None
    record: bool = False
    total: bool = False
    alone: bool = False
    reverses: bool = False
    answer: Literal["yes", "no"] | None = None
    target: Literal["septal_access", "apical_tract", "appendage"] | None = None


class SessionMeans(_Strict):
    """Something else done in the same session that a person must weigh."""

    event: Literal["valve_implant", "clip_implant", "surgical_closure", "aborted"]
    titled: bool = False  # done today only where an entry of the list of procedures begins with it


class ServiceMeans(_Strict):
    """A service beside the closure, or what is said of one.

    ``parts`` are what the words name, as the services of the file are made of. A ``weak``
    one is an examination by itself, and the service where the session has begun or a word
    beside it ``guides``. Others say that it was not done (``undone``) or at another time
    (``another_day``), are no service though they hold the words of one (``other``), or name
    its ``performer``.
    """

    parts: tuple[str, ...] = ()
    weak: bool = False
    capitals: bool = False  # "ICE", not "ice"
    says: Literal["guides", "undone", "another_day", "other"] | None = None
    leads: bool = False  # says it only of what follows
    performer: Literal["operator", "echo", "anesthesia", "named"] | None = None


class ModifierMeans(_Strict):
    """A word that speaks for a modifier, or takes such a word back.

    Who was there: a ``co_surgeon``; the labels ``operator``, ``assistant`` and ``other_label``
    before names; the discipline of ``surgery`` or ``cardiology``; a ``physician``, a
    ``non_physician`` who may assist, a ``trainee``, other ``staff``, one who stood ``aside``,
    ``nobody``, and that there was ``no_resident``. What was done: ``work``, the case
    ``discontinued``, with ``anesthesia`` or ``before_anesthesia``, ``greater_work``. Of a
    diagnostic study: ``no_prior_study``, of that ``study`` or of any, or ``changed`` since.
    """

    sign: Literal[
        "co_surgeon", "operator", "assistant", "other_label", "surgery", "cardiology", "physician",
        "non_physician", "trainee", "staff", "aside", "nobody", "no_resident", "work", "discontinued",
        "anesthesia", "before_anesthesia", "greater_work", "no_prior_study", "changed",
    ]  # fmt: skip
    study: Literal["coronary", "right_heart", "left_heart"] | None = None
    surgeon: bool = False  # of a label of operators: "Surgeon:"


class DiagnosisMeans(_Strict):
    """A finding with a diagnosis code, what specifies it, or what takes it back.

    ``heart_failure`` and ``hemolysis`` are findings, ``mechanical`` names one with its cause,
    ``biological`` and ``graft`` say what a prosthesis is of; ``kind`` and ``acuity`` specify a
    heart failure, ``link`` words may stand between. ``symptom`` words tell of signs of a finding;
    ``uncertain``, ``resolved``, ``family`` and ``denied`` words leave nothing to code, ``past``
    words tell of another time; ``aside`` words are those of something else ("heart failure clinic").
    """

    sign: Literal[
        "heart_failure", "hemolysis", "mechanical", "biological", "graft", "kind", "acuity", "link",
        "symptom", "uncertain", "resolved", "family", "denied", "past", "aside",
    ]  # fmt: skip
    kind: Literal["systolic", "diastolic", "combined", "right", "left", "both", "high_output"] | None = None
    acuity: Literal["acute", "chronic", "acute_on_chronic"] | None = None
    # Whether what it is said of stands after it, before it ("hemolysis was ruled out") or on either side.
    reach: Literal["after", "before", "both"] = "after"
    list: bool = False  # reaches over all that is listed behind it: "risks including ..."


MEANS: dict[str, type[_Strict]] = {
    "device": DeviceMeans,
    "other_device": OtherDeviceMeans,
    "target": TargetMeans,
    "valve": ValveMeans,
    "leak": LeakMeans,
    "approach": ApproachMeans,
    "action": ActionMeans,
    "cue": CueMeans,
    "count": CountMeans,
    "size": SizeMeans,
    "grammar": GrammarMeans,
    "section": SectionMeans,
    "document": DocumentMeans,
    "table": TableMeans,
    "session": SessionMeans,
    "service": ServiceMeans,
    "modifier": ModifierMeans,
    "diagnosis": DiagnosisMeans,
}


class Examples(_Strict):
    """Sentences that prove a rule: ``[...]`` marks what it must match."""

    match: tuple[str, ...] = Field(min_length=1)
    not_match: tuple[str, ...] = ()


def _text(value: Any) -> str:
    # YAML reads an unquoted 2 or yes as a number or a boolean; phrases are words.
    if isinstance(value, bool):
        raise ValueError("YAML read this word as true/false: put it in quotes")
    return str(value)


Phrase = Annotated[str, BeforeValidator(_text)]


class Rule(_Strict):
    """One rule of a pattern file.

    ``phrases`` match word for word whatever the case, hyphens or line breaks,
    with alternatives in angle brackets: ``<para|peri>valvular <leak|>``;
    ``plurals`` likewise, and mark the mention as plural; ``tokens`` are spaCy
    Matcher patterns; ``regex`` runs on the lower-cased text.
    """

    id: str = Field(pattern=r"^[a-z_]+(\.[a-z0-9_]+)+$")
    kind: str
    means: Any
    phrases: tuple[Phrase, ...] = ()
    plurals: tuple[Phrase, ...] = ()
    tokens: tuple[list[dict[str, Any]], ...] = ()
    regex: str | None = None
    examples: Examples
    source: str
    note: str = ""

    @model_validator(mode="after")
    def _matches_something(self) -> Rule:
        if not (self.phrases or self.plurals or self.tokens or self.regex):
            raise ValueError("needs phrases, plurals, tokens or regex")
        if self.regex is not None:
            re.compile(self.regex)
        return self


_ALTERNATIVES = re.compile(r"<([^<>]*)>")


def spellings(phrases: tuple[str, ...]) -> list[str]:
    """Every spelling that phrases with alternatives stand for, each once.

    Examples
    --------
    >>> spellings(("<para|peri>valvular <leak|>",))
    ['paravalvular leak', 'paravalvular', 'perivalvular leak', 'perivalvular']
    """
    out: dict[str, None] = {}
    for phrase in phrases:
        parts = _ALTERNATIVES.split(phrase)
        choices = [[part] if i % 2 == 0 else part.split("|") for i, part in enumerate(parts)]
        for words in product(*choices):
            out[" ".join("".join(words).split())] = None
    return list(out)


class CodingRule(_Strict):
    """One coding rule: a code, our own short role name, and the rule's source."""

    id: str
    code: str
    role: str
    statement: str
    source: str


_BRACED = re.compile(r"\{([^{}]*)\}")


def _filled(*names: str) -> AfterValidator:
    """Validates a text in which only these names stand in braces."""
    return AfterValidator(lambda text: _check_filled(text, names))


def _check_filled(text: str, names: tuple[str, ...]) -> str:
    """The text; an error where another name than these stands in braces."""
    for name in _BRACED.findall(text):
        if name not in names:
            filled = ", ".join(f"{{{known}}}" for known in names) or "none"
            raise ValueError(f"nothing fills {{{name}}} here; known: {filled}")
    return text


Plain = Annotated[str, _filled()]
Counted = Annotated[str, _filled("count")]


class QueryForm(_Strict):
    """The words that all queries to the physician share."""

    id: Literal["query.form"]
    intro: Plain
    quote: Annotated[str, _filled("words", "section", "line")]
    option: Annotated[str, _filled("choice")]
    other: Plain
    unable: Plain
    none: Plain
    one: Plain
    many: Counted
    more: Counted
    sized: Annotated[str, _filled("size", "product")]
    unsized: Annotated[str, _filled("product")]
    unsized_many: Annotated[str, _filled("count", "product")]
    unnamed: Annotated[str, _filled("size")]
    nameless: Plain
    nameless_many: Counted
    repeated: Annotated[str, _filled("device", "count")]
    prosthesis: Annotated[str, _filled("valve")]
    both: Annotated[str, _filled("first", "second")]
    shared: Annotated[str, _filled("valve", "device")]
    one_device: Plain
    devices: Counted
    heading: Plain
    note_line: Annotated[str, _filled("note")]
    remark: Plain
    sections: dict[str, str]
    avoid: tuple[Phrase, ...]
    leading: tuple[Phrase, ...] = ()
    source: str


class QueryRule(_Strict):
    """The question to a physician in one situation; ``answer`` is the field of an open question."""

    id: Literal[
        "query.devices.parts", "query.devices.range", "query.devices.failed", "query.devices.elsewhere",
        "query.devices.division", "query.devices.unstated", "query.valve.unstated", "query.valve.parts",
    ]  # fmt: skip
    reason: ReasonCode
    when: str
    ask: Plain
    answer: Plain
    source: str


class ServiceRule(_Strict):
    """A service that a note may document beside the closure: never a line of the claim.

    It is documented where all parts it is made ``of`` are; of several the first takes
    them. ``rules`` of other files name it too, and so does a device left in one of the
    ``targets``. ``message`` says what the documentation would have to say, ``performers``
    what it means who did it.
    """

    id: str
    name: str
    of: tuple[str, ...] = Field(min_length=1)
    codes: tuple[str, ...] = Field(min_length=1)
    message: Plain
    performers: dict[Literal["operator", "echo", "anesthesia", "named", "unstated"], Plain] = {}
    rules: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    source: str


# 50 (both sides) and 51 (several procedures) have no place on these codes, so no advice gives them.
_MODIFIER = "22|53|59|62|73|74|80|82|AS|XU"
_DIAGNOSIS = r"[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4}-?)?"


class Advice(_Strict):
    """What a coder is told of a modifier or a diagnosis code; a person decides.

    ``says`` puts an indicator of the fee schedule into words; ``codes`` are those that
    the note may specify, each by the words that do.
    """

    id: str = Field(pattern=r"^advice(\.[a-z0-9_]+)+$")
    gives: str = Field(pattern=rf"^(?:{_MODIFIER}|{_DIAGNOSIS})$")
    question: bool = False
    message: Annotated[str, _filled("indicators", "edition", "code", "specified")]
    indicator: Literal["co_surg", "asst_surg"] | None = None
    says: dict[str, str] = {}
    codes: dict[str, Annotated[str, Field(pattern=rf"^{_DIAGNOSIS}$")]] = {}
    studies: dict[str, tuple[str, ...]] = {}
    source: str


class ChangeForm(_Strict):
    """The words that all sentences on what would change the answer share."""

    id: Literal["change.form"]
    sentence: Annotated[str, _filled("condition", "result")]
    place: Annotated[str, _filled("line", "words")]
    quote: Annotated[str, _filled("line", "words")]
    device: Annotated[str, _filled("number", "name", "place")]
    unnamed: Annotated[str, _filled("number", "place")]
    none: Plain
    alone: Annotated[str, _filled("codes")]
    code: Annotated[str, _filled("code", "units")]
    instead: Annotated[str, _filled("code", "units", "before")]
    swapped: Annotated[str, _filled("code", "before")]
    added: Annotated[str, _filled("codes")]
    dropped: Annotated[str, _filled("code")]
    parts: dict[str, str]
    no_device: Plain
    one_device: Plain
    devices: Counted
    source: str


# The situations in which an answer is asked for, and what fills their sentences beside {place} and {quote}.
_OF_CHANGES = {
    "claim": ("part", "devices"), "number": ("devices",), "stayed": ("device",), "gone": ("device",),
    "lost": ("device",), "same": ("device", "other"), "further": (), "session": ("device",),
    "at_leak": ("device",), "left": (), "left_at": ("valve",), "none_left": (), "valve": ("valve",),
    "both": ("valve",), "all_at": ("valve",), "prosthesis": ("valve",), "report": (), "puncture": (),
    "route": ("valve", "route"), "no_route": ("valve", "route"),
}  # fmt: skip


class ChangeRule(_Strict):
    """How a sentence on what would change the answer begins, in one situation."""

    id: str
    when: str
    condition: str
    source: str

    @model_validator(mode="after")
    def _can_be_filled(self) -> ChangeRule:
        situation = self.id.removeprefix("change.")
        if situation not in _OF_CHANGES:
            raise ValueError(f"unknown id; use one of: {', '.join(f'change.{s}' for s in _OF_CHANGES)}")
        _check_filled(self.condition, ("place", "quote", *_OF_CHANGES[situation]))
        return self


class RuleBook(_Strict):
    """All rules, in file order, with a version that is a hash of their content."""

    rules: tuple[Rule, ...]
    coding: dict[str, CodingRule]
    version: str
    form: QueryForm | None = None  # without it no queries are drafted
    queries: dict[str, QueryRule] = {}
    services: tuple[ServiceRule, ...] = ()  # in file order
    advice: dict[str, Advice] = {}
    change_form: ChangeForm | None = None  # without it no changes are told
    changes: dict[str, ChangeRule] = {}

    def __hash__(self) -> int:
        return hash(self.version)

    def kind(self, kind: str) -> tuple[Rule, ...]:
        """Rules of one kind, in file order."""
        return tuple(rule for rule in self.rules if rule.kind == kind)


# Files that match no words of a note, by kind: the model of their form, if they have one, and of their rules.
_TEMPLATES: dict[str, tuple[type[_Strict] | None, type[_Strict]]] = {
    "coding": (None, CodingRule),
    "query": (QueryForm, QueryRule),
    "change": (ChangeForm, ChangeRule),
}


def patterns_dir() -> Path:
    """Folder of the shipped pattern files: inside the wheel, or beside the package."""
    inside = Path(__file__).parent / "patterns"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "patterns"


def load_rules(folder: Path | None = None) -> RuleBook:
    """Read and validate every ``*.yaml`` of a pattern folder.

    Parameters
    ----------
    folder
        Folder of pattern files; the shipped ones by default.

    Raises
    ------
    RuleError
        Naming file, rule and field of the first thing that is wrong.

    Examples
    --------
    >>> book = load_rules()
    >>> any(rule.id == "device.avp2" for rule in book.rules)
    True
    """
    return _load(folder or patterns_dir())


@lru_cache(maxsize=4)
def _load(folder: Path) -> RuleBook:
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise RuleError(
            "R001", str(folder), "no pattern files (*.yaml) here", "name a folder of pattern files"
        )
    digest = hashlib.sha256()
    rules: list[Rule] = []
    services: list[ServiceRule] = []
    advice: dict[str, Advice] = {}
    words: dict[str, dict[str, Any]] = {kind: {} for kind in _TEMPLATES}
    seen: dict[str, str] = {}
    for path in files:
        raw = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + raw.replace(b"\r\n", b"\n") + b"\0")
        data = _parse(path, raw)
        kind = data.get("kind")
        if not all(isinstance(item, dict) for item in data["rules"]):
            raise RuleError("R003", path.name, "a rule must be a mapping", "see any other rule of the file")
        if kind in _TEMPLATES:
            for item in data["rules"]:
                rule_id = str(item.get("id", "?"))
                _unique(seen, rule_id, path.name)
                form, other = _TEMPLATES[kind]
                model = form if form is not None and rule_id == f"{kind}.form" else other
                words[kind][rule_id] = _validate(model, item, path.name, rule_id)
            continue
        if kind not in MEANS:
            known = ", ".join([*MEANS, *_TEMPLATES])
            raise RuleError("R002", path.name, f"unknown kind {kind!r}", f"use one of: {known}")
        for item in data.get("services", ()):
            rule_id = str(item.get("id", "?"))
            services.append(_validate(ServiceRule, item, path.name, rule_id))
            _unique(seen, rule_id, path.name)
        advice |= _advice(data, path.name, seen)
        for item in data["rules"]:
            rule_id = str(item.get("id", "?"))
            means = _validate(MEANS[kind], item.get("means", {}), path.name, rule_id, "means.")
            rules.append(_validate(Rule, {**item, "kind": kind, "means": means}, path.name, rule_id))
            _unique(seen, rule_id, path.name)
    version = digest.hexdigest()[:12]
    return RuleBook(
        rules=tuple(rules),
        services=tuple(services),
        advice=advice,
        version=version,
        form=words["query"].pop("query.form", None),
        change_form=words["change"].pop("change.form", None),
        coding=words["coding"],
        queries=words["query"],
        changes=words["change"],
    )


def _advice(data: dict[str, Any], file: str, seen: dict[str, str]) -> dict[str, Advice]:
    """What the file has to say to a coder beside its rules."""
    found: dict[str, Advice] = {}
    items = data.get("advice", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RuleError(
            "R003", file, "a piece of advice must be a mapping", "see any other advice of the file"
        )
    for item in items:
        advice_id = str(item.get("id", "?"))
        _unique(seen, advice_id, file)
        found[advice_id] = _validate(Advice, item, file, advice_id)
    return found


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(raw, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}" if mark else path.name
        raise RuleError("R004", where, "not valid YAML", "check quotes and indentation here") from None
    if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
        raise RuleError("R005", path.name, "needs 'kind:' and a list 'rules:'", "see any other pattern file")
    return data


def _validate(model: type[Any], data: Any, file: str, rule_id: str, prefix: str = "") -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = prefix + ".".join(str(part) for part in first["loc"])
        raise RuleError(
            "R006", f"{file}, rule {rule_id}, field {field or 'rule'}", first["msg"], "correct the field"
        ) from None


def _unique(seen: dict[str, str], rule_id: str, file: str) -> None:
    if rule_id in seen:
        raise RuleError(
            "R007", f"{file}, rule {rule_id}", f"id already used in {seen[rule_id]}", "choose another id"
        )
    seen[rule_id] = file
