"""How files call the contigs of an assembly."""

from collections.abc import Iterable

_MITOCHONDRIAL = ("M", "MT", "chrM", "chrMT")


def spellings(contigs: Iterable[str]) -> dict[str, str]:
    """The contig of an assembly by each name that a file may call it: with `chr` and without, M and MT.

    Args:
        contigs: as the assembly calls them; its own names come first.
    """
    known = {contig: contig for contig in contigs}
    for contig in list(known):
        others = _MITOCHONDRIAL if contig in _MITOCHONDRIAL else ()
        for name in (contig.removeprefix("chr") if contig.startswith("chr") else f"chr{contig}", *others):
            known.setdefault(name, contig)
    return known
