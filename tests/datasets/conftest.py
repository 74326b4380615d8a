"""A small site on the loopback that offers files, whole or in the ways in which downloads go wrong."""

import hashlib
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sslens.datasets.fetch import Source


class Site:
    """Files by path; ``requests`` keeps every request's path and headers."""

    def __init__(self, port):
        self.root, self.files, self.claimed, self.requests = f"http://127.0.0.1:{port}/", {}, {}, []
        self.halfway, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def offer(self, name, content, published=None):
        """Offer ``content`` under the size and checksum of what was ``published`` (if that is something else)."""
        self.files[f"/{name}"] = content
        published = content if published is None else published
        return Source(self.root + name, len(published), hashlib.sha256(published).hexdigest())

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        if handler.path not in self.files:
            return handler.send_error(404)
        content = self.files[handler.path]
        handler.send_response(200)
        if content is not None:
            handler.send_header("Content-Length", str(self.claimed.get(handler.path, len(content))))
        handler.end_headers()
        if content is None:  # without an end
            while True:
                handler.wfile.write(bytes(2**16))
        half = len(content) // 2
        handler.wfile.write(content[:half])
        handler.wfile.flush()
        self.halfway.set()
        self.go_on.wait(60)
        handler.wfile.write(content[half:])


@pytest.fixture
def site(monkeypatch):
    """The site, reached past any proxy, until the test ends."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(ConnectionError):  # the other side may have had enough
                offered.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        offered = Site(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield offered
        offered.go_on.set()
        server.shutdown()
        thread.join()
