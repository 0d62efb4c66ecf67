"""People: accounts, passwords, sign-in, and what the trail says of it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from typer.testing import CliRunner

from extractor.cli import app
from extractor.cli.worklist_users import RoleName
from extractor.errors import NotAllowed, NotFound, WorklistError
from extractor.worklist import people, settings
from extractor.worklist.database import Store
from extractor.worklist.history import changes
from extractor.worklist.models import Entry, Lane, Role, SignIn, TrailRow, User
from extractor.worklist.trail import verify
from tests.worklist_store import Clock, add_user

PASSWORD = "plugs leak seldom"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hashes with less work."""
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(people, "_hasher", lambda: quick)
    people._nobody.cache_clear()


def grown(store: Store, name: str, role: Role = Role.coder) -> User:
    """A user who has a password of their own."""
    once = people.add(store, "command line", name, role)
    user = named(store, name)
    people.change_password(store, user, once, PASSWORD)
    return named(store, name)


def named(store: Store, name: str) -> User:
    with store.reading() as session:
        return session.scalars(select(User).where(User.name == name)).one()


def told(store: Store) -> list[tuple[str, str, str]]:
    with store.reading() as session:
        assert verify(session).wrong is None
        return [
            (row.by, row.action, row.about) for row in session.scalars(select(TrailRow).order_by(TrailRow.id))
        ]


def test_people_first_admin_is_made_once_and_must_change_the_password(store: Store) -> None:
    password = people.first_admin(store)
    assert password is not None
    assert people.first_admin(store) is None
    found = people.signed_in(store, people.sign_in(store, "Admin", password))
    assert found is not None
    user, csrf = found
    assert (user.name, user.role, user.must_change) == ("admin", Role.admin, True)
    assert len(csrf) >= 32
    people.change_password(store, user, password, PASSWORD)
    assert not named(store, "admin").must_change
    assert told(store) == [
        ("system", "user added", "user admin"),
        ("admin", "sign in", "user admin"),
        ("admin", "password changed", "user admin"),
    ]


def test_people_keep_no_password_and_no_token(store: Store) -> None:
    grown(store, "ada")
    token = people.sign_in(store, "ada", PASSWORD)
    with store.reading() as session:
        user = session.scalars(select(User)).one()
        kept = session.scalars(select(SignIn)).one()
        trail = json.dumps([row.after + row.before + row.reason for row in session.scalars(select(TrailRow))])
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    assert kept.token_hash == hashlib.sha256(token.encode()).hexdigest()
    for secret in (PASSWORD, token, user.password_hash, kept.csrf):
        assert secret not in trail


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("\0", "x"), ("ada", "")]
)
def test_people_wrong_name_and_wrong_password_get_the_same_answer(
    store: Store, name: str, password: str
) -> None:
    grown(store, "ada")
    with pytest.raises(NotAllowed) as error:
        people.sign_in(store, name, password)
    assert str(error.value) == (
        "[W022] sign-in: name or password is wrong, or the account is locked; "
        "try again, or ask an admin for a new password"
    )


def test_people_unknown_names_cost_the_same_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(store, "ada")
    compared: list[str] = []
    real = people._verify
    monkeypatch.setattr(people, "_verify", lambda kept, given: compared.append(kept) or real(kept, given))
    for name in ("ada", "nobody"):
        with pytest.raises(NotAllowed):
            people.sign_in(store, name, "wrong")
    assert [kept.split("$")[1:4] for kept in compared] == [compared[0].split("$")[1:4]] * 2
    known, unknown = told(store)[-2:]
    assert (known, unknown) == (
        ("system", "sign in failed", "user ada"),
        ("system", "sign in failed", "unknown user"),
    )


def test_people_five_failures_lock_for_a_quarter_of_an_hour(store: Store, clock: Clock) -> None:
    grown(store, "ada")
    for _ in range(4):
        with pytest.raises(NotAllowed):
            people.sign_in(store, "ada", "wrong")
    people.sign_in(store, "ada", PASSWORD)  # counts anew from here
    for _ in range(5):
        with pytest.raises(NotAllowed):
            people.sign_in(store, "ada", "wrong")
    with pytest.raises(NotAllowed):
        people.sign_in(store, "ada", PASSWORD)
    actions = [action for _, action, _ in told(store)]
    assert actions[-3:] == ["sign in failed", "user locked", "sign in refused"]
    clock.go_on(minutes=15)
    assert people.signed_in(store, people.sign_in(store, "ada", PASSWORD))


