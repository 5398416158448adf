"""One trial: topics, rows, promises and the audit of one stream."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.e2e.audit import Audit, Names
from tests.e2e.feeder import Feeder
from tests.e2e.processes import StreamProcess, WorkerProcess, wait_until
from tests.e2e.promises import Promises
from tests.e2e.rows import PARTITIONS, Row

from foretell.config import load
from foretell.stream.kafka.topics import Topic, TopicAdmin
from foretell.stream.supervision.provision import provision

# Rows of 2013, as their records' timestamps say: a broker's usual retention would delete them at once.
_KEEP = {"retention.ms": "-1"}


class Trial:
    """Everything that one test needs, under names of its own.

    Attributes:
        tree: the settings of the stream under test, to be changed before anything is started.
    """

    def __init__(
        self, name: str, servers: str, bundle: Path, folder: Path, *, replicas: int = 1, **windows: str
    ) -> None:
        self.names = Names(name)
        self.servers, self.bundle, self.folder = servers, bundle, folder
        self.tree: dict[str, Any] = {
            "kafka": {
                "bootstrap_servers": servers,
                "replication_factor": replicas,
                # Half a minute as it is shipped: a test would wait for it.
                "properties": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"},
            },
            "ray": {"head_address": "local", "num_cpus": 4},
            "stream": {
                "input_topic": self.names.input,
                "output_topic": self.names.output,
                "group": self.names.group,
                "num_actors": 3,
                "block_rows": 300,
            },
            "windows": windows,
            "log": {"format": "json"},
        }
        settings = load(flags=_flat(self.tree), environ={}).settings
        deadline = time.monotonic() + 30.0
        TopicAdmin(settings.kafka, deadline).ensure(Topic(self.names.input, PARTITIONS, _KEEP))
        provision(settings, deadline)
        self.promises = Promises(bundle, settings.windows)
        self.audit = Audit(servers, self.names, self.promises)
        self._running: list[StreamProcess | WorkerProcess] = []
        self._feeders: list[Feeder] = []

    def stream(self, environ: dict[str, str] | None = None) -> StreamProcess:
        """`foretell stream`, with a Ray of its own unless `tree` says otherwise."""
        process = StreamProcess(self.folder, self.bundle, self.tree, environ)
        self._running.append(process)
        return process

    def worker(self, index: int, fault: str | None = None) -> WorkerProcess:
        """One worker in a process of its own, without Ray."""
        process = WorkerProcess(self.folder, self.bundle, self.tree, index, fault)
        self._running.append(process)
        return process

    def feed(self, rows: Iterable[Row], rows_per_s: float) -> Feeder:
        """Rows, from now on, at a pace."""
        feeder = Feeder(self.servers, self.names.input, self.audit.sent, rows, rows_per_s)
        self._feeders.append(feeder)
        feeder.start()
        return feeder

    def wait_for_work(self, rows: int, limit_s: float = 120.0) -> None:
        """Wait until so many more rows are committed."""
        before = max(0, self.audit.committed())
        wait_until(
            lambda: self.audit.committed() >= before + rows, limit_s, f"{rows} rows\n{self.last_words()}"
        )

    def settle(self, limit_s: float) -> None:
        """Wait until all rows are committed, read everything back, and hold it against the promises."""
        for feeder in self._feeders:
            wait_until(lambda feeder=feeder: feeder.done, limit_s, "the rows")  # type: ignore[misc]
        try:
            wait_until(self.audit.all_committed, limit_s, "all rows committed")
        except AssertionError as late:
            raise AssertionError(f"{late}; {self.audit.committed()} are\n{self.last_words()}") from None
        self.audit.finish()
        print(self.audit.told())
        assert not self.audit.troubles, f"{self.audit.told()}\n{self.last_words()}"

    def last_words(self) -> str:
        return "\n".join(f"--- {each.log}\n{each.last_words()}" for each in self._running)

    def close(self) -> None:
        """End what was started."""
        for feeder in self._feeders:
            feeder.stop()
        for process in self._running:
            process.kill()


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"kafka": {"partitions": 4}} → {"kafka.partitions": 4}; librdkafka's own names stay whole."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat
