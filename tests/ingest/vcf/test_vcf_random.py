"""Records of every shape at once come out of the lake as they went in, from text and from BCF."""

import random
import subprocess
from collections.abc import Callable
from math import comb
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.vcf import export_vcf
from baselake.catalog.references import add_reference
from baselake.errors import InputError
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import HEADER, write_vcf

SAMPLES = ("B", "C", "A")  # no order that sorting would give
LENGTH = 3000


def record(draw: random.Random, position: int) -> str:
    alts = draw.sample(["C", "G", "T", "AC", "ATTT", "<DEL>", "*", "N"], draw.randint(0, 4))
    keys = ["GT", *draw.sample(["GQ", "DP", "AD", "PL", "PS", "AB", "FT", "XY"], draw.randint(0, 8))]
    info = [
        value
        for value in (
            "AC=" + ",".join(str(draw.randint(0, 9)) for _ in alts),
            f"AF={draw.random():.4g}",
            "DB",
            f"GENES={draw.choice(['x', 'x,y', '.,z'])}",
            f"MQ={draw.choice(['60', '59.71', '1e-05', '.'])}",
            f"UNSAID={draw.choice(['1', 'a,b', '0.50'])}",
        )
        if draw.random() < 0.5 and not value.endswith("=")
    ]
    draw.shuffle(info)
    samples = [sample(draw, keys, len(alts)) for _ in SAMPLES]
    return (
        f"1 {position} {draw.choice(['.', 'rs1', 'rs1;rs2'])} A {','.join(alts) or '.'}"
        f" {draw.choice(['.', '0', '31.5', '1.5e+06'])} {draw.choice(['.', 'PASS', 'low', 'low;bad'])}"
        f" {';'.join(info) or '.'} {':'.join(keys)} {' '.join(samples)}"
    )


def sample(draw: random.Random, keys: list[str], alts: int) -> str:
    copies = draw.choice((1, 2, 2, 2, 3))
    alleles = [draw.choice([".", *map(str, range(alts + 1))]) for _ in range(copies)]
    gt = "".join(x + y for x, y in zip(alleles, [draw.choice("/|") for _ in alleles[1:]] + [""], strict=True))
    genotypes = comb(alts + copies, copies)

    def some(count: int, most: int) -> str:
        return ",".join(
            draw.choice([".", *(str(draw.randint(0, most)) for _ in range(5))]) for _ in range(count)
        )

    values = {
        "GT": gt,
        "GQ": some(1, 99),
        "DP": some(1, 300),
        "AD": draw.choice([".", some(alts + 1, 90)]),
        "PL": draw.choice([".", some(genotypes, 999)]),
        "PS": some(1, 3000),
        "AB": draw.choice([".", f"{draw.random():.3g}"]),
        "FT": draw.choice([".", "PASS", "low;bad"]),
        "XY": draw.choice([".", "a", "a,b"]),
    }
    shown = [values[key] for key in keys]
    return ":".join(shown[: draw.randint(1, len(shown))])


@pytest.mark.parametrize("form", ["vcf", "bcf"])
def test_random_records_come_out_as_they_went_in(
    catalog: Catalog, tmp_path: Path, peer: Callable[[str], str], form: str
) -> None:
    draw = random.Random(20)
    records = [record(draw, position) for position in range(5, LENGTH - 5, 7)]
    (tmp_path / "r.fa").write_text(f">1\n{'A' * LENGTH}\n")
    header = HEADER + f'##FILTER=<ID=bad,Description="Bad">\n##contig=<ID=1,length={LENGTH}>\n'
    header += '##INFO=<ID=UNSAID,Number=.,Type=String,Description="x">\n'
    header += '##FORMAT=<ID=XY,Number=.,Type=String,Description="x">\n##ALT=<ID=DEL,Description="x">\n'
    path = write_vcf(tmp_path / "a.vcf", records, SAMPLES, header)
    wanted = body(path, peer("bcftools"))
    if form == "bcf":
        subprocess.run([peer("bcftools"), "view", "-Ob", "-o", tmp_path / "a.bcf", path], check=True)
        path = tmp_path / "a.bcf"
    reference = add_reference(catalog, tmp_path / "r.fa", "flat")
    ingest_vcf(catalog, [path])
    export_vcf(catalog, SAMPLES, reference, tmp_path / "out.vcf")
    found = body(tmp_path / "out.vcf", peer("bcftools"))
    assert len(found) == len(wanted) == len(records)
    for line, other in zip(found, wanted, strict=True):
        assert line == other
    with pytest.raises(InputError, match="are for files of one"):
        ingest_vcf(catalog, [path], sample="D")


def body(path: Path, bcftools: str) -> list[str]:
    seen = subprocess.run([bcftools, "view", "-H", path], capture_output=True, text=True, check=True)
    return seen.stdout.splitlines()
