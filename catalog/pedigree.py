"""Families, by PED files, and cohorts: sets of samples that have a name.

Both are rows of tables of the lake, so that snapshots show what was known when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.counting import (
    add_members,
    begin_cohort,
    counted_cohorts,
    forget_cohort,
    forget_joint,
    members_of,
)
from baselake.catalog.job import Transaction
from baselake.catalog.samples import EVERYBODY, sample_names
from baselake.errors import ConflictError, InputError, NotFoundError

# Words of PED: https://zzz.bwh.harvard.edu/plink/data.shtml#ped
_SEXES = {"1": "male", "2": "female"}
_AFFECTED = {"1": False, "2": True}
_MISSING = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One line of a PED file.

    Attributes:
        family: the family.
        sample_id: the person, who need not be a sample.
        father, mother: None: not told.
        sex: `male` or `female`; None: not told.
        affected: has the disease; None: not told.
    """

    family: str
    sample_id: str
    father: str | None
    mother: str | None
    sex: str | None
    affected: bool | None


def read_ped(path: Path) -> list[Person]:
    """The persons of a PED file, in order: six columns apart by blanks, lines that begin with # left out.

    Raises:
        NotFoundError: there is no such file.
        InputError: a line is none of PED, or persons contradict one another; the message names the line.
    """
    if not path.is_file():
        raise NotFoundError("no such file", str(path), "Check the path")
    persons: dict[str, tuple[int, Person]] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) < 6:
            raise _wrong(f"the line has {len(fields)} columns and not 6", path, number)
        family, name, father, mother, sex, phenotype = fields[:6]
        if name in persons:
            raise _wrong(f"person {name} stands on line {persons[name][0]} already", path, number)
        persons[name] = (
            number,
            Person(
                family=family,
                sample_id=name,
                father=father if father != _MISSING else None,
                mother=mother if mother != _MISSING else None,
                sex=_SEXES.get(sex),
                affected=_AFFECTED.get(phenotype),
            ),
        )
    if not persons:
        raise InputError(
            "no person in the file", str(path), "Write FAMILY PERSON FATHER MOTHER SEX PHENOTYPE"
        )
    _require_sense(persons, path)
    return [person for _, person in persons.values()]


def _require_sense(lines: dict[str, tuple[int, Person]], path: Path) -> None:
    people = {name: person for name, (_, person) in lines.items()}
    for name, (number, person) in lines.items():
        for role, parent, sex in (("father", person.father, "female"), ("mother", person.mother, "male")):
            known = people.get(parent or "")
            if known is None:
                continue
            if known.family != person.family:
                raise _wrong(f"{parent}, {role} of {name}, is of family {known.family}", path, number)
            if known.sex == sex:
                raise _wrong(f"{parent}, {role} of {name}, is {sex}", path, number)
        above, seen = {person.father, person.mother} - {None}, set()
        while above:
            if name in above:
                raise _wrong(f"{name} is an ancestor of {name}", path, number)
            seen |= above
            parents = {
                parent
                for each in above
                if each in people
                for parent in (people[each].father, people[each].mother)
            }
            above = parents - seen - {None}


def add_pedigree(catalog: Catalog, path: Path) -> list[Person]:
    """Tell the lake of the families of a PED file, in the place of what it knew of these families.

    Samples of those names get family, parents and sex.

    Raises:
        NotFoundError, InputError: as `read_ped`.
        ConflictError: a person is of another family already, a family is called as a cohort is, or a sample is recorded
            with the other sex.
    """
    persons = read_ped(path)
    families = sorted({person.family for person in persons})
    asked = {"file": path.resolve(), "families": ", ".join(families)}
    with catalog.job("pedigree add", asked) as job, job.commit() as tx:
        tx.execute("DELETE FROM pedigree WHERE list_contains(?::VARCHAR[], family)", [families])
        _require_free(tx, persons, path)
        rows = [
            {
                "family": person.family,
                "sample_id": person.sample_id,
                "father": person.father,
                "mother": person.mother,
                "sex": person.sex,
                "affected": person.affected,
                "job_id": job.id,
            }
            for person in persons
        ]
        tx.insert("pedigree", pa.Table.from_pylist(rows, schema=_PEDIGREE))
        for person in persons:
            tx.execute(
                "UPDATE samples SET family = ?, father = ?, mother = ?, sex = coalesce(sex, ?) WHERE sample_id = ?",
                [person.family, person.father, person.mother, person.sex, person.sample_id],
            )
    return persons


