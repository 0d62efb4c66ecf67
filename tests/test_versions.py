"""Versions: of all that a record system sends of a note, the one text that a coder has to read."""

from __future__ import annotations

import pytest

from extractor.errors import InputNotice
from extractor.readers.note import Note
from extractor.readers.versions import ADDENDUM, Version, Versions


def version(note_id: str, text: str, **more: object) -> Version:
    return Version(note_id, text, "notes.hl7", **more)  # type: ignore[arg-type]


def put_together(*versions: Version) -> tuple[list[Note], list[str]]:
    """(notes, ids of what was left out)."""
    notes, left_out = [], []
    with Versions() as kept:
        for one in versions:
            kept.add(one)
        for found in kept.notes():
            if isinstance(found, Note):
                notes.append(found)
            else:
                assert isinstance(found, InputNotice), found
                left_out.append(found.where.rsplit(" ", 1)[1])
    return notes, left_out


def texts(*versions: Version) -> list[tuple[str, str, str]]:
    return [(note.note_id, note.text, note.standing) for note in put_together(*versions)[0]]


def test_versions_the_newest_signed_one_is_read() -> None:
    notes, left_out = put_together(
        version("a", "two plugs", revision="10"),
        version("a", "one plug", revision="9"),
        version("a", "three plugs?", revision="11", standing="preliminary"),
    )
    assert [(note.text, note.standing) for note in notes] == [("two plugs", "final")]
    assert left_out == ["a", "a"]


def test_versions_without_a_revision_the_later_one_is_newer() -> None:
    assert texts(version("a", "old"), version("a", "new")) == [("a", "new", "final")]


def test_versions_a_draft_alone_is_marked() -> None:
    assert texts(version("a", "draft", standing="preliminary")) == [("a", "draft", "preliminary")]


def test_versions_addenda_stand_beneath_their_note_in_order() -> None:
    found = texts(
        version("b", "first", parent="a"),
        version("a", "note"),
        version("c", "second", parent="a"),
        version("d", "to the first", parent="b"),
    )
    assert found == [("a", ADDENDUM.join(["note", "first", "second", "to the first"]), "final")]


def test_versions_a_draft_addendum_keeps_its_note_from_being_final() -> None:
    found = texts(version("a", "note"), version("b", "more", parent="a", standing="preliminary"))
    assert found == [("a", ADDENDUM.join(["note", "more"]), "preliminary")]


@pytest.mark.parametrize("parent", ["gone", "b"])
def test_versions_an_addendum_without_its_note_is_a_note_by_itself(parent: str) -> None:
    assert texts(version("b", "correction", parent=parent)) == [("b", "correction", "addendum")]


def test_versions_addenda_to_each_other_are_not_lost() -> None:
    found = texts(version("a", "one", parent="b"), version("b", "two", parent="a"))
    assert found == [("a", ADDENDUM.join(["one", "two"]), "addendum")]


def test_versions_a_note_that_replaces_another_takes_its_addenda() -> None:
    notes, left_out = put_together(
        version("a", "old"),
        version("x", "said of the old one", parent="a"),
        version("b", "new", replaces="a"),
        version("c", "newest", replaces="b"),
    )
    assert [(note.note_id, note.text) for note in notes] == [
        ("c", ADDENDUM.join(["newest", "said of the old one"]))
    ]
    assert left_out == ["a", "b"]


def test_versions_a_draft_replaces_nothing() -> None:
    found = texts(version("a", "signed"), version("b", "draft", replaces="a", standing="preliminary"))
    assert found == [("a", "signed", "final"), ("b", "draft", "preliminary")]


def test_versions_what_is_taken_back_is_told_and_its_addendum_kept() -> None:
    notes, left_out = put_together(
        version("a", "wrong patient", revision="1"),
        version("a", "", revision="2", standing="cancelled"),
        version("b", "more", parent="a"),
    )
    assert left_out == ["a", "a"]
    assert [(note.note_id, note.standing) for note in notes] == [("b", "addendum")]


def test_versions_an_empty_note_is_an_error_and_costs_only_itself() -> None:
    with Versions() as kept:
        kept.add(version("a", " "))
        kept.add(version("b", "text"))
        empty, note = kept.notes()
    assert "I005" in str(empty)
    assert isinstance(note, Note)
