"""A cohort genotyped together: as a slow reading of Li 2011 has it, and as it was simulated."""

import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from baselake.api import Lake
from baselake.catalog.catalog import connect, create
from baselake.catalog.pedigree import set_cohort
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import write_vcf

SITES, SAMPLES, SPACING = 40, 30, 50
NAMES = [f"S{number:02}" for number in range(SAMPLES)]
Row = tuple[int, ...]


def frequency(rows: list[Row], others: int) -> float:
    """Expectation maximization of Li 2011, equation 5; `others` copies are the reference's."""
    alleles = sum(len(row) - 1 for row in rows if len(set(row)) > 1) + others
    f, before = 0.3, -1.0
    while abs(f - before) > 1e-12:
        before, expected = f, 0.0
        for row in rows:
            m = len(row) - 1
            if len(set(row)) == 1:
                continue
            weights = [
                math.comb(m, g) * f**g * (1 - f) ** (m - g) * 10 ** (-row[g] / 10) for g in range(m + 1)
            ]
            expected += sum(g * weight for g, weight in enumerate(weights)) / sum(weights)
        f = expected / alleles
    return f


def best(row: Row, f: float) -> tuple[int, int]:
    """The likeliest copies, and phred that it is another number."""
    m = len(row) - 1
    weights = [math.comb(m, g) * f**g * (1 - f) ** (m - g) * 10 ** (-row[g] / 10) for g in range(m + 1)]
    copies = weights.index(max(weights))
    wrong = max((sum(weights) - max(weights)) / sum(weights), 1e-10)
    return copies, min(99, math.floor(-10 * math.log10(wrong) + 0.5))


