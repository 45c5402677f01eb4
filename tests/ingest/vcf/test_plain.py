"""Records of which columns hold everything are read another way than others; what comes of them is the same."""

import random
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import add_reference
from baselake.errors import InputError
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.ingest.vcf.source import Reading, open_vcf
from tests.ingest.vcf.vcf_files import HEADER, write_vcf

KEYS = ("GQ", "DP", "AD", "PL", "PS")
# What a sample may have of each key beside one alternate; what only a map can hold among it.
VALUES = {
    "GQ": ["9", "99", ".", "1"],
    "DP": ["0", "30", ".", "300"],
    "AD": ["3,4", "0,0", ".", ".,5", "5,.", ".,."],
    "PS": [".", "17"],
}
LIKELIHOODS = {1: ["0,40", "."], 2: ["0,9,90", ".", "3,.,4"], 3: ["0,1,2,3", "."]}
GENOTYPES = ["0/0", "0/1", "1|1", "./.", ".", "0", "1", "./1", "1|.", "0/0/1", "."]


def sample(draw: random.Random, keys: list[str]) -> str:
    gt = draw.choice(GENOTYPES)
    copies = len(gt.replace("|", "/").split("/"))
    values = {key: draw.choice(VALUES[key]) for key in keys if key in VALUES}
    values["PL"] = draw.choice(LIKELIHOODS[copies if gt != "." else 2])
    shown = [gt, *(values[key] for key in keys)]
    return ":".join(shown[: draw.randint(1, len(shown))])


def test_a_key_that_no_column_holds_changes_nothing_else(catalog: Catalog, tmp_path: Path) -> None:
    """With it every sample is looked at by itself."""
    draw = random.Random(7)
    names = tuple(f"S{number}" for number in range(9))
    plain, other = [], []
    for position in range(2, 600):
        keys = draw.sample(KEYS, draw.randint(0, len(KEYS)))
        # Of some records nobody has anything unusual.
        calls = [sample(draw, keys) if draw.random() < position / 600 else "0/1" for _ in names]
        where = f"1 {position} . A C 30 PASS . "
        plain.append(where + ":".join(["GT", *keys]) + " " + " ".join(calls))
        full = [call + ":." * (len(keys) - call.count(":")) + ":x" for call in calls]
        other.append(where + ":".join(["GT", *keys, "XY"]) + " " + " ".join(full))
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 700}\n")
    add_reference(catalog, tmp_path / "r.fa", "flat")
    ingest_vcf(catalog, [write_vcf(tmp_path / "plain.vcf", plain, names)])
    ingest_vcf(catalog, [write_vcf(tmp_path / "other.vcf", other, tuple(f"T{name}" for name in names))])
    rows = "SELECT * EXCLUDE (sample_id, source_id, format_strings), {} AS s FROM genotypes WHERE sample_id {} 'S%'"
    one, two = (
        catalog.query(f"{sql} ORDER BY start, s").to_pylist()
        for sql in (rows.format("sample_id", "LIKE"), rows.format("sample_id[2:]", "NOT LIKE"))
    )
    assert len(one) == len(plain) * len(names)
    assert one == two


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("0/2:9:3,4:0,9,90", "names allele 2 of 1"),
        ("0/x:9:3,4:0,9,90", "GT is not a genotype"),
        ("0/1:9:3:0,9,90", "FORMAT AD has 1 values and not 2"),
        ("0/1:9:3,4:0,9", "FORMAT PL of sample 3 has 2 values and not one for each of 3 genotypes"),
        ("0:9:3,4:0,9,90", "FORMAT PL of sample 3 has 3 values and not one for each of 2 genotypes"),
        ("0/1:9,9:3,4:0,9,90", "FORMAT DP has 2 values and not 1"),
    ],
)
def test_one_sample_among_others_that_is_wrong_is_told(
    catalog: Catalog, tmp_path: Path, call: str, reason: str
) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 30}\n")
    reference = add_reference(catalog, tmp_path / "r.fa", "flat")
    right = "0/1:9:3,4:0,9,90"
    record = f"1 5 . A C . . . GT:DP:AD:PL {right} {right} {call} {right}"
    path = write_vcf(tmp_path / "a.vcf", [record], ("D", "C", "B", "A"))
    with pytest.raises(InputError, match=f"line {HEADER.count(chr(10)) + 2}: .*{reason}"):
        list(Reading(open_vcf(path), reference, 1 << 20).parts())
