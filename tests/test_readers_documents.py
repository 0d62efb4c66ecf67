"""Documents: the same note as text, RTF, Word, PDF or HTML says the same, or costs an error."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extractor.errors import InputError
from extractor.readers import Note, read
from extractor.readers.document import document_text, kind_of

if TYPE_CHECKING:
    from extractor.coder import Coder

DEMO = Path(__file__).parent.parent / "sample_notes" / "demo"
SECRET = "Zebrafish"
TABLE_NOTE = """\
PROCEDURE: Transcatheter closure of mitral paravalvular leak

DESCRIPTION OF PROCEDURE:
Transseptal puncture. Two plugs were deployed across the medial leak and released.
A third one, 8 mm, was recaptured.

IMPLANT LOG:
Device\tSize\tLot\tOutcome
Amplatzer Vascular Plug II\t12 mm\t4711\timplanted
Amplatzer Vascular Plug II\t10 mm\t4712\timplanted
Amplatzer Vascular Plug II\t8 mm\t4713\twasted

IMPRESSION: Successful closure with two plugs.
"""
NOTES = {
    "table": TABLE_NOTE,
    **{
        name: (DEMO / f"{name}.txt").read_text(encoding="utf-8")
        for name in ("acad-027", "adv-027", "ehr-017", "eur-012", "eur-016", "log-015", "log-023", "log-029")
    },
}


# -- writers ------------------------------------------------------------------------


def blocks(text: str) -> Iterator[tuple[bool, list[list[str]]]]:
    """Paragraphs and tables of a note: whether it is a table, and the cells of its lines."""

    def cells(line: str) -> list[str]:
        return [cell.strip() for cell in re.split(r"\t|\s*\|\s*| {3,}", line.strip())]

    for is_table, lines in groupby(text.rstrip("\n").split("\n"), lambda line: len(cells(line)) > 2):
        yield is_table, [cells(line) if is_table else [line] for line in lines]


def rtf_escaped(text: str) -> str:
    out = ""
    for char in text:
        if char in "\\{}":
            out += "\\" + char
        elif char == "\t":
            out += "\\tab "
        elif ord(char) < 128:
            out += char
        else:
            out += f"\\u{ord(char)}?"
    return out


def rtf(text: str) -> bytes:
    out = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}{\*\generator Writer;}" + "\n"
    for is_table, rows in blocks(text):
        for cells in rows:
            if is_table:
                marks = "".join(f"\\cellx{1000 * n + 1000}" for n in range(len(cells)))
                row = "".join(f"{rtf_escaped(cell)}\\cell " for cell in cells)
                out += f"\\trowd{marks}\\pard\\intbl {row}\\row\\pard\n"
            else:
                out += rtf_escaped(cells[0]) + "\\par\n"
    return (out + "}").encode()


def docx(text: str) -> bytes:
    from docx import Document

    document = Document()
    for is_table, rows in blocks(text):
        if is_table:
            table = document.add_table(0, max(map(len, rows)))
            for cells in rows:
                row = table.add_row()
                for n, cell in enumerate(cells):
                    row.cells[n].text = cell
        else:
            for (line,) in rows:
                document.add_paragraph(line)
    return saved(document)


def saved(document: Any) -> bytes:
    data = io.BytesIO()
    document.save(data)
    return data.getvalue()


def html(text: str) -> bytes:
    out = "<!DOCTYPE html><html><head><title>Note</title><style>td{color:red}</style></head><body>\n"
    for is_table, rows in blocks(text):
        for n, cells in enumerate(rows):
            if is_table:
                out += (
                    "<table>" * (n == 0)
                    + "<tr>"
                    + "".join(f"<td> {escape(c)}\n</td>" for c in cells)
                    + "</tr>\n"
                )
            else:
                out += f"<div>{escape(cells[0]) or '<br>'}</div>\n"
        out += "</table>\n" * is_table
    return (out + "</body></html>").encode()


def pdf(text: str, lines_per_page: int = 60) -> bytes:
    """Lines of a fixed width, as a system prints them; cells stand in columns."""
    lines: list[str] = []
    for is_table, rows in blocks(text):
        if is_table:
            most = max(map(len, rows))
            wide = [max(len(row[n]) if n < len(row) else 0 for row in rows) + 3 for n in range(most)]
            lines += ["".join(cell.ljust(wide[n]) for n, cell in enumerate(row)).rstrip() for row in rows]
        else:
            lines += [line.expandtabs(4) for (line,) in rows]
    return pdf_of([page(lines[at : at + lines_per_page]) for at in range(0, len(lines), lines_per_page)])


def page(lines: list[str]) -> bytes:
    """What draws these lines, from the top of a page."""
    out = b""
    for n, line in enumerate(lines):
        shown = line.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
        out += b"BT /F1 8 Tf 1 0 0 1 40 %d Tm (%s) Tj ET\n" % (800 - 12 * n, shown) if line.strip() else b""
    return out


def pdf_of(
    pages: list[bytes],
    catalog: bytes = b"",
    of_page: bytes = b"",
    resources: bytes = b"",
    trailer: bytes = b"",
    font: bytes = b"Courier",
) -> bytes:
    """A PDF of pages by what draws them."""
    count = len(pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (count, b" ".join(b"%d 0 R" % (5 + 2 * n) for n in range(count))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /" + font + b" /Encoding /WinAnsiEncoding >>",
        b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray "
        b"/BitsPerComponent 8 /Length 1 >>\nstream\n\0\nendstream",
    ]
    for n, content in enumerate(pages):
        packed = zlib.compress(content)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1000 842] /Contents %d 0 R %s "
            b"/Resources << /Font << /F1 3 0 R %s >> /XObject << /Im 4 0 R >> >> >>"
            % (6 + 2 * n, of_page, resources),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
        ]
    out, offsets = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, trailer, len(out))
    )


WIDTHS = {
    **dict.fromkeys("ijl", 222),
    **dict.fromkeys("It.,:;/[] ft", 278),
    **dict.fromkeys("r()-", 333),
    **dict.fromkeys("ckJsvxyz", 500),
    **dict.fromkeys("FTZ", 611),
    **dict.fromkeys("ABEKPSVXY&", 667),
    **dict.fromkeys("CDHNRUw", 722),
    **dict.fromkeys("GOQ", 778),
    **dict.fromkeys("mM", 833),
    **dict.fromkeys("+=<>", 584),
    "W": 944,
    "*": 389,
    "%": 889,
}


def wide(words: str) -> float:
    """Width of words in Helvetica of 10 points."""
    return sum(WIDTHS.get(char, 556) for char in words) / 100


def set_pdf(text: str) -> bytes:
    """As a text processor sets it: each word in its place, lines justified, no blank anywhere."""
    pages, height = [b""], 800

    def put(x: float, words: str) -> None:
        shown = words.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
        pages[-1] += b"BT /F1 10 Tf 1 0 0 1 %.2f %d Tm (%s) Tj ET\n" % (x, height, shown)

    def step() -> None:
        nonlocal height
        height -= 14
        if height < 60:
            pages.append(b"")
            height = 800

    for is_table, rows in blocks(text):
        for cells in rows:
            for n, cell in enumerate(cells if is_table else ()):
                put(50 + 160 * n, cell)
            line: list[str] = []
            for word in [] if is_table else [*cells[0].split(), ""]:
                room = 500 - wide("".join([*line, word]))
                if line and (not word or room < 2.78 * len(line)):
                    gap = (500 - wide("".join(line))) / max(len(line) - 1, 1) if word else 2.78
                    x = 50.0
                    for one in line:
                        put(x, one)
                        x += wide(one) + gap
                    line = []
                    if word:
                        step()
                line.append(word)
            step()
    return pdf_of(pages, font=b"Helvetica")


WRITERS: dict[str, Callable[[str], bytes]] = {"rtf": rtf, "docx": docx, "html": html, "pdf": pdf}


def told(data: bytes, kind: str) -> str:
    found = document_text(data, kind, "a")
    assert isinstance(found, str), found
    return found


def refused(data: bytes, kind: str) -> str:
    """The code of the error that a document costs; it quotes none of it."""
    found = document_text(data, kind, "a.doc")
    assert isinstance(found, InputError), "read"
    assert SECRET.lower() not in str(found).lower()
    assert found.where == "a.doc"
    return found.code


# -- the same note -------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
def test_readers_documents_say_what_the_text_says(kind: str, coder: Coder, tmp_path: Path) -> None:
    for name, text in NOTES.items():
        (tmp_path / f"{name}.{kind}").write_bytes(WRITERS[kind](text))
    errors: list[InputError] = []
    found = {note.note_id: note for note in read([tmp_path], errors.append)}
    assert errors == []
    assert set(found) == set(NOTES)
    for name, text in NOTES.items():
        expected, got = coder.pipe([Note(name, text), found[name]])
        assert (got.status, got.lines) == (expected.status, expected.lines), name
        assert [(d.valve, d.product, d.size, d.outcome) for d in got.devices] == [
            (d.valve, d.product, d.size, d.outcome) for d in expected.devices
        ], name


def test_readers_pdf_of_set_type_says_what_the_text_says(coder: Coder) -> None:
    for name, text in NOTES.items():
        expected, got = coder.pipe([Note(name, text), Note(name, told(set_pdf(text), "pdf"))])
        assert (got.status, got.lines) == (expected.status, expected.lines), name


@pytest.mark.parametrize("kind", WRITERS)
def test_readers_documents_table_note_is_coded(kind: str, coder: Coder) -> None:
    suggestion = next(iter(coder.pipe([Note("a", told(WRITERS[kind](TABLE_NOTE), kind))])))
    assert suggestion.status == "ready"
    assert [(line.code, line.units) for line in suggestion.lines] == [("93590", 1), ("93592", 1)]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", NOTES)
def test_readers_documents_keep_every_word(kind: str, name: str) -> None:
    words = partial(re.findall, r"\w+")
    assert words(told(WRITERS[kind](NOTES[name]), kind)) == words(NOTES[name])


@pytest.mark.parametrize("kind", ["rtf", "docx", "html"])
def test_readers_documents_rows_become_lines_with_tabs(kind: str) -> None:
    lines = told(WRITERS[kind](TABLE_NOTE), kind).split("\n")
    assert "Amplatzer Vascular Plug II\t12 mm\t4711\timplanted" in lines


@pytest.mark.parametrize("kind", WRITERS)
def test_readers_documents_cut_anywhere_are_refused(kind: str) -> None:
    data = WRITERS[kind](TABLE_NOTE.replace("Two", SECRET))
    end = len(data) - {"pdf": 8, "html": 14}.get(kind, 1)  # what stands behind tells of no word
    for at in range(1, end, max(1, end // 60)):
        assert refused(data[:at], kind)


@pytest.mark.parametrize("kind", WRITERS)
def test_readers_documents_without_a_word_are_refused(kind: str) -> None:
    assert refused(WRITERS[kind](" \n"), kind) == "I005"


@pytest.mark.parametrize("kind", WRITERS)
def test_readers_documents_that_are_another_thing_are_refused(kind: str) -> None:
    assert refused(f"The {SECRET} was released.".encode(), kind) == "I050"


def test_readers_documents_bad_one_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a.rtf").write_bytes(rtf("One plug."))
    (tmp_path / "b.rtf").write_bytes(rtf(SECRET)[:-1])
    (tmp_path / "c.HTM").write_bytes(html("Two plugs."))
    errors: list[InputError] = []
    assert [note.text for note in read([tmp_path], errors.append)] == ["One plug.", "Two plugs."]
    assert [(error.code, error.where) for error in errors] == [("I051", str(tmp_path / "b.rtf"))]


def test_readers_documents_kind() -> None:
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    names = ["TEXT/HTML; charset=x", "a.rtf", "application/pdf", word, ".htm", "text/plain", "a.doc", ""]
    assert [kind_of(name) for name in names] == ["html", "rtf", "pdf", "docx", "html", "text", None, None]


def test_readers_documents_too_large() -> None:
    assert refused(b"{\\rtf1 " + b"a" * 1_000_001 + b"}", "rtf") == "I013"
    assert refused(b"{" * 50_000_001, "rtf") == "I013"


# -- RTF -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"\u8804?4 mm \'e9\'80", "≤4 mm é€"),
        (r"\uc2\u8804\'81\'85x", "≤x"),
        (r"{\fonttbl{\f0 A;}{\f1\fcharset204 B;}}{\f1\'cf}\'cf", "ПÏ"),
        (r"one {\v hidden}{\deleted gone}{\revised kept}", "one kept"),
        (r"{\header Top\par}{\footer End}mid{\footnote below}", "Top\n\nmid\n\nbelow\n\nEnd"),
        (r"a{\*\unknown gone}{\unknown kept}", "akept"),
        (r"{\pict\bin5 }{}}{}b", "b"),
        (r"{\field{\*\fldinst HYPERLINK x}{\fldrslt shown}}", "shown"),
        (r"a\line b\tab c\~d\_e\{\}", "a\nb\tc d-e{}"),
        (r"\trowd a\intbl\cell\cell c\cell\row\pard d", "a\t\tc\nd"),
    ],
)
def test_readers_rtf_text(body: str, text: str) -> None:
    assert told(rf"{{\rtf1\ansi\ansicpg1252{body}}}".encode(), "rtf") == text


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (rb"{\rtf1 one}\par zebrafish}", "I052"),
        (rb"{\rtf1 one {\b zebrafish}", "I051"),
        (rb"{\rtf1 zebrafish {\pict\bin99 abc}}", "I051"),
        (rb"{\rtf1 zebrafish \'zz}", "I058"),
        (rb"{\rtf1\ansicpg99999 zebrafish}", "I055"),
        (rb"{\rtf1{\fonttbl{\f0\fcharset128 A;}}\f0 zebrafish \'81}", "I055"),
        (rb"{\rtf1 zebrafish {\object x}}", "I057"),
        (rb"{\rtf1 zebrafish {\*\annotation x}}", "I057"),
        (b"{\\rtf1 zebrafish " + b"{" * 100_000, "I051"),
    ],
)
def test_readers_rtf_refused(data: bytes, code: str) -> None:
    assert refused(data, "rtf") == code


# -- Word ----------------------------------------------------------------------------


def document_of(body: str) -> bytes:
    """A Word document with this XML as its body."""
    from docx import Document
    from docx.oxml import parse_xml

    names = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    names += ' xmlns:v="urn:schemas-microsoft-com:vml"'
    document = Document()
    for element in parse_xml(f"<w:body {names}>{body}</w:body>"):
        document.element.body.insert(len(document.element.body) - 1, element)
    return saved(document)


def run(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


UNSTRUCK = '<w:strike w:val="0"/>'
RAISED = '<w:vertAlign w:val="superscript"/>'
CELL = "<w:tc><w:p>{}</w:p></w:tc>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            f"<w:p>{run('a')}<w:ins>{run('b')}</w:ins><w:del><w:r><w:delText>c</w:delText></w:r></w:del></w:p>",
            "ab",
        ),
        (
            f"<w:p>{run('a', '<w:vanish/>')}{run('b', '<w:strike/>')}{run('c', UNSTRUCK)}</w:p>",
            "c",
        ),
        (f"<w:sdt><w:sdtContent><w:p>{run('inside')}</w:p></w:sdtContent></w:sdt>", "inside"),
        (f"<w:p>{run('2 cm')}{run('2', RAISED)}</w:p>", "2 cm²"),
        (
            f"<w:p><w:r><w:pict><v:shape><v:textbox><w:txbxContent><w:p>{run('box')}</w:p></w:txbxContent>"
            f"</v:textbox></v:shape></w:pict></w:r>{run('beside')}</w:p>",
            "box\nbeside",
        ),
        (
            f"<w:tbl><w:tr>{CELL.format(run('a'))}<w:tc><w:tbl><w:tr>{CELL.format(run('b'))}"
            f"{CELL.format(run('c'))}</w:tr></w:tbl><w:p/></w:tc></w:tr></w:tbl>",
            "a\tb\tc",
        ),
    ],
)
def test_readers_docx_text(body: str, text: str) -> None:
    assert re.sub(r"\s*\t\s*", "\t", told(document_of(body), "docx").strip()) == text


def test_readers_docx_headers_and_footers_stand_around_the_body() -> None:
    from docx import Document

    document = Document()
    document.add_paragraph("body")
    document.sections[0].header.paragraphs[0].text = "top"
    document.sections[0].footer.paragraphs[0].text = "end"
    assert told(saved(document), "docx") == "top\n\nbody\n\nend"


def repacked(change: Callable[[str, bytes], bytes | None]) -> bytes:
    """A Word document whose parts are changed."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(docx(SECRET))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return out.getvalue()


