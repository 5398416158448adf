"""Errors as clients see them."""

import logging

import msgspec
import pytest

from foretell.errors import BundleError, EngineError, ForetellError, ShapeError
from foretell.serve.backend import Refusal
from foretell.serve.protocols.errors import HttpRefusal, as_refusal, error_body, error_headers


@pytest.mark.parametrize("reason", [*Refusal.HTTP, *HttpRefusal.HTTP])
def test_both_shapes_say_code_message_and_cure(reason: str) -> None:
    refusal = HttpRefusal(reason, "what", cure="do", path="inputs[0]")
    plain = msgspec.json.decode(error_body(refusal, oip=False))
    assert plain == {"error": {"code": reason, "message": "what", "cure": "do", "path": "inputs[0]"}}
    oip = msgspec.json.decode(error_body(refusal, oip=True))
    assert oip == {"error": "inputs[0]: what; do", "code": reason, "path": "inputs[0]"}
    assert 400 <= refusal.status < 600


def test_retry_after_is_rounded_up_to_whole_seconds() -> None:
    told = [dict(error_headers(Refusal("shed", "full", cure="wait", retry_after=s))) for s in (0.0, 0.2, 1.2)]
    assert [h[b"retry-after"] for h in told] == [b"1", b"1", b"2"]
    assert dict(error_headers(Refusal("unauthenticated", "no", cure="key")))[b"www-authenticate"] == b"Bearer"


def test_what_was_not_meant_for_callers_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    for error, reason in (
        (RuntimeError("/srv/models/secret"), "internal"),
        (BundleError("/srv/models/secret: wrong"), "internal"),
        (ForetellError("/srv/models/secret"), "internal"),
        (EngineError("/srv/models/secret.onnx"), "engine"),
    ):
        with caplog.at_level(logging.ERROR):
            refusal = as_refusal(error, "r-1")
        assert (refusal.reason, refusal.status) == (reason, 500)
        assert b"secret" not in error_body(refusal, oip=True) + error_body(refusal, oip=False)
        assert "r-1" in (refusal.cure or "")
        assert "secret" in caplog.text


def test_input_errors_are_the_callers() -> None:
    refusal = as_refusal(ShapeError("windows of shape (1, 2)", cure="give (1, 7, 3)"))
    assert (refusal.status, refusal.reason, refusal.cure) == (422, "invalid", "give (1, 7, 3)")
    assert as_refusal(refusal) is refusal
