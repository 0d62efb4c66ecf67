"""Let many coders work on a large worklist at once, and measure what they wait for.

Run it as ``python tests/benchmarks/worklist_load.py``; with ``--server postgresql://...`` the worklist
is on that server, in a database of its own, else in an SQLite file. It files 100 000 notes (the sample
notes over and over; ``--keep`` keeps them for the next run), serves them with ``pvl worklist serve``,
and lets 20 coders sign in and decide over HTTP for a minute. With ``--kill`` the server is killed with
``kill -9`` half-way and started again.

It prints what the coders waited for, and fails unless every decision that was acknowledged is kept, no
note was with two coders at once, and the trail and all that it seals is as it was recorded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from sqlalchemy import create_engine, func, insert, make_url, select, text  # noqa: E402

from extractor import Coder  # noqa: E402
from extractor.readers import read  # noqa: E402
from extractor.worklist import migrate, people  # noqa: E402
from extractor.worklist.database import Store  # noqa: E402
from extractor.worklist.decisions import decide  # noqa: E402
from extractor.worklist.filing import Label, file_notes  # noqa: E402
from extractor.worklist.models import (  # noqa: E402
    Base,
    Decision,
    Entry,
    FiledSuggestion,
    Kind,
    Lane,
    Revision,
    Role,
    Trait,
    User,
)
from extractor.worklist.queue import Filters, next_note  # noqa: E402
from extractor.worklist.trail import Happening, record, sealed, verify, verify_seals  # noqa: E402

PVL = [sys.executable, "-c", "from extractor.cli import app; app(prog_name='pvl')"]
PASSWORD = "a leak, a wire and a plug"
SITES = ("north", "south", "east", "west")
CHUNK = 5_000  # notes in one transaction
DECIDED = 2_000  # notes that are decided before
PROCESSES = 4  # in which the coders work
IDLE = 4.0  # seconds after which a connection is not used again: the server closes it
PATIENCE = 120  # seconds to wait for a process of coders
HELD = "/notes/"
VIEWS = (
    Filters(),
    Filters(lane=Lane.ready),
    Filters(lane=Lane.review, sort="doubt"),
    Filters(lane=Lane.edits, sort="date"),
    Filters(lane=Lane.ready, site="north"),
    Filters(sort="doubt"),
    Filters(code="93592", valve="mitral"),
    Filters(search="N00012"),
)
"""What coders look at: mostly their own lane, now and then something rarer."""


def say(line: str) -> None:
    """Print a line now, however long the rest takes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# -- the worklist ------------------------------------------------------------------


