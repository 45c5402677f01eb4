"""Gene models of each flavour say the same; what is none is refused with its line; releases follow one another."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import add_reference
from baselake.config import Config
from baselake.errors import InputError, NotFoundError
from baselake.ingest.genes import load_genes
from tests.commands import baselake

# One gene on the reverse strand: exons 101-200, 301-400, 501-600; the CDS is 151-550, its stop codon 151-153.
EXONS = ((101, 200), (301, 400), (501, 600))
CODING = ((501, 550, 0), (301, 400, 1), (151, 200, 0))


def gff3(contig: str, gene: str, transcript: str, exon: str, cds: str) -> str:
    lines = ["##gff-version 3"]

    def add(kind: str, start: int, end: int, phase: object, attributes: str) -> None:
        lines.append(f"{contig}\tx\t{kind}\t{start}\t{end}\t.\t-\t{phase}\t{attributes}")

    add("gene", 101, 600, ".", gene)
    add("mRNA", 101, 600, ".", transcript)
    for start, end in EXONS:
        add("exon", start, end, ".", exon)
    for start, end, phase in CODING:
        add("CDS", start, end, phase, cds)
    return "\n".join(lines) + "\n"


def gtf(contig: str, gene: str, transcript: str, protein: str) -> str:
    lines = ["#!genebuild-last-updated 2026-01"]

    def add(kind: str, start: int, end: int, phase: object, attributes: str) -> None:
        lines.append(f"{contig}\tx\t{kind}\t{start}\t{end}\t.\t-\t{phase}\t{attributes}")

    add("gene", 101, 600, ".", gene)
    add("transcript", 101, 600, ".", f"{gene} {transcript}")
    for start, end in EXONS:
        add("exon", start, end, ".", f"{gene} {transcript}")
    for start, end, phase in CODING:
        # GTF has the stop codon outside the CDS.
        add("CDS", 154 if start == 151 else start, end, phase, f"{gene} {transcript} {protein}")
    add("stop_codon", 151, 153, 0, f"{gene} {transcript}")
    return "\n".join(lines) + "\n"


FLAVOURS = {
    "ensembl.gff3": gff3(
        "1",
        "ID=gene:ENSG01;Name=ABC;biotype=protein_coding;gene_id=ENSG01;version=3",
        "ID=transcript:ENST01;Parent=gene:ENSG01;biotype=protein_coding;tag=basic,Ensembl_canonical,MANE_Select;"
        "transcript_id=ENST01;version=2",
        "Parent=transcript:ENST01;Name=ENSE01",
        "ID=CDS:ENSP01;Parent=transcript:ENST01;protein_id=ENSP01",
    ),
    "gencode.gff3": gff3(
        "chr1",
        "ID=ENSG01;gene_id=ENSG01;gene_type=protein_coding;gene_name=ABC",
        "ID=ENST01.2;Parent=ENSG01;gene_id=ENSG01;transcript_id=ENST01.2;transcript_type=protein_coding;"
        "gene_name=ABC;tag=basic,Ensembl_canonical,MANE_Select",
        "ID=exon:ENST01.2:1;Parent=ENST01.2",
        "ID=CDS:ENST01.2;Parent=ENST01.2;protein_id=ENSP01",
    ),
    "refseq.gff3": gff3(
        "NC_000001.11",
        "ID=gene-ABC;Name=ABC;gene=ABC;gene_biotype=protein_coding;gene_id=ENSG01",
        "ID=rna-ENST01.2;Parent=gene-ABC;Name=ENST01.2;transcript_id=ENST01.2;tag=MANE Select",
        "ID=exon-1;Parent=rna-ENST01.2",
        "ID=cds-ENSP01;Parent=rna-ENST01.2;protein_id=ENSP01",
    ),
    "ensembl.gtf": gtf(
        "1",
        'gene_id "ENSG01"; gene_version "3"; gene_name "ABC"; gene_biotype "protein_coding";',
        'transcript_id "ENST01"; transcript_version "2"; transcript_biotype "protein_coding"; tag "basic"; '
        'tag "Ensembl_canonical"; tag "MANE_Select";',
        'protein_id "ENSP01";',
    ),
    "gencode.gtf.gz": gtf(
        "chr1",
        'gene_id "ENSG01"; gene_type "protein_coding"; gene_name "ABC";',
        'transcript_id "ENST01.2"; transcript_type "protein_coding"; tag "Ensembl_canonical"; tag "MANE_Select";',
        'protein_id "ENSP01";',
    ),
}


def add(catalog: Catalog, folder: Path) -> Catalog:
    (folder / "r.fa").write_text(f">chr1\n{'ACGT' * 500}\n>chrM\n{'ACGT' * 100}\n")
    add_reference(catalog, folder / "r.fa", "r")
    return catalog


@pytest.fixture
def based(catalog: Catalog, tmp_path: Path) -> Catalog:
    return add(catalog, tmp_path)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Catalog]:
    """A lake that is only asked for what it refuses."""
    folder = tmp_path_factory.mktemp("refusing")
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        yield add(catalog, folder)


def write(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", FLAVOURS)
def test_every_flavour_says_the_same(based: Catalog, tmp_path: Path, name: str) -> None:
    done = load_genes(based, write(tmp_path / name, FLAVOURS[name]))
    assert (done.genes, done.transcripts, done.skipped) == (1, 1, False)
    (gene,) = based.query("FROM genes").to_pylist()
    assert (gene["gene_id"], gene["gene"], gene["contig"]) == ("ENSG01", "ABC", "chr1")
    assert (gene["start"], gene["end"], gene["strand"], gene["biotype"]) == (100, 600, "-", "protein_coding")
    (row,) = based.query("FROM transcripts").to_pylist()
    assert (row["transcript_id"], row["gene_id"], row["gene"]) == ("ENST01.2", "ENSG01", "ABC")
    assert (row["exon_starts"], row["exon_ends"]) == ([100, 300, 500], [200, 400, 600])
    assert (row["cds_start"], row["cds_end"], row["phase"]) == (150, 550, 0)
    # 200 bases: the last codon is not whole.
    assert (row["whole_start"], row["whole_end"], row["mane"], row["canonical"]) == (
        True,
        False,
        "select",
        True,
    )
    assert (row["protein_id"], row["biotype"]) == ("ENSP01", "protein_coding")


def test_exons_alone_make_a_transcript_and_a_gene(based: Catalog, tmp_path: Path) -> None:
    lines = [f'1\tx\texon\t{s}\t{e}\t.\t+\t.\tgene_id "G"; transcript_id "T";' for s, e in EXONS]
    load_genes(based, write(tmp_path / "a.gtf", "\n".join(lines)))
    (row,) = based.query('SELECT gene_id, start, "end", cds_start FROM transcripts').to_pylist()
    assert row == {"gene_id": "G", "start": 100, "end": 600, "cds_start": None}
    assert based.query('SELECT start, "end" FROM genes').to_pylist() == [{"start": 100, "end": 600}]


def test_a_gene_with_a_cds_alone_is_its_own_transcript(based: Catalog, tmp_path: Path) -> None:
    text = "MT\tx\tgene\t1\t90\t.\t+\t.\tID=gene-ND1;Name=ND1\nMT\tx\tCDS\t1\t90\t.\t+\t0\tID=c;Parent=gene-ND1\n"
    load_genes(based, write(tmp_path / "a.gff3", text))
    (row,) = based.query("FROM transcripts").to_pylist()
    assert (row["contig"], row["transcript_id"], row["cds_start"], row["cds_end"]) == ("chrM", "ND1", 0, 90)


def test_a_cds_that_slips_is_kept_as_a_transcript_without_one(based: Catalog, tmp_path: Path) -> None:
    text = FLAVOURS["refseq.gff3"].replace("\tCDS\t301\t400", "\tCDS\t300\t400")
    load_genes(based, write(tmp_path / "a.gff3", text))
    (row,) = based.query("SELECT cds_start, note FROM transcripts").to_pylist()
    assert row == {"cds_start": None, "note": "its CDS is not what its exons have between the ends of it"}


GENE = "1\tx\tgene\t1\t90\t.\t+\t.\tID=gene:G\n1\tx\tmRNA\t1\t90\t.\t+\t.\tID=transcript:T;Parent=gene:G\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1\tx\texon\t1\t9\t.\t+\t.\n", "line 1: the line has 8 columns and not 9"),
        (
            GENE + "1\tx\texon\tone\t9\t.\t+\t.\tParent=transcript:T\n",
            "line 3: the start is 'one', and no number",
        ),
        (GENE + "1\tx\texon\t0\t9\t.\t+\t.\tParent=transcript:T\n", "line 3: the feature is from 0 to 9"),
        (GENE + "1\tx\texon\t9\t5\t.\t+\t.\tParent=transcript:T\n", "line 3: the feature is from 9 to 5"),
        (GENE + "1\tx\texon\t1\t9\t.\tx\t.\tParent=transcript:T\n", "line 3: the strand is 'x'"),
        (
            GENE + "1\tx\texon\t1\t9\t.\t-\t.\tParent=transcript:T\n",
            "line 3: .*another contig or strand than line 2",
        ),
        (
            GENE + "1\tx\texon\t1\t9999\t.\t+\t.\tParent=transcript:T\n",
            "line 3: .*beyond the 2000 bases of contig chr1",
        ),
        (GENE + "1\tx\texon\t1\t9\t.\t+\t.\tID=e\n", "line 3: the exon has no Parent"),
        (
            GENE + "1\tx\texon\t1\t9\t.\t+\t.\tParent=transcript:U\n",
            "line 3: its Parent 'transcript:U' is not in the file",
        ),
        (GENE + "1\tx\texon\t1\t9\t.\t+\t.\tParent\n", "line 3: an attribute is not KEY=VALUE"),
        (GENE + "1\tx\tCDS\t1\t9\t.\t+\t.\tParent=transcript:T\n", "line 3: the CDS has no phase"),
        (GENE + "1\tx\tCDS\t1\t9\t.\t+\t7\tParent=transcript:T\n", "line 3: the phase is '7'"),
        (
            GENE
            + "1\tx\texon\t1\t9\t.\t+\t.\tParent=transcript:T\n1\tx\texon\t5\t19\t.\t+\t.\tParent=transcript:T\n",
            "line 4: the exon overlaps that of line 3",
        ),
        (
            '1\tx\texon\t1\t9\t.\t+\t.\tgene_id "G; transcript_id "T"\n',
            "line 1: text follows the value of gene_id",
        ),
        ('1\tx\texon\t1\t9\t.\t+\t.\tgene_id "G";\n', "line 1: the exon has no transcript_id"),
        (
            "7\tx\texon\t1\t9\t.\t+\t.\tParent=transcript:T\n",
            "no transcript in it is on a contig of reference r",
        ),
    ],
)
def test_what_is_no_gene_model_is_refused_with_its_line(
    refusing: Catalog, tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        load_genes(refusing, write(tmp_path / "a.gff3", text))
    assert refusing.query("FROM annotation_releases").num_rows == 0


def test_a_release_takes_the_place_of_the_last_which_snapshots_keep(
    based: Catalog, lake: Path, config: Config, tmp_path: Path
) -> None:
    first = write(tmp_path / "one.gff3", FLAVOURS["ensembl.gff3"])
    load_genes(based, first, version="one")
    then = based.newest_snapshot()
    # The same content in other clothes is no new release.
    assert load_genes(based, write(tmp_path / "again.gff3.gz", FLAVOURS["ensembl.gff3"])).skipped
    second = write(tmp_path / "two.gtf", FLAVOURS["ensembl.gtf"].replace("ABC", "XYZ"))
    assert load_genes(based, second).version == "2026-01"
    assert based.query("SELECT gene FROM genes")["gene"].to_pylist() == ["XYZ"]
    with connect(lake, config, at=then) as earlier:
        assert earlier.query("SELECT gene FROM transcripts")["gene"].to_pylist() == ["ABC"]
    versions = based.query("SELECT version FROM annotation_releases ORDER BY loaded")["version"]
    assert versions.to_pylist() == ["one", "2026-01"]
    assert based.query("SELECT version FROM current_releases")["version"].to_pylist() == ["2026-01"]


def test_files_that_are_not_there_are_told(based: Catalog, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        load_genes(based, tmp_path / "none.gff3")


def test_the_command_loads_and_lists(based: Catalog, lake: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.gff3", FLAVOURS["ensembl.gff3"])
    out = baselake(lake, "annotate", "genes", path, "--reference", "r", "--release", "Ensembl 1").stdout
    assert out == "1 genes, 1 transcripts, release Ensembl 1\n"
    assert "genes,Ensembl 1,genes,r," in baselake(lake, "annotate", "--format", "csv").stdout
    wrong = write(tmp_path / "b.gff3", GENE + "1\tx\texon\t9\t5\t.\t+\t.\tParent=transcript:T\n")
    assert (
        f"{wrong}, line 3: the feature is from 9 to 5"
        in baselake(lake, "annotate", "genes", wrong, status=1).stderr
    )
