"""Stores of files by URL: a directory or any S3. The one place that touches fsspec, s3fs and botocore.

A store is given names relative to its URL. What it puts is durable when `put` returns, and whole or not there at all.
Credentials come by the usual chain of AWS programs (environment, ~/.aws, the instance's role), the endpoint from
AWS_ENDPOINT_URL or the profile. They are in memory only: no catalog, log line or error has them.
"""

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar
from urllib.parse import urlsplit

from xxhash import xxh3_128

from baselake.errors import InputError, StorageError
from baselake.lake.ranges import open_ranges

T = TypeVar("T")

# What is read and written at once. S3 wants parts of 5 MiB and more, and no more than 10,000 of them
# (Amazon S3 User Guide, "Multipart upload limits").
PART_BYTES = 16 << 20
_MOST_PARTS = 10_000
_PART_SUFFIX = ".part"
# What of the environment says which store a bucket is of.
WHICH_STORE = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE")
_ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")  # storage classes that must be restored before they can be read
_RESTORED_DAYS = 3
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_CREDENTIALS = (
    "Give some that may use it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or an instance's role"
)
_UNREACHABLE = "See that the store runs and AWS_ENDPOINT_URL is its address, then run the same command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often what fails for the moment is tried, and how long is waited before the second time.

    Attributes:
        attempts: in all.
        pause: seconds; twice as long each time.
    """

    attempts: int = 6
    pause: float = 0.2


class Store(Protocol):
    """Files by name below a URL. Every method raises StorageError where the store fails."""

    @property
    def url(self) -> str:
        """Where it is, as a tier names it; no slash at the end."""

    def location(self, name: str) -> str:
        """The absolute path or URL of a file."""

    def check(self) -> None:
        """See that files can be put here, before anything is entrusted to it."""

    def put(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        """Write a file of `size` bytes, in the place of one of that name; nothing stays of one that fails."""

    def get(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, a piece at a time."""

    def open(self, name: str) -> BinaryIO:
        """A file for reading here and there.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it cannot be read.
        """

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def delete(self, name: str) -> None:
        """Remove a file, and what a killed `put` of that name left; none need be there."""

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Names that begin with `prefix`, and the bytes of each."""

    def request(self, name: str) -> bool:
        """Ask an archive for a file; whether it can be read now."""


def open_store(url: str, patience: Patience | None = None) -> Store:
    """The store at a URL: `/path`, `file:///path` or `s3://bucket/prefix`.

    Raises:
        InputError: it is no such URL, or has credentials in it.
    """
    patience = patience if patience is not None else Patience()
    url = check_url(url)
    if url.startswith("s3://"):
        return S3Store(url=url, patience=patience)
    return LocalStore(root=Path(url))


def check_url(url: str) -> str:
    """A store's URL as it is kept: `s3://bucket/prefix`, or the absolute path of a directory.

    Raises:
        InputError: it is no such URL, or has credentials in it.
    """
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        # Not shown: it may be a key.
        raise InputError("the URL has more than a bucket and a prefix", f"{parts.scheme}://...", _CREDENTIALS)
    if parts.scheme == "s3" and parts.netloc:
        return f"s3://{parts.netloc}{parts.path}".rstrip("/")
    path = parts.path if parts.scheme == "file" and not parts.netloc else url if not parts.scheme else ""
    if not path.startswith("/") or not path.strip("/"):
        raise InputError(
            f"{url!r} is no store's URL", "", "Write it as s3://BUCKET/PREFIX, file:///PATH or /PATH"
        )
    return os.path.normpath(path)


def checksum(store: Store, name: str, count: Callable[[int], None] = lambda _: None) -> str:
    """XXH3-128 of a file's bytes as the store gives them back, hexadecimal; see `baselake.lake.checksum`.

    Args:
        store: where it is.
        name: of the file.
        count: is told the bytes of each piece.
    """
    digest = xxh3_128()
    for piece in store.get(name):
        digest.update(piece)
        count(len(piece))
    return digest.hexdigest()


def verify(store: Store, name: str, size: int, expected: str) -> None:
    """Read a file back from where it lies and compare.

    Raises:
        StorageError: it is not there, or other bytes are.
    """
    there = store.size(name)
    if there != size or checksum(store, name) != expected:
        found = "is not there" if there is None else f"has {there:,} bytes, not {size:,}"
        raise StorageError(
            f"the copy {found if there != size else 'is not what was written'}",
            store.location(name),
            "Look into the store's disks, then run the same command again",
        )


# ---------------------------------------------------------------------------------------------------------
# A directory.


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStore:
    """A directory; see `Store`.

    Attributes:
        root: absolute.
    """

    root: Path

    @property
    def url(self) -> str:
        return str(self.root)

    def location(self, name: str) -> str:
        return str(self.root / name)

    def check(self) -> None:
        if not self.root.is_dir():
            raise StorageError("there is no such directory", self.url, "Make it or mount it")
        if not os.access(self.root, os.W_OK):
            raise StorageError("permission denied", self.url, "Let this user write there")

    def put(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        # Imported here: it brings what writes Parquet, and most that know of stores only read.
        from baselake.lake.parquet import sync_folder

        path, part = self.root / name, self._part(name)
        # A directory that was unmounted must not be filled under its mount point.
        self.check()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
                # What is read back to be compared shall come from the disk and not from memory.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                if file.tell() != size:
                    raise StorageError(
                        f"{file.tell():,} bytes came, not {size:,}", str(part), "Run the same command again"
                    )
            os.replace(part, path)
            sync_folder(path.parent)
        except BaseException as error:
            with suppress(OSError):  # what failed is told; the journal of who called remembers the rest
                part.unlink(missing_ok=True)
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                raise _local_error(error, path) from error
            raise

    def get(self, name: str) -> Iterator[bytes]:
        path = self.root / name
        try:
            with open(path, "rb", buffering=0) as file:
                while piece := file.read(PART_BYTES):
                    yield piece
        except OSError as error:
            raise _local_error(error, path) from error

    def open(self, name: str) -> BinaryIO:
        return open(self.root / name, "rb")

    def size(self, name: str) -> int | None:
        try:
            return (self.root / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _local_error(error, self.root / name) from error

    def delete(self, name: str) -> None:
        try:
            (self.root / name).unlink(missing_ok=True)
            self._part(name).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise _local_error(error, self.root / name) from error

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        for folder, _, files in os.walk(self.root):
            for file in files:
                path = Path(folder, file)
                name = str(path.relative_to(self.root))
                if name.startswith(prefix) and not file.endswith(_PART_SUFFIX):
                    yield name, path.stat().st_size

    def request(self, name: str) -> bool:
        del name
        return True

    def _part(self, name: str) -> Path:
        return self.root / (name + _PART_SUFFIX)


def _local_error(error: OSError, path: Path) -> StorageError:
    return StorageError(
        error.strerror or str(error),
        str(path),
        "Free space or mend the store, then run the same command again",
    )


# ---------------------------------------------------------------------------------------------------------
# S3.


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Access:
    """How this process reaches S3 at this moment; the keys are not in its text.

    Attributes:
        key: the access key's id; None: without signature.
        secret: the secret access key.
        token: of keys that expire.
        endpoint: URL; None: Amazon's own.
        region: of the bucket.
        path_style: the bucket is in the path, not in the host's name.
    """

    key: str | None = field(repr=False)
    secret: str | None = field(repr=False)
    token: str | None = field(repr=False)
    endpoint: str | None
    region: str
    path_style: bool


class S3Chain:
    """Where this process has its keys, endpoint and region from, as every AWS program: looked up once."""

    def __init__(self) -> None:
        # Imported where they are needed: a lake without S3 starts without them.
        import botocore.configprovider
        import botocore.exceptions
        import botocore.session

        try:
            session = botocore.session.get_session()
            scoped = session.get_scoped_config()
            self._credentials = session.get_credentials()
            self._endpoint = botocore.configprovider.ConfiguredEndpointProvider(
                full_config=session.full_config, scoped_config=scoped, client_name="s3"
            ).provide()
            self._region = session.get_config_variable("region") or "us-east-1"
        except botocore.exceptions.BotoCoreError as error:
            raise _no_credentials(error) from None
        style = scoped.get("s3", {})
        style = style.get("addressing_style") if isinstance(style, dict) else None
        self._path_style = style == "path" or (self._endpoint is not None and style != "virtual")

    def access(self) -> S3Access:
        """What it gives at this moment: keys that are about to expire are renewed first.

        Raises:
            StorageError: keys cannot be had.
        """
        import botocore.exceptions

        try:
            keys = self._credentials.get_frozen_credentials() if self._credentials is not None else None
        except botocore.exceptions.BotoCoreError as error:
            raise _no_credentials(error) from None
        return S3Access(
            key=keys.access_key if keys is not None else None,
            secret=keys.secret_key if keys is not None else None,
            token=keys.token if keys is not None else None,
            endpoint=self._endpoint,
            region=self._region,
            path_style=self._path_style,
        )


def _no_credentials(error: Exception) -> StorageError:
    return StorageError(f"credentials cannot be had ({_told(error)})", "S3", _CREDENTIALS)


class S3Store:
    """A prefix of a bucket; see `Store`. Safe to use from several threads.

    Attributes:
        url: `s3://bucket/prefix`.
    """

    def __init__(self, *, url: str, patience: Patience, part_bytes: int = PART_BYTES) -> None:
        import s3fs

        self.url = url
        self._patience = patience
        self._part_bytes = part_bytes
        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        # What they tell when everything is to be told has the key's name in it.
        for name in ("botocore", "aiobotocore"):
            logging.getLogger(name).setLevel(logging.INFO)
        access = S3Chain().access()
        self._fs = s3fs.S3FileSystem(
            skip_instance_cache=True,
            use_listings_cache=False,
            endpoint_url=access.endpoint,
            client_kwargs={"region_name": access.region},
            config_kwargs={
                "connect_timeout": 10,
                "read_timeout": 60,
                "retries": {"max_attempts": 0},  # `_call` repeats
                "s3": {"addressing_style": "path" if access.path_style else "auto"},
                # Not every S3 takes checksums at the end of a body; ours is read back from the other side anyway.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        )
        self._fs.retries = 1

    def location(self, name: str) -> str:
        return f"{self.url}/{name}"

    def check(self) -> None:
        self._call("list_objects_v2", "", Prefix=self._key(""), MaxKeys=1)

    def put(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        part_bytes = max(self._part_bytes, math.ceil(size / _MOST_PARTS))
        if size <= part_bytes:
            body = b"".join(pieces)
            self._check_came(name, len(body), size)
            self._call("put_object", name, Key=self._key(name), Body=body)
            return
        upload = self._call("create_multipart_upload", name, Key=self._key(name))["UploadId"]
        try:
            done: list[dict[str, object]] = []
            came = 0
            for number, body in enumerate(_parts(pieces, part_bytes), start=1):
                part = self._call(
                    "upload_part", name, Key=self._key(name), UploadId=upload, PartNumber=number, Body=body
                )
                done.append({"PartNumber": number, "ETag": part["ETag"]})
                came += len(body)
            self._check_came(name, came, size)
            self._call(
                "complete_multipart_upload",
                name,
                Key=self._key(name),
                UploadId=upload,
                MultipartUpload={"Parts": done},
            )
        except BaseException:
            with suppress(
                StorageError
            ):  # what failed is told; `delete` aborts it where the store is gone now
                self._abort(name, upload)
            raise

    def get(self, name: str) -> Iterator[bytes]:
        size = self.size(name)
        if size is None:
            raise StorageError("the file is not there", self.location(name), "Restore it from another copy")
        for start in range(0, size, self._part_bytes):
            end = min(size, start + self._part_bytes)
            yield self.get_range(name, start, end)

    def open(self, name: str) -> BinaryIO:
        size = self.size(name)
        if size is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.location(name))
        return open_ranges(partial(self.get_range, name), size)

    def get_range(self, name: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of a file.

        Raises:
            StorageError: they cannot be had.
        """
        piece: bytes = self._call("get_object", name, Key=self._key(name), Range=f"bytes={start}-{end - 1}")
        self._check_came(name, len(piece), end - start)
        return piece

    def size(self, name: str) -> int | None:
        found = self._call("head_object", name, Key=self._key(name), absent=None)
        return None if found is None else int(found["ContentLength"])

    def delete(self, name: str) -> None:
        self._call("delete_object", name, Key=self._key(name), absent=None)
        uploads = self._call("list_multipart_uploads", name, Prefix=self._key(name), absent={})
        for upload in uploads.get("Uploads") or ():
            if upload["Key"] == self._key(name):
                self._abort(name, upload["UploadId"])

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        following: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", "", Prefix=self._key(prefix), **following)
            for entry in page.get("Contents") or ():
                yield entry["Key"][len(self._key("")) :], int(entry["Size"])
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    def request(self, name: str) -> bool:
        found = self._call("head_object", name, Key=self._key(name))
        if found.get("StorageClass") not in _ARCHIVED:
            return True
        restore = found.get("Restore")  # 'ongoing-request="true"', or "false" with the day it ends
        if restore is None:
            self._call("restore_object", name, Key=self._key(name), RestoreRequest={"Days": _RESTORED_DAYS})
        return restore is not None and 'ongoing-request="false"' in restore

    def _abort(self, name: str, upload: str) -> None:
        self._call("abort_multipart_upload", name, Key=self._key(name), UploadId=upload, absent=None)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _check_came(self, name: str, came: int, size: int) -> None:
        if came != size:
            raise StorageError(
                f"{came:,} bytes came, not {size:,}", self.location(name), "Run the same command again"
            )

    def _call(self, operation: str, name: str, *, absent: Any = Ellipsis, **arguments: Any) -> Any:
        """One request, repeated while it fails for the moment; `absent` is what is returned where nothing is there."""
        import aiohttp
        from botocore.exceptions import BotoCoreError

        for attempt in range(1, self._patience.attempts + 1):
            try:
                return self._request(operation, arguments)
            except (OSError, BotoCoreError, aiohttp.ClientError) as error:
                failure = _s3_failure(error)
                if failure.absent and absent is not Ellipsis:
                    return absent
                if not failure.passing or attempt == self._patience.attempts:
                    # Without its cause, whose text we do not know.
                    raise failure.error(self.location(name) if name else self.url, self._bucket) from None
            time.sleep(self._patience.pause * 2 ** (attempt - 1))
        raise AssertionError("no attempt was made")

    def _request(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        from fsspec.asyn import sync

        async def request() -> Any:
            answer = await self._fs._call_s3(operation, Bucket=self._bucket, **arguments)
            if operation != "get_object":
                return answer
            async with answer[
                "Body"
            ] as body:  # read here, so that a connection lost on the way is tried again
                return await body.read()

        return sync(self._fs.loop, request)


@dataclass(frozen=True, slots=True, kw_only=True)
class _S3Failure:
    """Why a request failed: the error's code, empty where no answer came, its words, and HTTP status."""

    code: str
    said: str
    status: int

    @property
    def passing(self) -> bool:
        """Whether it may go away by itself."""
        return self.status >= 500 or self.status == 429 or self.code in ("", "SlowDown", "RequestTimeout")

    @property
    def absent(self) -> bool:
        return self.status == 404 and self.code != "NoSuchBucket"

    def error(self, where: str, bucket: str) -> StorageError:
        if self.code == "NoCredentials":
            return StorageError("there are no credentials for the store", where, _CREDENTIALS)
        if self.code == "NoSuchBucket":
            return StorageError(
                f"there is no bucket {bucket!r}", where, "Make it, or correct the tier: baselake tiers set"
            )
        if self.code in _REFUSED or self.status in (401, 403):
            if self.code == "InvalidObjectState":
                return StorageError("the file is in the archive", where, "Run: baselake tiers recall")
            return StorageError(f"the store refuses the credentials ({self.code})", where, _CREDENTIALS)
        if self.absent:
            return StorageError("the file is not there", where, "Restore it from another copy")
        if self.status == 507 or "no free volume" in self.said.lower():
            return StorageError(
                f"the store is full ({self.code})", where, "Give it room, or use another tier"
            )
        if self.passing:
            return StorageError(f"the store does not answer ({self.said})", where, _UNREACHABLE)
        return StorageError(f"the store refuses ({self.code}: {self.said})", where, "Mend what it names")


def _s3_failure(error: BaseException) -> _S3Failure:
    import botocore.exceptions

    # s3fs gives errors of the operating system, whose causes are those of botocore.
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for one in chain:
        if isinstance(one, botocore.exceptions.ClientError):
            told = one.response.get("Error", {})
            status = one.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return _S3Failure(
                code=str(told.get("Code", status)), said=str(told.get("Message", "")), status=status
            )
        if isinstance(
            one, (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError)
        ):
            return _S3Failure(code="NoCredentials", said="", status=0)
    return _S3Failure(code="", said=_told(chain[-1]), status=0)


def _told(error: BaseException) -> str:
    """The first line of an error's words, or its kind."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _parts(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in parts of one size; the last is what is left."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
