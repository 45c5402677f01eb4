"""A reference is known by what its sequences are, whatever its file looks like."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselake.catalog import references
from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference, add_reference, open_reference, sha512t24u
from baselake.errors import ConflictError, InputError, NotFoundError, TruncatedInputError

from .conftest import SEQUENCES


def test_bases_are_slices_of_the_fasta(reference: Reference) -> None:
    assert reference.lengths == {name: len(bases) for name, bases in SEQUENCES.items()}
    assert reference.bases("chrX", 3, 9).tobytes().decode() == SEQUENCES["chrX"][3:9]
    assert reference.bases("chr1", -5, 10**6).tobytes().decode() == SEQUENCES["chr1"]
    with pytest.raises(NotFoundError, match="no contig 'chr7'"):
        reference.bases("chr7", 0, 1)


def test_samtools_reads_the_copy_in_the_lake(reference: Reference, peer: Callable[[str], str]) -> None:
    out = subprocess.run(
        [peer("samtools"), "faidx", reference.fasta, "chrX:4-9"], capture_output=True, text=True, check=True
    ).stdout
    assert out.splitlines()[1] == SEQUENCES["chrX"][3:9]


def test_digests_are_those_of_the_specifications(reference: Reference) -> None:
    # refget v2's own example of the digest, and SAM's M5 of the same text.
    assert sha512t24u(b"ACGT") == "aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"
    import hashlib

    chrx = reference.contigs[1]
    assert chrx.md5 == hashlib.md5(SEQUENCES["chrX"].encode()).hexdigest()
    assert chrx.refget == "SQ." + sha512t24u(SEQUENCES["chrX"].encode())


@pytest.mark.parametrize("name", ["wrapped.fa", "lower.fa", "crlf.fa", "small.fa.gz"])
def test_the_same_sequences_in_another_file_are_the_same_reference(
    catalog: Catalog, reference: Reference, tmp_path: Path, name: str
) -> None:
    text = {
        "wrapped.fa": "".join(
            f">{n}\n" + "".join(b[i : i + 7] + "\n" for i in range(0, len(b), 7))
            for n, b in SEQUENCES.items()
        ),
        "lower.fa": "".join(f">{n}\n{b.lower()}\n\n" for n, b in SEQUENCES.items()),
        "crlf.fa": "".join(f">{n}\r\n{b}\r\n" for n, b in SEQUENCES.items()),
        "small.fa.gz": "".join(f">{n}\n{b}\n" for n, b in SEQUENCES.items()).rstrip(),
    }[name]
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert add_reference(catalog, path, "tiny").digest == reference.digest
    assert catalog.query('SELECT count(*) AS n FROM "references"')["n"][0].as_py() == 1


def test_another_sequence_under_a_known_name_is_refused(
    catalog: Catalog, reference: Reference, tmp_path: Path
) -> None:
    other = tmp_path / "other.fa"
    other.write_text(">chr1\nACGT\n")
    with pytest.raises(ConflictError, match="reference tiny is another assembly"):
        add_reference(catalog, other, "tiny")
    assert open_reference(catalog).digest == reference.digest
    add_reference(catalog, other, "other")
    with pytest.raises(NotFoundError, match="2 references, and none named"):
        open_reference(catalog)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "does not begin with '>'"),
        (b"ACGT\n", "does not begin with '>'"),
        (b">\nACGT\n", "no reference sequence name"),
        (b">a\nACGT\n>b\n>c\nACGT\n", "line 3: sequence 'b' has no bases"),
        (b">a\nACGT\n>a\nACGT\n", "line 3: a second sequence named 'a'"),
        (b">a\nACGT\nAC!T\n", "sequence a, base 7: '!' is no base"),
        # Named, because a gzip header holds the time: pytest-xdist wants every worker to collect the same names.
        pytest.param(gzip.compress(b">a\nACGT\n" * 100)[:-20], "ends early", id="cut gzip"),
        pytest.param(
            gzip.compress(b">a\n" + b"ACGT" * 100)[:-8] + b"\0" * 8, "not a sound gzip file", id="wrong CRC"
        ),
    ],
)
def test_what_is_no_fasta_is_refused_with_its_line(
    catalog: Catalog, tmp_path: Path, text: bytes, message: str
) -> None:
    path = tmp_path / "bad.fa"
    path.write_bytes(text)
    with pytest.raises((InputError, TruncatedInputError), match=message):
        add_reference(catalog, path, "bad")
    assert catalog.query('SELECT * FROM "references"').num_rows == 0
    assert not list(catalog.layout.references.iterdir())


@given(
    sequences=st.lists(st.text("ACGTNacgtn", min_size=1, max_size=60), min_size=1, max_size=5),
    width=st.integers(1, 70),
    chunk=st.integers(1, 40),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_wrapping_and_any_chunk_gives_the_sequences(
    sequences: list[str], width: int, chunk: int, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "_CHUNK", chunk)
    path = tmp_path / "any.fa"
    lines = []
    for i, bases in enumerate(sequences):
        lines += [f">s{i} text", *(bases[at : at + width] for at in range(0, len(bases), width))]
    path.write_bytes((end.join(lines) + end).encode())
    contigs = list(references._normalise(path, tmp_path / "out.fa"))
    assert [contig.name for contig in contigs] == [f"s{i}" for i in range(len(sequences))]
    text = (tmp_path / "out.fa").read_text()
    assert text == "".join(f">s{i}\n{bases.upper()}\n" for i, bases in enumerate(sequences))
