"""Ray: a cluster that is reached, or one of our own that is started."""

from foretell.cluster.cluster import Cluster

__all__ = ["Cluster"]
