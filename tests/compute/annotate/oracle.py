"""Names and terms of a change by writing the whole transcript anew, letter by letter: slow, and easy to believe."""

import re
from dataclasses import dataclass

from tests.compute.annotate.gene_models import CODE, Model, reverse_complement

THREE = dict(
    zip(
        "ACDEFGHIKLMNPQRSTVWY*X",
        re.findall("...", "AlaCysAspGluPheGlyHisIleLysLeuMetAsnProGlnArgSerThrValTrpTyrTerXaa"),
        strict=True,
    )
)


@dataclass
class Reading:
    """A transcript as it is read: every base from its start to its end, in the order of transcription."""

    bases: str
    labels: list[str]  # of HGVS
    exon: list[int]  # the exon of a base, counted from 1; 0: it is of an intron
    coding: list[bool]
    phase: int


def read(model: Model, genome: str) -> Reading:
    places = list(range(model.start, model.end))
    bases = genome[model.start : model.end]
    exons = list(model.exons)
    if model.strand == "-":
        places, bases, exons = places[::-1], reverse_complement(bases), exons[::-1]
    exon = [next((n for n, (s, e) in enumerate(exons, 1) if s <= p < e), 0) for p in places]
    coding = [
        bool(n) and model.cds is not None and model.cds[0] <= p < model.cds[1]
        for n, p in zip(exon, places, strict=True)
    ]
    spliced = [i for i, n in enumerate(exon) if n]
    number: dict[int, str] = {}
    if model.cds is None:
        number = {i: str(k + 1) for k, i in enumerate(spliced)}
    else:
        first, last = coding.index(True), len(coding) - 1 - coding[::-1].index(True)
        before = [i for i in spliced if i < first]
        inside = [i for i in spliced if coding[i]]
        after = [i for i in spliced if i > last]
        number = {i: f"-{k + 1}" for k, i in enumerate(before[::-1])}
        number |= {i: str(k + 1) for k, i in enumerate(inside)} | {
            i: f"*{k + 1}" for k, i in enumerate(after)
        }
    labels = []
    for i in range(len(places)):
        if exon[i]:
            labels.append(number[i])
            continue
        left = next(k for k in range(i, -1, -1) if exon[k])
        right = next(k for k in range(i, len(places)) if exon[k])
        labels.append(
            f"{number[left]}+{i - left}" if i - left <= right - i else f"{number[right]}-{right - i}"
        )
    return Reading(bases, labels, exon, coding, model.phase)


def change(model: Model, start: int, ref: str, alt: str) -> tuple[int, int, str]:
    """[first, last) of the reading that becomes other bases; what both ends have in common is left out."""
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    end = start + len(ref)
    if model.strand == "+":
        return start - model.start, end - model.start, alt
    return model.end - end, model.end - start, reverse_complement(alt)


def coding_name(model: Model, reading: Reading, first: int, last: int, new: str) -> str | None:
    text = reading.bases
    after = text[:first] + new + text[last:]
    if not new or first == last:
        size = last - first
        while first < len(text):
            # The same result by the same change one base further.
            moved = after[first + 1 : first + 1 + len(new)]
            if last + 1 > len(text) or text[: first + 1] + moved + text[first + 1 + size :] != after:
                break
            first, last, new = first + 1, last + 1, moved
    mark = "c." if model.cds else "n."
    ends = (first - 1, last) if first == last else (first, last - 1)
    if ends[0] < 0 or ends[1] >= len(text):
        return None

    def span(a: int, b: int) -> str:
        return reading.labels[a] if a == b else f"{reading.labels[a]}_{reading.labels[b]}"

    old = text[first:last]
    if not old:
        if first >= len(new) and text[first - len(new) : first] == new:
            return f"{mark}{span(first - len(new), first - 1)}dup"
        return f"{mark}{span(*ends)}ins{new}"
    if not new:
        return f"{mark}{span(*ends)}del"
    if len(old) == len(new) == 1:
        return f"{mark}{span(*ends)}{old}>{new}"
    if len(old) > 1 and new == reverse_complement(old):
        return f"{mark}{span(*ends)}inv"
    return f"{mark}{span(*ends)}delins{new}"


def translated(bases: str) -> str:
    """Up to the first stop, or as far as codons are whole."""
    out = ""
    for place in range(0, len(bases) - 2, 3):
        out += CODE.get(bases[place : place + 3], "X")
        if out[-1] == "*":
            break
    return out


def is_inside_cds(reading: Reading, first: int, last: int) -> bool:
    """Whether a change lies in the whole codons of one exon's part of the CDS, and not between that and an intron."""
    around = range(first - 1, last + 1) if first == last else range(first, last)
    if min(around) < 0 or max(around) >= len(reading.bases):
        return False
    exons = {reading.exon[i] for i in around}
    if len(exons) != 1 or 0 in exons or not all(reading.coding[i] for i in around):
        return False
    before = sum(reading.coding[:first])
    whole = (sum(reading.coding) - reading.phase) // 3 * 3 + reading.phase
    return (
        before >= reading.phase + (first == last and reading.phase > 0)
        and before + max(1, last - first) <= whole
    )


