"""Who may talk to the studio. Every page that the user's browser opens can reach a local server, and so can every user
of the machine: so the Host must be ours to the letter (DNS rebinding), the Origin ours or absent, absent never for
changes and sockets (cross-site requests), and whoever asks must have the cookie that was traded for the token in the
address.

Written as plain ASGI: Starlette's own middleware does not see sockets.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OURS = "x-sfumato"  # a header that no form of another site can send
TOKEN = "x-sfumato-token"  # noqa: S105 - the header's name
LOGIN = "/api/login"
LIVE = "/live"  # the one socket
ONCE = (b"host", b"origin", b"sec-fetch-site")  # headers that must not come twice
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "worker-src 'self'; font-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}
ASSET = "no-cache"  # an upgrade is seen at once; ETags spare the rest


class Guard:
    """Lets through to `app` who may. `port`: that is listened on. `names`: hosts that we are called by, beside those of
    the loopback."""

    def __init__(self, app: App, port: int, names: Iterable[str] = ()) -> None:
        self.app, self.port = app, port
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", *names)}
        self.token = secrets.token_urlsafe(32)
        self.once: str | None = secrets.token_urlsafe(32)  # for the page that we open ourselves: good for one use
        self.session = secrets.token_urlsafe(32)
        self.cookie = f"sfumato-{port}"  # cookies are shared between ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["type"] == "websocket":
            if self._fault(scope, headers, socket=True) or scope["path"] != LIVE:
                await receive()
                await send({"type": "websocket.close", "code": 1008})  # before it was accepted: HTTP 403
                return
            await self.app(scope, receive, send)
            return
        if fault := self._fault(scope, headers):
            await refuse(send, 403, fault)
            return
        if scope["path"] == LOGIN:
            await self._log_in(scope, headers, send)
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                more = {**HEADERS, "cache-control": ASSET if scope["path"].count("/") == 1 else "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in more.items() if name.encode() not in own),
                ]
            await send(message)

        await self.app(scope, receive, guarded)

    def _fault(self, scope: Scope, headers: dict[str, str], socket: bool = False) -> str:
        """Why this must not be answered; nothing if it may."""
        host, origin = headers.get("host", ""), headers.get("origin")
        names = [name for name, _ in scope["headers"]]
        if host not in self.hosts or any(names.count(name) > 1 for name in ONCE):
            return "host: not the address that this studio was started on"
        changes = socket or scope["method"] not in ("GET", "HEAD")
        if origin != f"http://{host}" and (changes or origin is not None):
            return "origin: another site's page may not ask this"
        api = scope["path"].startswith("/api/") or socket
        if api and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "origin: another site's page may not ask this"
        if not api or scope["path"] == LOGIN:
            return ""
        if not self._known(headers.get("cookie", "")):
            return "not logged in: open the address that the terminal shows"
        if changes and not socket and headers.get(OURS) != "1":
            return "header X-Sfumato: 1 is missing"
        return ""

    def _known(self, cookie: str) -> bool:
        """Read by hand: other servers on this machine share our cookies, and theirs may be anything."""
        pairs = (pair.strip().partition("=") for pair in cookie.split(";"))
        given = (value for name, _, value in pairs if name == self.cookie)
        return any(secrets.compare_digest(value.encode(), self.session.encode()) for value in given)

    async def _log_in(self, scope: Scope, headers: dict[str, str], send: Send) -> None:
        """Trades a token for the cookie."""
        given = headers.get(TOKEN, "").encode()
        opened = self.once is not None and secrets.compare_digest(given, self.once.encode())
        if scope["method"] != "POST" or not (opened or secrets.compare_digest(given, self.token.encode())):
            await refuse(send, 403, "token: not the one that the terminal shows")
            return
        if opened:
            self.once = None
        cookie = f"{self.cookie}={self.session}; HttpOnly; SameSite=Strict; Path=/"
        headers_ = {**HEADERS, "set-cookie": cookie, "cache-control": "no-store"}
        pairs = [(name.encode(), value.encode()) for name, value in headers_.items()]
        await send({"type": "http.response.start", "status": 204, "headers": pairs})
        await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, status: int, line: str) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": line.encode()})
