"""Errors that say what went wrong, where, and what to do about it.

The tree, with the builtin each error also is:

    BaselakeError
    ├── InputError (ValueError)            a file or record the user gave is not what its format says
    │   ├── TruncatedInputError (EOFError) it ends before its format allows
    │   └── PairingError                   mates do not belong together
    ├── NotFoundError (LookupError)        a sample, reference, contig, table or file is not there
    ├── ConflictError (FileExistsError)    it is there already, and different
    ├── LakeError (RuntimeError)           the lake itself is absent, locked, of another version or damaged
    ├── StorageError (OSError)             disk full, permission denied, store unreachable
    └── MissingDependencyError (ImportError)  an optional part is not installed

The command line prints `what`, `where` and `remedy`, and exits 1. Anything that is not a BaselakeError is a
defect of ours and exits 70.
"""


class BaselakeError(Exception):
    """The root of every error baselake raises on purpose.

    Attributes:
        what: what is wrong, one clause, no full stop.
        where: file, record, line or object it concerns; empty where there is none.
        remedy: what the user can do, one imperative sentence; empty where nothing is known.
    """

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.remedy}" if self.remedy else text


class InputError(BaselakeError, ValueError):
    """A file or record the user gave is not what its format says."""


class TruncatedInputError(InputError, EOFError):
    """An input ends before its format allows."""


class PairingError(InputError):
    """Mates do not belong together: names differ, or one file has more records."""


class NotFoundError(BaselakeError, LookupError):
    """A sample, reference, contig, table or file is not there."""


class ConflictError(BaselakeError, FileExistsError):
    """Something of that name is there already, and is different."""


class LakeError(BaselakeError, RuntimeError):
    """The lake itself is absent, locked, of another version or damaged."""


class StorageError(BaselakeError, OSError):
    """Disk full, permission denied, or a store that cannot be reached."""


class MissingDependencyError(BaselakeError, ImportError):
    """An optional part is not installed; the remedy names the install command."""
