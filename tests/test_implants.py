"""Implants: what implant tables, supply logs, device forms and their totals come to."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

LEAK = "Mitral paravalvular leak closure.\n\n"


def count(coder: Coder, text: str) -> tuple[int, int | None]:
    found = coder.analyse(LEAK + text).count
    return found.low, found.high


TABLES = [
    (
        "| No. | Device | Size | Lot |\n|-----|--------|------|-----|\n| 1 | AVP II | 12 mm | 77812 |\n"
        "| 2 | AVP II | 10 mm | 77991 |\n| 3 | AVP III | 8/4 | 10022 |\n",
        3,
        "a running number is no quantity",
    ),
    (
        "Qty  Description                     Lot\n2    Amplatzer Vascular Plug II 8mm  6621\n"
        "1    Amplatzer Vascular Plug II 6mm  6622\n2    Perclose ProGlide               1120\n",
        3,
        "a quantity in front, and other hardware",
    ),
    (
        "Item\tREF\tLot\tQty\nAmplatzer Vascular Plug II 10 mm\t9-AVP2-010\t88112\t2\n"
        "Amplatzer Vascular Plug II 8 mm\t9-AVP2-008\t88114\t1\n",
        3,
        "a quantity at the end, columns by tabs",
    ),
    (
        "Device | Lot | Qty\nAVP II 12 mm | 2 | 1\nAVP II 10 mm | 3 | 1\n",
        2,
        "a lot number is no quantity",
    ),
    (
        "AVP II 12 mm | 1 | implanted\nAVP II 10 mm | 2 | implanted\nAVP II 14 mm | 1 | wasted\n",
        3,
        "no header: a cell that is one number",
    ),
    (
        "Device         opened   final\nAVP II 12      yes      discarded\nAVP II 10      yes      in pt\n"
        "AVP II  8      yes      in pt\n",
        2,
        "a size of one digit below one of two",
    ),
    (
        "Implants\n #   Model    Size    Date\n a   AVP II   8 mm    16-03-2021\n"
        " b   AVP II   10 mm   today\n",
        1,
        "a dated row beside one of today",
    ),
    ("AVP II 10 mm ............ 2\nAVP II 8 mm ............. 1\n", 3, "dotted lines"),
    ("12 mm AVP II   2 ea\n10 mm AVP II   1 ea\nProGlide       2 ea\n", 3, "pieces"),
    ("Item;Size;Qty;Status\nAVP II;12 mm;1;Implanted\nAVP II;14 mm;1;Wasted\n", 1, "an export"),
    (
        "Status      Item            Size\nImplanted   AVP II          12 mm\n"
        "Wasted      AVP II          14 mm\nUsed        Agilis sheath   8.5F\n",
        1,
        "the status in front",
    ),
    (
        "Device           Opened   Implanted   Wasted\nAVP II 12 mm     1        1           0\n"
        "AVP II 10 mm     2        1           1\nAgilis           1        0           0\n",
        2,
        "a column for each fate",
    ),
    ("Item | Opened | Implanted\nAVP II 12 mm | x | x\nAVP II 14 mm | x |\n", 1, "a blank cell says no"),
    (
        "Item               Count   Implanted?\nAVP II 12 mm       1       Y\nAVP II 8 mm        1       N\n",
        1,
        "a column that asks",
    ),
    (
        "Device        Size     Lot       Qty    Status\nAVP II        12 mm              1      implanted\n"
        "AVP II        10 mm    7781      2      implanted\n",
        3,
        "an empty cell shifts no column",
    ),
    (
        "Device\nSize\nQty\nStatus\nAVP II\n12 mm\n1\nImplanted\nAVP II\n8 mm\n1\nWasted\n",
        1,
        "one cell a line",
    ),
    (
        "Device | Serial no. | Status\nAVP II 10 mm | A55-201 | Implanted\n"
        "AVP II 10 mm | A55-202 | Implanted\n",
        2,
        "one article, two serial numbers",
    ),
    (
        "Device | Serial no. | Status\nAVP II 10 mm | A55-201 | Implanted\n"
        "AVP II 10 mm | A55-201 | Explanted\nAVP II 12 mm | A55-900 | Implanted\n",
        1,
        "one serial number is one device",
    ),
    (
        "AVP II 12 mm | mitral PVL | implanted\nAVP II 6 mm | LV apex | implanted\n",
        1,
        "a place that is no leak",
    ),
    (
        "Cat no. / description / qty drawn / qty implanted / qty returned\n"
        "PVP-12-5   AVP III 12 x 5   1 / 1 / 0\nPVP-08-4   AVP III 8 x 4    1 / 0 / 1\n",
        1,
        "counts parted by slashes",
    ),
    (
        "Device | Qty | Implant date\nAVP II 8 mm | 1 | 06/21/2018\nAVP II 6 mm | 1 | 03/05/2024\n",
        1,
        "an earlier date is of another session",
    ),
    (
        "AVP II 12 mm   SN 2210   implanted\nAVP II 10 mm. SN 2211   implanted\n"
        "AVP II 8 mm    SN 2209   implanted\n",
        3,
        "a full stop in a cell",
    ),
    (
        "Device | Size | Qty\nAVP II | 12 mm | 1\nAVP II | 10 mm | 2\nTotal | | 3\n",
        3,
        "the sum is no article",
    ),
    ("AVP II 12 mm | implanted\nAVP II 10 mm | implanted\nTotal: 2 plugs\n", 2, "nor are its words"),
]


@pytest.mark.parametrize(("table", "devices", "why"), TABLES, ids=[why for _, _, why in TABLES])
def test_implants_tables_count_what_stayed(coder: Coder, table: str, devices: int, why: str) -> None:
    assert count(coder, "IMPLANT LOG\n" + table) == (devices, devices), why


@pytest.mark.parametrize(
    ("text", "devices", "why"),
    [
        ("Implants: AVP II 10 mm (x2); AVP II 8 mm\n", 3, "a multiplier in brackets"),
        ("Implants: two AVP II 10 mm and one AVP II 8 mm\n", 3, "number words"),
        ("Implants: AVP II 8 mm, 2 pieces\n", 2, "pieces"),
        ("IMPLANTED (2): AVP II 12 mm, AVP II 10 mm\n", 2, "the number in the header"),
        ("Implants: 2 (AVP II 12 mm, AVP II 10 mm)\n", 2, "the number in front"),
        ("Implants: AVP II 12/10/8\n", 3, "sizes parted by slashes"),
        ("Implants:\n* AVP II 12 mm - 2\n* AVP II 8 mm - 1\n", 3, "a number behind the size"),
        (
            "Implants: AVP II 12 mm (lot 8812, implanted), AVP II 14 mm (lot 8815, wasted).\n",
            1,
            "each entry has its own fate",
        ),
        ("Implants:\nAVP II\n12 mm - medial\n10 mm - lateral\n", 2, "sizes below their name"),
        ("Implants:\nMitral - AVP II 12 mm\nNot left - AVP II 8 mm\n", 1, "not left"),
        ("Device log: #1 AVP II 12 mm (out), #2 AVP II 10 mm (in)\n", 1, "in and out"),
        ("Implants: septum, one 18 mm septal occluder; mitral ring, one AVP III.\n", 1, "places in front"),
        (
            "Implanted:\n  AVP II 12 mm\n  AVP II 10 mm\nExplanted:\n  none\nWasted:\n  AVP II 14 mm\n",
            2,
            "a list for each fate",
        ),
        ("IMPLANTED\nAVP II 12 mm\nAVP II 10 mm\n\nEXPLANTED\nAVP II 10 mm\n", 1, "and one is taken back"),
        (
            "Implants:\n(1) AVP II 10 mm\n(2) AVP II 8 mm\n(3) ProGlide x3\n",
            2,
            "numbers of lines in brackets",
        ),
        ("Implants: (1) AVP II 10 mm, (2) AVP II 8 mm\n", 2, "numbers in brackets on one line"),
        ("Implants:\n1. AVP II 10 mm 2. AVP II 8 mm\n", 2, "numbers with a stop on one line"),
        ("Implants:\n(2) AVP II 10 mm\n(1) AVP II 8 mm\n", 3, "quantities in brackets"),
        ("Implants: AVP II 10 mm (1), AVP II 8 mm (2)\n", 3, "quantities in brackets behind"),
        ("Implants: AVP II 10 mm (1) AVP II 8 mm (1)\n", 2, "and without a comma"),
        (
            "Implant/explant summary\n- AVP II 8 mm - placed, explanted same day (snare)\n"
            "- AVP II 10 mm - in\n",
            1,
            "the tool in brackets ends no entry",
        ),
        (
            "SUPPLIES\nItem                 Used  Waste  Rtn\nAVP II 10 mm          1     0      0\n"
            "AVP II 12 mm          0     0      1\n\nImplants: AVP II 10 mm\n",
            1,
            "used, wasted and returned counted in columns",
        ),
        ("Devices/Implants:\n Mitral: AVP II 12 mm, AVP II 10 mm\n", 2, "a field for each valve"),
    ],
)
def test_implants_lists_count_what_stayed(coder: Coder, text: str, devices: int, why: str) -> None:
    assert count(coder, text) == (devices, devices), why


@pytest.mark.parametrize(
    ("text", "devices", "why"),
    [
        (
            "Occluder family: AVP II / Size: 10 / Released: yes\n"
            "Occluder family: AVP II / Size: 8 / Released: no\nOccluder family: <none>\n",
            1,
            "fields in a line",
        ),
        (
            "Device 1: AVP II 10 mm. Result: deployed, released.\n"
            "Device 2: AVP II 12 mm. Result: recaptured, NOT released.\nDevice 3: --\n",
            1,
            "devices with a number",
        ),
        (
            "Device 1\n  Type: AVP II\n  Size: 12 mm\n  Outcome: implanted\n"
            "Device 2\n  Type: AVP II\n  Size: 10 mm\n  Outcome: implanted\n",
            2,
            "a block of fields for each",
        ),
        (
            "PVL 1:\n  Device family: AVP II\n  Device size: 12\n  Deployed: Y\n  Retrieved: Y\n"
            "PVL 2:\n  Device family: AVP II\n  Device size: 12\n  Deployed: Y\n  Retrieved: N\n",
            1,
            "questions and answers",
        ),
        (
            "Device               Amplatzer Vascular Plug II\nSize                 12 mm\n"
            "Implanted            Yes\n\nDevice               Amplatzer Vascular Plug II\n"
            "Size                 8 mm\nImplanted            No\n",
            1,
            "keys and values in two columns",
        ),
        (
            "PLUG VASC AMPLATZER II 12MM - LOG112233\n  Lot No.: 8812\n  Implanted: 2\n  Explanted: 0\n\n"
            "PLUG VASC AMPLATZER II 8MM - LOG112233\n  Lot No.: 8814\n  Implanted: 0\n  Wasted: 1\n",
            2,
            "a name above its fields",
        ),
        ("Plug type: AVP II\nPlug size: 12 mm\nNumber of plugs: 2\n", 2, "a number of such plugs"),
        (
            "Implant: AVP II 12MM   Implanted Qty: 2   Explanted Qty: 1\n"
            "Implant: AVP II 10MM   Implanted Qty: 1   Explanted Qty: 0\n",
            2,
            "those explanted are among those implanted",
        ),
        (
            "Implant/Explant: Implant  Description: AVP II 12MM  Qty: 1\n"
            "Implant/Explant: Explant  Description: AVP II 14MM  Qty: 1\n",
            1,
            "fields parted by blanks",
        ),
    ],
)
def test_implants_a_block_of_fields_is_one_device(coder: Coder, text: str, devices: int, why: str) -> None:
    assert count(coder, text) == (devices, devices), why


@pytest.mark.parametrize(
    ("text", "devices", "why"),
    [
        ("Device\nSize\nQty\nAVP II\n12 mm\n1\nAVP II\n10 mm\n", 2, "a cell is missing"),
        ("             Device 1     Device 2\nType         AVP II       AVP II\n", 2, "a column a device"),
        ("1 AVP II 12 mm\n2 AVP II 10 mm\n", 2, "the second row, or two of it"),
        ("AVP II 10 mm | lot 555 | Implanted\nAVP II 10 mm | lot 555 | Implanted\n", 2, "a row twice"),
        ("AVP II 12 mm | 1 | Used\n", 1, "used is not left in"),
        ("AVP II 12/10 mm\n", 2, "two sizes of a round plug"),
        ("AVP II 12 mm | recaptured, repositioned, implanted\n", 1, "out, and in again"),
        ("Device type: AVP II\nDevice sizes: 12 mm, 10 mm\n", 2, "sizes of one kind"),
        (
            "AVP II 12 mm | implanted\nAVP II 10 mm | implanted\n\nShe went home.\n\nSUPPLIES\n"
            "Item | Qty | Status\nAVP II 12 mm | 1 | Implanted\nAVP II 10 mm | 1 | Implanted\n",
            2,
            "a second list may repeat the first",
        ),
    ],
)
def test_implants_what_is_not_understood_stays_open(coder: Coder, text: str, devices: int, why: str) -> None:
    low, high = count(coder, "IMPLANT LOG\n" + text)
    assert low < (high or 99), why
    assert low <= devices <= (high or 99), why


@pytest.mark.parametrize(
    ("text", "low", "high", "why"),
    [
        ("Number of devices implanted: 2", 2, 2, "a field"),
        ("No. of plugs deployed: 2 (two)", 2, 2, "in figures and words"),
        ("Plugs opened 2 / plugs retrieved 1 / plugs in patient 1", 1, 1, "three counts in a line"),
        ("Devices opened / implanted / wasted: 3 / 2 / 1", 2, 2, "three keys and three numbers"),
        ("Devices deployed: 3  Devices removed: 1", 2, 3, "one of the three, or beside them"),
        ("Occluders PLACED   # : ( )0 ( )1 (x)2 ( )3 ( )>4", 2, 2, "a ticked number"),
        ("Number of occluders implanted:  ( ) 1   (X) 2   ( ) 3", 2, 2, "apart from its neighbours"),
        ("[ ] 1 plug  [x] 2 plugs  [ ] 3 plugs", 2, 2, "a ticked box"),
        ("Total left in body today: three.", 3, 3, "a total without a noun"),
        ("LEAK 1\nDevices implanted: 2\nLEAK 2\nDevices implanted: 1\n", 2, 3, "one field a leak"),
        (
            "LEAK 1\nDevices implanted: 2\nLEAK 2\nDevices implanted: 1\nTotal devices implanted: 3\n",
            3,
            3,
            "and one that sums them",
        ),
    ],
)
def test_implants_totals_of_forms(coder: Coder, text: str, low: int, high: int, why: str) -> None:
    case = coder.analyse(LEAK + text + "\n").case
    assert [(c.low, c.high) for c in case.claims if c.source == "implants"] == [(low, high)], why


@pytest.mark.parametrize(
    "text",
    [
        "Number of devices used: 3",
        "Devices opened: 3",
        "Number of leaks closed: 2",
        "Expected number of devices: 2",
        "Plug released: 2",
        "Number of devices: see implant log",
    ],
)
def test_implants_other_fields_are_no_totals(coder: Coder, text: str) -> None:
    case = coder.analyse(LEAK + text + "\n").case
    assert [c for c in case.claims if c.source == "implants"] == []


def test_implants_a_time_stamped_table_tells_events(coder: Coder) -> None:
    log = (
        "EVENT LOG\n10:12 | AVP II 12 mm | deployed\n10:15 | AVP II 12 mm | recaptured\n"
        "10:22 | AVP II 10 mm | deployed\n10:25 | AVP II 10 mm | released\n"
    )
    assert count(coder, log) == (1, 1)


def test_implants_a_numbered_event_log_tells_events(coder: Coder) -> None:
    log = (
        "No.  Time    Memo\n1   9:20    Sheath in\n2   10:47   AVP2 10 mm deployed\n"
        "3   10:52   AVP2 10 mm released\n4   11:20   Sheath out\n"
    )
    assert count(coder, log) == (1, 1)


def test_implants_two_blanks_behind_a_full_stop_make_no_row(coder: Coder) -> None:
    text = "DESCRIPTION:\nA 12 mm plug was deployed.  It was stable.  It was released.\n"
    case = coder.analyse(LEAK + text).case
    assert {c.source for c in case.claims} == {"narrative"}


def test_implants_field_that_says_none_counts_none(coder: Coder) -> None:
    text = "A 10 mm AVP II was opened and recaptured. An 8 mm AVP II was brought out.\n\n"
    assert count(coder, text + "Implants: none\n") == (0, 0)


def test_implants_dots_lead_to_what_became_of_an_article(coder: Coder) -> None:
    note = (
        "Mitral PVL closure.\n\nImplant log\n 1. AVP II 10 mm ... Explanted\n 2. AVP II 14 mm ... Implanted\n"
    )
    devices = coder.analyse(note).case.timelines["implants"].devices
    assert [(d.size, d.state) for d in devices] == [("10 mm", "removed"), ("14 mm", "released")]


def test_implants_list_of_earlier_ones_is_history(coder: Coder) -> None:
    note = (
        "Mitral PVL closure. A 10 mm AVP II was released.\n\nIMPLANTS THIS ENCOUNTER\n"
        "  AVP II 10 MM (mitral PVL)  qty 1\n"
        "IMPLANTS - PRIOR (device registry)\n  AVP II 8 MM (aortic PVL) 06/2023  qty 1\n"
    )
    assert coder.suggest(note).units == {"93590": 1}