def test_readers_docx_refused() -> None:
    body = "word/document.xml"
    bomb = repacked(lambda name, data: data + b" " * 10_000_000 if name == body else data)
    entity = b"<!DOCTYPE w [<!ENTITY a 'zebrafish'>]><w>&a;</w>"
    assert refused(bomb, "docx") == "I056"
    assert refused(repacked(lambda name, data: None if name == body else data), "docx") == "I058"
    assert refused(repacked(lambda name, data: entity if name == body else data), "docx") == "I058"
    assert refused(repacked(lambda name, data: data[:-5] if name == body else data), "docx") == "I058"
    assert refused(b"\xd0\xcf\x11\xe0" + bytes(600), "docx") == "I053"
    assert refused(document_of(f"<w:p>{run(SECRET)}<w:r><w:object/></w:r></w:p>"), "docx") == "I057"


def test_readers_docx_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = repacked(lambda name, data: data + bytes(10_000_000) if name.endswith(".jpeg") else data)
    opened: list[object] = []
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: opened.append(1))
    assert refused(bomb, "docx") == "I056"
    assert opened == []


# -- PDF -----------------------------------------------------------------------------

SCAN = b"q 1000 0 0 842 0 0 cm /Im Do Q\n"


def test_readers_pdf_pages_follow_one_another() -> None:
    assert told(pdf_of([page(["one"]), b"", page(["two", "   six  ten"])]), "pdf") == "one\ntwo\n   six  ten"


