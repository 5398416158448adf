"""`make kafka`'s script, with a Maven that is absent, fails, or does as it is told."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fetch-kafka.sh"
TOOLS = ("sh", "mkdir", "mktemp", "rm", "mv", "cat")
GOOD_MAVEN = (
    'for a; do case $a in -DoutputDirectory=*) d=${a#*=}; mkdir -p "$d"; : >"$d/kafka_2.13-4.jar"; esac; done'
)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of the programs that the script may see: no java and no mvn unless a test adds them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    return folder


def add(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


def fetch(programs: Path, into: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), str(into)],
        env={**os.environ, "PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_java(programs: Path, tmp_path: Path) -> None:
    done = fetch(programs, tmp_path / "kafka")
    assert done.returncode == 1
    assert "no java" in done.stderr


def test_without_maven(programs: Path, tmp_path: Path) -> None:
    add(programs, "java", "exit 0")
    done = fetch(programs, tmp_path / "kafka")
    assert done.returncode == 1
    assert "no mvn" in done.stderr
    assert "KAFKA_HOME" in done.stderr


def test_a_fetch_that_fails_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    add(programs, "java", "exit 0")
    add(programs, "mvn", "exit 1")
    done = fetch(programs, tmp_path / "kafka")
    assert done.returncode == 1
    assert "Maven Central" in done.stderr
    assert list((tmp_path / "kafka").iterdir()) == []


def test_what_maven_fetched_is_where_the_demo_looks(programs: Path, tmp_path: Path) -> None:
    add(programs, "java", "exit 0")
    add(programs, "mvn", GOOD_MAVEN)
    done = fetch(programs, tmp_path / "kafka")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (tmp_path / "kafka").iterdir()] == ["libs"]
    assert list((tmp_path / "kafka" / "libs").glob("kafka_2.*.jar"))
