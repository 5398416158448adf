"""Every figure of the request door: one table of names, after the stream's in `metrics.py`."""

from foretell.telemetry.metrics import SECONDS, Kind, Metric, decades

# Calls are quicker than commits: the first buckets lie at a tenth of a millisecond.
_SECONDS = (*decades(-4, -3, 5)[:-1], *SECONDS)

REQUESTS = Metric(
    "foretell_serve_requests_total",
    Kind.COUNTER,
    "Requests for inference; outcome: ok, cancelled, or why it was refused; `unknown`: refused before that.",
    label="door,model,version,priority,outcome",
    most=1024,
)
LATENCY = Metric(
    "foretell_serve_latency_seconds",
    Kind.HISTOGRAM,
    "From a request's arrival to its answer, of those that were answered.",
    label="priority",
    bounds=_SECONDS,
)
QUEUE_TIME = Metric(
    "foretell_serve_queue_seconds",
    Kind.HISTOGRAM,
    "From a call's arrival to the start of its last batch.",
    label="priority",
    bounds=_SECONDS,
)
INFERENCE = Metric(
    "foretell_serve_inference_seconds",
    Kind.HISTOGRAM,
    "Evaluation of a batch.",
    label="model",
    bounds=_SECONDS,
)
BATCH_ROWS = Metric(
    "foretell_serve_batch_rows",
    Kind.HISTOGRAM,
    "Rows a batch.",
    label="model",
    bounds=tuple(float(2**power) for power in range(13)),
)
QUEUE = Metric(
    "foretell_serve_queue_depth", Kind.GAUGE, "Calls that wait for their answer.", label="model,priority"
)
QUEUE_ROWS = Metric("foretell_serve_queue_rows", Kind.GAUGE, "Rows that wait for a batch.", label="model")
DEADLINE_MISSES = Metric(
    "foretell_serve_deadline_misses_total",
    Kind.COUNTER,
    "Calls refused for their deadline: at once, or when it passed.",
    label="model,priority,reason",
    most=512,
)
SHEDS = Metric(
    "foretell_serve_sheds_total",
    Kind.COUNTER,
    "Calls refused because the queue was full, or more came in than the replica could read.",
    label="model,priority",
)
COALESCED = Metric(
    "foretell_serve_coalesced_total",
    Kind.COUNTER,
    "Calls that shared the answer of an equal one in flight.",
    label="model",
)
CANCELLED = Metric(
    "foretell_serve_cancelled_total", Kind.COUNTER, "Calls whose caller went away.", label="model,priority"
)
ENGINE_FAILURES = Metric(
    "foretell_serve_engine_failures_total", Kind.COUNTER, "Calls that the runtime failed on.", label="model"
)
HEALTHY = Metric(
    "foretell_serve_healthy",
    Kind.GAUGE,
    "Replicas that take calls: of this node; through Ray each tells 1 or 0.",
)
REPLICAS = Metric(
    "foretell_serve_replicas",
    Kind.GAUGE,
    "Replicas of the whole fleet as Ray Serve sees them; each replica tells the same.",
    label="state",
    same=True,
)
GPU_UTILIZATION = Metric(
    "foretell_serve_gpu_utilization_ratio",
    Kind.GAUGE,
    "Share of the last moment in which the GPU was busy, whoever used it.",
    label="node,gpu",
    most=512,
    same=True,
)
GPU_MEMORY = Metric(
    "foretell_serve_gpu_memory_used_bytes",
    Kind.GAUGE,
    "Memory of the GPU in use, by whomever.",
    label="node,gpu",
    most=512,
    same=True,
)
GPU_MEMORY_TOTAL = Metric(
    "foretell_serve_gpu_memory_total_bytes",
    Kind.GAUGE,
    "Memory that the GPU has.",
    label="node,gpu",
    most=512,
    same=True,
)

TABLE = (
    REQUESTS,
    LATENCY,
    QUEUE_TIME,
    INFERENCE,
    BATCH_ROWS,
    QUEUE,
    QUEUE_ROWS,
    DEADLINE_MISSES,
    SHEDS,
    COALESCED,
    CANCELLED,
    ENGINE_FAILURES,
    HEALTHY,
    REPLICAS,
    GPU_UTILIZATION,
    GPU_MEMORY,
    GPU_MEMORY_TOTAL,
)
