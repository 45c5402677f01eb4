"""Small VCF files, and references they are right on."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

HEADER = """\
##fileformat=VCFv4.3
##FILTER=<ID=low,Description="Low">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Alleles">
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">
##INFO=<ID=DB,Number=0,Type=Flag,Description="Known">
##INFO=<ID=GENES,Number=.,Type=String,Description="Genes">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=MQ,Number=1,Type=Float,Description="Mapping quality">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description="Least depth">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
##FORMAT=<ID=AB,Number=1,Type=Float,Description="Balance">
##FORMAT=<ID=FT,Number=1,Type=String,Description="Filter">
"""


def write_vcf(path: Path, records: Iterable[str], samples: Sequence[str] = (), header: str = HEADER) -> Path:
    """A VCF file; records are given with blanks for tabs."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    columns += ["FORMAT", *samples] if samples else []
    lines = ["\t".join(columns), *("\t".join(record.split()) for record in records)]
    path.write_text(header + "\n".join(lines) + "\n")
    return path


def write_reference(path: Path, vcf: Path, bcftools: str, *, unknown: bool = False) -> Path:
    """A FASTA that has N but where a file says what the reference is; contigs as long as the file declares or needs.

    Args:
        path: the FASTA.
        vcf: the file.
        bcftools: its path.
        unknown: N everywhere, for files that contradict themselves.
    """
    query = [bcftools, "query", "-f", "%CHROM\\t%POS\\t%REF\\n", vcf]
    rows = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    header = subprocess.run([bcftools, "view", "-h", vcf], capture_output=True, text=True, check=True).stdout
    declared = {name: int(n) for name, n in re.findall(r"##contig=<ID=([^,>]+),length=(\d+)", header)}
    contigs: dict[str, bytearray] = {}
    for row in rows:
        name, position, ref = row.split("\t")
        bases = contigs.setdefault(name.strip("<>"), bytearray())
        start = int(position) - 1
        bases.extend(b"N" * (start + len(ref) + 1 - len(bases)))
        if ref != "N" and start >= 0 and not unknown:
            bases[start : start + len(ref)] = ref.upper().encode()
    with open(path, "wb") as out:
        for name, bases in (contigs or {"1": bytearray(b"NN")}).items():
            out.write(b">%s\n%s\n" % (name.encode(), bytes(bases).ljust(declared.get(name, 0), b"N")))
    return path
