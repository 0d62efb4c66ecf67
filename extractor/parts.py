"""Parts: finished blocks on disk, from which a run that was stopped goes on.

A part is one file: a digest, and behind it what is known of the block, and its rows as
Arrow streams. It gets its name when it is complete; a file that a failing machine left
damaged does not fit its digest and counts as missing.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from extractor.blocks import Block
from extractor.errors import InputNotice, PvlError
from extractor.results import COLUMNS, ORIGIN, RESULT, Row, Rows, Table, schema, unmentioned

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

_DIGEST = 16
_SIZE = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a finished block beside its rows.

    Attributes
    ----------
    digest
        Of what was read for it.
    length
        Notes and errors read for it.
    size
        Bytes of text.
    seconds
        What it took, from the end of the block before it; the rest depends on the notes alone.
    counts
        How often each value occurs: ``status``, ``reason``, ``devices``, ``code``, ``error``, ``notice``,
        and among ``read`` the notes, the candidates and the errors.
    """

    digest: str
    length: int
    size: int
    seconds: float
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


class Part(NamedTuple):
    """A finished block."""

    facts: Facts
    tables: Mapping[Table, pa.Table]


def finish(block: Block, results: dict[int, Rows], rules_version: str, seconds: float) -> Part:
    """The part of a block whose notes have all been worked on.

    Parameters
    ----------
    block
        The block; notes that failed are left out of it.
    results
        What came of the notes that were coded, by row.
    rules_version
        The rules they were coded by.
    seconds
        What it took.
    """
    facts = Facts(block.digest, block.length, block.size, seconds, _counts(block, results))
    return Part(facts, _tables(block, results, rules_version))


class Parts:
    """The parts of a run, in a folder.

    Parameters
    ----------
    folder
        Where they are kept; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08}"

    def save(self, number: int, part: Part) -> None:
        """Keep a part; it is there once this returns, and not at all before."""
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

        facts = json.dumps(asdict(part.facts)).encode()
        stream = pa.BufferOutputStream()
        stream.write(len(facts).to_bytes(_SIZE, "big") + facts)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for name in COLUMNS:
            with pa.ipc.new_stream(stream, schema(COLUMNS[name]), options=options) as writer:
                writer.write_table(part.tables[name])
        data = stream.getvalue()
        path = self._path(number)
        whole = path.with_suffix(".part")
        with whole.open("wb") as file:
            file.write(blake2b(data, digest_size=_DIGEST).digest())
            file.write(data)
        os.replace(whole, path)

    def facts(self, number: int) -> Facts | None:
        """What is known of a finished block; ``None`` where there is none."""
        data = self._data(number)
        return None if data is None else _facts(data)

    def load(self, number: int) -> Part | None:
        """A finished block; ``None`` where there is none."""
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

        data = self._data(number)
        if data is None:
            return None
        start = _SIZE + int.from_bytes(data[:_SIZE], "big")
        stream = pa.BufferReader(pa.py_buffer(data).slice(start))
        tables = {name: pa.ipc.open_stream(stream).read_all() for name in COLUMNS}
        return Part(_facts(data), tables)

    def _data(self, number: int) -> bytes | None:
        try:
            data = self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        digest, data = data[:_DIGEST], data[_DIGEST:]
        return data if blake2b(data, digest_size=_DIGEST).digest() == digest else None


def _facts(data: bytes) -> Facts:
    size = int.from_bytes(data[:_SIZE], "big")
    return Facts(**json.loads(data[_SIZE : _SIZE + size]))


def _tables(block: Block, results: dict[int, Rows], rules_version: str) -> dict[Table, pa.Table]:
    """The rows of a finished block."""
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    kept = [row for row in range(len(block.ids)) if row not in block.left_out]
    found = [row for row in kept if row in results]
    origin = [
        (block.ids[row], block.sources[row], block.lines[row], block.digests[row].hex()) for row in kept
    ]
    # Most notes have the result of one that mentions no leak: it is made once, and taken again and again.
    outcomes = _table(RESULT, [unmentioned(rules_version).note, *(results[row].note for row in found)])
    number = {row: at for at, row in enumerate(found, 1)}
    taken = outcomes.take(pa.array([number.get(row, 0) for row in kept], pa.int64()))
    errors = sorted(block.errors, key=lambda one: one[0])
    given: dict[Table, list[Row]] = {
        "lines": [line for row in found for line in results[row].lines],
        "devices": [device for row in found for device in results[row].devices],
        "worklist": [
            (*results[row].task, block.sources[row], block.lines[row]) for row in found if results[row].task
        ],
        "errors": [
            (error.code, _kind(error), error.where, error.problem, error.remedy) for _, error in errors
        ],
    }
    tables = {name: _table(COLUMNS[name], some) for name, some in given.items()}
    notes = [*_table(ORIGIN, origin).columns, *taken.columns]
    tables["notes"] = pa.Table.from_arrays(notes, schema=schema(COLUMNS["notes"]))
    return tables


def _table(columns: Mapping[str, str], given: list[Row]) -> pa.Table:
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

    form = schema(columns)
    values = zip(*given, strict=True) if given else [()] * len(form)
    return pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(values, form.types, strict=True)], schema=form
    )


def _kind(error: PvlError) -> str:
    return "notice" if isinstance(error, InputNotice) else "error"


def _counts(block: Block, results: dict[int, Rows]) -> dict[str, dict[str, int]]:
    """How often what occurs in a block, for the report."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counts["status"]["none"] = len(block.ids) - len(block.left_out) - len(results)
    for one in results.values():
        note = dict(zip(RESULT, one.note, strict=True))
        status = str(note["status"])
        counts["status"][status] += 1
        counts["reason"].update(note["reasons"])
        counts["approach"].update(note["approaches"])
        counts["code"].update({line[1]: line[2] for line in one.lines})
        if one.lines:
            counts[f"devices_{status}"][str(sum(line[2] for line in one.lines))] += 1
    counts["read"].update(notes=len(block.ids), coded=len(results), left_out=len(block.left_out))
    for _, error in block.errors:
        counts[_kind(error)][error.code] += 1
    return {name: dict(sorted(some.items())) for name, some in sorted(counts.items())}
