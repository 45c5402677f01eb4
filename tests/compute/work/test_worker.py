"""A worker whose catalog goes away waits for it to come back."""

from threading import Event

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.work.queue import Terms
from baselake.compute.work.worker import WorkSettings, work
from baselake.errors import LakeError


def test_a_catalog_that_is_away_is_told_once_and_waited_for(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, looks = Event(), 0
    said: list[str] = []

    def lease() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
            return
        raise LakeError("the catalog's database cannot be reached", "somewhere")

    monkeypatch.setattr(catalog, "lease", lease)
    work(catalog, WorkSettings(reference="ref", terms=Terms(), poll=0.01), stop, said.append)
    assert looks == 3
    assert said[1:] == ["somewhere: the catalog's database cannot be reached", "ended"]
