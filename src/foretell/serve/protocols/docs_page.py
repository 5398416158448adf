"""GET /docs: the interactive page. One file with all that it needs, as servers often have no internet."""

from importlib.resources import files

from foretell.serve.protocols.http import Response

# The page runs its own script, speaks to its own server, and takes nothing from anywhere else.
_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)


def docs_page() -> Response:
    """The page; it asks /openapi.json for the rest."""
    body = files(__package__).joinpath("docs_page.html").read_bytes()
    headers = ((b"content-security-policy", _POLICY), (b"x-content-type-options", b"nosniff"))
    return Response(body, content_type=b"text/html; charset=utf-8", headers=headers)
