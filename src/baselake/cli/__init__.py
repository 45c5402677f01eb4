"""The command `baselake`: one file per verb, each parses, calls one function and renders.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 the user's error,
2 wrong usage, 70 a defect of ours (EX_SOFTWARE of BSD's sysexits.h), 130 interrupted.
"""

import gc
import os
import sys
import traceback
from importlib import import_module

import click

from baselake.cli.options import common, debugging
from baselake.errors import BaselakeError, StorageError

# Verb -> what it does; the module of the verb holds a click command of the name `command`.
_VERBS = {
    "init": "Create an empty lake.",
    "reference": "Register reference assemblies.",
    "ingest": "Import a sequencer's run folder, or FASTQ, SAM, BAM, CRAM, VCF, BCF files.",
    "watch": "Import every run that appears in a folder, for ever.",
    "work": "Align, call and measure every sample that needs it, for ever.",
    "align": "Align reads, sort, mark duplicates.",
    "call": "Call germline variants; runs what is missing before.",
    "genotype": "Genotype a cohort together.",
    "annotate": "Load gene models and sources of annotation, and tell what variants do to genes.",
    "sql": "Ask the lake in SQL.",
    "query": "Ask a question that has a name: carriers, frequencies, inheritance, kinship.",
    "rerun": "Ask again by a receipt, and say what differs.",
    "export": "Write standard formats: vcf, gvcf, bam, cram, fastq.",
    "report": "Write a sample's quality control as one HTML file.",
    "status": "What is in the lake.",
    "doctor": "Check every file of the lake, and mend what can be mended.",
    "compact": "Make large files of small ones.",
    "expire": "Let old snapshots go, and the files that none needs.",
    "backup": "Copy the catalog, and the data it needs.",
    "restore": "Make a lake from a backup.",
    "runs": "Sequencer runs and imports.",
    "tiers": "Where files lie, what it costs, and what moves.",
    "samples": "Samples, and what is known of them.",
    "pedigree": "Families: who is whose child.",
    "cohort": "Sets of samples that have a name.",
    "panel": "Lists of genes that have a name.",
    "snapshots": "The lake's history: name a state of it, go back to one.",
    "audit": "Who did what to the lake.",
    "erase": "Remove a person's rows and every copy of them, past snapshots included.",
    "demo": "Make a small genome and a run, call it, compare with the truth.",
}


class _Verbs(click.Group):
    """Loads a verb's module when the verb is used, so that starting costs only what is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = import_module(f"baselake.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        # Here and not in _run: click takes any EOFError, and so our TruncatedInputError, for an interruption.
        try:
            return super().invoke(ctx)
        except BaselakeError as error:
            return _fail(error, 1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="baselake")
@common
def cli() -> None:
    """A genomics data lake with compute near the data: a sequencer's reads in, variants in SQL out.

    The lake is the folder given by --lake or BASELAKE_LAKE, else ./baselake-data.
    """


def main() -> None:
    """Run the command line and exit."""
    # NumPy's linear algebra, of which we use nothing, starts a thread per core when it is imported: a tenth of a
    # second of processor time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's allocator gives memory back at once, and the kernel clears it anew for the next column: a tenth of the
    # processor time of reading a sample. After ten seconds without use is soon enough.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "10000")
    # Importing makes a hundred thousand objects that stay: to look through them again and again finds nothing.
    gc.set_threshold(100_000)
    status = _run()
    sys.stderr.flush()
    # What was open is closed and what was committed is durable. To take every module apart would free nothing that
    # the end of the process does not, and takes a tenth of a second.
    os._exit(status)


def _run() -> int:
    try:
        status = cli.main(prog_name="baselake", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return 1
    except (click.Abort, KeyboardInterrupt):
        print("interrupted; nothing half-done is visible", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (| head): no error of anybody's. Keep Python from flushing to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = str(error.filename) if error.filename is not None else ""
        return _fail(StorageError(error.strerror or str(error), where), 1)
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever arrives here is a defect of ours
        text = f"internal error: {type(error).__name__}: {error}"
        return _fail(BaselakeError(text, "", "Run again with --debug and report what it prints"), 70)


def _fail(error: BaselakeError, status: int) -> int:
    if debugging():
        traceback.print_exception(error.__cause__ or error)
    print(f"baselake: {' '.join(str(error).split())}", file=sys.stderr)
    return status
