"""The figures of all replicas of this node as one, as a scrape reaches whichever of them the kernel picks.

Each replica writes its own into a folder that they share, and whoever is asked adds up what lies there. Only
what was written is ever shown, so a counter never goes back, whoever is asked next. What a replica counted
stays when it has ended; its gauges go.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

import msgspec
import numpy as np

from foretell.telemetry.meter import Buckets, Snapshot, Totals
from foretell.telemetry.metrics import Metric

log = logging.getLogger(__name__)
_ENDED = "ended"  # what all the replicas counted whose files are gone
_OLD_S = 600.0  # a folder that nobody has written into for so long is of a fleet that is gone
_TRIES = 5
_START_TIME = 19  # of the fields of /proc/PID/stat that follow the name


class _File(msgspec.Struct, array_like=True):
    """`among`: in the file of the ended ones, who they were."""

    born: str
    values: dict[str, dict[str, float]]
    histograms: dict[str, tuple[list[int], float]]
    among: list[str]


class NodeFigures:
    """One in each replica, told by any thread."""

    def __init__(
        self, folder: Path, snapshot: Callable[[], Snapshot], table: Iterable[Metric], name: str = ""
    ) -> None:
        """`folder`: see `node_folder`. `snapshot`: of this replica. `name`: of its process, unless told."""
        self._folder, self._snapshot, self._table = folder, snapshot, tuple(table)
        self._mine = folder / (name or _name(os.getpid()))
        self._lock = Lock()
        self._fold()

    def share(self) -> None:
        """Let the others know; once a second or so."""
        with self._lock:  # an older snapshot must not be written after a newer one
            snapshot = self._snapshot()
            try:
                _write(self._mine, snapshot, [])
            except FileNotFoundError:  # somebody has cleaned up
                for folder in (self._folder.parent, self._folder):
                    folder.mkdir(mode=0o700, exist_ok=True)
                _write(self._mine, snapshot, [])

    def sum(self) -> Snapshot:
        """Of all replicas, those that have ended too. Raises `OSError`: the folder cannot be read."""
        self.share()
        for _ in range(_TRIES):
            before = _read(self._folder / _ENDED)
            totals = self._totals(before, [name for name in self._names() if name not in before.among])
            if _read(self._folder / _ENDED).among == before.among:  # else one was added to them meanwhile
                break
        return totals.sum()

    def _totals(self, ended: _File, names: Iterable[str]) -> Totals:
        totals = Totals(self._table)
        totals.take(_ENDED, _snapshot(ended))
        for name in names:
            try:
                totals.take(name, _snapshot(_read(self._folder / name, must=True)))
            except FileNotFoundError:  # it is among the ended ones now
                continue
            if not _alive(name):
                totals.end(name)
        totals.end(_ENDED)
        return totals

    def _fold(self) -> None:
        """Put all that have ended into one file, unless another replica is just doing so."""
        with (self._folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            before = _read(self._folder / _ENDED)
            gone = [name for name in self._names() if not _alive(name)]
            if not gone:
                return
            totals = self._totals(before, [name for name in gone if name not in before.among])
            # First they are counted there, and then their files go: nobody is ever counted twice, or missed.
            _write(self._folder / _ENDED, totals.sum(), gone)
            for name in gone:
                (self._folder / name).unlink()

    def _names(self) -> list[str]:
        return [f.name for f in self._folder.iterdir() if f.name != _ENDED and not f.name.startswith(".")]


def node_folder(node: str, top: Path | None = None) -> Path:
    """Where the replicas on a node of Ray meet; those of nodes that are gone are removed.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    top = top or Path(tempfile.gettempdir()) / f"foretell-{os.getuid()}"
    top.mkdir(mode=0o700, exist_ok=True)
    told = top.lstat()
    if top.is_symlink() or told.st_uid != os.getuid() or told.st_mode & 0o077:
        raise PermissionError(f"{top} is open to others")
    for folder in top.iterdir():
        if time.time() - folder.stat().st_mtime > _OLD_S and not any(
            _alive(f.name) for f in folder.iterdir()
        ):
            shutil.rmtree(folder, ignore_errors=True)
    folder = top / node[:16]
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _name(pid: int) -> str:
    """Of a process: another one that has its number later has another name."""
    return f"{pid}.{_started(pid)}"


def _alive(name: str) -> bool:
    pid = name.partition(".")[0]
    try:
        return pid.isdigit() and _name(int(pid)) == name
    except OSError:
        return False


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TIME]


def _write(path: Path, snapshot: Snapshot, among: list[str]) -> None:
    histograms = {key: (b.counts.tolist(), b.sum) for key, b in snapshot.histograms.items()}
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(msgspec.msgpack.encode(_File(snapshot.born, snapshot.values, histograms, among)))
    fresh.replace(path)


def _read(path: Path, *, must: bool = False) -> _File:
    """Raises `FileNotFoundError` if it `must` be there; else it counts as empty."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        if must:
            raise
    except msgspec.DecodeError:
        log.warning("figures of another replica cannot be read")
    return _File("", {}, {}, [])


def _snapshot(file: _File) -> Snapshot:
    histograms = {key: Buckets(np.array(counts), total) for key, (counts, total) in file.histograms.items()}
    return Snapshot(file.born, file.values, histograms)
