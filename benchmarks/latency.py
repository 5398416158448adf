from benchmarks.figures import Part
from benchmarks.sizes import Sizes


def measure(sizes: Sizes) -> Part:
    return Part("latency", skipped="not yet")
