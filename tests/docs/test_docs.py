"""What the documents name exists: pages, commands, flags, settings, errors, dependencies, rooms."""

import re
import tomllib
from ast import literal_eval
from pathlib import Path

import pytest
from typer.main import get_command

from foretell.cli.commands import COMMANDS, build
from foretell.config import Settings
from foretell.config.layers import WELL_KNOWN
from foretell.errors import ForetellError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BY_HAND = [page for page in PAGES if page.parent.name != "reference"]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {link}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{name_of(page)} links to {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(page.read_text()))
        todo += [there for link in links if (there := (page.parent / link).resolve()).is_file()]
    assert {name_of(page) for page in PAGES} <= {name_of(page) for page in reached}


def flags_of_all_commands() -> dict[str, set[str]]:
    """Of each command by its words (`dlq list`), its flags; of a group (`dlq`), none."""
    found = {}
    for command in COMMANDS:
        called = get_command(build([command.name])).commands[command.name]  # type: ignore[attr-defined]
        parts = getattr(called, "commands", {})
        for name, one in {
            command.name: called,
            **{f"{command.name} {n}": c for n, c in parts.items()},
        }.items():
            found[name] = {opt for parameter in one.params for opt in parameter.opts} | {"--help", "-h"}
    return found


def calls(text: str) -> list[tuple[str, str]]:
    """Each `foretell …` that code holds: the command's words, and its line with those that go on from it."""
    fenced = re.sub(r"\\\n\s*|\n\s+(?=\[)", " ", "\n".join(FENCE.findall(text)))
    found = re.findall(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*foretell ([a-z].*)$", fenced, re.MULTILINE)
    found += re.findall(r"`foretell ([a-z][^`\n]*)`", FENCE.sub("", text))
    plain = [call.split("  #")[0] for call in found if not call.startswith("reads files")]
    return [(re.split(r" (?!(?:list|redrive|show|new|revoke)\b)", call)[0], call) for call in plain]


def test_calls_are_found() -> None:
    names = [name for name, _ in calls((ROOT / "README.md").read_text())]
    assert names == ["import", "inspect", "predict", "stream", "tail", "dlq list", "serve", "bench"]


@pytest.mark.parametrize("page", BY_HAND, ids=name_of)
def test_commands_and_flags_exist(page: Path) -> None:
    known = flags_of_all_commands()
    for name, call in calls(page.read_text()):
        assert name in known, f"{name_of(page)}: foretell {call}"
        unknown = set(re.findall(r"(?<![\w-])--[a-z-]+", call)) - known[name]
        assert not unknown, f"{name_of(page)}: foretell {call}"


def setting_names() -> set[str]:
    parts = Settings.model_fields
    return {f"{part}.{n}" for part in parts for n in parts[part].annotation.model_fields}  # type: ignore[union-attr]


@pytest.mark.parametrize("page", BY_HAND, ids=name_of)
def test_settings_and_variables_exist(page: Path) -> None:
    known, parts = setting_names(), "|".join(Settings.model_fields)
    text = page.read_text()
    for name in re.findall(rf"`(?:stream|{parts})\.[a-z_]+(?=[`:])", FENCE.sub("", text)):
        assert name[1:] in known | {"kafka.properties"}, f"{name_of(page)}: {name[1:]}"
    for variable in re.findall(r"\bFORETELL_[A-Z]+__[A-Z_]+", text):
        dotted = variable.removeprefix("FORETELL_").lower().replace("__", ".")
        wrong = dotted not in known and not dotted.startswith("kafka.properties.")
        shown_as_wrong = f"(from environment {variable}): there is no such setting" in text
        assert not wrong or shown_as_wrong, f"{name_of(page)}: {variable}"


def test_every_well_known_variable_is_told() -> None:
    told = "".join(page.read_text() for page in BY_HAND)
    assert not [variable for variable in WELL_KNOWN if f"`{variable}`" not in told]


def error_classes() -> list[type[ForetellError]]:
    found, todo = [], [ForetellError]
    while todo:
        found.append(todo.pop())
        todo += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_troubleshooting_has_each_error_with_its_exit_status(error: type[ForetellError]) -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert f"(`{error.code}`, {error.exit_status})" in text


def test_decisions_have_each_dependency_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[~<>=!;]", line)[0].strip() for line in project["project"]["dependencies"]}
    text = (ROOT / "docs" / "decisions.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)) == wanted
    optional = [line for lines in project["project"]["optional-dependencies"].values() for line in lines]
    for line in optional + project["build-system"]["requires"]:
        assert f"`{re.split(r'[~<>=!;]', line)[0]}`" in text, line


def test_architecture_draws_the_rooms_as_the_test_has_them() -> None:
    code = (ROOT / "tests" / "test_architecture.py").read_text()
    table = re.findall(r"^MAY_IMPORT = (\{.*?^\})", code, re.MULTILINE | re.DOTALL)[0]
    rows = re.findall(
        r"^\| `(\w+)` \| .* \| (.+) \|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE
    )
    assert {room: set(re.findall(r"`(\w+)`", may)) for room, may in rows} == literal_eval(table)


def test_files_that_architecture_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"\b(?:[a-z]+/)?[a-z_]+\.py\b", text):
        rooms = [ROOT / "src/foretell" / room for room in ("stream", "serve")]
        below = [place for room in rooms for place in (room / name, *room.glob(f"*/{name}"))]
        places = [ROOT / name, ROOT / "src/foretell" / name, *below]
        assert any(place.exists() for place in places), name


def test_no_machine_and_no_registry_stands_in_a_page() -> None:
    for page in PAGES:
        assert not re.search(r"/work/|/tmp/|index-url|pypi\.org", page.read_text()), name_of(page)
