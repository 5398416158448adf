"""Writes docs/reference/{commands,settings,errors,metrics,messages}.md out of the code that they describe.

python scripts/generate_reference.py           write
python scripts/generate_reference.py --check   say what is out of date, and exit 1
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

from foretell import errors
from foretell.cli.commands import COMMANDS, Command
from foretell.cli.options import duration
from foretell.config.layers import PREFIX, WELL_KNOWN
from foretell.config.settings import Settings
from foretell.errors import ForetellError
from foretell.stream.messages import schema
from foretell.stream.messages.template import PLACEHOLDERS
from foretell.telemetry.metrics import TABLE as STREAM_TABLE
from foretell.telemetry.metrics import Metric
from foretell.telemetry.serve_metrics import TABLE as SERVE_TABLE

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
HEAD = "<!-- Made by scripts/generate_reference.py; change the code, not this file. -->\n\n"


def commands() -> str:
    """Every command with its flags, as its own help tells them."""
    text = f"{HEAD}# Commands\n\n"
    for command in COMMANDS:
        for name, purpose, flags in _described(command):
            text += f"## foretell {name}\n\n{purpose}\n\n"
            if flags:
                text += _table(("argument or flag", "what it does"), [(f"`{f}`", said) for f, said in flags])
    return text


def settings() -> str:
    """Every setting: name, default, values, and what it is for."""
    variables = {name: variable for variable, name in WELL_KNOWN.items()}
    text = (
        f"{HEAD}# Settings\n\nA flag wins over the environment, that over the file (`--config`, "
        "`FORETELL_CONFIG`), and that over the default. In the environment a setting `part.name` is "
        f"`{PREFIX}PART__NAME`, and the librdkafka property `sasl.password` is "
        f"`{PREFIX}KAFKA__PROPERTIES__SASL_PASSWORD`. `foretell config show` prints what is in force and "
        "from where. Durations are `90s`, `5m`, `1h`, `1d`.\n\n"
    )
    for part, model in _parts():
        text += f"## {part}\n\n{(model.__doc__ or '').strip()}\n\n"
        rows = [
            (f"`{part}.{name}`", _default(part, name, field), _words(field, variables.get(f"{part}.{name}")))
            for name, field in model.model_fields.items()
            if not _is_part(field)
        ]
        text += _table(("setting", "default", "what it is"), rows)
    return text


def error_table() -> str:
    """Every class of error with its code and statuses."""
    lines = (errors.__doc__ or "").splitlines()
    meanings = dict(re.findall(r"─ (\w+) +(\S.*?) +exit", "\n".join(lines)))
    rows = [
        (
            f"`{c.code}`",
            c.__name__,
            str(c.exit_status),
            str(c.http_status),
            meanings.get(c.__name__, "unexpected"),
        )
        for c in _classes(ForetellError)
    ]
    return (
        f"{HEAD}# Errors\n\nA command that fails says what was wrong and where, then what to do, on standard "
        "error; its exit status tells the kind.\n\n"
        + _table(("code", "class", "exit status", "HTTP status", "what it means"), rows)
    )


def metrics() -> str:
    """Every figure on /metrics, of either door."""
    return (
        f"{HEAD}# Metrics\n\nThrough Ray they have `ray_` before the name.\n\n## The stream door\n\n"
        f"On `GET /metrics` of the supervisor, of all workers together.\n\n{_figures(STREAM_TABLE)}"
        "## The request door\n\nOn `GET /metrics` of a server's port, of all replicas of that node "
        f"together.\n\n{_figures(SERVE_TABLE)}"
    )


def messages() -> str:
    """What the stream door sends: forecasts, templates, dead letters."""
    forecast = json.dumps(schema.forecast_schema(), indent=2, ensure_ascii=False)
    return (
        f"{HEAD}# Messages\n\n## Forecast\n\nKey: the series. Value: a JSON object of this schema:\n\n"
        f"```json\n{forecast}\n```\n\n"
        + _table(("header", "what it holds"), _quoted(schema.FORECAST_HEADERS))
        + "Read the topic with `isolation.level=read_committed`, or aborted forecasts are seen too.\n\n"
        "## Forecast of another shape\n\n`stream.forecast` in the configuration is a template: a tree in "
        "which a string that begins with `$` is a placeholder, and all else stands for itself. It is checked "
        "at start. `docs/examples/spark-weather/` has one.\n\n"
        + _table(
            ("placeholder", "what it stands for"),
            [*((f"`${name}`", said) for name, said in PLACEHOLDERS.items()), ("`$$…`", "the text `$…`")],
        )
        + "## Dead letter\n\nTopic: `<input>-dead-letters`. Key, value and headers are the row's own; these "
        "headers are added:\n\n"
        + _table(("header", "what it holds"), _quoted(schema.DEAD_LETTER_HEADERS))
        + _table(("reason", "what was wrong"), _quoted({r.word: said for r, said in schema.REASONS.items()}))
    )


PAGES = {
    "commands": commands,
    "settings": settings,
    "errors": error_table,
    "metrics": metrics,
    "messages": messages,
}


def outdated(folder: Path = FOLDER) -> list[str]:
    """Names of pages that differ from the code."""
    return [
        name
        for name, make in PAGES.items()
        if not (folder / f"{name}.md").is_file() or (folder / f"{name}.md").read_text() != make()
    ]


def _figures(table: Sequence[Metric]) -> str:
    rows = []
    for metric in table:
        labels = ", ".join(f"`{name}`" for name in (metric.label or "").split(",") if name)
        rows.append((f"`{metric.name}`", metric.kind.value, labels, metric.help))
    return _table(("metric", "kind", "labels", "what it counts"), rows)


def _described(command: Command) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Name, help, and the arguments and flags with theirs: of a command, or of each that it has under it."""
    loaded = command.load()
    if isinstance(loaded, typer.Typer):
        group: Any = get_command(loaded)
        for name, part in group.commands.items():
            yield f"{command.name} {name}", part.help or "", list(_flags(part))
        return
    app = typer.Typer(add_completion=False)
    app.command(command.name)(loaded)
    alone: Any = get_command(app)
    yield command.name, alone.help or "", list(_flags(alone))


