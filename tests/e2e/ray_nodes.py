"""A Ray of two nodes on this machine: `python -m tests.e2e.ray_nodes FILE` writes where it is, and stays.

FILE: {"address": "127.0.0.1:…", "second": process ids of the second node}.
"""

import json
import signal
import sys
from pathlib import Path

from ray.cluster_utils import Cluster

_NODE = {
    "node_ip_address": "127.0.0.1",
    "num_cpus": 3,
    "object_store_memory": 100_000_000,
    "include_dashboard": False,
}


def main(told: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    cluster = Cluster(initialize_head=True, head_node_args=_NODE)
    second = cluster.add_node(**_NODE)
    pids = [process.process.pid for each in second.all_processes.values() for process in each]
    whole = Path(told).with_suffix(".new")
    whole.write_text(json.dumps({"address": cluster.address, "second": pids}))
    whole.rename(told)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
