"""Questions of genes and of what is known, against a slow reading of the same files."""

import random
import shutil
from collections.abc import Iterator
from math import comb
from pathlib import Path

import pytest

from baselake.api import Lake
from baselake.catalog.annotations import set_panel
from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.pedigree import set_cohort
from baselake.catalog.questions import question_sql
from baselake.catalog.receipts import make_receipt, read_receipt, rerun, write_receipt
from baselake.catalog.references import add_reference
from baselake.catalog.samples import describe_sample
from baselake.compute.annotate import annotate_variants
from baselake.config import Config
from baselake.errors import BaselakeError, InputError
from baselake.ingest.annotations import load_source
from baselake.ingest.annotations.ontology import load_ontology
from baselake.ingest.genes import load_genes
from baselake.ingest.vcf.imports import ingest_vcf
from tests.ingest.vcf.vcf_files import HEADER, write_vcf

SAMPLES = tuple(f"S{n}" for n in range(8))
CASES, CONTROLS = SAMPLES[:4], SAMPLES[4:]
# Ten tryptophans: the G of the third base to A is a stop, the T of the first to C is arginine.
GENE = "ATG" + "TGG" * 10 + "TAA"
SPACE, GENES = 60, 6
CLINVAR = HEADER + '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="Significance">\n'
WORDS = ("Pathogenic", "Likely_pathogenic", "Benign", "Likely_benign", "Uncertain_significance")
WORDS += (
    "Conflicting_classifications_of_pathogenicity",
    "Pathogenic/Likely_pathogenic",
    "Benign/Likely_benign",
)


class World:
    """Alleles in genes, genotypes and what sources say, as the files have them."""

    def __init__(self) -> None:
        rng = random.Random(11)
        self.gt: dict[str, dict[str, str]] = {}
        self.stops: set[str] = set()
        self.gene: dict[str, str] = {}
        for number in range(GENES):
            for codon in range(1, 11):
                start = number * SPACE + 10 + 3 * codon
                name, stops = (f"1-{start + 3}-G-A", True) if codon % 2 else (f"1-{start + 1}-T-C", False)
                weights = (8, 2, 1, 1)
                self.gt[name] = {s: rng.choices(("0/0", "0/1", "1/1", "./."), weights)[0] for s in SAMPLES}
                self.gene[name] = f"N{number}"
                self.stops |= {name} if stops else set()
        names = list(self.gt)
        self.old = {name: rng.choice(WORDS) for name in names[::2]}
        self.new = {name: rng.choice(WORDS) for name in names[::3]}
        self.af = {name: rng.choice((0.1, 0.0001)) for name in names[::4]}

    def copies(self, name: str, sample: str) -> int | None:
        gt = self.gt[name][sample]
        return None if "." in gt else gt.count("1")

    def carried(self, name: str, samples: tuple[str, ...] = SAMPLES) -> list[str]:
        return [sample for sample in samples if self.copies(name, sample)]


WORLD = World()


