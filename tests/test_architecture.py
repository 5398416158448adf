"""Imports run downward only, and the two doors never meet."""

import ast
from pathlib import Path

import foretell

ROOT = Path(foretell.__file__).parent

# A room may import what stands here, and nothing else of foretell's.
MAY_IMPORT = {
    "errors": set(),
    "config": {"errors"},
    "rows": {"config", "errors"},
    "bundle": {"rows", "config", "errors"},
    "engines": {"bundle", "config", "errors"},
    "forecasting": {"engines", "bundle", "rows", "config", "errors"},
    "importers": {"forecasting", "engines", "bundle", "rows", "config", "errors"},
    "windows": {"rows", "config", "errors"},
    "telemetry": {"config", "errors"},
    "cluster": {"config", "errors"},
    "ending": set(),
    "interpreter": set(),
    "stream": {
        "cluster",
        "ending",
        "interpreter",
        "importers",
        "forecasting",
        "engines",
        "windows",
        "bundle",
        "rows",
        "telemetry",
        "config",
        "errors",
    },
    "serve": {
        "cluster",
        "ending",
        "interpreter",
        "importers",
        "forecasting",
        "engines",
        "windows",
        "bundle",
        "rows",
        "telemetry",
        "config",
        "errors",
    },
}
# The rooms of the request door: what a room of it may import of the others.
SERVE_MAY_IMPORT = {
    "backend": set(),
    "loop_thread": set(),
    "scheduler": {"backend"},
    "security": {"backend"},
    "models": {"scheduler", "backend"},
    "protocols": {"security", "backend"},
    "replica": {"deployment", "protocols", "models", "security", "loop_thread", "backend"},
    "deployment": {"replica", "security"},
    "manager": {"deployment", "replica", "loop_thread", "backend"},
    "client": {"protocols", "loop_thread", "backend"},
    "run": {"deployment"},
}
TOP = {"cli", "client", "demo"}
FORBIDDEN_AT_RUN_TIME = {
    "keras",
    "tensorflow",
    "sklearn",
    "pandas",
    "joblib",
    "pickle5",
    "dill",
    "cloudpickle",
}


def imports(file: Path) -> set[str]:
    """Dotted names of all modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def test_every_room_is_on_the_plan() -> None:
    rooms = {room(f.relative_to(ROOT).parts) for f in sources()} - {"__init__", "__main__"}
    assert rooms <= MAY_IMPORT.keys() | TOP


def test_imports_run_downward() -> None:
    wrong = []
    for file in sources():
        here = room(file.relative_to(ROOT).parts)
        if here in TOP | {"__init__", "__main__"}:
            continue
        for name in imports(file):
            there = name.removeprefix("foretell.").split(".")[0]
            if name.startswith("foretell.") and there not in MAY_IMPORT[here] | {here, "__version__"}:
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_rooms_of_the_request_door_are_apart() -> None:
    wrong = []
    for file in sorted((ROOT / "serve").rglob("*.py")):
        here = room(file.relative_to(ROOT / "serve").parts)
        if here == "__init__":
            continue
        for name in imports(file):
            there = name.removeprefix("foretell.serve.").split(".")[0]
            if name.startswith("foretell.serve.") and there not in SERVE_MAY_IMPORT[here] | {here}:
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_no_training_library_at_run_time() -> None:
    for file in sources():
        roots = {name.split(".")[0] for name in imports(file)}
        assert not roots & FORBIDDEN_AT_RUN_TIME, file


def test_torch_only_where_it_is_an_option() -> None:
    for file in sources():
        if "torch" in {name.split(".")[0] for name in imports(file)}:
            assert file.parent.name in {"engines", "torch"}, file
