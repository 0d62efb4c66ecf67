"""Label Studio: one list of tasks with predictions, and the labelling interface for them.

A task shows status, codes and reasons above the note. Each annotation is a region
with its label, and with the numbers of its devices as a choice of its own; status
and codes of the whole note are predicted too, so that all of it can be corrected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from uuid import NAMESPACE_URL, uuid5

from extractor import __version__
from extractor.export import LABELS, Annotated, Annotation

_DEVICES = 20
_STATUSES = ("ready", "review", "none")
_TEXT = {"to_name": "text"}


def config() -> str:
    """The labelling interface, as XML: what a project for these tasks is set up with."""
    labels = "\n".join(
        f'    <Label value="{label}" background="{colour}"/>' for label, colour in LABELS.items()
    )
    numbers = "\n".join(f'    <Choice value="{number}"/>' for number in range(1, _DEVICES + 1))
    statuses = "\n".join(f'    <Choice value="{status}"/>' for status in _STATUSES)
    return f"""<View>
  <Header value="$headline"/>
  <Labels name="evidence" toName="text">
{labels}
  </Labels>
  <Text name="text" value="$text" valueType="text" granularity="symbol"/>
  <Choices name="device" toName="text" choice="multiple" perRegion="true" showInline="true">
{numbers}
  </Choices>
  <Choices name="status" toName="text" choice="single" showInline="true">
{statuses}
  </Choices>
  <TextArea name="codes" toName="text" editable="true" maxSubmissions="1"/>
</View>
"""


def lines(items: Iterable[Annotated]) -> Iterator[str]:
    """Yield the parts of one JSON list of tasks.

    Examples
    --------
    >>> from extractor import Coder
    >>> from extractor.export import annotate
    >>> note = "Mitral paravalvular leak closure. A 12 mm AVP II was deployed and released."
    >>> (task,) = json.loads("".join(lines([annotate(note, Coder().suggest(note, "A17"))])))
    >>> task["data"]["headline"]
    'ready; 93590 x1'
    >>> [result["value"] for result in task["predictions"][0]["result"] if result["type"] == "textarea"]
    [{'text': ['93590 x1']}]
    """
    before = "[\n"
    for item in items:
        yield before + json.dumps(_task(item))
        before = ",\n"
    yield "\n]\n" if before != "[\n" else "[]\n"


def _task(item: Annotated) -> dict[str, object]:
    summary = item.summary
    result = [part for annotation in item.annotations for part in _region(summary["note_id"], annotation)]
    result.append(
        _TEXT | {"from_name": "status", "type": "choices", "value": {"choices": [summary["status"]]}}
    )
    if summary["codes"]:
        result.append(
            _TEXT | {"from_name": "codes", "type": "textarea", "value": {"text": [summary["codes"]]}}
        )
    for part in result:
        part.setdefault("id", _id(summary["note_id"], part["from_name"]))
    version = f"pvl {__version__}, rules {summary['rules_version']}"
    return {
        "data": {"text": item.text, "headline": item.headline, **summary},
        "predictions": [{"model_version": version, "result": result}],
    }


def _region(note_id: str, annotation: Annotation) -> Iterator[dict[str, object]]:
    """The results of one region: they share its id."""
    place: dict[str, object] = {"start": annotation.start, "end": annotation.end, "text": annotation.text}
    shared = _TEXT | {"id": _id(note_id, annotation.start, annotation.end, annotation.label)}
    yield shared | {
        "from_name": "evidence",
        "type": "labels",
        "value": place | {"labels": [annotation.label]},
        "meta": {"text": [annotation.remark]},
    }
    if devices := [str(number) for number in annotation.devices if number <= _DEVICES]:
        yield shared | {"from_name": "device", "type": "choices", "value": place | {"choices": devices}}


def _id(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, "\0".join(["pvl:label-studio", *map(str, parts)])))