def of_protein(model: Model, reading: Reading, first: int, last: int, new: str) -> tuple[str, set[str]]:
    """p. and the terms of a change in the CDS."""
    start = reading.coding.index(True)
    spliced_before = "".join(b for b, n in zip(reading.bases[start:], reading.exon[start:], strict=True) if n)
    at = sum(1 for n in reading.exon[start:first] if n)
    spliced_after = spliced_before[:at] + new + spliced_before[at + last - first :]
    cds = sum(reading.coding)
    before = translated(spliced_before[reading.phase : cds])
    after = translated(spliced_after[reading.phase :])
    if not model.whole_end:
        after = translated(spliced_after[reading.phase :])
    growth = len(new) - (last - first)
    codon, past = (at - reading.phase) // 3, (at - reading.phase + last - first - 1) // 3
    if first == last:
        past = codon if (at - reading.phase) % 3 else codon - 1

    def residue(i: int) -> str:
        return f"{THREE[before[i]]}{i + 1 + (reading.phase > 0)}"

    def span(a: int, b: int) -> str:
        return residue(a) if a == b else f"{residue(a)}_{residue(b)}"

    def spelled(text: str) -> str:
        return "".join(THREE[r] for r in text)

    has_start = model.whole_start and not reading.phase and before[0] == "M"
    has_stop = before.endswith("*")
    if has_start and codon == 0 and after[:1] != "M":
        return f"p.{residue(0)}?", {"start_lost"} | ({"frameshift_variant"} if growth % 3 else set())
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    if growth % 3:
        if has_stop and before == after:
            return "p.=", {"stop_retained_variant"}
        if same == len(before) or same >= len(after):
            return "p.?", {"frameshift_variant"} | (
                {"stop_lost"} if has_stop and past >= len(before) - 1 else set()
            )
        if before[same] == "*":
            far = len(after) - 1 - same if after.endswith("*") else "?"
            return f"p.{residue(same)}{THREE[after[same]]}extTer{far}", {"frameshift_variant", "stop_lost"}
        terms = {"frameshift_variant"} | ({"stop_lost"} if has_stop and past >= len(before) - 1 else set())
        if after[same] == "*":
            return f"p.{residue(same)}Ter", terms | {"stop_gained"}
        far = len(after) - same if after.endswith("*") else "?"
        return f"p.{residue(same)}{THREE[after[same]]}fsTer{far}", terms
    # In frame: what comes after the CDS counts only where the stop is lost.
    if not has_stop:
        after = after[: len(before) + growth // 3]
    kept_stop = has_stop and after.endswith("*") and len(after) == len(before) + growth // 3
    if before == after:
        stopped = has_stop and (growth or past >= len(before) - 1)
        terms = {"stop_retained_variant" if stopped else "synonymous_variant"}
        return ("p.=" if growth else f"p.{span(codon, past)}="), terms
    early = after.endswith("*") and len(after) < len(before) + growth // 3
    if has_stop and not kept_stop and not early:
        terms = {"stop_lost"}
        if growth:
            return "", terms  # of which kind is told below, and not here
        if before[same] != "*":
            return "p.?", terms
        far = len(after) - 1 - same if after.endswith("*") else "?"
        return f"p.{residue(same)}{THREE[after[same]]}extTer{far}", terms
    if early or (after.endswith("*") and not has_stop):
        added, removed = after[same:], before[same : past + 1].removesuffix("*")
        terms = {"stop_gained"}
        if added == "*":
            return f"p.{residue(same)}Ter", terms
        if not removed:
            return f"p.{span(same - 1, same)}ins{spelled(added)}", terms
        return f"p.{span(same, same + len(removed) - 1)}delins{spelled(added)}", terms
    tail = 0
    while tail < min(len(before), len(after)) - same and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    removed, added = before[same : len(before) - tail], after[same : len(after) - tail]
    if not growth:
        terms = {"missense_variant"}
    else:
        terms = {
            "inframe_insertion"
            if not removed
            else "inframe_deletion"
            if not added
            else "protein_altering_variant"
        }
    if not added:
        return f"p.{span(same, same + len(removed) - 1)}del", terms
    if not removed:
        if same >= len(added) and before[same - len(added) : same] == added:
            return f"p.{span(same - len(added), same - 1)}dup", terms
        if same == 0 or same >= len(before):
            return "p.?", terms
        return f"p.{span(same - 1, same)}ins{spelled(added)}", terms
    if len(removed) == len(added) == 1:
        return f"p.{residue(same)}{THREE[added]}", terms
    return f"p.{span(same, same + len(removed) - 1)}delins{spelled(added)}", terms
