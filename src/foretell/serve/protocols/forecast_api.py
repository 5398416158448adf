"""POST /v1/forecast/{model}: rows of named values in, dated forecasts in their own units out.

    {"rows": [{"timestamp": …, "temperature": …, …}, …], "horizon": 7, "priority": "high", "deadline_ms": 50}
    {"windows": [{"series": "JFK", "rows": […]}, {"values": [[…], …], "timestamp": …}]}

A window is told by its rows, which mean what they mean on the stream, or by its `values` (lookback,
features), oldest first, with the `timestamp` of the newest. One that is wrong refuses the request, with the
path to the field; one on which the network fails, fails alone. As `application/x-ndjson` each line is a
window, options are in the query, and each line of the answer is a line's forecast, or what was wrong with it.
`GET /v1/forecast/{model}/example` gives a body that works.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from foretell.bundle.manifest import Manifest
from foretell.config import LimitSettings, RowSettings, WindowSettings
from foretell.errors import ConfigError
from foretell.serve.backend import Answer, Refusal
from foretell.serve.protocols import options
from foretell.serve.protocols.dated import Forecast, Model, Timings, forecasts
from foretell.serve.protocols.errors import HttpRefusal, describe, invalid
from foretell.serve.protocols.examples import forecast_example
from foretell.serve.protocols.gate import Gate
from foretell.serve.protocols.http import JSON, NDJSON, Request, Response
from foretell.serve.protocols.json_body import decode
from foretell.serve.protocols.options import Options
from foretell.serve.protocols.window_items import Block, Item, ItemReader

_QUERY: dict[str, Callable[[str], Any]] = {
    "horizon": int,
    "priority": options.priority_word,
    "deadline_ms": float,
    "version": str,
}


class ForecastRequest(Item, forbid_unknown_fields=True):
    """One window, or many under `windows`."""

    windows: list[Item] | None = None
    horizon: int | None = None
    priority: str | int | None = None
    deadline_ms: float | None = None
    version: str | None = None


class ForecastApi:
    """The handler. `rows`, `windows`: how rows are read, as on the stream."""

    def __init__(self, gate: Gate, limits: LimitSettings, rows: RowSettings, windows: WindowSettings) -> None:
        self._gate = gate
        self._limits = limits
        self._settings = rows, windows
        self._readers: dict[str, ItemReader] = {}
        self._request = msgspec.json.Decoder(ForecastRequest)
        self._item = msgspec.json.Decoder(Item)
        self._encode = msgspec.json.Encoder().encode

    def warm_up(self) -> None:
        """Make the readers, and let each read once: a first request would wait for all that this imports."""
        for manifest in self._gate.backend.manifests().values():
            rows = forecast_example(manifest, self._settings[0])["rows"]
            with suppress(Refusal):
                self._reader(manifest).read([Item(rows=[msgspec.Raw(self._encode(row)) for row in rows])])

    async def forecast(self, request: Request) -> Response:
        """Raises Refusal: see its table."""
        kind = request.headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()
        if kind == NDJSON:
            return await self._lines(request)
        # A client that says nothing of JSON, as curl does, may mean it all the same; a form never does.
        if kind == b"multipart/form-data":
            raise HttpRefusal("unsupported_media_type", f"a body of {kind.decode()}", cure="send JSON")
        return await self._json(request)

    async def example(self, request: Request) -> Response:
        """A body that `forecast` takes, around what the model was trained on."""
        manifest = self._gate.manifest(request.caller, request.model, None)
        return Response(self._encode(forecast_example(manifest, self._settings[0])))

    async def _json(self, request: Request) -> Response:
        if request.query:
            raise invalid("query", "options of JSON stand in its body", "the query is for NDJSON")
        asked = decode(self._request, request.body, self._limits.json_depth)
        many = asked.windows is not None
        if many and any(getattr(asked, name) is not None for name in Item.__struct_fields__):
            raise invalid("windows", "`windows` and a window of its own", "put all of them under `windows`")
        items: Sequence[Item] = asked.windows if asked.windows is not None else [asked]
        told = {name: getattr(asked, name) for name in _QUERY}
        manifest = self._gate.manifest(request.caller, request.model, asked.version)
        self._check_count(len(items), "windows")
        block = self._reader(manifest).read(items)
        for i, refusal in sorted(block.refused.items()):
            raise _inside(refusal, f"windows[{i}]") if many else refusal
        answer = await self._ask(request, manifest, block, told)
        found = forecasts(manifest, answer, [i.series for i in items], block.newest_us, block.filled)
        head = msgspec.to_builtins(Model.of(manifest, answer))
        tail = {"timings": Timings.of(answer, request.caller.arrived)}
        notes = {"notes": answer.notes} if answer.notes else {}
        if many:
            return Response(self._encode({**head, "forecasts": found, **tail, **notes}))
        return Response(self._encode({**head, **msgspec.to_builtins(found[0]), **tail, **notes}))

    async def _lines(self, request: Request) -> Response:
        told = _query(request.query)
        manifest = self._gate.manifest(request.caller, request.model, told.get("version"))
        texts = [text for text in request.body.split(b"\n") if text.strip()]
        self._check_count(len(texts), "body")
        lines = [self._line(text) for text in texts]
        found = [Forecast(error=describe(line)) if isinstance(line, Refusal) else None for line in lines]
        items = {i: line for i, line in enumerate(lines) if isinstance(line, Item)}
        block = self._reader(manifest).read(list(items.values()))
        places = list(items)
        for k, wrong in block.refused.items():
            found[places[k]] = Forecast(series=items[places[k]].series, error=describe(wrong))
        good = [k for k in range(len(items)) if k not in block.refused]
        head: dict[str, Any] = {"model": manifest.name, "version": manifest.version}
        if good:
            kept = block.only(good)
            answer = await self._ask(request, manifest, kept, told)
            series = [items[places[k]].series for k in good]
            answered = forecasts(manifest, answer, series, kept.newest_us, kept.filled)
            for k, one in zip(good, answered, strict=True):
                found[places[k]] = one
            head = msgspec.to_builtins(Model.of(manifest, answer))
        body = b"".join(self._encode({**head, **msgspec.to_builtins(one)}) + b"\n" for one in found)
        return Response(body, content_type=NDJSON)

    def _line(self, text: bytes) -> Item | Refusal:
        try:
            return decode(self._item, text, self._limits.json_depth)
        except Refusal as refusal:
            return refusal

    def _check_count(self, count: int, path: str) -> None:
        """Before anything is made of them; the guard looks at what is left of them."""
        if count > self._limits.rows:
            raise Refusal(
                "too_large",
                f"{count:,} windows in a request, {self._limits.rows:,} are the most",
                cure="send them in several requests",
                path=path,
            )

    def _reader(self, manifest: Manifest) -> ItemReader:
        reader = self._readers.get(manifest.name)
        if reader is None or reader.version != manifest.version:
            try:
                reader = self._readers[manifest.name] = ItemReader(manifest, *self._settings)
            except ConfigError as error:
                cure = "ask by the Open Inference Protocol, or tell the server's operator"
                raise Refusal(
                    "invalid", f"{manifest.name} takes no rows here: {error.message}", cure=cure
                ) from None
        return reader

    async def _ask(
        self, request: Request, manifest: Manifest, block: Block, told: Mapping[str, Any]
    ) -> Answer:
        """`told`: options by name."""
        wanted = _options(told)
        if block.newest_us and None not in block.newest_us:
            wanted.newest_us = np.array(block.newest_us, np.int64)
        windows = block.windows if manifest.layout == "time_first" else block.windows.transpose(0, 2, 1)
        return await self._gate.infer(request.caller, manifest, told.get("version"), windows, wanted)


def _options(told: Mapping[str, Any]) -> Options:
    wanted = Options()
    if (word := told.get("priority")) is not None:
        wanted.priority = options.priority(word, "priority")
    if (ms := told.get("deadline_ms")) is not None:
        wanted.deadline_s = options.deadline_s(ms, 1e-3, "deadline_ms")
    if (steps := told.get("horizon")) is not None:
        wanted.horizon = options.horizon(steps, "horizon")
    return wanted


def _query(query: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, word in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        read = _QUERY.get(name)
        if read is None or name in told:
            raise invalid(f"query.{name[:60]}", "unknown, or told twice", f"known: {', '.join(_QUERY)}")
        try:
            told[name] = read(word[:60])
        except ValueError:
            raise invalid(f"query.{name}", f"{word[:40]!r} is no number", "send a number") from None
    return told


def _inside(refusal: Refusal, path: str) -> Refusal:
    """The same, told from the top of the request."""
    return invalid(f"{path}.{refusal.path}", refusal.message, refusal.cure or "")
