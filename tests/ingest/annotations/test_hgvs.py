"""Names of HGVS find the alleles that they were made of: those that `consequences` tells, which an oracle checks."""

import random
import re
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import add_reference
from baselake.compute.annotate import annotate_variants
from baselake.errors import InputError
from baselake.ingest.annotations import load_source
from baselake.ingest.genes import load_genes
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.progress import LogProgress
from tests.compute.annotate.gene_models import random_alleles, random_models, with_frames, write_gff3
from tests.ingest.vcf.vcf_files import write_vcf

RNG = random.Random(23)
GENOME = "".join(RNG.choices("ACGT", k=40_000))
MODELS = random_models(RNG, len(GENOME))
GENOME = with_frames(RNG, GENOME, MODELS)
ALLELES = random_alleles(RNG, GENOME, MODELS, 600)


@pytest.fixture
def annotated(catalog: Catalog, tmp_path: Path) -> Catalog:
    (tmp_path / "r.fa").write_text(f">1\n{GENOME}\n")
    add_reference(catalog, tmp_path / "r.fa", "r")
    records = [f"1 {p + 1} . {ref} {alt} . . . GT 0/1" for p, ref, alt in ALLELES]
    ingest_vcf(catalog, [write_vcf(tmp_path / "c.vcf", records, ("S",))])
    load_genes(catalog, write_gff3(tmp_path / "g.gff3", "1", MODELS))
    annotate_variants(catalog)
    return catalog


def tsv(path: Path, column: str, names: list[str]) -> Path:
    path.write_text(f"{column}\tnumber\n" + "".join(f"{name}\t{n}\n" for n, name in enumerate(names)))
    return path


def found(catalog: Catalog, source: str) -> set[tuple[str, str, int]]:
    rows = catalog.rows(
        "SELECT id, variant_id, integers['number'][1] FROM current_annotations WHERE source = ?", [source]
    )
    return set(rows)


def test_names_of_transcripts_find_their_alleles(annotated: Catalog, tmp_path: Path) -> None:
    """Both strands, exons and introns, UTR, substitutions, deletions, duplications, insertions and inversions."""
    rows = annotated.rows(
        "SELECT DISTINCT transcript_id || ':' || hgvs_c, variant_id FROM consequences WHERE hgvs_c IS NOT NULL"
        " ORDER BY 1, 2"
    )
    names = [name for name, _ in rows]
    kinds = {re.sub(r".*:[cn]\.|[^a-z>]", "", name) for name in names}
    assert {">", "del", "dup", "ins", "delins"} <= kinds
    assert {":c.-", ":c.*", ":n."} <= {
        match[0] for name in names if (match := re.search(r":[cn]\.[-*]?", name))
    }
    assert any(re.search(r"\d[+-]\d", name) for name in names)
    done = load_source(annotated, "named", tsv(tmp_path / "c.tsv", "HGVS_c", names))
    assert (done.kind, done.rows, done.unresolved) == ("alleles", len(rows), 0)
    assert found(annotated, "named") == {(name, variant, n) for n, (name, variant) in enumerate(rows)}


def test_names_of_the_contig_find_their_alleles(annotated: Catalog, tmp_path: Path) -> None:
    names = ["1:g.1001" + GENOME[1000] + ">" + ("A" if GENOME[1000] != "A" else "C")]
    names += [
        "chr1:g.2001_2003del",
        "NC_000001.11:g.3001_3002insGAT",
        "1:g.4001dup",
        "1:g.1del",
        "1:g.5001_5004inv",
    ]
    done = load_source(annotated, "named", tsv(tmp_path / "g.tsv", "hgvs", names))
    assert (done.rows, done.unresolved) == (6, 0)
    alleles = {name: variant for name, variant, _ in found(annotated, "named")}
    changed = {}
    for name, variant in alleles.items():
        _, position, ref, alt = variant.split("-")
        start = int(position) - 1
        assert GENOME[start : start + len(ref)] == ref
        changed[name] = GENOME[:start] + alt + GENOME[start + len(ref) :]
    assert changed[names[1]] == GENOME[:2000] + GENOME[2003:]
    assert changed[names[2]] == GENOME[:3001] + "GAT" + GENOME[3001:]
    assert changed[names[3]] == GENOME[:4001] + GENOME[4000] + GENOME[4001:]
    assert changed[names[4]] == GENOME[1:]
    turned = GENOME[5000:5004].translate(str.maketrans("ACGT", "TGCA"))[::-1]
    assert changed[names[5]] == GENOME[:5000] + turned + GENOME[5004:]


