"""Asking the fleet through a handle: arrays in, named arrays out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from ray.exceptions import ActorUnavailableError, RayActorError

from foretell.bundle.manifest import Manifest
from foretell.errors import EngineError, ForetellError
from foretell.serve.backend import Answer, Priority, Refusal
from foretell.serve.replica.ask import Ask

Result = dict[str, Any]
Item = tuple[int, NDArray[np.float64]]  # its place in the list, and its windows
_ATTEMPTS = 4  # inference changes nothing: where a replica dies, another one is asked
_PAUSE_S = 0.2
_BLOCK = 256  # windows a call of many: several replicas can share the work


class Asking:
    """`handle`: of the fleet. `manifests`: of its models, by name."""

    def __init__(self, handle: Any, manifests: Mapping[str, Manifest]) -> None:
        self._handle = handle
        self._manifests = manifests

    async def one(
        self, data: ArrayLike, priority: int, deadline_ms: float | None, model: str | None
    ) -> Result:
        """See `DeploymentManager.predict`."""
        manifest = self._manifest(model)
        windows = _windows(data, manifest)
        answer, took_ms = await self._ask(manifest.name, windows, priority, deadline_ms)
        if answer.refused.all():
            raise _not_finite(manifest)
        return {**answer.outputs, "processing_time_ms": took_ms}

    def close(self) -> None:
        """Otherwise the handle's own thread would go on telling figures to a Ray that is gone."""
        self._handle.shutdown()

    async def many(
        self, data: Sequence[ArrayLike], priority: int, deadline_ms: float | None, model: str | None
    ) -> list[Result | ForetellError]:
        """See `DeploymentManager.batch_predict`."""
        manifest = self._manifest(model)
        results: dict[int, Result | ForetellError] = {}
        good: list[Item] = []
        for i, item in enumerate(data):
            try:
                good.append((i, _windows(item, manifest)))
            except Refusal as refusal:
                results[i] = refusal

        async def ask(block: list[Item]) -> None:
            windows = np.concatenate([windows for _, windows in block])
            try:
                answer, took_ms = await self._ask(manifest.name, windows, priority, deadline_ms)
            except ForetellError as error:
                results.update({i: error for i, _ in block})
            else:
                results.update(_split(answer, block, took_ms, manifest))

        await asyncio.gather(*(ask(block) for block in _blocks(good)))
        return [results[i] for i in range(len(data))]

    def _manifest(self, model: str | None) -> Manifest:
        if model is None and len(self._manifests) == 1:
            return next(iter(self._manifests.values()))
        manifest = self._manifests.get(model or "")
        if manifest is None:
            there = ", ".join(self._manifests)
            raise Refusal("model_not_found", f"no model `{model}`", cure=f"name one of: {there}")
        return manifest

    async def _ask(
        self, model: str, windows: NDArray[np.float64], priority: int, deadline_ms: float | None
    ) -> tuple[Answer, float]:
        began = time.monotonic()
        for attempt in range(_ATTEMPTS):
            spent = time.monotonic() - began
            left = None if deadline_ms is None else deadline_ms / 1e3 - spent
            try:
                answer = await self._handle.infer.remote(Ask(model, windows, _priority(priority), left))
            except (RayActorError, ActorUnavailableError):
                await asyncio.sleep(_PAUSE_S * attempt)
                continue
            if isinstance(answer, Refusal):
                raise answer
            return answer, 1e3 * (time.monotonic() - began)
        raise EngineError(
            "no replica could be asked; those that were have died", cure="health_check() tells more"
        )


def _priority(priority: int) -> int:
    try:
        return int(Priority(priority))
    except ValueError:
        raise Refusal(
            "invalid", f"priority {priority!r}", cure="0 is low, 1 medium, 2 high", path="priority"
        ) from None


def _windows(data: ArrayLike, manifest: Manifest) -> NDArray[np.float64]:
    try:
        windows = np.asarray(data, np.float64)
    except (TypeError, ValueError):
        raise Refusal(
            "invalid", "the data is no array of numbers", cure="give a NumPy array", path="data"
        ) from None
    if windows.shape == manifest.input_shape:
        windows = windows[None]
    if windows.ndim != 3 or windows.shape[1:] != manifest.input_shape or not len(windows):
        wanted = ", ".join(map(str, manifest.input_shape))
        raise Refusal(
            "invalid",
            f"data of shape {windows.shape}; {manifest.name} reads (n, {wanted})",
            cure=f"its features are {', '.join(column.name for column in manifest.inputs)}",
            path="data",
        )
    return windows


def _not_finite(manifest: Manifest) -> Refusal:
    return Refusal(
        "invalid",
        f"{manifest.name} has no answer to windows with NaN or infinities, or to values this far off",
        cure="fill gaps before you ask",
        path="data",
    )


def _blocks(
    items: list[Item],
) -> list[list[Item]]:
    """Of about `_BLOCK` windows each, none of them empty."""
    blocks: list[list[Item]] = []
    rows = _BLOCK
    for item in items:
        if rows >= _BLOCK:
            blocks.append([])
            rows = 0
        blocks[-1].append(item)
        rows += len(item[1])
    return blocks


def _split(
    answer: Answer, block: list[Item], took_ms: float, manifest: Manifest
) -> dict[int, Result | ForetellError]:
    results: dict[int, Result | ForetellError] = {}
    start = 0
    for i, windows in block:
        rows = slice(start, start + len(windows))
        start = rows.stop
        if answer.refused[rows].all():
            results[i] = _not_finite(manifest)
        else:
            outputs = {name: values[rows] for name, values in answer.outputs.items()}
            results[i] = {**outputs, "processing_time_ms": took_ms}
    return results
