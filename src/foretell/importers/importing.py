"""From a model's files to a bundle that was proven against them."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foretell import __version__
from foretell.bundle.bundle import Bundle
from foretell.bundle.golden import Golden, worst_difference
from foretell.bundle.manifest import Column, Meaning, Provenance
from foretell.bundle.write import copy_bundle, write_bundle
from foretell.config import EngineSettings
from foretell.engines.onnxruntime_engine import OnnxRuntimeEngine
from foretell.errors import ImportFailed
from foretell.importers import columns, hints, reconcile
from foretell.importers.columns import Columns
from foretell.importers.folder import Source, find
from foretell.importers.golden import draw, evidence, to_network
from foretell.importers.imported import Imported, Lack
from foretell.importers.options import ImportOptions
from foretell.importers.parts import Parts, read_parts
from foretell.importers.reconcile import Forecast, Window
from foretell.importers.recorded import Recorded, read_recorded
from foretell.rows.adapter import Adapter
from foretell.rows.adapter_file import load_adapter


def import_source(source: Path, options: ImportOptions | None = None) -> Imported:
    """Read, reconcile, lower, verify and write.

    Raises:
        ImportFailed: with its kinds; each names the file and what is wrong with it.
        AdapterError: adapter.yaml is wrong; names the line.
        BundleError: something else lies in the bundle's folder.
    """
    options = options or ImportOptions()
    found = find(source)
    work = _Import(found, options, read_parts(found, options))
    meaning, sample = work.meaning()
    name = options.name or _name(found)
    provenance = Provenance(
        found.files, f"{work.parts.network.made_by}, imported by foretell {__version__}", tuple(work.notes)
    )
    with tempfile.TemporaryDirectory(prefix="foretell-import-") as folder:
        proven = write_bundle(
            Path(folder) / "bundle",
            meaning,
            work.parts.network.model,
            sample,
            name=name,
            provenance=provenance,
        )
        difference = _verify(proven, sample, found.model.name)
        bundle = copy_bundle(proven, options.out or Path("bundles") / name)
    suggestion = hints.suggest(work.undeclared(meaning), work.parts.adapter)
    return Imported(bundle, difference, tuple(work.notes), tuple(work.lacks(meaning)), suggestion)


@dataclass
class _Import:
    """One import: its files, what was said, and the notes that come up on the way."""

    source: Source
    options: ImportOptions
    parts: Parts
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notes += [*self.source.notes, *self.parts.network.notes]

    def meaning(self) -> tuple[Meaning, Golden]:
        """What the network's numbers mean, and the evidence."""
        network = self.parts.network
        window = reconcile.window(network, self.parts.said, self.notes)
        forecast = self._forecast(window)
        adapter = self._adapter(window.features)
        inputs, targets = self._columns(window, forecast)
        drawn = draw(window, inputs)
        proof = evidence(network, drawn, self._recorded(window, inputs, targets))
        meaning = Meaning(
            task="forecast" if forecast else "features",
            inputs=columns.with_units(inputs.columns, adapter),
            targets=columns.with_units(targets.columns, adapter),
            lookback=window.lookback,
            horizon=forecast.horizon if forecast else 0,
            step_s=self.parts.said.step_s,
            layout=window.layout,
            outputs=network.outputs,
            input_scaling=inputs.scaling,
            target_scaling=targets.scaling,
            adapter=adapter,
            tolerance=proof.tolerance,
        )
        return meaning, proof.golden

    def undeclared(self, meaning: Meaning) -> Sequence[Column]:
        """Inputs of which nobody has declared how a row carries them; with an adapter.yaml all are."""
        return () if self.options.adapter else meaning.inputs

    def lacks(self, meaning: Meaning) -> Iterator[Lack]:
        """What is still missing."""
        if meaning.step_s is None:
            yield Lack(
                "step: not said",
                "rows will be taken as they come (sequence windows)",
                "If the model was trained on an hourly grid, say --step 1h",
            )
        if meaning.input_scaling is None:
            yield Lack(
                "scaler of the inputs: none found",
                "the network is given the features as they are",
                "put scaler_X.pkl beside the model if it was trained on scaled features",
            )
        if meaning.target_scaling is None and meaning.input_scaling is not None and meaning.targets:
            yield Lack(
                "scaler of the targets: none found",
                "forecasts are in the network's units",
                "put scaler_y.pkl beside the model, or name the targets as the scaler does: --targets A,B",
            )

    def _forecast(self, window: Window) -> Forecast | None:
        shape = self.parts.network.outputs[0].shape
        if len(shape) not in (1, 2):
            self.notes.append(f"its first output has shape {shape}: features, not a forecast")
            return None
        extra = [output.name for output in self.parts.network.outputs[1:]]
        if extra:
            self.notes.append(
                f"the forecast is {self.parts.network.outputs[0].name}; also gives {', '.join(extra)}"
            )
        return reconcile.forecast(self.parts.network, self.parts.said, window.features, self.notes)

    def _columns(self, window: Window, forecast: Forecast | None) -> tuple[Columns, Columns]:
        scaler_x = self.parts.scaler_x
        scaler, file = scaler_x if scaler_x else (None, "")
        inputs = columns.inputs(window.features, scaler, file, self.notes)
        if forecast is None:
            return inputs, Columns((), None)
        shared = scaler_x if self.parts.shared else None
        return inputs, columns.targets(forecast.targets, self.parts.scaler_y, shared, self.notes)

    def _adapter(self, features: Sequence[str]) -> Adapter:
        old = self.parts.adapter
        if self.options.adapter is not None:
            if old is not None:
                self.notes.append(f"{self.options.adapter.name} stands in the place of feature_adapter.pkl")
            return load_adapter(self.options.adapter, features)
        if old is None:
            return Adapter()
        adapter = old.rules(features)
        taken = [f"{name} from {rule.field}" for name, rule in adapter.features.items()]
        self.notes.append(
            f"feature_adapter.pkl ({old.of}) was read without running it; "
            f"taken up: {', '.join(taken) or 'nothing'}"
        )
        left = [f"{name} {value:g}" for name, value in old.defaults.items() if name in features]
        if left:
            self.notes.append(
                f"its defaults ({', '.join(left)}) are not taken up: a row without a value is refused; "
                "`default:` in adapter.yaml changes that"
            )
        return adapter

    def _recorded(self, window: Window, inputs: Columns, targets: Columns) -> Recorded | None:
        found = self.source.read("reference")
        if found is None:
            return None
        shape = (window.lookback, len(window.features))
        recorded = read_recorded(*found, shape, self.parts.network.outputs[0].shape)
        self.notes.append(f"{recorded.file}: its first {len(recorded.windows)} windows are part of the proof")
        return to_network(recorded, window, inputs, targets)


def _verify(bundle: Bundle, sample: Golden, file: str) -> float:
    """The engine's answers against the source's, as a share of the range."""
    engine = OnnxRuntimeEngine(bundle, EngineSettings(chunk=len(sample.windows)))
    try:
        worst = worst_difference(sample, engine.run(sample.windows).outputs)
    finally:
        engine.close()
    if worst.share > bundle.manifest.tolerance:
        raise ImportFailed(
            f"{file}: ONNX Runtime's answers of {worst.output} differ from the source's by {worst.share:.2g} "
            f"of their range, more than {bundle.manifest.tolerance:.2g}",
            cure="foretell lowers a layer wrongly, or float32 cannot hold this network; please report it",
        )
    return worst.share


def _name(source: Source) -> str:
    """The folder's name, or the file's where it says more than `model`."""
    stem = source.model.stem
    base = source.folder.resolve().name if source.path.is_dir() or stem.lower() == "model" else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "_", base).lstrip("._-")[:128] or "model"
