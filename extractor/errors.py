"""The one catalogue of errors.

Each error says what is wrong, where, and what to do. The text of a note never
appears in one.
"""

from __future__ import annotations

CODES = {
    # Input: what costs a file or a note.
    "I001": "there is no such file or folder",
    "I002": "a file or folder cannot be opened or read",
    "I003": "a file is of a kind that is not read",
    "I004": "a folder holds no file of a kind that is read",
    "I005": "a file or a note is empty",
    "I006": "a file is binary where text is meant",
    "I007": "text is not UTF-8",
    "I008": "not valid JSON",
    "I009": "a line of JSON is no object",
    "I010": "a note has no id",
    "I011": "the id of a note was used before",
    "I012": "a record has no text",
    "I013": "a file or a note is too large",
    "I014": "text holds a NUL character",
    "I015": "text, an id or the name of a file holds half a character",
    "I017": "there is no note with the id asked for",
    "I018": "a gold label is missing or wrong",
    "I019": "a text file holds notes of another kind",
    "I020": "a table has no rows",
    "I021": "a Parquet file is damaged",
    "I022": "a column is missing, or its name is not the only one of its kind",
    "I023": "rows of a note may be missing",
    "I024": "a line of a note is missing",
    "I025": "a line of a note is there twice",
    "I026": "a row cannot be read",
    "I027": "several texts have one id, and none is known to be the newest",
    "I028": "a database or a query fails",
    "I029": "a database is not named as it must be, or it or its query is missing",
    "I030": "an addendum cannot be read, and so its note is not whole",
    "I031": "an attached document is cut, damaged or empty",
    "I032": "an attached document is of a kind that is not read",
    "I033": "a message is not in its character set",
    "I034": "a message holds its text in two forms that differ",
    "I035": "a document was changed, and the message does not hold the new text",
    "I036": "a message has no document header or no order",
    "I037": "a message or document holds no text where it must",
    "I038": "an escape of HL7 v2 is not known",
    "I040": "not HL7 v2, or without a whole header",
    "I041": "a segment of HL7 v2 is broken",
    "I042": "XML declares a document type or entities",
    "I043": "XML is damaged",
    "I044": "a message or a batch is cut",
    "I045": "a line of a message (OBX) is missing",
    "I046": "a document is at an address outside the file",
    "I047": "a library that this kind of source needs is not installed",
    "I048": "JSON or XML that is no clinical document",
    "I049": "there is no room on disk for what has to wait there",
    "I050": "a document is not of the kind that its name says",
    "I051": "a document ends early",
    "I052": "a document goes on behind its end",
    "I053": "a document is locked",
    "I054": "a document holds a scanned page",
    "I055": "letters of a document cannot be told",
    "I056": "a document is nested too deeply, or unpacks to too much",
    "I057": "a document holds what is no text and may matter",
    "I058": "a document is damaged",
    "I060": "not all of a document could be read",
    # Claims to audit: what costs a claim, or a part of a file of claims.
    "I070": "not X12, or without a whole header (ISA)",
    "I071": "X12 is not parted by the separators that its header tells",
    "I072": "X12 ends early",
    "I073": "a count, a trailer or a control number of X12 does not fit",
    "I074": "a claim has no id of its encounter",
    "I075": "a claim, or a line of it, has no service",
    "I076": "units of a claim line are no whole number of 0 or more",
    "I077": "the date of a claim is no day",
    "I078": "a column of a table of claims is missing, or its name is not the only one of its kind",
    "I079": "a row of a table of claims cannot be read",
    # Notices: what was left out as it should.
    "N001": "a version that another one stands in for",
    "N002": "a note that its source took back",
    "N003": "files of a folder that are of no kind that is read",
    "N010": "a note of which the source has no text",
    "N011": "messages that hold no note",
    "N012": "observations that are marked as deleted or wrong",
    "N013": "another form of a document that was read",
    "N014": "FHIR without a document or report",
    "N020": "a status is not known; the note counts as not signed",
    "N021": "the same text once more",
    "N022": "a table is read as Windows-1252",
    "N023": "a date of service is no day; the note is read without it",
    "N024": "the same text under another id",
    "N031": "a transaction of X12 that holds no claims",
    "N032": "a claim that comes twice",
    "N033": "a claim that takes back another one, which is not there",
    # Output.
    "O001": "a file exists already",
    "O002": "a folder is not empty",
    "O003": "a folder holds what no export wrote",
    "O004": "a file or folder cannot be written",
    # Runs over a corpus.
    "B001": "the folder of a run is not empty, or holds none to go on with",
    "B002": "a run was begun with other options",
    "B003": "a source has changed since a run began",
    "B004": "worker processes end before they are ready",
    "B005": "a note that was read before (a notice)",
    "B006": "coding a note took too long",
    "B007": "coding a note ended its worker process",
    "B008": "coding a note failed",
    "B009": "another process works on a run",
    "B010": "a finished part of a run is gone or damaged",
    "B011": "the standing of a note is not known",
    "B012": "sources are not of one kind that Spark reads",
    "B013": "rows of a table have to be put together to notes before Spark codes them",
    # Rules.
    "R001": "a folder holds no pattern files",
    "R002": "a pattern file is of an unknown kind",
    "R003": "a rule is no mapping",
    "R004": "a pattern file is not valid YAML",
    "R005": "a pattern file lacks its kind or its rules",
    "R006": "a field of a rule is wrong",
    "R007": "the id of a rule is used twice",
    "R008": "there are no older rules under this name",
    "R009": "an archive of rules cannot be read",
    "R010": "rules do not fit this version of the software",
    # Payer tables.
    "T001": "the file of a payer table cannot be read",
    "T002": "a payer table is neither text nor a workbook, or is damaged",
    "T003": "the columns of a payer table are not those of its kind",
    "T004": "a line of a payer table is wrong",
    "T005": "a payer table holds no code of this family",
    "T006": "the setting of a payer table is missing or another one",
    "T007": "the edition of a payer table is no day",
    "T008": "a payer table is of an unknown kind",
    "T009": "two lines of a payer table, or two of its files, contradict each other",
    "T010": "this edition of a payer table is there already, with other values",
    "T011": "a payer table cannot be stored",
    "T012": "files of a payer table are of another edition, or of several, by their names",
    "T013": "a part of an edition of a payer table is missing, by the names of its files",
    "T014": "a payer table unpacks to too much",
    # The worklist.
    "W001": "the address of the worklist's database cannot be used",
    "W002": "the worklist's database cannot be opened",
    "W003": "the database is of another form than this program's",
    "W004": "the worklist's database fails",
    "W005": "somebody else changed an entry in the meantime",
    "W006": "a user may not do this",
    "W007": "the worklist holds no such thing",
    "W008": "another coder works on an entry",
    "W009": "a note cannot be filed",
    "W010": "a site or style is too long",
    "W011": "the worklist was changed behind its back",
    "W012": "the worklist's pages cannot be served like this",
    "W013": "a view of the queue cannot be kept",
    "W020": "a setting has a value that does not fit",
    "W021": "the name of a user is taken",
    "W022": "a name or password is wrong, or an account is locked",
    "W023": "a password is easily guessed",
    "W024": "the last admin would be gone",
    "W025": "a name does not do for a user",
    "W026": "a decision is not possible",
    "W027": "a query of a note is open",
    "W028": "an entry is for somebody else to decide",
    "W029": "a decision was exported",
    "W030": "an entry cannot be put off like this",
    "W031": "a query or an answer does not do",
    "W032": "a query is not neutral",
    "W033": "there is nothing to export",
    "W034": "an export is not as it was recorded",
    "W035": "a form of export is unknown",
}
"""Every code and its one meaning."""


