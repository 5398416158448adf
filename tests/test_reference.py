"""The reference pages are made of the code: they are up to date, and nothing in them is bare."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "generate_reference.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands", "settings", "errors", "metrics", "messages"])
def test_a_page_is_what_the_code_says(generator: ModuleType, page: str) -> None:
    stale = "docs/reference is out of date: run python scripts/generate_reference.py"
    assert (generator.FOLDER / f"{page}.md").read_text() == generator.PAGES[page](), stale


@pytest.mark.parametrize("page", ["commands", "settings", "errors", "metrics", "messages"])
def test_every_row_says_something(generator: ModuleType, page: str) -> None:
    rows = [line for line in generator.PAGES[page]().splitlines() if line.startswith("| `")]
    assert rows
    for row in rows:
        assert re.search(r"\| \S[^|]*\|$", row), row


def test_no_page_names_this_machine(generator: ModuleType) -> None:
    for make in generator.PAGES.values():
        assert not re.search(r"/work|/tmp|/root|/home", make())
