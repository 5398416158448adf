"""librdkafka's mock cluster in a small process of its own: a broker for a look and for wiring tests.

It speaks the protocol of producers, consumers, groups and transactions. It does not isolate aborted
transactions, keeps no transactional offsets, creates topics only by first use (4 partitions each), and holds
some 5 MB a partition in memory; beyond that, reads crawl.
"""

import contextlib
import subprocess
import sys
from typing import Self

from confluent_kafka import Producer

from foretell.errors import BrokerUnreachable


class MockBroker:
    """A mock cluster that lives until `close`, or until this process ends."""

    def __init__(self, brokers: int = 1) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "foretell.demo.mock_broker", str(brokers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, which drains first
        )
        assert self._process.stdout is not None
        self.bootstrap_servers = self._process.stdout.readline().strip()
        if not self.bootstrap_servers:
            raise BrokerUnreachable(
                "the mock broker did not start", cure="is confluent-kafka installed whole?"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; all that it held is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def main(brokers: int) -> None:
    """Serve, tell the bootstrap servers on standard output, and end when standard input closes."""
    cluster = Producer({"test.mock.num.brokers": brokers, "log_level": 0})
    known = cluster.list_topics(timeout=10).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in known), flush=True)
    sys.stdin.read()  # the kernel closes it also for a parent that was killed


if __name__ == "__main__":
    main(int(sys.argv[1]))
