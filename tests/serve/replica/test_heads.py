"""Heads of requests that were read before."""

from foretell.serve.protocols.http import Head
from foretell.serve.replica import heads as room
from foretell.serve.replica.heads import Heads

RAW = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n"
HEAD = Head.of("POST", "/", b"", [(b"content-length", b"3")])


def test_what_was_read_is_known_again() -> None:
    heads = Heads()
    assert heads.find(RAW + b"abc") is None
    heads.keep(RAW + b"abc", HEAD, 3)
    assert heads.find(RAW + b"def") == (HEAD, b"def")


def test_less_or_more_than_one_request_is_none() -> None:
    heads = Heads()
    heads.keep(RAW + b"abc", HEAD, 3)
    for data in (RAW, RAW + b"ab", RAW + b"abcd", RAW[:-1], b"", b"\r\n" + RAW + b"abc", 2 * (RAW + b"abc")):
        assert heads.find(data) is None


def test_only_one_whole_request_is_kept() -> None:
    heads = Heads()
    for data in (2 * (RAW + b"abc"), RAW[9:], b"bc", b"x" * 5_000 + RAW + b"abc"):
        heads.keep(data, HEAD, 3)
    assert not heads._known


def test_the_oldest_go_when_there_are_many() -> None:
    heads = Heads()
    for number in range(room._MOST + 10):
        heads.keep(b"POST /%d\r\n\r\nabc" % number, HEAD, 3)
    assert len(heads._known) == room._MOST
    assert heads.find(b"POST /9\r\n\r\nabc") is None
    assert heads.find(b"POST /10\r\n\r\nabc") is not None
