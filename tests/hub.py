"""A Hugging Face Hub on localhost: as much of the real protocol as its clients use to read.

Listings of revisions and trees, small files by HEAD and GET with ``ETag`` and ``X-Repo-Commit``,
large ones on another host with ``X-Linked-Etag`` and ``X-Linked-Size``, errors with
``X-Error-Code``, repositories that are private, gated or have moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

TOKEN = "hf_aSecretThatIsNeverPrinted"
Files = dict[str, bytes]
ACTIONS = {"resolve", "revision", "tree"}
LARGE = (".safetensors", ".bin", ".parquet")
"""Files that are kept in a storage of their own."""


class Hub(ThreadingHTTPServer):
    """``models`` and ``datasets`` are id → revision → path → content.

    ``gated`` and ``private`` repositories want the token; ``moved`` is old id → new id,
    ``heads`` revision → the commit it has come to since. A ``status`` other than 200 answers
    everything. ``fetched`` are the paths of files got, ``told_storage`` whether a token was sent to
    the host of large ones.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models: dict[str, dict[str, Files]] = {}
        self.datasets: dict[str, dict[str, Files]] = {}
        self.gated: set[str] = set()
        self.private: set[str] = set()
        self.moved: dict[str, str] = {}
        self.heads: dict[str, str] = {}
        self.fetched: list[str] = []
        self.stored: dict[str, tuple[str, bytes]] = {}
        self.told_storage = False
        self.status = 200

    @property
    def address(self) -> str:
        """The value of HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def store(self, path: str, content: bytes) -> str:
        """Keep a large file; its address, on a host of another name."""
        key = f"/storage/{etag(content)}"
        self.stored[key] = path, content
        return f"http://localhost:{self.server_port}{key}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path in self.server.stored:
            self.server.told_storage |= "Authorization" in self.headers
            path, content = self.server.stored[self.path]
            return self._content(path, content)
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        api = parts[0] == "api"
        parts = parts[api:]
        kind = parts.pop(0) if parts[0] in ("models", "datasets") else "models"
        cut = next((i for i, part in enumerate(parts) if part in ACTIONS), len(parts))
        repo, action, rest = "/".join(parts[:cut]), "".join(parts[cut : cut + 1]), parts[cut + 1 :]
        trusted = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        repos = self.server.models if kind == "models" else self.server.datasets
        if self.server.status != 200:
            return self._answer(self.server.status, b"<html>")
        if repo in self.server.moved:
            return self._answer(307, to=self.path.replace(repo, self.server.moved[repo], 1))
        if repo not in repos or (repo in self.server.private and not trusted):
            return self._answer(404 if trusted else 401, code="RepoNotFound")
        if action == "resolve" and repo in self.server.gated and not trusted:
            known = "Authorization" in self.headers
            return self._answer(403 if known else 401, code="GatedRepo")
        revision = rest[0] if action == "resolve" else "/".join(rest) or "main"
        commits = {commit(name): files for name, files in repos[repo].items()}
        head = self.server.heads.get(revision, commit(revision))
        found = revision if revision in commits else head
        if found not in commits:
            return self._answer(404, code="RevisionNotFound")
        if action == "resolve":
            return self._file("/".join(rest[1:]), commits[found], found)
        if action == "tree":
            return self._json(
                [
                    {"type": "file", "path": path, "size": len(content), "oid": etag(content)}
                    for path, content in commits[found].items()
                ]
            )
        return self._json({"id": repo, "sha": found})

    def _file(self, path: str, files: Files, sha: str) -> None:
        if path not in files:
            return self._answer(404, code="EntryNotFound", sha=sha)
        if path.endswith(LARGE):
            return self._answer(
                302, tag=etag(path.encode()), sha=sha, to=self.server.store(path, files[path]),
                large=files[path],
            )  # fmt: skip
        return self._content(path, files[path], sha)

    def _content(self, path: str, content: bytes, sha: str = "") -> None:
        if self.command == "GET":
            self.server.fetched.append(path)
        self._answer(200, content, tag=etag(content), sha=sha)

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode())

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        code: str = "",
        tag: str = "",
        sha: str = "",
        to: str = "",
        large: bytes = b"",
    ) -> None:
        self.send_response(status)
        headers = {
            "X-Error-Code": code,
            "ETag": f'"{tag}"' if tag else "",
            "X-Repo-Commit": sha,
            "X-Linked-Etag": f'"{etag(large)}"' if large else "",
            "X-Linked-Size": str(len(large)) if large else "",
            "Location": to,
            "Content-Length": str(len(body)),
        }
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output clean."""


def commit(revision: str) -> str:
    """A stand-in for the hash of a commit."""
    return sha1(revision.encode()).hexdigest()


def etag(content: bytes) -> str:
    """The hash that a file is cached by."""
    return sha1(content).hexdigest()


def parquet(**columns: list[Any]) -> bytes:
    """A Parquet file of these columns."""
    stream = BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A Hub that answers until the block ends."""
    server = Hub()
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
