"""People: who may sign in, and as what.

Passwords are kept as argon2 hashes, the token of a browser as its SHA-256. A wrong name
and a wrong password take the same time and get the same answer; after five failures an
account waits a quarter of an hour. Everything but the last click of a browser is in the
trail.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, joinedload

from extractor.errors import NotAllowed, NotFound, WorklistError
from extractor.worklist.database import Store
from extractor.worklist.models import Entry, Role, SignIn, User
from extractor.worklist.trail import SYSTEM, Happening, record, sealed

if TYPE_CHECKING:
    from argon2 import PasswordHasher

FIRST = "admin"
"""Name of the first user."""

MOST_FAILURES = 5
LOCKED = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
"""After how long everybody signs in anew."""

SHORTEST = 12  # characters of a password
_LONGEST_PASSWORD = 256
_DIFFERENT = 5  # characters, at least
_TELLING = 3  # characters of a name that a password must not hold
_LONGEST_NAME = 80
_NAME = re.compile(r"[\w.@+-][\w.@+\\/-]*")
_CLICK = timedelta(minutes=1)  # how exactly the last click is kept
_WRONG = (
    "name or password is wrong, or the account is locked",
    "try again, or ask an admin for a new password",
)


def permit(user: User | str, *roles: Role) -> None:
    """Stop whoever has none of these roles. A name alone is the command line's, which may do everything.

    Examples
    --------
    >>> permit(User(name="ada", role=Role.lead), Role.lead, Role.admin)
    >>> permit(User(name="bo", role=Role.coder), Role.admin)
    Traceback (most recent call last):
        ...
    extractor.errors.NotAllowed: [W006] user bo: not for the role coder; needed: admin
    """
    if not isinstance(user, str) and user.role not in roles:
        asked = " or ".join(roles)
        raise NotAllowed("W006", f"user {user.name}", f"not for the role {user.role}", f"needed: {asked}")


def name_of(user: User | str) -> str:
    """Who it is, for the trail."""
    return user if isinstance(user, str) else user.name


# -- accounts ----------------------------------------------------------------------


def first_admin(store: Store) -> str | None:
    """Make the first user of a new worklist.

    Returns
    -------
    str or None
        The one-time password of ``admin``; nothing where there are users already.
    """
    password = _one_time()
    hashed = _hasher().hash(password)
    with store.writing() as session:
        if session.scalar(select(func.count()).select_from(User)):
            return None
        _insert(session, store.clock(), SYSTEM, FIRST, Role.admin, hashed)
    return password


def add(store: Store, by: User | str, name: str, role: Role) -> str:
    """Add a user and give the one-time password, which has to be changed at the first sign-in."""
    permit(by, Role.admin)
    name = _checked_name(name)
    password = _one_time()
    hashed = _hasher().hash(password)
    with store.writing() as session:
        if session.scalar(select(User.id).where(User.name == name)) is not None:
            raise WorklistError("W021", f"user {name}", "there is a user of this name", "choose another name")
        _insert(session, store.clock(), name_of(by), name, role, hashed)
    return password


def reset(store: Store, by: User | str, name: str) -> str:
    """Give a user a new one-time password, unlock the account and end every sign-in of it."""
    permit(by, Role.admin)
    password = _one_time()
    hashed = _hasher().hash(password)
    with store.writing() as session:
        user = _named(session, name)
        user.password_hash, user.must_change = hashed, True
        user.failures, user.locked_until = 0, None
        _sign_out_everywhere(session, user)
        _tell_change(session, store.clock(), by, "password reset", user)
    return password


def set_role(store: Store, by: User | str, name: str, role: Role) -> User:
    """Give a user another role."""
    permit(by, Role.admin)
    with store.writing() as session:
        user = _named(session, name)
        before = user.role
        if before is Role.admin and role is not Role.admin:
            _not_the_last_admin(session, user)
        user.role = role
        if role not in (Role.coder, Role.lead):
            _leave_work(session, store.clock(), by, user)
        _tell_change(session, store.clock(), by, "role", user, {"role": before}, {"role": role})
        return user


def disable(store: Store, by: User | str, name: str) -> User:
    """Let a user sign in no more; what was assigned to or held by the user is free again."""
    permit(by, Role.admin)
    with store.writing() as session:
        user = _named(session, name)
        if user.role is Role.admin:
            _not_the_last_admin(session, user)
        user.active = False
        _sign_out_everywhere(session, user)
        _leave_work(session, store.clock(), by, user)
        _tell_change(session, store.clock(), by, "user disabled", user)
        return user


def enable(store: Store, by: User | str, name: str) -> User:
    """Let a user sign in again."""
    permit(by, Role.admin)
    with store.writing() as session:
        user = _named(session, name)
        user.active, user.failures, user.locked_until = True, 0, None
        _tell_change(session, store.clock(), by, "user enabled", user)
        return user


def users(session: Session) -> list[User]:
    """Every user, by name."""
    return list(session.scalars(select(User).order_by(User.name)))


def change_password(store: Store, user: User, old: str, new: str) -> None:
    """Change one's own password; every sign-in ends, that of this browser too: its token may be known.

    Parameters
    ----------
    store
        The worklist.
    user
        Whose password it is.
    old, new
        The passwords.

    Raises
    ------
    NotAllowed
        Where the old password is wrong.
    WorklistError
        Where the new one does not do.
    """
    check_password(new, user.name)
    if not _proved(store, user.name, old):
        raise NotAllowed("W022", f"user {user.name}", *_WRONG)
    if new == old:
        raise WorklistError("W023", "the new password", "it is the old one", "choose another one")
    hashed = _hasher().hash(new)
    with store.writing() as session:
        changed = _named(session, user.name)
        changed.password_hash, changed.must_change = hashed, False
        _sign_out_everywhere(session, changed)
        _tell_change(session, store.clock(), user, "password changed", changed)


def check_password(password: str, name: str) -> None:
    """Refuse a password that is easily guessed.

    Examples
    --------
    >>> check_password("plug, leak and wire", "ada")
    >>> check_password("short", "ada")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    extractor.errors.WorklistError: [W023] the new password: it has fewer than 12 characters; ...
    """
    problem = ""
    if len(password) < SHORTEST:
        problem = f"it has fewer than {SHORTEST} characters"
    elif len(password) > _LONGEST_PASSWORD:
        problem = f"it has more than {_LONGEST_PASSWORD} characters"
    elif len(set(password)) < _DIFFERENT:
        problem = f"it has fewer than {_DIFFERENT} different characters"
    elif len(name) >= _TELLING and name.casefold() in password.casefold():
        problem = "it holds the name of the user"
    if problem:
        raise WorklistError("W023", "the new password", problem, "choose another one")


# -- signing in --------------------------------------------------------------------


def sign_in(store: Store, name: str, password: str) -> str:
    """Sign a user in.

    Returns
    -------
    str
        The token for the browser's cookie; only its hash is kept.

    Raises
    ------
    NotAllowed
        Where name or password is wrong or the account is locked: which of these is not told.
    """
    if not _proved(store, name, password):
        raise NotAllowed("W022", "sign-in", *_WRONG)
    return _open(store, _folded(name), "sign in")


def sign_in_by_proxy(store: Store, name: str, default_role: Role = Role.coder) -> str:
    """Sign in whom a trusted proxy names; the proxy has checked who it is."""
    return _open(store, user_by_proxy(store, name, default_role).name, "sign in by proxy")


def user_by_proxy(store: Store, name: str, default_role: Role = Role.coder) -> User:
    """The user whom a trusted proxy names, with a new account if there is none.

    Raises
    ------
    NotAllowed
        Where the account is disabled.
    """
    name = _checked_name(name)
    with store.reading() as session:
        user = session.scalar(select(User).where(User.name == name))
    if user is None:
        with store.writing() as session:
            user = session.scalar(select(User).where(User.name == name))
            if user is None:
                user = _insert(session, store.clock(), SYSTEM, name, default_role, None)
    if not user.active:
        raise NotAllowed("W022", "sign-in", *_WRONG)
    return user


def signed_in(store: Store, token: str, idle: timedelta = timedelta(minutes=30)) -> tuple[User, str] | None:
    """Who is signed in with a token, and the CSRF token of that browser.

    Parameters
    ----------
    store
        The worklist.
    token
        From the cookie.
    idle
        After how long without a click it no longer counts (setting ``idle_minutes``).
    """
    now = store.clock()
    key = _sha256(token)
    with store.reading() as session:
        found = session.get(SignIn, key, options=[joinedload(SignIn.user)])
        if found is None:
            return None
        user, csrf, seen, since = found.user, found.csrf, found.seen_at, found.created_at
    if not user.active or now - seen > idle or now - since > LONGEST:
        return None
    if now - seen >= _CLICK:
        with store.writing() as session:  # no change of anything: not in the trail
            again = session.get(SignIn, key)
            if again is None:
                return None
            again.seen_at = max(now, again.seen_at)
    return user, csrf


def sign_out(store: Store, token: str) -> None:
    """Forget a browser."""
    with store.writing() as session:
        found = session.get(SignIn, _sha256(token))
        if found is not None:
            _tell(session, store.clock(), found.user, "sign out", found.user)
            session.delete(found)


def _proved(store: Store, name: str, password: str) -> bool:
    """Whether the password is right and the account open; failures are counted.

    The hash is computed outside any transaction, for unknown names and locked accounts too.
    """
    name = _folded(name)
    with store.reading() as session:
        user = session.scalar(select(User).where(User.name == name)) if _NAME.fullmatch(name) else None
    kept = user.password_hash if user is not None else None
    right = _verify(kept or _nobody(), password[: _LONGEST_PASSWORD + 1]) and kept is not None
    anew = _hasher().hash(password) if right and kept and _hasher().check_needs_rehash(kept) else None
    now = store.clock()
    with store.writing() as session:
        if user is None:  # as much work as for a name that is known; not the name: it may be a password
            record(session, Happening(now, SYSTEM, "sign in failed", about="unknown user"))
            return False
        user = session.get_one(User, user.id, with_for_update=True, populate_existing=True)
        if (user.locked_until is not None and user.locked_until > now) or not user.active:
            _tell(session, now, SYSTEM, "sign in refused", user)
            return False
        if right and user.password_hash == kept:
            user.failures, user.locked_until = 0, None
            if anew is not None:
                user.password_hash = anew
                _tell_change(session, now, SYSTEM, "password hashed anew", user)
            return True
        user.failures += 1
        if user.failures >= MOST_FAILURES:
            user.failures, user.locked_until = 0, now + LOCKED
        action = (
            "user locked" if user.locked_until is not None and user.locked_until > now else "sign in failed"
        )
        _tell(session, now, SYSTEM, action, user)
    return False


def _open(store: Store, name: str, action: str) -> str:
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    now = store.clock()
    with store.writing() as session:
        user = _named(session, name)
        session.execute(delete(SignIn).where(SignIn.created_at < now - LONGEST))
        session.add(
            SignIn(token_hash=_sha256(token), user_id=user.id, csrf=csrf, created_at=now, seen_at=now)
        )
        _tell(session, now, user, action, user)
    return token


# -- parts -------------------------------------------------------------------------


def _insert(session: Session, now: datetime, by: str, name: str, role: Role, hashed: str | None) -> User:
    user = User(name=name, role=role, password_hash=hashed, must_change=hashed is not None, created_at=now)
    session.add(user)
    session.flush()
    _tell_change(session, now, by, "user added", user, None, {"role": role, "proxy": hashed is None})
    return user


def _tell(
    session: Session,
    now: datetime,
    by: User | str,
    action: str,
    user: User,
    before: object = None,
    after: object = None,
) -> None:
    about = f"user {user.name}"[:80]
    record(session, Happening(now, name_of(by), action, about=about, before=before, after=after))


def _tell_change(
    session: Session,
    now: datetime,
    by: User | str,
    action: str,
    user: User,
    before: object = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Tell of what changed the account itself."""
    _tell(session, now, by, action, user, before, {**(after or {}), **sealed(user)})


