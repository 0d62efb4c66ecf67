"""The catalogue of errors: each code is there, is used, and has one meaning and one family."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import extractor
from extractor.errors import (
    CODES,
    Conflict,
    InputError,
    InputNotice,
    NotAllowed,
    NotFound,
    OutputError,
    RuleError,
    TableError,
    WorklistError,
)

PACKAGE = Path(extractor.__file__).parent
SOURCES = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.stem != "errors"}
CODE = re.compile(r'"([A-Z]\d{3})"')
# What makes an error of a family; the parts of others become errors in another place.
MAKERS = {
    "InputError": "IB",
    "too_large": "I",
    "InputNotice": "NB",
    "_notice": "N",
    "OutputError": "O",
    "_error": "I",
    "_exists": "O",
    "RuleError": "R",
    "TableError": "T",
    "PvlError": "B",
    "WorklistError": "W",
    "Conflict": "W",
    "NotAllowed": "W",
    "NotFound": "W",
    "Wrong": "I",
    "CannotReadError": "I",
    "NarrativeError": "I",
    "ObservationError": "I",
}


def test_errors_catalogue_has_every_code_and_no_other() -> None:
    used = {code for text in SOURCES.values() for code in CODE.findall(text)}
    assert used == set(CODES)


def test_errors_catalogue_is_sorted_and_no_meaning_is_told_twice() -> None:
    families = "INOBRTW"
    assert list(CODES) == sorted(CODES, key=lambda code: (families.index(code[0]), code))
    assert len(set(CODES.values())) == len(CODES)


def test_errors_each_family_has_its_class() -> None:
    seen = 0
    for path, text in SOURCES.items():
        for maker, code in re.findall(r'\b(\w+)\(\s*(?:\w+, )?"([INOBRTW]\d{3})"', text):
            assert code[0] in MAKERS[maker], f"{path.name}: {maker} {code}"
            seen += 1
    assert seen > 150


def test_errors_travel_between_processes() -> None:
    kinds = (InputError, InputNotice, OutputError, RuleError, TableError)
    for kind in (*kinds, WorklistError, Conflict, NotAllowed, NotFound):
        error = kind("I001", "a.txt", "no such file", "check the path")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (kind, "[I001] a.txt: no such file; check the path")
