"""Where settings come from, and which source wins: flag over environment over file over default."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError

from foretell.config.settings import Settings
from foretell.errors import ConfigError

# The names that the requirements use, beside FORETELL_<PART>__<NAME> for every setting.
WELL_KNOWN = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrap_servers",
    "RAY_HEAD_ADDRESS": "ray.head_address",
    "RAY_CLIENT_URL": "ray.client_url",
    "MODEL_STORAGE_PATH": "model.storage_path",
    "HORIZON_HOURS": "stream.horizon",
    "LOG_LEVEL": "log.level",
}
PREFIX = "FORETELL_"


@dataclass(frozen=True)
class InForce:
    """A setting, its value (secrets hidden) and the source that set it."""

    name: str
    value: object
    source: str


@dataclass(frozen=True)
class Loaded:
    """The settings in force, and for each dotted name the source that won."""

    settings: Settings
    sources: Mapping[str, str]

    def in_force(self) -> Iterator[InForce]:
        """Every setting in the order of the tree, secrets hidden."""
        for name, value in _leaves(self.settings.model_dump()):
            shown = "**********" if isinstance(value, SecretStr) else value
            yield InForce(name, shown, self.sources.get(name, "default"))


def load(
    file: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read all sources.

    Args:
        file: a YAML file; unset: `FORETELL_CONFIG`, when that is set.
        flags: dotted names to values; `None` values count as not given.
        environ: unset: this process's environment.

    Raises:
        ConfigError: names the setting, the source and what would be valid.
    """
    environ = os.environ if environ is None else environ
    file = file or (Path(environ["FORETELL_CONFIG"]) if environ.get("FORETELL_CONFIG") else None)
    layers = [
        (str(file), _from_file(file) if file else {}),
        ("environment", _from_environment(environ)),
        ("flag", {k: v for k, v in (flags or {}).items() if v is not None}),
    ]
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, values in layers:
        for name, value in values.items():
            _put(merged, name, value)
            sources[name] = f"environment {_variable(name, environ)}" if source == "environment" else source
    try:
        return Loaded(Settings.model_validate(merged), sources)
    except ValidationError as error:
        raise _explain(error, sources) from None


def _from_file(file: Path) -> dict[str, object]:
    try:
        tree = yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        raise ConfigError(f"configuration file {file} does not exist", cure="check --config") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"configuration file {file} cannot be read: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"configuration file {file} holds no mapping at its top")
    return dict(_leaves(tree))


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {WELL_KNOWN[k]: v for k, v in environ.items() if k in WELL_KNOWN and v != ""}
    for variable, value in environ.items():
        part, _, name = variable.removeprefix(PREFIX).lower().partition("__")
        if variable.startswith(PREFIX) and name and value != "":
            values[f"{part}.{name}".replace("__", ".")] = yaml.safe_load(value)
    return values


def _variable(name: str, environ: Mapping[str, str]) -> str:
    own = PREFIX + name.upper().replace(".", "__")
    return own if own in environ else next((k for k, v in WELL_KNOWN.items() if v == name), own)


_WHOLE = {"kafka.properties", "stream.forecast"}  # their keys are the user's own words


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and name not in _WHOLE:
            yield from _leaves(value, f"{name}.")
        elif name == "kafka.properties" and isinstance(value, Mapping):
            yield name, {k: "**********" if isinstance(v, SecretStr) else v for k, v in value.items()}
        else:
            yield name, value


def _put(tree: dict[str, Any], name: str, value: object) -> None:
    *path, last = name.split(".")
    for key in path:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"setting {name}: {key} is a value, not a part")
    tree[last] = value


def _explain(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        source = next((s for n, s in sources.items() if name == n or name.startswith(n + ".")), "default")
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such setting"
        lines.append(f"setting {name} (from {source}): {message}")
    return ConfigError("\n".join(lines), cure="`foretell config show` lists every setting and its source")
