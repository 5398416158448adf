"""The stream door: rows in on one Kafka topic, forecasts out on another, each exactly once."""

import os

# Ray reads it when it is imported. That a worker died is told by the supervisor, in one line.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed|The node with node id")