def test_people_sessions_end_by_idling_by_age_and_by_signing_out(store: Store, clock: Clock) -> None:
    grown(store, "ada")
    token = people.sign_in(store, "ada", PASSWORD)
    assert people.signed_in(store, "another") is None
    for _ in range(23):
        clock.go_on(minutes=30)
        assert people.signed_in(store, token) is not None
    clock.go_on(minutes=30, seconds=1)
    assert people.signed_in(store, token) is None  # idle
    token = people.sign_in(store, "ada", PASSWORD)
    assert people.signed_in(store, token, timedelta(minutes=5)) is not None
    for _ in range(25):
        clock.go_on(minutes=29)
        found = people.signed_in(store, token)
    assert found is None  # older than twelve hours
    token = people.sign_in(store, "ada", PASSWORD)
    people.sign_out(store, token)
    assert people.signed_in(store, token) is None
    assert told(store)[-1] == ("ada", "sign out", "user ada")


def test_people_a_new_password_ends_every_sign_in(store: Store) -> None:
    user = grown(store, "ada")
    here, there = (people.sign_in(store, "ada", PASSWORD) for _ in range(2))
    with pytest.raises(NotAllowed):
        people.change_password(store, user, "wrong", "other words here")
    people.change_password(store, user, PASSWORD, "other words here")
    assert people.signed_in(store, here) is None
    assert people.signed_in(store, there) is None
    with pytest.raises(NotAllowed):
        people.sign_in(store, "ada", PASSWORD)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("elevenchars", "fewer than 12"),
        ("abababababababab", "different characters"),
        ("I am Ada Lovely", "name of the user"),
        ("x1y2z" * 100, "more than 256"),
        (PASSWORD, "the old one"),
    ],
)
def test_people_refuse_passwords_that_are_easily_guessed(store: Store, password: str, problem: str) -> None:
    user = grown(store, "ada")
    with pytest.raises(WorklistError, match=problem) as error:
        people.change_password(store, user, PASSWORD, password)
    assert error.value.code == "W023"
    assert password not in str(error.value)


def test_people_only_admins_change_people(store: Store) -> None:
    for role in (Role.coder, Role.lead, Role.auditor):
        user = add_user(store, f"a.{role}", role)
        for change in (
            lambda by: people.add(store, by, "new", Role.admin),
            lambda by: people.reset(store, by, "a.lead"),
            lambda by: people.disable(store, by, "a.lead"),
            lambda by: people.enable(store, by, "a.lead"),
            lambda by: people.set_role(store, by, by.name, Role.admin),
        ):
            with pytest.raises(NotAllowed) as error:
                change(user)
            assert error.value.code == "W006"
    assert {action for _, action, _ in told(store)} == {"user added"}


def test_people_names_are_unique_whatever_their_letters_and_none_is_the_systems(store: Store) -> None:
    people.add(store, "command line", "Ada", Role.coder)
    for name in ("ada", " ADA ", "system", "", "a b", "a\nb", "x" * 81, "<b>"):
        with pytest.raises(WorklistError) as error:
            people.add(store, "command line", name, Role.coder)
        assert error.value.code in ("W021", "W025")
        assert "<b>" not in str(error.value)
    with pytest.raises(NotFound):
        people.reset(store, "command line", "bo")


def test_people_disabled_users_are_out_and_their_work_is_free(store: Store, clock: Clock) -> None:
    admin, ada = grown(store, "boss", Role.admin), grown(store, "ada")
    token = people.sign_in(store, "ada", PASSWORD)
    with store.writing() as session:
        entry = Entry(
            note_id="a", lane=Lane.ready, status="ready", created_at=clock(), changed_at=clock(),
            assignee_id=ada.id, holder_id=ada.id, held_until=clock(),
        )  # fmt: skip
        session.add(entry)
    people.disable(store, admin, "ada")
    assert people.signed_in(store, token) is None
    with pytest.raises(NotAllowed):
        people.sign_in(store, "ada", PASSWORD)
    with pytest.raises(NotAllowed):
        people.sign_in_by_proxy(store, "ada")
    with store.reading() as session:
        freed = session.get_one(Entry, entry.id)
        assert (freed.assignee_id, freed.holder_id, freed.held_until, freed.version) == (None, None, None, 2)
    people.enable(store, admin, "ada")
    assert people.signed_in(store, people.sign_in(store, "ada", PASSWORD))


def test_people_the_last_admin_stays(store: Store) -> None:
    admin = grown(store, "boss", Role.admin)
    for change in (people.disable, lambda *who: people.set_role(*who, Role.coder)):
        with pytest.raises(NotAllowed) as error:
            change(store, admin, "boss")
        assert error.value.code == "W024"
    people.add(store, admin, "second", Role.admin)
    assert people.set_role(store, admin, "boss", Role.coder).role is Role.coder


