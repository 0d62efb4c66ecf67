"""Prodigy: one task on a line, with tokens, spans and what to know of the note.

The spans overlap, so they are for the recipes of span categorization
(``spans.manual``); ``ner.manual`` allows none that do. Tokens are written with
them, cut so that every span begins and ends with one: Prodigy skips or refuses
spans that do not fit its tokens. ``_input_hash`` is of the text and ``_task_hash``
of text and spans, so that a note that comes again is known again, by any tool.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from extractor.export import Annotated, token_places, tokens_of


def lines(items: Iterable[Annotated]) -> Iterator[str]:
    """Yield the task of each note as a line of JSON.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.export import annotate
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> task = json.loads(next(lines([annotate(note, Coder().suggest(note, "A17"))])))
    >>> sorted(task), task["meta"]["codes"]
    (['_input_hash', '_task_hash', 'meta', 'spans', 'text', 'tokens'], '93590 x1')
    >>> span = task["spans"][-1]
    >>> note[span["start"] : span["end"]], span["label"]
    ('A 12 mm AVP II', 'implanted')
    """
    for item in items:
        yield json.dumps(_task(item)) + "\n"


def _task(item: Annotated) -> dict[str, object]:
    tokens = tokens_of(item.text, item.annotations)
    first, last = token_places(tokens)
    places = [(annotation.start, annotation.end, annotation.label) for annotation in item.annotations]
    return {
        "_input_hash": _hash(item.text),
        "_task_hash": _hash(json.dumps([item.text, places])),
        "text": item.text,
        "tokens": [
            {"text": token.text, "start": token.start, "end": token.end, "id": index, "ws": token.space}
            for index, token in enumerate(tokens)
        ],
        "spans": [
            {
                "start": annotation.start,
                "end": annotation.end,
                "token_start": first[annotation.start],
                "token_end": last[annotation.end],
                "label": annotation.label,
                "devices": annotation.devices,
                "reasons": annotation.reasons,
                "rules": annotation.rules,
                "section": annotation.section,
            }
            for annotation in item.annotations
        ],
        # Prodigy prints these below the text; empty ones would only be noise.
        "meta": {name: value for name, value in item.summary.items() if value},
    }


def _hash(text: str) -> int:
    """A signed number of 32 bits, as the hashes of Prodigy are."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big", signed=True)
