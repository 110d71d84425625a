"""Where documents come from: links instead of objects, and buckets that keep versions."""

import base64
import hashlib
import http.server
import json
import shutil
import subprocess
import threading
import unittest
import uuid

import harness
import pdf
from harness import Stack
from services.s3 import S3Error

SECRET = "5ecret0f4cafe"
TRUSTING = ["unshare", "--mount", "sh", "-c"]
TRUSTING += ['mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"']
POLICIES = harness.TESTS.parent / "docs" / "iam"
WORDS = ("weir", "sluice", "barrage")  # which version a text is of


def body(word):
    return pdf.document([[f"# {word}", f"All of this is about the {word}. " * 20]], word)


def open_real(test, **settings):
    if harness.WANTS_DEV:
        test.skipTest("--dev")
    try:
        return harness.RealWorld(**settings)
    except harness.common.Unavailable as why:
        return test.skipTest(str(why))


class Host:
    """Somebody's web server: {path: bytes}; what is not there is refused, as an ended link is."""

    def __init__(self):
        self.files, self.seen = {}, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                data = outer.files.get(self.path.partition("?")[0])
                self.send_response(200 if data else 403)
                if data:
                    self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def link(self, path):
        return f"http://{self.name}{path}?X-Amz-Signature={SECRET}{uuid.uuid4().hex}&X-Amz-Expires=9"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Links(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(open_real(self, MILLRACE_LINKS_ALLOW_PRIVATE="true"))
        self.world.add_tenant()
        self.world.start_worker()
        self.world.bucket.put(self.world.key(0, "first.pdf"), body("weir"))  # makes the topic
        self.world.settle(until=self.world.documents)
        self.host, self.linked = Host(), {}
        self.addCleanup(self.host.close)
        bucket = self.world.objects
        self.world.objects = lambda: {**bucket(), **self.linked}

    def submit(self, *links, **settings):
        """What the worker makes of a link: `submit` itself does not look at it."""
        done = self.world.millrace(
            "submit", self.world.tenants[0], *links, "--trust-links", "--wait", "--json", **settings
        )
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [(line["outcome"], line["code"]) for line in lines if "outcome" in line]

    def hold(self, path, data):
        self.host.files[path] = data
        key = self.world.key(0, f"{self.host.name}{path}")
        self.linked[key] = (hashlib.md5(data).hexdigest(), len(data))
        return key

    def test_a_link_becomes_a_document_and_a_fresh_one_is_the_same(self):
        key = self.hold("/a%20b/sluice.pdf", body("sluice"))
        self.assertEqual([("success", None)], self.submit(self.host.link("/a%20b/sluice.pdf")))
        [(path, headers)] = self.host.seen
        self.assertTrue(path.startswith(f"/a%20b/sluice.pdf?X-Amz-Signature={SECRET}"), path)
        self.assertNotIn("Authorization", headers)
        self.assertEqual(
            [("skipped", "unchanged")], self.submit(self.host.link("/a%20b/sluice.pdf"))
        )
        self.hold("/a%20b/sluice.pdf", body("floodgate"))
        self.assertEqual([("success", None)], self.submit(self.host.link("/a%20b/sluice.pdf")))

        # A link that has ended says nothing about what lay behind it: that stays.
        del self.host.files["/a%20b/sluice.pdf"]
        self.assertEqual(
            [("failed", "link_refused")], self.submit(self.host.link("/a%20b/sluice.pdf"))
        )
        self.world.settle()
        self.assertEqual("success", self.world.documents()[key][0])
        self.assertEqual([], self.world.faults())

        # Inside is reached only where that is allowed, whatever a link says.
        self.world.stop_workers()
        before = len(self.host.seen)
        self.world.settings["MILLRACE_LINKS_ALLOW_PRIVATE"] = "false"
        self.world.start_worker()
        inside = self.submit(
            self.host.link("/a%20b/sluice.pdf"), MILLRACE_LINKS_ALLOW_PRIVATE="true"
        )
        self.assertEqual([("failed", "link_refused")], inside)  # not even TLS
        inside = self.submit(f"https://{self.host.name}/other.pdf?x={SECRET}")
        self.assertEqual([("failed", "link_forbidden")], inside)
        self.assertEqual(before, len(self.host.seen))
        for log in self.world.logs:
            self.assertNotIn(SECRET, log.read_text())
        self.assertEqual(
            [], self.world.query("select 1 from dead_letters where value::text like %s", f"%{SECRET}%")
        )


class Encrypted(unittest.TestCase):
    """Objects under a key of the customer's, over TLS with an authority of his own, as a container mounts it."""

    def test_what_is_stored_under_our_key_is_read_with_it(self):
        key = base64.b64encode(b"0123456789abcdef0123456789ABCDEF").decode()
        world = open_real(self, S3_SSE_CUSTOMER_KEY=key)
        world.stack.minio.is_tls = True
        if not shutil.which("openssl"):
            self.skipTest("no openssl")
        self.enterContext(world)
        bare = [*TRUSTING, str(world.stack.minio.certificate)]
        if subprocess.run([*bare, "true"], capture_output=True, check=False).returncode:
            self.skipTest("no mount namespace of our own: it needs root")
        world.add_tenant()
        names = ("algorithm", "key", "key-MD5")
        digest = base64.b64encode(hashlib.md5(base64.b64decode(key)).digest()).decode()
        secret = {f"x-amz-server-side-encryption-customer-{one}": value for one, value in zip(names, ("AES256", key, digest))}
        for name, word in (("small.pdf", "weir"), ("again.pdf", "sluice")):
            world.bucket.request("PUT", world.key(0, name), body=body(word), extra=secret)
        with self.assertRaises(S3Error):
            world.bucket.get(world.key(0, "small.pdf"))  # it is encrypted
        world.start("work", through=bare)
        world.wait_for(lambda: list(world.documents().values()) == [("success", None)] * 2, 60)
        self.assertEqual([], world.leaks() + [key for log in world.logs if key in log.read_text()])


class Rights(unittest.TestCase):
    """The policies that we ship allow what is needed (as all of Versions shows) and nothing else."""

    def setUp(self):
        try:
            self.minio = self.enterContext(Stack("minio")).minio
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        self.owner = self.minio.client()
        self.inside = f"users/{uuid.uuid4()}/mine.pdf"
        for key in (self.inside, "private/payroll.pdf"):
            self.owner.put(key, b"of the owner")
        self.other = self.minio.client("other")
        self.other.create_bucket()

    def assert_refused(self, how, *request, **more):
        with self.assertRaises(S3Error, msg=f"{how} {request}") as refused:
            how(*request, **more)
        self.assertEqual(403, refused.exception.status)

    def assert_little_is_allowed(self, session):
        mine = self.minio.client(session=session)
        self.assertEqual(b"of the owner", mine.get(self.inside))
        self.assertEqual(2, len(mine.list()))
        self.assert_refused(mine.get, "private/payroll.pdf")
        self.assert_refused(mine.put, "private/new.pdf", b"x")
        self.assert_refused(mine.delete, self.inside)
        for question in ("policy", "versioning", "notification", "acl"):
            self.assert_refused(mine.request, "PUT", query=[(question, "")], body=b"<x/>")
        elsewhere = self.minio.client("other", session)
        self.assert_refused(elsewhere.list)
        self.assert_refused(elsewhere.put, self.inside, b"x")
        return mine

    def test_a_worker_reads_below_users_and_changes_nothing(self):
        mine = self.assert_little_is_allowed(self.minio.session(POLICIES / "worker.json"))
        self.assert_refused(mine.put, self.inside, b"x")

    def test_who_submits_also_writes_below_users(self):
        mine = self.assert_little_is_allowed(self.minio.session(POLICIES / "submit.json"))
        mine.put(self.inside, b"of the submitter")


class Versions(unittest.TestCase):
    """The life of one object in a bucket that keeps versions, and in one that does not; the worker is
    killed in between, and has only the rights that we ship. What is live is always what a plain GET answers."""

    def setUp(self):
        quick = {"KAFKA_PROP_SESSION_TIMEOUT_MS": "6000"}  # who is killed is soon forgotten
        self.world = self.enterContext(open_real(self, **quick))
        self.world.add_tenant()
        self.key = self.world.key(0, "lock.pdf")
        self.world.settings.update(self.session("worker.json"))
        self.world.start_worker()

    def session(self, policy):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return dict(zip(names, self.world.stack.minio.session(POLICIES / policy)))

    def put(self, word):
        _, headers, _ = self.world.bucket.request("PUT", self.key, body=body(word))
        return headers.get("x-amz-version-id")

    def delete(self, version=None):
        query = [("versionId", version)] if version else []
        _, headers, _ = self.world.bucket.request("DELETE", self.key, query)
        return headers.get("x-amz-version-id")

    def kill(self):
        self.world.stop_workers(harness.signal.SIGKILL)
        self.world.start_worker()

    def live_words(self):
        schema = harness.namespace_of(self.world.tenants[0])
        rows = self.world.query(f'select content from "{schema}".chunks')
        return {word for (text,) in rows for word in WORDS if word in text}

    def assert_live(self, *words):
        """Exactly these words; none: a tombstone."""
        expected = ("success", None) if words else ("skipped", "gone")
        self.world.settle(until=lambda: self.world.documents().get(self.key) == expected)
        self.world.wait_for(lambda: self.live_words() == set(words), 30)
        self.assertEqual([], self.world.faults())

    def test_versions_come_and_go_and_what_is_current_is_live(self):
        self.world.bucket.request(
            "PUT",
            query=[("versioning", "")],
            body=b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        )
        oldest = self.put("weir")
        self.assert_live("weir")
        middle = self.put("sluice")
        self.kill()
        self.assert_live("sluice")
        self.delete(oldest)  # nothing that anybody sees
        self.assert_live("sluice")
        newest = self.put("barrage")
        self.assert_live("barrage")
        self.delete(newest)  # uncovers the one before
        self.kill()
        self.assert_live("sluice")
        marker = self.delete()
        self.assert_live()
        self.delete(marker)  # uncovers it again
        self.assert_live("sluice")
        self.delete()
        self.put("sluice")  # the same bytes, another version
        self.kill()
        self.assert_live("sluice")
        self.delete()
        self.delete(middle)  # the marker is what is current
        self.assert_live()
        self.assert_a_replay_changes_nothing()

    def test_one_version_only(self):
        self.put("weir")
        self.assert_live("weir")
        self.delete()
        self.put("weir")  # created again, the same bytes
        self.kill()
        self.assert_live("weir")
        self.put("weir")  # and once more without having been away
        self.assert_live("weir")
        self.put("sluice")
        self.delete()
        self.kill()
        self.assert_live()
        self.put("barrage")
        self.assert_live("barrage")
        self.assert_a_replay_changes_nothing()

        file = self.world.run_dir / "lock.pdf"
        file.write_bytes(body("weir"))
        refused = self.world.millrace("submit", self.world.tenants[0], str(file))
        self.assertNotEqual(0, refused.returncode, refused.stdout)
        rights = self.session("submit.json")
        done = self.world.millrace("submit", self.world.tenants[0], str(file), "--wait", **rights)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual([], self.world.faults())

    def assert_a_replay_changes_nothing(self):
        before = self.world.audit().snapshot()
        self.world.replay()
        self.assertEqual([], self.world.faults())
        self.assertEqual([], harness.differences(before, self.world.audit().snapshot()))


if __name__ == "__main__":
    harness.main()
