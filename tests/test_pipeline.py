"""Pipeline: the stages as spaCy components in somebody else's pipeline."""

from __future__ import annotations

import subprocess
import sys

import pytest
import spacy
from spacy.language import Language

from extractor.coder import Coder
from extractor.layout import Layout

NOTE = (
    "PROCEDURE: Aortic paravalvular leak closure\n\nDESCRIPTION:\nTwo 8 mm AVP II plugs were "
    "deployed and released.\n\n"
    "PLAN:\nHome tomorrow.\n"
)


@pytest.fixture(scope="module")
def nlp() -> Language:
    """A blank pipeline with spaCy's own tokenizer, and our three components."""
    pipeline = spacy.blank("en")
    for name in ("pvl_layout", "pvl_mentions", "pvl_timeline"):
        pipeline.add_pipe(name)
    return pipeline


def test_pipeline_factories_come_with_the_installation() -> None:
    """By entry point: nobody has to import this package first."""
    code = (
        "import spacy; nlp = spacy.blank('en'); "
        "[nlp.add_pipe(n) for n in ('pvl_layout', 'pvl_mentions', 'pvl_timeline')]; print(nlp.pipe_names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pvl_layout', 'pvl_mentions', 'pvl_timeline']"


def test_pipeline_layout_gives_sections(nlp: Language) -> None:
    layout = nlp(NOTE)._.pvl_layout
    assert isinstance(layout, Layout)
    assert [s.role for s in layout.sections if s.role != "body"] == ["title", "description", "plan"]


def test_pipeline_mentions_are_spans_with_kind_and_rule(nlp: Language) -> None:
    doc = nlp(NOTE)
    found = {(span.text, span.label_, span.id_) for span in doc.spans["pvl"]}
    assert ("8 mm", "size", "size.mm") in found
    assert ("Two", "count", "count.two") in found
    assert any(label == "device" and rule == "device.avp2" for _, label, rule in found)


def test_pipeline_mentions_cover_their_words_whatever_the_tokenizer(nlp: Language) -> None:
    """spaCy's English tokenizer splits otherwise: spans grow to its tokens, none is lost."""
    doc = nlp("Mitral paravalvular leak. A 12mm AVP-II (x2) couldn't be deployed.")
    text = {span.id_: span.text for span in doc.spans["pvl"]}
    assert "12mm" in text["size.mm"]
    assert "AVP-II" in text["device.avp2"]


def test_pipeline_timeline_gives_the_suggestion_of_the_coder(nlp: Language, coder: Coder) -> None:
    assert nlp(NOTE)._.pvl_suggestion == coder.suggest(NOTE)


def test_pipeline_components_stand_alone() -> None:
    pipeline = spacy.blank("en")
    pipeline.add_pipe("pvl_timeline")
    doc = pipeline(NOTE)
    assert doc._.pvl_suggestion.units == {"93591": 1, "93592": 1}
    assert doc._.pvl_layout is None


def test_pipeline_works_on_many_docs_and_on_nothing(nlp: Language) -> None:
    docs = list(nlp.pipe([NOTE, "", "Fever."]))
    assert [doc._.pvl_suggestion.status for doc in docs] == ["ready", "none", "none"]


def test_pipeline_keeps_company_with_other_components() -> None:
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.add_pipe("pvl_mentions")
    doc = pipeline("Aortic leak. Two plugs were released.")
    assert len(list(doc.sents)) == 2
    assert "pvl" in doc.spans
