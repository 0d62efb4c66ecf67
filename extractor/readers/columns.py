"""Columns: what hospitals call them, and what they write into them.

Names are compared without case, blanks and punctuation: ``Note ID``, ``NOTE_ID``
and ``noteId`` are one name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from extractor.errors import InputError
from extractor.readers.options import Options

Signed = Literal["final", "preliminary", "cancelled"]
"""What a status says of a version of a note."""

# The first name that a table has is taken.
_NAMES = {
    "id": (
        "note_id hno_note_id hno_id note_key note_number note_num document_id doc_id document_key "
        "document_number tiu_document_sid tiu_document_ien report_id event_id clinical_event_id record_id "
        "accession_number accession id key row_id"
    ),
    "text": (
        "note_text full_note full_text plain_text report_text document_text doc_text clinical_text "
        "line_text text_line text note_content note_body content body narrative note report"
    ),
    "line": (
        "line line_num line_no line_nbr line_number note_line note_line_num note_line_no note_line_number "
        "text_line_num text_line_no text_line_number line_seq line_sequence line_index"
    ),
    "revision": (
        "note_csn_id note_csn contact_serial_num contact_serial_number note_serial_num contact_num "
        "note_revision revision revision_num revision_no revision_number revision_id rev "
        "note_version version version_num version_no version_number document_version"
    ),
    "status": (
        "note_status_c note_status_c_name note_status note_status_name document_status doc_status "
        "report_status signature_status sign_status completion_status status status_name"
    ),
    "parent": (
        "parent_note_id parent_note_key parent_note parent_document_id parent_document parent_doc_id "
        "parent_report_id addendum_to addendum_to_id addendum_of addended_note_id original_note_id"
    ),
    # When the procedure was done; never when the note was written, filed or signed.
    "date": (
        "service_date service_dt service_date_time service_dttm service_start_date service_from_date "
        "date_of_service dos from_date_of_service procedure_date procedure_dt procedure_date_time "
        "procedure_dttm procedure_start_date procedure_start_time procedure_start date_of_procedure "
        "proc_date proc_dt proc_dttm proc_date_time proc_start_date proc_start_time performed_date "
        "performed_date_time surgery_date date_of_surgery operation_date date_of_operation "
        "intervention_date date_of_intervention study_date exam_date contact_date"
    ),
    "encounter": (
        "pat_enc_csn_id pat_enc_csn enc_csn_id encounter_csn encounter_csn_id csn_id csn encounter_id "
        "encounter_key encounter_number encounter_num encounter enc_id encntr_id visit_id visit_key "
        "visit_number visit_num visit_no visit_sid visit_ien patient_control_number fin fin_nbr "
        "account_number account_num account_no account_id hsp_account_id har"
    ),
}

# Numbers are those of Epic's list of note statuses, of one to twelve.
_STATUSES: dict[Signed, str] = {
    "final": """2 3 5 6 7
        signed|addendum|addended|revised|cosigned|finalized|final|complete|completed|amended|corrected
        authenticated|auth|auth (verified)|verified|legally authenticated|modified|altered
        signed and locked|locked|attested|f|au|la""",
    "preliminary": """1 8 9 10 11 12
        incomplete|unsigned|cosign needed|incomplete revision|cosign needed addendum|shared
        preliminary|draft|pended|pending|in progress|in process|dictated|transcribed|documented
        preauthenticated|unauthenticated|unauth|unverified|uncosigned|unreleased|untranscribed|undictated
        anticipated|partial|registered|p|di|do|in|ip|pa""",
    "cancelled": """4
        deleted|entered in error|in error|retracted|cancelled|canceled|nullified|void|voided""",
}

_NAME_LIKE = re.compile(r"[^\W\d][\w .#/()-]{0,39}|")


def plain_name(name: str) -> str:
    """A name without case, blanks and punctuation.

    Examples
    --------
    >>> plain_name("Note ID") == plain_name("NOTE_ID") == "noteid"
    True
    """
    return re.sub(r"[\W_]+", "", name).casefold()


_GUESSES = {role: tuple(map(plain_name, names.split())) for role, names in _NAMES.items()}
_STANDING: dict[str, Signed] = {
    plain_name(status): standing
    for standing, lines in _STATUSES.items()
    for number, line in enumerate(lines.splitlines())
    for status in (line.split("|") if number else line.split())
}


def standing_of(status: str) -> Signed | None:
    """What a status says of its note: no status says nothing against it; ``None`` where it is unknown.

    Examples
    --------
    >>> standing_of("Signed"), standing_of("9"), standing_of("Entered-in-error"), standing_of("")
    ('final', 'preliminary', 'cancelled', 'final')
    >>> standing_of("lilac") is None
    True
    """
    if not status.strip():
        return "final"
    return _STANDING.get(plain_name(re.sub(r"\A\s*(\d+)\.0+\s*\Z", r"\1", status)))


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table is which, as positions counted from 0."""

    id: int
    text: int
    line: int | None = None
    revision: int | None = None
    status: int | None = None
    parent: int | None = None
    date: int | None = None
    encounter: int | None = None

    @property
    def positions(self) -> tuple[int | None, ...]:
        """Positions in the order of ``Cells``."""
        return (
            self.id, self.text, self.line, self.revision, self.status, self.parent, self.date, self.encounter,
        )  # fmt: skip

    @property
    def whole(self) -> bool:
        """Whether each row is a note, with nothing to put together."""
        return self.line is None and self.revision is None and self.status is None and self.parent is None