class Cohort:
    """Low-pass reads of some people: true copies, likelihoods of each, and a file of each with blocks between calls."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(3)
        frequencies = random.beta(0.4, 1.2, SITES)
        self.copies = random.binomial(2, frequencies[:, None], (SITES, SAMPLES))
        depth = random.poisson(4, (SITES, SAMPLES))
        alternate = random.binomial(depth, np.array([0.01, 0.5, 0.99])[self.copies])
        self.rows: dict[tuple[int, int], Row] = {}
        self.files = []
        for sample, name in enumerate(NAMES):
            records = []
            for site in range(SITES):
                alt, ref = int(alternate[site, sample]), int(depth[site, sample] - alternate[site, sample])
                likelihoods = [
                    -10 * (alt * math.log10(q) + ref * math.log10(1 - q)) for q in (0.01, 0.5, 0.99)
                ]
                pl = tuple(round(x - min(likelihoods)) for x in likelihoods)
                start, end = site * SPACING + 1, (site + 1) * SPACING
                if alt:
                    gt = ("0/0", "0/1", "1/1")[pl.index(0)]
                    self.rows[site, sample] = pl
                    shown = ",".join(map(str, pl))
                    records.append(
                        f"1 {start} . A C,<NON_REF> . . . GT:DP:PL {gt}:{alt + ref}:{shown},999,999,999"
                    )
                    start += 1
                elif not ref:
                    records.append(f"1 {start} . A <NON_REF> . . END={end} GT:DP:GQ:MIN_DP ./.:0:0:0")
                    continue
                records.append(
                    f"1 {start} . A <NON_REF> . . END={end} GT:DP:GQ:MIN_DP 0/0:{max(ref, 1)}:{3 * max(ref, 1)}:1"
                )
            self.files.append(write_vcf(folder / f"{name}.vcf", records, (name,)))
        self.seen = depth > 0

    def frequency(self, site: int, samples: range) -> float:
        rows = [self.rows[site, sample] for sample in samples if (site, sample) in self.rows]
        others = sum(2 for s in samples if (site, s) not in self.rows and self.seen[site, s])
        return frequency(rows, others)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[tuple[Lake, Cohort]]:
    folder = tmp_path_factory.mktemp("joint")
    (folder / "r.fa").write_text(f">1\n{'A' * (SITES * SPACING + 10)}\n")
    cohort = Cohort(folder)
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, folder / "r.fa", "flat")
        ingest_vcf(catalog, cohort.files[:-1])
        yield Lake(catalog), cohort


def sites(lake: Lake) -> dict[int, dict]:
    return {row["start"] // SPACING: row for row in lake.query("joint_sites", "all").to_pylist()}


def test_frequencies_and_genotypes_are_those_of_a_slow_one_and_near_the_truth(
    made: tuple[Lake, Cohort],
) -> None:
    lake, cohort = made
    done = lake.genotype("all")
    assert (done.members, done.new) == (SAMPLES - 1, SAMPLES - 1)
    found = sites(lake)
    samples = range(SAMPLES - 1)
    for site, row in found.items():
        assert row["af"] == pytest.approx(cohort.frequency(site, samples), abs=1e-4), site
    right = called_right = known = 0
    for row in lake.query("joint_genotypes", "all").to_pylist():
        site, sample = row["start"] // SPACING, NAMES.index(row["sample_id"])
        if not cohort.seen[site, sample]:
            assert (row["gt"], row["gq"]) == ("./.", None)
            continue
        if (site, sample) in cohort.rows:
            likelihood = cohort.rows[site, sample]
            assert tuple(row["pl"]) == likelihood
            copies, gq = best(likelihood, max(found[site]["af"], 1e-9))
            assert (row["copies"], row["gq"]) == (copies, gq)
            known += 1
            right += row["copies"] == cohort.copies[site, sample]
            called_right += likelihood.index(0) == cohort.copies[site, sample]
        else:
            depth = row["pl"][1] // 3
            assert row["pl"] == [0, 3 * depth, 3 * depth]
    # What others have helps where reads are few.
    assert right > called_right > 0.7 * known

    # The next member is read alone.
    ingest_vcf(lake.catalog, cohort.files[-1:])
    done = lake.genotype("all")
    assert (done.members, done.new) == (SAMPLES, 1)
    assert lake.genotype("all").new == 0
    for site, row in sites(lake).items():
        assert row["af"] == pytest.approx(cohort.frequency(site, range(SAMPLES)), abs=0.02), site
    # What was called again has all read again.
    ingest_vcf(
        lake.catalog,
        [write_vcf(cohort.files[0].with_name("more.vcf"), ["1 2005 . A C . . . GT:PL 0/1:9,0,9"], ("S00",))],
    )
    assert lake.genotype("all").new == SAMPLES
    for site, row in sites(lake).items():
        if site < SITES:
            assert row["af"] == pytest.approx(cohort.frequency(site, range(SAMPLES)), abs=1e-4), site


def test_bcftools_takes_the_file_and_counts_the_same(
    made: tuple[Lake, Cohort], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    lake, _ = made
    path = tmp_path / "all.vcf.gz"
    written = lake.export_cohort(path, "all")
    query = f"{peer('bcftools')} +fill-tags {path} -- -t AC,AN | bcftools query -f '%POS %AC %AN\\n'"
    counted = subprocess.run(query, shell=True, capture_output=True, text=True, check=True).stdout
    ours = subprocess.run(
        [peer("bcftools"), "query", "-f", "%POS %AC %AN\n", path], capture_output=True, text=True, check=True
    )
    assert ours.stdout == counted
    assert ours.stderr == ""
    assert len(counted.splitlines()) == written > SITES - 5
    part = lake.export_cohort(tmp_path / "part.vcf", "all", region=f"1:{SPACING + 1}-{3 * SPACING}")
    assert part == 2


def test_an_allele_beside_others_counts_by_the_best_genotype_that_has_it(
    tmp_path: Path, config: Config
) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 100}\n")
    create(tmp_path / "lake", config)
    with connect(tmp_path / "lake", config) as catalog:
        add_reference(catalog, tmp_path / "r.fa", "flat")
        records = [
            # 0/0, 0/1, 1/1, 0/2, 1/2, 2/2
            "1 11 . A C,G . . . GT:PL 1/2:90,40,50,30,0,60 0/2:50,60,90,0,70,80",
            "1 21 . A C . . . GT 1 ./.",
            "1 31 . A C . . . GT:GQ 0/1:30 0/0:40",
        ]
        ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, ("A", "B"))])
        set_cohort(catalog, "both", ["A", "B"])
        lake = Lake(catalog)
        lake.genotype("both")
        found = {
            (row["variant_id"], row["sample_id"]): row["pl"]
            for row in lake.query("joint_genotypes", "both").to_pylist()
        }
    assert found["1-11-A-C", "A"] == [30, 0, 50]
    assert found["1-11-A-G", "A"] == [40, 0, 60]
    assert found["1-11-A-C", "B"] == [0, 60, 90]
    assert found["1-11-A-G", "B"] == [50, 0, 80]
    assert found["1-21-A-C", "A"] == [20, 0]
    assert found["1-21-A-C", "B"] is None
    assert found["1-31-A-C", "A"] == [30, 0, 30]
    assert found["1-31-A-C", "B"] == [0, 40, 40]


def test_of_several_records_of_an_allele_that_with_most_copies_counts(tmp_path: Path, config: Config) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 100}\n")
    twice = [
        "1 11 . A C . . . GT:PL 0/1:90,0,90 0/0:0,30,60",
        "1 11 . A C . . . GT:PL 0/0:0,60,90 ./.:.",
        "1 31 . A C . . . GT:PL 0/1:50,0,50 0/0:0,40,80",
    ]
    sums = []
    for name, records in (("twice", twice), ("once", [twice[0], twice[2]])):
        create(tmp_path / name, config)
        with connect(tmp_path / name, config) as catalog:
            add_reference(catalog, tmp_path / "r.fa", "flat")
            ingest_vcf(catalog, [write_vcf(tmp_path / f"{name}.vcf", records, ("A", "B"))])
            Lake(catalog).genotype("all")
            rows = catalog.query(
                "SELECT variant_id, an, alleles, round(expected, 9), round(log_ratio, 9) FROM joint_sums ORDER BY 1"
            )
            sums.append(rows.to_pylist())
    assert sums[0] == sums[1]
    assert [row["an"] for row in sums[0]] == [4, 4]
