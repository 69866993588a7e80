"""Who may talk to the studio: every request that may not is refused, before anything of it is read."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from sfumato.studio.guard import HEADERS, Guard

PORT = 8123
HOST, ORIGIN = ("host", "127.0.0.1:8123"), ("origin", "http://127.0.0.1:8123")
OURS = ("x-sfumato", "1")
Header = tuple[str, str]
Answer = tuple[int, dict[str, str], bytes]


class Inner:
    """What is guarded: it tells that it was reached."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.reached += 1
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        status = 404 if scope["path"].endswith("missing") else 200
        own = [(b"content-security-policy", b"sandbox")] if scope["path"].endswith("report") else []
        await send({"type": "http.response.start", "status": status, "headers": own})
        await send({"type": "http.response.body", "body": b"inner"})


@pytest.fixture
def guard() -> Guard:
    return Guard(Inner(), PORT, ["studio.local"])


def asked(guard: Guard, *headers: Header, method: str = "GET", path: str = "/api/state") -> Answer:
    said: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the body was read")

    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    asyncio.run(guard({"type": "http", "method": method, "path": path, "headers": pairs}, receive, send))
    told = [(name.decode(), value.decode()) for name, value in said[0]["headers"]]
    assert len(dict(told)) == len(told), "a header came twice"
    return said[0]["status"], dict(told), said[1]["body"]


def connected(guard: Guard, *headers: Header, path: str = "/live") -> bool:
    said: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    asyncio.run(guard({"type": "websocket", "path": path, "headers": pairs}, receive, send))
    assert [message["type"] for message in said] in (["websocket.accept"], ["websocket.close"])
    return said[0]["type"] == "websocket.accept"


def cookie(guard: Guard) -> Header:
    return "cookie", f"{guard.cookie}={guard.session}"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "studio.local"])
def test_our_own_names_are_let_in(guard: Guard, name: str) -> None:
    host = ("host", f"{name}:{PORT}")
    assert asked(guard, host, cookie(guard))[0] == 200
    assert asked(guard, host, cookie(guard), ("origin", f"http://{name}:{PORT}"), OURS, method="POST")[0] == 200
    assert connected(guard, host, cookie(guard), ("origin", f"http://{name}:{PORT}"))


@pytest.mark.parametrize("path", ["/", "/studio.js", "/api/state", "/api/login"])
@pytest.mark.parametrize(
    "hosts",
    [
        [], ["evil.example"], ["127.0.0.1:8123.evil.example"], ["127.0.0.1"], ["127.0.0.1:80"], ["127.0.0.1:8124"],
        ["localhost"], ["LOCALHOST:8123"], ["127.0.0.1:8123", "evil.example"], ["evil.example", "127.0.0.1:8123"],
        ["127.0.0.1:8123", "127.0.0.1:8123"], ["user@127.0.0.1:8123"], ["127.0.0.1:08123"], ["127.1:8123"],
        ["2130706433:8123"], ["::1:8123"], ["0.0.0.0:8123"], ["127.0.0.1:8123/"], ["127.0.0.1:8123, evil.example"],
        ["studio.local.:8123"], [""],
    ],
)  # fmt: skip
def test_other_hosts_are_refused_whatever_they_ask(guard: Guard, hosts: list[str], path: str) -> None:
    headers = [*(("host", host) for host in hosts), cookie(guard), OURS, ORIGIN, ("x-sfumato-token", guard.token)]
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        assert asked(guard, *headers, method=method, path=path)[0] == 403
    assert not connected(guard, *headers)
    assert guard.app.reached == 0  # pyright: ignore[reportFunctionMemberAccess]


FOREIGN = ["null", "http://evil.example", "https://127.0.0.1:8123", "http://127.0.0.1:8124", "http://localhost:8123",
           "http://127.0.0.1", "http://127.0.0.1:8123.evil.example", "", "http://127.0.0.1:8123/",
           "file://"]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_origins_are_refused(guard: Guard, origin: str) -> None:
    headers = [HOST, cookie(guard), OURS, ("origin", origin), ("x-sfumato-token", guard.token)]
    for method, path in (("GET", "/api/state"), ("GET", "/"), ("POST", "/api/runs"), ("POST", "/api/login")):
        assert asked(guard, *headers, method=method, path=path)[0] == 403
    assert not connected(guard, *headers)
    assert not connected(guard, *headers, ORIGIN)
    assert asked(guard, *headers, ORIGIN)[0] == 403


def test_changes_and_sockets_owe_an_origin(guard: Guard) -> None:
    assert asked(guard, HOST, cookie(guard))[0] == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get"):
        assert asked(guard, HOST, cookie(guard), OURS, method=method)[0] == 403, method
        assert asked(guard, HOST, cookie(guard), OURS, ORIGIN, method=method)[0] == 200, method
    assert not connected(guard, HOST, cookie(guard))
    assert connected(guard, HOST, cookie(guard), ORIGIN)
    assert not connected(guard, HOST, cookie(guard), ORIGIN, path="/api/state")


