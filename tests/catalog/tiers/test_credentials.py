"""Keys are in memory and nowhere else."""

import logging
import re
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.tiers import remote
from baselake.catalog.tiers.define import add_tier
from baselake.catalog.tiers.policy import apply_policy
from baselake.config import Config
from baselake.errors import StorageError
from baselake.lake.store import S3Chain
from baselake.lake.tiers import Tier
from tests.commands import baselake
from tests.object_store import KEY, SECRET, SeaweedFS, environment

from .lakes import EVERYTHING, send_all, write_run

_KEYS = re.compile(f"{KEY}|{SECRET}".encode())


@pytest.fixture
def on_s3(catalog: Catalog, bucket: str) -> Catalog:
    """A lake whose reads are on S3, and nowhere else."""
    write_run(catalog, "R1")
    add_tier(catalog, Tier(name="warm", url=bucket))
    send_all(catalog, "warm")
    apply_policy(catalog)
    return catalog


def test_no_file_of_the_lake_and_no_row_of_the_catalog_has_them(
    on_s3: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        on_s3.query(EVERYTHING)
    assert not _KEYS.search(caplog.text.encode())
    for path in on_s3.layout.root.rglob("*"):
        if path.is_file():
            assert not _KEYS.search(path.read_bytes()), path
    database = sqlite3.connect(on_s3.layout.catalog)
    dump = "\n".join(database.iterdump())
    database.close()
    assert "s3://" in dump
    assert not _KEYS.search(dump.encode())


def test_sql_does_not_show_the_secret(on_s3: Catalog) -> None:
    assert SECRET not in repr(on_s3.query("FROM duckdb_secrets()").to_pylist())
    assert SECRET not in repr(on_s3.query("FROM duckdb_settings()").to_pylist())
    with pytest.raises(duckdb.Error, match="unredacted secrets is disabled"):
        on_s3.query("FROM duckdb_secrets(redact := false)")


def test_no_error_and_no_output_has_them(on_s3: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = on_s3.layout.root
    query = ("sql", "SELECT seq FROM read_records")
    said: list[subprocess.CompletedProcess[str]] = [baselake(lake, *query), baselake(lake, "tiers")]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-wrong")
    for arguments in (query, ("tiers", "recall", "R1"), ("--debug", *query)):
        said.append(baselake(lake, *arguments, status=1))
        assert "the store refuses the credentials" in said[-1].stderr
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said.append(baselake(lake, *query, status=1))
    assert re.search(
        r"http://127\.0\.0\.1:9/\S+: the store does not answer .*AWS_ENDPOINT_URL", said[-1].stderr
    )
    for one in said:
        assert not _KEYS.search(f"{one.stdout}{one.stderr}".encode())


def test_a_profile_and_its_endpoint_are_enough(
    on_s3: Catalog, seaweed: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    for name in environment(seaweed):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        f"[site]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    (tmp_path / "config").write_text(
        f"[profile site]\nendpoint_url = {seaweed.endpoint}\nregion = eu-central-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "site")
    access = S3Chain().access()
    assert (access.endpoint, access.region) == (seaweed.endpoint, "eu-central-1")
    with connect(on_s3.layout.root, config, read_only=True) as reader:
        assert reader.query(EVERYTHING).num_rows == 20
        apply_policy(on_s3)


def test_keys_that_are_renewed_are_taken(on_s3: Catalog, config: Config) -> None:
    """As those of an instance's role are, every few hours."""
    with connect(on_s3.layout.root, config, read_only=True) as reader:
        held = reader._remote
        assert held._access is not None
        expired = replace(held._access, secret="expired")
        remote.allow_s3(reader.connection, expired)
        with pytest.raises(StorageError, match="the store refuses the credentials"):
            reader.query(EVERYTHING)
        held._access = expired
        assert reader.query(EVERYTHING).num_rows == 20
