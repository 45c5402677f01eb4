"""What --explain tells before a query is what the object store sees when it is asked."""

import contextlib
import os
import re
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from baselake.catalog.catalog import connect
from baselake.catalog.explain import TierRead, explain
from baselake.catalog.references import add_reference
from baselake.catalog.tiers import move
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.policy import apply_policy
from baselake.catalog.tiers.settings import set_rule
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.lake.tiers import Rule, Tier
from tests.commands import baselake as command
from tests.ingest.vcf.vcf_files import write_vcf

SAMPLES, SITES = 300, 1500
BULK = ("genotypes", "variants", "vcf_records", "allele_counts", "seen_counts")


class CountingProxy:
    """Passes connections on to a server, and counts the requests that go through."""

    def __init__(self, url: str) -> None:
        self._target = (str(urlsplit(url).hostname), int(urlsplit(url).port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):  # the other direction was closed first
            while data := source.recv(1 << 16):
                if counts:  # a request without a body is one piece, and begins with its method
                    self.requests += re.findall(rb"(?:^|\r\n\r\n)([A-Z]+) /", data)
                target.sendall(data)
        target.close()

    def close(self) -> None:
        self._listener.close()


def test_requests_to_a_store_are_told_before_they_are_made(
    lake: Path, config: Config, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Within a quarter for scans; up to twelve times as many where conditions leave row groups out, or tables."""
    monkeypatch.setattr(move, "HEARD_SECONDS", -1.0)
    (tmp_path / "r.fa").write_text(f">1\n{'A' * (SITES * 10 + 100)}\n")
    calls = [
        f"1 {10 * site + 1} . A C . . . GT:DP:GQ "
        + " ".join(f"0/{int((site * s) % 7 == 0)}:{site * s % 61}:{(site + s) % 90}" for s in range(SAMPLES))
        for site in range(SITES)
    ]
    with connect(lake, config) as catalog:
        add_reference(catalog, tmp_path / "r.fa", "flat")
        names = tuple(f"S{i:03}" for i in range(SAMPLES))
        ingest_vcf(catalog, [write_vcf(tmp_path / "c.vcf", calls, names)])
        add_tier(catalog, Tier(name="warm", url=bucket))
        for table in BULK:
            set_rule(catalog, Rule(table=table, tier="warm", after_seconds=0))
        apply_policy(catalog)

    endpoint = os.environ["AWS_ENDPOINT_URL"]

    def told_and_seen(sql: str) -> tuple[TierRead, int]:
        proxy = CountingProxy(endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with connect(lake, config, read_only=True) as catalog:
            found = explain(catalog, sql)
            assert proxy.requests == []  # it asks the store for nothing
            catalog.query(sql)
        proxy.close()
        assert set(proxy.requests) == {b"GET"}
        (warm,) = (tier for tier in found.tiers if tier.tier == "warm")
        return warm, len(proxy.requests)

    for sql in ("SELECT sum(dp) FROM genotypes", "SELECT sum(dp), count(gt) FROM genotypes", "FROM variants"):
        warm, seen = told_and_seen(sql)
        assert warm.requests is not None
        assert 0.8 * seen <= warm.requests <= 1.25 * seen, (sql, warm, seen)
    for sql in (
        "SELECT * FROM genotypes WHERE sample_id = 'S007'",
        "FROM carriers('1-5001-A-C')",
        "FROM region('1:5001-5101')",
        "FROM genotype_of('1-5001-A-C', 'S007')",
        "FROM allele_frequency('all')",
        "FROM counted_alleles('all', place => '1:5001-6000')",
    ):
        warm, seen = told_and_seen(sql)
        assert warm.requests is not None
        assert 0.8 * seen <= warm.requests <= 12 * seen, (sql, warm, seen)
    shown = command(lake, "query", "carriers", "1-5001-A-C", "--explain").stdout
    assert re.search(
        rf"^tier warm \({bucket}\): at most \d files, [\d,]+ bytes, about \d+ requests$", shown, re.M
    )


def test_files_of_a_folder_take_no_requests_and_cold_ones_are_told(
    lake: Path, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(move, "HEARD_SECONDS", -1.0)
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 100}\n")
    (tmp_path / "tape").mkdir()
    with connect(lake, config) as catalog:
        add_reference(catalog, tmp_path / "r.fa", "flat")
        ingest_vcf(catalog, [write_vcf(tmp_path / "c.vcf", ["1 5 . A C . . . GT 0/1"], ("S",))])
        add_tier(catalog, Tier(name="tape", url=str(tmp_path / "tape"), kind="cold"))
        set_rule(catalog, Rule(table="genotypes", tier="tape", after_seconds=0))
        apply_policy(catalog)
        found = explain(catalog, "FROM region('1')")
    assert [(tier.tier, tier.cold, tier.files, tier.requests) for tier in found.tiers] == [
        ("hot", False, 1, 0),
        ("tape", True, 1, 0),
    ]
    shown = command(lake, "query", "region", "1", "--explain").stdout
    assert "tier hot: at most 1 files," in shown
    assert shown.rstrip().endswith("which must be recalled first")
