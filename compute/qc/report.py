"""A sample's quality control as one HTML file that needs no other: no network, no script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.files import replacing
from baselake.catalog.references import Reference
from baselake.compute.qc.calls import BALANCE_STEPS
from baselake.compute.qc.definitions import DEFINITIONS, warnings_of, written
from baselake.compute.qc.svg import bars, line
from baselake.errors import NotFoundError

# Places of the coverage plot; windows beyond are averaged.
_PLACES = 600

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --paper: #fff; --rule: #d5dbe1; --a: #2f6f9f; --b: #d08a2e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ee; --paper: #14191f; --rule: #38424d; --a: #6fb1e0; --b: #e5ab5c; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: anywhere; }
td.value { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.warning { border-left: 4px solid #c0392b; padding: .25rem .75rem; margin: .5rem 0; background: #c0392b22; }
figure { margin: 1.5rem 0; }
svg { width: 100%; height: auto; font-size: 11px; fill: var(--ink); }
svg .axis { fill: none; stroke: var(--ink); }
svg .s0, svg .k0 { fill: var(--a); } svg .s1, svg .k1 { fill: var(--b); fill-opacity: .8; }
"""


def write_report(catalog: Catalog, sample: str, reference: Reference, path: Path) -> None:
    """Write the report of a sample that was measured (`measure_sample`); the file appears whole or not at all.

    Args:
        catalog: the lake.
        sample: its id.
        reference: the assembly.
        path: the file, which is replaced.

    Raises:
        NotFoundError: the sample was not measured, or the file's folder does not exist.
        StorageError: the disk is full or fails.
    """
    page = report_page(catalog, sample, reference)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def report_page(catalog: Catalog, sample: str, reference: Reference) -> str:
    """The report as HTML.

    Raises:
        NotFoundError: the sample was not measured.
    """
    whose = {"reference": reference.name, "sample": sample}
    where = "WHERE reference = $reference AND sample_id = $sample"
    rows = catalog.query(f"SELECT metric, bin, value, job_id FROM sample_qc {where}", whose).to_pylist()
    if not rows:
        raise NotFoundError(
            f"{sample} was not measured on {reference.name}", "", f"Run: baselake report {sample}"
        )
    metrics = {row["metric"]: row["value"] for row in rows if row["bin"] is None}
    (about,) = catalog.query(catalog.statement("report_sample"), whose).to_pylist()
    made_of = catalog.query(catalog.statement("qc_made_of"), whose).to_pylist()
    groups = catalog.query(catalog.statement("report_groups"), {"sample": sample}).to_pylist()
    files = catalog.query(catalog.statement("report_files"), {"sample": sample}).to_pylist()
    jobs = {job for row in made_of for job in row["jobs"] or ()} | {row["job_id"] for row in rows}
    done = catalog.query(catalog.statement("report_jobs"), {"jobs": sorted(jobs)}).to_pylist()
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(sample)}: quality control</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(sample)}</h1>",
        f"<p>Quality control on {escape(reference.name)}. Stated sex: {escape(about['sex'] or 'not stated')}.</p>",
        *_warnings(warnings_of(metrics, about["sex"])),
        "<h2>Figures</h2>",
        _figures(metrics),
        "<h2>Plots</h2>",
        *_plots(catalog, whose, reference, _histograms(rows)),
        "<h2>Lineage</h2>",
        f"<p>Reference {escape(reference.name)}, digest <code>{escape(about['digest'])}</code>"
        " (GA4GH sequence collection).</p>",
        "<h3>Runs and read groups</h3>",
        _table(groups, ("read_group_id", "library", "platform", "run_id", "lane", "barcode", "run_folder")),
        "<h3>Imported files</h3>",
        _table(files, ("path", "format", "records", "sha256", "job_id")),
        "<h3>Jobs</h3>",
        _table(done, ("job_id", "operation", "tool", "version", "device", "node", "started", "finished")),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _warnings(told: Sequence[str]) -> Iterable[str]:
    if not told:
        return ["<p>No warnings.</p>"]
    return [f'<p class="warning" role="alert">{escape(text)}</p>' for text in told]