def test_readers_pdf_small_picture_is_no_scan() -> None:
    assert told(pdf_of([page(["one"]) + b"q 90 0 0 90 0 0 cm /Im Do Q"]), "pdf") == "one"


def test_readers_pdf_letters_on_a_slope_are_kept() -> None:
    assert "side" in told(pdf_of([page(["one"]) + b"BT /F1 8 Tf 0 1 -1 0 300 300 Tm (side) Tj ET"]), "pdf")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (pdf_of([page([SECRET]), SCAN]), "I054"),
        (pdf_of([page([SECRET]), SCAN + page(["Fax 3 of 4"])]), "I054"),
        (
            pdf_of(
                [page([SECRET])], trailer=b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -1 /O (a) /U (b) >>"
            ),
            "I053",
        ),
        (pdf_of([page([SECRET])], of_page=b"/Annots [<< /Type /Annot /Subtype /Widget >>]"), "I057"),
        (pdf_of([page([SECRET])], of_page=b"/Annots [<< /Type /Annot /Subtype /FreeText >>]"), "I057"),
        (pdf_of([page([SECRET])], catalog=b"/OCProperties << /D << /OFF [1 0 R] >> >>"), "I057"),
        (pdf_of([page([SECRET])], catalog=b"/Names << /EmbeddedFiles << /Names [(a) 1 0 R] >> >>"), "I057"),
        (
            pdf_of(
                [page([SECRET])], resources=b"/F2 << /Type /Font /Subtype /Type0 /Encoding /Identity-H >>"
            ),
            "I055",
        ),
        (pdf_of([page([SECRET]) + b"BT /F1 8 Tf (\\001\\002) Tj ET"]), "I055"),
        (pdf_of([page([SECRET])] * 2).replace(b"7 0 R]", b"77 0 R]"), "I058"),
        (pdf_of([page([SECRET])] * 2).replace(b"/Kids [5 0 R 7 0 R]", b"/Kids [5 0 R      ]"), "I058"),
        (pdf_of([page([SECRET])] * 2).replace(b"/Contents 8 0 R", b"/Contents 9 0 R"), "I058"),
        (pdf_of([page([SECRET])]).replace(b"stream\nx", b"stream\ny"), "I058"),
        (pdf_of([b""] * 501), "I056"),
    ],
)
def test_readers_pdf_refused(data: bytes, code: str) -> None:
    assert refused(data, "pdf") == code


