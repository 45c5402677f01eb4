"""Terms and names of consequences, beside bcftools csq, a slow reading of the transcript, and examples by hand."""

import gzip
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compute.annotate import oracle
from tests.compute.annotate.asked import consequences
from tests.compute.annotate.csq import comparable, explained, run_csq
from tests.compute.annotate.gene_models import (
    Model,
    any_alleles,
    odd_models,
    random_alleles,
    random_models,
    reverse_complement,
    with_frames,
)

CHR20 = Path("/usr/share/doc/vt/examples/ref/20.fa.gz")
IN_FRAME = {"inframe_insertion", "inframe_deletion", "protein_altering_variant"}


def random_genome(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("ACGT", k=length))


def real_genome(length: int, first: int = 2_000_040) -> str:
    """Bases of human chromosome 20 (GRCh37) from a position on, where Debian's vt-examples has it."""
    if not CHR20.is_file():
        pytest.skip("no vt-examples; apt-get install vt-examples")
    taken: list[str] = []
    with gzip.open(CHR20, "rt") as lines:
        for number, line in enumerate(lines):
            # The first line names the sequence; the others have 60 bases each.
            if (number - 1) * 60 >= first:
                taken.append(line.strip().upper())
            if len(taken) * 60 >= length:
                break
    return "".join(taken)[:length]


def compare(bcftools: str, folder: Path, rng: random.Random, genome: str, number: int) -> dict[str, int]:
    models = random_models(rng, len(genome))
    genome = with_frames(rng, genome, models)
    return compare_alleles(bcftools, folder, genome, models, random_alleles(rng, genome, models, number))


def compare_alleles(
    bcftools: str, folder: Path, genome: str, models: list[Model], asked: list[tuple[int, str, str]]
) -> dict[str, int]:
    """How many pairs of an allele and a transcript are the same, and how many differ for which reason."""
    alleles, theirs = run_csq(bcftools, folder, genome, models, asked)
    ours = consequences(genome, models, alleles)
    by_name = {model.name: model for model in models}
    counts = {"same": 0}
    for allele, said, found in zip(alleles, theirs, ours, strict=True):
        for name in {*said, *(name for name in found if name is not None)}:
            mine = set(found[name]["terms"]) if name in found else set()
            one = comparable(mine, by_name[name], allele)
            other = comparable(said.get(name, set()), by_name[name], allele)
            reason = "same" if one == other else explained(by_name[name], allele, one, other)
            assert reason is not None, (allele, by_name[name], one, other, found.get(name))
            counts[reason] = counts.get(reason, 0) + 1
    return counts


