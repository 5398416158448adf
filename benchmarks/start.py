from benchmarks.figures import Part
from benchmarks.sizes import Sizes


def measure(sizes: Sizes) -> Part:
    return Part("start", skipped="not yet")