class PvlError(Exception):
    """Base of every error of this package.

    Parameters
    ----------
    code
        Stable code, for searching; ``CODES`` tells what each means.
    where
        File, line, note id or rule, as far as known.
    problem
        What is wrong.
    remedy
        What the user can do about it.
    """

    def __init__(self, code: str, where: str, problem: str, remedy: str) -> None:
        self.code, self.where, self.problem, self.remedy = code, where, problem, remedy
        super().__init__(f"[{code}] {where}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[type[PvlError], tuple[str, str, str, str]]:
        # Errors travel between worker processes.
        return type(self), (self.code, self.where, self.problem, self.remedy)


class InputError(PvlError):
    """Something about a source or a note: it costs that note only."""


class InputNotice(InputError):  # noqa: N818 - told like an error, and none
    """Something that a reader left out as it should: told, and no failure."""


class OutputError(PvlError):
    """A file or folder that cannot be written, or may hold what must not be lost."""


class RuleError(PvlError):
    """A pattern file that cannot be used."""


class TableError(PvlError):
    """A payer's table that cannot be used or stored."""


class WorklistError(PvlError):
    """Something that the worklist cannot do."""


class Conflict(WorklistError):  # noqa: N818 - an answer, more than an error
    """Somebody else was faster."""


class NotAllowed(WorklistError):  # noqa: N818
    """The user may not do this."""


class NotFound(WorklistError):  # noqa: N818
    """There is nothing of this name or number."""
