"""A simulated cohort in a lake, beside bcftools on an indexed BCF and plain DuckDB on a flat Parquet of the same calls.

Genotypes are drawn from allele frequencies of a neutral population (density 1/f), independently: nothing here is about
linkage. For each number of samples the same sites are imported, asked, and one more sample is added. Commands are fresh
processes, interleaved, on the same cores; `cold` is the first, the files having been put out of the page cache. What is
asked within an open lake, and of DuckDB within an open connection, is the median processor time of five turns after the
first.

    python benchmarks/cohort.py --samples 100,500,2500 --sites 8000 --rounds 3
    python benchmarks/cohort.py --vcf ../shared/data/variants/query.vcf.gz ...   # the same of files that are there
"""

import argparse
import json
import math
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import Measurement, measure

CONTIG = "20"
SPACING = 40  # bases between sites: 1000 Genomes has a variant every 35 of chromosome 20
NEW_ALLELES = 50  # that only the sample added last has
EXONS, EXON_BASES, INTRON_BASES = 10, 200, 2_000  # of the gene that is asked for
_FLAT = """
COPY (
    SELECT g.sample_id, g.variant_id, g.contig, g.start, v.ref, v.alt, g.gt, g.alt_copies, g.gq, g.dp, g.ad_ref,
        g.ad_alt, g.pl
    FROM genotypes AS g JOIN variants AS v USING (reference, contig, start, variant_id) ORDER BY g.start, g.sample_id
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A question: as a macro with its arguments, as a bcftools command, and in SQL of the flat Parquet `flat`."""

    question: tuple[str, ...]
    bcftools: str
    flat: str


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", default="100,500,2500")
    parser.add_argument("--sites", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--genotypes-only", action="store_true", help="FORMAT is GT alone")
    parser.add_argument("--vcf", type=Path, nargs="+", help="files to ask of, in place of a simulated cohort")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    for vcf in options.vcf or ():
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            _ask_file(Path(folder), vcf, options.rounds)
    if options.vcf:
        return
    found: dict[int, dict[str, tuple[float, float]]] = {}
    for samples in map(int, options.samples.split(",")):
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            found[samples] = _run(Path(folder), samples, options)
    if len(found) > 1:
        _growth(found)


def _run(folder: Path, samples: int, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Print a table; by question, processor time of the whole command, s, and within an open lake, ms."""
    bcf = _simulate(folder, samples, options.sites, full=not options.genotypes_only)
    baselake = f"{sys.executable} {Path(sys.executable).with_name('baselake')} --lake"
    empty, lake = folder / "empty", folder / "lake"
    _quietly(f"{baselake} {empty} init && {baselake} {empty} reference add {folder / 'r.fa'} --name flat")
    form = "GT" if options.genotypes_only else "GT:AD:DP:GQ:PL"
    print(f"\n{samples} samples, {options.sites:,} sites, {form}, BCF {bcf.stat().st_size / 1e6:.1f} MB\n")
    print(
        "| | baselake wall s, cold | warm | CPU s | in an open lake, CPU ms | bcftools wall s, cold | warm | CPU s"
        " | DuckDB, flat, CPU ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    walls: dict[str, tuple[float, float]] = {}

    def contest(ours: str, theirs: str, before: str = "") -> tuple[list[Measurement], list[Measurement]]:
        runs: tuple[list[Measurement], list[Measurement]] = ([], [])
        for turn in range(options.rounds + 1):
            for command, kept in zip((ours, theirs), runs, strict=True):
                if not command:
                    continue
                if before:
                    _quietly(before)
                if turn == 0:
                    _evict(folder)
                kept.append(
                    measure(command.format(turn=turn), cores=(0, 1), environment={}, log=folder / "log")
                )
        return runs

    def show(
        name: str, runs: tuple[list[Measurement], list[Measurement]], within: str = "", flat: str = ""
    ) -> None:
        ours, theirs = runs
        wall = statistics.median(run.wall_seconds for run in ours[1:])
        used = statistics.median(run.cpu_seconds for run in ours[1:])
        walls[name] = (used, float(within) if within else math.nan)
        figures = [f"{ours[0].wall_seconds:.2f}", f"{wall:.2f}"]
        figures += [f"{used:.2f}", within]
        if theirs:
            figures += [f"{theirs[0].wall_seconds:.2f}"]
            figures += [f"{statistics.median(run.wall_seconds for run in theirs[1:]):.2f}"]
            figures += [f"{statistics.median(run.cpu_seconds for run in theirs[1:]):.2f}"]
        else:
            figures += ["", "", ""]
        print(f"| {name} | {' | '.join(figures)} | {flat} |", flush=True)

    anew = f"rm -rf {lake} && cp -r {empty} {lake}"
    again = f"bcftools view -Ob -o {folder / 'again.bcf'} {bcf}"
    show("import; bcftools view", contest(f"{baselake} {lake} ingest {bcf}", again, anew))
    _quietly(f"{anew} && {baselake} {lake} ingest {bcf} && {baselake} {lake} pedigree add {folder / 'f.ped'}")
    _write_gene(folder, options.sites // 2 * SPACING)
    _quietly(f"{baselake} {lake} annotate genes {folder / 'g.gff3'} && {baselake} {lake} annotate variants")
    contests = _contests(bcf, options.sites)
    script = folder / "inner.py"
    script.write_text(_INNER)
    text = subprocess.run(
        [sys.executable, str(script), str(lake), str(folder / "flat.parquet")],
        input=json.dumps({"flat": _FLAT, "asked": {name: (c.question, c.flat) for name, c in contests.items()}}),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    within: Mapping[str, tuple[float, float]] = json.loads(text)
    for name, each in contests.items():
        words = each.question if each.question[0] == "sql" else ("query", *each.question)
        ask = f"{baselake} {lake} {shlex.join(words)} --format csv"
        lake_ms, flat_ms = within[name]
        show(name, contest(ask, each.bcftools), f"{lake_ms:.0f}", f"{flat_ms:.0f}")
    for turn in range(options.rounds + 1):
        _one_more(folder / f"new{turn}.vcf", f"NEW{turn}", options.sites, turn)
    one = contest(f"{baselake} {lake} ingest {folder}/new{{turn}}.vcf", "")
    show("one sample more", one)
    show(
        "genotyping all together", contest(f"{baselake} {lake} genotype all", again, _restored(lake, folder))
    )
    size = sum(path.stat().st_size for path in (lake / "data" / "main" / "genotypes").rglob("*.parquet"))
    files = len(list((lake / "data" / "main" / "genotypes").rglob("*.parquet")))
    print(f"\ngenotypes: {files} files of {size / 1e6:.1f} MB; flat Parquet"
          f" {(folder / 'flat.parquet').stat().st_size / 1e6:.1f} MB")  # fmt: skip
    return walls


def _ask_file(folder: Path, vcf: Path, rounds: int) -> None:
    """Print a table of a file that is there: questions of its middle record and of all of it."""
    bcf, fasta, lake = folder / "file.bcf", folder / "r.fa", folder / "lake"
    if vcf.suffix == ".bcf" and Path(f"{vcf}.csi").exists():
        bcf = vcf
    else:
        _quietly(f"bcftools view -Ob -o {bcf} {vcf} && bcftools index {bcf}")
    text = subprocess.run(
        ["bcftools", "query", "-f", "%CHROM\\t%POS\\t%REF\\t%ALT\\n", bcf],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    header = subprocess.run(
        ["bcftools", "view", "-h", bcf], capture_output=True, text=True, check=True
    ).stdout
    samples = header.splitlines()[-1].split("\t")[9:]
    lengths = {name: int(n) for name, n in re.findall(r"##contig=<ID=([^,>]+).*?length=(\d+)", header)}
    with open(fasta, "wb") as out:  # N where no record tells what the assembly has
        for contig in dict.fromkeys(row[0] for row in rows):
            here = [(int(row[1]) - 1, row[2].upper().encode()) for row in rows if row[0] == contig]
            bases = bytearray(
                b"N" * max(lengths.get(contig, 0), max(start + len(ref) for start, ref in here) + 1)
            )
            for start, ref in here:
                bases[start : start + len(ref)] = ref
            out.write(b">%s\n%s\n" % (contig.encode(), bases))
    baselake = f"{sys.executable} {Path(sys.executable).with_name('baselake')} --lake {lake}"
    anew = f"rm -rf {lake} && {baselake} init && {baselake} reference add {fasta} --name masked"
    plain = [row for row in rows if re.fullmatch("[ACGT]", row[2]) and re.fullmatch("[ACGT]", row[3])]
    contig, position, ref, alt = plain[len(plain) // 2]
    first, last = max(1, int(position) - 5_000), int(position) + 5_000
    place, variant = f"{contig}:{first}-{last}", f"{contig}-{position}-{ref}-{alt}"
    fill = "bcftools +fill-tags -Ou -- -t AC,AN,AF | bcftools query -f '%POS %AC %AN %AF\\n'"
    asked = {
        "calls of 10 kb": (
            ("sql", f"SELECT start, sample_id, gt FROM region('{place}')"),
            f"bcftools query -r {place} -i 'GT=\"alt\"' -f '[%POS %SAMPLE %GT\\n]' {bcf}",
        ),
        "carriers of an allele": (
            ("carriers", variant),
            f"bcftools query -r {contig}:{position} -i 'GT=\"alt\"' -f '[%SAMPLE %GT\\n]' {bcf}",
        ),
        "frequencies, all": (("allele_frequency", "all"), f"bcftools view -Ou {bcf} | {fill}"),
        "ti/tv of one person, all": (("titv", samples[0]), f"bcftools stats -s {samples[0]} {bcf}"),
        "calls of one person, all": (
            ("sql", f"SELECT * FROM calls WHERE sample_id = '{samples[0]}'"),
            f"bcftools view -s {samples[0]} -Ou {bcf} | bcftools query -i 'GT=\"alt\"' -f '%POS[ %GT]\\n'",
        ),
    }
    print(f"\n{vcf.name}: {len(samples):,} samples, {len(rows):,} records\n")
    print("| | baselake wall s, cold | warm | CPU s | bcftools wall s, cold | warm | CPU s |")
    print("|---|---|---|---|---|---|---|")
    contests = {
        "import; bcftools view": (
            "ingest " + shlex.quote(str(bcf)),
            f"bcftools view -Ob -o {folder / 'again.bcf'} {bcf}",
        )
    }
    for name, (question, theirs) in asked.items():
        words = question if question[0] == "sql" else ("query", *question)
        contests[name] = (f"{shlex.join(words)} --format csv", theirs)
    for name, (ours, theirs) in contests.items():
        runs: tuple[list[Measurement], list[Measurement]] = ([], [])
        for turn in range(rounds + 1):
            if ours.startswith("ingest"):
                _quietly(anew)
            for command, kept in zip((f"{baselake} {ours}", theirs), runs, strict=True):
                if turn == 0:
                    _evict(folder)
                kept.append(measure(command, cores=(0, 1), environment={}, log=folder / "log"))
        figures = []
        for of in runs:
            warm = of[1:]
            figures.append(f"{of[0].wall_seconds:.2f}")
            figures.append(f"{statistics.median(run.wall_seconds for run in warm):.2f}" if warm else "")
            figures.append(f"{statistics.median(run.cpu_seconds for run in warm or of):.2f}")
        print(f"| {name} | {' | '.join(figures)} |", flush=True)


def _restored(lake: Path, folder: Path) -> str:
    """A command after which the lake is as it was when this one was first run."""
    kept = folder / "kept"
    return f"test -d {kept} || cp -r {lake} {kept}; rm -rf {lake} && cp -r {kept} {lake}"


# Times of questions within an open lake and of SQL on a flat Parquet: JSON in, JSON out, milliseconds.
_INNER = """
import json, statistics, sys, time
import duckdb
from baselake import open as open_lake

def median(ask):
    times = []
    for _ in range(6):
        begun = time.process_time()
        ask()
        times.append(1000 * (time.process_time() - begun))
    return statistics.median(times[1:])

given = json.load(sys.stdin)
found = {}
with open_lake(sys.argv[1]) as lake:
    lake.catalog.query("SELECT 1")
    con = lake.catalog.connection.cursor()
    con.execute("USE lake")
    con.execute(given["flat"].format(path=sys.argv[2]))
    flat = duckdb.connect()
    flat.execute("SET threads = 2")
    flat.execute(f"CREATE VIEW flat AS FROM read_parquet('{sys.argv[2]}')")
    for name, (question, sql) in given["asked"].items():
        if question[0] == "sql":
            found[name] = (median(lambda: lake.sql(question[1])), median(lambda: flat.execute(sql).to_arrow_table()))
            continue
        positional = [part for part in question[1:] if "=" not in part]
        named = dict(part.split("=", 1) for part in question[1:] if "=" in part)
        ours = median(lambda: lake.query(question[0], *positional, **named))
        theirs = median(lambda: flat.execute(sql).to_arrow_table())
        found[name] = (ours, theirs)
print(json.dumps(found))
"""


def _contests(bcf: Path, sites: int) -> dict[str, Contest]:
    middle = sites // 2 * SPACING
    first, last = middle + 1, middle + 100_000
    place, variant = f"{CONTIG}:{first}-{last}", f"{CONTIG}-{first}-A-C"
    here = f"start >= {first - 1} AND start < {last}"
    trio = 'GT[0]="alt" && GT[1]="ref" && GT[2]="ref"'
    sums = "variant_id, sum(alt_copies) AS ac, count(alt_copies) * 2 AS an"
    fill = "bcftools +fill-tags -Ou -- -t AC,AN,AF | bcftools query -f '%POS %AC %AN %AF\\n'"
    return {
        "calls of 100 kb": Contest(
            question=("sql", f"SELECT start, sample_id, gt, gq, dp FROM region('{place}')"),
            bcftools=f"bcftools query -r {place} -i 'GT=\"alt\"' -f '[%POS %SAMPLE %GT %GQ %DP\\n]' {bcf}",
            flat=f"SELECT start, sample_id, gt, gq, dp FROM flat WHERE {here} AND alt_copies > 0",
        ),
        "carriers of an allele": Contest(
            question=("carriers", variant),
            bcftools=f"bcftools query -r {CONTIG}:{first} -i 'GT=\"alt\"' -f '[%SAMPLE %GT\\n]' {bcf}",
            flat=f"SELECT sample_id, gt FROM flat WHERE start = {first - 1} AND variant_id = '{variant}'"
            " AND alt_copies > 0",
        ),
        "one genotype of one person": Contest(
            question=("genotype_of", variant, "S7"),
            bcftools=f"bcftools query -r {CONTIG}:{first} -s S7 -f '[%GT\\n]' {bcf}",
            flat=f"SELECT gt FROM flat WHERE start = {first - 1} AND sample_id = 'S7' AND variant_id = '{variant}'",
        ),
        "alleles of a gene's exons": Contest(
            question=(
                "sql",
                "SELECT * FROM gene('G') WHERE list_contains(terms, 'non_coding_transcript_exon_variant')",
            ),
            bcftools=f"bcftools view -G -R {bcf.with_name('exons.bed')} -Ou {bcf}"
            " | bcftools query -f '%POS %REF %ALT\\n'",
            flat="SELECT DISTINCT variant_id, ref, alt FROM flat WHERE "
            + " OR ".join(f"(start >= {a} AND start < {b})" for a, b in _exons(middle)),
        ),
        "frequencies, 100 kb": Contest(
            question=("allele_frequency", "all", f"place={place}"),
            bcftools=f"bcftools view -r {place} -Ou {bcf} | {fill}",
            flat=f"SELECT {sums} FROM flat WHERE {here} GROUP BY variant_id",
        ),
        "frequencies, all": Contest(
            question=("allele_frequency", "all"),
            bcftools=f"bcftools view -Ou {bcf} | {fill}",
            flat=f"SELECT {sums} FROM flat GROUP BY variant_id",
        ),
        "frequencies of who has 10 reads, all": Contest(
            question=("allele_frequency", "all", "min_depth=10"),
            bcftools=f"bcftools +setGT -Ou {bcf} -- -t q -n . -i 'FMT/DP<10 & GT=\"ref\"' | {fill}",
            flat=f"SELECT {sums} FROM flat WHERE alt_copies > 0 OR dp >= 10 GROUP BY variant_id",
        ),
        "ti/tv of one person, all": Contest(
            question=("titv", "S0"),
            bcftools=f"bcftools stats -s S0 {bcf}",
            flat="SELECT count(*) FROM flat WHERE sample_id = 'S0' AND alt_copies > 0",
        ),
        "de novo, all": Contest(
            question=("de_novo", "F"),
            bcftools=f"bcftools view -s S0,S1,S2 -Ou {bcf} | bcftools query -i '{trio}' -f '%POS\\n'",
            flat="SELECT variant_id FROM flat WHERE sample_id IN ('S0', 'S1', 'S2') GROUP BY variant_id"
            " HAVING sum(alt_copies) FILTER (sample_id = 'S0') > 0"
            " AND sum(alt_copies) FILTER (sample_id <> 'S0') = 0",
        ),
        "calls of one person, all": Contest(
            question=("sql", "SELECT * FROM calls WHERE sample_id = 'S7'"),
            bcftools=f"bcftools view -s S7 -Ou {bcf} | bcftools query -i 'GT=\"alt\"' -f '%POS[ %GT %DP]\\n'",
            flat="SELECT * FROM flat WHERE sample_id = 'S7' AND alt_copies > 0",
        ),
    }


def _growth(found: Mapping[int, Mapping[str, tuple[float, float]]]) -> None:
    """Print how processor time grows with samples: exponents of least squares in logarithms."""
    print("\n| | exponent, whole command | in an open lake |\n|---|---|---|")
    counts = np.log(list(found))
    for name in next(iter(found.values())):
        exponents = []
        for which in (0, 1):
            times = np.array([walls[name][which] for walls in found.values()])
            fits = np.isfinite(times).all()
            exponents.append(f"{np.polyfit(counts, np.log(times), 1)[0]:.2f}" if fits else "")
        print(f"| {name} | {' | '.join(exponents)} |")


def _quietly(command: str) -> None:
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _evict(folder: Path) -> None:
    """Put what is in a folder out of the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _simulate(folder: Path, samples: int, sites: int, *, full: bool) -> Path:
    """A BCF with its index, its reference `r.fa` and a pedigree `f.ped` of the first three samples."""
    length = sites * SPACING + 200_000
    (folder / "r.fa").write_text(f">{CONTIG}\n{'A' * length}\n")
    (folder / "f.ped").write_text("F S0 S1 S2 1 2\nF S1 0 0 1 1\nF S2 0 0 2 1\n")
    bcf = folder / "cohort.bcf"
    with subprocess.Popen(["bcftools", "view", "-Ob", "-o", bcf], stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        writer.stdin.write(_header(length, [f"S{i}" for i in range(samples)]))
        for line in _lines(samples, sites, full=full):
            writer.stdin.write(line)
    subprocess.run(["bcftools", "index", bcf], check=True)
    return bcf


def _exons(start: int) -> list[tuple[int, int]]:
    step = EXON_BASES + INTRON_BASES
    return [(start + n * step, start + n * step + EXON_BASES) for n in range(EXONS)]


def _write_gene(folder: Path, start: int) -> None:
    """Gene models `g.gff3` of one gene, and its exons as `exons.bed`."""
    exons = _exons(start)
    rows = [("gene", "ID=gene:G;Name=G", exons[0][0], exons[-1][1])]
    rows += [("mRNA", "ID=transcript:T;Parent=gene:G", exons[0][0], exons[-1][1])]
    rows += [("exon", "Parent=transcript:T", first, last) for first, last in exons]
    lines = [
        f"{CONTIG}\tmade\t{kind}\t{first + 1}\t{last}\t.\t+\t.\t{said}" for kind, said, first, last in rows
    ]
    (folder / "g.gff3").write_text("\n".join(["##gff-version 3", *lines, ""]))
    (folder / "exons.bed").write_text("".join(f"{CONTIG}\t{first}\t{last}\n" for first, last in exons))


def _one_more(path: Path, name: str, sites: int, seed: int) -> None:
    """A VCF of one sample: genotypes of the cohort's sites, and some alleles that nobody else has."""
    random = np.random.default_rng(1000 + seed)
    rows = [(site * SPACING + 1, "C", int(random.random() < 0.05)) for site in range(sites)]
    new = random.choice(sites, NEW_ALLELES, replace=False)
    rows += [(int(site) * SPACING + 11 + seed, "G", 1) for site in new]
    with open(path, "w") as out:
        out.write(_header(sites * SPACING + 200_000, [name]))
        for position, alternate, copies in sorted(rows):
            shown = _sample(copies, 30, 15 * copies)
            out.write(f"{CONTIG}\t{position}\t.\tA\t{alternate}\t50\tPASS\t.\tGT:AD:DP:GQ:PL\t{shown}\n")


def _header(length: int, names: list[str]) -> str:
    lines = ["##fileformat=VCFv4.3", f"##contig=<ID={CONTIG},length={length}>"]
    for key, number, kind in (("GT", 1, "String"), ("AD", "R", "Integer"), ("DP", 1, "Integer"),
                              ("GQ", 1, "Integer"), ("PL", "G", "Integer")):  # fmt: skip
        lines.append(f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{key}">')
    columns = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names)
    return "\n".join([*lines, "\t".join(columns)]) + "\n"


def _lines(samples: int, sites: int, *, full: bool) -> Iterator[str]:
    random = np.random.default_rng(20)
    genotypes = ("0/0", "0/1", "1/1")
    for site in range(sites):
        frequency = (1 / (2 * samples)) ** random.random()
        copies = random.binomial(2, frequency, samples)
        start = f"{CONTIG}\t{site * SPACING + 1}\t.\tA\tC\t{random.integers(30, 3000)}\tPASS\t.\t"
        if not full:
            yield start + "GT\t" + "\t".join(genotypes[c] for c in copies) + "\n"
            continue
        depth = random.poisson(30, samples) + 1
        alternate = random.binomial(depth, np.array((0.002, 0.5, 0.998))[copies])
        # Many samples have the same: each text is made once.
        kinds, which = np.unique(copies * 1_000_000 + depth * 1000 + alternate, return_inverse=True)
        texts = [_sample(kind // 1_000_000, kind // 1000 % 1000, kind % 1000) for kind in kinds.tolist()]
        yield start + "GT:AD:DP:GQ:PL\t" + "\t".join(texts[i] for i in which.tolist()) + "\n"


def _sample(copies: int, depth: int, alternate: int) -> str:
    quality = min(3 * depth, 99)
    likelihoods = ((0, quality, 12 * depth), (11 * depth, 0, 11 * depth), (12 * depth, quality, 0))[copies]
    gt = ("0/0", "0/1", "1/1")[copies]
    return f"{gt}:{depth - alternate},{alternate}:{depth}:{quality}:{','.join(map(str, likelihoods))}"


if __name__ == "__main__":
    main()