def fill(url: str, notes: int) -> None:
    """File sample notes, multiply them, and decide about some."""
    problems: list[object] = []
    chance, coder = random.Random(1), Coder()
    store = Store(url)
    try:
        for number, path in enumerate(sorted((ROOT / "sample_notes" / "gold").glob("*.jsonl"))):
            label = Label(site=SITES[number % len(SITES)], style=f"style {number % 9}")
            file_notes(
                store, list(read([str(path)], problems.append))[:2], coder, by="load test", label=label
            )
        _multiply(store, notes, chance)
        store.look_over()
        _decide_some(store, min(DECIDED, notes // 10))
    finally:
        store.close()


def _multiply(store: Store, notes: int, chance: random.Random) -> None:
    """Copy what was filed, each under an id of its own, as if each had been filed by itself."""
    with store.reading() as session:
        filed = [
            (_values(entry), _values(revision), _values(suggestion), [_values(one) for one in entry.traits])
            for entry, revision, suggestion in session.execute(
                select(Entry, Revision, FiledSuggestion)
                .join(Revision, Revision.id == Entry.revision_id)
                .join(FiledSuggestion, FiledSuggestion.id == Entry.suggestion_id)
            )
        ]
    # The numbers of all three go up together: each sample note has one text and one suggestion.
    for start in range(len(filed) + 1, notes + 1, CHUNK):
        _copy(store, range(start, min(start + CHUNK, notes + 1)), filed, chance, notes)
    if store.engine.dialect.name == "postgresql":
        with store.writing() as session:
            for table in ("entries", "revisions", "suggestions"):
                session.execute(text(f"SELECT setval('{table}_id_seq', {notes})"))


def _copy(
    store: Store, numbers: range, filed: list[tuple[Any, ...]], chance: random.Random, notes: int
) -> None:
    rows: dict[type[Base], list[dict[str, Any]]] = defaultdict(list)
    happenings = []
    for number in numbers:
        entry, revision, suggestion, traits = chance.choice(filed)
        at = store.clock() - timedelta(minutes=notes - number)
        name, ids = f"N{number:07}", {"entry_id": number, "revision_id": number, "suggestion_id": number}
        content = suggestion["content"].replace(f'"{entry["note_id"]}"', f'"{name}"', 1)
        made = {
            Entry: {**entry, **ids, "note_id": name, "created_at": at, "changed_at": at},
            Revision: {**revision, **ids, "known_as": name, "filed_at": at},
            FiledSuggestion: {**suggestion, **ids, "content": content, "made_at": at},
        }
        for table, values in made.items():
            columns = table.__table__.columns.keys()
            rows[table].append({key: values[key] for key in columns if key != "id"} | {"id": number})
        rows[Trait] += ({**trait, "entry_id": number} for trait in traits)
        after = sealed(*(table(**rows[table][-1]) for table in made))
        happenings.append(Happening(at, "load test", "file", number, f"revision {number}", after=after))
    with store.writing() as session:
        for table, values in rows.items():
            session.execute(insert(table), values)
        record(session, *happenings)


def _values(row: Base) -> dict[str, Any]:
    return {key: getattr(row, key) for key in row.__table__.columns.keys()}  # noqa: SIM118


def _decide_some(store: Store, number: int) -> None:
    people.add(store, "load test", "earlier", Role.coder)
    with store.reading() as session:
        user = session.scalars(select(User).where(User.name == "earlier")).one()
    for _ in range(number):
        entry_id = next_note(store, user, Filters())
        assert entry_id is not None
        with store.reading() as session:
            version = session.get_one(Entry, entry_id).version
        decide(store, user, entry_id, version, Kind.accept)


def _tables() -> str:
    """A mark of the tables as they are made now: what was kept with others is of no use."""
    made = sorted(Path(migrate.__file__).parent.glob("migrations/versions/*.py"))
    return f"{zlib.crc32(b''.join(one.read_bytes() for one in made)):08x}"


@contextmanager
def sqlite(notes: int, keep: bool) -> Iterator[str]:
    """A filled worklist in a file."""
    with tempfile.TemporaryDirectory(prefix="pvl-load-") as folder:
        kept = Path(tempfile.gettempdir()) / f"pvl-load-{notes}-{_tables()}.db"
        file = Path(folder) / "worklist.db"
        if keep and kept.exists():
            shutil.copy(kept, file)
        else:
            fill(f"sqlite:///{file}", notes)
            if keep:
                shutil.copy(file, kept)
        yield f"sqlite:///{file}"


@contextmanager
def postgresql(server: str, notes: int, keep: bool) -> Iterator[str]:
    """A filled worklist on a server, in a database that is gone afterwards."""
    address = make_url(server)
    kept, name = f"pvl_load_{notes}_{_tables()}", f"pvl_load_run_{os.getpid()}"
    engine = create_engine(address.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")

    def run(statement: str) -> Any:
        with engine.connect() as connection:
            return connection.execute(text(statement))

    def url(database: str) -> str:
        return address.set(database=database).render_as_string(hide_password=False)

    if not run(f"SELECT 1 FROM pg_database WHERE datname = '{kept}'").first():
        run(f"DROP DATABASE IF EXISTS {kept}_half WITH (FORCE)")
        run(f"CREATE DATABASE {kept}_half")
        fill(url(f"{kept}_half"), notes)
        run(f"ALTER DATABASE {kept}_half RENAME TO {kept}")
    try:
        run(f"CREATE DATABASE {name} TEMPLATE {kept} STRATEGY file_copy")
        yield url(name)
    finally:
        run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        if not keep:
            run(f"DROP DATABASE {kept} WITH (FORCE)")
        engine.dispose()


def sign_up(url: str, coders: int) -> list[str]:
    """Make the coders; all have the same password."""
    names = [f"coder-{number}" for number in range(coders)]
    store = Store(url)
    try:
        for name in names:
            once = people.add(store, "load test", name, Role.coder)
            people.change_password(store, User(name=name, role=Role.coder), once, PASSWORD)
    finally:
        store.close()
    return names


# -- the server --------------------------------------------------------------------


class Server:
    """``pvl worklist serve``, which can be killed and started again at the same address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.used = 0.0  # seconds of processor time
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*PVL, "worklist", "serve", "--quiet", "--port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "PVL_DATABASE_URL": self._url},
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                Browser(self.port).get("/sign-in")
            except (OSError, HTTPException):
                time.sleep(0.1)
                continue
            return process
        raise SystemExit("the server does not start")

    def kill(self) -> None:
        """``kill -9``, and start anew."""
        self.process.kill()
        self._wait()
        self.process = self._start()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self._wait()

    def _wait(self) -> None:
        _, self.process.returncode, usage = os.wait4(self.process.pid, 0)
        self.used += usage.ru_utime + usage.ru_stime


# -- the coders --------------------------------------------------------------------


@dataclass
class Browser:
    """As much of a browser as forms need: one connection and its cookies."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    _connection: HTTPConnection | None = None
    _used: float = 0.0

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, where it leads to, and the page."""
        return self._ask("GET", path, None)

    def post(self, path: str, fields: Mapping[str, object]) -> tuple[int, str, str]:
        """The same of a form."""
        return self._ask("POST", path, urlencode(fields))

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, str, str]:
        if self._connection is None or time.monotonic() - self._used > IDLE:
            self._connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"http://127.0.0.1:{self.port}"
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            page = answer.read().decode()
            self._used = time.monotonic()
        except (OSError, HTTPException):
            self._connection.close()
            self._connection = None
            raise
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, answer.headers.get("Location") or "", page


@dataclass
class Told:
    """What one coder can tell afterwards."""

    name: str
    waits: list[tuple[str, float]] = field(default_factory=list)  # page, seconds
    decided: list[tuple[int, int]] = field(default_factory=list)  # decision, entry: acknowledged
    unsure: list[int] = field(default_factory=list)  # entries whose decision got no answer
    held: list[tuple[int, float, float]] = field(default_factory=list)  # entry, from, until
    odd: Counter[str] = field(default_factory=Counter)  # answers that are none of a quiet day
    lost: int = 0  # connections


class Worker:
    """A coder at work: looks at the queue, takes notes and decides about them."""

    def __init__(self, name: str, port: int, think: float) -> None:
        self._browser = Browser(port)
        self._think = think
        self._chance = random.Random(name)
        self._queue = ""
        self.told = Told(name)

    def sign_in(self) -> None:
        """Sign in; the waits are told like those of other pages."""
        status, _, _ = self._timed("sign in", "/sign-in", {"name": self.told.name, "password": PASSWORD})
        if status != 303:
            raise SystemExit(f"{self.told.name} cannot sign in: {status}")

    def work(self, until: float) -> None:
        """Decide about notes until it is time to go home."""
        time.sleep(self._chance.random() * self._think)
        while time.monotonic() < until:
            try:
                self._some_notes(until)
            except (OSError, HTTPException):
                self.told.lost += 1
                time.sleep(0.2)

    def _some_notes(self, until: float) -> None:
        """A look at the queue and a few notes, one after the other."""
        view = self._chance.choice(VIEWS) if self._chance.random() < 0.5 else VIEWS[1]
        asked = view.to_query()
        status, _, page = self._timed("queue page", "/queue" + (f"?{urlencode(asked)}" if asked else ""))
        if self._odd("queue page", status, 200):
            return
        self._pause()
        status, way, _ = self._timed("next note", "/queue/next", {"csrf": _hidden(page, "csrf"), **asked})
        if self._odd("next note", status, 303):
            return
        for _ in range(self._chance.randint(3, 8)):
            if not way.startswith(HELD) or time.monotonic() > until:
                return
            way = self._note(way)

    def _note(self, way: str) -> str:
        """Open a note and decide about it; gives the way to the next one."""
        entry, taken = int(re.findall(r"\d+", way)[0]), time.monotonic()
        decided = taken
        try:
            status, _, page = self._timed("note page", way)
            if self._odd("note page", status, 200):
                return ""
            self._pause()
            decided = time.monotonic()
            return self._decide(entry, page)
        finally:
            self.told.held.append((entry, taken, decided))

    def _decide(self, entry: int, page: str) -> str:
        said: dict[str, object] = {"kind": "accept"}
        if self._chance.random() < 0.2:
            said = {"kind": "reject", "reason": "not_this_session"}
        form = page.partition(f'action="{HELD}{entry}/decide"')[2]
        for name in ("csrf", "version", "back", "opened"):
            said[name] = _hidden(form, name)
        try:
            status, way, _ = self._timed("decide, next", f"{HELD}{entry}/decide", said)
            if status == 422:  # a warning: the coder means it
                said["anyway"] = "yes"
                status, way, _ = self._timed("decide, next", f"{HELD}{entry}/decide", said)
        except (OSError, HTTPException):
            self.told.unsure.append(entry)
            raise
        if self._odd("decide, next", status, 303):
            return ""
        kind, _, number = unquote(self._browser.cookies.get("pvl_said", "")).partition("|")
        if kind == "decided":
            self.told.decided.append((int(number), entry))
        else:
            self.told.odd["decision without a number"] += 1
        # Where nothing else waits, the way leads back to the same note.
        return "" if way.partition("?")[0] == f"{HELD}{entry}" else way

    def _timed(
        self, kind: str, path: str, fields: Mapping[str, object] | None = None
    ) -> tuple[int, str, str]:
        begun = time.monotonic()
        answer = self._browser.get(path) if fields is None else self._browser.post(path, fields)
        self.told.waits.append((kind, time.monotonic() - begun))
        return answer

    def _odd(self, what: str, status: int, usual: int) -> bool:
        if status != usual:
            self.told.odd[f"{what}: {status}"] += 1
        return status != usual

    def _pause(self) -> None:
        time.sleep(self._think * (0.5 + self._chance.random()))


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def _some_coders(
    names: list[str], port: int, think: float, seconds: float, ready: Any, begin: Any, out: Any
) -> None:
    """A process with some of the coders, a thread each."""
    workers = [Worker(name, port, think) for name in names]
    for worker in workers:
        worker.sign_in()
    ready.release()
    begin.wait()
    until = time.monotonic() + seconds
    try:
        with ThreadPoolExecutor(len(workers)) as threads:
            list(threads.map(lambda worker: worker.work(until), workers))
    finally:
        out.put([worker.told for worker in workers])


def run(server: Server, names: list[str], think: float, seconds: float, kill: bool) -> list[Told]:
    """Let the coders work; half-way the server is killed if that is wanted."""
    context = multiprocessing.get_context("spawn")
    ready, begin, out = context.Semaphore(0), context.Event(), context.Queue()
    processes = [
        context.Process(
            target=_some_coders,
            args=(names[number::PROCESSES], server.port, think, seconds, ready, begin, out),
        )
        for number in range(min(PROCESSES, len(names)))
    ]
    for process in processes:
        process.start()
    if not all(ready.acquire(timeout=PATIENCE) for _ in processes):
        raise SystemExit("not all coders could sign in")
    begin.set()
    if kill:
        time.sleep(seconds / 2)
        server.kill()
    told = [one for _ in processes for one in out.get(timeout=seconds + PATIENCE)]
    for process in processes:
        process.join()
    return told


# -- what came of it ---------------------------------------------------------------


def report(told: list[Told], seconds: float) -> None:
    """What the coders waited for."""
    waits: dict[str, list[float]] = defaultdict(list)
    for one in told:
        for kind, wait in one.waits:
            waits[kind].append(wait * 1000)
    say(f"{'':14}{'number':>8}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}{'most ms':>9}")
    for kind, found in waits.items():
        found.sort()
        shares = [found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.95, 0.99)]
        say(f"{kind:14}{len(found):8}" + "".join(f"{one:8.1f}" for one in shares) + f"{found[-1]:9.1f}")
    asked = sum(len(found) for found in waits.values())
    decided = sum(len(one.decided) for one in told)
    say(f"{asked / seconds:.1f} requests and {decided / seconds:.1f} decisions a second")
    odd = sum((one.odd for one in told), Counter[str]())
    if odd:
        say(f"unusual answers: {dict(odd)}")
    lost = sum(one.lost for one in told)
    if lost:
        say(f"connections that broke: {lost}")


def check(url: str, told: list[Told]) -> list[str]:
    """What is wrong: decisions that are gone, notes that were with two coders, a trail that does not fit."""
    wrong = [f"{one.name} decided nothing" for one in told if not one.decided]
    store = Store(url)
    with store.reading() as session:
        kept = {
            number: (entry, name)
            for number, entry, name in session.execute(
                select(Decision.id, Decision.entry_id, User.name).join(User, User.id == Decision.user_id)
            )
        }
        acknowledged = [(number, entry, one.name) for one in told for number, entry in one.decided]
        gone = [number for number, entry, name in acknowledged if kept.get(number) != (entry, name)]
        if gone:
            wrong.append(f"decisions that are gone: {gone[:20]}")
        say(f"{len(acknowledged)} acknowledged decisions, all kept" if not gone else wrong[-1])
        unsure = [(entry, one.name) for one in told for entry in one.unsure]
        known = set(kept.values())
        if unsure:
            say(f"{len(unsure)} without an answer, of them {len(known & {*unsure})} kept")
        verdict = verify(session)
        if verdict.wrong is not None:
            wrong.append(f"row {verdict.wrong} of the trail: {verdict.problem}")
        found = list(verify_seals(session))
        wrong += found[:20]
        entries = session.scalar(select(func.count()).select_from(Entry))
        state = "whole" if verdict.wrong is None and not found else "broken"
        say(f"the trail of {verdict.rows} rows about {entries} notes: {state}")
    store.close()
    both = shared(told)
    say(f"{sum(len(one.held) for one in told)} notes handed out, {len(both)} of them to two coders at once")
    return wrong + [f"note {entry} was with two coders at once" for entry in both]


def shared(told: list[Told]) -> set[int]:
    """Notes that one coder got while another one had not yet decided about them."""
    by_entry: dict[int, list[tuple[float, float, str]]] = defaultdict(list)
    for one in told:
        for entry, begun, ended in one.held:
            by_entry[entry].append((begun, ended, one.name))
    found = set()
    for entry, times in by_entry.items():
        times.sort()
        for (_, ended, name), (begun, _, other) in pairwise(times):
            if begun < ended and name != other:
                found.add(entry)
    return found


def main() -> None:
    """Fill, serve, work, check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="", help="a PostgreSQL server; without, an SQLite file")
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--coders", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=1.0, help="seconds that a coder thinks on each page")
    parser.add_argument("--kill", action="store_true", help="kill -9 the server half-way")
    parser.add_argument("--keep", action="store_true", help="keep what was filed for the next run")
    given = parser.parse_args()
    place = (
        postgresql(given.server, given.notes, given.keep) if given.server else sqlite(given.notes, given.keep)
    )
    with place as url:
        names = sign_up(url, given.coders)
        load = os.getloadavg()[0]
        server = Server(url)
        try:
            say(
                f"{make_url(url).get_backend_name()}, {given.notes} notes, {given.coders} coders, "
                f"{given.think} s for each page, {given.seconds:.0f} s; load before: {load:.1f}"
            )
            told = run(server, names, given.think, given.seconds, given.kill)
        finally:
            server.stop()
        report(told, given.seconds)
        say(f"processor time of the server: {server.used:.1f} s; load after: {os.getloadavg()[0]:.1f}")
        wrong = check(url, told)
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
