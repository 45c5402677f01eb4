"""The experiment on half precision computes the kernel's recurrences, but for the rounding."""

from pathlib import Path

import numpy as np
import pytest

from .modules import benchmark

for script in ("synthetic", "gpu", "gpu_model"):
    benchmark(script)
half = benchmark("half")


def random_pairs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    reads, haplotypes = (rng.choice(np.frombuffer(b"ACGTN", np.uint8), size) for size in (600, 900))
    reads[:300] = np.concatenate([haplotypes[at : at + 30] for at in range(0, 900, 90)])
    count = 20
    return {
        "read_offsets": np.arange(0, 601, 30, dtype=np.int32),
        "read_bases": reads,
        "quality": rng.integers(0, 41, 600).astype(np.uint8),
        "haplotype_offsets": np.arange(0, 901, 90, dtype=np.int32),
        "haplotype_bases": haplotypes,
        "open": rng.integers(10, 46, 900).astype(np.uint8),
        "read": np.arange(count, dtype=np.int32),
        "haplotype": np.arange(count, dtype=np.int32) % 10,
        "diagonal": np.zeros(count, np.int32),
        "left": np.where(np.arange(count) % 2, 5, 7).astype(np.int32),
        "right": np.full(count, 6, np.int32),
    }


def test_without_rounding_the_costs_are_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = random_pairs()
    monkeypatch.setattr(half, "rounded", lambda values: values)
    expected = half.costs(pairs)
    near = expected < 300  # float32 scaled row by row has not the range of what float64 computes again
    assert near.sum() >= 10
    assert np.abs(half.half_costs(pairs) - expected)[near].max() < 1e-2


def test_the_slice_is_compared(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half.main(["--data", str(shared_data), "--start", "10000000", "--end", "10003000"])
    out = capsys.readouterr().out
    assert "| off by over 0.001 phred |" in out
    assert "calls whose GQ or PL is another" in out
