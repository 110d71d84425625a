"""The services start, do what the tests rely on, and end with whoever started them."""

import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from services import common, s3, serve  # noqa: E402

SERVE = pathlib.Path(serve.__file__)


def serve_command(*arguments, **options):
    return subprocess.run(
        [sys.executable, SERVE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        **options,
    )


class CommandLine(unittest.TestCase):
    def test_the_command_sees_the_addresses_and_its_code_is_ours(self):
        done = serve_command("fakes", "--", "sh", "-c", 'echo "$TEST_EMBED_URL"; exit 3')
        self.assertEqual(
            (3, True), (done.returncode, done.stdout.startswith("http://127.0.0.1:")), done
        )

    def test_what_cannot_be_had_is_skipped_with_a_reason(self):
        done = serve_command(
            "kafka", "--", "true", env={"PATH": "/nonexistent", "HOME": os.environ.get("HOME", "/")}
        )
        self.assertEqual(
            (77, "SKIPPED: kafka: no java (apt-get install default-jre-headless)\n"),
            (done.returncode, done.stdout),
        )

    def test_an_optional_service_is_left_out(self):
        done = serve_command(
            "kafka?",
            "fakes",
            "--",
            "/bin/sh",
            "-c",
            'echo "[$TEST_KAFKA_BROKERS]"',
            env={"PATH": "/nonexistent", "HOME": os.environ.get("HOME", "/")},
        )
        self.assertEqual((0, "[]\n"), (done.returncode, done.stdout))

    def test_wrong_usage_is_2(self):
        self.assertEqual(2, serve_command("kafka").returncode)

    def test_services_end_with_a_killed_parent(self):
        names = ["fakes"] if common_why("postgres") else ["fakes", "postgres"]
        with subprocess.Popen(
            [sys.executable, SERVE, *names, "--", "sh", "-c", "echo ready; exec sleep 300"],
            stdout=subprocess.PIPE,
            text=True,
        ) as parent:
            self.assertEqual("ready\n", parent.stdout.readline())
            children = [
                int(pid)
                for pid in pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
                .read_text()
                .split()
            ]
            parent.send_signal(signal.SIGKILL)
        self.assertEqual(len(names) + 1, len(children))
        end = time.monotonic() + 10
        while any(is_running(pid) for pid in children):
            self.assertLess(time.monotonic(), end, "a service outlived its parent")
            time.sleep(0.05)


def common_why(name):
    return next(service for service in serve.all_services() if service.name == name).why_not()


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Storage(unittest.TestCase):
    """Our own client against the real S3 server, and the vendor's notifications on the real topic."""

    @classmethod
    def setUpClass(cls):
        try:
            import confluent_kafka
        except ImportError:
            raise unittest.SkipTest(
                "no Kafka client (apt-get install python3-confluent-kafka)"
            ) from None
        cls.confluent_kafka = confluent_kafka
        try:
            cls.stack = serve.Stack("kafka", "minio")
        except common.Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.enterClassContext(cls.stack)

    def test_objects_are_put_listed_read_and_deleted_and_each_change_is_an_event(self):
        key = "users/ä b+c%2F/handbook.pdf"
        bucket = self.stack.minio.client()
        etag = bucket.put(key, b"%PDF-1.4 bytes")
        self.assertEqual({key: (etag, 14)}, bucket.list())
        self.assertEqual(b"%PDF-1.4 bytes", bucket.get(key))
        bucket.delete(key)
        with self.assertRaises(s3.S3Error) as missing:
            bucket.get(key)
        self.assertEqual(404, missing.exception.status)
        consumer = self.confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.stack.kafka.brokers,
                "group.id": "t",
                "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 200,
            }
        )
        consumer.subscribe(["uploads"])
        seen, end = [], time.monotonic() + 30
        while len(seen) < 2:
            self.assertLess(time.monotonic(), end, f"only {seen} arrived")
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                seen.append((message.key().decode(), b"s3:ObjectCreated:Put" in message.value()))
        consumer.close()
        self.assertEqual([(f"docs/{key}", True), (f"docs/{key}", False)], seen)


if __name__ == "__main__":
    unittest.main()
