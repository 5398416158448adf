"""The settings of the request door."""

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from foretell.config.parts import Duration, Part


class BatchSettings(Part):
    """How requests become batches. Sizes are in rows (windows), not in requests."""

    max_batch_size: int = Field(default=512, ge=1, description="rows a batch, at most")
    batch_wait_timeout_s: float = Field(default=0.01, ge=0, description="longest wait for a batch to fill")
    max_queue_rows: int = Field(default=10_000, ge=1, description="rows that may wait; more are shed")
    order: Literal["strict", "weighted", "first_come"] = Field(
        default="strict", description="strict: the higher class first; weighted: by shares"
    )
    shares: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        default=(1, 4, 16), description="of low, medium, high when weighted"
    )
    ageing: Duration = Field(default=2.0, description="after this wait a request rises by one class")
    resolution: dict[str, float] = Field(
        default_factory=dict, description="by feature: windows that round to the same values share an answer"
    )


class LimitSettings(Part):
    """What a client may ask for."""

    body_bytes: int = Field(default=16_000_000, ge=1, description="of a request")
    rows: int = Field(default=4096, ge=1, description="windows a request")
    header_bytes: int = Field(default=16_384, ge=1, description="of a request's headers")
    json_depth: int = Field(default=32, ge=2, description="of nested arrays and objects")
    rate: float | None = Field(
        default=None, gt=0, description="requests a second a client, without a key's own"
    )
    concurrency: int = Field(default=256, ge=1, description="requests under way a client")
    idle: Duration = Field(default=60.0, description="after this a silent connection is closed")
    slow: Duration = Field(default=10.0, description="a request must have come in by then")


class SecuritySettings(Part):
    """Who may ask."""

    keys: Path | None = Field(default=None, description="file of API keys, as digests (`foretell keys new`)")
    insecure: bool = Field(default=False, description="off loopback without keys: --insecure")
    tls_certificate: Path | None = Field(default=None, description="PEM file, with its chain")
    tls_key: Path | None = Field(default=None, description="PEM file")


class ServeSettings(Part):
    """The request door."""

    host: str = Field(default="127.0.0.1", description="off loopback it wants keys or --insecure")
    port: int = Field(default=8000, ge=0, le=65535, description="of HTTP; 0: a free one")
    grpc_port: int = Field(default=9000, ge=0, le=65535, description="of gRPC; 0: a free one")
    proxy_port: int | None = Field(
        default=None, ge=1, le=65535, description="of Ray Serve's own proxy, beside the lane; unset: none"
    )
    replicas: int | None = Field(default=None, ge=1, description="a fixed number; unset: as `autoscale` says")
    autoscale: str = Field(
        default="default", description="default, market-hours, off-hours, stress-test or a file"
    )
    resources: Literal["small", "medium", "large"] = Field(
        default="small", description="CPU, GPU and memory of a replica"
    )
    gpu: bool = Field(default=True, description="--no-gpu turns it off")
    wait: Duration = Field(default=120.0, description="for Ray and for replicas to be ready, at start")
    drain: Duration = Field(default=30.0, description="a replica that leaves may finish requests so long")
    stuck: Duration = Field(default=30.0, description="an evaluation that takes longer will not end: replace")
    watch: Duration = Field(default=30.0, description="a new version that turns sick so soon is rolled back")
    access_log: bool = Field(default=False, description="a structured line a request")
    default_deadline: Duration | None = Field(default=None, description="of requests that name none")
    batch: BatchSettings = Field(default_factory=BatchSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)
