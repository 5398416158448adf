"""Names, versions and aliases."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.store import Store
from foretell.errors import BundleNotFound, DigestMismatch

MakeBundle = Callable[..., Path]


@pytest.fixture
def bundles(tmp_path: Path, make_bundle: MakeBundle) -> list[Bundle]:
    """Two versions of `weather`, not in the store."""
    return [open_bundle(make_bundle(tmp_path / f"source{seed}", seed=seed)) for seed in (0, 1)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_added_bundles_are_found_by_name_version_and_alias(store: Store, bundles: list[Bundle]) -> None:
    old, new = (store.add(bundle) for bundle in bundles)
    store.set_alias("weather", "production", old.manifest.version)
    assert store.resolve(f"weather:{old.manifest.version}") == old.path
    assert store.resolve("weather@production") == old.path
    assert store.resolve("weather") == store.resolve("weather@latest") == new.path
    assert store.open("weather").model_bytes() == bundles[1].model_bytes()
    assert {(s.version, s.aliases) for s in store.list()} == {
        (old.manifest.version, ("production",)),
        (new.manifest.version, ("latest",)),
    }


def test_adding_twice_keeps_one(store: Store, bundles: list[Bundle]) -> None:
    assert store.add(bundles[0]) == store.add(bundles[0])
    assert len(store.list()) == 1


def test_a_damaged_bundle_is_not_added(store: Store, bundles: list[Bundle]) -> None:
    (bundles[0].path / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(DigestMismatch):
        store.add(bundles[0])
    assert store.list() == []


def test_an_unknown_reference_says_what_there_is(store: Store, bundles: list[Bundle]) -> None:
    version = store.add(bundles[0]).manifest.version
    for reference in ("traffic", "weather:000000000000", "weather@staging"):
        with pytest.raises(BundleNotFound, match=reference) as caught:
            store.resolve(reference)
        assert caught.value.cure == f"there are weather:{version} @latest"


def test_an_empty_store_says_so(store: Store) -> None:
    with pytest.raises(BundleNotFound, match="the store is empty"):
        store.resolve("weather")


@pytest.mark.parametrize(
    "reference", ["", "..", "../weather", "/etc", "weather:../x", "weather@../x", "a@b:c"]
)
def test_a_reference_never_leaves_the_store(store: Store, bundles: list[Bundle], reference: str) -> None:
    store.add(bundles[0])
    with pytest.raises(BundleNotFound):
        store.resolve(reference)


def test_an_alias_needs_a_version_that_is_there(store: Store, bundles: list[Bundle]) -> None:
    version = store.add(bundles[0]).manifest.version
    with pytest.raises(BundleNotFound):
        store.set_alias("weather", "production", "0" * 12)
    with pytest.raises(BundleNotFound, match="can be no alias"):
        store.set_alias("weather", "../production", version)
    assert [s.aliases for s in store.list()] == [("latest",)]


def test_readers_see_the_old_or_the_new_alias_and_nothing_else(store: Store, bundles: list[Bundle]) -> None:
    paths = [store.add(bundle).path for bundle in bundles]
    done = threading.Event()
    seen: list[Path | Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                seen.append(store.resolve("weather@production"))
            except Exception as error:
                seen.append(error)

    store.set_alias("weather", "production", paths[0].name)
    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        store.set_alias("weather", "production", paths[turn % 2].name)
    done.set()
    reader.join(5)
    assert seen
    assert set(seen) <= set(paths)
