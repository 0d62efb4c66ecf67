"""Read notes from what a hospital has: files, folders, tables, messages, standard input.

A reader hands out notes one at a time and never changes a character of them:
line ends stay as they are. Only a UTF-8 byte order mark at the start of a file
is taken off, and offsets refer to the text after it. Formats that are no plain
text are turned into one text, and offsets refer to that. What cannot be read
becomes an ``InputError`` that costs that note only. No message quotes a note.
"""

from extractor.readers.address import shown
from extractor.readers.note import MAX_CHARS, Found, Note, Standing, dated, place
from extractor.readers.options import Options
from extractor.readers.source import SUFFIXES, read, read_all

__all__ = [
    "MAX_CHARS",
    "SUFFIXES",
    "Found",
    "Note",
    "Options",
    "Standing",
    "dated",
    "place",
    "read",
    "read_all",
    "shown",
]
