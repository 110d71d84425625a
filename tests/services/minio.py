"""MinIO: an S3 server whose bucket notifications are the vendor's own, sent to our Kafka. A test
component only (AGPL).
"""

import json
import os
import pathlib
import shutil
import signal
import ssl
import urllib.error
import urllib.request

from . import common, go, s3
from .kafka import TOPIC

MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
GO_MIN = (1, 24)
KEY, SECRET, BUCKET = "millrace", "millrace-secret", "docs"


class Minio:
    name = "minio"
    ARN, EVENTS = "arn:minio:sqs::MILL:kafka", ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")

    def __init__(self, kafka=None):
        self.binary = common.cache_dir() / "minio" / "minio"
        self.kafka = kafka
        self.child = None
        self.is_prepared = False
        self.port = None
        self.trust = None
        self.is_tls = False  # set before it starts: a certificate of its own, at `certificate`

    def why_not(self):
        if self.is_installed():
            return None
        return self.no_go() or "MinIO is not installed yet (tests/services/serve.py --install)"

    def no_go(self):
        return go.why_not("MinIO", GO_MIN)

    def is_installed(self):
        return os.access(self.binary, os.X_OK)

    def install(self):
        if self.is_installed():
            return
        if self.no_go():
            raise common.Unavailable(self.no_go())
        go.install(MODULE, self.binary)

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
                    # Else it answers an upload before the event is in that folder: killed in the
                    # milliseconds between, it never tells (6 of 1,535 changes, in 100 kills).
                    "MINIO_API_SYNC_EVENTS": "on",
                }
            )
        return values

    def spawn(self, run):
        self.root = pathlib.Path(run) / "minio"
        self.root.mkdir()
        if self.is_tls:
            self.certify(self.root / "certs")
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
            *(("--certs-dir", str(self.certificate.parent)) if self.is_tls else ()),
        ]
        self.child = common.Child(argv, self.root / "minio.log", self.settings())

    def certify(self, folder):
        folder.mkdir()
        self.certificate = folder / "public.crt"
        ask = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        ask += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        ask += ["-keyout", str(folder / "private.key"), "-out", str(self.certificate)]
        common.run_quietly(ask, "openssl")
        self.trust = ssl.create_default_context(cafile=self.certificate)

    def is_live(self):
        try:
            where = self.endpoint + "/minio/health/cluster"
            with urllib.request.urlopen(where, timeout=1, context=self.trust):
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
            client.notify(self.ARN, self.EVENTS)

    def client(self, bucket=BUCKET, session=(KEY, SECRET)):
        return s3.Bucket(self.endpoint, bucket, *session, trust=self.trust)

    def session(self, policy):
        """(key, secret, token) of a session that may do what a file's policy says, and nothing else."""
        text = pathlib.Path(policy).read_text()
        return self.client().assume(json.loads(text.replace("BUCKET", BUCKET)))

    def stop(self):
        if self.child:
            self.child.stop(signal.SIGKILL)

    @property
    def endpoint(self):
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def environment(self):
        return {
            "TEST_S3_ENDPOINT": self.endpoint,
            "TEST_S3_KEY": KEY,
            "TEST_S3_SECRET": SECRET,
            "TEST_S3_BUCKET": BUCKET,
            "TEST_S3_REGION": "us-east-1",
        }
