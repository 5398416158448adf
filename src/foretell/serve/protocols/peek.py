"""What a request says of its urgency, seen before it is read: good enough to choose who is read first."""

from foretell.serve.backend import Priority

_WORD = b'"priority"'
_DEADLINES = b'"deadline_ms"', b'"timeout"'


def urgency(body: bytes) -> Priority:
    """The class that it seems to ask for. Wrong where an odd client hides the word or has it elsewhere: then
    it is read too late or too early, and gets what it is entitled to all the same."""
    at = body.find(_WORD)
    if at < 0:
        return Priority.LOW
    said = body[at + len(_WORD) : at + len(_WORD) + 12].lstrip(b' :"')
    if said.startswith((b"high", b"2")):
        return Priority.HIGH
    return Priority.MEDIUM if said.startswith((b"medium", b"1")) else Priority.LOW


def is_least(body: bytes) -> bool:
    """Whether nothing can be less urgent: the lowest class, and no deadline. In doubt it is not."""
    return (
        urgency(body) is Priority.LOW
        and not any(word in body for word in _DEADLINES)
        and b"\\" not in body  # which may spell any word
    )
