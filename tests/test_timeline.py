"""Timeline: what became of each device that a note names."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

LEAK = "Mitral paravalvular leak closure. "


def outcomes(coder: Coder, text: str) -> list[tuple[str | None, str]]:
    """(size, outcome) of the devices of a note, in their order."""
    return [(device.size, device.outcome) for device in coder.suggest(text).devices]


LEFT_IN = [
    ("A 12 mm AVP II was deployed and released.", [("12 mm", "implanted")], "the plain case"),
    ("We deployed a 12 mm AVP II.", [("12 mm", "implanted")], "deployed, and nothing undoes it"),
    ("A 12 mm AVP II was advanced, opened and detached.", [("12 mm", "implanted")], "other words for it"),
    ("A 12 mm plug was selected. It was deployed and then let go.", [("12 mm", "implanted")], "it"),
    ("The leak was closed with a 12 mm AVP II.", [("12 mm", "implanted")], "closed with"),
    ("Successful deployment of a 12 mm plug.", [("12 mm", "implanted")], "the noun"),
    (
        "A 12 mm AVP II was deployed, recaptured, repositioned and released.",
        [("12 mm", "implanted")],
        "repositioned and released counts once",
    ),
    (
        "A 12 mm plug was deployed but slipped. It was resheathed and deployed again. It was then released.",
        [("12 mm", "implanted")],
        "one device opened twice",
    ),
    (
        "A 12 mm plug was deployed. The plug was well seated. The plug was released. The plug was stable.",
        [("12 mm", "implanted")],
        "one device named four times",
    ),
    (
        "A 12 mm plug was released, followed by a second 10 mm plug.",
        [("12 mm", "implanted"), ("10 mm", "implanted")],
        "the verb is not said again",
    ),
    (
        "A 10 mm and an 8 mm plug were deployed. Both were released.",
        [("10 mm", "implanted"), ("8 mm", "implanted")],
        "both",
    ),
    (
        "An 8 mm AVP II was deployed in each of the two leaks. Both plugs were released.",
        [("8 mm", "implanted"), ("8 mm", "implanted")],
        "one in each of two",
    ),
    (
        "Two 8 mm AVP II plugs were advanced through two sheaths, opened simultaneously and released.",
        [("8 mm", "implanted"), ("8 mm", "implanted")],
        "two at once",
    ),
    ("AVP II 8 mm x2 were deployed.", [("8 mm", "implanted")] * 2, "x2"),
    ("8 mm AVP II x 3 deployed.", [("8 mm", "implanted")] * 3, "x 3"),
    (
        "A first 12 mm plug was deployed. A second 10 mm plug was deployed. The first and the second "
        "were released.",
        [("12 mm", "implanted"), ("10 mm", "implanted")],
        "ordinals refer back",
    ),
    (
        "A 12 mm plug was released. A leak remained. A further 8 mm plug was deployed and released.",
        [("12 mm", "implanted"), ("8 mm", "implanted")],
        "a further one",
    ),
    (
        "Two 8 mm plugs were released. Then two more plugs of 6 mm were released.",
        [("8 mm", "implanted")] * 2 + [("6 mm", "implanted")] * 2,
        "two and two more",
    ),
    ("A vascular coil was left in the leak.", [(None, "implanted")], "a coil counts like a plug"),
    (
        "A 12 mm plug was deployed without interference with the leaflets. No leak remained.",
        [("12 mm", "implanted")],
        "the interference is denied, not the plug",
    ),
    (
        "A 12 mm plug was deployed next to the previously placed plug and released.",
        [("12 mm", "implanted")],
        "the old one is a landmark",
    ),
]


@pytest.mark.parametrize(("text", "expected", "why"), LEFT_IN)
def test_timeline_devices_left_in(
    coder: Coder, text: str, expected: list[tuple[str | None, str]], why: str
) -> None:
    assert outcomes(coder, LEAK + text) == expected, why


NOT_LEFT_IN = [
    ("A 12 mm plug was deployed but recaptured.", [("12 mm", "removed")], "recaptured"),
    (
        "A 12 mm plug was deployed. It impinged on the leaflet and was withdrawn.",
        [("12 mm", "removed")],
        "withdrawn",
    ),
    (
        "A 12 mm plug was advanced, but could not be deployed and was removed.",
        [("12 mm", "removed")],
        "never opened",
    ),
    (
        "A 12 mm plug was exchanged for a 10 mm plug, which was released.",
        [("12 mm", "removed"), ("10 mm", "implanted")],
        "exchanged",
    ),
    (
        "A 12 mm plug proved too large and was replaced by a 10 mm plug. This was released.",
        [("12 mm", "removed"), ("10 mm", "implanted")],
        "replaced by",
    ),
    (
        "A 12 mm plug was deployed. We upsized to a 14 mm plug. It was released.",
        [("12 mm", "removed"), ("14 mm", "implanted")],
        "upsized",
    ),
    (
        "A 12 mm plug was released and embolized to the aorta, where it was snared. A 14 mm plug was "
        "then released.",
        [("12 mm", "removed"), ("14 mm", "implanted")],
        "the replacement counts",
    ),
    (
        "A 12 mm plug and a 10 mm plug were deployed. The latter was recaptured. The former was released.",
        [("12 mm", "implanted"), ("10 mm", "removed")],
        "the former and the latter",
    ),
    (
        "Two 10 mm plugs were deployed. One was released, the other was recaptured and removed.",
        [("10 mm", "implanted"), ("10 mm", "removed")],
        "one and the other",
    ),
    (
        "Two 10 mm plugs were deployed. Both were recaptured and removed.",
        [("10 mm", "removed"), ("10 mm", "removed")],
        "both",
    ),
    (
        "A 12 mm plug was released. A second plug of 8 mm was deployed, then recaptured and removed.",
        [("12 mm", "implanted"), ("8 mm", "removed")],
        "only the second goes",
    ),
    (
        "The first plug was released. A second plug was released. A third plug was recaptured and removed.",
        [(None, "implanted"), (None, "implanted"), (None, "removed")],
        "a third device whose only event is its removal",
    ),
    (
        "A 12 mm plug was released. A 10 mm plug was opened but not used.",
        [("12 mm", "implanted"), ("10 mm", "removed")],
        "opened: not left in (contract, outcome removed)",
    ),
    (
        "A 12 mm plug was released. A 10 mm plug remained unopened.",
        [("12 mm", "implanted"), ("10 mm", "unused")],
        "unopened",
    ),
    (
        "A 12 mm plug was dropped on the floor. Another 12 mm plug was deployed and released.",
        [("12 mm", "removed"), ("12 mm", "implanted")],
        "dropped and replaced by its like",
    ),
]


@pytest.mark.parametrize(("text", "expected", "why"), NOT_LEFT_IN)
def test_timeline_devices_not_left_in(
    coder: Coder, text: str, expected: list[tuple[str | None, str]], why: str
) -> None:
    assert outcomes(coder, LEAK + text) == expected, why


ANOTHER_TIME_OR_PLACE = [
    ("Two plugs were placed in 2019. Today a 12 mm plug was released.", 1, "an earlier year"),
    ("He has had two plugs placed previously. A 12 mm plug was released.", 1, "previously"),
    ("History: s/p closure with two AVP II plugs.\n\nDESCRIPTION:\nA 12 mm plug was released.", 1, "s/p"),
    ("A 12 mm plug was released. A second plug may be placed in the future.", 1, "a plan"),
    ("A 12 mm plug was released.\n\nPLAN:\nReturn for two more plugs.", 1, "the plan section"),
    ("A 12 mm plug was released. A second plug was considered, but not needed.", 1, "only considered"),
    ("A 12 mm plug was released. No second plug was needed.", 1, "denied"),
    (
        "A 12 mm plug was released. The atrial septal defect was closed with a 10 mm septal occluder.",
        1,
        "the septum",
    ),
    ("A 12 mm plug was released. The PFO was closed with a PFO occluder.", 1, "an open foramen"),
    (
        "A 12 mm plug was released. The apical tract was closed with an 8 mm duct occluder.",
        1,
        "the apical tract",
    ),
    ("A 12 mm plug was released. A Watchman was deployed in the appendage.", 1, "the appendage"),
    ("A 12 mm plug was released. The groin was closed with two Perclose devices.", 1, "the groin"),
    ("A 12 mm plug was released. An Angio-Seal was deployed in the artery.", 1, "the groin"),
    (
        "The previously implanted plug was seen to be stable. A 12 mm plug was released beside it.",
        1,
        "seen again",
    ),
    (
        "A 12 mm muscular VSD occluder was deployed in the paravalvular leak and released.",
        1,
        "a VSD device in a leak",
    ),
    (
        "COPIED FORWARD:\nThree plugs were released.\n\nDESCRIPTION:\nA 12 mm plug was released.",
        1,
        "a copied report",
    ),
]


@pytest.mark.parametrize(("text", "expected", "why"), ANOTHER_TIME_OR_PLACE)
def test_timeline_counts_this_session_and_this_leak_only(
    coder: Coder, text: str, expected: int, why: str
) -> None:
    found = [
        device for device in coder.suggest(LEAK + "\n\n" + text).devices if device.outcome == "implanted"
    ]
    assert len(found) == expected, why


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Two plugs had been placed years ago. A 12 mm AVP II was released.", "prior"),
        ("A 12 mm AVP II was released. We plan to place an 8 mm plug later.", "planned"),
        ("A 12 mm AVP II was released. The ASD was closed with a 20 mm septal occluder.", "other_target"),
    ],
)
def test_timeline_names_what_it_does_not_count(coder: Coder, text: str, outcome: str) -> None:
    found = [device.outcome for device in coder.suggest(LEAK + text).devices]
    assert sorted(found) == sorted(["implanted", outcome])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A 12 mm plug was released. A 10 mm plug found a home there too.", "a verb nobody knows"),
        ("A 12 mm plug was released. So was a 10 mm plug.", "the verb before its subject"),
        ("A 12 mm plug was released. Four plugs adorned the ring.", "a number, and no event"),
        ("A 12 mm plug was released. Thereafter a 10 mm plug.", "no verb"),
    ],
)
def test_timeline_device_that_nothing_explains_widens_the_interval(coder: Coder, text: str, why: str) -> None:
    count = coder.analyse(LEAK + text).count
    assert count.low <= 1, why
    assert count.high is None or count.high >= 2, why


def test_timeline_events_stand_in_text_order(coder: Coder) -> None:
    text = LEAK + "A 12 mm plug was advanced. It was deployed. It was released."
    (device,) = coder.analyse(text).case.main.devices
    assert [event.start for event in device.events] == sorted(event.start for event in device.events)
    assert device.state == "released"


def test_timeline_log_lines_tell_one_device(coder: Coder) -> None:
    text = (
        "Mitral paravalvular leak closure\n\n10:02 AVP II 12 mm loaded\n10:06 AVP II 12 mm deployed\n"
        "10:11 tug test\n10:14 AVP II 12 mm released\n10:20 sheath out\n"
    )
    assert outcomes(coder, text) == [("12 mm", "implanted")]


def test_timeline_log_of_an_embolized_plug(coder: Coder) -> None:
    text = (
        "Mitral paravalvular leak closure\n\n10:02 AVP II 12 mm released\n10:06 plug embolized to aorta\n"
        "10:20 plug snared and removed\n10:30 AVP II 14 mm deployed\n10:34 plug released\n"
    )
    assert outcomes(coder, text) == [("12 mm", "removed"), ("14 mm", "implanted")]


def test_timeline_explains_every_phrase(coder: Coder) -> None:
    text = LEAK + "A 12 mm plug was released. No other plug was needed. Two plugs had been placed years ago."
    explained = coder.analyse(text).case.main.explained
    assert len(explained) >= 3
    assert all(explanation for _, explanation in explained)


IN, OUT = "implanted", "removed"
BRIEFLY = [
    ("Two AVP II 8 mm plugs were deployed and released.", [("8 mm", IN)] * 2, "a size within a phrase"),
    (
        "An AVP II 8 mm was released, then two more, AVP II 6 mm both.",
        [("8 mm", IN), ("6 mm", IN), ("6 mm", IN)],
        "a size before 'both'",
    ),
    ("Three plugs were deployed. The trio was released.", [(None, IN)] * 3, "the trio are those told"),
    (
        "A 12 mm plug was placed in the leak. Second, a 10 mm of the same. Both released.",
        [("12 mm", IN), ("10 mm", IN)],
        "one of the same, and no verb",
    ),
    (
        "A 10 mm plug was released. A second one of the same size was placed beside it and released.",
        [("10 mm", IN), (None, IN)],
        "a second of the same size is no part of the first",
    ),
    (
        "A 14 mm plug opened -> leaflet stuck -> removed. A 12 mm plug opened -> stable -> released.",
        [("14 mm", OUT), ("12 mm", IN)],
        "arrows between the steps",
    ),
    (
        "14 mm plug opened → leaflet stuck → removed → 12 mm plug opened → released.",
        [("14 mm", OUT), ("12 mm", IN)],
        "an arrow before the next device",
    ),
    ("A 12 mm plug was released.\nDevice 2: ___", [("12 mm", IN)], "a blank field"),
    ("A 12 mm plug was released.\nDevice 2: none", [("12 mm", IN)], "a field that says none"),
    (
        "First plug.\nA 12 mm AVP II was released.\nSecond plug.\nA 10 mm AVP II was recaptured.",
        [("12 mm", IN), ("10 mm", OUT)],
        "headings that number their device",
    ),
    (
        "Device A - First we opened a 12 mm plug and released it.\n"
        "Device B - Next we tried a 10 mm plug, which was removed.",
        [("12 mm", IN), ("10 mm", OUT)],
        "labels before the device they name",
    ),
    (
        "Two plugs were released, and the leak recurred.\n\n"
        "Today: General anaesthesia.\nA 12 mm plug was released.",
        [(None, "prior"), ("12 mm", IN)],
        "what stands before 'Today:'",
    ),
    (
        "Three plugs were released. One plug came loose and was snared.",
        [(None, IN), (None, IN), (None, OUT)],
        "one of many",
    ),
    ("Two plugs were released. The first was not left in.", [(None, OUT), (None, IN)], "not left in"),
    (
        "A 12 mm plug embolized to the aorta. A gooseneck snare took it by the screw and out. "
        "A 14 mm plug was released.",
        [("12 mm", OUT), ("14 mm", IN)],
        "a snare brings back what was lost",
    ),
    (
        "Neither an 8 mm nor a 10 mm plug could be advanced. A 6 mm plug was released.",
        [("8 mm", OUT), ("10 mm", OUT), ("6 mm", IN)],
        "neither, nor",
    ),
    (
        "A 10 mm plug was deployed. Pulled back against the ring. Released.",
        [("10 mm", IN)],
        "a disc brought to the ring is not taken out",
    ),
    ("The leak took a 12 mm plug.", [("12 mm", IN)], "what the leak takes is in it"),
]


@pytest.mark.parametrize(("text", "expected", "why"), BRIEFLY)
def test_timeline_devices_told_briefly(
    coder: Coder, text: str, expected: list[tuple[str | None, str]], why: str
) -> None:
    assert outcomes(coder, LEAK + text) == expected, why


@pytest.mark.parametrize(
    ("text", "low", "high", "why"),
    [
        ("Two plugs were deployed but neither could be released.", 0, 2, "neither was let go"),
        ("Two plugs were deployed. None was released.", 0, 2, "none was let go"),
        ("Two plugs were deployed. Neither was recaptured. Both were released.", 2, 2, "let go after all"),
        ("A 12 mm plug was deployed but could not be released.", 0, 1, "a release withheld"),
        ("A 12 mm plug was deployed and not released yet. It was then released.", 1, 1, "and then done"),
        ("A 12 mm plug was deployed. Recaptured and removed prior to release.", 0, 0, "never released"),
        ("Two plugs were released in each of the two leaks.", 2, None, "a number for every leak"),
        ("Two plugs were released, one in each leak.", 2, 2, "a number shared out"),
        ("A 12 mm plug was released.\nDevice 2: ***", 1, 1, "a field of stars"),
    ],
)
def test_timeline_bounds_of_what_stayed(
    coder: Coder, text: str, low: int, high: int | None, why: str
) -> None:
    count = coder.analyse(LEAK + text).count
    assert (count.low, count.high) == (low, high), why


@pytest.mark.parametrize(
    ("access", "status", "outcome", "why"),
    [
        ("The apex was punctured.", "ready", "other_target", "the track of the apex"),
        ("The femoral vein was punctured.", "ready", "implanted", "no apex: that of the leak"),
    ],
)
def test_timeline_the_track_is_the_apex_only_where_someone_came_through_it(
    coder: Coder, access: str, status: str, outcome: str, why: str
) -> None:
    told = f"{access} A 12 mm AVP II was released in the leak. The track was closed with a 6 mm ADO II."
    suggestion = coder.suggest(LEAK + told)
    assert suggestion.status == status, why
    assert [d.outcome for d in suggestion.devices if d.size == "6 mm"] == [outcome], why


ONE_IN, OUT = [("10 mm", "implanted")], ("12 mm", "removed")
TOLD_PLAINLY = [
    ("A 12 mm plug was opened. It did not hold and was removed. A 10 mm plug was released.",
     [OUT, *ONE_IN], "and was"),
    ("A 12 mm plug was tried: waist too fat, sat proud, retrieved. A 10 mm plug was released.",
     [OUT, *ONE_IN], "part"),
    ("A 12 mm plug impeded the disc and was pulled back and removed. A 10 mm plug was released.",
     [OUT, *ONE_IN], "object"),
    ("A 12 mm plug was opened. Emergency recapture. A 10 mm plug was released.", [OUT, *ONE_IN], "by name"),
    ("A 12 mm plug was opened. It slipped: taken back. A 10 mm plug was released.",
     [OUT, *ONE_IN], "behind a colon"),
    ("A 12 mm plug was opened. A 10 mm plug took its place and was released.", [OUT, *ONE_IN], "succession"),
    ("A 12 mm plug was brought in and set on the back table. A 10 mm plug was released.",
     [OUT, *ONE_IN], "table"),
    ("A 12 mm plug was opened but we decided against leaving it. A 10 mm plug was released.",
     [OUT, *ONE_IN], "against"),
    ("A 12 mm plug was deployed. We removed this and deployed a 10 mm plug. It was released.",
     [OUT, *ONE_IN], "this"),
    ("We opened a 12 mm and a 10 mm plug. The 12 mm caused harm and was recaptured. The 10 mm was released.",
     [OUT, *ONE_IN], "a verb no rule knows"),
    ("I had thought about a 12 mm AVP II but wanted more force, so a 10 mm AVP II was released.",
     [("12 mm", "planned"), *ONE_IN], "but"),
    ("The first choice going by the CT was a 10 mm AVP II. It was released.",
     ONE_IN, "a choice is no finding"),
    ("A 10 mm AVP II was opened. It has not moved.", ONE_IN, "has not moved"),
    ("I favoured a 10 mm AVP II. Released.", ONE_IN, "favoured, and then released"),
    ("A 12 mm plug was opened and removed. We went up to the 10 mm. This sat well and was released.",
     [OUT, *ONE_IN], "the next size"),
    ("A 12 mm plug was opened. Same plug opened again. Released.", [("12 mm", "implanted")], "the same plug"),
    ("A 12 mm AVP II and a 10 mm AVP II were opened. The cables were unscrewed one after the other.",
     [("12 mm", "implanted"), *ONE_IN], "the cables of all"),
    ("A 10 mm AVP II was released and fitted better than another plug.", ONE_IN, "a comparison"),
    ("A 10 mm AVP II was not released until the leaflets moved freely.", ONE_IN, "until"),
    ("A 10 mm AVP II was opened. Release without incident.", ONE_IN, "how the release went"),
    ("A 10 mm AVP II was released.\n\nCOMPLICATIONS: transient block, it recovered.", ONE_IN, "block"),
    ("A 10 mm AVP II was opened. Same 10 rotated and released.", ONE_IN, "the same ten"),
    ("An 8 mm AVP II was released, followed by a 10 mm AVP II and another 10 mm AVP II.",
     [("8 mm", "implanted"), *ONE_IN, *ONE_IN], "another in one breath"),
    ("Two AVP II were placed, a 10 mm AVP II and an 8 mm AVP II.",
     [*ONE_IN, ("8 mm", "implanted")], "a list"),
    ("A 10 mm AVP II was opened. A coil of 6 mm x 10 cm was released behind it.",
     [*ONE_IN, ("6 mm x 10 cm", "implanted")], "a coil by its length"),
    ("A 10 mm AVP II was opened, and an 8 mm AVP II. The first was released, then the second.",
     [*ONE_IN, ("8 mm", "implanted")], "the verb is not said again"),
]  # fmt: skip


def test_timeline_same_size_at_the_other_valve_is_another_device(coder: Coder) -> None:
    note = (
        "Procedures: Mitral PVL closure, Aortic PVL closure\n\n"
        "--- AORTIC ---\n Device: AVP II 8 mm -> RELEASED\n"
        "--- MITRAL ---\n Device: AVP II 12 mm at 11 -> RELEASED\n Device: AVP II 8 mm at 12 -> RELEASED\n"
    )
    assert coder.suggest(note).units == {"93590": 1, "93591": 1, "93592": 1}


ALIKE = [
    ("AVP II 8 mm, most lateral. AVP II 8 mm next to it. Both let go at the same time.", 2, "beside it"),
    (
        "Over the wires:\n - AVP II 8 mm, posterior\n - AVP II 8 mm, middle\nAll released.",
        2,
        "a list",
    ),
    ("AVP II 8 mm over wire one. AVP II 8 mm over wire two. Opened simultaneously.", 2, "told alike"),
    ("AVP II 8 mm chosen. AVP II 8 mm deployed. AVP II 8 mm released.", 1, "what happens to one"),
]


@pytest.mark.parametrize(("text", "count", "why"), ALIKE)
def test_timeline_devices_alike_told_briefly(coder: Coder, text: str, count: int, why: str) -> None:
    devices = coder.analyse(LEAK + text).case.main.today()
    assert [d.size for d in devices if d.in_place] == ["8 mm"] * count, why


def test_timeline_alike_after_the_first_was_released_is_another(coder: Coder) -> None:
    told = "AVP II 8 mm was released. Crossed again. AVP II 8 mm through a guide. Sat well, detached."
    assert coder.suggest(LEAK + told).units == {"93590": 1, "93592": 1}


def test_timeline_plug_that_seals_the_apex_is_no_plug_of_the_leak(coder: Coder) -> None:
    told = (
        "The apex was punctured. A 12 mm AVP II was released in the leak. To seal the apex we used a 6 mm "
        "AVP II in the puncture channel."
    )
    assert coder.suggest(LEAK + told).units == {"93590": 1}


def test_timeline_numbers_behind_both_say_which_two(coder: Coder) -> None:
    told = "Device 1 - AVP II 10 mm. Opened. Device 2 - AVP II 8 mm. Opened. Both 1 and 2 released."
    assert coder.suggest(LEAK + told).units == {"93590": 1, "93592": 1}


def test_timeline_what_is_removed_at_last_is_what_was_recaptured(coder: Coder) -> None:
    told = (
        "A 10 mm AVP II was released. An 8 mm AVP II was opened. The 8 mm plug was recaptured, the sheath "
        "advanced and the plug removed."
    )
    assert outcomes(coder, LEAK + told) == [("10 mm", "implanted"), ("8 mm", "removed")]


def test_timeline_device_named_before_a_colon_is_the_one_told_of(coder: Coder) -> None:
    told = "A 12 mm AVP II was released. ADO II 5/4: the device was too long and was withdrawn."
    assert outcomes(coder, LEAK + told) == [("12 mm", "implanted"), ("5 / 4", "removed")]


def test_timeline_act_by_name_releases_no_device_that_only_was_chosen(coder: Coder) -> None:
    told = (
        "We had chosen an 8 mm AVP 4. A 10 mm AVP II was deployed and released.\n\nStatement: I performed "
        "the key portions, including crossing of the leak and device release."
    )
    suggestion = coder.suggest(LEAK + told)
    assert "8 mm" not in [d.size for d in suggestion.devices if d.outcome == "implanted"]
    assert suggestion.units != {"93590": 1, "93592": 1}


def test_timeline_release_that_keeps_the_wire_is_of_the_device(coder: Coder) -> None:
    told = "A 10 mm AVP II was opened. Device released keeping the wire in the leak."
    (device,) = coder.analyse(LEAK + told).case.main.devices
    assert device.state == "released"


@pytest.mark.parametrize(("text", "expected", "why"), TOLD_PLAINLY)
def test_timeline_told_plainly(coder: Coder, text: str, expected: list[tuple[str, str]], why: str) -> None:
    assert outcomes(coder, LEAK + text) == expected, why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A 10 mm AVP II was released. Each leak was closed with a 6 mm AVP II.", "one in each leak"),
        (
            "Past the old scar an 8 mm AVP II was released. A 10 mm AVP II was released.",
            "old is said of the scar",
        ),
        (
            "A 10 mm AVP II was released. An 8 mm AVP 4 would, we thought, turn better, and it did.",
            "a plan, and it did",
        ),
        (
            "A 10 mm AVP II was released. It was taken out. An 8 mm AVP II was released.",
            "taken out after release",
        ),
        (
            "A 10 mm AVP II was released.\n\nFINDINGS: An 8 mm AVP 4 was released too.",
            "another part puts one in",
        ),
        ("A 10 mm AVP II was released.\n\nADDENDUM: device embolized and was snared.", "a loss told of none"),
        (
            "A 10 mm AVP II was put in; the decision was to do without it. An 8 mm AVP 4 was released.",
            "said of it",
        ),
    ],
)
def test_timeline_what_may_be_one_more_or_fewer_is_asked(coder: Coder, text: str, why: str) -> None:
    assert coder.suggest(LEAK + text).status == "review", why


@pytest.mark.parametrize(
    ("text", "status", "count", "why"),
    [
        ("The leak was treated with vascular plug(s).", "ready", 1, "a form of words counts nothing"),
        ("The same plug was opened again 3 mm further out. Released.", "ready", 1, "outward, and not out"),
        (
            "The next leak was crossed with a Terumo wire, and this was snared in the descending aorta.",
            "ready",
            1,
            "the wire",
        ),
        ("\n\nNext leak. AVP II 8 mm, stable. Released.", "review", 1, "perhaps the next one of that size"),
        ("One more AVP II 10 mm was implanted.\n\nHe went home on Friday.", "review", 2, "the patient"),
    ],
)
def test_timeline_what_follows_a_release(coder: Coder, text: str, status: str, count: int, why: str) -> None:
    suggestion = coder.suggest(f"{LEAK}An 8 mm AVP II was deployed and released. {text}")
    left = sum(device.outcome == "implanted" for device in suggestion.devices)
    assert (suggestion.status, left) == (status, count), why


def test_timeline_size_behind_with(coder: Coder) -> None:
    assert outcomes(coder, f"{LEAK}Plug 4 with 7 mm: opened and released.") == [("7 mm", "implanted")]
    assert outcomes(coder, f"{LEAK}An AVP II with 3 mm overhang was released.") == [(None, "implanted")]
