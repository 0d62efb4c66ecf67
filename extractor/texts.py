"""Texts: the text of each note as its reader gave it, in a file of its own.

Every offset of a suggestion refers to this text. A file holds it as UTF-8, line ends
as they are, and nothing else; ``index.csv`` says which note each file is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from extractor.errors import OutputError
from extractor.naming import FileNames
from extractor.output import csv_line
from extractor.readers import Note, place

INDEX = "index.csv"


def keep(notes: Iterable[Note], folder: Path) -> Iterator[Note]:
    r"""Yield notes as they come, each when its text has been written.

    Parameters
    ----------
    notes
        The notes.
    folder
        An empty folder.

    Raises
    ------
    OutputError
        Where a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     ids = [note.note_id for note in keep([Note("a/1", "One plug.\r\n", "b.hl7", 3)], folder)]
    ...     texts = [path.read_bytes() for path in folder.glob("*.txt")]
    ...     index = (folder / INDEX).read_text("utf-8").splitlines()
    >>> ids, texts
    (['a/1'], [b'One plug.\r\n'])
    >>> index
    ['file,note_id,source', 'a_1-773232abe934.txt,a/1,b.hl7:3']
    """
    names = FileNames()
    path = folder / INDEX
    try:
        with path.open("w", encoding="utf-8", newline="") as index:
            index.write(csv_line(["file", "note_id", "source"]))
            for note in notes:
                path = folder / f"{names.of(note.note_id)}.txt"
                path.write_bytes(note.text.encode("utf-8"))
                index.write(csv_line([path.name, note.note_id, place(note.source, note.line)]))
                yield note
    except OSError as error:
        problem = f"cannot be written ({error.strerror or type(error).__name__})"
        remedy = "see that there is room and that you may write there"
        raise OutputError("O004", path.name, problem, remedy) from None
