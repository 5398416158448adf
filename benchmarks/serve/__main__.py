"""The request door beside its peers: `python -m benchmarks.serve [PART ...] [--quick]`."""

import signal
import sys

from benchmarks import command, report
from benchmarks.serve import batching, features, growth, grpc_door, overload, peers, tensors
from benchmarks.serve.sizes import SIZES

PARTS = {
    "peers": peers.measure,
    "tensors": tensors.measure,
    "grpc": grpc_door.measure,
    "features": features.measure,
    "overload": overload.measure,
    "batching": batching.measure,
    "growth": growth.measure,
}

if __name__ == "__main__":
    # As Ctrl-C: whatever was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        command.run("python -m benchmarks.serve", __doc__, PARTS, SIZES, report.SERVE)
    except KeyboardInterrupt:
        sys.exit(130)
