"""The settings of each part: one model a part, one tree for all of them.

Names follow Kafka, Ray and ONNX Runtime where those have a word.
"""

import os
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from foretell.config.parts import Duration, Part
from foretell.config.serve_settings import ServeSettings


def in_container() -> bool:
    """True inside Docker or Kubernetes, where the defaults name the usual services."""
    return Path("/.dockerenv").exists() or "KUBERNETES_SERVICE_HOST" in os.environ


class KafkaSettings(Part):
    """How the broker is reached. Every other librdkafka property goes under `properties`."""

    bootstrap_servers: str = Field(
        default_factory=lambda: "kafka:9092" if in_container() else "localhost:9092",
        description="host:port, comma separated (KAFKA_BOOTSTRAP_SERVERS)",
    )
    properties: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="librdkafka properties by their own names: security.protocol, sasl.*, ssl.*; never shown",
    )
    partitions: int = Field(default=4, ge=1, description="of topics that foretell creates")
    replication_factor: int = Field(
        default=-1, description="of topics that foretell creates; -1: broker's own"
    )
    create_topics: bool = Field(default=True, description="create topics that are missing")

    @field_validator("properties", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: str(v).lower() if isinstance(v, bool) else v if isinstance(v, SecretStr) else str(v)
                for k, v in value.items()
            }
        return value


class RaySettings(Part):
    """How the cluster is reached: an address of a node's cluster, a Ray client, or a Ray of our own."""

    head_address: str | None = Field(
        default_factory=lambda: "ray-head:6379" if in_container() else None,
        description="GCS address of the head (RAY_HEAD_ADDRESS); unset on a laptop: a local Ray is started",
    )
    client_url: str | None = Field(default=None, description="ray://host:10001 (RAY_CLIENT_URL)")
    num_cpus: int | None = Field(default=None, ge=1, description="of a local Ray")


class EngineSettings(Part):
    """How the network is evaluated."""

    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: cuda when it is there")
    threads: int = Field(default=1, ge=1, description="one is fastest for models of this size")
    chunk: int | None = Field(default=None, ge=1, description="windows a call; unset: measured at start")
    gpu_memory_bytes: int | None = Field(
        default=None, ge=1, description="unset: the share given by gpu_fraction"
    )
    tf32: bool = Field(default=True, description="TensorFloat-32 on GPUs that have it")
    cudnn_search: Literal["default", "heuristic", "exhaustive"] = Field(
        default="heuristic", description="how cuDNN picks its algorithms"
    )


class RowSettings(Part):
    """Where a row keeps its series, its event time and its features. Dotted paths reach into objects."""

    series: str | None = Field(default="station", description="field of the series; null: the record's key")
    timestamp: str | None = Field(
        default="timestamp", description="field of the event time; null: the record's"
    )
    time_format: Literal["iso8601", "epoch_s", "epoch_ms", "epoch_us"] = Field(
        default="iso8601", description="iso8601 also reads `YYYY-MM-DD HH:MM:SS`"
    )
    time_zone: str = Field(default="UTC", description="of times that carry no offset")
    adapter: Path | None = Field(default=None, description="adapter.yaml; unset: the bundle's own")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no IANA time zone; write UTC or America/New_York") from None
        return value


class WindowSettings(Part):
    """How rows become windows (docs: windows). Lookback and step come from the bundle."""

    every: Duration | None = Field(default=None, description="spacing of rows; unset: the model's step")
    gap: Literal["hold", "interpolate", "break"] = Field(
        default="break", description="a slot without a row: filled, or no forecast"
    )
    max_gap: Duration | None = Field(
        default=None, description="longest time that may be filled; unset: 3 steps"
    )
    warm_up: Literal["wait", "repeat"] = Field(
        default="wait", description="before there is enough history: wait, or repeat the oldest row"
    )
    same_time: Literal["replace", "keep"] = Field(
        default="replace",
        description="a row for a filled slot with other values: a better one, or a conflict",
    )
    late: Literal["fill", "revise"] = Field(
        default="fill", description="a row older than the newest: fills its slot, or revises the forecast too"
    )
    future_tolerance: Duration = Field(
        default=3600.0, description="how far a row's time may lie ahead of its record's"
    )
    out_of_range: Literal["warn", "reject"] = Field(
        default="warn", description="values far from those trained on: forecast and tell, or dead letter"
    )


class StreamSettings(Part):
    """The stream door."""

    input_topic: str = Field(default="weather-features", description="rows are read from it")
    output_topic: str = Field(default="weather-predictions", description="forecasts go to it")
    group: str = Field(
        default="ray-ml-inference", description="consumer group, and prefix of internal topics"
    )
    num_actors: int = Field(default=4, ge=1, description="workers, each a Ray actor")
    gpu: bool = Field(default=True, description="--no-gpu turns it off")
    gpu_fraction: float = Field(default=0.25, gt=0, le=1, description="of a GPU, for each actor")
    horizon: int | None = Field(
        default=None, ge=1, description="steps (HORIZON_HOURS); unset: the model's own"
    )
    start: Literal["earliest", "latest"] = Field(default="earliest", description="where a new group begins")
    wait: Duration = Field(default=60.0, description="for Ray, Kafka and topics, at start")
    until_end: bool = Field(default=False, description="forecast what the topic holds now, then exit 0")
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        default="exactly_once", description="at_least_once turns transactions off"
    )
    repartition: bool = Field(default=False, description="send rows through a topic keyed by series first")
    rebuild: bool = Field(default=False, description="read windows anew from the input, not the changelog")
    block_rows: int = Field(
        default=16_000, ge=1, description="most rows a transaction; fewer where they take more than a second"
    )
    stall: Duration = Field(default=60.0, description="replace a worker that commits nothing for this long")
    port: int = Field(default=8079, ge=0, le=65535, description="of /healthz and /metrics; 0: a free one")
    host: str = Field(default="127.0.0.1", description="address of /healthz and /metrics")
    units: dict[str, str] = Field(
        default_factory=dict, description="units of the forecasts, by target; unset: those of the training"
    )
    forecast: dict[str, Any] | None = Field(default=None, description="template of a forecast message")


class ModelSettings(Part):
    """Which model, and where models lie."""

    storage_path: Path = Field(
        default_factory=lambda: Path("/app/models") if in_container() else Path("models"),
        description="folder of models (MODEL_STORAGE_PATH)",
    )
    name: str | None = Field(default=None, description="--model-name: a folder under the storage path")
    bundle: Path | None = Field(default=None, description="--bundle: a bundle's own path")
    step: Duration | None = Field(
        default=None, description="time between a model's steps, where it is imported on the fly"
    )
    features: list[str] | None = Field(
        default=None, description="a model's inputs in their order, where its files do not name them"
    )
    targets: list[str] | None = Field(default=None, description="likewise, of what it forecasts")


class LogSettings(Part):
    """What is logged, and how it looks."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="LOG_LEVEL")
    format: Literal["auto", "human", "json"] = Field(default="auto", description="auto: human on a terminal")

    @field_validator("level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return {"WARN": "WARNING"}.get(value.upper(), value.upper()) if isinstance(value, str) else value


class Settings(Part):
    """All of them."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    ray: RaySettings = Field(default_factory=RaySettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    rows: RowSettings = Field(default_factory=RowSettings)
    windows: WindowSettings = Field(default_factory=WindowSettings)
    stream: StreamSettings = Field(default_factory=StreamSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings)
    log: LogSettings = Field(default_factory=LogSettings)
