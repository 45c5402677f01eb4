"""`bcftools csq -l` on the same models and alleles, its words as terms, and where it is known to say something else."""

import gzip
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.compute.annotate.gene_models import Model, write_gff3

Allele = tuple[int, str, str]

TERMS = {
    "synonymous": "synonymous_variant",
    "missense": "missense_variant",
    "frameshift": "frameshift_variant",
    "splice_acceptor": "splice_acceptor_variant",
    "splice_donor": "splice_donor_variant",
    "splice_region": "splice_region_variant",
    "stop_retained": "stop_retained_variant",
    "start_retained": "start_retained_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
    "intron": "intron_variant",
    "coding_sequence": "coding_sequence_variant",
    # csq does not tell exons of non-coding transcripts from introns.
    "non_coding": "non_coding",
}
_INDEL = {"frameshift_variant", "inframe_insertion", "inframe_deletion", "missense_variant", "stop_gained"}


def run_csq(
    bcftools: str, folder: Path, genome: str, models: Sequence[Model], alleles: Sequence[Allele]
) -> tuple[list[Allele], list[dict[str, set[str]]]]:
    """Alleles in normal form, each once, and what csq says of each, by transcript."""
    fasta, vcf, gff = folder / "r.fa", folder / "v.vcf", write_gff3(folder / "g.gff3", "1", models)
    fasta.write_text(f">1\n{genome}\n")
    with gzip.open(folder / "g.gff3.gz", "wb") as out:
        out.write(gff.read_bytes())
    head = f"##fileformat=VCFv4.2\n##contig=<ID=1,length={len(genome)}>\n"
    head += "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]) + "\n"
    vcf.write_text(head + "".join(f"1\t{p + 1}\t.\t{r}\t{a}\t.\t.\t.\n" for p, r, a in alleles))
    script = f"{bcftools} norm -f r.fa v.vcf | {bcftools} norm -d exact | {bcftools} csq -l -p a -f r.fa -g g.gff3.gz"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    by_gene = {f"N{model.gene}": model.name for model in models}
    normal, said = [], []
    for line in done.stdout.splitlines():
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        normal.append((int(fields[1]) - 1, fields[3], fields[4]))
        of: dict[str, set[str]] = {}
        for text in fields[7].removeprefix("BCSQ=").split(",") if fields[7] != "." else []:
            words, gene, name = text.split("|")[:3]
            terms = {TERMS.get(word, word) for word in words.lstrip("*").split("&")}
            of.setdefault(name or by_gene[gene], set()).update(terms)
        said.append(of)
    return normal, said


def comparable(terms: set[str], model: Model, allele: Allele) -> set[str]:
    """Terms as both can say them: docs/annotation.md has the list."""
    out = set(terms) - {
        "upstream_gene_variant",
        "downstream_gene_variant",
        "incomplete_terminal_codon_variant",
    }
    if model.cds is None:
        return {"non_coding"} if out else set()
    if "protein_altering_variant" in out:
        out -= {"protein_altering_variant"}
        out.add("inframe_insertion" if len(allele[2]) > len(allele[1]) else "inframe_deletion")
    if out & {"splice_donor_variant", "splice_acceptor_variant"}:
        out.discard("splice_region_variant")
    if "stop_retained_variant" in out:
        out -= _INDEL | {"synonymous_variant"}
    if "start_lost" in out:
        out -= _INDEL
    if "frameshift_variant" in out:
        out.discard("stop_gained")
    for term in ("intron_variant", "coding_sequence_variant"):
        if len(out) > 1:
            out.discard(term)
    return out


def explained(model: Model, allele: Allele, ours: set[str], theirs: set[str]) -> str | None:
    """Why csq says something else, by the names of docs/annotation.md; None: there is no reason."""
    start, ref, alt = allele
    while len(ref) and len(alt) and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) and len(alt) and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    end = start + len(ref)
    edges = {edge for exon in model.exons for edge in exon}
    if model.cds is None:
        return None
    places = model.coding_places()
    whole = (len(places) - model.phase) // 3 * 3 + model.phase
    # Of a CDS that goes on csq takes a new stop in the last whole codon for one that was there.
    incomplete = {*places[: model.phase], *places[whole if model.whole_end else whole - 3 :]}
    if incomplete & {*range(start - 1, end + 1)}:
        return "incomplete codons"
    for codon in (places[:3], places[-3:]):
        if max(codon) - min(codon) > 2 and {*codon} & {*range(start, end)}:
            return "a start or stop codon that an intron splits"
    if len(ref) == len(alt):
        over = edges | set(model.cds)
        if any(start < edge < end for edge in over):
            return "substitutions over an edge"
        different = ours ^ theirs
        if (
            len(ref) > 1
            and len(different) == 2
            and different < {"stop_gained", "missense_variant", "stop_retained_variant"}
        ):
            return "substitutions of several codons, one of them a stop"
        return None
    reach = range(start, end + 1)
    if any(
        edge in reach or edge + 3 == start == end or edge - 3 == start == end
        for edge in edges | set(model.cds)
    ):
        return "indels at an edge of exons or of the CDS"
    if model.whole_start and {*places[:3]} & {*range(start - 1, end + 1)}:
        return "indels at the start codon"
    if model.whole_end and {*places[-6:]} & {*range(start - 1, end + 1)}:
        return "indels at the stop codon"
    if ours - theirs == {"stop_lost"} or ours - theirs == {"stop_retained_variant"}:
        return "indels before a stop that the protein shows only there"
    return None
