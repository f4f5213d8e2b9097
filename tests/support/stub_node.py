"""A stand-in for a node's HTTP side that says whatever a test wants it to, and an example of a status."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUS = {
    "version": "0.1.0",
    "node": "3fa2c1d0e5b6a798",
    "job": "wiki",
    "state": "training",
    "uptime_seconds": 125.4,
    "addresses": {"listen": "0.0.0.0:7411", "http": "127.0.0.1:7412"},
    "vocabulary": {"words": 67867, "digest": "1a2b3c4d5e6f70819203", "tokens": 16718844},
    "progress": {
        "ratio": 0.42, "trained_tokens": 7e6, "total_tokens": 16718844, "swarm_trained_tokens": 21e6,
        "swarm_total_tokens": 50156532, "words_per_second": 1.2e6, "swarm_words_per_second": 3.4e6,
        "eta_seconds": 8.6, "alpha": 0.0145, "loss": 2.31, "epoch": 2, "epochs": 3,
    },
    "held_out": {"share": 0.002, "words": 33000, "pairs": 20000, "loss": 2.45, "seconds": 0.03, "history": []},
    "members": [
        {"node": "3fa2c1d0e5b6a798", "state": "training", "alive": True, "trained_tokens": 1, "total_tokens": 4,
         "addresses": ["0.0.0.0:7411"], "self": True},
        {"node": "b6a7983fa2c1d0e5", "state": "training", "alive": False, "trained_tokens": 3, "total_tokens": 4,
         "addresses": ["10.0.0.2:7411"], "self": False},
    ],
    "links": [
        {"peer": "b6a7983fa2c1d0e5", "role": "parent", "exchanges": 10, "sent_bytes": 2_500_000, "received_bytes": 999,
         "sent_rows": 1, "received_rows": 1, "pending_rows": 12345, "outstanding": True},
    ],
    "refusals": {"magic": 2, "job": 0}, "corpus": {"files": 1, "bytes": 1e8, "replaced_bytes": 0, "tokens": 1},
    "problems": ["10.0.0.9:7411 does not answer"],
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with the server's `code` and `body`; a `length` above the body's cuts the answer short.

    `moved` is where it sends everybody instead, if anywhere. `codes` come before `code`, one a request.
    With `slowly` set, of /export only the first 8 bytes come until it is cleared.
    """

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.tokens.append(self.headers["Authorization"])
        code = self.server.codes.pop(0) if self.server.codes else self.server.code
        self.send_response(302 if self.server.moved else code)
        if self.server.retry_after is not None:
            self.send_header("Retry-After", self.server.retry_after)
        if self.server.moved:
            self.send_header("Location", self.server.moved)
        self.send_header("Content-Length", str(self.server.length or len(self.server.body)))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked may have been killed
            self._send(self.server.body)

    def _send(self, body):
        first = body[:8] if self.path == "/export" and self.server.slowly.is_set() else body
        self.wfile.write(first)
        while self.server.slowly.is_set() and len(first) < len(body):
            time.sleep(0.01)
        self.wfile.write(body[len(first) :])

    def log_message(self, *_):
        pass


@contextmanager
def stub_node(body: bytes = b"", code: int = 200) -> Iterator[ThreadingHTTPServer]:
    """Serve on loopback; `url` is the address, `asked` the paths that were asked for, `tokens` how."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.code, server.body, server.length, server.asked = code, body, 0, []
    server.tokens, server.moved = [], None
    server.codes, server.retry_after, server.slowly = [], None, threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.slowly.clear()
        server.shutdown()
        thread.join()
        server.server_close()
