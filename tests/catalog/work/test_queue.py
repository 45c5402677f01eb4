"""What samples wait for: asked for by what was committed, given to one worker at a time, left when it keeps failing."""

import time
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest

from baselake.catalog.backends import backend_of
from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.restore import restore_snapshot
from baselake.catalog.work import queue
from baselake.catalog.work.queue import Terms, Work, finish, give_up, pending, renew, retry, take, told
from baselake.errors import NotFoundError
from tests.catalog.conftest import Place

REFERENCE = "ref"
TERMS = Terms(lease_seconds=60, tries=2, losses=2, retry_seconds=0)


@pytest.fixture
def catalog(place: Place) -> Iterator[Catalog]:
    """An empty lake in either database."""
    with connect(place.lake, place.config) as opened:
        yield opened


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the queue sees; change it by assigning to its only element."""
    now = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def reads_come(
    catalog: Catalog, *samples: str, run: str = "run1", state: str = "imported", form: str = "fastq"
) -> None:
    """A commit that brings reads of samples, as an import of files does."""
    with catalog.job("ingest") as job, job.commit() as tx:
        columns = {"source_id": ["file"], "format": [form], "sample_ids": [list(samples)], "job_id": [job.id]}
        tx.insert("source_files", pa.table(columns | {"run_id": [run]}))
        tx.insert(
            "read_groups",
            pa.table(
                {
                    "read_group_id": [f"{run}.{sample}" for sample in samples],
                    "sample_id": list(samples),
                    "run_id": [run] * len(samples),
                }
            ),
        )
        tx.execute("DELETE FROM runs WHERE run_id = ?", [run])
        tx.insert("runs", pa.table({"run_id": [run], "state": [state]}))


def stage_is_committed(
    catalog: Catalog, stage: str, sample: str, *, region: str | None = None, reference: str = REFERENCE
) -> None:
    asked = {"sample": sample, "reference": reference, "region": region}
    with catalog.job(stage, asked) as job, job.commit():
        pass


def first(free: Sequence[Work]) -> Work | None:
    return free[0]


def given(catalog: Catalog, worker: str = "w1") -> Work | None:
    return take(catalog, REFERENCE, worker, TERMS, first)


def taken(catalog: Catalog, worker: str = "w1") -> Work:
    work = given(catalog, worker)
    assert work is not None
    return work


def waiting(catalog: Catalog) -> dict[str, str]:
    """What is waited for, by sample; looking asks for what was committed since."""
    take(catalog, REFERENCE, "looks", TERMS, lambda free: None)
    return {work.sample_id: work.stage for work in pending(catalog)}


def test_each_commit_asks_for_what_comes_after_it(catalog: Catalog) -> None:
    assert given(catalog) is None
    reads_come(catalog, "S1", "S2")
    assert waiting(catalog) == {"S1": "align", "S2": "align"}
    stage_is_committed(catalog, "align", "S1")
    assert waiting(catalog) == {"S1": "call", "S2": "align"}
    stage_is_committed(catalog, "call", "S1", region="chr1:1-100")
    stage_is_committed(catalog, "align", "S2", reference="another")
    assert waiting(catalog) == {"S1": "call", "S2": "align"}
    stage_is_committed(catalog, "call", "S1")
    assert waiting(catalog) == {"S1": "qc", "S2": "align"}
    stage_is_committed(catalog, "qc", "S1")
    assert waiting(catalog) == {"S2": "align"}
    reads_come(catalog, "S1", run="run2")
    assert waiting(catalog) == {"S1": "align", "S2": "align"}


def test_what_was_committed_before_anybody_looked_is_asked_for(catalog: Catalog) -> None:
    reads_come(catalog, "S1", "S2", "S3")
    for sample, stages in {"S1": ("align",), "S2": ("align", "call", "qc")}.items():
        for stage in stages:
            stage_is_committed(catalog, stage, sample)
    assert waiting(catalog) == {"S1": "call", "S3": "align"}


def test_calls_that_were_imported_ask_for_nothing(catalog: Catalog) -> None:
    for form in ("vcf", "bcf"):
        reads_come(catalog, "S1", form=form)
    assert waiting(catalog) == {}


def gene_models_come(catalog: Catalog, reference: str = REFERENCE) -> None:
    with catalog.job("annotate genes", {"reference": reference}) as job, job.commit() as tx:
        row = {"release_id": [job.id], "source": ["genes"], "reference": [reference], "version": ["1"]}
        tx.insert("annotation_releases", pa.table(row))


def alleles_are_annotated(catalog: Catalog) -> None:
    with catalog.job("annotate variants", {"reference": REFERENCE}) as job, job.commit():
        pass


def test_new_alleles_ask_for_annotation_where_there_are_gene_models(catalog: Catalog) -> None:
    reads_come(catalog, "S1", form="vcf")
    stage_is_committed(catalog, "call", "S2")
    gene_models_come(catalog, "another")
    assert waiting(catalog) == {"S2": "qc"}
    gene_models_come(catalog)
    assert waiting(catalog) == {"S2": "qc", queue.ALLELES: "annotate"}
    alleles_are_annotated(catalog)
    assert waiting(catalog) == {"S2": "qc"}
    stage_is_committed(catalog, "call", "S3", region="chr1:1-100")  # of which the sample waits for nothing
    assert waiting(catalog) == {"S2": "qc", queue.ALLELES: "annotate"}
    alleles_are_annotated(catalog)
    reads_come(catalog, "S4", form="bcf")
    assert waiting(catalog) == {"S2": "qc", queue.ALLELES: "annotate"}


def test_alleles_that_keep_coming_wait_since_the_first_and_are_annotated_once(
    catalog: Catalog, clock: list[float]
) -> None:
    gene_models_come(catalog)
    begun = clock[0]
    reads_come(catalog, "S1", form="vcf")
    assert waiting(catalog) == {queue.ALLELES: "annotate"}
    clock[0] += 100
    reads_come(catalog, "S2", form="vcf")
    waiting(catalog)
    (one,) = pending(catalog)
    assert one.asked == int(begun)
    work = taken(catalog)
    assert (work.stage, work.sample_id) == ("annotate", queue.ALLELES)
    assert "annotate of new alleles on ref: " in queue.told(catalog)[0]
    reads_come(catalog, "S3", form="vcf")  # while they are annotated: once more
    finish(catalog, work)
    again = taken(catalog)
    finish(catalog, again)
    assert pending(catalog) == []


def test_work_is_given_to_one_worker(catalog: Catalog) -> None:
    reads_come(catalog, "S1", "S2")
    works = [taken(catalog, "w1"), taken(catalog, "w2")]
    assert {work.sample_id for work in works} == {"S1", "S2"}
    assert given(catalog, "w3") is None
    assert {work.worker for work in pending(catalog)} == {"w1", "w2"}
    finish(catalog, works[0])
    assert taken(catalog, "w3").stage == "call"


def test_a_sample_waits_until_its_runs_are_whole(catalog: Catalog) -> None:
    reads_come(catalog, "S1", state="ingesting")
    assert waiting(catalog) == {"S1": "align"}
    assert given(catalog) is None
    assert "waits, run run1 is ingesting" in told(catalog)[0]
    reads_come(catalog, "S1", run="run2")
    assert given(catalog) is None
    with catalog.record() as tx:
        tx.execute("UPDATE runs SET state = 'complete' WHERE run_id = 'run1'")
    assert taken(catalog).sample_id == "S1"


def test_a_worker_that_is_not_heard_of_loses_its_work(catalog: Catalog, clock: list[float]) -> None:
    reads_come(catalog, "S1")
    old = taken(catalog, "w1")
    clock[0] += TERMS.lease_seconds - 1
    assert renew(catalog, old, TERMS)
    clock[0] += TERMS.lease_seconds - 1
    assert given(catalog, "w2") is None
    clock[0] += 1
    new = taken(catalog, "w2")
    assert (new.losses, new.tries) == (1, 0)
    assert not renew(catalog, old, TERMS)
    finish(catalog, old)
    give_up(catalog, old, TERMS, "too late", counts=True)
    assert pending(catalog) == [new]
    finish(catalog, new)
    assert waiting(catalog) == {"S1": "call"}


def test_what_keeps_losing_its_workers_is_left_to_people(catalog: Catalog, clock: list[float]) -> None:
    reads_come(catalog, "S1")
    for number in range(TERMS.losses):
        taken(catalog, f"w{number}")
        clock[0] += TERMS.lease_seconds
    assert given(catalog) is None
    (work,) = pending(catalog)
    assert work.is_given_up(TERMS)
    assert "was not heard of" in (work.error or "")


def test_what_keeps_failing_is_left_to_people_with_its_error(catalog: Catalog, clock: list[float]) -> None:
    reads_come(catalog, "S1")
    for number in range(TERMS.tries):
        give_up(catalog, taken(catalog), TERMS, f"failure {number}", counts=True)
    assert given(catalog) is None
    assert told(catalog) == ["align of S1 on ref: failed 2 times; the last try failed: failure 1"]
    retry(catalog, ["S1"])
    assert taken(catalog).tries == 0
    with pytest.raises(NotFoundError, match="no work on sample 'S2' has failed"):
        retry(catalog, ["S2"])


def test_what_failed_on_several_assemblies_is_tried_again_on_each(catalog: Catalog) -> None:
    reads_come(catalog, "S1")
    for reference in ("a", "b"):
        work = take(catalog, reference, "w1", TERMS, first)
        assert work is not None
        give_up(catalog, work, TERMS, "a failure", counts=True)
    retry(catalog, ["S1"])
    assert [(work.reference, work.tries) for work in pending(catalog)] == [("a", 0), ("b", 0)]


def test_a_failure_is_tried_again_later_and_new_reads_at_once(catalog: Catalog, clock: list[float]) -> None:
    terms = Terms(lease_seconds=60, tries=9, retry_seconds=30)

    def tried() -> Work | None:
        return take(catalog, REFERENCE, "w1", terms, first)

    reads_come(catalog, "S1")
    for wait in (30, 60, 120):
        work = tried()
        assert work is not None
        give_up(catalog, work, terms, "the store is away", counts=True)
        clock[0] += wait - 1
        assert tried() is None
        clock[0] += 1
    work = tried()
    assert work is not None
    give_up(catalog, work, terms, "the store is away", counts=True)
    reads_come(catalog, "S1", run="run2")
    assert taken(catalog).tries == 0


def test_what_was_left_because_the_worker_ended_is_free_at_once(catalog: Catalog) -> None:
    reads_come(catalog, "S1")
    give_up(catalog, taken(catalog), TERMS, None, counts=False)
    assert (taken(catalog, "w2").tries, pending(catalog)[0].error) == (0, None)


def test_reads_that_come_while_their_sample_is_worked_on_are_not_forgotten(catalog: Catalog) -> None:
    reads_come(catalog, "S1")
    work = taken(catalog)
    stage_is_committed(catalog, "align", "S1")
    reads_come(catalog, "S1", run="run2")
    assert given(catalog, "w2") is None  # while the first is at it
    finish(catalog, work)
    assert taken(catalog, "w2").stage == "align"


def test_a_stage_that_had_nothing_to_do_is_done(catalog: Catalog) -> None:
    reads_come(catalog, "S1")
    stages = []
    while (work := given(catalog)) is not None:
        stages.append(work.stage)
        finish(catalog, work)  # without a commit: it found everything done
    assert stages == ["align", "call", "qc"]
    assert pending(catalog) == []


def test_a_crash_between_commit_and_end_costs_a_look(catalog: Catalog, clock: list[float]) -> None:
    reads_come(catalog, "S1")
    taken(catalog, "w1")
    stage_is_committed(catalog, "align", "S1")
    clock[0] += TERMS.lease_seconds
    assert taken(catalog, "w2").stage == "call"


def test_what_a_restored_lake_waits_for_is_derived_anew(catalog: Catalog) -> None:
    reads_come(catalog, "S1")
    before = catalog.newest_snapshot()
    stage_is_committed(catalog, "align", "S1")
    work = taken(catalog)
    assert work.stage == "call"
    restore_snapshot(catalog, before)
    assert not renew(catalog, work, TERMS)
    assert waiting(catalog) == {"S1": "align"}


def test_every_row_is_one_of_a_sample(catalog: Catalog) -> None:
    reads_come(catalog, "S1")
    waiting(catalog)
    columns = catalog.query(f"SELECT * FROM {queue._WORK}").column_names
    assert set(columns) == set(Work.__dataclass_fields__)


def test_who_finds_nothing_to_do_keeps_nobody_from_committing(catalog: Catalog) -> None:
    reads_come(catalog, "A")
    work = taken(catalog)
    with backend_of(catalog.layout, catalog.config).commit_lock(1):
        assert given(catalog, "w2") is None
    stage_is_committed(catalog, "align", "A")
    finish(catalog, work)
    assert taken(catalog, "w2").stage == "call"
