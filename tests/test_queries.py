"""Queries: what may be asked of a physician, in which words, and with which words of the note."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from extractor.cli import app
from extractor.coder import Coder
from extractor.errors import RuleError
from extractor.evaluate import Labelled
from extractor.queries import fill
from extractor.rules import load_rules, patterns_dir
from extractor.suggestion import Suggestion

ASKED = {"device_count_conflict", "device_count_unstated", "valve_unstated", "valve_conflict"}
FORBIDDEN = re.compile(
    r"\b9\d{4}\b|\$|bill|reimburs|payment|payer|\bunits?\b|\bcpt\b|\bcod(?:e|es|ed|ing)\b", re.I
)
LEADING = (
    "please confirm", "do you agree", "isn't it", "should be", "should have", "we believe", "it appears",
    "it seems", "clearly", "obviously", "as expected", "would you document", "please document that",
    "please add", "please change", "please correct", "in order to", "so that",
)  # fmt: skip
QUOTE = re.compile(
    r"^- “(?P<words>.*)” \((?P<section>[^()]*(?:\([^()]*\)[^()]*)*), line (?P<line>\d+)\)$", re.M
)
CONFLICT = (
    "PROCEDURE: Transcatheter closure of mitral paravalvular leak\n\n"
    "DESCRIPTION:\nA 12 mm AVP II was deployed and released. An 8 mm AVP II was deployed and released.\n\n"
    "IMPRESSION:\nClosure with three plugs.\n"
)


def one_line(text: str) -> str:
    return " ".join(text.split())


def options(query: str) -> list[str]:
    return re.findall(r"^\[ \] (.*)$", query, re.M)


def own_words(query: str) -> str:
    """A query without what it quotes."""
    return QUOTE.sub("", query)


@pytest.fixture(scope="module")
def drafted(coder: Coder, gold: list[Labelled]) -> list[tuple[str, Suggestion]]:
    """The text and the suggestion of every labelled note in review, also in capitals."""
    texts = [item.note.text for item in gold]
    texts += [text.upper() for text in texts[::5] if len(text.upper()) == len(text)]
    found = zip(texts, coder.pipe(texts), strict=True)
    return [(text, suggestion) for text, suggestion in found if suggestion.status == "review"]


def queries(drafted: list[tuple[str, Suggestion]]) -> Iterator[tuple[str, str]]:
    for text, suggestion in drafted:
        for query in suggestion.queries:
            yield text, query.text


def test_queries_are_drafted_for_every_reason_a_physician_can_clear_up(
    drafted: list[tuple[str, Suggestion]],
) -> None:
    told: Counter[str] = Counter()
    for _, suggestion in drafted:
        reasons = [reason.code for reason in suggestion.reasons if reason.code in ASKED]
        assert [query.reason for query in suggestion.queries] == reasons
        told.update(reasons)
    assert min(told[code] for code in ASKED) >= 10
    assert told["device_count_conflict"] >= 190


def test_queries_never_mention_money_or_codes(drafted: list[tuple[str, Suggestion]]) -> None:
    assert [query for _, query in queries(drafted) if FORBIDDEN.search(query)] == []


def test_queries_never_tell_what_would_change_the_answer(drafted: list[tuple[str, Suggestion]]) -> None:
    asked = [suggestion for _, suggestion in drafted if suggestion.queries]
    assert all(suggestion.changes for suggestion in asked)
    for suggestion in asked:
        for query in suggestion.queries:
            assert not [change for change in suggestion.changes if change.answer in query.text]
            assert not re.search(
                r"\bif (?:device|the|“|\d)|stayed in\b|one device more", own_words(query.text), re.I
            )


def test_queries_do_not_lead(drafted: list[tuple[str, Suggestion]]) -> None:
    for _, query in queries(drafted):
        words = own_words(query).lower()
        assert not [phrase for phrase in LEADING if phrase in words]


def test_queries_quote_words_that_stand_where_they_say(drafted: list[tuple[str, Suggestion]]) -> None:
    for text, query in queries(drafted):
        lines = re.split(r"\r\n|\r|\n", text)
        quotes = list(QUOTE.finditer(query))
        assert 1 <= len(quotes) == query.count("\n- “") <= 10
        numbers = [int(quote["line"]) for quote in quotes]
        assert numbers == sorted(numbers)
        for quote, number in zip(quotes, numbers, strict=True):
            words = quote["words"].removeprefix("… ").removesuffix(" …")
            assert words.split()[0] in lines[number - 1]
            assert words in one_line("\n".join(lines[number - 1 :]))
            assert quote["section"].strip()


def test_queries_offer_what_is_supported_and_leave_the_rest_open(
    drafted: list[tuple[str, Suggestion]],
) -> None:
    opened = 0
    for _, query in queries(drafted):
        offered = options(query)
        assert offered[-2:] == ["Other: ____", "Unable to determine"]
        assert len(set(offered)) == len(offered)
        if len(offered) == 3:
            opened += 1
            assert offered[0].endswith(": ____")
        assert len(offered) != 2
        assert all(choice[0].isdigit() or choice[0].isupper() for choice in offered)
    assert opened >= 50


def test_queries_offer_the_devices_of_each_part(coder: Coder) -> None:
    (query,) = coder.suggest(CONFLICT).queries
    assert query.text == (
        "The record of this procedure states:\n"
        "- “A 12 mm AVP II was deployed and released.” (DESCRIPTION, line 4)\n"
        "- “An 8 mm AVP II was deployed and released.” (DESCRIPTION, line 4)\n"
        "- “Closure with three plugs.” (IMPRESSION, line 7)\n"
        "\n"
        "Based on your clinical judgment, please clarify which occlusion device(s), if any, remained "
        "implanted at the paravalvular leak(s) at the end of this procedure, with product and size:\n"
        "[ ] 12 mm Amplatzer Vascular Plug II and 8 mm Amplatzer Vascular Plug II\n"
        "[ ] 3 occlusion devices; product and size of each: ____\n"
        "[ ] Other: ____\n"
        "[ ] Unable to determine"
    )


def test_queries_tell_the_devices_of_a_table(coder: Coder) -> None:
    note = (
        "Mitral paravalvular leak closure.\n"
        "DESCRIPTION: A 10 mm AVP II was deployed and released. An 8 mm AVP II was recaptured and removed.\n"
        "IMPLANTS:\nAVP II 10 mm implanted\nAVP II 8 mm implanted\n"
    )
    (query,) = coder.suggest(note).queries
    assert options(query.text)[:-2] == [
        "10 mm Amplatzer Vascular Plug II",
        "10 mm Amplatzer Vascular Plug II and 8 mm Amplatzer Vascular Plug II",
    ]


def test_queries_quote_what_speaks_for_either_answer(coder: Coder, gold: list[Labelled]) -> None:
    """The count leaves a plug in that two sentences tell of as withdrawn: they are quoted as well."""
    (text,) = (item.note.text for item in gold if item.note.note_id == "trsc-012")
    (query,) = coder.suggest(text).queries
    assert {"No occlusion device remained implanted", "6 mm Amplatzer Vascular Plug 4"} <= {
        *options(query.text)
    }
    assert "The Plug 4 was withdrawn" in query.text


def test_queries_quote_nothing_that_has_no_place_in_them(coder: Coder) -> None:
    note = (
        "Mitral paravalvular leak closure, CPT 93590.\n"
        "Heparin 9000 units were given, and a 12 mm AVP II was deployed and released, billed at $4,000.\n"
        "IMPRESSION: closure with two plugs, 93590 and 93592."
    )
    (query,) = coder.suggest(note).queries
    assert not FORBIDDEN.search(query.text)
    assert "“… were given, and a 12 mm AVP II was deployed and released …” (text, line 2)" in query.text
    assert "“closure with two plugs …” (IMPRESSION, line 3)" in query.text


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        (
            "no_device_implanted",
            "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and recaptured.",
        ),
        ("other_valve", "Tricuspid paravalvular leak closure. A 12 mm AVP II was deployed and released."),
    ],
)
def test_queries_ask_nothing_where_only_the_coder_decides(coder: Coder, reason: str, note: str) -> None:
    suggestion = coder.suggest(note)
    assert [found.code for found in suggestion.reasons] == [reason]
    assert suggestion.queries == ()


def test_queries_of_a_note_that_needs_none_are_empty(coder: Coder) -> None:
    suggestion = coder.suggest("Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released.")
    assert (suggestion.status, suggestion.queries) == ("ready", ())


def test_queries_are_the_same_each_time(gold: list[Labelled], coder: Coder) -> None:
    other = Coder()
    for item in gold[::25]:
        assert other.suggest(item.note.text).queries == coder.suggest(item.note.text).queries


def test_queries_take_braces_and_markup_of_a_note_as_words(coder: Coder) -> None:
    odd = "A {words} 12 mm AVP II {0} was deployed and released <b>%s</b> {line}."
    note = CONFLICT.replace("A 12 mm AVP II was deployed and released.", odd)
    texts = [query.text for query in coder.suggest(note).queries]
    assert any(f"- “{odd}” (DESCRIPTION, line 4)" in text for text in texts)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_queries_count_lines_whatever_ends_them(coder: Coder, end: str) -> None:
    (query,) = coder.suggest(CONFLICT.replace("\n", end)).queries
    assert [quote["line"] for quote in QUOTE.finditer(query.text)] == ["4", "4", "7"]


def test_queries_quote_in_capitals_as_the_note_does(coder: Coder) -> None:
    (query,) = coder.suggest(CONFLICT.upper()).queries
    assert "“A 12 MM AVP II WAS DEPLOYED AND RELEASED.” (DESCRIPTION, line 4)" in query.text
    assert options(query.text)[0] == "12 mm Amplatzer Vascular Plug II and 8 mm Amplatzer Vascular Plug II"


def test_queries_fill_reads_no_field_in_what_it_fills_in() -> None:
    assert fill("{size} {product}", size="{product}", product="plug") == "{product} plug"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("{section}, line {line}", "{section}, row {row}", "row"),
        ("id: query.valve.parts", "id: query.valve.unheard", "id"),
        ("reason: valve_conflict", "reason: valve_unclear", "reason"),
    ],
)
def test_queries_file_that_cannot_be_used_is_named(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    text = (patterns_dir() / "queries.yaml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "queries.yaml").write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(RuleError, match=r"\[R006\] queries\.yaml, rule query\.") as error:
        load_rules(tmp_path)
    assert problem in str(error.value)


def test_queries_are_none_without_templates() -> None:
    book = load_rules().model_copy(update={"form": None, "queries": {}})
    suggestion = Coder(book).suggest(CONFLICT)
    assert (suggestion.status, suggestion.queries) == ("review", ())


# -- files -------------------------------------------------------------------------


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Two notes with a query, one with a review that asks nothing, one ready."""
    given = {
        "a": CONFLICT,
        "../a": CONFLICT,
        "con": "Mitral paravalvular leak closure. Several plugs were deployed and released.",
        "tricuspid": "Tricuspid paravalvular leak closure. A 12 mm AVP II was deployed and released.",
        "ready": "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released.",
    }
    path = tmp_path / "notes.jsonl"
    path.write_text(
        "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in given.items()), encoding="utf-8"
    )
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["query", *map(str, arguments)])