def _figures(metrics: Mapping[str, float]) -> str:
    rows = [
        f'<tr><th scope="row">{escape(known.label)}</th><td class="value">{escape(written(name, metrics[name]))}</td>'
        f"<td>{escape(known.text)}</td></tr>"
        for name, known in DEFINITIONS.items()
        if name in metrics
    ]
    head = "<thead><tr><th>Metric</th><th>Value</th><th>How it is defined</th></tr></thead>"
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _histograms(rows: Iterable[Mapping[str, object]]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["bin"] is not None:
            found.setdefault(str(row["metric"]), {})[int(str(row["bin"]))] = float(str(row["value"]))
    return found


def _plots(
    catalog: Catalog,
    whose: Mapping[str, str],
    reference: Reference,
    histograms: Mapping[str, Mapping[int, float]],
) -> Iterable[str]:
    depth, inserts = (_main_part(histograms.get(name, {})) for name in ("depth", "insert_size"))
    indels = histograms.get("indel_length", {})
    longest = max(map(abs, indels), default=0)
    drawn = (
        (
            bars("Coverage histogram", {"bases": depth}, "reads over a base", "bases"),
            "Coverage: bases by the number of reads over them; bases without any, and the last 0.5%, are not shown.",
        ),
        (
            _windows_plot(catalog, whose, reference),
            "Coverage along the contigs: mean reads over a base, in windows of 10,000 bases or several together.",
        ),
        (
            bars("Insert size histogram", {"templates": inserts}, "bases", "templates"),
            "Insert size: properly paired templates by length; the longest 0.5% are not shown.",
        ),
        (
            bars(
                "Indel lengths", {"alleles": indels}, "bases inserted", "alleles", within=(-longest, longest)
            ),
            "Indels: alleles by length, deletions left of 0; 50 bases stand for longer ones, too.",
        ),
        (
            bars(
                "Allele balance",
                {
                    "heterozygous": histograms.get("balance_het", {}),
                    "homozygous": histograms.get("balance_hom", {}),
                },
                "the alternate's share of reads",
                "SNVs",
                within=(0, BALANCE_STEPS),
                scale=1 / BALANCE_STEPS,
            ),
            "Allele balance: diploid SNVs with one alternate and at least 10 reads, by the alternate's share of them.",
        ),
    )
    return [f"<figure>{plot}<figcaption>{escape(text)}</figcaption></figure>" for plot, text in drawn]


def _main_part(histogram: Mapping[int, float]) -> dict[int, float]:
    """Without bin 0 and the highest bins, which together hold less than one in two hundred."""
    left = sum(value for place, value in histogram.items() if place) * 0.995
    kept: dict[int, float] = {}
    for place, value in sorted(histogram.items()):
        if place and left > 0:
            kept[place] = value
            left -= value
    return kept


def _windows_plot(catalog: Catalog, whose: Mapping[str, str], reference: Reference) -> str:
    rows = catalog.query(
        "SELECT contig, mean FROM coverage_windows WHERE reference = $reference AND sample_id = $sample"
        " ORDER BY contig, start",
        whose,
    )
    contigs = rows["contig"].to_numpy(zero_copy_only=False)
    means = rows["mean"].to_numpy()
    together = max(1, -(-len(means) // _PLACES))
    values: list[float] = []
    starts, names = [], []
    for contig in reference.lengths:
        found = means[contigs == contig]
        if len(found):
            starts.append(len(values))
            names.append(contig)
            begins = np.arange(0, len(found), together)
            sizes = np.diff(np.append(begins, len(found)))
            values += (np.add.reduceat(found, begins) / sizes).tolist()
    return line("Coverage along the contigs", values, starts, names, "contigs", "reads over a base")


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_said(row[name]))}</td>" for name in columns) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _said(value: object) -> str:
    return "" if value is None else str(value)
