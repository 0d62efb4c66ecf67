"""The worklist's database: how it opens, what it keeps, and that its trail shows what was changed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from extractor.errors import WorklistError
from extractor.readers import Note
from extractor.worklist import asking, exports, settings, trail
from extractor.worklist.database import Store, default_url
from extractor.worklist.decisions import decide, undo
from extractor.worklist.filing import file_notes
from extractor.worklist.migrate import configuration, upgrade
from extractor.worklist.models import Base, Decision, Entry, Kind, Role, Setting, User
from extractor.worklist.trail import Happening
from tests.worklist_store import Clock, ToldCoder, add_user

SECRET = "Testperson, Ada: two plugs"


def fill(store: Store, told_coder: ToldCoder) -> Decision:
    """Three notes, one of them decided and recorded."""
    told_coder.tell(SECRET, units={"93590": 1})
    file_notes(store, [Note(f"n{i}", SECRET) for i in range(3)], told_coder, by="system")
    ada = add_user(store, "ada")
    with store.writing() as session:
        entry = session.get_one(Entry, 1)
        decision = Decision(
            entry_id=1,
            revision_id=entry.revision_id,
            suggestion_id=entry.suggestion_id,
            user_id=ada.id,
            kind=Kind.accept,
            lines=[{"code": "93590", "units": 1}],
            outcomes={},
            made_at=store.clock(),
        )
        session.add(decision)
        session.flush()
        entry.decision_id = decision.id
        about = f"decision {decision.id}"
        after = trail.sealed(decision, entry)
        trail.record(session, Happening(store.clock(), "ada", trail.DECIDE, 1, about, after=after))
    return decision


def tamper(store: Store, *statements: str) -> None:
    """Change the database behind the back of the worklist, as somebody with its password can."""
    with store.writing() as session:
        for statement in statements:
            session.execute(text(statement))


def drop_triggers(store: Store) -> list[str]:
    if store.engine.dialect.name == "postgresql":
        return ["DROP TRIGGER trail_is_only_added ON trail"]
    return ["DROP TRIGGER trail_refuses_update", "DROP TRIGGER trail_refuses_delete"]


def findings(store: Store) -> tuple[trail.Verdict, list[str]]:
    with store.reading() as session:
        return trail.verify(session), list(trail.verify_seals(session))


def test_store_models_and_migrations_describe_the_same_tables(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_store_migrates_from_every_form_and_again_changes_nothing(empty_url: str, clock: Clock) -> None:
    from alembic.script import ScriptDirectory
    from sqlalchemy import inspect

    forms = [one.revision for one in ScriptDirectory.from_config(configuration()).walk_revisions()]
    assert forms[-1] == "0001"
    store = Store(empty_url, clock)
    tables = inspect(store.engine).get_table_names()
    upgrade(store.engine, "again")
    assert inspect(store.engine).get_table_names() == tables
    assert {"entries", "trail", "alembic_version"} <= set(tables)
    store.close()
    again = Store(empty_url, clock)
    with again.reading() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == forms[0]
    again.close()


def test_store_migration_that_fails_leaves_nothing(
    empty_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op
    from sqlalchemy import inspect, make_url

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(op, "bulk_insert", fail)  # the last step of the first form
        with pytest.raises(RuntimeError, match="power cut"):
            Store(empty_url, clock)
    url = make_url(empty_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "postgres" in empty_url else url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    Store(empty_url, clock).close()


def test_store_of_a_newer_program_is_refused(empty_url: str, clock: Clock) -> None:
    store = Store(empty_url, clock)
    tamper(store, "UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(WorklistError, match="newer version of pvl") as caught:
        Store(empty_url, clock)
    assert caught.value.code == "W003"


def test_store_does_not_move_into_a_database_of_something_else(empty_url: str, clock: Clock) -> None:
    from sqlalchemy import make_url

    url = make_url(empty_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "postgres" in empty_url else url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE patients (id INTEGER)"))
    engine.dispose()
    with pytest.raises(WorklistError, match="other tables") as caught:
        Store(empty_url, clock)
    assert caught.value.code == "W003"


def test_store_file_and_its_companions_are_for_their_owner_alone(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "new" / "worklist.db"
    before = os.umask(0)
    try:
        store = Store(f"sqlite:///{file}", clock)
        add_user(store, "ada")
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"worklist.db": 0o600, "worklist.db-wal": 0o600, "worklist.db-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    store.close()
    file.chmod(0o644)
    Store(f"sqlite:///{file}", clock).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_store_sqlite_keeps_what_it_acknowledged(tmp_path: Path, clock: Clock) -> None:
    store = Store(f"sqlite:///{tmp_path / 'w.db'}", clock)
    with store.reading() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
    store.close()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("worklist.db", "W001"),
        ("", "W001"),
        ("mysql://user:hidden-word@host/base", "W001"),
        ("postgres://user:hidden-word@host/base", "W001"),
        ("sqlite://", "W001"),
        ("sqlite:///:memory:", "W001"),
        ("sqlite:///file:x?mode=memory", "W001"),
        ("postgresql://user:hidden-word@127.0.0.1:1/base", "W002"),
        ("postgresql://127.0.0.1:1/base?password=hidden-word", "W002"),
        ("postgresql://user:hidden-word@127.0.0.1:1x/base", "W001"),
    ],
)
def test_store_address_that_cannot_be_used_is_told_without_its_password(url: str, code: str) -> None:
    with pytest.raises(WorklistError) as caught:
        Store(url)
    assert caught.value.code == code
    assert "hidden-word" not in str(caught.value)


def test_store_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "w.db"
    file.write_text("One plug was deployed. " * 100)
    with pytest.raises(WorklistError, match="no database") as caught:
        Store(f"sqlite:///{file}")
    assert caught.value.code == "W002"
    with pytest.raises(WorklistError) as caught:
        Store(f"sqlite:///{file}/below.db")
    assert caught.value.code == "W002"
    with pytest.raises(WorklistError) as caught:
        Store(f"sqlite:///{tmp_path}")
    assert caught.value.code == "W002"


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="no folder that nobody can write")
def test_store_folder_that_cannot_be_written_is_told() -> None:
    with pytest.raises(WorklistError) as caught:
        Store("sqlite:////sys/worklist.db")  # nobody can, not even root
    assert caught.value.code == "W002"


def test_store_default_is_a_file_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PVL_DATABASE_URL", raising=False)
    monkeypatch.setenv("PVL_DATA", str(tmp_path))
    assert default_url() == f"sqlite:///{tmp_path}/worklist.db"
    monkeypatch.setenv("PVL_DATABASE_URL", "postgresql://host/base")
    assert default_url() == "postgresql://host/base"


def test_store_failure_names_no_word_that_was_to_be_stored(store: Store) -> None:
    def twice() -> None:
        with store.writing() as session:
            session.add(Setting(name="a", value=SECRET))
            session.flush()
            session.execute(
                text("INSERT INTO settings (name, value) VALUES ('a', :value)"), {"value": SECRET}
            )

    with pytest.raises(WorklistError) as caught:
        twice()
    assert caught.value.code == "W004"
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__
    with store.reading() as session:
        assert session.query(Setting).count() == 0


def test_store_failing_block_keeps_nothing(store: Store) -> None:
    def fail() -> None:
        with store.writing() as session:
            session.add(Setting(name="a", value="1"))
            session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.reading() as session:
        assert session.query(Setting).count() == 0


def test_store_reading_sees_one_state(store: Store) -> None:
    with store.reading() as session:
        assert session.query(User).count() == 0
        thread = threading.Thread(target=add_user, args=(store, "ada"))
        thread.start()
        thread.join()
        assert session.query(User).count() == 0
    with store.reading() as session:
        assert session.query(User).count() == 1


def test_store_reading_keeps_no_change(store: Store) -> None:
    with store.reading() as session:
        session.add(Setting(name="a", value="1"))
    with store.reading() as session:
        assert session.query(Setting).count() == 0


def test_store_writing_within_writing_is_refused_and_does_not_hang(store: Store) -> None:
    with store.writing(), pytest.raises(RuntimeError, match="writing already"), store.writing():
        pass
    add_user(store, "ada")


def test_store_many_threads_write_one_chain(store: Store, clock: Clock) -> None:
    def work(name: str) -> None:
        for i in range(10):
            with store.writing() as session:
                trail.record(
                    session, Happening(clock(), name, "open", i), Happening(clock(), name, "close", i)
                )

    threads = [threading.Thread(target=work, args=(f"user {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict, _ = findings(store)
    assert (verdict.rows, verdict.wrong) == (160, None)


def test_store_programs_that_start_at_once_all_come_up(empty_url: str) -> None:
    script = "import sys; from extractor.worklist.database import Store; Store(sys.argv[1]).close()"
    started = [
        subprocess.Popen([sys.executable, "-c", script, empty_url], stderr=subprocess.PIPE) for _ in range(3)
    ]
    ends = [one.communicate() for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], ends


def test_trail_of_what_happened_is_whole(store: Store, told_coder: ToldCoder) -> None:
    fill(store, told_coder)
    verdict, seals = findings(store)
    assert (verdict.rows, verdict.wrong, seals) == (5, None, [])
    with store.reading() as session:
        rows = session.execute(text("SELECT * FROM trail")).all()
    assert "plugs" not in str(rows)
    assert "Testperson" not in str(rows)


def test_trail_database_itself_refuses_changes(store: Store, told_coder: ToldCoder) -> None:
    fill(store, told_coder)
    for statement in ("UPDATE trail SET by = 'eve'", "DELETE FROM trail WHERE id = 2"):
        with pytest.raises(WorklistError):
            tamper(store, statement)
    with pytest.raises(DBAPIError, match="only ever added"), store.engine.begin() as connection:
        connection.execute(text("DELETE FROM trail"))
    assert findings(store)[0].rows == 5


@pytest.mark.parametrize(
    ("statements", "wrong", "problem"),
    [
        (["UPDATE trail SET by = 'eve' WHERE id = 5"], 5, "changed"),
        (["UPDATE trail SET after = '' WHERE id = 2"], 2, "changed"),
        (["UPDATE trail SET at = '2020-01-01T00:00:00+00:00' WHERE id = 1"], 1, "changed"),
        (["DELETE FROM trail WHERE id = 2"], 2, "missing"),
        (["DELETE FROM trail WHERE id = 5"], 6, "missing at the end"),
        (["DELETE FROM trail"], 1, "missing at the end"),
        (["DELETE FROM trail", "DELETE FROM trail_end"], 1, "missing at the end"),
        (["DELETE FROM trail WHERE id = 2", "UPDATE trail SET id = id - 1 WHERE id > 2"], 2, "follow"),
    ],
)
def test_trail_shows_what_was_changed_in_it(
    store: Store, told_coder: ToldCoder, statements: list[str], wrong: int, problem: str
) -> None:
    fill(store, told_coder)
    tamper(store, *drop_triggers(store), *statements)
    verdict, _ = findings(store)
    assert problem in verdict.problem
    assert verdict.wrong in (wrong, wrong - 1 if "end" in problem else wrong)


def test_trail_made_anew_is_told_by_its_last_hash(store: Store, told_coder: ToldCoder) -> None:
    fill(store, told_coder)
    noted = findings(store)[0].last
    with store.reading() as session:
        first = session.execute(text("SELECT hash FROM trail WHERE id = 4")).scalar_one()
    tamper(
        store,
        *drop_triggers(store),
        "DELETE FROM trail WHERE id = 5",
        f"UPDATE trail_end SET last = 4, hash = '{first}'",
    )
    verdict, seals = findings(store)
    assert (verdict.wrong, verdict.last == noted) == (None, False)
    assert seals == ["entry 1 was changed", "decision 1 is not in the trail"]


def fill_all(store: Store, told_coder: ToldCoder) -> None:
    """One of everything that the trail seals."""
    told_coder.tell(SECRET, units={"93590": 1})
    file_notes(store, [Note(f"n{i}", SECRET) for i in range(3)], told_coder, by="system")
    ada, lena = add_user(store, "ada"), add_user(store, "lena", Role.lead)
    settings.write(store, lena, second_check_share=0.0)
    for number in (1, 2):
        decide(store, ada, number, 1, Kind.accept)
    undo(store, ada, 2, 2)
    query = asking.draft(store, ada, 3, 1, asking.OWN, "How many devices were left?")
    asking.send(store, ada, query.id, 2)
    exports.make(store, lena, "csv")
    settings.write(store, lena, lease_minutes=20)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE decisions SET lines = '[]' WHERE id = 1", ["decision 1 was changed"]),
        ("UPDATE decisions SET comment = 'no' WHERE id = 1", ["decision 1 was changed"]),
        ("UPDATE decisions SET made_at = '2020-01-01 00:00:00' WHERE id = 1", ["decision 1 was changed"]),
        ("UPDATE decisions SET undone_at = '2024-09-02 08:00:00' WHERE id = 1", ["decision 1 was changed"]),
        ("UPDATE decisions SET undone_at = NULL", ["decision 2 was changed"]),
        ("DELETE FROM decisions WHERE id = 2", ["decision 2 is missing"]),
        ("UPDATE suggestions SET content = '{}' WHERE id = 2", ["suggestion 2 was changed"]),
        ("UPDATE revisions SET text = 'Three plugs.' WHERE id = 3", ["revision 3 was changed"]),
        ("UPDATE revisions SET standing = 'preliminary' WHERE id = 3", ["revision 3 was changed"]),
        ("UPDATE entries SET decision_id = 2 WHERE id = 1", ["entry 1 was changed"]),
        ("UPDATE entries SET lane = 'done' WHERE id = 2", ["entry 2 was changed"]),
        ("UPDATE entries SET service_date = '2020-01-01' WHERE id = 1", ["entry 1 was changed"]),
        ("UPDATE queries SET text = 'Were it two?'", ["query 1 was changed"]),
        ("UPDATE queries SET answer = 'two'", ["query 1 was changed"]),
        ("UPDATE queries SET state = 'answered'", ["query 1 was changed"]),
        ("DELETE FROM queries", ["query 1 is missing"]),
        ("UPDATE exports SET number = 2", ["export 1 was changed"]),
        ("UPDATE exports SET content = 'x'", ["export 1 was changed"]),
        ("UPDATE exported SET decision_id = 2", ["exported 1.0 was changed"]),
        ("DELETE FROM exported", ["exported 1.0 is missing"]),
        ("INSERT INTO exported VALUES (1, 1, 2)", ["exported 1.1 is not in the trail"]),
        ("UPDATE users SET role = 'admin' WHERE name = 'ada'", ["user 1 was changed"]),
        ("UPDATE users SET password_hash = 'x' WHERE name = 'lena'", ["user 2 was changed"]),
        (
            "INSERT INTO users (id, name, role, must_change, active, failures, created_at) "
            "VALUES (9, 'eve', 'admin', false, true, 0, '2024-09-02 08:00:00')",
            ["user 9 is not in the trail"],
        ),
        (
            "UPDATE settings SET value = '1' WHERE name = 'lease_minutes'",
            ["setting lease_minutes was changed"],
        ),
        ("DELETE FROM settings WHERE name = 'lease_minutes'", ["setting lease_minutes is missing"]),
        ("INSERT INTO settings VALUES ('blind_share', '1')", ["setting blind_share is not in the trail"]),
        ("UPDATE entries SET held_until = NULL, version = 7", []),  # who works on it now is nobody's proof
        ("UPDATE users SET failures = 3", []),
    ],
)
def test_trail_shows_what_was_changed_elsewhere(
    store: Store, told_coder: ToldCoder, statement: str, found: list[str]
) -> None:
    fill_all(store, told_coder)
    if store.engine.dialect.name == "postgresql":
        statement = statement.replace("content = 'x'", "content = 'x'::bytea")
    assert findings(store)[1] == []
    tamper(store, statement)
    assert findings(store)[1] == found


def test_trail_seal_of_a_row_is_the_same_when_it_is_read_again(store: Store, told_coder: ToldCoder) -> None:
    decision: Any = fill(store, told_coder)
    with store.reading() as session:
        again = session.get_one(Decision, decision.id)
        assert trail.sealed(again) == trail.sealed(decision)
