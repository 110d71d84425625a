"""What `submit` and `estimate` take and refuse, over real services; a part of test_commands.py."""

import contextlib
import http.server
import json
import signal
import subprocess
import os
import threading
import uuid

import harness
import pdf

DONE, SOME_FAILED, USAGE, NOT_FOUND, UNREACHABLE, INTERRUPTED, BAD_INPUT = 0, 1, 2, 3, 4, 5, 6
NOBODYS = "00000000-0000-4000-8000-0000000000f0"
WEB_PAGE = b"<!doctype html><title>Log in</title>"


def lines(done, progress=False):
    """What a program reads: one JSON object a line; how far a job is only where it is asked for."""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    passing = ("registered", "sending", "progress")
    return [line for line in found if progress or line.get("kind") not in passing]


def page(title):
    return pdf.document([[f"# {title}", f"What {title} has to say. " * 20]])


class Host(http.server.BaseHTTPRequestHandler):
    """What links lead to."""

    def do_GET(self):
        status, kind, body, location = {
            "/good.pdf": (200, "application/pdf", page("Link"), None),
            "/login.pdf": (200, "text/html; charset=utf-8", WEB_PAGE, None),
            "/round.pdf": (302, None, b"", "/round.pdf"),
            "/away.pdf": (302, None, b"", "ftp://elsewhere/x.pdf"),
        }.get(self.path.split("?")[0], (404, None, b"", None))
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Location", location)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Submitting:
    """Subclasses: cls.world with a worker and the tenant cls.tenant, cls.folder, cls.write()."""

    def faults(self, *arguments, **settings):
        """Refused as bad input: its faults, {line or None: message}; and nothing was done."""
        before = self.jobs(), set(self.world.objects())
        done = self.world.millrace("submit", self.tenant, *arguments, "--json", **settings)
        self.assertEqual(BAD_INPUT, done.returncode, done.stdout + done.stderr)
        self.assertEqual(before, (self.jobs(), set(self.world.objects())))
        told = [line for line in lines(done) if line["kind"] == "fault"]
        return [(line.get("line"), line["message"]) for line in told]

    def assert_faults(self, wanted, *arguments, **settings):
        found = self.faults(*arguments, **settings)
        self.assertEqual([line for line, _ in wanted], [line for line, _ in found], found)
        for (_, words), (_, message) in zip(wanted, found):
            self.assertIn(words, message)

    def finish(self, *arguments):
        """Submits and waits: the documents by key below the tenant's prefix."""
        done = self.run_one("submit", self.tenant, *arguments, "--wait", "--json")
        first, job, *documents = [line for line in lines(done) if line["kind"] != "skipped"]
        self.assertEqual("completed", job["status"])
        prefix = f"users/{self.tenant}/"
        return first, {one["key"].removeprefix(prefix): one for one in documents}

    def test_submit_takes_a_folder_and_tells_what_it_leaves_out(self):
        root = self.folder / "tree"
        for name in ("a.pdf", "deep/er/b.pdf"):
            self.write(f"tree/{name}", page(name))
        self.write("tree/.hidden.pdf", page("hidden"))
        self.write("tree/empty.pdf", b"")
        (root / "again.pdf").symlink_to(root / "a.pdf")
        before = self.jobs(), set(self.world.objects())
        plan = lines(self.run_one("submit", self.tenant, str(root), "--dry-run", "--json"))
        self.assertEqual(before, (self.jobs(), set(self.world.objects())))
        kinds = [line["kind"] for line in plan]
        self.assertEqual(["skipped"] * 3 + ["document"] * 2 + ["plan"], kinds)
        first, documents = self.finish(str(root))
        self.assertEqual((2, 3), (first["uploaded"], first["left_out"]))
        self.assertEqual({"a.pdf", "deep/er/b.pdf"}, set(documents))

    def told(self, place):
        """Of objects below a place: what the newest event said, and as of when."""
        return self.world.query(
            "select object_key, told_at, told_etag from documents where starts_with(object_key, %s) order by object_key",
            f"users/{self.tenant}/{place}",
        )

    def test_submit_registers_what_lies_in_the_bucket(self):
        world, prefix = self.world, f"s3://{harness.BUCKET}/users/{self.tenant}"
        for name in ("lies/1.pdf", "lies/2.pdf", "lies2/3.pdf"):
            world.put(f"users/{self.tenant}/{name}", page(name))
        world.settle()
        told = self.told("lies/")
        first, documents = self.finish(f"{prefix}/lies")
        self.assertEqual((0, 2), (first["uploaded"], first["in_bucket"]))
        self.assertEqual(told, self.told("lies/"), "a submit is no change of the object")
        self.assertEqual({"lies/1.pdf", "lies/2.pdf"}, set(documents))
        self.assert_faults(
            [(None, "another tenant"), (None, "S3_BUCKET is docs"), (None, "nothing lies there")],
            f"s3://{harness.BUCKET}/users/{NOBODYS}/",
            f"s3://elsewhere/users/{self.tenant}/",
            f"{prefix}/nowhere/",
        )

    def test_submit_takes_a_manifest_of_all_kinds(self):
        self.write("listed/one.pdf", page("One"))
        self.write("listed/two.pdf", page("Two"))
        self.world.put(f"users/{self.tenant}/three.pdf", page("Three"))
        self.world.settle()
        rows = (
            "\ufeffFile_Path,TITLE,file_source_type\r\n"
            'listed/one.pdf,"One, the\r\nfirst",upload\r\n'
            "./listed/two.pdf,,\r\n"
            f"users/{self.tenant}/three.pdf,Third,s3\r\n"
        )
        _, documents = self.finish(self.write("list.csv", rows.encode()))
        self.assertEqual(
            {"listed/one.pdf": "One, the\r\nfirst", "listed/two.pdf": "two.pdf", "three.pdf": "Third"},
            {key: one["title"] for key, one in documents.items()},
        )

    def test_submit_tells_every_bad_row_of_a_manifest_and_does_nothing(self):
        self.write("good.pdf", page("Good"))
        rows = [
            {"file_path": "good.pdf"},
            {"file_path": "missing.pdf"},
            {"file_path": f"users/{NOBODYS}/x.pdf", "file_source_type": "s3"},
            {"file_path": f"users/{self.tenant}/gone.pdf", "file_source_type": "s3"},
            {"file_path": "good.pdf", "file_source_type": "ftp"},
            {"file_path": "good.pdf"},
            {"path": "good.pdf"},
        ]
        text = "\n".join(map(json.dumps, rows)).encode()
        self.assert_faults(
            [
                (2, "No such file"),
                (3, "another tenant"),
                (4, "no such object"),
                (5, "none of upload, s3, url"),
                (6, "the same document as in line 1"),
                (7, 'no member "path"'),
            ],
            "--manifest",
            self.write("bad.list", text),
        )
        self.assert_faults([(1, 'no column "fil_path"')], self.write("bad.csv", b"fil_path\na"))
        self.assert_faults([(None, "No such file")], str(self.folder / "no.csv"))

    def test_submit_looks_at_links_before_it_takes_them(self):
        with web_host() as host:
            names = ("good", "login", "round", "away", "gone")
            links = [f"{host}/{name}.pdf?X-Amz-Signature=s3cr3t" for name in names]
            found = self.faults(*links, MILLRACE_LINKS_ALLOW_PRIVATE="true")
            self.assertNotIn("s3cr3t", str(found))
            messages = "\n".join(sorted(message for _, message in found))
            for words in (
                "/login.pdf: its host answers with a web page, not a PDF",
                "/round.pdf: 127.0.0.1",
                "it leads on and on",
                "it leads to what is no link",
                "HTTP 404. Submit the document again with a fresh link.",
            ):
                self.assertIn(words, messages)
            self.assertEqual(len(names) - 1, len(found), found)
        self.assert_faults([(None, "a link without TLS")], "http://example.org/x.pdf")

    def test_the_same_id_with_other_content_is_refused(self):
        job, file = str(uuid.uuid4()), self.write("changing.pdf", page("Before"))
        self.finish(file, "--id", job)
        self.write("changing.pdf", page("After it"))
        done = self.world.millrace("submit", self.tenant, file, "--id", job)
        self.assertEqual(BAD_INPUT, done.returncode)
        self.assertIn(f"the job {job} is there already, with other content", done.stderr)

    def test_a_wait_outlives_worker_and_broker_and_can_be_left(self):
        job, file = str(uuid.uuid4()), self.write("waited.pdf", page("Waited for"))
        worker, broker = self.world.workers[0], self.world.stack.kafka.child
        arguments = ("submit", self.tenant, file, "--id", job)
        worker.send(signal.SIGSTOP)
        try:
            child = subprocess.Popen(
                [harness.BINARY, *arguments, "--wait"],
                env={**os.environ, **self.world.environment()},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            with child:
                self.read_until(child, "0/1 documents")
                broker.send(signal.SIGSTOP)
                self.read_until(child, f"the broker {self.world.settings['KAFKA_BROKERS']} does")
                broker.send(signal.SIGCONT)
                self.read_until(child, "no worker is at its 1 open document")
                child.send_signal(signal.SIGINT)
                self.read_until(child, f"`millrace status {job} --watch` follows it")
                self.assertEqual(INTERRUPTED, child.wait(10))
        finally:
            broker.send(signal.SIGCONT)
            worker.send(signal.SIGCONT)
        first, documents = self.finish(file, "--id", job)
        self.assertFalse(first["was_new"])
        self.assertEqual("success", documents["waited.pdf"]["outcome"])

    def read_until(self, child, words):
        for line in child.stderr:
            if words in line:
                return
        self.fail(f"it ended without saying: {words}")

    def test_estimate_counts_what_submit_then_spends(self):
        root = self.folder / "priced"
        for number in range(3):
            self.write(f"priced/{number}.pdf", page(f"Number {number}"))
        estimate = lines(self.run_one("estimate", self.tenant, str(root), "--json"))[-1]
        done = self.run_one("submit", self.tenant, str(root), "--wait", "--json")
        [job] = [line for line in lines(done) if line["kind"] == "job"]
        for name in ("documents", "pages", "chunks", "tokens"):
            self.assertEqual(job[name], estimate[name], name)
        self.assertGreater(estimate["tokens"], 0)
        self.assertTrue(estimate["tokens_are_exact"])
