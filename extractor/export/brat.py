"""brat: a folder with the text and the standoff annotations of each note, that opens as it is.

A file is named after its note id; ``notes.json`` says which note each file is of.
Every label is an entity type, every device number an attribute, and a note on each
annotation tells its rules. In ``.txt`` a carriage return stands as a blank (before
a line feed) or as a line feed (alone): brat miscounts what follows one, and so the
offsets stay those of the note.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from extractor.export import LABELS, Annotated, Annotation
from extractor.naming import FileNames

_FEWEST_DEVICES = 12
_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")


def write(items: Iterable[Annotated], folder: Path) -> None:
    """Write every note into a folder, and the configuration brat shows it with.

    Parameters
    ----------
    items
        The notes.
    folder
        An empty folder.
    """
    names = FileNames()
    most = _FEWEST_DEVICES
    with (folder / "notes.json").open("w", encoding="utf-8", newline="") as index:
        before = "{\n"
        for item in items:
            name = names.of(item.suggestion.note_id)
            _write(folder / f"{name}.txt", document(item.text))
            _write(folder / f"{name}.ann", "".join(f"{line}\n" for line in lines(item.annotations)))
            index.write(f"{before}{json.dumps(name)}: {json.dumps(item.summary)}")
            before = ",\n"
            most = max((most, *(device.number for device in item.suggestion.devices)))
        index.write("\n}\n" if before != "{\n" else "{}\n")
    _write(folder / "annotation.conf", _annotation_conf(most))
    _write(folder / "visual.conf", _visual_conf(most))


def is_export(folder: Path) -> bool:
    """Whether a folder holds an export and nothing else but what brat itself adds to one."""
    if not (folder / "annotation.conf").is_file():
        return False
    try:
        names = json.loads((folder / "notes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(names, dict):
        return False
    known = {f"{name}.{ending}" for name in names for ending in ("txt", "ann")}
    known |= {"annotation.conf", "visual.conf", "notes.json", ".stats_cache"}
    return all(path.name in known and path.is_file() for path in folder.iterdir())


def document(text: str) -> str:
    r"""The text as brat is given it: as long as the note, without a carriage return.

    Examples
    --------
    >>> document("A plug.\r\nReleased.\rDone.\n")
    'A plug. \nReleased.\nDone.\n'
    """
    return text.replace("\r\n", " \n").replace("\r", "\n")


def lines(annotations: Iterable[Annotation]) -> Iterator[str]:
    r"""Yield the lines of an annotation file, without their ends.

    An annotation over a line end is written as its parts on each line.

    Examples
    --------
    >>> span = Annotation(2, 15, "plug\nreleased", "implanted", ("action.release",), "body", (1,))
    >>> for line in lines([span]):
    ...     print(line.replace("\t", " | "))
    T1 | implanted 2 6;7 15 | plug released
    A1 | Device1 T1
    #1 | AnnotatorNotes T1 | device 1; action.release; body
    """
    attributes = 0
    for number, annotation in enumerate(annotations, 1):
        parts = list(_parts(annotation))
        places = ";".join(f"{start} {end}" for start, end, _ in parts)
        words = " ".join(part for _, _, part in parts)
        yield f"T{number}\t{annotation.label} {places}\t{words}"
        for device in annotation.devices:
            attributes += 1
            yield f"A{attributes}\tDevice{device} T{number}"
        yield f"#{number}\tAnnotatorNotes T{number}\t{annotation.remark}"


def _parts(annotation: Annotation) -> Iterator[tuple[int, int, str]]:
    """What an annotation covers on each line; a line of blanks has no part of it."""
    for found in _LINE.finditer(annotation.text):
        words = found.group().strip()
        if words:
            start = annotation.start + found.start() + found.group().index(words)
            yield start, start + len(words), words


def _annotation_conf(devices: int) -> str:
    entities = "\n".join(LABELS)
    attributes = "\n".join(f"Device{number}\tArg:<ENTITY>" for number in range(1, devices + 1))
    # Evidence overlaps in every way: brat is told that it may.
    overlap = "<OVERLAP>\tArg1:<ENTITY>, Arg2:<ENTITY>, <OVL-TYPE>:<ANY>"
    sections = {"entities": entities, "relations": overlap, "events": "", "attributes": attributes}
    return "\n".join(f"[{section}]\n{content}\n" for section, content in sections.items())


def _visual_conf(devices: int) -> str:
    labels = "\n".join(f"{label} | {label.replace('_', ' ')}" for label in LABELS)
    numbers = "\n".join(f"Device{number} | Device {number} | {number}" for number in range(1, devices + 1))
    colours = "\n".join(f"{label}\tbgColor:{colour}" for label, colour in LABELS.items())
    glyphs = "\n".join(f"Device{number}\tglyph:{_glyph(number)}" for number in range(1, devices + 1))
    default = "SPAN_DEFAULT\tfgColor:black, bgColor:lightgrey, borderColor:darken"
    return f"[labels]\n{labels}\n{numbers}\n\n[drawing]\n{default}\n{colours}\n{glyphs}\n"


def _glyph(number: int) -> str:
    return chr(0x2460 + number - 1) if number <= 20 else f"({number})"


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