def records_of(said: dict[str, str], key: str) -> list[str]:
    lines = []
    for name in sorted(said, key=lambda name: int(name.split("-")[1])):
        _, position, ref, alt = name.split("-")
        lines.append(f"chr1 {position} . {ref} {alt} . . {key}={said[name]}")
    return lines


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory, config: Config
) -> Iterator[tuple[Catalog, Path, dict[str, int]]]:
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "r.fa").write_text(
        f">1\n{''.join(('C' * 10 + GENE).ljust(SPACE, 'C') for _ in range(GENES))}\n"
    )
    gtf = []
    for number in range(GENES):
        start = number * SPACE + 11
        for kind, phase in (("exon", "."), ("CDS", "0")):
            span = f"{start}\t{start + len(GENE) - 1}\t.\t+\t{phase}"
            told = f'gene_id "ENSG{number}.1"; gene_name "N{number}"; transcript_id "T{number}";'
            gtf.append(f"chr1\tx\t{kind}\t{span}\t{told}")
    (folder / "g.gtf").write_text("\n".join(gtf) + "\n")
    rows = []
    for name, of in WORLD.gt.items():
        _, position, ref, alt = name.split("-")
        rows.append(f"1 {position} . {ref} {alt} . . . GT:DP " + " ".join(f"{gt}:30" for gt in of.values()))
    phenotypes = ["gene_symbol\thpo_id\thpo_name", "N1\tHP:0001250\tSeizure", "N1\tHP:0001263\tDelay"]
    phenotypes += ["N2\tHP:0001250\tSeizure", "N3\tHP:0000001\tAll"]
    (folder / "hpo.txt").write_text("\n".join(phenotypes) + "\n")
    create(folder / "lake", config)
    moments = {}
    with connect(folder / "lake", config) as catalog:
        add_reference(catalog, folder / "r.fa", "r")
        ingest_vcf(catalog, [write_vcf(folder / "a.vcf", rows, SAMPLES)])
        set_cohort(catalog, "cases", CASES)
        set_cohort(catalog, "controls", CONTROLS)
        load_genes(catalog, folder / "g.gtf", version="models 1")
        annotate_variants(catalog)
        old = write_vcf(folder / "old.vcf", records_of(WORLD.old, "CLNSIG"), header=CLINVAR)
        load_source(catalog, "clinvar", old, version="old")
        moments["old"] = catalog.newest_snapshot()
        new = write_vcf(folder / "new.vcf", records_of(WORLD.new, "CLNSIG"), header=CLINVAR)
        load_source(catalog, "clinvar", new, version="new")
        known = write_vcf(folder / "gnomad.vcf", records_of({k: str(v) for k, v in WORLD.af.items()}, "AF"))
        load_source(catalog, "gnomad", known)
        load_source(catalog, "hpo", folder / "hpo.txt")
        describe_sample(
            catalog,
            "S1",
            sex=None,
            family=None,
            father=None,
            mother=None,
            phenotypes=["HP:0001250", "HP:0001263"],
        )
        assert set_panel(catalog, "epilepsy", ["N1", "ENSG2", "ABSENT"]) == ["ABSENT", "ENSG2"]
        yield catalog, folder, moments


def is_pathogenic(word: str) -> bool:
    return word in ("Pathogenic", "Likely_pathogenic", "Pathogenic/Likely_pathogenic")


def is_benign(word: str) -> bool:
    return word in ("Benign", "Likely_benign", "Benign/Likely_benign")


def test_a_gene_has_its_alleles_with_what_they_do(clinic: tuple) -> None:
    catalog = clinic[0]
    for asked in ("N2", "ENSG2", "ENSG2.1"):
        rows = catalog.query(f"FROM gene('{asked}')").to_pylist()
        assert {row["variant_id"] for row in rows} == {
            name for name, gene in WORLD.gene.items() if gene == "N2"
        }
        high = {row["variant_id"] for row in rows if row["impact"] == "HIGH"}
        assert high == {name for name in WORLD.stops if WORLD.gene[name] == "N2"}
        assert all(row["lof"] == (row["variant_id"] in WORLD.stops) for row in rows)
    panel = {row["gene"] for row in catalog.query("SELECT gene FROM panel('epilepsy')").to_pylist()}
    assert panel == {"N1", "N2"}


def test_loss_of_function_is_carried_rare_and_not_benign(clinic: tuple) -> None:
    rows = {row["variant_id"]: row for row in clinic[0].query("FROM loss_of_function('cases')").to_pylist()}
    wanted = {
        name
        for name in WORLD.stops
        if WORLD.carried(name, CASES)
        and WORLD.af.get(name, 0) <= 0.001
        and not is_benign(WORLD.new.get(name, ""))
    }
    assert set(rows) == wanted
    assert wanted
    for name, row in rows.items():
        assert row["ac"] == sum(WORLD.copies(name, sample) or 0 for sample in CASES)
        assert row["significance"] == ([WORLD.new[name]] if name in WORLD.new else None)