@pytest.mark.parametrize("password", ["", "secret"])
@pytest.mark.parametrize("version", [b"2 3", b"5 6"])
def test_readers_pdf_locked_by_any_cipher_is_refused_as_locked(password: str, version: bytes) -> None:
    """Version 5 is AES with 256 bits, which needs a library to be opened and none to be told."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(pdf(SECRET))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    number, revision = version.split()
    data = locked.getvalue().replace(b"/V 2\n", b"/V %s\n" % number).replace(b"/R 3\n", b"/R %s\n" % revision)
    assert version == b"2 3" or data != locked.getvalue()
    assert refused(data, "pdf") == "I053"


def test_readers_pdf_scan_is_named_by_its_page() -> None:
    found = document_text(pdf_of([page(["one"]), page(["two"]), SCAN]), "pdf", "a.pdf")
    assert isinstance(found, InputError)
    assert "page 3" in found.problem


def test_readers_pdf_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    document_text(pdf_of([page([SECRET])]).replace(b"endstream", b"zebrafish", 1), "pdf", "a")
    assert caplog.records == []


# -- HTML ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page_text", "text"),
    [
        ("<p>one<p>two<br>three</p>", "one\n\ntwo\nthree"),
        ("<div>a <b> bold </b>\n word</div>", "a bold word"),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>e", "a\tb\nc\td\n\ne"),
        ("<table><tr><td colspan=2>a<td>b<tr><td>c<td>d<td>e</table>", "a\t\tb\nc\td\te"),
        ("<table><tr><td rowspan=2>a<td>b<tr><td>c</table>", "a\tb\nc"),
        ("<table><tr><td>x<td rowspan=2>a<td>b<tr><td>y<td>c</table>", "x\ta\tb\ny\t\tc"),
        ("<table><tr><td>a<td><table><tr><td>b<td>c</table></table>", "a\tb\tc"),
        ("<div>leak &lt;4 mm &amp; &le;2&nbsp;jets, &#8804; <4</div>", "leak <4 mm & ≤2 jets, ≤ <4"),
        (
            "<div>a<!-- no --><script>no</script><span style='display: none'>no</span><i hidden>no</i></div>",
            "a",
        ),
        ("<style>.x, #y {display:none}</style><p class='w x'>no</p><p id=y>no</p><p>a</p>", "a"),
        ("<div>a <del>no</del><s>no</s><ins>b</ins> m<sup>2</sup></div>", "a b m²"),
        ("<pre>a   b\n  c</pre><div>d</div>", "a   b\n  c\n\nd"),
        ("<ol><li>a<li>b</ol><ul><li>c</ul>", "1. a\n2. b\n\n- c"),
        (
            "<div><input type=checkbox checked>two plugs <input type=checkbox>three</div>",
            "[x] two plugs [ ] three",
        ),
        ("<html><head><title>no</title><p>a</p></html>", "a"),
        ("<!--[if mso]><p>no</p><![endif]--><o:p>a</o:p>", "a"),
        ("<div>" * 4000 + "a" + "</div>" * 4000, "a"),
        ("<table>" * 50 + "<tr><td>a" + "</table>" * 50, "a"),
    ],
)
def test_readers_html_text(page_text: str, text: str) -> None:
    assert told(page_text.encode(), "html") == text


def test_readers_html_character_sets() -> None:
    western = '<meta charset="iso-8859-1"><p>≤é'.replace("≤", "").encode("cp1252")
    assert told(western, "html") == "é"
    assert told("<p>≤é".encode("utf-16"), "html") == "≤é"
    assert refused("<p>é".encode("cp1252"), "html") == "I055"
    assert refused('<meta charset="wrong"><p>é'.encode("cp1252"), "html") == "I055"


@pytest.mark.parametrize(
    ("page_text", "code"),
    [
        ("<html><body><p>zebrafish", "I051"),
        ("<p>zebrafish<table><tr><td>a", "I051"),
        ("<p>zebrafish<!-- a", "I051"),
        ("<p>zebrafish<script>a", "I051"),
        ("<p>zebrafish</p", "I051"),
        ("<p>leak <zebrafish and more> a", "I058"),
        ("<p>zebrafish<select><option>1<option>2</select>", "I057"),
        ("<p>zebrafish<iframe src=a></iframe>", "I057"),
        ("<style>div > .zebrafish {display: none}</style><p>zebrafish", "I057"),
        ("<style>@media print {.zebrafish {display: none}}</style><p>zebrafish", "I057"),
        ("<div>" * 6000 + "zebrafish" + "</div>" * 6000, "I056"),
        ("<table><tr><td>" * 200 + "zebrafish" + "</table>" * 200, "I056"),
        ("<p>zebrafish\0</p>", "I014"),
    ],
)
def test_readers_html_refused(page_text: str, code: str) -> None:
    assert refused(page_text.encode(), "html") == code
