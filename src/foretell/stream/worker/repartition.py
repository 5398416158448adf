"""Rows of a series that come in several partitions are brought together by a topic keyed by series."""

import numpy as np

from foretell.rows.reasons import Reason
from foretell.stream.messages.blocks import Headers, Incoming, Outgoing
from foretell.stream.messages.deadletter import KEY, ORIGIN, TIMESTAMP, bury
from foretell.stream.worker.pipeline import Pipeline


def rows_topic(group: str) -> str:
    """`<group>-rows-repartition`."""
    return f"{group}-rows-repartition"


class Repartition:
    """The first stage: a row of the input goes on, as it is, to the partition of its series.

    Its origin, key and timestamp go along in headers, so that the second stage treats it as the row it was.
    The record itself gets a timestamp of today: of old rows, retention would delete it before it is read.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def take(self, block: Incoming) -> Outgoing:
        """Good rows go on, bad ones end here as dead letters."""
        rows = self._pipeline.decode(block)
        out = Outgoing()
        good = np.flatnonzero(rows.reason == Reason.OK)
        for i, origin in zip(good.tolist(), block.origin(good), strict=True):
            message = block.messages[i]
            ours: Headers = [(ORIGIN, origin), (TIMESTAMP, str(block.record_us[i] // 1000).encode())]
            if message.key() is not None:
                ours.append((KEY, message.key()))
            headers = [(k, v) for k, v in message.headers() or [] if k not in (ORIGIN, TIMESTAMP, KEY)] + ours
            out.rows.append(((rows.series[i] or "").encode(), message.value(), headers))
        bury(out, block, rows)
        return out


def resume(block: Incoming) -> Incoming:
    """A block of the second stage, with the origins, keys and timestamps of its rows."""
    told = [dict(message.headers() or ()) for message in block.messages]
    here = block.origin(np.arange(len(block)))
    block.origins = [headers.get(ORIGIN, place) for headers, place in zip(told, here, strict=True)]
    block.original_keys = [headers.get(KEY) for headers in told]
    for i, headers in enumerate(told):
        if TIMESTAMP in headers:  # else somebody else wrote the record
            block.record_us[i] = int(headers[TIMESTAMP]) * 1000
    return block
