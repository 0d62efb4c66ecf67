"""Approach: by which routes the leak was crossed or a device delivered."""

from __future__ import annotations

import pytest

from extractor.coder import Coder

MITRAL = "Mitral paravalvular leak closure.\n\nDESCRIPTION:\n"
AORTIC = "Aortic paravalvular leak closure.\n\nDESCRIPTION:\n"
BOTH = "Closure of mitral and aortic paravalvular leaks.\n\nDESCRIPTION:\n"
ONE = " A 12 mm AVP II was deployed and released."
MITRAL_ONE = " A 12 mm AVP II was released in the mitral leak."
AORTIC_ONE = " A 10 mm AVP II was released in the aortic leak."

R, T, P = "retrograde", "transseptal", "transapical"

NAMED = [
    (AORTIC, "Retrograde approach.", {R}, "by name"),
    (AORTIC, "The leak was crossed retrogradely.", {R}, "as an adverb"),
    (MITRAL, "A transseptal puncture was made.", {T}, "a step"),
    (MITRAL, "TSP without incident.", {T}, "abbreviated; 'without incident' denies nothing"),
    (MITRAL, "TS under TEE.", {T}, "abbreviated further"),
    (MITRAL, "The septum was crossed with a BRK needle.", {T}, "a needle by name"),
    (MITRAL, "The interatrial septum was punctured under TEE.", {T}, "the septum punctured"),
    (
        MITRAL,
        "The septum had to be punctured more anteriorly than usual.",
        {T},
        "in the passive, with a modal",
    ),
    (MITRAL, "The PFO was crossed with a multipurpose catheter.", {T}, "an existing septal defect"),
    (MITRAL, "The apex was punctured percutaneously.", {P}, "the apex punctured"),
    (MITRAL, "A 21 gauge needle was advanced to the LV apex.", {P}, "a needle and the apex in one clause"),
    (MITRAL, "A wire was curled in the LV apex. The fossa was crossed.", {T}, "the apex without a needle"),
    (MITRAL, "We approached from the apex.", {P}, "from the apex"),
    (MITRAL, "Percutaneous TA access.", {P}, "abbreviated"),
]

SIDES = [
    (AORTIC, "The channel was crossed from the root.", {R}, "aortic, from the aorta"),
    (AORTIC, "The channel was crossed from above.", {R}, "aortic, from above"),
    (AORTIC, "The septum was punctured. The leak was crossed from below.", {T}, "aortic, from below"),
    (AORTIC, "The leak was crossed antegrade by a transseptal route.", {T}, "aortic, antegrade"),
    (MITRAL, "The leak was crossed from the left ventricle with a JR4.", {R}, "mitral, from the ventricle"),
    (MITRAL, "The leak was crossed LV to LA.", {R}, "in the words of a log"),
    (MITRAL, "The leak was wired from the left atrium.", {T}, "mitral, from the atrium"),
    (
        MITRAL,
        "The LV apex was punctured. The leak was crossed LV to LA.",
        {P},
        "from the ventricle, by the apex",
    ),
    (AORTIC, "The LV apex was punctured. The leak was crossed antegrade.", {P}, "antegrade, by the apex"),
]

VESSELS = [
    (
        AORTIC,
        "Right femoral artery 7 Fr, left femoral vein 9 Fr for ICE.",
        {R},
        "the artery at the aortic valve",
    ),
    (AORTIC, "R fem art 6F, R fem vein 6F.", {R}, "abbreviated"),
    (AORTIC, "A. femoralis dextra 8F, V. femoralis dextra 6F.", {R}, "in Latin"),
    (AORTIC, "Transradial approach.", {R}, "from the wrist"),
    (AORTIC, "RFV 9F. The leak was crossed with an AL1.", {R}, "an arterial catheter"),
    (MITRAL, "Right femoral vein, left radial arterial line.", {T}, "a pressure line is no route"),
    (MITRAL, "RFV 8F, RFA 5F pigtail.", {T}, "the vein at the mitral valve"),
    (MITRAL, "Right groin vein, steerable sheath.", {T}, "a tool of the septum"),
    ("Paravalvular leak closure.\n\n", "Right femoral artery and vein.", set(), "no valve, no word"),
    (
        AORTIC,
        "Right common femoral 8F, preclosed. The leak was crossed.",
        {R},
        "a groin, at the aortic valve",
    ),
    (
        MITRAL,
        "An AV loop was made through the left femoral artery. The septum was punctured first.",
        {T},
        "a loop through an artery",
    ),
]

