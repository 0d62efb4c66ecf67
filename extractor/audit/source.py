"""Sources of claims: which reader reads a file, by what it holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from extractor.audit.billed import BilledClaim
from extractor.audit.claims837 import read_837
from extractor.audit.claims_csv import ClaimColumns, read_csv_claims
from extractor.errors import InputError, InputNotice
from extractor.readers import shown

_LARGEST = 400_000_000  # bytes of a file, which is read as a whole
_TABLES = {".csv": ",;\t|", ".tsv": "\t,;|"}


def read_claims(
    paths: Iterable[str | Path],
    on_error: Callable[[InputError], None],
    codes: Collection[str],
    encounter_from: str = "clm01",
    names: ClaimColumns | None = None,
) -> list[BilledClaim]:
    """The claims of all files, in order.

    Parameters
    ----------
    paths
        837 files, whatever they are called, and tables (``.csv``, ``.tsv``).
    on_error
        Called with each thing that cannot be read; reading goes on after it.
    codes
        The codes whose units matter.
    encounter_from
        Where an 837 claim has the id of its encounter.
    names
        Names of columns of tables.
    """
    claims: list[BilledClaim] = []
    for path in map(str, paths):
        text = _text(path, on_error)
        if text is None:
            continue
        suffix = os.path.splitext(path)[1].lower()
        if suffix in _TABLES and not text.lstrip().startswith("ISA*"):
            found = read_csv_claims(shown(path), text, codes, names, _TABLES[suffix])
        else:
            found = read_837(shown(path), text, codes, encounter_from)
        for one in found:
            if isinstance(one, InputError):
                on_error(one)
            else:
                claims.append(one)
    return claims


def _text(path: str, on_error: Callable[[InputError], None]) -> str | None:
    """What a file holds; ``None`` where it cannot be read."""
    where = shown(path)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        on_error(InputError("I001", where, "no such file", "check the path"))
        return None
    except OSError as error:
        problem = f"cannot be read ({error.strerror or type(error).__name__})"
        on_error(InputError("I002", where, problem, "check that it is a file and that you may read it"))
        return None
    if len(data) > _LARGEST:
        problem = f"the file is too large: more than {_LARGEST:,} bytes"
        on_error(InputError("I013", where, problem, "split it between two claims or rows"))
        return None
    if not data.strip():
        on_error(InputError("I005", where, "the file is empty", "give claims as 837 or as a table"))
        return None
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        problem = "the text is not UTF-8"
        on_error(InputNotice("N022", where, problem, "it is read as Windows-1252; look at ids with accents"))
        return data.decode("cp1252", "replace")