@pytest.mark.parametrize(("site", "fits"), [("same-origin", True), ("none", True), ("same-site", False),
                                            ("cross-site", False), ("", False), ("SAME-ORIGIN", False)])  # fmt: skip
def test_the_api_listens_to_our_own_page_alone(guard: Guard, site: str, fits: bool) -> None:
    fetched = ("sec-fetch-site", site)
    assert (asked(guard, HOST, cookie(guard), fetched)[0] == 200) is fits
    assert connected(guard, HOST, cookie(guard), ORIGIN, fetched) is fits
    assert asked(guard, HOST, fetched, path="/")[0] == 200  # a link from elsewhere leads here
    assert asked(guard, HOST, cookie(guard), fetched, ("sec-fetch-site", "none"))[0] == 403


def test_changes_owe_a_header_that_no_form_can_send(guard: Guard) -> None:
    for given in ([], [("x-sfumato", "0")], [("x-sfumato", "")], [("x-sfumato", "1, 1")]):
        assert asked(guard, HOST, ORIGIN, cookie(guard), *given, method="POST")[0] == 403


def test_the_api_is_closed_to_who_has_no_cookie(guard: Guard) -> None:
    other = Guard(Inner(), PORT)
    value = guard.session
    wrong = ["", value, "sfumato-8123=", f"sfumato-8123={other.session}", f"sfumato-8124={value}", "=", ";;;",
             f"sfumato-8123={guard.token}", f"sfumato-8123={value[:-1]}", f"xsfumato-8123={value}", "sfumato-8123=é",
             f"a=sfumato-8123={value}", "\x00\x01=2; {}=[]", "a" * 10_000]  # fmt: skip
    for given in wrong:
        assert asked(guard, HOST, ("cookie", given))[0] == 403, given
        assert not connected(guard, HOST, ORIGIN, ("cookie", given))
    assert asked(guard, HOST)[0] == 403
    assert asked(guard, HOST, path="/")[0] == 200  # the page itself holds nothing


@pytest.mark.parametrize("beside", ["a=b", "bad{name}=1", '"', "x", "a=b=c", "sfumato-8123=old", "expires=; path=/"])
def test_other_servers_cookies_do_not_lock_us_out(guard: Guard, beside: str) -> None:
    ours = f"{guard.cookie}={guard.session}"
    for given in (f"{beside}; {ours}", f"{ours}; {beside}", f"{beside};{ours};{beside}"):
        assert asked(guard, HOST, ("cookie", given))[0] == 200


def test_a_token_is_traded_for_the_cookie(guard: Guard) -> None:
    def log_in(token: str | None, method: str = "POST") -> Answer:
        given = [] if token is None else [("x-sfumato-token", token)]
        return asked(guard, HOST, ORIGIN, *given, method=method, path="/api/login")

    assert guard.once is not None
    once, shown = guard.once, guard.token
    for wrong in (None, "", "x", shown[:-1], f"{shown}x", guard.session, "é", once.lower() + "A"):
        assert log_in(wrong)[0] == 403
    assert log_in(shown, "GET")[0] == log_in(shown, "PUT")[0] == 403
    for _ in range(2):  # the one in the terminal is good for as long as the studio runs
        status, headers, _ = log_in(shown)
        assert status == 204
        assert headers["set-cookie"] == f"sfumato-8123={guard.session}; HttpOnly; SameSite=Strict; Path=/"
    assert log_in(once)[0] == 204
    assert log_in(once)[0] == 403  # that of the page that we opened, for one time
    assert log_in("")[0] == 403
    assert asked(guard, HOST, ORIGIN, ("x-sfumato-token", shown), method="POST")[0] == 403  # it opens nothing else
    assert len({guard.session, shown, once, Guard(Inner(), PORT).session}) == 4


@pytest.mark.parametrize("path", ["/", "/studio.js", "/missing", "/api/state", "/api/missing"])
def test_every_answer_says_what_a_page_may_do(guard: Guard, path: str) -> None:
    for headers in ([HOST, cookie(guard)], [HOST], []):
        status, told, body = asked(guard, *headers, path=path)
        assert {name: told[name] for name in HEADERS} == HEADERS
        assert told["cache-control"] == ("no-cache" if path.count("/") == 1 and status != 403 else "no-store")
        assert "access-control-allow-origin" not in told
        assert b"\n" not in body
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_an_answer_may_have_a_policy_of_its_own(guard: Guard) -> None:
    assert asked(guard, HOST, cookie(guard), path="/api/report")[1]["content-security-policy"] == "sandbox"