NOT_TAKEN = [
    (MITRAL, "Transapical access was considered, but the septum was punctured.", {T}, "considered"),
    (MITRAL, "A mechanical aortic valve excludes the retrograde way. TSP.", {T}, "ruled out"),
    (MITRAL, "The retrograde route was impossible. The septum was punctured.", {T}, "impossible"),
    (MITRAL, "If needed, the apex will be punctured. Transseptal puncture.", {T}, "planned"),
    (MITRAL, "A transseptal attempt in 2019 failed. The LV apex was punctured.", {P}, "of another day"),
    (
        MITRAL,
        "Retrograde approach via the right femoral artery. No transseptal puncture was made.",
        {R},
        "denied",
    ),
    (MITRAL, "We talked about going through the apex. Transseptal puncture.", {T}, "talked about"),
    (MITRAL, "The septum was not crossed. Retrograde from LV to LA.", {R}, "not crossed"),
    (
        AORTIC,
        "A transapical access was prepared but not needed: the AL1 crossed from the aorta.",
        {R},
        "not needed",
    ),
    (AORTIC, "Transseptal standby was arranged. AL1, wire across.", {R}, "on standby"),
    (
        MITRAL,
        "Transapical closure was planned, but the septum proved possible: Baylis, wire across.",
        {T},
        "planned, and what follows a colon",
    ),
    (MITRAL, "Avoiding a transapical access we punctured the septum.", {T}, "avoided"),
    (AORTIC, "AL1, wire across. The device was drawn up hard from below.", {R}, "how a device came to lie"),
]

FAILED = [
    (AORTIC, "A transseptal attempt failed. The leak was crossed retrogradely.", {R}, "failed, in one "
     "clause"),
    (AORTIC, "Retrograde attempt with AL1 and AL2 for an hour. This route was given up. "
     "Transseptal puncture, and the leak was crossed.", {T}, "given up in the next sentence"),
    (AORTIC, "From the femoral artery the leak could not be crossed. The LV apex was punctured. "
     "It was crossed at once.", {P}, "could not be crossed"),
    (MITRAL, "Transseptal puncture. For an hour no wire could be passed. Then from the femoral artery a "
     "JR4 "
     "in the left ventricle pointed up and the wire popped through into the atrium.", {R}, "told by its "
     "outcome"),
    (AORTIC, "Retrograde attempt with AL1 and JR4. Finally an IMA catheter crossed the "
     "leak.", {R}, "and then not"),
    (AORTIC, "From the aorta a JR4 crossed the leak; an AL1 had been tried without "
     "success.", {R}, "before that"),
    (AORTIC, "We insisted to cross retrogradely with AL1 and AL2; the wire was deflected, and it was "
     "impossible. Transseptal puncture, the leak was crossed.", {T}, "it was impossible"),
    (AORTIC, "From above it was tried with nothing having been passed through the leak. Then the fossa was "
     "punctured, and the wire slipped through.", {T}, "nothing passed"),
]  # fmt: skip

FROM_VENTRICLE = [
    (MITRAL, "Transseptal puncture, unsuccessful from the atrium. From below a Glidewire passed along the "
     "ring into the left atrium.", {R}, "the atrium reached from the ventricle"),
    (MITRAL, "A needle was advanced to the LV. The leak was crossed from the ventricular side.", {P},
     "the ventricle by a needle"),
    (MITRAL, "RF needle, septum crossed, a catheter was turned in the apex. The leak was crossed.", {T},
     "a tool in the apex"),
    (MITRAL, "The leak was crossed retrograde from LV to LA. It was snared and brought out of the vein. "
     "All the devices were advanced from the venous side.", {R, T}, "delivered from the other side"),
]  # fmt: skip

RAILS = [
    (MITRAL, "Transseptal puncture. The leak was crossed. The wire was snared from the femoral artery and "
     "externalised.", {T}, "the far end adds none"),
    (MITRAL, "Retrograde from LV to LA. The wire was snared through a transseptal sheath. The device was "
     "delivered from the arterial side.", {R}, "a septal sheath only for the snare"),
    (MITRAL, "The apex was punctured. A single transseptal, and a gooseneck captured the wire in the "
     "LA. All "
     "devices were brought from the apical side.", {P}, "a septal puncture only for the snare"),
    (MITRAL, "From the femoral artery a JR4 was taken over the arch into the LV and the leak was "
     "crossed. The wire "
     "was snared in the LA. The sheath was advanced from the vein over the rail, across the leak.", {R, T},
     "crossed from one side, delivered from the other"),
    (MITRAL, "The leak was crossed retrogradely. It was snared through the septal sheath and pulled out "
     "from the vein.", {R}, "pulled out is not brought in"),
    (AORTIC, "A transseptal wire loop was needed: after the leak was crossed retrograde the wire was snared "
     "through a transseptal sheath. The device was delivered from the femoral artery.",
     {R}, "crossed by one route, snared by another"),
]  # fmt: skip