def test_carriers_of_pathogenic_alleles(clinic: tuple) -> None:
    rows = clinic[0].query("FROM carriers_of_pathogenic('cases')").to_pylist()
    wanted = {
        (sample, name)
        for name, word in WORLD.new.items()
        if is_pathogenic(word)
        for sample in WORLD.carried(name, CASES)
    }
    assert {(row["sample_id"], row["variant_id"]) for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert {row["gene"] for row in rows} == {WORLD.gene[name] for _, name in wanted}


@pytest.mark.parametrize("since", ["number", "name", "nothing"])
def test_what_a_source_says_anew_of_alleles_that_samples_carry(clinic: tuple, since: str) -> None:
    catalog, _, moments = clinic
    if since == "name":
        with connect(catalog.layout.root, catalog.config) as other:
            Lake(other).name_snapshot("review", moments["old"])
    text = {"number": str(moments["old"]), "name": "review", "nothing": ""}[since]
    rows = catalog.query(question_sql(catalog, "reclassified", ["clinvar"], {"since": text})).to_pylist()
    wanted = {}
    for name in WORLD.gt:
        before, now = WORLD.old.get(name), WORLD.new.get(name)
        if before != now and WORLD.carried(name):
            wanted[name] = ([before] if before else None, [now] if now else None, WORLD.carried(name))
    assert {row["variant_id"]: (row["was"], row["now"], row["sample_ids"]) for row in rows} == wanted
    assert {(row["version_before"], row["version"]) for row in rows} == {("old", "new")}


def test_since_before_there_was_a_release_all_is_new(clinic: tuple) -> None:
    rows = clinic[0].query("FROM reclassified('clinvar', since => '2001-01-01')").to_pylist()
    assert {row["variant_id"] for row in rows} == {name for name in WORLD.new if WORLD.carried(name)}
    assert all(row["was"] is None for row in rows)


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Two-sided, by whole numbers."""
    total, row, column = a + b + c + d, a + b, a + c
    ways = {k: comb(row, k) * comb(total - row, column - k) for k in range(column + 1) if k <= row}
    return sum(n for n in ways.values() if n <= ways[a]) / comb(total, column)


@pytest.mark.parametrize("impact", ["HIGH", "MODERATE"])
def test_burden_counts_persons_and_leaves_out_who_is_unsure(clinic: tuple, impact: str) -> None:
    asked = clinic[0].query(f"FROM gene_burden('cases', 'controls', impact => '{impact}')")
    rows = {row["gene"]: row for row in asked.to_pylist()}
    for number in range(GENES):
        names = [
            name
            for name, gene in WORLD.gene.items()
            if gene == f"N{number}" and (impact == "MODERATE" or name in WORLD.stops) and WORLD.carried(name)
        ]
        counts = []
        for group in (CASES, CONTROLS):
            carriers = [s for s in group if any(WORLD.copies(name, s) for name in names)]
            unsure = [
                s for s in group if s not in carriers and any(WORLD.copies(n, s) is None for n in names)
            ]
            counts += [len(carriers), len(group) - len(carriers) - len(unsure), len(unsure)]
        row = rows[f"N{number}"]
        told = [
            row[f"{who}_{what}"] for who in ("case", "control") for what in ("carriers", "others", "unsure")
        ]
        assert told == counts
        assert row["p"] == pytest.approx(fisher(counts[0], counts[1], counts[3], counts[4]))


def test_genes_that_share_terms_with_a_sample(clinic: tuple) -> None:
    rows = clinic[0].query("FROM by_phenotype('S1')").to_pylist()
    assert [(row["gene"], row["matches"], row["terms"]) for row in rows] == [
        ("N1", 2, ["HP:0001250", "HP:0001263"]),
        ("N2", 1, ["HP:0001250"]),
    ]
    carried = [n for n, gene in WORLD.gene.items() if gene == "N1" and WORLD.copies(n, "S1")]
    assert rows[0]["alleles"] == len(carried)
    assert clinic[0].query("FROM by_phenotype('S2')").num_rows == 0


def test_a_phenotype_stands_for_those_below_it_where_the_ontology_is_loaded(
    clinic: tuple[Catalog, Path, dict[str, int]], config: Config, tmp_path: Path
) -> None:
    shutil.copytree(clinic[0].layout.root, tmp_path / "lake")
    obo = "format-version: 1.2\ndata-version: hp/releases/2026-01-01\n\n"
    terms = {
        "HP:0000001": "name: All",
        "HP:0012638": "name: Abnormal nervous system physiology\nis_a: HP:0000001 ! All",
        "HP:0001250": "name: Seizure\nalt_id: HP:0001275\nis_a: HP:0012638 ! Abnormal nervous system physiology",
        "HP:0001263": 'name: Delay\ndef: "Late: in all." [x]\nis_a: HP:0012638 {source="x"} ! Abnormal',
    }
    obo += "".join(f"[Term]\nid: {term}\n{lines}\n\n" for term, lines in terms.items())
    obo += "[Typedef]\nid: part_of\nname: part of\n"
    (tmp_path / "hp.obo").write_text(obo)
    with connect(tmp_path / "lake", config) as catalog:

        def genes(sample: str, *phenotypes: str) -> dict[str, tuple[int, list[str]]]:
            told = dict.fromkeys(("sex", "family", "father", "mother"))
            describe_sample(catalog, sample, **told, phenotypes=phenotypes)
            rows = catalog.rows("SELECT gene, matches, names FROM by_phenotype(?)", [sample])
            return {gene: (matches, names) for gene, matches, names in rows}

        assert genes("S2", "HP:0012638") == {}
        done = load_ontology(catalog, tmp_path / "hp.obo")
        assert (done.terms, done.version) == (4, "hp/releases/2026-01-01")
        assert genes("S2", "HP:0012638") == {"N1": (1, ["Delay", "Seizure"]), "N2": (1, ["Seizure"])}
        assert genes("S2", "HP:0012638", "HP:0001263")["N1"] == (2, ["Delay", "Seizure"])
        assert genes("S2", "HP:0001250") == {"N1": (1, ["Seizure"]), "N2": (1, ["Seizure"])}
        assert genes("S2", "HP:0001275") == genes("S2", "HP:0001250")  # by its old name
        assert set(genes("S2", "HP:0000001")) == {"N1", "N2", "N3"}
        assert load_ontology(catalog, tmp_path / "hp.obo").skipped

        for text, what, line in (
            ("[Term]\nid: HP:1\n", "no OBO", 1),
            ("format-version: 1.2\n[Term]\nname: x\n", "does not begin with its id", 3),
            ("format-version: 1.2\n[Term]\nid: A\nis_a: B ! b\n", "no term B", 4),
            ("format-version: 1.2\n[Term]\nid: A\n[Term]\nid: A\n", "first in line 3", 5),
            ("format-version: 1.2\n[Term]\nid: A\nwhat\n", "neither a stanza nor TAG", 4),
        ):
            (tmp_path / "bad.obo").write_text(text)
            with pytest.raises(InputError, match=what) as refused:
                load_ontology(catalog, tmp_path / "bad.obo")
            assert str(refused.value.where).endswith(f"bad.obo, line {line}")
        assert catalog.rows("SELECT count(*) FROM ontology_terms") == [(4,)]


def test_frequencies_stand_beside_de_novo_alleles(clinic: tuple) -> None:
    rows = clinic[0].query("FROM frequencies('gnomad')").to_pylist()
    assert {row["variant_id"]: pytest.approx(row["af"]) for row in rows} == WORLD.af
    assert "af_gnomad" in clinic[0].query("FROM de_novo('none')").column_names


def test_a_receipt_names_releases_and_says_when_others_answer(clinic: tuple, tmp_path: Path) -> None:
    catalog, _, moments = clinic
    sql = question_sql(catalog, "carriers_of_pathogenic", ["cases"])
    with connect(catalog.layout.root, catalog.config, at=moments["old"]) as then:
        write_receipt(make_receipt(then, "carriers_of_pathogenic", ["cases"], {}, sql), tmp_path / "r.json")
    known = read_receipt(tmp_path / "r.json")
    assert set(known.annotation) == {"clinvar of r", "genes of r", "consequences of r"}
    assert known.annotation["consequences of r"] == known.annotation["genes of r"]
    with connect(catalog.layout.root, catalog.config, at=moments["old"]) as then:
        outcome = rerun(then, catalog, known)
    assert outcome.same
    assert any(line.startswith("clinvar of r was old (") for line in outcome.releases)
    assert any(line.startswith("gnomad of r was not there and is ") for line in outcome.releases)
    assert not any(line.startswith("genes") for line in outcome.releases)


@pytest.mark.parametrize(
    ("name", "arguments", "named", "reason"),
    [
        ("gene", ["NOPE"], {}, "no gene 'NOPE'"),
        ("panel", ["NOPE"], {}, "no panel 'NOPE'"),
        ("reclassified", ["NOPE"], {}, "no source of annotation 'NOPE'"),
        ("reclassified", ["clinvar"], {"since": "NOPE"}, "no snapshot is named 'NOPE'|neither"),
        ("gene_burden", ["cases", "controls"], {"impact": "WORST"}, "impact is 'WORST'"),
        ("gene_burden", ["cases", "NOPE"], {}, "no cohort, family or sample 'NOPE'"),
    ],
)
def test_what_cannot_be_asked_is_told(
    clinic: tuple, name: str, arguments: list, named: dict, reason: str
) -> None:
    with pytest.raises(BaselakeError, match=reason):
        question_sql(clinic[0], name, arguments, named)


def test_bases_of_exons_that_were_not_seen_deep_enough(catalog: Catalog, tmp_path: Path) -> None:
    rng = random.Random(5)
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 900}\n")
    exons = [(100, 180), (250, 300), (401, 600)]
    gtf = [
        f'1\tx\texon\t{start + 1}\t{end}\t.\t-\t.\tgene_id "G"; transcript_id "T";' for start, end in exons
    ]
    (tmp_path / "g.gtf").write_text("\n".join(gtf) + "\n")
    add_reference(catalog, tmp_path / "r.fa", "r")
    load_genes(catalog, tmp_path / "g.gtf")
    depth: dict[str, list[int]] = {}
    for sample in ("S1", "S2"):
        depth[sample] = [0] * 900
        records, at = [], 0
        while at < 880:
            size, reads = rng.randint(5, 60), rng.randint(0, 40)
            end = min(900, at + size)
            if rng.random() < 0.2:
                records.append(f"1 {at + 1} . A C . . . GT:DP 0/1:{reads}")
                end = at + 1
            elif rng.random() < 0.8:
                records.append(
                    f"1 {at + 1} . A <NON_REF> . . END={end} GT:DP:GQ:MIN_DP 0/0:{reads + 3}:9:{reads}"
                )
            else:
                reads = 0
            depth[sample][at:end] = [reads] * (end - at)
            at = end
        ingest_vcf(catalog, [write_vcf(tmp_path / f"{sample}.vcf", records, (sample,))])
    for least in (1, 20):
        rows = catalog.query(f"FROM coverage_of('G', min_depth => {least})").to_pylist()
        told = {(row["sample_id"], row["exon"]): (row["bases"], row["bases_under"]) for row in rows}
        assert told == {
            (sample, number): (end - start, sum(reads < least for reads in of[start:end]))
            for sample, of in depth.items()
            for number, (start, end) in enumerate(exons[::-1], 1)
        }
