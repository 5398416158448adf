"""The peer: the same work in Quix Streams, as its documentation has it; in an environment of its own.

    python quix_program.py BOOTSTRAP_SERVERS GROUP STATE_DIR MODEL_ONNX ROWS

Rows from topic `rows`, a window a station in its state, the same ONNX model, exactly once. It prints wall and
CPU seconds from the first row to the last as JSON.
"""

import json
import resource
import sys
import time
from typing import Any

import numpy as np
import onnxruntime as ort
from quixstreams import Application, State

LOOKBACK, CENTER, SPREAD = 7, 50.0, 20.0


def main() -> None:
    servers, group, state_dir, model, wanted = sys.argv[1:]
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    seen, forecasts, marks = 0, 0, []

    def forecast(row: dict[str, Any], state: State) -> dict[str, Any] | None:
        nonlocal forecasts
        window = state.get("window", [])
        window.append([row["temperature"], row["wind_speed"], row["dewpoint"]])
        window = window[-LOOKBACK:]
        state.set("window", window)
        if len(window) < LOOKBACK:
            return None
        forecasts += 1
        scaled = ((np.array([window]) - CENTER) / SPREAD).astype(np.float32)
        steps = session.run(None, {name: scaled})[0][0] * SPREAD + CENTER
        return {
            "series": row["station"],
            "issued_at": row["timestamp"],
            "forecast": {"temperature": [round(float(step), 5) for step in steps]},
        }

    def count(_topic: str, _partition: int, _offset: int) -> None:
        nonlocal seen
        seen += 1
        if seen in (1, int(wanted)):
            used = resource.getrusage(resource.RUSAGE_SELF)
            marks.append((time.monotonic(), used.ru_utime + used.ru_stime))
        if seen == int(wanted):
            app.stop()

    app = Application(
        broker_address=servers,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=state_dir,
        on_message_processed=count,
        loglevel="WARNING",
    )
    frame = app.dataframe(app.topic("rows", value_deserializer="json"))
    frame = frame.apply(forecast, stateful=True).filter(lambda value: value is not None)
    frame.to_topic(app.topic(f"{group}-forecasts", value_serializer="json"))
    app.run()
    (begin, cpu_begin), (end, cpu_end) = marks
    print(json.dumps({"wall_s": end - begin, "cpu_s": cpu_end - cpu_begin, "forecasts": forecasts}))


if __name__ == "__main__":
    main()
