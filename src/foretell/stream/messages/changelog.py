"""The changelog: a compacted topic that holds the state of each series, so that any worker can go on.

A record: key, the series' name (UTF-8); value, a MessagePack map
of named parts, or null where a series is gone.

    {"rules": "k3v9…", "window": <bytes of foretell.windows>}

`rules` is the fingerprint of what makes a window readable: lookback, step, features. Parts that a reader does
not know are skipped, so that later versions can add theirs.
"""

import msgspec

# Small segments and an eager cleaner: with a broker's defaults a topic of this size is hardly ever compacted,
# and a restore would read the whole history.
TOPIC_CONFIG = {
    "cleanup.policy": "compact",
    "segment.bytes": str(16 * 1024 * 1024),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(10 * 60 * 1000),
    "max.message.bytes": str(8 * 1024 * 1024),
}


def changelog_topic(group: str) -> str:
    """`<group>-windows-changelog`."""
    return f"{group}-windows-changelog"


class State(msgspec.Struct, gc=False):
    """The named parts of a record."""

    rules: str
    window: bytes


_decode = msgspec.msgpack.Decoder(State).decode
_encode = msgspec.msgpack.Encoder().encode


def encode_states(rules: str, windows: list[bytes]) -> list[bytes]:
    """Record values for n windows."""
    return [_encode(State(rules, window)) for window in windows]


def decode_state(value: bytes) -> State | None:
    """The parts of a record; `None` when it is not of this format."""
    try:
        return _decode(value)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
