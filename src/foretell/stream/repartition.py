"""Rows of a series that come in several partitions are brought together by a topic keyed by series."""

import numpy as np

from foretell.rows.reasons import Reason
from foretell.stream.deadletter import ORIGIN, bury
from foretell.stream.messages import Headers, Incoming, Outgoing
from foretell.stream.pipeline import Pipeline


def rows_topic(group: str) -> str:
    """`<group>-rows-repartition`."""
    return f"{group}-rows-repartition"


class Repartition:
    """The first stage: a row of the input goes on, as it is, to the partition of its series.

    It keeps its timestamp, and its origin in a header, so that the second stage treats it as the row it was.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def take(self, block: Incoming) -> Outgoing:
        """Good rows go on, bad ones end here as dead letters."""
        rows = self._pipeline.decode(block)
        out = Outgoing()
        for i in np.flatnonzero(rows.reason == Reason.OK).tolist():
            message = block.messages[i]
            origin = f"{block.topic}/{block.partition[i]}/{block.offset[i]}".encode()
            headers: Headers = [*(message.headers() or []), (ORIGIN, origin)]
            key = (rows.series[i] or "").encode()
            out.rows.append((key, message.value(), headers, message.timestamp()[1]))
        bury(out, block, rows)
        return out
