"""The daemon's figures for Prometheus, and a page that says that it is alive."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from baselake.errors import StorageError

_STATES = ("receiving", "ingesting", "complete", "quarantined", "aborted", "imported")
_KINDS = ("share", "folder", "worker", "storage")
_WAITS = ("instrument", "worker", "retry", "space", "sheet")


class PrometheusMonitor:
    """Figures in a registry of their own.

    Attributes:
        registry: of the figures.
        polled_at: when the share was last looked at, seconds since the epoch; 0: never.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.polled_at = 0.0
        here = self.registry
        self._runs = Gauge("baselake_watch_runs", "Runs in the lake, by state", ["state"], registry=here)
        self._waiting = Gauge(
            "baselake_watch_waiting_runs", "Runs by what the daemon waits for", ["reason"], registry=here
        )
        self._free = Gauge("baselake_watch_free_bytes", "Free bytes of the lake's disk", registry=here)
        self._last = Gauge(
            "baselake_watch_last_poll_timestamp_seconds", "When the share was last looked at", registry=here
        )
        self._answers = Counter(
            "baselake_watch_imports", "Imports that ended, by outcome", ["outcome"], registry=here
        )
        self._units = Counter("baselake_watch_units", "Tiles and files imported", registry=here)
        self._reads = Counter("baselake_watch_reads", "Reads imported", registry=here)
        self._failures = Counter(
            "baselake_watch_failures", "What went wrong, by kind", ["kind"], registry=here
        )
        for kind in _KINDS:
            self._failures.labels(kind)  # at 0: an increase from nothing is none to Prometheus

    def polled(self, runs: dict[str, int], waiting: dict[str, int], free: int) -> None:
        for state in {*_STATES, *runs}:
            self._runs.labels(state).set(runs.get(state, 0))
        for reason in {*_WAITS, *waiting}:
            self._waiting.labels(reason).set(waiting.get(reason, 0))
        self._free.set(free)
        self.polled_at = time.time()
        self._last.set(self.polled_at)

    def answered(self, outcome: str, units: int, reads: int) -> None:
        self._answers.labels(outcome).inc()
        self._units.inc(units)
        self._reads.inc(reads)

    def failed(self, kind: str) -> None:
        self._failures.labels(kind).inc()


def serve(monitor: PrometheusMonitor, address: str, port: int, late: float) -> ThreadingHTTPServer:
    """Serve /metrics, and /healthz, which fails when the share was not looked at for `late` seconds.

    Raises:
        StorageError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(monitor.registry), CONTENT_TYPE_LATEST)
            elif self.path == "/healthz":
                alive = time.time() - monitor.polled_at < late
                self._answer(
                    200 if alive else 503, b"ok\n" if alive else b"no look at the share\n", "text/plain"
                )
            else:
                self._answer(404, b"/metrics or /healthz\n", "text/plain")

        def _answer(self, status: int, text: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            del format, args  # a line for every scrape is nothing an operator wants

    try:
        server = ThreadingHTTPServer((address, port), Handler)
    except OSError as error:
        raise StorageError(
            f"port {port} cannot be listened on ({error.strerror})", address, "Choose another --metrics-port"
        ) from error
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
