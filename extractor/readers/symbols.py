"""Symbols: what fonts of pictures (Symbol, Wingdings) print for a character."""

from __future__ import annotations

from extractor.readers.flow import CannotReadError

_GREEK = dict(
    zip(
        "abcdefghiklmnopqrstuwxyzABCDEFGHIKLMNOPQRSTUWXYZ",
        "αβχδεφγηικλμνοπθρστυωξψζΑΒΧΔΕΦΓΗΙΚΛΜΝΟΠΘΡΣΤΥΩΞΨΖ",
        strict=True,
    )
)
_FONTS = {
    "symbol": {
        **{ord(latin): greek for latin, greek in _GREEK.items()},
        **{code: chr(code) for code in b" \t!#%&()+,./0123456789:;<=>?[]_{|}"},
        **dict(zip(b"\xa3\xa5\xb0\xb1\xb2\xb3\xb4\xb7\xb8\xb9\xba\xbb", "≤∞°±″≥×•÷≠≡≈", strict=True)),
        **dict(zip(b"\xab\xac\xad\xae\xaf\xbc\xd6\x2d\xa2\xa4\xd7", "↔←↑→↓…√-′⁄·", strict=True)),
        **dict(zip(b"\xd2\xd3\xd4", "®©™", strict=True)),
        **dict(zip(b"\xe2\xe3\xe4", "®©™", strict=True)),
        0x44: "Δ",
        0xC6: "Ø",
    },
    "wingdings": {
        **dict(zip(b" \t\x9e\x9f\xa7\x6e\x6c\x76\x77\xd8\xa1\xb2", " \t·•▪■●❖◆➢○•", strict=True)),
        **dict(zip(b"\x6f\x71\x72\xa8\xfd\xfe\xfc\xfb\x78", "☐☐☐☐☒☑✓✗☒", strict=True)),
        **dict(zip(b"\xdf\xe0\xe1\xe2\xe8\xf0\xef\xe7", "←→↑↓→→←←", strict=True)),
        **dict(zip(b"\x28\x29\x2a\x2b", "☎☎✉✉", strict=True)),
    },
}


def is_symbol_font(name: str) -> bool:
    """Whether a font prints pictures for letters."""
    name = name.strip().lower()
    return name == "symbol" or "dingbats" in name or name.endswith("dings") or name.startswith("wingdings")


def symbol(font: str, code: int) -> str:
    """The character for a code of a font of symbols.

    Examples
    --------
    >>> symbol("Wingdings", 0xFE), symbol("Symbol", 0xB3)
    ('☑', '≥')
    """
    found = _FONTS.get(font.strip().lower(), {}).get(code & 0xFF)
    if found is None:
        raise CannotReadError(
            "I055", "a symbol of a picture font that is not known", "export the note as text or PDF"
        )
    return found
