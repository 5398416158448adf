"""What all settings are made of."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIMEDELTA = TypeAdapter(timedelta)


def seconds(value: Any) -> Any:
    """`"90s"`, `"1h30m"`, `"PT1H"`, `timedelta` or a number of seconds → seconds (float)."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)", text)
    if parts and "".join(n + u for n, u in parts) == re.sub(r"\s+", "", text):
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        return _TIMEDELTA.validate_python(value).total_seconds()
    except ValidationError:
        raise ValueError(f"{value!r} is no duration; write 90s, 5m, 1h or 1d") from None


Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0)]


class Part(BaseModel):
    """A part's settings: unknown names are errors, and nothing changes after start."""

    model_config = ConfigDict(extra="forbid", frozen=True)
