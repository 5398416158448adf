"""Logs on stderr: a line for people on a terminal, a JSON object a line for machines; secrets in neither."""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from foretell.config import LogSettings

MASK = "**********"
_STANDARD = logging.LogRecord("", 0, "", 0, "", (), None).__dict__.keys() | {"message", "asctime", "taskName"}


def setup(settings: LogSettings, secrets: Iterable[str] = ()) -> None:
    """Make `settings` hold for this process; a second call replaces the first.

    Args:
        settings: level and format. The level is foretell's own; other libraries speak from WARNING up,
            and at DEBUG they say all they have.
        secrets: values that never appear in a line, whoever logs them.
    """
    human = settings.format == "human" or (settings.format == "auto" and sys.stderr.isatty())
    handler = _Stderr()
    handler.setFormatter(Hiding(Human() if human else Json(), secrets))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(
        logging.DEBUG
        if settings.level == "DEBUG"
        else max(logging.getLevelName(settings.level), logging.WARNING)
    )
    logging.getLogger("foretell").setLevel(settings.level)


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra=`, without the `_ray_timestamp_ns` that Ray gives every record."""
    return {k: v for k, v in record.__dict__.items() if k not in _STANDARD and not k.startswith("_")}


class Human(logging.Formatter):
    """`12:30:59 WARNING stream.worker: the message (partition=3)`."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        told = ", ".join(f"{k}={v}" for k, v in extras(record).items())
        name = record.name.removeprefix("foretell.")
        line = f"{clock} {record.levelname:<7} {name}: {record.getMessage()}" + (f" ({told})" if told else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class Json(logging.Formatter):
    """An object a line: `time` (UTC), `level`, `logger`, `message`, the extra fields, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        # What a caller adds comes after what every line has, and never hides it.
        fields |= {name: value for name, value in extras(record).items() if name not in fields}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class Hiding(logging.Formatter):
    """Another formatter's line, with secrets masked in it: also in arguments, extra fields and tracebacks."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        plain = {s for s in secrets if len(s) > 3}  # a shorter one would mask half of every line
        escaped = {json.dumps(s)[1:-1] for s in plain}
        self._secrets = sorted(plain | escaped, key=len, reverse=True)  # the longer may hold the shorter

    def format(self, record: logging.LogRecord) -> str:
        line = self._inner.format(record)
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        return line


class _Stderr(logging.StreamHandler[TextIO]):
    """Looks `sys.stderr` up at each line, so that a live display can move it out of the way."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
