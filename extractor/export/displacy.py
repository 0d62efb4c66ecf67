"""displaCy: what ``spacy.displacy.render(..., manual=True)`` takes, and the page it makes.

``style="ent"`` cannot show spans that overlap: of those that do, ``ents`` keeps
the longest. ``tokens`` and ``spans`` in the same object are for ``style="span"``
and hold all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape

from extractor.export import LABELS, Annotated, Annotation, token_places, tokens_of
from extractor.terminal import printable

OPTIONS = {"colors": {label.upper(): colour for label, colour in LABELS.items()}}
"""Colours for ``displacy.render(..., options=OPTIONS)``."""


def lines(items: Iterable[Annotated]) -> Iterator[str]:
    """Yield each note as a line of JSON that serves both styles.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.export import annotate
    >>> from spacy import displacy
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> item = json.loads(next(lines([annotate(note, Coder().suggest(note, "A17"))])))
    >>> html = displacy.render(item, style="span", manual=True, options=OPTIONS, jupyter=False)
    >>> "implanted" in html
    True
    """
    for item in items:
        tokens = tokens_of(item.text, item.annotations)
        first, last = token_places(tokens)
        spans = [
            {
                "start_token": first[annotation.start],
                "end_token": last[annotation.end] + 1,
                "start": annotation.start,
                "end": annotation.end,
                "label": annotation.label,
                "remark": annotation.remark,
            }
            for annotation in item.annotations
        ]
        row = {
            "title": _title(item),
            "text": item.text,
            "ents": _ents(item),
            "tokens": [token.text for token in tokens],
            "spans": spans,
        }
        yield json.dumps(row) + "\n"


def page(items: Iterable[Annotated]) -> Iterator[str]:
    """Yield the parts of one self-contained HTML page with every note, rendered by displaCy."""
    from spacy import displacy

    # displaCy knows no character set, and its page is one string: the frame around its notes is ours.
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src '
        "'unsafe-inline'\">\n<title>pvl</title>\n<style>body { font-family: sans-serif; margin: 3rem; } "
        "figure { margin: 0 0 5rem; }</style>\n</head>\n<body>\n"
    )
    for item in items:
        shown = {
            "title": _title(item),
            "text": printable(item.text.replace("\r\n", " \n"), keep="\n\t"),
            "ents": _ents(item),
        }
        html = displacy.render(shown, style="ent", manual=True, options=OPTIONS, jupyter=False)
        yield f"<figure>{html}</figure>\n"
    yield "</body>\n</html>\n"


def _title(item: Annotated) -> str:
    """What heads a note, as HTML: displaCy takes a title as it is."""
    return escape(printable(f"{item.suggestion.note_id}: {item.headline}"))


def _ents(item: Annotated) -> list[dict[str, object]]:
    return [
        {"start": annotation.start, "end": annotation.end, "label": annotation.label}
        for annotation in _apart(item.annotations)
    ]


def _apart(annotations: Iterable[Annotation]) -> list[Annotation]:
    """The longest annotations such that none overlap, in order of the text."""
    taken: set[int] = set()
    kept = []
    for annotation in sorted(annotations, key=lambda item: (item.start - item.end, item.start)):
        # What is kept is never longer than what was kept before it, so one of its ends lies in that.
        if annotation.start not in taken and annotation.end - 1 not in taken:
            taken.update(range(annotation.start, annotation.end))
            kept.append(annotation)
    return sorted(kept, key=lambda item: item.start)