@pytest.mark.parametrize("seed", [1, 2])
def test_terms_are_those_of_bcftools_csq_but_for_what_is_explained(
    peer: Callable[[str], str], tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    counts = compare(peer("bcftools"), tmp_path, rng, random_genome(rng, 120_000), 4_000)
    assert counts["same"] > 50 * sum(counts.values()) // 51, counts


def test_terms_are_those_of_bcftools_csq_on_real_sequence(peer: Callable[[str], str], tmp_path: Path) -> None:
    counts = compare(peer("bcftools"), tmp_path, random.Random(3), real_genome(150_000), 4_000)
    # Repeats move indels, so that more of them lie at an edge.
    assert counts["same"] > 30 * sum(counts.values()) // 31, counts


def test_real_variants_on_real_sequence_have_the_terms_of_bcftools_csq(
    peer: Callable[[str], str], tmp_path: Path, shared_data: Path
) -> None:
    first, length = 10_000_020, 400_000
    bcftools, rng = peer("bcftools"), random.Random(4)
    (vcf,) = (shared_data / "accuracy_NA12878_chr20").glob("HG001_chr20_*.vcf.gz")
    place = f"20:{first + 1}-{first + length}"
    query = [bcftools, "query", "-r", place, "-f", "%POS\\t%REF\\t%ALT\\n", str(vcf)]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    genome = real_genome(length, first)
    # Close together, so that most variants lie in a transcript.
    models = random_models(rng, len(genome), spacing=600)
    genome = with_frames(rng, genome, models)
    alleles = []
    for line in lines:
        position, ref, alts = line.split("\t")
        start = int(position) - 1 - first
        # Where a CDS was given its frame the sequence is not the reference's.
        if start + len(ref) < length and genome[start : start + len(ref)] == ref:
            alleles += [(start, ref, alt) for alt in alts.split(",") if set(alt) <= set("ACGT")]
    counts = compare_alleles(bcftools, tmp_path, genome, models, alleles)
    assert counts["same"] > 300
    assert counts["same"] > 30 * sum(counts.values()) // 31, counts


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_names_are_those_of_a_transcript_written_anew(seed: int) -> None:
    rng = random.Random(seed)
    genome = random_genome(rng, 9_000)
    models = random_models(rng, len(genome), spacing=6_000)
    genome = with_frames(rng, genome, models)
    alleles = random_alleles(rng, genome, models, 80)
    readings = {model.name: oracle.read(model, genome) for model in models}
    for allele, found in zip(alleles, consequences(genome, models, alleles), strict=True):
        for model in models:
            row, reading = found.get(model.name), readings[model.name]
            first, last, new = oracle.change(model, *allele)
            if row is None or row["distance"] or first < 0 or last > len(reading.bases):
                continue
            if row["terms"] == ["transcript_ablation"]:
                continue
            assert row["hgvs_c"] == oracle.coding_name(model, reading, first, last, new), (allele, model)
            if model.cds is None or not oracle.is_inside_cds(reading, first, last):
                continue
            name, terms = oracle.of_protein(model, reading, first, last, new)
            mine = set(row["terms"]) - {"splice_region_variant"}
            assert not name or row["hgvs_p"] == name, (allele, model, row)
            assert terms <= mine, (allele, model, row, terms)
            assert mine - terms <= (IN_FRAME if terms & {"stop_gained", "stop_lost"} else set()), (row, terms)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_odd_transcripts_and_changes_have_names_and_terms(seed: int) -> None:
    rng = random.Random(seed)
    genome = "".join(rng.choices("ACGTN" if seed % 5 == 0 else "ACGT", k=400))
    models = odd_models(rng, len(genome), 4)
    alleles = any_alleles(rng, genome, 60)
    readings = {model.name: oracle.read(model, genome) for model in models}
    for allele, found in zip(
        alleles, consequences(genome, models, alleles, rng.choice(["1", "M"])), strict=True
    ):
        for model in models:
            row, reading = found[model.name], readings[model.name]
            assert row["terms"]
            first, last, new = oracle.change(model, *allele)
            if row["distance"] or row["terms"] == ["transcript_ablation"]:
                assert row["hgvs_c"] is None
            elif first >= 0 and last <= len(reading.bases):
                assert row["hgvs_c"] == oracle.coding_name(model, reading, first, last, new), (allele, model)


# ATG GCT AAA | intron | CTG TGG CCC GAT TAA on the forward strand, with a UTR of 5 before and of 9 after it.
EXON_1, INTRON, EXON_2 = "CCCCCATGGCTAAA", "GT" + "ACGTC" * 12 + "AG", "CTGTGGCCCGATTAAGGGTAACCC"
GENE = EXON_1 + INTRON + EXON_2
BEFORE = "TTGACTTGAC" * 600
GENOME = BEFORE + GENE + "GATTCGATTC" * 600
AT = len(BEFORE)
SECOND = AT + len(EXON_1) + len(INTRON)
FORWARD = Model(
    name="T",
    gene="G",
    strand="+",
    exons=((AT, AT + len(EXON_1)), (SECOND, SECOND + len(EXON_2))),
    cds=(AT + 5, SECOND + 15),
)


def one(
    start: int, ref: str, alt: str, *, model: Model = FORWARD, genome: str = GENOME, contig: str = "1"
) -> dict:
    assert genome[start : start + len(ref)] == ref
    (found,) = consequences(genome, [model], [(start, ref, alt)], contig)
    (row,) = found.values()
    return row


@pytest.mark.parametrize(
    ("start", "ref", "alt", "terms", "name_c", "name_p"),
    [
        (AT + 5, "A", "G", "start_lost", "c.1A>G", "p.Met1?"),
        (AT + 8, "G", "A", "missense_variant", "c.4G>A", "p.Ala2Thr"),
        (AT + 10, "T", "C", "synonymous_variant", "c.6T>C", "p.Ala2="),
        (AT + 11, "A", "T", "splice_region_variant stop_gained", "c.7A>T", "p.Lys3Ter"),
        (AT + 2, "C", "A", "5_prime_UTR_variant", "c.-3C>A", None),
        (AT + 14, "G", "A", "splice_donor_variant", "c.9+1G>A", None),
        (AT + 17, "C", "A", "intron_variant splice_region_variant", "c.9+4C>A", None),
        (AT + 40, "C", "A", "intron_variant", "c.9+27C>A", None),
        (SECOND - 1, "G", "A", "splice_acceptor_variant", "c.10-1G>A", None),
        (SECOND - 12, "A", "T", "intron_variant", "c.10-12A>T", None),
        (SECOND + 5, "G", "A", "stop_gained", "c.15G>A", "p.Trp5Ter"),
        (SECOND + 12, "T", "C", "stop_lost", "c.22T>C", "p.Ter8GlnextTer2"),
        (SECOND + 14, "A", "G", "stop_retained_variant", "c.24A>G", "p.Ter8="),
        (SECOND + 16, "G", "T", "3_prime_UTR_variant", "c.*2G>T", None),
        (SECOND + 5, "GC", "G", "frameshift_variant", "c.18del", "p.Asp7IlefsTer?"),
        (SECOND + 5, "GCCC", "G", "inframe_deletion", "c.16_18del", "p.Pro6del"),
        (SECOND + 5, "G", "GCCC", "inframe_insertion", "c.16_18dup", "p.Pro6dup"),
        (SECOND + 5, "G", "GAAA", "inframe_insertion", "c.15_16insAAA", "p.Trp5_Pro6insLys"),
        (SECOND + 6, "C", "CAAA", "protein_altering_variant", "c.16_17insAAA", "p.Pro6delinsGlnThr"),
        (SECOND + 3, "TG", "CA", "missense_variant", "c.13_14inv", "p.Trp5Gln"),
        (AT - 300, "T", "A", "upstream_gene_variant", None, None),
        (SECOND + len(EXON_2) + 99, "C", "A", "downstream_gene_variant", None, None),
    ],
)
def test_examples_by_hand(
    start: int, ref: str, alt: str, terms: str, name_c: str | None, name_p: str | None
) -> None:
    row = one(start, ref, alt)
    assert sorted(row["terms"]) == terms.split()
    assert (row["hgvs_c"], row["hgvs_p"]) == (name_c, name_p)
    # The same gene on the other strand.
    end = len(GENOME)
    back = Model(
        name="T",
        gene="G",
        strand="-",
        exons=tuple((end - e, end - s) for s, e in FORWARD.exons[::-1]),
        cds=(end - SECOND - 15, end - AT - 5),
    )
    other = reverse_complement(GENOME)
    if len(ref) == len(alt):
        first = end - start - len(ref)
        mirrored = one(first, reverse_complement(ref), reverse_complement(alt), model=back, genome=other)
        assert (mirrored["terms"], mirrored["hgvs_c"], mirrored["hgvs_p"]) == (row["terms"], name_c, name_p)


def test_what_stands_beside_a_name() -> None:
    row = one(SECOND + 4, "G", "C")
    assert (row["codons"], row["amino_acids"]) == ("tGg/tCg", "W/S")
    assert (row["cds_position"], row["protein_position"], row["exon"], row["intron"]) == (14, 5, "2/2", None)
    assert row["impact"] == "MODERATE"
    assert one(AT + 14, "G", "A")["intron"] == "1/1"
    assert one(AT - 300, "T", "A")["distance"] == 300


def test_far_from_any_transcript_an_allele_is_intergenic() -> None:
    (found,) = consequences(GENOME, [FORWARD], [(100, GENOME[100], "G" if GENOME[100] != "G" else "C")])
    assert found[None]["terms"] == ["intergenic_variant"]
    (found,) = consequences(GENOME, [FORWARD], [(AT + 8, "G", "<DEL>")])
    assert found[None]["terms"] == ["sequence_variant"]


def test_a_transcript_that_is_gone_is_ablated() -> None:
    start, end = AT - 3, SECOND + len(EXON_2) + 3
    assert one(start, GENOME[start:end], GENOME[start])["terms"] == ["transcript_ablation"]


def test_mitochondria_have_a_code_of_their_own() -> None:
    # TGG to TGA is tryptophan still.
    assert one(SECOND + 5, "G", "A", contig="chrM")["hgvs_p"] == "p.Trp5="
    assert one(SECOND + 5, "G", "A", contig="20")["hgvs_p"] == "p.Trp5Ter"


def test_loss_of_function_has_its_doubts_beside_it() -> None:
    stop = one(AT + 11, "A", "T")  # three bases before the last junction: no decay
    assert (stop["lof"], stop["lof_doubts"]) == (True, ["nmd_escape"])
    donor = one(AT + 14, "G", "A")
    assert (donor["lof"], donor["lof_doubts"]) == (True, None)
    assert one(SECOND + 4, "G", "C")["lof"] is False
    long = "GCT" * 60
    genome = GENOME[: AT + 8] + long + GENOME[AT + 8 :]
    grown = Model(
        name="T",
        gene="G",
        strand="+",
        exons=((AT, AT + 14 + 180), (SECOND + 180, SECOND + 180 + len(EXON_2))),
        cds=(AT + 5, SECOND + 180 + 15),
    )
    early = one(AT + 8, "GCT", "TAA", model=grown, genome=genome)
    assert (early["terms"], early["lof_doubts"]) == (["stop_gained"], None)
    lost = one(AT + 5, "A", "G")
    assert lost["lof_doubts"] == ["start_lost"]