def test_names_of_proteins_find_all_changes_of_the_codon(annotated: Catalog, tmp_path: Path) -> None:
    rows = annotated.rows(
        "SELECT transcript_id || ':' || hgvs_p, variant_id FROM consequences"
        " WHERE regexp_full_match(hgvs_p, 'p\\.[A-Z][a-z]{2}[0-9]+[A-Z][a-z]{2}')"
        " AND length(split_part(variant_id, '-', 3)) = 1 AND length(split_part(variant_id, '-', 4)) = 1"
    )
    assert len(rows) > 20
    path = tsv(tmp_path / "p.tsv", "hgvs_p", sorted({name for name, _ in rows}))
    done = load_source(annotated, "proteins", path)
    assert done.unresolved == 0
    alleles = {(name, variant) for name, variant, _ in found(annotated, "proteins")}
    assert set(rows) <= alleles
    # The others are told by the same name when samples have them.
    others = sorted({variant for _, variant in alleles} - {variant for _, variant in rows})
    records = [f"1 {p} . {ref} {alt} . . . GT 0/1" for _, p, ref, alt in (v.split("-") for v in others)]
    records.sort(key=lambda record: int(record.split()[1]))
    ingest_vcf(annotated, [write_vcf(tmp_path / "more.vcf", records, ("T",))])
    annotate_variants(annotated)
    told = set(
        annotated.rows(
            "SELECT transcript_id || ':' || hgvs_p, variant_id FROM consequences WHERE hgvs_p IS NOT NULL"
        )
    )
    assert alleles <= told


def test_what_stands_for_nothing_is_counted_and_named(
    annotated: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = GENOME[1000]
    other = next(b for b in "ACGT" if b != base)
    coding = next(
        model for model in MODELS if model.cds is not None and model.whole_start and not model.phase
    )
    reasons = {
        f"1:g.1001{other}>{base}": "the assembly has other bases there",
        "T9999:c.1A>G": "the gene models have no T9999",
        "7:g.10del": "the assembly has no contig 7",
        "BRCA1 c.68_69del": "it is not written as ACCESSION:c.CHANGE",
        f"{coding.name}:c.100000del": "the position is beyond the transcript",
        f"{coding.name}:c.2+5del": "the position is in no intron",
        f"{coding.name}:c.(1_2)del": "the change is of no kind that is read",
        f"{coding.name}:p.Met1fs": "of proteins only substitutions of one residue are read",
        f"{coding.name}:p.Trp1Arg": "the assembly has another residue there",
    }
    path = tsv(tmp_path / "bad.tsv", "hgvs", [*reasons, f"1:g.1001{base}>{other}"])
    done = load_source(annotated, "some", path, progress=LogProgress())
    assert (done.rows, done.unresolved) == (1, len(reasons))
    said = capsys.readouterr().err
    assert f"bad.tsv: {len(reasons)} lines name no allele that is known" in said
    assert all(reason in said for reason in reasons.values())
    assert f"line 2, {next(iter(reasons))}: the assembly has other bases there" in said

    with pytest.raises(InputError, match="none of its names stands for an allele"):
        load_source(annotated, "none", tsv(tmp_path / "none.tsv", "hgvs", ["T9999:c.1A>G"]))


def test_names_of_transcripts_need_gene_models(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "r.fa").write_text(f">1\n{GENOME[:2000]}\n")
    add_reference(catalog, tmp_path / "r.fa", "r")
    with pytest.raises(InputError, match=r"has no gene models.*line 2|line 2.*has no gene models"):
        load_source(catalog, "named", tsv(tmp_path / "c.tsv", "hgvs", ["T1:c.1A>G"]))
