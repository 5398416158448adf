"""Where `foretell predict` writes: JSON lines, or a table, or an array, by the file's extension."""

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from foretell.bundle.manifest import Manifest
from foretell.errors import InputError
from foretell.forecasting.forecasts import Forecasts

_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"} | {
    f".{kind}": kind for kind in ("csv", "parquet", "npy")
}
_COLUMNS = {"window", "series", "issued_at", "step", "time"}


class ForecastFile:
    """Takes forecast messages and writes them. A file appears under its name when it is whole, not before.

    A table has a line a step: the series (or the window's number), when the forecast was issued, the step
    from 1, the time that it is for where the model has a step, and each target.

    Raises:
        InputError: an unknown extension, or a table in which two columns would bear one name.
    """

    def __init__(self, path: Path | None, manifest: Manifest) -> None:
        self.count = 0
        self._path = path
        self._targets = [column.name for column in manifest.targets]
        kind = _KINDS.get(path.suffix.lower()) if path else "jsonl"
        if kind is None:
            raise InputError(f"--output {path}: unknown kind of file", cure=f"known: {', '.join(_KINDS)}")
        self._kind = kind
        taken = _COLUMNS & set(self._targets)
        if self.is_table and taken:
            raise InputError(
                f"--output {path}: target {min(taken)!r} has the name of another column", cure="write .jsonl"
            )

    @property
    def is_array(self) -> bool:
        """`write_array` is wanted, not `write`."""
        return self._kind == "npy"

    @property
    def is_table(self) -> bool:
        """Wants messages in foretell's own shape."""
        return self._kind in {"csv", "parquet"}

    def write(self, messages: Iterable[bytes]) -> None:
        """All of them, one at a time where the kind of file allows it."""
        counted = self._counted(messages)
        if self._path is None:
            _write_lines(counted, sys.stdout.buffer)
            return
        with self._whole() as file:
            if self._kind == "jsonl":
                _write_lines(counted, file)
            elif self._kind == "csv":
                _write_csv(self._lines(counted), file)
            else:
                _write_parquet(self._lines(counted), file)

    def write_array(self, forecasts: Iterable[Forecasts]) -> None:
        """(n, horizon, targets); NaN where a window was refused or a roll-out stopped."""
        chunks = list(forecasts)
        self.count = sum(int((~chunk.refused).sum()) for chunk in chunks)
        if chunks:
            with self._whole() as file:
                np.save(file, np.concatenate([chunk.values for chunk in chunks]))

    @contextmanager
    def _whole(self) -> Iterator[IO[bytes]]:
        assert self._path is not None
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                yield file
            if self.count:
                partial.replace(self._path)
        except OSError as error:
            raise InputError(f"--output {self._path}: {error.strerror or error}") from None
        finally:
            partial.unlink(missing_ok=True)

    def _counted(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        for message in messages:
            self.count += 1
            yield message

    def _lines(self, messages: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for message in map(msgspec.json.decode, messages):
            forecast = message["forecast"]
            told = {key: message[key] for key in ("window", "series", "issued_at") if key in message}
            for step in range(len(forecast[self._targets[0]])):
                values = {target: forecast[target][step] for target in self._targets}
                yield told | {"step": step + 1} | _time(message, step + 1) | values


def _time(message: dict[str, Any], step: int) -> dict[str, str]:
    step_s = message.get("step_s")
    if step_s is None:
        return {}
    time = datetime.fromisoformat(message["issued_at"]) + timedelta(seconds=step * step_s)
    return {"time": time.isoformat().replace("+00:00", "Z")}


def _write_lines(messages: Iterable[bytes], file: IO[bytes]) -> None:
    for message in messages:
        file.write(message + b"\n")
    file.flush()


def _write_csv(lines: Iterator[dict[str, Any]], file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    first = next(lines, None)
    if first is not None:
        writer = csv.DictWriter(text, first.keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(lines)
    text.detach()


def _write_parquet(lines: Iterator[dict[str, Any]], file: IO[bytes]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("writing Parquet needs pyarrow", cure='pip install "foretell[parquet]"') from None
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(lines)), file)
