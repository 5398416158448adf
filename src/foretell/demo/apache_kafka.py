"""A real Apache Kafka on this machine, for the demo, tests and benchmarks; thrown away after use."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from foretell.demo.leash import Leashed
from foretell.errors import BrokerUnreachable

OLDEST_JAVA = 17
_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
_SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_HOST = "127.0.0.1"
_LOG4J2 = """<Configuration status="ERROR">
  <Appenders><File name="file" fileName="{file}"><PatternLayout pattern="%d %p %m (%c)%n"/></File></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="file"/></Root></Loggers>
</Configuration>
"""


def find_kafka() -> Path | None:
    """The folder of Apache Kafka's jars, when there is one and a Java that runs it; else `None`.

    Looked for in: `KAFKA_HOME` (it or its `libs`), `.kafka/libs`, `../shared/kafka/libs`, from the working
    directory and from the checkout.
    """
    home = os.environ.get("KAFKA_HOME")
    places = [Path(home) / "libs", Path(home)] if home else []
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        places += [root / ".kafka" / "libs", root.parent / "shared" / "kafka" / "libs"]
    libs = next((place for place in places if any(place.glob("kafka_2.*.jar"))), None)
    return libs if libs and java_version() >= OLDEST_JAVA else None


def java_version() -> int:
    """Major version of the `java` on the path; 0 when there is none."""
    java = shutil.which("java")
    if java is None:
        return 0
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class ApacheKafka:
    """A cluster in KRaft mode, each node broker and controller; nodes are numbered from 1.

    Args:
        libs: Apache Kafka's jars (`find_kafka`).
        nodes: with 3, internal topics are replicated 3 times and need 2 in sync.
        data_dir: kept after `close`; unset: a temporary folder that is removed.
        users: name → password; opens a SASL listener (SCRAM-SHA-512, no TLS) beside the plain one.
        properties: more of server.properties.

    Attributes:
        bootstrap_servers, sasl_bootstrap_servers: of all nodes; the second is empty without `users`.

    Raises:
        BrokerUnreachable: a node did not come up; the message has the end of its log.
    """

    def __init__(
        self,
        libs: Path,
        nodes: int = 1,
        data_dir: Path | None = None,
        users: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self._libs, self._users, self._properties = libs, users or {}, properties or {}
        self._temporary = None if data_dir else tempfile.TemporaryDirectory(prefix="foretell-kafka-")
        self._data = data_dir or Path(self._temporary.name if self._temporary else "")
        ports = free_ports(3 * nodes)
        self._plain, self._controller, self._sasl = (
            ports[:nodes],
            ports[nodes : 2 * nodes],
            ports[2 * nodes :],
        )
        self.bootstrap_servers = _addresses(self._plain)
        self.sasl_bootstrap_servers = _addresses(self._sasl) if users else ""
        self._running: dict[int, Leashed] = {}
        try:
            for node in range(1, nodes + 1):
                self._format(node)
            for node in range(1, nodes + 1):
                self._launch(node)
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self, node: int = 1) -> None:
        """SIGKILL: the node is gone at once; `start` brings it back with its data."""
        self._running.pop(node).kill()

    def pause(self, node: int = 1) -> None:
        """SIGSTOP: its connections stay open and nobody answers."""
        self._running[node].signal(signal.SIGSTOP)

    def resume(self, node: int = 1) -> None:
        """SIGCONT."""
        self._running[node].signal(signal.SIGCONT)

    def start(self, node: int = 1) -> None:
        """Start a node that was killed, on the same ports and data, and wait until it answers."""
        self._launch(node)
        self._wait_until_ready()

    def close(self) -> None:
        """End all nodes (Kafka is built to be killed) and remove the temporary folder."""
        for process in self._running.values():
            process.kill()
        self._running.clear()
        if self._temporary:
            self._temporary.cleanup()

    def _folder(self, node: int) -> Path:
        return self._data / f"node-{node}"

    def _format(self, node: int) -> None:
        folder = self._folder(node)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.properties").write_text(_properties_text(self._server_properties(node)))
        (folder / "log4j2.xml").write_text(_LOG4J2.format(file=folder / "kafka.log"))
        scram = [f"SCRAM-SHA-512=[name={name},password={word}]" for name, word in self._users.items()]
        command = [*self._java(folder), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += ["-t", _CLUSTER_ID, "-c", str(folder / "server.properties")]
        done = subprocess.run(
            command + [part for user in scram for part in ("--add-scram", user)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BrokerUnreachable(
                f"Apache Kafka cannot format {folder}: {(done.stderr or done.stdout).strip()}"
            )

    def _launch(self, node: int) -> None:
        folder = self._folder(node)
        command = [*self._java(folder, "-Xmx512m"), "kafka.Kafka", str(folder / "server.properties")]
        gone_with_us = folder if self._temporary else None
        self._running[node] = Leashed(command, folder / "console.log", remove=gone_with_us)

    def _java(self, folder: Path, *options: str) -> Sequence[str]:
        return (
            "java",
            *options,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}",
            "-cp",
            f"{self._libs}/*",
        )

    def _server_properties(self, node: int) -> dict[str, str]:
        replicas = min(3, len(self._plain))
        listeners = {"PLAINTEXT": self._plain, "CONTROLLER": self._controller}
        if self._users:
            listeners["SASL_PLAINTEXT"] = self._sasl
        return {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": ",".join(
                f"{number}@{_HOST}:{port}" for number, port in enumerate(self._controller, 1)
            ),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(f"{name}://{_HOST}:{ports[node - 1]}" for name, ports in listeners.items()),
            "listener.security.protocol.map": ",".join(
                f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in listeners
            ),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": _SCRAM_MODULE,
            "log.dirs": str(self._folder(node) / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(max(1, replicas - 1)),
            "offsets.topic.replication.factor": str(replicas),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(max(1, replicas - 1)),
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(max(1, replicas - 1)),
            "group.initial.rebalance.delay.ms": "0",
            # A node that was killed may come back only when its session has ended (9 s otherwise).
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "1000",
            **self._properties,
        }

    def _wait_until_ready(self, limit: float = 60.0) -> None:
        admin = AdminClient(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "reconnect.backoff.max.ms": 250,
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            self._raise_if_one_ended()
            try:
                if len(admin.list_topics(timeout=0.5).brokers) >= len(self._running):
                    return
            except KafkaException:
                continue  # not up yet: list_topics waited its half second
            time.sleep(0.05)
        raise BrokerUnreachable(f"Apache Kafka did not answer within {limit:.0f} s: {self._last_words(1)}")

    def _raise_if_one_ended(self) -> None:
        for node, process in self._running.items():
            if process.ended:
                raise BrokerUnreachable(
                    f"Apache Kafka's node {node} ended at start: {self._last_words(node)}"
                )

    def _last_words(self, node: int) -> str:
        logs = [self._folder(node) / name for name in ("kafka.log", "console.log")]
        text = "\n".join(log.read_text(errors="replace") for log in logs if log.exists())
        lines = [line for line in text.splitlines() if line and not line.startswith("\t")]  # no stack frames
        return "\n".join(lines[-5:]) or "it logged nothing"


def _addresses(ports: Sequence[int]) -> str:
    return ",".join(f"{_HOST}:{port}" for port in ports)


def _properties_text(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
