"""What a store must do, wherever it keeps files."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselake.errors import InputError, StorageError
from baselake.lake.location import checksum_of
from baselake.lake.store import LocalStore, Patience, S3Store, Store, check_url, checksum, open_store, verify
from tests.object_store import KEY, SECRET

IMPATIENT = Patience(attempts=2, pause=0.01)
PART = 5 << 20  # the least that S3 takes
# Folders as partitions spell them: blanks, slashes, letters beyond ASCII, NULL.
NAMES = (
    "main/reads/run_id=R1/lane=1/a.parquet",
    "main/reads/run_id=a%20b%2Fc%2520/lane=__HIVE_DEFAULT_PARTITION__/b.parquet",
    "main/alignments/sample_id=%C3%A9+=&?#/c.parquet",
)


class Conformance:
    """Inherited by the tests of each store, which give the fixture `store`."""

    @pytest.mark.parametrize("size", [0, 1, PART, 2 * PART + 7])
    def test_what_is_put_is_what_is_got(self, store: Store, size: int, tmp_path: Path) -> None:
        data = os.urandom(size)
        store.put("a", [data[start : start + 3_000_001] for start in range(0, size, 3_000_001)], size)
        assert b"".join(store.get("a")) == data
        assert store.size("a") == size
        (tmp_path / "same").write_bytes(data)
        assert checksum(store, "a") == checksum_of(str(tmp_path / "same"))
        verify(store, "a", size, checksum(store, "a"))

    @pytest.mark.parametrize("name", NAMES)
    def test_names_are_kept_as_they_are(self, store: Store, name: str) -> None:
        store.put(name, [b"123"], 3)
        assert b"".join(store.get(name)) == b"123"
        assert (store.size(name), list(store.list())) == (3, [(name, 3)])

    def test_a_file_takes_the_place_of_the_one_before(self, store: Store) -> None:
        store.put("a", [b"first"], 5)
        store.put("a", [b"2"], 1)
        assert b"".join(store.get("a")) == b"2"

    def test_files_are_listed_by_how_their_names_begin(self, store: Store) -> None:
        assert list(store.list()) == []
        for name in (*NAMES, "other/x"):
            store.put(name, [b"123"], 3)
        assert sorted(store.list()) == sorted((name, 3) for name in (*NAMES, "other/x"))
        assert sorted(store.list("main/reads/")) == sorted((name, 3) for name in NAMES[:2])

    def test_what_is_deleted_is_gone_and_may_be_deleted_again(self, store: Store) -> None:
        store.put("a/b", [b"123"], 3)
        for _ in range(2):
            store.delete("a/b")
            assert store.size("a/b") is None
        assert list(store.list()) == []

    @pytest.mark.parametrize("size", [10, 2 * PART + 7])
    def test_a_put_that_fails_leaves_nothing(self, store: Store, size: int) -> None:
        def breaks() -> Iterator[bytes]:
            yield bytes(size // 2 + 1)
            raise RuntimeError("the source is gone")

        store.put("there", [b"old"], 3)
        for name in ("there", "new"):
            with pytest.raises(RuntimeError, match="the source is gone"):
                store.put(name, breaks(), size)
            with pytest.raises(StorageError, match="bytes came, not"):
                store.put(name, [bytes(size - 1)], size)
        assert list(store.list()) == [("there", 3)]
        assert b"".join(store.get("there")) == b"old"
        self.nothing_unfinished(store)

    def test_what_a_killed_put_left_is_deleted_with_its_name(self, store: Store) -> None:
        self.begin(store, "killed")
        store.delete("killed")
        assert list(store.list()) == []
        self.nothing_unfinished(store)

    def test_a_copy_that_is_not_what_was_written_is_told(self, store: Store) -> None:
        store.put("a", [b"123"], 3)
        mark = checksum(store, "a")
        store.put("a", [b"124"], 3)
        where = re.escape(store.location("a"))
        with pytest.raises(StorageError, match=rf"{where}: the copy is not what was written"):
            verify(store, "a", 3, mark)
        with pytest.raises(StorageError, match=rf"{where}: the copy has 3 bytes, not 4"):
            verify(store, "a", 4, mark)
        store.delete("a")
        with pytest.raises(StorageError, match=rf"{where}: the copy is not there"):
            verify(store, "a", 3, mark)

    def test_a_file_that_is_not_there_is_named(self, store: Store) -> None:
        with pytest.raises(StorageError, match=re.escape(store.location("a/b"))):
            list(store.get("a/b"))

    def test_what_is_no_archive_can_be_read_at_once(self, store: Store) -> None:
        store.put("a", [b"123"], 3)
        assert store.request("a")

    def test_it_is_found_by_its_url(self, store: Store) -> None:
        store.check()
        store.put("a", [b"123"], 3)
        again = open_store(store.url)
        assert (again.url, again.size("a")) == (store.url, 3)

    def begin(self, store: Store, name: str) -> None:
        """What a put that is killed half way leaves."""
        raise NotImplementedError

    def nothing_unfinished(self, store: Store) -> None:
        """There is none of that."""
        raise NotImplementedError


class TestDirectory(Conformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        (tmp_path / "store").mkdir()
        return LocalStore(root=tmp_path / "store")

    def begin(self, store: Store, name: str) -> None:
        Path(store.location(name + ".part")).write_bytes(b"half")

    def nothing_unfinished(self, store: Store) -> None:
        assert list(Path(store.url).rglob("*.part")) == []

    def test_a_directory_that_is_not_mounted_is_not_filled(self, tmp_path: Path) -> None:
        store = open_store(str(tmp_path / "absent"))
        for use in (store.check, lambda: store.put("a/b", [b"1"], 1)):
            with pytest.raises(
                StorageError, match=r"absent: there is no such directory. Make it or mount it"
            ):
                use()
        assert not (tmp_path / "absent").exists()

    def test_a_full_disk_is_told(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"a: No space left on device. Free space"):
            store.put("a", [b"1"], 1)
        self.nothing_unfinished(store)


class TestS3(Conformance):
    @pytest.fixture
    def store(self, bucket: str) -> Store:
        return S3Store(url=bucket, patience=IMPATIENT, part_bytes=PART)

    def begin(self, store: Store, name: str) -> None:
        assert isinstance(store, S3Store)
        client = store._fs
        path, key = store.url.removeprefix("s3://").split("/", 1)
        client.call_s3("create_multipart_upload", Bucket=path, Key=f"{key}/{name}")

    def nothing_unfinished(self, store: Store) -> None:
        assert isinstance(store, S3Store)
        path, key = store.url.removeprefix("s3://").split("/", 1)
        found = store._fs.call_s3("list_multipart_uploads", Bucket=path, Prefix=key)
        assert not found.get("Uploads")

    def test_many_files_are_listed_page_by_page(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        store = S3Store(url=bucket, patience=IMPATIENT)
        for number in range(5):
            store.put(f"{number}", [b"1"], 1)
        request = S3Store._request

        def short(self: S3Store, operation: str, arguments: dict[str, object]) -> object:
            return request(self, operation, {**arguments, "MaxKeys": 2} if "list" in operation else arguments)

        monkeypatch.setattr(S3Store, "_request", short)
        assert sorted(store.list()) == [(f"{number}", 1) for number in range(5)]

    def test_a_bucket_that_is_absent_is_named(self, bucket: str) -> None:
        store = open_store("s3://no-such-bucket/x", IMPATIENT)
        for use in (store.check, lambda: store.put("a", [b"1"], 1)):
            with pytest.raises(
                StorageError, match=r"s3://no-such-bucket/x.*there is no bucket 'no-such-bucket'"
            ):
                use()

    def test_credentials_that_are_refused_or_absent_are_told_and_not_shown(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
        store = open_store(bucket, IMPATIENT)
        for use in (store.check, lambda: store.put("a", [b"1"], 1), lambda: store.size("a")):
            with pytest.raises(StorageError, match=r"the store refuses the credentials.*~/\.aws") as raised:
                use()
            assert not re.search(f"wrong-secret|{KEY}", f"{raised.value}{raised.value.__cause__}")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(StorageError, match="there are no credentials for the store"):
            open_store(bucket, IMPATIENT).check()

    def test_a_store_that_does_not_answer_is_named(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(StorageError, match=r"the store does not answer .*AWS_ENDPOINT_URL") as raised:
            open_store(bucket, IMPATIENT).check()
        assert SECRET not in f"{raised.value}{raised.value.__cause__}"

    def test_what_fails_for_the_moment_is_tried_again(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = os.urandom(2 * PART)
        store = S3Store(url=bucket, patience=Patience(attempts=3, pause=0.01), part_bytes=PART)
        request, calls = S3Store._request, []

        def falters(self: S3Store, operation: str, arguments: dict[str, object]) -> object:
            calls.append(operation)
            if len(calls) % 3:
                raise ConnectionResetError(104, "Connection reset by peer")
            return request(self, operation, arguments)

        monkeypatch.setattr(S3Store, "_request", falters)
        store.put("a", [data], len(data))
        assert b"".join(store.get("a")) == data
        assert calls.count("upload_part") == 6

    def test_an_archived_file_is_asked_for_once_and_ready_when_it_was_restored(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What Amazon's archive answers, for SeaweedFS has none (S3 API, HeadObject and RestoreObject)."""
        heads = iter(
            [
                {"StorageClass": "DEEP_ARCHIVE"},
                {"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'},
                {"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="false", expiry-date="..."'},
            ]
        )
        calls = []

        def archive(_: S3Store, operation: str, arguments: dict[str, object]) -> object:
            calls.append(operation)
            return next(heads) if operation == "head_object" else {}

        monkeypatch.setattr(S3Store, "_request", archive)
        store = open_store(bucket)
        assert [store.request("a") for _ in range(3)] == [False, False, True]
        assert calls.count("restore_object") == 1

    def test_keys_are_not_in_the_text_of_what_holds_them(self, bucket: str) -> None:
        from baselake.lake.store import S3Chain

        access = S3Chain().access()
        assert (access.key, access.secret, access.path_style) == (KEY, SECRET, True)
        assert not re.search(f"{KEY}|{SECRET}", f"{access!r}{access}{open_store(bucket)!r}")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("/mnt/tape/", "/mnt/tape"),
        ("file:///mnt/tape", "/mnt/tape"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
    ],
)
def test_urls_are_kept_in_one_spelling(url: str, kept: str) -> None:
    assert check_url(url) == kept


@pytest.mark.parametrize("url", ["", "relative/path", "http://host/x", "s3:///x", "file://host/x", "/"])
def test_what_is_no_url_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="no store's URL"):
        check_url(url)


@pytest.mark.parametrize("url", [f"s3://{KEY}:{SECRET}@bucket/x", f"s3://bucket/x?secret={SECRET}"])
def test_a_url_with_keys_in_it_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError) as raised:
        check_url(url)
    assert not re.search(f"{KEY}|{SECRET}", str(raised.value))
