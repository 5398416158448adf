"""The keys in force: follows the file while the server runs."""

import logging
import os
from pathlib import Path

from foretell.errors import ConfigError
from foretell.serve.security.key_file import read_keys
from foretell.serve.security.keys import Key, id_of, opens

LOOK_EVERY = 1.0  # seconds: a new or revoked key is in force after at most this
log = logging.getLogger(__name__)


class KeyRing:
    """Keys by id, read again when the file changed. A file that turns bad leaves the old keys in force."""

    def __init__(self, path: Path) -> None:
        """Raises `ConfigError` as `read_keys`: a server does not start on a bad file."""
        self._path = path
        self._seen = _look(path)
        self._looked = float("-inf")
        self._keys = {key.id: key for key in read_keys(path)}

    def find(self, token: str, now: float) -> Key | None:
        """Whose token this is; `now` in seconds on any clock that does not jump."""
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._follow()
        key = self._keys.get(id_of(token) or "")
        return key if opens(token, key) else None

    def _follow(self) -> None:
        seen = _look(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            keys = {key.id: key for key in read_keys(self._path)}
        except ConfigError as error:
            log.error("the old keys stay in force: %s", error.message, extra={"cure": error.cure})
            return
        gone, new = sorted(self._keys.keys() - keys.keys()), sorted(keys.keys() - self._keys.keys())
        self._keys = keys
        log.info("keys read again", extra={"in_force": len(keys), "new": new, "revoked": gone})


def _look(path: Path) -> tuple[int, int, int, int] | None:
    """What differs after a replacement, or an edit in place; `None` when the file cannot be seen."""
    try:
        s = os.stat(path)
    except OSError:
        return None
    return s.st_mtime_ns, s.st_size, s.st_ino, s.st_mode