def _flags(command: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield (parameter.metavar or parameter.name).upper(), parameter.help or ""
        else:
            value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            yield names + value, parameter.help or ""


def _parts(of: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Each part, and after it the parts that it has itself."""
    for name, field in of.model_fields.items():
        if _is_part(field):
            part: Any = field.annotation
            yield f"{prefix}{name}", part
            yield from _parts(part, f"{prefix}{name}.")


def _is_part(field: Any) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _default(part: str, name: str, field: Any) -> str:
    if field.default is PydanticUndefined:
        by_place = {
            "kafka.bootstrap_servers": "`localhost:9092`; in a container `kafka:9092`",
            "ray.head_address": "in a container `ray-head:6379`",
            "model.storage_path": "`models`; in a container `/app/models`",
        }
        return by_place.get(f"{part}.{name}", "")
    return "" if field.default is None else f"`{str(duration(field.default)).lower()}`"


def _words(field: Any, variable: str | None) -> str:
    words: str = field.description
    choices = re.findall(r"'(\w+)'", str(field.annotation)) if "Literal" in str(field.annotation) else []
    words += f"; one of {', '.join(f'`{c}`' for c in choices)}" if choices else ""
    return words + (f" (`{variable}`)" if variable and variable not in words else "")


def _classes(cls: type[ForetellError]) -> Iterator[type[ForetellError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _classes(child)


def _quoted(words: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", said) for name, said in words.items()]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [head, *rows]]
    lines.insert(1, "|" + " --- |" * len(head))
    return "\n".join(lines) + "\n\n"


def main() -> int:
    """Write, or with `--check` only compare."""
    stale = outdated()
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(
                f"docs/reference/{name}.md is out of date: python scripts/generate_reference.py",
                file=sys.stderr,
            )
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / f"{name}.md").write_text(PAGES[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
