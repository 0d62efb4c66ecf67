"""``pvl worklist serve`` and ``demo``: the pages of the worklist."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.outcome import reported, tell
from extractor.cli.worklist import Database, opened
from extractor.cli.worklist_users import RoleName

if TYPE_CHECKING:
    from extractor.worklist.database import Store
    from extractor.worklist.models import Role
    from extractor.worklist.web.security import Place

_BEHIND = "Behind a proxy"
_PORT = 8765

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

    from extractor.cli.worklist_demo import PEOPLE, fill
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
        number, password = fill(store)
        tell(f"{number} notes are on the worklist.")
        tell(f"The demo is at {_address(host, listening)} (stop it with Ctrl+C)")
        tell(f"Sign in as {', '.join(PEOPLE)}; the password of each is {password}")
        _run(store, Place(host), listening, quiet=True)


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
            listening = socket.create_server((host.strip("[]"), port), family=family, backlog=256)
        except OSError as error:
            raise WorklistError(
                "W012",
                f"{host}:{port}",
                f"this address cannot be listened on ({error.strerror or type(error).__name__})",
                "stop what uses it, or choose another one with --port or --host",
            ) from None
    # Connections inherit it. Without, the end of a page waits 40 ms for the browser to confirm its begin.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


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
        lifespan="on",
        ws="none",
        proxy_headers=False,  # a proxy is trusted in one place only: the visit
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    # uvicorn ends the process by the signal that stopped it; what is open is to be closed first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
