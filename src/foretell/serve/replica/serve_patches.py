"""Where Ray Serve 2.60 does not do in a replica what it should: mended in the replica's own process."""

from typing import Any

import ray
from ray.serve._private import replica as serve_replica

_MENDED = "mended_by_foretell"


def close_port_hole() -> None:
    """A replica's gRPC port of Serve's own would listen on all addresses: it is for nodes of the cluster."""
    add_port = serve_replica.add_port_to_grpc_server
    if hasattr(add_port, _MENDED):
        return
    address = ray.util.get_node_ip_address()

    def add(server: Any, asked: str) -> int:
        return int(add_port(server, asked.replace("[::]", f"[{address}]" if ":" in address else address)))

    setattr(add, _MENDED, True)
    serve_replica.add_port_to_grpc_server = add


def tell_load_after_changes() -> None:
    """Replicas of a fixed number would never tell their load, and none would hear of a new interval.

    Serve tells what a replica measures of itself only if that was scaled by load when it started.
    """
    manager = serve_replica.ReplicaMetricsManager
    set_config = manager.set_autoscaling_config
    if hasattr(set_config, _MENDED):
        return

    def set_and_tell(self: Any, config: Any) -> None:
        set_config(self, config)
        if not self._custom_metrics_enabled:  # not before the replica is there, which starts it then
            return
        self._metrics_pusher.stop_tasks()
        if config is not None:
            self.start_metrics_pusher()

    setattr(set_and_tell, _MENDED, True)
    manager.set_autoscaling_config = set_and_tell
