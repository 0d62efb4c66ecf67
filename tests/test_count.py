"""Count: claims brought to one interval, or to the two that disagree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.claims import Case, Claim, Source
from extractor.coder import Coder
from extractor.count import reconcile


def claim(
    source: Source, low: int, high: int | None = -1, *, detailed: bool | None = None, corrects: bool = False
) -> Claim:
    """A claim; without ``high`` an exact one. Narrative, log and table are detailed (policy, section 3)."""
    known = source in ("narrative", "log", "implants") if detailed is None else detailed
    return Claim(source, known, low, low if high == -1 else high, 0, 1, "", "rule", corrects)


@pytest.mark.parametrize(
    ("claims", "low", "high", "why"),
    [
        ([claim("narrative", 2)], 2, 2, "one source"),
        ([claim("narrative", 2), claim("implants", 2), claim("summary", 2)], 2, 2, "three that agree"),
        (
            [claim("narrative", 1, 3), claim("implants", 2)],
            2,
            2,
            "the table says what the narrative leaves open",
        ),
        ([claim("narrative", 1, 3), claim("log", 2, 4)], 2, 3, "what both admit"),
        ([claim("narrative", 2, None), claim("summary", 3)], 3, 3, "a summary may give the number"),
        ([claim("summary", 2)], 2, 2, "only a summary"),
        ([claim("narrative", 2), claim("addendum", 3, corrects=True)], 3, 3, "a correction decides"),
        (
            [claim("addendum", 3, corrects=True), claim("addendum", 4, corrects=True)],
            *(4, 4, "the last correction decides"),
        ),
        ([claim("narrative", 2), claim("implants", 3)], 2, 3, "details that disagree give the range"),
        ([claim("narrative", 2), claim("summary", 3)], 2, 2, "details win over a summary"),
        ([claim("narrative", 2, None)], 2, None, "no upper bound"),
    ],
)
def test_count_interval(claims: list[Claim], low: int, high: int | None, why: str) -> None:
    count = reconcile(Case(claims=claims))
    assert (count.low, count.high) == (low, high), why


@pytest.mark.parametrize(
    ("claims", "sources", "why"),
    [
        ([claim("narrative", 2), claim("implants", 3)], {"narrative", "implants"}, "details disagree"),
        (
            [claim("narrative", 2), claim("summary", 3)],
            {"narrative", "summary"},
            "a summary denies the details",
        ),
        ([claim("narrative", 2), claim("title", 1)], {"narrative", "title"}, "a title does"),
        ([claim("narrative", 2), claim("summary", 1, None)], None, "one or more admits two"),
        ([claim("narrative", 2), claim("summary", 2)], None, "agreement"),
        ([claim("narrative", 2), claim("addendum", 3, corrects=True)], None, "a correction ends the matter"),
    ],
)
def test_count_conflict_names_both_sides(claims: list[Claim], sources: set[str] | None, why: str) -> None:
    conflict = reconcile(Case(claims=claims)).conflict
    assert (conflict and {c.source for c in conflict}) == sources, why


def test_count_without_a_number_is_unstated() -> None:
    count = reconcile(Case(claims=[claim("narrative", 2, None)]))
    assert count.exact is None
    assert count.unstated is not None
    assert count.conflict is None


def test_count_open_interval_is_in_doubt() -> None:
    count = reconcile(Case(claims=[claim("narrative", 1, 2)]))
    assert count.exact is None
    assert count.doubt is not None


def test_count_without_claims_is_nought() -> None:
    count = reconcile(Case())
    assert (count.low, count.high, count.conflict) == (0, 0, None)


_SOURCES: st.SearchStrategy[Source] = st.sampled_from(
    ["title", "narrative", "log", "findings", "implants", "summary", "addendum"]
)
_CLAIMS = st.builds(
    lambda source, low, more: claim(source, low, None if more is None else low + more),
    _SOURCES,
    st.integers(0, 5),
    st.one_of(st.none(), st.integers(0, 3)),
)


@given(st.lists(_CLAIMS, max_size=6))
def test_count_bounds_are_in_order(claims: list[Claim]) -> None:
    count = reconcile(Case(claims=claims))
    assert count.low >= 0
    assert count.high is None or count.low <= count.high


@given(st.lists(_CLAIMS, max_size=5), st.randoms(use_true_random=False))
def test_count_does_not_depend_on_the_order_of_claims(claims: list[Claim], random: object) -> None:
    shuffled = list(claims)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = reconcile(Case(claims=claims)), reconcile(Case(claims=shuffled))
    assert (one.low, one.high) == (two.low, two.high)
    assert (one.conflict is None, one.unstated is None, one.doubt is None) == (
        (two.conflict is None, two.unstated is None, two.doubt is None)
    )


@given(st.lists(_CLAIMS, min_size=1, max_size=6))
def test_count_without_conflict_is_admitted_by_every_claim(claims: list[Claim]) -> None:
    count = reconcile(Case(claims=claims))
    if count.conflict is None and count.exact is not None:
        assert all(c.admits(count.exact) for c in claims)


@given(st.lists(_CLAIMS, min_size=1, max_size=6))
def test_count_says_why_it_is_not_exact(claims: list[Claim]) -> None:
    count = reconcile(Case(claims=claims))
    if count.exact is None:
        assert count.conflict or count.unstated or count.doubt


@given(_CLAIMS, st.integers(1, 4))
def test_count_repeating_a_claim_changes_nothing(one: Claim, times: int) -> None:
    single, repeated = reconcile(Case(claims=[one])), reconcile(Case(claims=[one] * times))
    assert (single.low, single.high) == (repeated.low, repeated.high) == (one.low, one.high)


@pytest.mark.parametrize(
    ("text", "low", "high", "why"),
    [
        ("A 12 mm plug was released.", 1, 1, "one event, one device"),
        ("Two plugs were released.", 2, 2, "a number word"),
        ("Multiple plugs were released.", 2, None, "no number"),
        ("A 12 mm plug was released. A 10 mm plug found its way too.", 1, 2, "one that nothing explains"),
        ("A 12 mm plug was deployed and recaptured.", 0, 0, "none stayed"),
    ],
)
def test_count_of_a_note(coder: Coder, text: str, low: int, high: int | None, why: str) -> None:
    count = coder.analyse("Mitral paravalvular leak closure. " + text).count
    assert (count.low, count.high) == (low, high), why