def _named(session: Session, name: str) -> User:
    user = session.scalar(select(User).where(User.name == _folded(name)).with_for_update())
    if user is None:
        raise NotFound("W007", "users", "there is no user of this name", "see: pvl worklist users list")
    return user


def _not_the_last_admin(session: Session, user: User) -> None:
    # Locked, so that two admins cannot remove each other at once.
    admins = session.scalars(select(User).where(User.role == Role.admin, User.active).with_for_update())
    if all(admin.id == user.id for admin in admins):
        raise NotAllowed("W024", f"user {user.name}", "this is the last admin", "make another one first")


def _sign_out_everywhere(session: Session, user: User) -> None:
    session.execute(delete(SignIn).where(SignIn.user_id == user.id))


def _leave_work(session: Session, now: datetime, by: User | str, user: User) -> None:
    """Free what the user was to work on, so that nothing waits for somebody who does not come."""
    for entry in session.scalars(select(Entry).where(Entry.holder_id == user.id).with_for_update()):
        entry.holder_id = entry.held_until = None
    for entry in session.scalars(select(Entry).where(Entry.assignee_id == user.id).with_for_update()):
        entry.assignee_id = None
        entry.version += 1
        entry.changed_at = now
        happening = Happening(
            now,
            name_of(by),
            "reassign",
            entry.id,
            before={"to": user.name},
            after={"to": None},
            reason="user left",
        )
        record(session, happening)


def _folded(name: str) -> str:
    return name.strip().casefold()


def _checked_name(name: str) -> str:
    """The name as it is kept: in small letters, so that nobody can look like another one."""
    folded = _folded(name)
    if folded == SYSTEM or len(folded) > _LONGEST_NAME or not _NAME.fullmatch(folded):
        problem = "this is no name for a user"
        raise WorklistError(
            "W025", "users", problem, "letters, digits and . _ - @ + only, at most 80 of them"
        )
    return folded


def _one_time() -> str:
    return secrets.token_urlsafe(15)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobody() -> str:
    """A hash to compare with where there is no user: it takes as long, and nothing fits it."""
    return _hasher().hash(secrets.token_urlsafe(32))


def _verify(kept: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(kept, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