_PEDIGREE = pa.schema(
    [
        *((name, pa.string()) for name in ("family", "sample_id", "father", "mother", "sex")),
        ("affected", pa.bool_()),
        ("job_id", pa.string()),
    ]
)


def _require_free(tx: Transaction, persons: Sequence[Person], path: Path) -> None:
    names = [person.sample_id for person in persons]
    for row in tx.query(
        "SELECT family, sample_id FROM pedigree WHERE list_contains(?::VARCHAR[], sample_id)", [names]
    ).to_pylist():
        raise ConflictError(
            f"person {row['sample_id']} is of family {row['family']} already",
            str(path),
            "Give both families in one file, under one name",
        )
    families = sorted({person.family for person in persons})
    taken = tx.query("SELECT cohort FROM cohorts WHERE list_contains(?::VARCHAR[], cohort)", [families])
    if taken.num_rows or EVERYBODY in families:
        name = taken["cohort"][0].as_py() if taken.num_rows else EVERYBODY
        raise ConflictError(
            f"{name} is the name of a cohort, and a question of it would be of both",
            str(path),
            "Give the family, or the cohort, another name",
        )
    sexes = {person.sample_id: person.sex for person in persons}
    for row in tx.query("SELECT sample_id, sex FROM samples WHERE sex IS NOT NULL").to_pylist():
        said = sexes.get(row["sample_id"])
        if said is not None and said != row["sex"]:
            raise ConflictError(
                f"sample {row['sample_id']} is recorded as {row['sex']}, and the file says {said}",
                str(path),
                f"Correct the file, or first run: baselake samples set {row['sample_id']} --sex {said}",
            )


def set_cohort(catalog: Catalog, name: str, samples: Sequence[str]) -> None:
    """Give a set of samples a name, in the place of the set that had it; no samples: the name goes.

    Raises:
        InputError: the name is taken by what is no cohort.
        NotFoundError: no such sample, or no such cohort to take away.
    """
    known = set(sample_names(catalog))
    families = set(catalog.query("SELECT DISTINCT family FROM families")["family"].to_pylist())
    if not name or name == EVERYBODY or name in known or name in families:
        raise InputError(
            f"a cohort cannot be called {name!r}",
            "",
            f"Choose a name that is no sample's, no family's, and not {EVERYBODY}",
        )
    for sample in samples:
        if sample not in known:
            raise NotFoundError(
                f"no sample {sample!r}", str(catalog.layout.root), "'baselake samples' lists them"
            )
    there = catalog.query("SELECT 1 FROM cohorts WHERE cohort = ? LIMIT 1", [name]).num_rows
    if not samples and not there:
        raise NotFoundError(f"no cohort {name!r}", str(catalog.layout.root), "'baselake cohort' lists them")
    with catalog.job("cohort set", {"cohort": name, "samples": len(set(samples))}) as job, job.commit() as tx:
        before = set(members_of(tx, name))
        tx.execute("DELETE FROM cohorts WHERE cohort = ?", [name])
        members = sorted(set(samples))
        columns = {"cohort": [name] * len(members), "sample_id": members, "job_id": [job.id] * len(members)}
        tx.insert(
            "cohorts", pa.table({key: pa.array(values, pa.string()) for key, values in columns.items()})
        )
        if not before <= set(members):
            forget_joint(tx, name)  # nobody can be taken out of these sums
        if not members:
            forget_cohort(tx, name)
        elif name in counted_cohorts(tx):
            add_members(job, tx, name, sorted(set(members) - before), sorted(before - set(members)))
        else:
            begin_cohort(job, tx, name, members)


def _wrong(what: str, path: Path, line: int) -> InputError:
    return InputError(what, f"{path}, line {line}", "Correct the file")
