"""Gene models made at random on a sequence, which is changed so that each CDS is an open reading frame."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CODE = dict(
    zip(
        (a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"),
        "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        strict=True,
    )
)
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def reverse_complement(bases: str) -> str:
    return bases.translate(COMPLEMENT)[::-1]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A transcript, 0-based half-open on the forward strand, exons ascending."""

    name: str
    gene: str
    strand: str
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None
    phase: int = 0
    whole_start: bool = True
    whole_end: bool = True
    tags: tuple[str, ...] = field(default=())

    @property
    def start(self) -> int:
        return self.exons[0][0]

    @property
    def end(self) -> int:
        return self.exons[-1][1]

    def coding_places(self) -> list[int]:
        """Positions of the CDS in the order of transcription."""
        assert self.cds is not None
        places = [
            p for start, end in self.exons for p in range(max(start, self.cds[0]), min(end, self.cds[1]))
        ]
        return places if self.strand == "+" else places[::-1]


def random_models(rng: random.Random, length: int, *, spacing: int = 12_000) -> list[Model]:
    """Transcripts apart from one another, on either strand, of one exon or many, some of them tiny."""
    models: list[Model] = []
    at = 1_000
    while at + spacing < length:
        exons = []
        place = at + rng.randrange(500)
        for _ in range(rng.choice([1, 2, 3, 5, 9])):
            size = rng.choice([rng.randint(4, 12), rng.randint(30, 200), rng.randint(100, 400)])
            exons.append((place, place + size))
            place += size + rng.choice([rng.randint(25, 60), rng.randint(100, 700)])
        number = len(models) + 1
        strand = rng.choice("+-")
        spliced = [p for start, end in exons for p in range(start, end)]
        cds, phase, whole_start, whole_end, tags = None, 0, True, True, []
        if len(spliced) > 60 and rng.random() < 0.85:
            first, last = rng.randrange(0, 20), len(spliced) - rng.randrange(0, 20)
            kind = rng.random()
            if kind < 0.15:
                # Without its start: the CDS begins where the transcript does, anywhere in a codon.
                whole_start, phase = False, rng.randrange(3)
                first, last = (0, last) if strand == "+" else (first, len(spliced))
                tags.append("cds_start_NF")
            elif kind < 0.3:
                whole_end = False
                first, last = (first, len(spliced)) if strand == "+" else (0, last)
                tags.append("cds_end_NF")
            over = (last - first - phase) % 3 if whole_end else 0
            if strand == "+" or not whole_start:
                first, last = (first, last - over) if strand == "+" else (first + over, last)
            else:
                first += over
            cds = (spliced[first], spliced[last - 1] + 1)
        models.append(
            Model(
                name=f"T{number}",
                gene=f"G{number}",
                strand=strand,
                exons=tuple(exons),
                cds=cds,
                phase=phase,
                whole_start=whole_start,
                whole_end=whole_end,
                tags=tuple(tags),
            )
        )
        at = place + rng.choice([300, spacing // 2])
    return models


def with_frames(rng: random.Random, bases: str, models: Sequence[Model]) -> str:
    """The sequence with a start codon, a stop codon and no other stop in each CDS that has them."""
    text = list(bases)
    for model in models:
        if model.cds is None:
            continue
        places = model.coding_places()[model.phase :]

        def put(codon: int, bases: str, model: Model = model, places: list[int] = places) -> None:
            for place, base in zip(places[3 * codon : 3 * codon + 3], bases, strict=True):
                text[place] = base if model.strand == "+" else base.translate(COMPLEMENT)

        for codon in range(len(places) // 3):
            spelled = "".join(text[p] for p in places[3 * codon : 3 * codon + 3])
            spelled = spelled if model.strand == "+" else spelled.translate(COMPLEMENT)
            if CODE.get(spelled, "*") == "*":
                put(codon, rng.choice(["CAG", "GAA", "TGG", "TTA"]))
        if model.whole_start and model.phase == 0:
            put(0, "ATG")
        if model.whole_end:
            put(len(places) // 3 - 1, rng.choice(["TAA", "TAG", "TGA"]))
    return "".join(text)


def write_gff3(path: Path, contig: str, models: Sequence[Model]) -> Path:
    """As Ensembl writes it, with the lines that bcftools csq wants."""
    lines = ["##gff-version 3"]
    for model in models:

        def add(
            kind: str, start: int, end: int, attributes: str, phase: object = ".", model: Model = model
        ) -> None:
            columns = (contig, "t", kind, start + 1, end, ".", model.strand, phase, attributes)
            lines.append("\t".join(map(str, columns)))

        biotype = "protein_coding" if model.cds else "lincRNA"
        gene = f"ID=gene:{model.gene};Name=N{model.gene};biotype={biotype};gene_id={model.gene}"
        add("gene", model.start, model.end, gene)
        transcript = f"ID=transcript:{model.name};Parent=gene:{model.gene};biotype={biotype}"
        transcript += f";transcript_id={model.name}" + (f";tag={','.join(model.tags)}" if model.tags else "")
        add("mRNA" if model.cds else "lnc_RNA", model.start, model.end, transcript)
        parent = f"Parent=transcript:{model.name}"
        for start, end in model.exons:
            add("exon", start, end, parent)
        if model.cds is None:
            continue
        first, last = model.cds
        parts = [(max(s, first), min(e, last)) for s, e in model.exons if max(s, first) < min(e, last)]
        done, phases = -model.phase, {}
        for start, end in parts if model.strand == "+" else parts[::-1]:
            phases[start] = -done % 3
            done += end - start
        for start, end in parts:
            add("CDS", start, end, f"ID=CDS:P{model.name};{parent}", phases[start])
        left, right = "five_prime_UTR", "three_prime_UTR"
        if model.strand == "-":
            left, right = right, left
        for start, end in model.exons:
            if start < min(end, first):
                add(left, start, min(end, first), parent)
            if max(start, last) < end:
                add(right, max(start, last), end, parent)
    path.write_text("\n".join(lines) + "\n")
    return path


def random_alleles(
    rng: random.Random, bases: str, models: Sequence[Model], number: int
) -> list[tuple[int, str, str]]:
    """SNVs, indels and MNVs in and around the transcripts, most of them near what matters; 0-based, anchored."""
    edges = [p for m in models for exon in m.exons for p in exon]
    edges += [p for m in models if m.cds for p in m.cds]
    made = set()
    while len(made) < number:
        model = rng.choice(models)
        place = rng.choice(
            [
                rng.choice(edges) + rng.randint(-12, 12),
                rng.randint(model.start - 50, model.end + 50),
                rng.choice(model.exons)[0] + rng.randint(0, 60),
            ]
        )
        kind = rng.random()
        if kind < 0.45:
            ref = bases[place]
            alt = rng.choice([b for b in "ACGT" if b != ref])
        elif kind < 0.6:
            ref = bases[place : place + rng.randint(2, 4)]
            alt = "".join(rng.choice("ACGT") for _ in ref)
        elif kind < 0.8:
            ref = bases[place : place + 1 + rng.choice([1, 2, 3, 3, 4, 6, 9, 20])]
            alt = ref[0]
        else:
            ref = bases[place]
            size = rng.choice([1, 2, 3, 3, 4, 6, 9])
            # Copies of what is beside make duplications.
            added = (
                bases[place + 1 : place + 1 + size]
                if rng.random() < 0.4
                else "".join(rng.choice("ACGT") for _ in range(size))
            )
            alt = ref + added
        if ref != alt and "N" not in ref:
            made.add((place, ref, alt))
    return sorted(made)


def odd_models(rng: random.Random, length: int, number: int) -> list[Model]:
    """Transcripts that no biologist would believe: exons and introns of a base, a CDS of any length anywhere."""
    models = []
    for place in range(number):
        exons, at = [], rng.randint(0, length // 6)
        for _ in range(rng.randint(1, 5)):
            size = rng.choice([1, 2, 3, 5, 12, 40])
            exons.append((at, min(at + size, length)))
            at += size + rng.choice([1, 2, 3, 10, 30])
            if at >= length - 5:
                break
        spliced = [p for start, end in exons for p in range(start, end)]
        first = rng.randrange(len(spliced))
        last = rng.randrange(first, len(spliced))
        coding = rng.random() < 0.9
        models.append(
            Model(
                name=f"T{place}",
                gene=f"G{place}",
                strand=rng.choice("+-"),
                exons=tuple(exons),
                cds=(spliced[first], spliced[last] + 1) if coding else None,
                phase=min(rng.randrange(3), last - first) if coding and rng.random() < 0.3 else 0,
                whole_start=rng.random() < 0.7,
                whole_end=rng.random() < 0.7,
            )
        )
    return models


def any_alleles(rng: random.Random, bases: str, number: int) -> list[tuple[int, str, str]]:
    """Changes of any kind and size, by start; some are not in normal form."""
    made = set()
    while len(made) < number:
        place = rng.randrange(len(bases))
        ref = bases[place : place + rng.choice([1, 1, 2, 3, 4, 7, 15, 60, 200])]
        alt = "".join(rng.choices("ACGT", k=rng.choice([1, 1, 2, 3, 4, 7, 15])))
        kind = rng.random()
        if kind < 0.4:
            alt = ref[0]
        elif kind < 0.7:
            ref, alt = ref[0], ref[0] + alt
        if ref != alt:
            made.add((place, ref, alt))
    return sorted(made)
