"""Codes for percutaneous paravalvular leak closures, with the evidence for every unit.

Names are imported when they are first used, so ``import extractor`` costs next
to nothing: neither spaCy nor pydantic is loaded until a ``Coder`` is asked for.

Examples
--------
>>> from extractor import Coder
>>> Coder().suggest("Aortic paravalvular leak closure was planned but cancelled.").status
'none'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extractor.coder import Coder
    from extractor.errors import InputError, PvlError, RuleError
    from extractor.readers import Note, Options, read
    from extractor.rules import RuleBook, load_rules
    from extractor.suggestion import Suggestion

__version__ = "0.1.0"

__all__ = [
    "Coder",
    "InputError",
    "Note",
    "Options",
    "PvlError",
    "RuleBook",
    "RuleError",
    "Suggestion",
    "load_rules",
    "read",
]

_HOME = {
    "Coder": "extractor.coder",
    "InputError": "extractor.errors",
    "Note": "extractor.readers",
    "Options": "extractor.readers",
    "PvlError": "extractor.errors",
    "RuleBook": "extractor.rules",
    "RuleError": "extractor.errors",
    "Suggestion": "extractor.suggestion",
    "load_rules": "extractor.rules",
    "read": "extractor.readers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
