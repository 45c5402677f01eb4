"""Whatever a lake went through, an erasure leaves everybody else's past as it was."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.erase.erasure import erase_sample
from baselake.catalog.erase.keys import open_keys
from baselake.config import Config

from ..shown import decoded, shown
from .people import align, call, import_reads, read_name
from .test_erase import WHO, snapshots

PEOPLE = (WHO, "BERTRAM")
TABLES = {
    "samples": "sample_id = 'BERTRAM'",
    "read_groups": "sample_id = 'BERTRAM'",
    "read_records": f"starts_with(name, '{read_name('BERTRAM', 0).rsplit(':', 1)[0]}')",
    "alignments": "sample_id = 'BERTRAM'",
    "genotypes": "sample_id = 'BERTRAM'",
    "variants": "start IN (20, 40)",
}


def describe(catalog: Catalog, sample: str, number: int) -> None:
    with catalog.record() as tx:
        tx.execute("UPDATE samples SET family = ? WHERE sample_id = ?", [f"F{number}", sample])


def forget_a_read(catalog: Catalog, sample: str, number: int) -> None:
    with catalog.record() as tx:
        tx.execute(f"DELETE FROM stored_reads WHERE {decoded('name')} = ?", [read_name(sample, number % 3)])


def merge(catalog: Catalog, sample: str, number: int) -> None:
    catalog.connection.execute("CALL ducklake_merge_adjacent_files('lake')")


def rewrite(catalog: Catalog, sample: str, number: int) -> None:
    for table in ("samples", "read_groups"):
        catalog.connection.execute(
            f"CALL ducklake_rewrite_data_files('lake', '{table}', delete_threshold => 0.01)"
        )


STEPS: tuple[Callable[[Catalog, str, int], None], ...] = (
    lambda catalog, sample, number: import_reads(
        catalog, sample, 3, lane=1 + number % 2, group=f"{sample}.{number}"
    ),
    lambda catalog, sample, number: align(catalog, sample, 3),
    lambda catalog, sample, number: call(catalog, sample, [10, 20] if sample == WHO else [20, 40]),
    describe,
    forget_a_read,
    merge,
    rewrite,
)


def theirs(catalog: Catalog, versions: list[int]) -> dict[str, list[str]]:
    seen = {}
    for table, where in TABLES.items():
        union = " UNION ALL ".join(
            f"SELECT {version} AS version, * FROM {shown(table, version)} WHERE {where}"
            for version in versions
        )
        seen[table] = sorted(map(repr, catalog.query(union).to_pylist()))
    return seen


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.sampled_from(PEOPLE)), min_size=3, max_size=12))
def test_every_history(
    empty_lake: Path, tmp_path_factory: pytest.TempPathFactory, config: Config, steps: list[tuple[int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    lake = Path(shutil.copytree(empty_lake, folder / "lake"))
    with connect(lake, config) as catalog:
        import_reads(catalog, WHO, 3)
        call(catalog, "BERTRAM", [20, 40])
        for number, (step, sample) in enumerate(steps):
            STEPS[step](catalog, sample, number)
        versions = snapshots(catalog)
        before = theirs(catalog, versions)
        erased = erase_sample(catalog, WHO, open_keys(folder / "keys", lake), "the test")
        assert erased.findings == ()
        assert theirs(catalog, versions) == before
        for table in ("samples", "read_groups", "alignments", "genotypes"):
            for version in versions:
                left = catalog.query(f"SELECT 1 FROM {shown(table, version)} WHERE sample_id = '{WHO}'")
                assert left.num_rows == 0
