"""What a connection needs for files on other tiers: DuckDB's access to S3, and errors that say what to do."""

import re
import shlex
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

from baselake.catalog.extensions import load_extension
from baselake.catalog.tiers.settings import load_tiers
from baselake.errors import StorageError
from baselake.lake.partition import OBJECTS, LakeLayout, is_object, object_run, partition_values
from baselake.lake.tiers import Tier

if TYPE_CHECKING:
    from baselake.lake.store import S3Access, S3Chain

# How often an open lake looks whether there are other tiers than before, and writes down what it read.
_LOOK_SECONDS = 2.0
_SPOOL_SECONDS = 60.0


class Remote:
    """The tiers as one open lake knows them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, layout: LakeLayout) -> None:
        self._connection = connection
        self._layout = layout
        self._lock = threading.Lock()
        self._looked = self._spooled = float("-inf")
        self._tiers: Sequence[Tier] = ()
        self._chain: S3Chain | None = None
        self._access: S3Access | None = None
        self._counts = False

    def prepare(self) -> None:
        """See that what the next query may read can be read: a tier that is new, keys that were renewed.

        Raises:
            StorageError: credentials cannot be had.
            MissingDependencyError: DuckDB's extension for S3 is not installed.
        """
        with self._lock:
            now = time.monotonic()
            if now - self._looked < _LOOK_SECONDS:
                return
            self._tiers = load_tiers(self._connection)
            if any(tier.url.startswith("s3://") for tier in self._tiers):
                self._allow_s3()
            if len(self._tiers) > 1 or self._counts:
                self._count(now)
            self._looked = now

    def _count(self, now: float) -> None:
        # Imported here: a lake without other tiers needs no heat, and no Arrow for it.
        from baselake.catalog.tiers.heat import spool_reads, start_counting

        if not self._counts:
            start_counting(self._connection)
            self._counts, self._spooled = True, now
        if now - self._spooled >= _SPOOL_SECONDS:
            spool_reads(self._connection, self._layout)
            self._spooled = now

    def close(self) -> None:
        """Write down what was read."""
        with self._lock:
            if self._counts:
                from baselake.catalog.tiers.heat import spool_reads

                spool_reads(self._connection, self._layout)

    def explained(self, error: BaseException) -> StorageError | None:
        """See `explained`."""
        return explained(str(error), self._tiers)

    def _allow_s3(self) -> None:
        from baselake.lake.store import S3Chain

        if self._chain is None:
            load_extension(self._connection, "httpfs")
            # It takes AWS_... of the environment into settings that any query may show.
            for setting in ("s3_access_key_id", "s3_secret_access_key", "s3_session_token"):
                self._connection.execute(f"SET GLOBAL {setting} = ''")
            self._chain = S3Chain()
        access = self._chain.access()
        if access == self._access:
            return
        allow_s3(self._connection, access)
        self._access = access


def allow_s3(connection: duckdb.DuckDBPyConnection, access: "S3Access") -> None:
    """Give DuckDB the keys, in memory.

    Its own chain of credentials is in an extension that no package carries.
    """
    options: dict[str, object] = {
        "REGION": access.region,
        "URL_STYLE": "path" if access.path_style else "vhost",
    }
    if access.endpoint is not None:
        parts = urlsplit(access.endpoint)
        options |= {"ENDPOINT": f"{parts.netloc}{parts.path}".rstrip("/"), "USE_SSL": parts.scheme == "https"}
    if access.key is not None:
        options |= {"KEY_ID": access.key, "SECRET": access.secret}
    if access.token is not None:
        options["SESSION_TOKEN"] = access.token
    cursor = connection.cursor()
    try:
        # Bound, and so in no text that an error could show.
        cursor.execute(
            "CREATE OR REPLACE TEMPORARY SECRET baselake (TYPE s3, "
            + ", ".join(f"{name} ?" for name in options)
            + ")",
            list(options.values()),
        )
    except duckdb.Error as error:
        raise StorageError(
            f"DuckDB does not take the credentials ({type(error).__name__})",
            "S3",
            "Look into ~/.aws and AWS_...",
        ) from None
    finally:
        cursor.close()


# ---------------------------------------------------------------------------------------------------------
# Errors.

_COLD = re.compile(r"cold:([^\"'\n]+)")
_REMOTE = re.compile(r"['\"]((?:s3|https?)://[^'\"\n]+)['\"]")
_NO_PARQUET = re.compile(r"No magic bytes found at end of file '(?:encrypted://)?([^'\n]+)'")
_LOCAL = re.compile(r"(?:Cannot open file|No files found that match the pattern) \"(/[^\"\n]+)\"")


def explained(text: str, tiers: Sequence[Tier]) -> StorageError | None:
    """The error to raise for what DuckDB says of a file that it cannot read; None: it is about another thing.

    Args:
        text: of DuckDB's error.
        tiers: those of the lake.
    """
    if found := _COLD.search(text):
        return recall_first(found[1], tiers)
    if found := _REMOTE.search(text):
        where, reason = found[1], text.splitlines()[0]
        if "HTTP 404" in text:
            return StorageError(
                "the file is not there, or its bucket is not", where, "Restore the bucket, or the file in it"
            )
        if "HTTP 403" in text or "HTTP 401" in text:
            return StorageError(
                "the store refuses the credentials",
                where,
                "Give some that may read it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the"
                " instance's role",
            )
        if "HTTP Error" in text or "IO Error" in text:
            said = re.sub(r"['\"]?(?:s3|https?)://\S+", "", reason).split(": ", 1)[-1].strip(" .")
            return StorageError(
                f"the store does not answer ({' '.join(said.split())})",
                where,
                "See that it runs and AWS_ENDPOINT_URL is its address, then run the same command again",
            )
    if found := _NO_PARQUET.search(text):
        return StorageError(
            "the file is damaged, or encrypted and its key is not in the keyring",
            found[1],
            "Run: baselake doctor",
        )
    if found := _LOCAL.search(text):
        return StorageError(
            "the file is not there", found[1], "Mount the folder it is in, or restore it from another copy"
        )
    return None


def recall_first(location: str, tiers: Sequence[Tier]) -> StorageError:
    """The error to raise for a file that lies on a cold tier.

    Args:
        location: of the file.
        tiers: those of the lake.
    """
    names = [tier.name for tier in tiers if tier.url and location.startswith(f"{tier.url}/")]
    on = f"tier {names[0]!r}" if names else "a cold tier"
    return StorageError(
        f"the file is on {on}, from which it must be recalled first", location, f"Run: {_recall(location)}"
    )


def _recall(location: str) -> str:
    from baselake.lake.keyring import key_name  # imported here: few queries meet a cold file

    if is_object(key_name(location)):
        return shlex.join(["baselake", "tiers", "recall", object_run(location), "--table", OBJECTS])
    values = partition_values(location)
    folders = location.split("/")
    table = folders[folders.index("main") + 1] if "main" in folders[:-1] else ""
    subject = values.get("sample_id") or values.get("run_id") or ""
    words = [*([subject] if subject else []), *(["--table", table] if table else [])]
    return shlex.join(["baselake", "tiers", "recall", *words])
