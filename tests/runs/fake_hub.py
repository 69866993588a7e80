"""As much of the Hugging Face Hub as its client needs to send and fetch a model, on the loopback address."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"


@dataclass
class Repository:
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeHub:
    """What the server holds and was asked. `sizes`: of files, where they are not told as they are."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sizes: dict[str, int | None] = field(default_factory=dict)
    sha: str = ""
    status: int = 0

    def commit(self, name: str, files: dict[str, bytes], branch: str = "main", private: bool = False) -> str:
        sha = hashlib.sha1(repr(sorted(files.items())).encode() + name.encode()).hexdigest()
        self.commits[sha] = files
        self.repositories.setdefault(name, Repository(private)).branches[branch] = sha
        return sha

    def files(self, name: str, branch: str = "main") -> dict[str, bytes]:
        return self.commits[self.repositories[name].branches[branch]]


class Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, values: Any = None, status: int = 200, content: bytes = b"", **headers: str) -> None:
        body = content if values is None else json.dumps(values).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def handle_one(self) -> None:
        body = self.body()
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        self.hub.asked.append(f"{self.command} {'/'.join(parts)}")
        if self.hub.status:
            return self.answer({"error": "as the test wishes"}, self.hub.status)
        if self.command in ("POST", "PUT") and "objects" not in parts[:1]:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer({"error": "Invalid user"}, 401)
            return self.changed(parts, body)
        if parts[0] == "objects":
            self.hub.objects[parts[1]] = body
            return self.answer(content=b"")
        match parts:
            case ["api", "models", owner, own, *rest]:
                name, revision = f"{owner}/{own}", "/".join(rest[1:]) or "main"
            case [owner, own, "resolve", revision, _]:
                name = f"{owner}/{own}"
            case _:  # the client asks for more than it needs
                return self.answer({"error": "not here"}, 404)
        repository = self.hub.repositories.get(name)
        may = repository and (not repository.private or self.headers.get("Authorization"))
        if not repository or not may:
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        sha = repository.branches.get(revision, revision)
        if sha not in self.hub.commits:
            return self.answer({"error": "Invalid rev id"}, 404, X_Error_Code="RevisionNotFound")
        files = self.hub.commits[sha]
        if parts[0] == "api":
            siblings = [
                {"rfilename": file, "size": self.hub.sizes.get(file, len(content)), "blobId": "0" * 40}
                for file, content in files.items()
            ]
            about = {"id": name, "sha": self.hub.sha or sha, "private": repository.private, "siblings": siblings}
            return self.answer({**about, "_id": "1", "tags": []})
        content = files["/".join(parts[4:])]
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self.answer(content=content, X_Repo_Commit=sha, ETag=etag)

    def changed(self, parts: list[str], body: bytes) -> None:
        hub, name = self.hub, "/".join(parts[2:4])
        values: Any = {} if parts[-2:-1] == ["commit"] else json.loads(body or b"{}")
        match parts:
            case ["api", "repos", "create"]:
                name = f"{values['organization']}/{values['name']}"
                private = bool(values.get("private")) or values.get("visibility") == "private"
                if name in hub.repositories:
                    return self.answer({"url": f"{hub.url}/{name}"}, 409)
                hub.commit(name, {".gitattributes": b""}, private=private)
                return self.answer({"url": f"{hub.url}/{name}", "name": name})
            case ["api", "validate-yaml"]:
                return self.answer({"errors": [], "warnings": []})
            case ["api", "models", _, _, "branch", branch]:
                hub.commit(name, hub.files(name), branch)
                return self.answer({})
            case ["api", "models", _, _, "preupload", _]:
                modes = [
                    {"path": file["path"], "uploadMode": "lfs" if "safetensors" in file["path"] else "regular",
                     "shouldIgnore": False, "oid": None}
                    for file in values["files"]
                ]  # fmt: skip
                return self.answer({"files": modes})
            case [*_, "info", "lfs", "objects", "batch"]:
                places = [
                    {**item, "actions": {"upload": {"href": f"{hub.url}/objects/{item['oid']}"}}}
                    for item in values["objects"]
                ]
                return self.answer({"transfer": "basic", "objects": places})
            case ["api", "models", _, _, "commit", branch]:
                files = dict(hub.files(name, branch))
                for line in map(json.loads, body.splitlines()):
                    value = line["value"]
                    match line["key"]:
                        case "file":
                            files[value["path"]] = base64.b64decode(value["content"])
                        case "lfsFile":
                            files[value["path"]] = hub.objects[value["oid"]]
                        case "deletedFile":
                            del files[value["path"]]
                sha = hub.commit(name, files, branch)
                return self.answer({"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha})
        return self.answer({"error": f"not known: {parts}"}, 404)

    do_GET = do_HEAD = do_POST = do_PUT = handle_one


@contextmanager
def serving() -> Iterator[FakeHub]:
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Ours", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
