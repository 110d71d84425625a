"""MinIO: an S3 server whose bucket notifications are the vendor's own, sent to our Kafka. A test
component only (AGPL).
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from . import common, s3
from .kafka import TOPIC

MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
GO_MIN = (1, 24)
KEY, SECRET, BUCKET = "millrace", "millrace-secret", "docs"


def go_version():
    """None without Go; the toolchain's own version, not the one a project could ask for."""
    if not shutil.which("go"):
        return None
    text = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


class Minio:
    name = "minio"

    def __init__(self, kafka=None):
        self.binary = common.cache_dir() / "minio" / "minio"
        self.kafka = kafka
        self.child = None
        self.is_prepared = False
        self.port = None

    def why_not(self):
        if self.is_installed():
            return None
        return self.no_go() or "MinIO is not installed yet (tests/services/serve.py --install)"

    def no_go(self):
        version = go_version()
        if not version:
            return "no go (MinIO is built with Go 1.24 or newer)"
        if version < GO_MIN:
            return f"go {version[0]}.{version[1]} is too old (MinIO is built with Go 1.24 or newer)"
        return None

    def is_installed(self):
        return os.access(self.binary, os.X_OK)

    def install(self):
        if self.is_installed():
            return
        if self.no_go():
            raise common.Unavailable(self.no_go())
        self.binary.parent.mkdir(exist_ok=True)
        building = self.binary.parent / "building"
        try:
            common.run_quietly(
                ["go", "install", MODULE],
                "go install " + MODULE,
                env={**os.environ, "GOBIN": str(building), "GOFLAGS": "-trimpath"},
            )
        except common.Failed as failed:
            raise common.Unavailable(f"MinIO cannot be built: {failed}") from failed
        (building / "minio").rename(self.binary)
        shutil.rmtree(building)

    def settings(self):
        values = {
            "MINIO_ROOT_USER": KEY,
            "MINIO_ROOT_PASSWORD": SECRET,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        if self.kafka:
            values.update(
                {
                    "MINIO_NOTIFY_KAFKA_ENABLE_MILL": "on",
                    "MINIO_NOTIFY_KAFKA_BROKERS_MILL": self.kafka.brokers,
                    "MINIO_NOTIFY_KAFKA_TOPIC_MILL": TOPIC,
                    "MINIO_NOTIFY_KAFKA_QUEUE_DIR_MILL": str(self.root / "queue"),
                }
            )
        return values

    def spawn(self, run):
        self.root = pathlib.Path(run) / "minio"
        self.root.mkdir()
        self.start_again()

    def start_again(self):
        self.port = self.port or common.free_port()
        argv = [
            str(self.binary),
            "server",
            str(self.root / "data"),
            "--address",
            f"127.0.0.1:{self.port}",
            "--quiet",
        ]
        self.child = common.Child(argv, self.root / "minio.log", self.settings())

    def is_live(self):
        try:
            with urllib.request.urlopen(self.endpoint + "/minio/health/cluster", timeout=1):
                return True
        except OSError:
            return False

    def wait(self):
        common.wait_until(self.is_live, self.child, 60, "MinIO")
        if not self.is_prepared:  # a restart finds its bucket again
            self.make_bucket(BUCKET)
            self.is_prepared = True

    def make_bucket(self, name):
        client = self.client(name)
        client.create_bucket()
        if self.kafka:
            client.notify("arn:minio:sqs::MILL:kafka", ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])

    def client(self, bucket=BUCKET):
        return s3.Bucket(self.endpoint, bucket, KEY, SECRET)

    def stop(self):
        if self.child:
            self.child.stop(signal.SIGKILL)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def environment(self):
        return {
            "TEST_S3_ENDPOINT": self.endpoint,
            "TEST_S3_KEY": KEY,
            "TEST_S3_SECRET": SECRET,
            "TEST_S3_BUCKET": BUCKET,
            "TEST_S3_REGION": "us-east-1",
        }
