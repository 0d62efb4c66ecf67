"""Other rules: a rule book from a revision, a folder, a zip file or one pattern file.

In: what the user names, and the pattern folder it is compared with. Out: a
``RuleBook``, read by the code of today: a revision's pattern files are taken
from git, its code is not.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from extractor.errors import RuleError
from extractor.rules import RuleBook, load_rules

_NAMES = "name a git revision, a folder or zip file of pattern files, or one pattern file (.yaml)"
_REMEDY = "compare with a later revision, or with a copy of the patterns brought to the format of today"
_LARGEST = 50_000_000  # bytes of all pattern files of an archive


def other_rules(named: str, patterns: Path) -> RuleBook:
    """Load the rules that a user names to compare with.

    Parameters
    ----------
    named
        A folder or zip file of pattern files, one pattern file (it stands in for the
        file of its name in ``patterns``), or a git revision. A path that exists goes
        before a revision of that name.
    patterns
        The pattern folder they are compared with; a revision is looked up in its
        repository.

    Raises
    ------
    RuleError
        Where nothing of that name is found, or its rules cannot be loaded today.
    """
    path = Path(named)
    with tempfile.TemporaryDirectory(prefix="pvl-rules-") as name:
        folder = Path(name)
        if path.is_dir():
            folder = path / "patterns" if (path / "patterns").is_dir() else path
        elif path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
            _replace_namesake(path, patterns, folder)
        elif path.is_file() and is_zipfile(path):
            _unpack(named, path.read_bytes(), folder)
        elif path.exists():
            raise RuleError("R008", named, "neither a zip file nor a pattern file", _NAMES)
        else:
            _unpack(named, _archive(named, patterns), folder)
        return _load(named, folder)


def complete(book: RuleBook, named: str) -> RuleBook:
    """Give the book back if notes can be coded with it.

    Raises
    ------
    RuleError
        Where it lacks a coding rule that the code of today asks for.
    """
    missing = sorted(set(load_rules().coding) - set(book.coding))
    if missing:
        raise RuleError(
            "R010",
            named,
            f"this version of pvl cannot code with these patterns (no rule {', '.join(missing)})",
            _REMEDY,
        )
    return book


def _load(named: str, folder: Path) -> RuleBook:
    try:
        return complete(load_rules(folder), named)
    except RuleError as error:
        if error.code in ("R001", "R010"):
            raise
        problem = f"this version of pvl cannot load these patterns ({error.code}: {error.problem})"
        raise RuleError("R010", f"{named}: {error.where}", problem, _REMEDY) from None


def _replace_namesake(path: Path, patterns: Path, folder: Path) -> None:
    """Copy the patterns with one file in the place of its namesake."""
    if not (patterns / path.name).is_file():
        known = ", ".join(sorted(file.name for file in patterns.glob("*.yaml")))
        problem = f"no pattern file {path.name} in {patterns}"
        raise RuleError("R008", str(path), problem, f"give it one of these names: {known}")
    for file in patterns.glob("*.yaml"):
        shutil.copyfile(path if file.name == path.name else file, folder / file.name)


def _unpack(named: str, archive: bytes, folder: Path) -> None:
    """Write the pattern files of a zip archive into a folder, wherever in it they stand."""
    try:
        with ZipFile(io.BytesIO(archive)) as members:
            found = _pattern_files(members.infolist())
            if sum(info.file_size for info in found) > _LARGEST:
                raise RuleError("R009", named, "the archive is too large", "give the pattern files alone")
            for info in found:
                (folder / Path(info.filename).name).write_bytes(members.read(info))
    except (BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        problem = f"the zip file cannot be read ({type(error).__name__})"
        raise RuleError("R009", named, problem, "pack the pattern files again, or name a folder") from None
    if not found:
        raise RuleError("R001", named, "no pattern files (*.yaml) here", _NAMES)


def _pattern_files(members: list[ZipInfo]) -> list[ZipInfo]:
    """The files of one folder of an archive: the one called patterns, else the topmost with such files."""
    folders: dict[PurePosixPath, list[ZipInfo]] = defaultdict(list)
    for info in members:
        path = PurePosixPath(info.filename)
        if path.suffix == ".yaml":
            folders[path.parent].append(info)
    if not folders:
        return []
    return folders[min(folders, key=lambda path: (path.name != "patterns", len(path.parts), path))]


def _archive(revision: str, patterns: Path) -> bytes:
    """The pattern files of a revision as a zip archive."""
    if revision.startswith("-"):
        raise RuleError("R008", revision, "no such revision, folder or file", _NAMES)
    place = _git(patterns, "rev-parse", "--show-toplevel", "--show-prefix")
    if place is None:
        raise RuleError(
            "R008",
            revision,
            f"no such folder or file, and {patterns} is in no git repository that can be read",
            "name a folder or zip file of pattern files, or one pattern file (.yaml)",
        )
    top, _, prefix = place.decode().rstrip("\n").partition("\n")
    if _git(Path(top), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise RuleError("R008", revision, "no such revision, folder or file", _NAMES)
    tree = f"{revision}^{{commit}}:{prefix.rstrip('/')}"
    archive = _git(Path(top), "archive", "--format=zip", tree)
    if archive is None:
        raise RuleError(
            "R008",
            revision,
            f"this revision has no folder {prefix.rstrip('/')}",
            "choose a later revision, or name a folder of pattern files",
        )
    return archive


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
