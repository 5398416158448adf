"""Train the demo's model and write src/foretell/demo/bundle/: an LSTM on 12 hours of weather, 7 hours ahead.

It needs torch 2.13.0 beside foretell, in an environment of its own:

    python -m venv .bench-venvs/train
    .bench-venvs/train/bin/pip install torch==2.13.0 -e .
    .bench-venvs/train/bin/python scripts/train_demo.py

January to September trains; October to December tests. The seed is fixed, so one machine trains the same
model again; another may differ in the last digits, and so in the bundle's version.
"""

import io
import shutil
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from foretell.bundle.golden import Golden
from foretell.bundle.manifest import Column, Meaning, Output, Provenance
from foretell.bundle.scaling import Scaling
from foretell.bundle.write import file_entry, write_bundle
from foretell.demo.score import skill
from foretell.demo.weather import BUNDLE, FIRST_TEST_HOUR_S, HOUR_S, TEMPERATURE, WIND_SPEED, read_weather
from foretell.rows.adapter import Adapter, FeatureRule

SEED = 2013
LOOKBACK, HORIZON, UNITS = 12, 7, 64
EPOCHS, BATCH, RATE = 12, 256, 5e-3
FASTEST_WIND = 100.0  # mph; the source holds one of 1048
NAMES = ("temperature", "dewpoint", "wind_speed", "hour_sin", "hour_cos")
UNITS_OF = ("degF", "degF", "mph", None, None)


@dataclass(frozen=True)
class Windows:
    """inputs (n, LOOKBACK, 5) and targets (n, HORIZON), own units; time_s (n,) of the newest hours."""

    inputs: NDArray[np.float64]
    targets: NDArray[np.float64]
    time_s: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> "Windows":
        return Windows(self.inputs[chosen], self.targets[chosen], self.time_s[chosen])


class Change(torch.nn.Module):  # type: ignore[misc]  # torch is skipped by the type check
    """Forecasts the change from the newest temperature, in scaled units."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(len(NAMES), UNITS, batch_first=True)
        self.head = torch.nn.Linear(UNITS, HORIZON)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(windows)
        forecast: torch.Tensor = self.head(states[:, -1]) + windows[:, -1, :1]
        return forecast


def all_windows() -> Windows:
    """Every run of LOOKBACK + HORIZON hours without a hole, of all three airports."""
    inputs, targets, times = [], [], []
    for weather in read_weather().values():
        hourly = weather.hourly()
        values = hourly.values.copy()
        values[values[:, WIND_SPEED] > FASTEST_WIND, WIND_SPEED] = np.nan
        angle = 2 * np.pi * (hourly.time_s % (24 * HOUR_S)) / (24 * HOUR_S)
        features = np.column_stack([values, np.sin(angle), np.cos(angle)])
        for newest in range(LOOKBACK - 1, len(features) - HORIZON):
            inputs.append(features[newest - LOOKBACK + 1 : newest + 1])
            targets.append(values[newest + 1 : newest + 1 + HORIZON, TEMPERATURE])
            times.append(hourly.time_s[newest])
    windows = Windows(np.array(inputs), np.array(targets), np.array(times))
    flat = np.concatenate([windows.inputs.reshape(len(windows.time_s), -1), windows.targets], axis=1)
    return windows.where(np.isfinite(flat.sum(axis=1)))


def train(windows: torch.Tensor, answers: torch.Tensor) -> Change:
    """Adam on the squared error, one cycle of the learning rate."""
    torch.manual_seed(SEED)
    model = Change()
    optimizer = torch.optim.Adam(model.parameters())
    steps = EPOCHS * (len(windows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(windows))
        for start in range(0, len(windows) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(windows[batch]), answers[batch]).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    return model


def to_onnx(model: Change) -> bytes:
    """The TorchScript exporter: it gives one LSTM node and needs no further package."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, LOOKBACK, len(NAMES)),),
            out,
            input_names=["window"],
            output_names=["forecast"],
            dynamic_axes={"window": {0: "n"}, "forecast": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
    return out.getvalue()


def meaning(scaling: Scaling) -> Meaning:
    columns = tuple(
        Column(name, unit, center=center, spread=spread)
        for name, unit, center, spread in zip(NAMES, UNITS_OF, scaling.center, scaling.scale, strict=True)
    )
    return Meaning(
        task="forecast",
        inputs=columns,
        targets=columns[:1],
        lookback=LOOKBACK,
        horizon=HORIZON,
        step_s=float(HOUR_S),
        layout="time_first",
        outputs=(Output("forecast", (HORIZON,)),),
        input_scaling=scaling,
        target_scaling=scaling.columns([TEMPERATURE]),
        adapter=Adapter({name: FeatureRule(derive=name) for name in NAMES[3:]}),
        tolerance=1e-5,
    )


def main() -> None:
    torch.set_num_threads(1)
    windows = all_windows()
    training = windows.where(windows.time_s + HORIZON * HOUR_S < FIRST_TEST_HOUR_S)
    testing = windows.where(windows.time_s - (LOOKBACK - 1) * HOUR_S >= FIRST_TEST_HOUR_S)
    flat = training.inputs.reshape(-1, len(NAMES))
    scaling = Scaling("StandardScaler", tuple(flat.mean(0).tolist()), tuple(flat.std(0).tolist()))
    target = scaling.columns([TEMPERATURE])

    def scaled(own: NDArray[np.float64], by: Scaling) -> torch.Tensor:
        return torch.tensor(by.apply(own[..., None] if by is target else own), dtype=torch.float32)

    model = train(scaled(training.inputs, scaling), scaled(training.targets, target)[..., 0])
    with torch.no_grad():
        test_inputs = scaled(testing.inputs, scaling)
        forecasts = target.invert(model(test_inputs).double().numpy()[..., None])[..., 0]
        sample = test_inputs[:: len(test_inputs) // 32][:32]
        golden = Golden(sample.numpy(), {"forecast": model(sample).numpy()})
    print(f"trained on {len(training.time_s):,} windows, tested on {len(testing.time_s):,}")
    for step in skill(forecasts, testing.targets, testing.inputs[:, -1, TEMPERATURE]):
        figures = f"{step.model:.2f} °F, persistence {step.persistence:.2f}, skill {step.skill:.3f}"
        print(f"  {step.hours} h ahead: {figures}")
    shutil.rmtree(BUNDLE, ignore_errors=True)
    data = BUNDLE.parent / "data" / "weather-2013.csv.gz"
    provenance = Provenance(
        {data.name: file_entry(data.read_bytes())},
        made_by=f"scripts/train_demo.py with torch {torch.__version__}",
        notes=("trained on January to September 2013", "one wind speed of 1048 mph left out"),
    )
    bundle = write_bundle(
        BUNDLE, meaning(scaling), to_onnx(model), golden, name="new-york-weather", provenance=provenance
    )
    print(f"wrote {bundle.manifest.name}:{bundle.manifest.version}")


if __name__ == "__main__":
    main()
