"""Content: which reader reads a file of a suffix that several formats share."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator

from extractor.errors import InputError
from extractor.readers.note import Found
from extractor.readers.options import Options
from extractor.readers.plain import binary, read_jsonl
from extractor.readers.versions import Version

_LARGEST = 400_000_000  # bytes of a file that is read as a whole
_HEAD = 16_777_216


def read_lines(path: str, options: Options) -> Iterator[Found | Version]:
    """The notes of a file with a JSON object per line: FHIR resources, or records with id and text."""
    from extractor.readers.fhir import versions_of_lines

    with open(path, "rb") as file:
        head = next((line for line in iter(lambda: file.readline(_HEAD), b"") if line.strip()), b"")
    if _is_fhir(head):
        yield from versions_of_lines(path)
    else:
        yield from read_jsonl(path, options)


def read_json(path: str, options: Options) -> Iterator[Found | Version]:
    """The notes of a FHIR resource, of a list of them, or of one per line."""
    from extractor.readers.fhir import is_resource, versions_of

    with open(path, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        problem = f"the file is too large: more than {_LARGEST:,} bytes in one JSON value"
        yield InputError("I013", path, problem, "write one resource per line (.ndjson)")
        return
    wrong = binary(path, data)
    if wrong:
        yield wrong
        return
    try:
        value = json.loads(data.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError) as error:
        first = data.lstrip(BOM_UTF8 + b" \r\n\t").partition(b"\n")[0]
        if _is_value(first):
            yield from read_lines(path, options)
        else:
            at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
            yield InputError("I008", path, f"not valid JSON{at}", "export the file again")
        return
    values = value if isinstance(value, list) else [value]
    if values and all(is_resource(one) for one in values):
        yield from versions_of(path, values)
    else:
        remedy = 'give FHIR, or records with "id" and "text" as .jsonl; keep other JSON out of the folder'
        yield InputError("I048", path, "JSON, but no FHIR resource", remedy)


def _is_fhir(head: bytes) -> bool:
    """Whether a line, or as much of it as was read, is a FHIR resource."""
    start = head.removeprefix(BOM_UTF8).lstrip()
    try:
        value = json.loads(start)
    except (ValueError, RecursionError):
        # The first line is longer than what was read, or broken.
        return start.startswith(b"{") and b'"resourceType"' in start[:_HEAD]
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def _is_value(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
