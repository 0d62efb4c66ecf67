"""Where a command writes: outputs are checked before work begins, and appear when they are complete."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import typer

from extractor.cli.outcome import FAILED, complain
from extractor.errors import OutputError
from extractor.terminal import printable


def check_file(out: Path | None, sources: list[str]) -> None:
    """Refuse a file that cannot be made, or that is one of the inputs; None is standard output.

    Examples
    --------
    >>> try:
    ...     check_file(Path("notes.jsonl"), ["notes.jsonl"])
    ... except typer.BadParameter as error:
    ...     print(error)
    notes.jsonl is one of the inputs: name another file to write
    """
    if out is None:
        return
    if out.is_dir():
        raise typer.BadParameter(f"{printable(str(out))} is a folder: name a file to write")
    check_parent(out)
    if any(source != "-" and Path(source).resolve() == out.resolve() for source in sources):
        raise typer.BadParameter(f"{printable(str(out))} is one of the inputs: name another file to write")


def check_parent(out: Path) -> None:
    """Refuse a file or folder in a folder that is not there.

    Examples
    --------
    >>> try:
    ...     check_parent(Path("no-such-folder/codes.csv"))
    ... except typer.BadParameter as error:
    ...     print(error)
    the folder no-such-folder does not exist: create it first
    """
    if not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {printable(str(out.parent))} does not exist: create it first")


def check_folder(out: Path, sources: list[str]) -> None:
    """Refuse a folder for results that is a file, or lies in a folder of the inputs.

    Examples
    --------
    >>> try:
    ...     check_folder(Path("out"), ["."])
    ... except typer.BadParameter as error:
    ...     print(error)
    out is in a folder of the inputs: name another one
    """
    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{printable(str(out))} is a file: name a folder to write to")
    inside = (source for source in sources if source != "-" and os.path.isdir(source))
    if any(out.resolve().is_relative_to(Path(source).resolve()) for source in inside):
        raise typer.BadParameter(f"{printable(str(out))} is in a folder of the inputs: name another one")


def check_new_folder(out: Path, sources: list[str]) -> None:
    """Refuse a folder for texts that is no new one: what is in it may be someone's notes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     check_new_folder(Path(folder), ["-"])  # empty
    ...     check_new_folder(Path(folder, "texts"), ["-"])  # not there yet
    """
    check_folder(out, sources)
    check_parent(out)
    if out.is_symlink() or (out.exists() and any(out.iterdir())):
        raise typer.BadParameter(f"{printable(str(out))} is not an empty folder: name one to make")


@contextmanager
def open_output(out: Path | None, exact: bool = False, private: bool = False) -> Iterator[TextIO]:
    """Open standard output, or a file that replaces ``out`` only once it is complete.

    Parameters
    ----------
    out
        The file; None is standard output.
    exact
        Write the same bytes on every machine: UTF-8, line ends as written. A file always is exact.
    private
        Make a file that its owner alone may read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     out = Path(folder, "codes.csv")
    ...     with open_output(out) as stream:
    ...         _ = stream.write("note_id,status")
    ...         out.exists()
    ...     out.read_text(encoding="utf-8")
    False
    'note_id,status'
    """
    if out is None:
        if isinstance(sys.stdout, TextIOWrapper):
            if exact:
                sys.stdout.reconfigure(encoding="utf-8", newline="")
            else:
                sys.stdout.reconfigure(errors="replace")
        yield sys.stdout
        return
    part = _part(out)
    try:
        with writing(out):
            opener = _owners_own if private else None
            with open(part, "x", encoding="utf-8", newline="", opener=opener) as stream:
                yield stream
            os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file, which takes its name, and the place of an earlier one, once it is complete.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "a.txt"), b"Dear doctor")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    part = _part(path)
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(out: Path, force: bool = False) -> Iterator[Path]:
    """Make a folder that takes its name, and the place of an earlier one, only once it is complete.

    Parameters
    ----------
    out
        The folder.
    force
        Replace it with all that is in it; otherwise it must be empty, if it is there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     out = Path(folder, "texts")
    ...     with new_folder(out) as part:
    ...         _ = Path(part, "a.txt").write_text("A leak.")
    ...         out.exists()
    ...     [path.name for path in out.iterdir()]
    False
    ['a.txt']
    """
    from shutil import rmtree

    part = _part(out.absolute())
    old = part.with_suffix(".old")
    try:
        with writing(out):
            part.mkdir()
        yield part
        with writing(out):
            if force and out.exists():
                out.rename(old)
            elif out.exists():
                out.rmdir()
            part.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        rmtree(part, ignore_errors=True)
        if out.exists():
            rmtree(old, ignore_errors=True)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Tell that a file or folder cannot be written, and end the command.

    Examples
    --------
    >>> try:
    ...     with writing(Path("codes.csv")):
    ...         raise PermissionError(13, "Permission denied")
    ... except typer.Exit as end:
    ...     print(end.exit_code)
    1
    """
    try:
        yield
    except OSError as error:
        problem = f"cannot be written ({error.strerror or type(error).__name__})"
        remedy = "see that there is room and that you may write there"
        complain(OutputError("O004", str(out), problem, remedy))
        raise typer.Exit(FAILED) from None


def _owners_own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _part(path: Path) -> Path:
    """Name that a file or folder has while it is being written."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")