Cells = tuple[object, ...]
"""What a row holds, in this order: id, text, line, revision, status, parent, date, encounter; ``None``
where nothing."""


def choose(where: str, names: Sequence[str], options: Options, sure: bool = False) -> Columns | InputError:
    """The columns that hold what a note needs: those that the options name, else the best guesses.

    Parameters
    ----------
    where
        The table, for the error.
    names
        Names of its columns.
    options
        Names that the user gave.
    sure
        These are names of columns, and no row of a table without them: errors may show them.

    Examples
    --------
    >>> choose("notes.csv", ["PAT_ID", "NOTE_ID", "LINE", "NOTE_TEXT"], Options())
    Columns(id=1, text=3, line=2, revision=None, status=None, parent=None, date=None, \
encounter=None)
    >>> choose("notes.csv", ["NOTE_ID", "WORDS"], Options())
    InputError('[I022] notes.csv: no column with the text of a note; the columns are NOTE_ID, WORDS; \
name the one that holds it with --text-column')
    """
    found: dict[str, int] = {}
    for role in _NAMES:
        named = getattr(options, f"{role}_column")
        if named is None or _is_none(named, role):
            continue
        at = _named(where, names, named, role, sure or bool(found))
        if isinstance(at, InputError):
            return at
        found[role] = at
    for role in _NAMES:
        if role in found or _is_none(getattr(options, f"{role}_column"), role):
            continue
        guess = _guess(names, role, found)
        if guess is None and role in ("id", "text"):
            return _missing(where, names, role, sure or bool(found))
        if guess is not None:
            found[role] = guess
    for role, at in found.items():
        if _is_twice(names, at, getattr(options, f"{role}_column")):
            return InputError(
                "I022",
                where,
                f"more than one column is called {names[at]}",
                f"give each a name of its own, or name another one with --{role}-column",
            )
    return Columns(**found)


def listed(names: Sequence[str], sure: bool = False) -> str:
    """The names of columns for a message; where a row of notes may stand in their place it is not shown.

    Examples
    --------
    >>> listed(["date", "amount"]), listed(["date", "amount"], sure=True)
    ('the first row holds no name of a column that is known', 'the columns are date, amount')
    >>> listed(["ID", "WORDS"])
    'the columns are ID, WORDS'
    >>> listed(["17", "Two plugs were released."])
    'the first row does not hold names of columns'
    """
    if not sure and not all(_NAME_LIKE.fullmatch(name) for name in names):
        return "the first row does not hold names of columns"
    known = {name for guesses in _GUESSES.values() for name in guesses}
    if not sure and not any(plain_name(name) in known for name in names):
        return "the first row holds no name of a column that is known"
    return "the columns are " + ", ".join(name for name in names if name)


def _named(where: str, names: Sequence[str], named: str, role: str, sure: bool) -> int | InputError:
    if named in names:
        return names.index(named)
    plain = [plain_name(name) for name in names]
    if plain_name(named) in plain:
        return plain.index(plain_name(named))
    return InputError(
        "I022",
        where,
        f"no column {named}; {listed(names, sure)}",
        f"correct --{role}-column to one of the names",
    )


def _is_none(named: str | None, role: str) -> bool:
    """Whether the options say that no column is this, whatever it is called."""
    return named == "" and role not in ("id", "text")


def _is_twice(names: Sequence[str], at: int, named: str | None) -> bool:
    if named is not None and named in names:
        return list(names).count(named) > 1
    return [plain_name(name) for name in names].count(plain_name(names[at])) > 1


def _guess(names: Sequence[str], role: str, taken: dict[str, int]) -> int | None:
    """The first column with a name of this role that is not something else already."""
    plain = {}
    for at, name in reversed(list(enumerate(names))):
        plain[plain_name(name)] = at
    guesses = _GUESSES[role]
    if role == "parent":
        guesses += ("parent" + plain_name(names[taken["id"]]),)
    return next(
        (plain[name] for name in guesses if name in plain and plain[name] not in taken.values()), None
    )


def _missing(where: str, names: Sequence[str], role: str, sure: bool) -> InputError:
    what = {"id": "the id of a note", "text": "the text of a note"}[role]
    return InputError(
        "I022",
        where,
        f"no column with {what}; {listed(names, sure)}",
        f"name the one that holds it with --{role}-column",
    )
