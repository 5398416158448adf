"""A bundle to damage."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def bundle_path(tmp_path: Path, make_bundle: Callable[..., Path]) -> Path:
    return make_bundle(tmp_path)


@pytest.fixture
def edit(bundle_path: Path) -> Callable[[Edit], None]:
    """Change bundle.json of `bundle_path` by a function on its JSON."""

    def apply(change: Edit) -> None:
        file = bundle_path / "bundle.json"
        manifest = json.loads(file.read_text())
        change(manifest)
        file.write_text(json.dumps(manifest))

    return apply
