"""The file of keys: JSON, mode 0600, replaced as a whole, so that a reader sees the old keys or the new."""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from foretell.errors import ConfigError
from foretell.serve.security.keys import Key

FORMAT = 1
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class _Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    keys: tuple[Key, ...]


def read_keys(path: Path) -> tuple[Key, ...]:
    """All keys of the file.

    Raises:
        ConfigError: missing, not readable, writable by others, damaged, or of a newer format.
    """
    try:
        with path.open("rb") as file:
            mode, raw = os.fstat(file.fileno()).st_mode, file.read()
    except FileNotFoundError:
        cure = f"make one: foretell keys new --client NAME --models MODEL --file {path}"
        raise ConfigError(f"{path}: no such file of keys", cure=cure) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", cure="it is a file that can be read") from None
    if mode & _OTHERS_MAY_WRITE:
        message = f"{path}: others may write to it (mode {stat.S_IMODE(mode):04o}), and so make keys"
        raise ConfigError(message, cure=f"chmod 600 {path}")
    return _decode(path, raw)


def _decode(path: Path, raw: bytes) -> tuple[Key, ...]:
    cure = "put the last good copy back, or make a new file with `foretell keys new`"
    try:
        contents = msgspec.json.decode(raw, type=_Contents)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no file of keys: {error}", cure=cure) from None
    if contents.format != FORMAT:
        message = f"{path}: format {contents.format}, this foretell reads {FORMAT}"
        raise ConfigError(message, cure="update foretell")
    ids = [key.id for key in contents.keys]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{path}: two keys have one id", cure=cure)
    return contents.keys


def add_key(path: Path, key: Key) -> None:
    """Put a key into the file; makes file and folder where they are missing.

    Raises:
        ConfigError: as `read_keys`; or it cannot be written.
    """
    with _written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            _write(path, (*(read_keys(path) if path.exists() else ()), key))


def revoke(path: Path, which: str) -> list[Key]:
    """Take out the key of this id, or all keys of this client, and give what was taken out.

    Raises:
        ConfigError: there is none; or as `add_key`.
    """
    keys = read_keys(path)
    with _written(path), _alone(path):
        keys = read_keys(path)
        gone = [key for key in keys if which in (key.id, key.client)]
        if not gone:
            there = ", ".join(f"{key.id} ({key.client})" for key in keys) or "none"
            raise ConfigError(f"{path}: no key or client `{which}`", cure=f"there are: {there}")
        _write(path, tuple(key for key in keys if key not in gone))
    return gone


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    raw = msgspec.json.format(msgspec.json.encode(_Contents(FORMAT, keys)), indent=2)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(raw + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", cure="name another file with --file"
        ) from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two commands at once would each write back what they read: the folder is locked between the two."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
