"""Identity: one number of devices that are not the same ones is a doubt."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

CASE = "Closure of an aortic paravalvular leak.\n\nDESCRIPTION: {told}\n\nIMPLANTS:\n{listed}\n"


@pytest.mark.parametrize(
    ("told", "listed", "status", "why"),
    [
        ("A 12 mm AVP II was released.", "AVP II 12 mm", "ready", "the same plug"),
        ("A 12 mm plug was released.", "AVP II 12 mm", "ready", "a plug is any plug"),
        ("An AVP II was released.", "AVP II 12 mm", "ready", "the list gives the size"),
        ("A 12 mm AVP II was released.", "AVP II 10 mm", "review", "another size"),
        ("A 12 mm AVP II was released.", "AVP 4 12 mm", "review", "another product"),
        (
            "A 12 mm AVP II and an 8 mm AVP II were released.",
            "AVP II 8 mm\nAVP II 12 mm",
            "ready",
            "any order",
        ),
        (
            "A 12 mm AVP II and an 8 mm AVP II were released.",
            "AVP II 8 mm\nAVP II 8 mm",
            "review",
            "one of two",
        ),
    ],
)
def test_identity_of_what_is_told_and_what_is_listed(
    coder: Coder, told: str, listed: str, status: str, why: str
) -> None:
    assert coder.suggest(CASE.format(told=told, listed=listed)).status == status, why
