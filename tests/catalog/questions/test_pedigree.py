"""Families and cohorts, as the lake is told of them."""

from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.pedigree import add_pedigree, set_cohort
from baselake.config import Config
from baselake.errors import ConflictError, InputError, NotFoundError
from baselake.ingest.samples import record_sample, record_samples
from tests.commands import baselake as command

TRIO = "#family person father mother sex phenotype\nF1 son dad mom 1 2\nF1\tdad\t0\t0\t1\t1\nF1 mom 0 0 2 1\n"


def with_samples(catalog: Catalog, *names: str) -> None:
    with catalog.record() as tx:
        for name in names:
            tx.execute("INSERT INTO samples (sample_id) VALUES (?)", [name])


def ped(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "family.ped"
    path.write_text(text)
    return path


def test_a_pedigree_names_persons_who_need_not_be_samples(catalog: Catalog, tmp_path: Path) -> None:
    with_samples(catalog, "son", "mom")
    add_pedigree(catalog, ped(tmp_path, TRIO))
    rows = catalog.query("FROM families ORDER BY sample_id").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("F1", "dad", None, None, "male", False, False),
        ("F1", "mom", None, None, "female", False, True),
        ("F1", "son", "dad", "mom", "male", True, True),
    ]
    (son,) = catalog.query("SELECT sex, family, father FROM samples WHERE sample_id = 'son'").to_pylist()
    assert son == {"sex": "male", "family": "F1", "father": "dad"}


def test_what_was_known_before_is_in_history(lake: Path, config: Config, tmp_path: Path) -> None:
    with connect(lake, config) as catalog:
        with_samples(catalog, "son")
        add_pedigree(catalog, ped(tmp_path, TRIO))
        then = catalog.newest_snapshot()
        add_pedigree(catalog, ped(tmp_path, TRIO.replace("1 2\n", "1 1\n")))
        assert catalog.query("SELECT DISTINCT affected FROM families")["affected"].to_pylist() == [False]
    with connect(lake, config, at=then) as before:
        rows = before.query("SELECT affected FROM families WHERE sample_id = 'son'")
        assert rows["affected"].to_pylist() == [True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("F1 son dad mom 1\n", "line 1: the line has 5 columns"),
        (TRIO + "F2 son 0 0 1 1\n", "line 5: person son stands on line 2 already"),
        (TRIO.replace("dad\t0\t0\t1", "dad\t0\t0\t2"), "line 2: dad, father of son, is female"),
        (TRIO.replace("F1 mom", "F2 mom"), "line 2: mom, mother of son, is of family F2"),
        ("F1 a b 0 1 1\nF1 b a 0 1 1\n", "a is an ancestor of a"),
        ("# nobody\n", "no person in the file"),
    ],
)
def test_a_pedigree_that_makes_no_sense_is_refused(
    catalog: Catalog, tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        add_pedigree(catalog, ped(tmp_path, text))


def test_a_sex_that_contradicts_the_sample_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    with catalog.record() as tx:
        tx.execute("INSERT INTO samples (sample_id, sex) VALUES ('son', 'female')")
    with pytest.raises(ConflictError, match=r"sample son is recorded as female.*samples set son --sex male"):
        add_pedigree(catalog, ped(tmp_path, TRIO))
    assert catalog.query("FROM pedigree").num_rows == 0


def test_a_family_is_not_called_as_a_cohort_is(catalog: Catalog, tmp_path: Path) -> None:
    with_samples(catalog, "son")
    set_cohort(catalog, "F1", ["son"])
    with pytest.raises(ConflictError, match="F1 is the name of a cohort"):
        add_pedigree(catalog, ped(tmp_path, TRIO))
    with pytest.raises(ConflictError, match="all is the name of a cohort"):
        add_pedigree(catalog, ped(tmp_path, TRIO.replace("F1", "all")))


def test_a_sample_that_comes_later_is_told_of_its_family(catalog: Catalog, tmp_path: Path) -> None:
    add_pedigree(catalog, ped(tmp_path, TRIO))
    with catalog.record() as tx:
        record_samples(tx, ["son", "stranger"])
        record_sample(tx, "mom", None)
    rows = catalog.query("SELECT sample_id, family, sex, mother FROM samples ORDER BY 1").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("mom", "F1", "female", None),
        ("son", "F1", "male", "mom"),
        ("stranger", None, None, None),
    ]


def test_families_and_cohorts_on_the_command_line(catalog: Catalog, lake: Path, tmp_path: Path) -> None:
    with_samples(catalog, "son", "mom")
    catalog.close()
    command(lake, "pedigree", "add", ped(tmp_path, TRIO))
    assert "F1,son,dad,mom,male,true,true" in command(lake, "pedigree", "--format", "csv").stdout
    command(lake, "cohort", "set", "cases", "son", "mom")
    assert command(lake, "cohort", "--format", "csv").stdout == "cohort,sample_id\ncases,mom\ncases,son\n"
    command(lake, "cohort", "remove", "cases")
    assert command(lake, "cohort", "--format", "csv").stdout == "cohort,sample_id\n"


def test_a_cohort_is_a_name_of_samples(catalog: Catalog) -> None:
    with_samples(catalog, "A", "B", "C")
    set_cohort(catalog, "cases", ["B", "A", "A"])
    set_cohort(catalog, "cases", ["B", "C"])
    members = "SELECT sample_id FROM cohort_members(?) ORDER BY 1"
    assert catalog.query(members, ["cases"])["sample_id"].to_pylist() == ["B", "C"]
    assert catalog.query(members, ["all"])["sample_id"].to_pylist() == ["A", "B", "C"]
    assert catalog.query(members, ["A"])["sample_id"].to_pylist() == ["A"]
    set_cohort(catalog, "cases", [])
    assert catalog.query(members, ["cases"]).num_rows == 0
    with pytest.raises(NotFoundError, match="no cohort 'cases'"):
        set_cohort(catalog, "cases", [])
    with pytest.raises(NotFoundError, match="no sample 'D'"):
        set_cohort(catalog, "cases", ["D"])
    for taken in ("all", "A", ""):
        with pytest.raises(InputError, match="a cohort cannot be called"):
            set_cohort(catalog, taken, ["B"])
