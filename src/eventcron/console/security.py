"""Keeps other sites' pages out: what a browser must not be led to do here, though it can reach this port.

Every request must name a host that the console is served under, so that a name of another site that leads to this
machine (DNS rebinding) is of no use. A change must come from a page of this console: by its origin, and with the token
that only those pages have. Answers may not be embedded, read or scripted by anyone else.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a form.
MOST_BYTES = 65_536
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Refused(Exception):
    """The request is not answered. *status* is that of HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class Guard:
    """Lets requests through to *app* that no other site's page can have caused. It also reads forms.

    *hosts* are those that the console is served under, with their ports. *any_address*: so is every IP address at
    *port*; an address is no name, so nobody can rebind it.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str], port: int, any_address: bool, token: str, allow_changes: bool
    ) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._port = port
        self._any_address = any_address
        self._token = token
        self._allow_changes = allow_changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # the console has no web sockets and needs no notice of its start

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            await self._check(scope, receive)
        except Refused as refused:
            await PlainTextResponse(f"{refused}\n", refused.status)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    async def _check(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        if scope["method"] in {"GET", "HEAD"}:
            _check_reader(headers)
        elif scope["method"] == "POST":
            self._check_origin(headers)
            if not self._allow_changes:
                raise Refused(403, "This console only shows. To change something, start it with --allow-changes.")
            form = await _form(headers, receive)
            if not secrets.compare_digest(form.pop("token", "").encode(), self._token.encode()):
                raise Refused(403, "The form is not of this console, or the console was started again. Load the page.")
            scope.setdefault("state", {})["form"] = form
        else:
            raise Refused(405, "The console takes GET and POST.")

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        if len(given) != 1 or not self._is_ours(given[0].lower()):
            raise Refused(421, f"The console is not served under that name; it is at http://{min(self._hosts)}/.")

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts:
            return True
        name, _, port = host.rpartition(":")
        if not self._any_address or port != str(self._port):
            return False
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True

    def _check_origin(self, headers: Headers) -> None:
        """A change comes from a page of this console. Browsers say so in each POST."""
        site = headers.get("sec-fetch-site", "same-origin")
        if headers.get("origin") != f"http://{headers['host']}" or site != "same-origin":
            raise Refused(403, "A change must come from a page of this console.")


def _check_reader(headers: Headers) -> None:
    """Another site may link to a page, but not load one into its own."""
    elsewhere = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    if elsewhere and (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) != ("navigate", "document"):
        raise Refused(403, "Another site's page may not load this.")


async def _form(headers: Headers, receive: Receive) -> dict[str, str]:
    """The fields of the form in the body. Of a field that comes twice the last one counts."""
    if headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refused(415, "A change comes as a form.")
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "The request broke off.")
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise Refused(413, f"A form has at most {MOST_BYTES:,} bytes.")
        if not message.get("more_body"):
            break
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=100))
    except ValueError as error:
        raise Refused(400, "The form cannot be read.") from error
