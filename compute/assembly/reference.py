"""The slow, obvious oracle of local assembly: a dictionary of k-mers and every path through it."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from baselake.compute.assembly import DEFAULT_LIMITS, AssemblyLimits

Node = tuple[str, int]  # the k-mer (or the bases so far of a joined head), and 0 (or which head made it)
Edge = tuple[Node, Node]

_MIN_TAIL, _MIN_MATCH, _MAX_SHIFT = 4, 10, 100


@dataclass
class _Graph:
    k: int
    reference: str
    place: dict[Node, int] = field(default_factory=dict)
    counts: Counter[Edge] = field(default_factory=Counter)
    of_reference: set[Edge] = field(default_factory=set)

    def edges(self) -> set[Edge]:
        return set(self.counts) | self.of_reference

    def after(self, node: Node) -> list[Node]:
        return sorted(b for a, b in self.edges() if a == node)

    def before(self, node: Node) -> list[Node]:
        return sorted(a for a, b in self.edges() if b == node)


def assemble(
    reference: str,
    reads: Sequence[str],
    qualities: Sequence[Sequence[int]],
    limits: AssemblyLimits = DEFAULT_LIMITS,
) -> dict[str, float]:
    """Every haplotype and its cost; as many as there are, however many are allowed."""
    found: dict[str, float] = {}
    usable = False
    for k in (10, 25, 35, 45, 55):
        if k > 25 and usable:
            break
        paths = _assemble_with(k, reference, reads, qualities, limits)
        usable = usable or bool(paths)
        for bases, cost in paths.items():
            found[bases] = min(cost, found.get(bases, math.inf))
    return found | {reference: 0.0}


def _kmers(bases: str, good: Sequence[bool], k: int) -> list[str | None]:
    """The k-mer that begins at each base, None where one of its bases is not good."""
    return [
        bases[i : i + k] if all(good[i : i + k]) and set(bases[i : i + k]) <= set("ACGT") else None
        for i in range(len(bases) - k + 1)
    ]


def _assemble_with(
    k: int,
    reference: str,
    reads: Sequence[str],
    qualities: Sequence[Sequence[int]],
    limits: AssemblyLimits,
) -> dict[str, float]:
    whole = _kmers(reference, [True] * len(reference), k)
    if len(reference) <= k or None in whole or len(set(whole)) != len(whole):
        return {}
    graph = _Graph(k, reference)
    path: list[Node] = [(kmer or "", 0) for kmer in whole]
    graph.place = {node: k - 1 + i for i, node in enumerate(path)}
    graph.of_reference = set(pairwise(path))
    for read, quality in zip(reads, qualities, strict=True):
        kmers = _kmers(read, [q >= limits.min_quality for q in quality], k)
        for a, b in pairwise(kmers):
            if a is not None and b is not None:
                graph.counts[(a, 0), (b, 0)] += 1
    _prune(graph, limits.min_count)
    # Loose ends as they are before any is joined, in the order in which reads show them first.
    seen = [
        (kmer, 0)
        for read, quality in zip(reads, qualities, strict=True)
        for kmer in _kmers(read, [q >= limits.min_quality for q in quality], k)
        if kmer is not None
    ]
    for number, node in enumerate(dict.fromkeys(seen), start=1):
        if node in graph.place:
            continue
        arrivals, departures = graph.before(node), graph.after(node)
        if arrivals and not departures:
            _join_tail(graph, path, node)
        if departures and not arrivals:
            _join_head(graph, path, node, number)
    return _paths(graph, path)


def _prune(graph: _Graph, least: int) -> None:
    def inner(node: Node) -> bool:
        return len(graph.before(node)) == len(graph.after(node)) == 1

    doomed: set[Edge] = set()
    for first in graph.edges():
        if inner(first[0]):
            continue
        chain = [first]
        while inner(chain[-1][1]):
            chain.append((chain[-1][1], graph.after(chain[-1][1])[0]))
        if not any(edge in graph.of_reference or graph.counts[edge] >= least for edge in chain):
            doomed.update(chain)
    for edge in doomed:
        graph.counts.pop(edge, None)


def _place(expected: int, places: range, matches: dict[int, int]) -> int | None:
    near = [at for at in places if abs(at - expected) <= _MAX_SHIFT]
    if not near:
        return None
    most = max(matches[at] for at in near)
    best = [at for at in near if matches[at] == most]
    return best[0] if len(best) == 1 and most >= _MIN_MATCH else None


def _common(a: str, b: str) -> int:
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def _join_tail(graph: _Graph, path: list[Node], leaf: Node) -> None:
    tail, node = "", leaf
    while node not in graph.place:
        arrivals = graph.before(node)
        if len(arrivals) != 1 or len(tail) > len(graph.reference):
            return
        tail = node[0][-1] + tail
        node = arrivals[0]
    start = graph.place[node]
    if len(tail) < _MIN_TAIL:
        return
    places = range(start + 1, len(graph.reference) - 1)
    matches = {at: _common(tail[::-1], graph.reference[start + 1 : at + 1][::-1]) for at in places}
    at = _place(start + len(tail), places, matches)
    if at is None or at + 1 < graph.k - 1 or matches[at] == len(tail):
        return
    graph.counts[leaf, path[at + 1 - (graph.k - 1)]] += 1


def _join_head(graph: _Graph, path: list[Node], root: Node, number: int) -> None:
    head, node = root[0], root
    while node not in graph.place:
        departures = graph.after(node)
        if len(departures) != 1 or len(head) > len(graph.reference):
            return
        node = departures[0]
        head += node[0][-1]
    end = graph.place[node]
    if len(head) - graph.k < _MIN_TAIL:
        return
    places = range(end)
    matches = {at: _common(head, graph.reference[at:end]) for at in places}
    at = _place(end - len(head) + 1, places, matches)
    if at is None or matches[at] >= graph.k:
        return
    last = at + matches[at] - 1 - (graph.k - 1)
    if last < 0:
        return
    before = path[last]
    for i in range(matches[at], graph.k - 1):
        if any(node[0][-1] == head[i] for node in graph.after(before)):
            return
        made = (head[: i + 1], number)
        graph.counts[before, made] += 1
        before = made
    if not any(node[0][-1] == head[graph.k - 1] for node in graph.after(before)):
        graph.counts[before, root] += 1


def _paths(graph: _Graph, path: list[Node]) -> dict[str, float]:
    after = {node: graph.after(node) for edge in graph.edges() for node in edge}
    reaches = {path[-1]}
    while True:
        more = {a for a, b in graph.edges() if b in reaches} - reaches
        if not more:
            break
        reaches |= more

    def walk(node: Node, behind: tuple[Node, ...]) -> Iterator[tuple[str, float]]:
        if node in behind:
            raise RecursionError
        if node == path[-1]:
            yield "", 0.0
        total = sum(max(graph.counts[node, b], 1) for b in after.get(node, []))
        for b in after.get(node, []):
            if b in reaches:
                step = -10 * math.log10(max(graph.counts[node, b], 1) / total)
                for bases, cost in walk(b, (*behind, node)):
                    yield b[0][-1] + bases, cost + step

    out: dict[str, float] = {}
    try:
        for bases, cost in walk(path[0], ()):
            spelled = path[0][0] + bases
            out[spelled] = min(cost, out.get(spelled, math.inf))
    except RecursionError:
        return {}
    return out
