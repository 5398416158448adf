"""The OpenAPI 3.1 document, from the manifests of the models that are served and the types that are read."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

import foretell
from foretell.bundle.manifest import Column, Manifest
from foretell.config import RowSettings
from foretell.rows.features import Features
from foretell.serve.backend import Refusal
from foretell.serve.protocols.dated import Forecast, Model, Timings
from foretell.serve.protocols.examples import forecast_example, infer_example
from foretell.serve.protocols.forecast_api import ForecastRequest
from foretell.serve.protocols.oip_rest import InferRequest, InferResponse
from foretell.serve.protocols.options import OPTIONS

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
_WRONG = {
    400: "no valid JSON",
    401: "no key, or an unknown one",
    403: "the key has no right to this model or priority",
    404: "no such model or version",
    408: "the body came too slowly",
    413: "more bytes or windows than the limits allow",
    415: "a body of another kind",
    422: "a field is wrong; `path` names it",
    429: "rate, budget or a full queue; wait as Retry-After says",
    431: "more bytes of headers than the limits allow",
    500: "the runtime failed on it",
    503: "no model is ready, draining, or stuck",
    504: "the deadline cannot be met, or passed",
}
_CODE: Schema = {"type": "string", "examples": sorted(Refusal.HTTP)}
_TEXT: Schema = {"type": "string"}
_ROWS: Schema = {"type": "array", "items": {"type": "object"}}
_ERRORS: dict[str, Schema] = {
    "OipError": {
        "type": "object",
        "required": ["error", "code"],
        "properties": {"error": _TEXT, "code": _CODE, "path": _TEXT},
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "cure"],
                "properties": {"code": _CODE, "message": _TEXT, "cure": _TEXT, "path": _TEXT},
            }
        },
    },
}


def document(manifests: Iterable[Manifest], rows: RowSettings) -> Schema:
    """Of these models. `rows`: where a row keeps its event time."""
    paths = _server_paths()
    for manifest in manifests:
        paths |= _model_paths(manifest, rows)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "foretell",
            "version": foretell.__version__,
            "summary": "The Open Inference Protocol v2, and rows in, dated forecasts out.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "schemas": _components(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _components() -> dict[str, Schema]:
    types = [ForecastRequest, Forecast, Model, Timings, InferRequest, InferResponse]
    return {**msgspec.json.schema_components(types, ref_template=_REF)[1], **_ERRORS}


def _server_paths() -> dict[str, Schema]:
    live, ready = {"live": {"type": "boolean"}}, {"ready": {"type": "boolean"}}
    names = {"models": {"type": "array", "items": _TEXT}}
    told = {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}}
    return {
        "/v2/health/live": _get("server", "Whether the server is up", live, oip=True),
        "/v2/health/ready": _get("server", "Whether calls are taken", ready, oip=True, unready=ready),
        "/v2": _get("server", "Server metadata", told, oip=True),
        "/v2/models": _get("server", "Models that are served", names, oip=True),
        "/metrics": _page("server", "Metrics for Prometheus", "text/plain; version=0.0.4; charset=utf-8"),
    }


def _model_paths(manifest: Manifest, rows: RowSettings) -> dict[str, Schema]:
    name, ready = manifest.name, {"name": _TEXT, "ready": {"type": "boolean"}}
    tensors = {"type": "array", "items": {"type": "object"}}
    told = {"name": _TEXT, "platform": _TEXT, "inputs": tensors, "outputs": tensors}
    base = f"/v2/models/{name}"
    infer = _operation(name, "Outputs of windows", _describe(manifest), oip=True)
    infer["requestBody"] = _body(_infer_schema(manifest), infer_example(manifest))
    infer["responses"]["200"] = _json("the outputs, by name", _ref("InferResponse"))
    return {
        f"/v1/forecast/{name}": {"post": _forecast_operation(manifest, rows)},
        f"/v1/forecast/{name}/example": _get(name, "A body that works", {"rows": _ROWS}, oip=False),
        f"{base}/infer": {"post": infer},
        base: _get(name, "Inputs, outputs, version", told, oip=True),
        f"{base}/ready": _get(name, "Whether it is ready", ready, oip=True, unready=ready),
        f"{base}/versions/{manifest.version}": _get(name, "The same, of this version", told, oip=True),
    }


def _forecast_operation(manifest: Manifest, rows: RowSettings) -> Schema:
    what = "Forecast" if manifest.task == "forecast" else "Features"
    operation = _operation(manifest.name, f"{what} of timestamped rows", _describe(manifest), oip=False)
    schema = {"allOf": [_ref("ForecastRequest"), {"properties": {"rows": _rows_schema(manifest, rows)}}]}
    body = _body(schema, forecast_example(manifest, rows))
    body["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
    operation["requestBody"] = body
    ok = _json("the forecast with its names, times and units", _forecast_answer())
    ok["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
    operation["responses"]["200"] = ok
    return operation


def _forecast_answer() -> Schema:
    """Of one window, or of many."""
    timed = {"properties": {"timings": _ref("Timings"), "notes": {"type": "array", "items": _TEXT}}}
    many = {
        "required": ["forecasts"],
        "properties": {"forecasts": {"type": "array", "items": _ref("Forecast")}},
    }
    return {"allOf": [_ref("Model"), timed], "anyOf": [_ref("Forecast"), many]}


def _infer_schema(manifest: Manifest) -> Schema:
    sizes = [{"type": "integer", "minimum": 1}, *({"const": size} for size in manifest.input_shape)]
    shape = {"type": "array", "prefixItems": sizes, "minItems": 3, "maxItems": 3}
    tensor = {"type": "object", "properties": {"shape": shape}}
    inputs = {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1}
    parameters = {"type": ["object", "null"], "properties": OPTIONS}
    return {"allOf": [_ref("InferRequest"), {"properties": {"inputs": inputs, "parameters": parameters}}]}


def _rows_schema(manifest: Manifest, rows: RowSettings) -> Schema:
    """Of a row, the fields that are read; what else it holds is passed over."""
    time = rows.timestamp or "timestamp"
    types: dict[str, Schema] = {
        time: {
            "type": "string" if rows.time_format == "iso8601" else "number",
            "description": rows.time_format,
        }
    }
    names = [column.name for column in manifest.inputs]
    types |= {path: {"type": ["number", "null"]} for path in Features(names, manifest.adapter).paths}
    fields = {path.partition(".")[0]: {"type": "object"} if "." in path else t for path, t in types.items()}
    row = {"type": "object", "properties": fields, "required": [time.partition(".")[0]]}
    return {"type": ["array", "null"], "items": row, "description": f"at least {manifest.lookback} steps"}


def _describe(manifest: Manifest) -> str:
    step = f" of {manifest.step_s:g} s" if manifest.step_s else ""
    lines = [
        f"Reads {manifest.lookback} steps{step}, oldest first: {_columns(manifest.inputs)}.",
        f"Forecasts {manifest.horizon} steps of {_columns(manifest.targets)}."
        if manifest.task == "forecast"
        else f"Answers {', '.join(output.name for output in manifest.outputs)}.",
    ]
    return " ".join(lines)


def _columns(columns: Iterable[Column]) -> str:
    told = []
    for column in columns:
        facts = [fact for fact in (column.unit, column.trained_on()) if fact]
        told.append(f"{column.name} ({', '.join(facts)})" if facts else column.name)
    return ", ".join(told)


def _get(
    tag: str,
    summary: str,
    fields: Mapping[str, Schema],
    *,
    oip: bool,
    unready: Mapping[str, Schema] | None = None,
) -> Schema:
    operation = _operation(tag, summary, "", oip=oip)
    schema = {"type": "object", "properties": dict(fields), "required": list(fields)}
    operation["responses"]["200"] = _json(summary, schema)
    if unready:
        either = {"anyOf": [schema, _ref("OipError")]}
        operation["responses"]["503"] = _json(_WRONG[503], either)
    return {"get": operation}


def _page(tag: str, summary: str, content_type: str) -> Schema:
    operation = _operation(tag, summary, "", oip=False)
    operation["responses"]["200"] = {"description": summary, "content": {content_type: {"schema": _TEXT}}}
    return {"get": operation}


def _operation(tag: str, summary: str, description: str, *, oip: bool) -> Schema:
    error = _ref("OipError" if oip else "Error")
    wrong = {str(status): _json(what, error) for status, what in _WRONG.items()}
    operation: Schema = {"tags": [tag], "summary": summary, "responses": wrong}
    return {**operation, "description": description} if description else operation


def _body(schema: Schema, example: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> Schema:
    return {"$ref": _REF.format(name=name)}
