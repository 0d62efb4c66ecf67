"""Audit: billed claims beside the notes that have to support them.

Claims are read (``claims837``, ``claims_csv``), replacements and voids are applied
(``adjusted``), notes are coded (``documented``), both are brought together (``join``) and
compared (``compare``); what comes of it is a list of findings, written by ``output`` and
``report``, from which ``sample`` draws for people.
"""

from extractor.audit.adjusted import adjusted
from extractor.audit.billed import BilledClaim, BilledLine
from extractor.audit.claims_csv import ClaimColumns
from extractor.audit.compare import compare
from extractor.audit.documented import DocumentedNote, documented
from extractor.audit.family import Family, load_family
from extractor.audit.finding import RESULTS, Finding
from extractor.audit.sample import sample
from extractor.audit.source import read_claims

__all__ = [
    "RESULTS",
    "BilledClaim",
    "BilledLine",
    "ClaimColumns",
    "DocumentedNote",
    "Family",
    "Finding",
    "adjusted",
    "compare",
    "documented",
    "load_family",
    "read_claims",
    "sample",
]
