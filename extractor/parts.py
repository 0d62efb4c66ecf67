"""Parts: finished blocks on disk, from which a run that was stopped goes on.

A part is one file: a digest, and behind it what is known of the block, and its rows as
Arrow streams. It gets its name when it is complete; a file that a failing machine left
damaged does not fit its digest and counts as missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from extractor.results import COLUMNS, Table, schema

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
