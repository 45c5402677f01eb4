"""Genotypes that are half known, haploid or of several alternates are counted as bcftools counts them."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.pedigree import add_pedigree, set_cohort
from baselake.catalog.references import add_reference
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import HEADER, write_vcf

SAMPLES = ("A", "B", "C", "D")


def test_counts_are_those_of_bcftools(catalog: Catalog, tmp_path: Path, peer: Callable[[str], str]) -> None:
    chance = random.Random(5)
    bases = {contig: "".join(chance.choices("ACGT", k=1200)) for contig in ("1", "X", "MT")}
    fasta = tmp_path / "r.fa"
    fasta.write_text("".join(f">{contig}\n{text}\n" for contig, text in bases.items()))
    records = []
    for contig, text in bases.items():
        for place in range(20, 1150, 17):
            others = [base for base in "ACGT" if base != text[place]]
            ref, alts = chance.choice(
                (
                    (text[place], others[:1]),
                    (text[place], others[:2]),
                    (text[place], [others[0], "*"]),
                    (text[place : place + 4], [text[place]]),
                    (text[place], [text[place] + "GATT"]),
                )
            )
            gts = []
            for _ in SAMPLES:
                one, two = (str(chance.randint(0, len(alts))) for _ in range(2))
                forms = (f"{one}/{two}", f"{one}|{two}", f"./{one}", f"{one}/.", "./.", one, ".")
                gts.append(chance.choices(forms, (8, 2, 2, 2, 1, 2, 1))[0])
            records.append(f"{contig} {place + 1} . {ref} {','.join(alts)} . . . GT {' '.join(gts)}")
    declared = "".join(f"##contig=<ID={contig},length={len(text)}>\n" for contig, text in bases.items())
    vcf = write_vcf(tmp_path / "odd.vcf", records, SAMPLES, HEADER + declared)
    add_reference(catalog, fasta, "r")
    ingest_vcf(catalog, [vcf])
    script = (
        f"bcftools norm -m- -f {fasta} {vcf} 2>/dev/null | bcftools view -e 'ALT=\"*\"'"
        " | bcftools +fill-tags -Ou -- -t AC,AN | bcftools query -f '%CHROM-%POS-%REF-%ALT %AC %AN\\n'"
    )
    done = subprocess.run(
        script.replace("bcftools", peer("bcftools")), shell=True, capture_output=True, text=True, check=True
    )
    expected = {(name, int(ac), int(an)) for name, ac, an in map(str.split, done.stdout.splitlines())}
    assert len(expected) > 200
    kept = "SELECT variant_id, ac, an FROM counted_alleles('all')"
    assert set(catalog.rows(kept)) == expected
    # The same of genotypes themselves, as where no counts are kept.
    slow = catalog.rows("SELECT variant_id, sum(copies), sum(alleles) FROM copies('all') GROUP BY 1")
    assert {(name, int(ac or 0), int(an)) for name, ac, an in slow} == expected
    # Whoever has a copy carries it, however little else is known; a half-known reference is none.
    states = dict(catalog.rows("SELECT gt, any_value(state) FROM copies('all') GROUP BY 1"))
    assert {states[gt] for gt in ("./1", "1/.", "0/1", "1|1", "1")} == {"carrier"}
    assert {states[gt] for gt in ("./0", "0/.", "./.", ".")} == {"no_call"}
    # Half of a genotype tells neither that there is one copy of the chromosome nor that there are two.
    set_cohort(catalog, "some", ["A", "B"])
    for cohort in ("all", "some"):
        ((hemi,),) = catalog.rows(f"SELECT sum(hemi) FROM allele_frequency('{cohort}')")
        of = "" if cohort == "all" else "AND sample_id IN ('A', 'B')"
        assert [(hemi,)] == catalog.rows(f"SELECT count(*) FROM genotypes WHERE gt = '1' {of}")


def test_a_mother_of_whom_one_copy_is_known_may_have_passed_it_on(catalog: Catalog, tmp_path: Path) -> None:
    mothers = ("0/1", "./1", "1/.", "1/1", "0/0", "./.")
    (tmp_path / "r.fa").write_text(f">X\n{'A' * 200}\n")
    (tmp_path / "f.ped").write_text("F son dad mom 1 2\nF dad 0 0 1 1\nF mom 0 0 2 1\n")
    records = [f"X {10 * i + 5} . A C . . . GT 1 0 {gt}" for i, gt in enumerate(mothers)]
    add_reference(catalog, tmp_path / "r.fa", "flat")
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, ("son", "dad", "mom"))])
    add_pedigree(catalog, tmp_path / "f.ped")
    found = {int(start) // 10 for (start,) in catalog.rows("SELECT start FROM x_linked('F')")}
    # An unaffected mother has not two of it; of whom nothing is known nothing is ruled out.
    assert {mothers[i] for i in found} == {"0/1", "./1", "1/.", "./."}
