"""A small S3 server in memory: enough of the protocol for Arrow's client to read and write."""

from __future__ import annotations

import io
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO

_MULTIPART = (
    "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>"
)
_COMPLETED = b"<CompleteMultipartUploadResult><ETag>done</ETag></CompleteMultipartUploadResult>"


class _Store(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Store

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""

    def do_HEAD(self) -> None:
        key, _ = self._asked()
        if "/" not in key:
            self._answer(200)
        elif key in self.server.objects:
            self._answer(200, self.server.objects[key])
        else:
            self._answer(404)

    def do_GET(self) -> None:
        key, query = self._asked()
        if "list-type" in query:
            self._answer(200, self._listed(key, query).encode())
        elif key not in self.server.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            data = self.server.objects[key][int(found[1]) : int(found[2]) + 1]
            self._answer(206, data)
        else:
            self._answer(200, self.server.objects[key])

    def do_PUT(self) -> None:
        key, query = self._asked()
        data = self._body()
        if "uploadId" in query:
            self.server.parts[query["uploadId"]][int(query["partNumber"])] = data
        else:
            self.server.objects[key] = data
        self._answer(200)

    def do_POST(self) -> None:
        key, query = self._asked()
        body = self._body()
        if "uploads" in query:
            upload = str(len(self.server.parts))
            self.server.parts[upload] = {}
            self._answer(200, _MULTIPART.format(upload).encode())
        elif "uploadId" in query:
            parts = self.server.parts[query["uploadId"]]
            self.server.objects[key] = b"".join(parts[number] for number in sorted(parts))
            self._answer(200, _COMPLETED)
        else:
            for name in re.findall(rb"<Key>([^<]*)</Key>", body):
                self.server.objects.pop(f"{key.rstrip('/')}/{name.decode()}", None)
            self._answer(200, b"<DeleteResult/>")

    def do_DELETE(self) -> None:
        self.server.objects.pop(self._asked()[0], None)
        self._answer(204)

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        return urllib.parse.unquote(parts.path).strip("/"), dict(query)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = _joined(self.rfile)
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            return _joined(io.BytesIO(data))
        return data

    def _listed(self, bucket: str, query: dict[str, str]) -> str:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        rows, folders = [], set()
        for path, data in sorted(self.server.objects.items()):
            name = path.removeprefix(f"{bucket}/")
            if not name.startswith(prefix):
                continue
            rest = name.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                rows.append(f"<Contents><Key>{name}</Key><Size>{len(data)}</Size></Contents>")
        rows += [f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>" for one in folders]
        count = f"<KeyCount>{len(rows)}</KeyCount><IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{count}{''.join(rows)}</ListBucketResult>"

    def _answer(self, status: int, data: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", '"tag"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _joined(chunks: IO[bytes]) -> bytes:
    """The chunks of a body, each after a line with its size, up to the empty one."""
    whole = b""
    while size := int(chunks.readline().partition(b";")[0], 16):
        whole += chunks.read(size)
        chunks.readline()
    return whole


@contextmanager
def object_store() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yields the pattern of a URI of the bucket `b` (`{}` is the folder) and its objects."""
    with _Store() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        options = f"endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=x"
        yield f"s3://user:secret@b/{{}}?{options}", server.objects
        server.shutdown()
        thread.join()