OTHER_PURPOSES = [
    (AORTIC, "Transseptal puncture to measure left atrial pressure. AL2 from the aorta.", {R}, "a "
     "pressure"),
    (AORTIC, "Septal puncture for ICE. The leak was crossed retrogradely.", {R}, "a probe"),
    (AORTIC, "After transseptal puncture for the MitraClip, an AL1 from the femoral artery crossed the "
     "leak.",
     {R}, "another procedure"),
    (MITRAL, "Transseptal puncture under ICE. The leak was crossed.", {T}, "guided by a probe is for "
     "the leak"),
    (MITRAL, "A VSD was crossed from the femoral artery. Transseptal puncture; the paravalvular leak was "
     "crossed.", {T}, "another defect"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "told", "routes", "why"),
    [*NAMED, *SIDES, *VESSELS, *NOT_TAKEN, *FAILED, *FROM_VENTRICLE, *RAILS, *OTHER_PURPOSES],
)
def test_approach_routes(coder: Coder, title: str, told: str, routes: set[str], why: str) -> None:
    assert set(coder.suggest(title + told + ONE).approaches) == routes, why


@pytest.mark.parametrize(
    ("text", "routes", "why"),
    [
        (
            "Procedure: Transapical closure of mitral paravalvular leak\n\nDescription:" + ONE,
            {P},
            "the title",
        ),
        ("Route: [x] Retrograde [ ] Transseptal\nAortic paravalvular leak." + ONE, {R}, "a ticked box"),
        (MITRAL + "12:01 RFV 8F\n12:05 TSP\n12:20 XED\n12:30 AVP II 12 mm released\n", {T}, "a log"),
        (
            "Tricuspid paravalvular leak closure.\n\nRFV. The leak was crossed." + ONE,
            set(),
            "the right heart",
        ),
        (
            MITRAL
            + "Transseptal puncture. The first leak was crossed."
            + ONE
            + " The second leak could not be "
            "crossed, also by a retrograde attempt. We stopped.",
            {T},
            "the failure is of the second leak",
        ),
        (
            AORTIC + "AL1, AL2, JR4. The leak was never crossed. No device was introduced. It was abandoned.",
            set(),
            "never crossed",
        ),
        (
            MITRAL
            + "A left mini-thoracotomy was made and the apex was uncovered. An 8F sheath was placed."
            + ONE,
            {P},
            "the apex by surgical exposure",
        ),
    ],
)
def test_approach_of_a_note(coder: Coder, text: str, routes: set[str], why: str) -> None:
    assert set(coder.suggest(text).approaches) == routes, why


@pytest.mark.parametrize(
    ("told", "routes", "units", "why"),
    [
        (
            "Mitral: transseptal puncture." + MITRAL_ONE + " Aortic: RFA, AL1." + AORTIC_ONE,
            {T, R},
            0,
            "each valve has its own route",
        ),
        (
            "Transseptal puncture."
            + MITRAL_ONE
            + " Through the same septal puncture the aortic leak was crossed "
            "antegrade." + AORTIC_ONE,
            {T},
            1,
            "the septal route served the aortic leak too",
        ),
        (
            "The apex was punctured percutaneously." + MITRAL_ONE + AORTIC_ONE,
            {P},
            1,
            "one apical puncture for both",
        ),
        (
            "RFV, RFA. The aortic leak was told to be large. Transseptal puncture; the mitral leak was "
            "crossed."
            + MITRAL_ONE
            + " Attention was turned to the aortic valve. Right femoral artery 6F."
            + AORTIC_ONE,
            {T, R},
            0,
            "a vessel is enough for the second valve",
        ),
    ],
)
def test_approach_of_two_valves(coder: Coder, told: str, routes: set[str], units: int, why: str) -> None:
    suggestion = coder.suggest(BOTH + told)
    assert set(suggestion.approaches) == routes, why
    assert sum(companion.units for companion in suggestion.companions) == units, why
