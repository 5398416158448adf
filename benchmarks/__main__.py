"""`python -m benchmarks [engine] [stream] [latency] [memory] [start] [--quick]`."""

from benchmarks import command, engine, latency, memory, report, start, stream
from benchmarks.sizes import SIZES

PARTS = {
    "engine": engine.measure,
    "stream": stream.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "start": start.measure,
}

if __name__ == "__main__":
    command.run("python -m benchmarks", __doc__, PARTS, SIZES, report.STREAM)