def test_queries_command_writes_a_file_for_each_note_with_a_query(notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "drafts"
    result = run(notes, "--out", out)
    assert result.exit_code == 0
    assert result.output == "3 drafts written; 1 of 4 in review ask nothing of a physician\n"
    names = sorted(path.name for path in out.iterdir())
    assert [re.sub(r"-[0-9a-f]{12}", "-#", name) for name in names] == ["___a-#.txt", "a.txt", "con-#.txt"]
    text = (out / "a.txt").read_text(encoding="utf-8")
    assert text.startswith("Draft query to the physician\nNote: a\n")
    assert Coder().suggest(CONFLICT).queries[0].text in text


def test_queries_command_writes_word_documents(notes: Path, tmp_path: Path) -> None:
    from docx import Document

    contents = []
    for folder in ("one", "two"):
        assert run(notes, "--out", tmp_path / folder, "--format", "docx").exit_code == 0
        contents.append((tmp_path / folder / "a.docx").read_bytes())
    assert contents[0] == contents[1]
    written = [paragraph.text for paragraph in Document(str(tmp_path / "one" / "a.docx")).paragraphs]
    assert written[-1] == "[ ] Unable to determine"
    assert "- “Closure with three plugs.” (IMPRESSION, line 7)" in written


def test_queries_command_replaces_nothing_unless_told_to(notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "drafts"
    out.mkdir()
    (out / "a.txt").write_text("corrected by hand", encoding="utf-8")
    (out / "other.txt").write_text("not ours", encoding="utf-8")
    refused = run(notes, "--out", out)
    assert refused.exit_code == 1
    assert "[O001]" in refused.output
    assert "2 drafts written; 1 of 4 in review" in refused.output
    assert (out / "a.txt").read_text(encoding="utf-8") == "corrected by hand"
    assert run(notes, "--out", out, "--force").exit_code == 0
    assert "Unable to determine" in (out / "a.txt").read_text(encoding="utf-8")
    assert (out / "other.txt").read_text(encoding="utf-8") == "not ours"
    assert len(list(out.iterdir())) == 4


def test_queries_command_wants_a_folder_it_can_make(notes: Path, tmp_path: Path) -> None:
    assert run(notes, "--out", notes).exit_code == 2
    assert run(notes, "--out", tmp_path / "no" / "such").exit_code == 2


def test_queries_file_holds_no_control_characters(tmp_path: Path) -> None:
    note = tmp_path / "odd.txt"
    note.write_text(CONFLICT.replace("was deployed", "\x1b[31mwas\x0bdeployed", 1), encoding="utf-8")
    for kind in ("txt", "docx"):
        result = run(note, "--out", tmp_path / kind, "--format", kind)
        assert (result.exit_code, "1 draft written" in result.output) == (0, True)
    assert "\x1b" not in (tmp_path / "txt" / "odd.txt").read_text(encoding="utf-8")


def test_queries_stand_in_the_explanation(tmp_path: Path) -> None:
    note, page = tmp_path / "a.txt", tmp_path / "a.html"
    note.write_text(CONFLICT, encoding="utf-8")
    shown = CliRunner().invoke(app, ["explain", str(note)]).output
    assert CliRunner().invoke(app, ["explain", str(note), "--html", str(page)]).exit_code == 0
    for output in (shown, page.read_text(encoding="utf-8")):
        assert "Draft queries to the physician" in output
        assert "[ ] Unable to determine" in output
