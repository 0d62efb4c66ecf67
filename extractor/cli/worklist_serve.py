"""``pvl worklist serve`` and ``demo``: the pages of the worklist."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli import suggesting
from extractor.cli.outcome import Errors, reported, tell
from extractor.cli.worklist import Database, opened
from extractor.cli.worklist_users import RoleName

if TYPE_CHECKING:
    from extractor.worklist.database import Store
    from extractor.worklist.models import Role
    from extractor.worklist.web.security import Place

_BEHIND = "Behind a proxy"
_PORT = 8765
_STYLES = 24  # files of labelled notes that the demo takes one note of
_PEOPLE = {"coder": "coder", "second": "coder", "lead": "lead", "auditor": "auditor", "admin": "admin"}

Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port to listen on; 0 takes a free one.")
]


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; by default only this machine reaches it.")
    ] = "127.0.0.1",
    port: Port = _PORT,
    *,
    behind_proxy: Annotated[
        str,
        typer.Option(
            "--behind-proxy",
            metavar="URL",
            help="The https address under which users reach it through a reverse proxy.",
            rich_help_panel=_BEHIND,
        ),
    ] = "",
    proxy_user_header: Annotated[
        str,
        typer.Option(
            "--proxy-user-header",
            metavar="NAME",
            help="Header in which the proxy names the user whom it has signed in, such as X-Remote-User.",
            rich_help_panel=_BEHIND,
        ),
    ] = "",
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            metavar="ADDRESS",
            help="Address or network of the proxy, from which alone that header counts; may be given again.",
            rich_help_panel=_BEHIND,
        ),
    ] = None,
    proxy_role: Annotated[
        RoleName,
        typer.Option(
            "--proxy-role", help="Role of a user who comes for the first time.", rich_help_panel=_BEHIND
        ),
    ] = RoleName.coder,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log only what fails.")] = False,
    database: Database = None,
) -> None:
    """Serve the pages of the worklist until interrupted."""
    from extractor.worklist import people
    from extractor.worklist.models import Role

    with reported():
        place = _place(host, behind_proxy, proxy_user_header, trusted_proxy or [], Role(proxy_role))
    with opened(database) as store, closing(_socket(host, port)) as listening:
        password = people.first_admin(store)
        if password is not None:
            tell(f"The first user is {people.FIRST}, with the one-time password {password}")
        tell(f"The worklist is at {place.public or _address(host, listening)} (stop it with Ctrl+C)")
        _run(store, place, listening, quiet)


def demo(port: Port = _PORT) -> None:
    """Serve fictional notes from a worklist of their own, which is gone afterwards."""
    import tempfile

    from extractor.worklist.database import Store
    from extractor.worklist.web.security import Place

    host = "127.0.0.1"
    with (
        closing(_socket(host, port)) as listening,
        tempfile.TemporaryDirectory(prefix="pvl-demo-") as folder,
        reported(),
        closing(Store(f"sqlite:///{folder}/worklist.db")) as store,
    ):
        tell("Filing fictional notes ...")
        tell(f"{fill(store)} notes are on the worklist.")
        password = sign_up(store)
        tell(f"The demo is at {_address(host, listening)} (stop it with Ctrl+C)")
        tell(f"Sign in as {', '.join(_PEOPLE)}; the password of each is {password}")
        _run(store, Place(host), listening, quiet=True)


def fill(store: Store) -> int:
    """File the sample notes: those of the demo, and one of each of some styles.

    Returns
    -------
    int
        How many notes are new.
    """
    from extractor.readers import read
    from extractor.worklist.filing import Label, file_notes
    from extractor.worklist.trail import SYSTEM

    errors = Errors()
    coder = suggesting.make_coder()
    filed = 0
    for path, style in _samples():
        notes = list(read([str(path)], errors))
        if path.suffix == ".jsonl":
            notes = notes[:1]
        label = Label(site="Demo hospital", style=style)
        filed += file_notes(store, notes, coder, by=SYSTEM, label=label).new
    return filed


def sign_up(store: Store) -> str:
    """Make users of every role.

    Returns
    -------
    str
        The password of all of them.
    """
    import secrets

    from extractor.worklist import people
    from extractor.worklist.models import Role, User

    password = secrets.token_urlsafe(12)
    for name, role in _PEOPLE.items():
        once = people.add(store, "demo", name, Role(role))
        people.change_password(store, User(name=name, role=Role(role)), once, password)
    return password


def _samples() -> Iterator[tuple[Path, str]]:
    """Files of notes and their style: those inside the package, or beside it."""
    package = Path(__file__).parent.parent
    inside = package / "sample_notes"
    folder = inside if inside.is_dir() else package.parent / "sample_notes"
    for path in sorted((folder / "demo").glob("*.txt")):
        yield path, path.stem.partition("-")[0]
    labelled = sorted((folder / "gold").glob("*.jsonl"))
    for path in labelled[:: max(1, len(labelled) // _STYLES)]:
        yield path, path.stem


def _place(host: str, public: str, header: str, trusted: list[str], role: Role) -> Place:
    from extractor.errors import WorklistError
    from extractor.worklist.web.security import Place, Proxy

    if bool(header) != bool(trusted):
        raise WorklistError(
            "W012",
            "--proxy-user-header",
            "it counts only together with --trusted-proxy",
            "give both: the header, and the address of the proxy that sets it",
        )
    return Place(host, public, Proxy.of(header, trusted, role) if header else None)


def _socket(host: str, port: int) -> socket.socket:
    from extractor.errors import WorklistError

    with reported():
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host.strip("[]"), port), family=family, backlog=256)
        except OSError as error:
            raise WorklistError(
                "W012",
                f"{host}:{port}",
                f"this address cannot be listened on ({error.strerror or type(error).__name__})",
                "stop what uses it, or choose another one with --port or --host",
            ) from None


def _address(host: str, listening: socket.socket) -> str:
    name = f"[{host.strip('[]')}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"


def _run(store: Store, place: Place, listening: socket.socket, quiet: bool) -> None:
    """Serve until a signal comes. The log is the shield's: uvicorn's own would show addresses."""
    import logging
    import signal
    from contextlib import suppress

    import uvicorn

    from extractor.worklist.web.app import make_app

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pvl.worklist").setLevel(logging.ERROR if quiet else logging.INFO)
    config = uvicorn.Config(
        make_app(store, place),
        http="h11",  # the one that bounds the length of headers
        access_log=False,
        log_config=None,
        lifespan="off",
        ws="none",
        proxy_headers=False,  # a proxy is trusted in one place only: the visit
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    # uvicorn ends the process by the signal that stopped it; what is open is to be closed first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
