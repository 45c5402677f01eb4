"""/metrics and /healthz."""

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from baselake.errors import StorageError
from baselake.ingest.watch.monitor import PrometheusMonitor, serve


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_figures_and_health_over_http() -> None:
    monitor = PrometheusMonitor()
    server = serve(monitor, "127.0.0.1", 0, late=600)
    port = server.server_address[1]
    try:
        assert get(port, "/healthz") == (503, "no look at the share\n")
        monitor.polled({"complete": 3, "quarantined": 1}, {"space": 2}, 12345)
        monitor.answered("complete", 4, 1000)
        monitor.failed("storage")
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/elsewhere")[0] == 404
        status, text = get(port, "/metrics")
        assert status == 200
        values = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert values["baselake_watch_runs", "complete"] == 3
        assert values["baselake_watch_waiting_runs", "space"] == 2
        assert values["baselake_watch_free_bytes",] == 12345
        assert values["baselake_watch_reads_total",] == 1000
        assert values["baselake_watch_failures_total", "storage"] == 1
        assert values["baselake_watch_last_poll_timestamp_seconds",] == monitor.polled_at
        # A state that no run is in any more goes to 0, and does not stay.
        monitor.polled({"complete": 4}, {}, 12345)
        assert 'baselake_watch_runs{state="quarantined"} 0.0' in get(port, "/metrics")[1]
        monitor.polled_at -= 601
        assert get(port, "/healthz")[0] == 503
    finally:
        server.shutdown()
        server.server_close()


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StorageError, match="cannot be listened on"):
            serve(PrometheusMonitor(), "127.0.0.1", taken.getsockname()[1], late=600)