def test_people_reset_gives_a_new_password_and_unlocks(store: Store) -> None:
    grown(store, "ada")
    token = people.sign_in(store, "ada", PASSWORD)
    for _ in range(5):
        with pytest.raises(NotAllowed):
            people.sign_in(store, "ada", "wrong")
    once = people.reset(store, "command line", "ada")
    assert people.signed_in(store, token) is None
    found = people.signed_in(store, people.sign_in(store, "ada", once))
    assert found is not None
    assert found[0].must_change


def test_people_by_proxy_are_made_once_and_have_no_password(store: Store) -> None:
    user = people.user_by_proxy(store, "Ada@Clinic.example", Role.auditor)
    assert (user.name, user.role, user.password_hash) == ("ada@clinic.example", Role.auditor, None)
    assert people.user_by_proxy(store, "ada@clinic.example", Role.admin).id == user.id
    found = people.signed_in(store, people.sign_in_by_proxy(store, "ada@clinic.example"))
    assert found is not None
    assert found[0].role is Role.auditor
    with pytest.raises(NotAllowed):
        people.sign_in(store, "ada@clinic.example", "")
    assert [action for _, action, _ in told(store)] == ["user added", "sign in by proxy", "sign in failed"]


# -- settings ----------------------------------------------------------------------


def test_settings_are_read_as_written_and_every_change_is_in_the_trail(store: Store) -> None:
    lead = add_user(store, "lea", Role.lead)
    with store.reading() as session:
        assert settings.read(session) == settings.Settings()
    settings.write(store, lead, blind_share=0.25, more_codes=("93799",), lease_minutes=15)
    with store.reading() as session:
        kept = settings.read(session)
        row = session.scalars(select(TrailRow).where(TrailRow.action == "settings")).one()
    assert kept == settings.Settings(blind_share=0.25, more_codes=("93799",))
    assert changes(row.before, row.after) == (
        ("blind_share", "0.0", "0.25"),
        ("more_codes", "", '["93799"]'),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"blind_share": 1.5},
        {"lease_minutes": 0},
        {"unheard": 1},
        {"more_codes": ("9359",)},
        {"more_codes": ("９３５９０",)},
        {"keep_text": "maybe"},
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(store: Store, change: dict[str, object]) -> None:
    with pytest.raises(WorklistError) as error:
        settings.write(store, "command line", **change)
    assert (error.value.code, error.value.where) == ("W020", f"setting {next(iter(change))}")
    with store.reading() as session:
        assert settings.read(session) == settings.Settings()


@pytest.mark.parametrize("role", [Role.coder, Role.auditor])
def test_settings_are_for_leads_and_admins(store: Store, role: Role) -> None:
    with pytest.raises(NotAllowed):
        settings.write(store, add_user(store, "ada", role), blind_share=1.0)


# -- the command -------------------------------------------------------------------


def pvl(url: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["worklist", "users", *arguments, "--database", url])
    return result.exit_code, result.output


def test_people_command_adds_lists_and_changes_users(store: Store, database_url: str) -> None:
    status, output = pvl(database_url, "add", "Ada", "--role", "lead")
    assert status == 0
    once = output.removeprefix("one-time password: ").strip()
    assert people.signed_in(store, people.sign_in(store, "ada", once))
    people.user_by_proxy(store, "bo")
    assert pvl(database_url, "role", "ada", "auditor")[0] == 0
    assert pvl(database_url, "disable", "bo")[0] == 0
    rows = [line.split("  ") for line in pvl(database_url, "list")[1].splitlines()]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["Name", "Role", "Signs in", "State"],
        ["ada", "auditor", "with a password", "one-time password"],
        ["bo", "coder", "by proxy", "disabled"],
    ]
    assert pvl(database_url, "enable", "bo")[0] == 0
    new = pvl(database_url, "reset", "ada")[1].removeprefix("one-time password: ").strip()
    with pytest.raises(NotAllowed):
        people.sign_in(store, "ada", once)
    assert people.sign_in(store, "ada", new)
    assert {by for by, action, _ in told(store) if action in ("user disabled", "role")} == {"command line"}


def test_people_command_tells_what_it_cannot_do(store: Store, database_url: str) -> None:
    for arguments, code in (
        (("add", "system"), "W025"),
        (("reset", "nobody"), "W007"),
        (("disable", "nobody"), "W007"),
    ):
        status, output = pvl(database_url, *arguments)
        assert (status, code in output) == (1, True)
    assert pvl(database_url, "add", "ada", "--role", "king")[0] == 2


def test_people_command_has_every_role() -> None:
    assert [str(role) for role in RoleName] == [str(role) for role in Role]
