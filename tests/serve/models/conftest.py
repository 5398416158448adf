"""Models whose engine evaluates when it is let."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serve.models.gated import Gated

from foretell.config import BatchSettings
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.models.figures import Figures
from foretell.serve.models.served_model import ServedModel


@pytest.fixture
def forecaster(tmp_path: Path, make_bundle: Callable[..., Path]) -> Forecaster:
    return Forecaster.open(make_bundle(tmp_path))


@pytest.fixture
def engine(forecaster: Forecaster) -> Gated:
    return Gated(forecaster)


@pytest.fixture
def serve(forecaster: Forecaster, engine: Gated) -> Iterator[Callable[..., ServedModel]]:
    made: list[ServedModel] = []

    def make(
        figures: Figures | None = None, *, warm: bool = False, stuck_s: float = 30.0, **settings: object
    ) -> ServedModel:
        batch = BatchSettings.model_validate(settings)
        model = ServedModel(Forecaster(forecaster.manifest, engine), batch, figures, stuck_s=stuck_s)
        made.append(model)
        if warm:
            model.warm_up()
            engine.batches.clear()
            engine.threads.clear()
        return model

    yield make
    engine.open.set()
    for model in made:
        model.close()


@pytest.fixture
def model(serve: Callable[..., ServedModel]) -> ServedModel:
    return serve()
