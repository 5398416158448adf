"""What a model tells callers whom it has no answer for, although nothing is wrong with what they asked."""

from foretell.serve.backend import Refusal

_SOON_S = 1.0  # who is sent elsewhere may be back by then


def failed() -> Refusal:
    return Refusal("engine", "the model's runtime failed on this call", cure="try again; the log says more")


def did_not_end(seconds: float) -> Refusal:
    return Refusal(
        "engine",
        f"the evaluation did not end within {seconds:g} s",
        cure="do not try again soon: it may be this very call that the model does not get to the end of",
    )


def stuck() -> Refusal:
    return Refusal(
        "not_ready",
        "this replica is stuck in an evaluation",
        cure="try again: another replica will answer",
        retry_after=_SOON_S,
    )


def closed() -> Refusal:
    return Refusal(
        "not_ready", "the model is being taken down", cure="try again: another replica will answer"
    )
