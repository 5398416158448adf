"""What each replica has counted, where it outlives the replica: in the memory of Ray's control service.

So counts do not fall when a replica goes, whoever asks for them and when; and it takes no process.
One that is killed takes its last second with it.
"""

from dataclasses import replace

import msgspec
from ray.experimental import internal_kv

from foretell.serve.replica.doors import ReplicaStats

_SPACE = "foretell"
_PREFIX = "counts/"


def keep(stats: ReplicaStats) -> None:
    """Put it in the place of what this replica told before. Waits for Ray, a minute at most."""
    told = msgspec.json.encode(replace(stats, buckets=()))
    internal_kv._internal_kv_put(_key(stats), told, namespace=_SPACE)


def kept() -> list[ReplicaStats]:
    """Of all replicas of this fleet, those that have ended too; without their `buckets`."""
    keys = internal_kv._internal_kv_list(_PREFIX, namespace=_SPACE)
    told = [internal_kv._internal_kv_get(key, namespace=_SPACE) for key in keys]
    return [msgspec.json.decode(one, type=ReplicaStats) for one in told if one]


def forget() -> None:
    """The fleet is gone, and the next one counts from nothing."""
    internal_kv._internal_kv_del(_PREFIX, del_by_prefix=True, namespace=_SPACE)


def _key(stats: ReplicaStats) -> str:
    return f"{_PREFIX}{stats.pid}-{stats.born}"
