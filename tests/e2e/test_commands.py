"""The commands that people type: search, status, dlq, check, submit; their output and exit codes.

`Dev` asks a running `millrace dev`, `Real` the services of production.
"""

import json
import os
import signal
import subprocess
import tempfile
import unittest
import uuid

import harness
import pdf
from submitting import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    NOT_FOUND,
    SOME_FAILED,
    UNREACHABLE,
    USAGE,
    Submitting,
    lines,
)
from make_demo import DEMO, ENCRYPTED, PLAIN, TENANT_A, TENANT_B, TRUNCATED
from services import common

NOBODY = "00000000-0000-4000-8000-00000000dead"
EMPTY = "00000000-0000-4000-8000-0000000000e0"  # a tenant without a readable file


class Asking:
    """What both worlds must answer alike. Subclasses: cls.world, with TENANT_A's files settled."""

    def run_one(self, *arguments, code=DONE):
        done = self.world.millrace(*arguments)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def assert_refused(self, code, words, *arguments):
        done = self.run_one(*arguments, code=code)
        self.assertEqual("", done.stdout)
        self.assertIn(words, done.stderr)

    def test_search_refuses_what_is_wrong(self):
        self.assert_refused(USAGE, "no user id", "search", "nobody", "what?")
        self.assert_refused(USAGE, "needs a tenant and a question", "search", TENANT_A)
        self.assert_refused(USAGE, "--top takes", "search", TENANT_A, "what?", "--top", "0")
        self.assert_refused(USAGE, "no option --tip", "search", TENANT_A, "what?", "--tip", "1")
        self.assert_refused(USAGE, "empty", "search", TENANT_A, " ")
        self.assert_refused(NOT_FOUND, f"no user {NOBODY}", "search", NOBODY, "what?")

    def test_status_refuses_what_is_wrong(self):
        self.assert_refused(USAGE, "no job id", "status", "123")
        self.assert_refused(NOT_FOUND, f"no job {NOBODY}", "status", NOBODY)
        self.assert_refused(NOT_FOUND, f"no user {NOBODY}", "status", "--tenant", NOBODY)
        self.assert_refused(USAGE, "these verbs", "dlq")
        self.assert_refused(USAGE, "no state", "status", "--state", "odd")
        self.assert_refused(USAGE, "--limit takes", "status", "--limit", "0")
        self.assert_refused(USAGE, "--newer takes", "status", "--newer", "soon")
        self.assert_refused(USAGE, "not for one job", "status", NOBODY, "--limit", "1")

    def test_status_lists_the_jobs_of_one_user(self):
        jobs = lines(self.run_one("status", "--json"))
        mine = lines(self.run_one("status", "--json", "--tenant", TENANT_A))
        self.assertTrue(mine)
        self.assertEqual([job for job in jobs if job["user"] == TENANT_A], mine)
        for job in jobs:
            self.assertEqual(job["documents"], job["processed"] + job["failed"], job)
        table = self.run_one("status").stdout
        for job in jobs:
            self.assertIn(job["job"], table)

    def assert_interrupted(self, *arguments):
        """Ctrl-C after its first line, wherever it says it."""
        child = subprocess.Popen(
            [harness.BINARY, *arguments],
            env={**os.environ, **self.world.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with child:
            while (line := child.stdout.readline()).startswith(b"millrace: using"):
                pass
            self.assertTrue(line)
            child.send_signal(signal.SIGINT)
            rest = child.stdout.read()
            self.assertEqual(INTERRUPTED, child.wait(10), rest)

    def test_status_watches_the_list_until_it_is_interrupted(self):
        self.assert_interrupted("status", "--watch", "--json")

    def test_check_says_ok_of_everything(self):
        found = lines(self.run_one("check", "--json"))
        self.assertEqual([], [line for line in found if line["result"] == "FAIL"])
        things = {line["thing"].split()[0] for line in found}
        self.assertLessEqual(
            {"configuration", "sandbox", "database", "clock", "schema", "tenant", "vectors"}
            | {"embeddings", "bucket", "topic"},
            things,
        )

    def test_every_command_has_its_help(self):
        for name in (
            "work dev submit search status explain cancel pause resume retry dlq check migrate".split()
        ):
            self.assertIn(f"usage: millrace {name}", self.run_one(name, "--help").stdout)


class Dev(Asking, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cls.enterClassContext(harness.DevWorld())
        for tenant in (TENANT_A, TENANT_B):
            cls.world.add_tenant(tenant)
        keys = [*PLAIN, TRUNCATED, ENCRYPTED]
        for key in keys:
            cls.world.put(key, (DEMO / key).read_bytes())
        cls.world.put(f"users/{EMPTY}/broken.pdf", (DEMO / TRUNCATED).read_bytes())
        cls.world.start_worker()
        cls.world.settle(until=lambda: len(cls.world.documents()) == len(keys) + 1)

    def test_it_says_that_it_uses_the_dev_that_runs(self):
        done = self.run_one("status")
        self.assertIn(f"using the running `millrace dev {self.world.folder}`", done.stderr)

    def test_search_finds_the_page(self):
        done = self.run_one(
            "search", TENANT_A, "how", "are", "the", "millstones", "dressed", "--json"
        )
        first = lines(done)[0]
        self.assertEqual(1, first["rank"])
        self.assertEqual("water-mill-handbook.pdf", first["file"])
        self.assertEqual(2, first["page"])
        self.assertIn("Dressing the millstones", " ".join(first["text"].split()))
        shown = self.run_one("search", TENANT_A, "how are the millstones dressed", "--top", "1")
        head, excerpt = shown.stdout.split("\n", 1)
        self.assertRegex(head, r"^ 1  0\.\d{3}  water-mill-handbook\.pdf  page 2$")
        self.assertIn("Dressing the millstones", " ".join(excerpt.split()))
        self.assertLessEqual(max(map(len, excerpt.splitlines())), 80)

    def test_search_stays_within_the_tenant(self):
        done = self.run_one("search", TENANT_B, "how are the millstones dressed", "--json")
        for hit in lines(done):
            self.assertTrue(hit["key"].startswith(f"users/{TENANT_B}/"), hit)

    def test_search_that_finds_nothing_says_so(self):
        done = self.run_one("search", EMPTY, "what?")
        self.assertEqual("", done.stdout)
        self.assertIn("nothing found", done.stderr)

    def test_status_shows_what_failed_and_why(self):
        [job] = lines(self.run_one("status", "--tenant", TENANT_B, "--json"))
        self.assertEqual(("partial", 1), (job["status"], job["failed"]))
        shown = self.run_one("status", job["job"]).stdout
        self.assertIn("vertraulich.pdf", shown)
        self.assertIn("Upload it without the password.", shown)
        documents = lines(self.run_one("status", job["job"], "--json"))[1:]
        self.assertEqual(job["documents"], len(documents))
        self.assertEqual("needs_password", documents[0]["code"])
        self.run_one("status", job["job"], "--watch", code=SOME_FAILED)

    def test_submit_leaves_the_folder_alone(self):
        path = self.world.run_dir / "new.pdf"
        path.write_bytes(pdf.document([["# New"]]))
        self.assert_refused(
            USAGE, f"{self.world.folder}/users/{TENANT_A}/", "submit", TENANT_A, str(path)
        )

    def test_as_many_files_may_be_open_as_the_machine_allows(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["prlimit", "--nofile=256:", harness.BINARY, "dev", folder]
                + ["--then", "ulimit -Sn; ulimit -Hn"],
                env={**os.environ, **self.world.environment()},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        self.assertEqual(DONE, done.returncode, done.stderr)
        soft, hard = done.stdout.split()[-2:]
        self.assertEqual(hard, soft)

    def test_dlq_is_empty(self):
        done = self.run_one("dlq", "ls")
        self.assertEqual("", done.stdout)
        self.assertIn("no dead letters", done.stderr)


class Nothing(unittest.TestCase):
    """Where nothing runs: what is missing is said."""

    def run_one(self, *arguments, **settings):
        with tempfile.TemporaryDirectory() as state:
            return subprocess.run(
                [harness.BINARY, *arguments],
                env={"XDG_STATE_HOME": state, "PATH": os.environ["PATH"], **settings},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

    def test_what_is_missing_is_named(self):
        done = self.run_one("search", "demo", "what?")
        self.assertEqual(USAGE, done.returncode)
        self.assertIn("DATABASE_URL", done.stderr)
        done = self.run_one("check")
        self.assertEqual(SOME_FAILED, done.returncode)
        self.assertRegex(done.stdout, r"(?m)^FAIL +configuration +KAFKA_BROKERS")

    def test_estimate_asks_no_service(self):
        folder = str(DEMO / f"users/{TENANT_A}")
        done = self.run_one("estimate", TENANT_A, folder, "--json")
        self.assertEqual(SOME_FAILED, done.returncode, done.stderr)
        *documents, estimate = lines(done)
        tokens = 0
        for one in documents:
            if one["outcome"] == "success":
                chunks = lines(self.run_one("chunk", one["from"], "--json"))
                self.assertEqual(len(chunks), one["chunks"])
                self.assertEqual(sum(chunk["token_count"] for chunk in chunks), one["tokens"])
                tokens += one["tokens"]
        self.assertEqual((tokens, True), (estimate["tokens"], estimate["tokens_are_exact"]))
        self.assertAlmostEqual(tokens * 0.13 / 1e6, estimate["price"])
        self.assertGreater(estimate["unreadable"], 0)
        told = self.run_one("estimate", TENANT_A, folder, MILLRACE_TOKEN_PRICE="2")
        self.assertIn("MILLRACE_TOKEN_PRICE", told.stdout)
        self.assertLessEqual(max(map(len, told.stdout.splitlines())), 80)

    def test_services_that_are_down_are_told_one_by_one(self):
        down = f"127.0.0.1:{common.free_port()}"
        settings = {
            "KAFKA_BROKERS": down,
            "KAFKA_TOPIC": "uploads",
            "S3_BUCKET": "docs",
            "S3_ENDPOINT": f"http://{down}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "OPENAI_API_KEY": "c",
            "OPENAI_BASE_URL": f"http://{down}/v1",
            "PINECONE_API_KEY": "d",
            "PINECONE_INDEX_HOST": f"http://{down}",
            "DATABASE_URL": f"postgresql://{down}/x",
        }
        done = self.run_one("check", "--json", "--no-cost", **settings)
        self.assertEqual(SOME_FAILED, done.returncode, done.stderr)
        failed = {line["thing"] for line in lines(done) if line["result"] == "FAIL"}
        self.assertEqual({"database", "vectors", "bucket docs", "kafka"}, failed)
        self.assertEqual(UNREACHABLE, self.run_one("status", **settings).returncode)


class Real(Asking, Submitting, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.WANTS_DEV:
            raise unittest.SkipTest("--dev")
        cls.world = cls.enterClassContext(harness.RealWorld())
        cls.tenant = TENANT_A
        cls.world.add_tenant(TENANT_A)
        cls.world.start_worker()
        cls.world.put(cls.world.key(0, "first.pdf"), pdf.document([["# First", "A word. " * 20]]))
        cls.world.settle(until=cls.world.documents)  # its event makes the topic
        cls.folder = cls.world.run_dir / "files"
        cls.folder.mkdir()
        cls.job = str(uuid.uuid4())
        cls.good = cls.write("good.pdf", pdf.document([["# Good", "A page of words. " * 20]]))
        cls.bad = cls.write("bad.pdf", b"%PDF-1.4 broken off")
        done = cls.world.millrace("submit", TENANT_A, cls.good, cls.bad, "--wait", "--json")
        cls.submitted = done

    @classmethod
    def write(cls, name, data):
        path = cls.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    def jobs(self):
        """Those that were submitted: the bucket's own events make jobs of one."""
        found = lines(self.run_one("status", "--json"))
        return {job["job"] for job in found if job["type"] == "batch"}

    def test_submit_waits_and_tells_what_failed(self):
        done = self.submitted
        self.assertEqual(SOME_FAILED, done.returncode, done.stdout + done.stderr)
        first, job, *documents = lines(done)
        self.assertEqual((2, 2, True), (first["documents"], first["uploaded"], first["was_new"]))
        self.assertEqual((first["job"], "partial"), (job["job"], job["status"]))
        self.assertEqual(
            [("failed", "damaged"), ("success", None)],
            [(document["outcome"], document["code"]) for document in documents],
        )
        self.assertEqual({first["job"]}, self.jobs() & {first["job"]})
        self.world.settle()
        self.assertEqual([], self.world.faults())

    def test_the_same_id_is_the_same_job(self):
        job = str(uuid.uuid4())
        file = self.write("twice.pdf", pdf.document([["# Twice", "Only once. " * 20]]))
        arguments = ("submit", TENANT_A, file, "--id", job, "--wait", "--json")
        first = lines(self.run_one(*arguments))
        before = self.jobs()
        second = lines(self.run_one(*arguments))
        self.assertEqual((True, False), (first[0]["was_new"], second[0]["was_new"]))
        self.assertEqual(0, second[0]["uploaded"])
        self.assertEqual(before, self.jobs())
        self.assert_refused(
            BAD_INPUT, "other documents", "submit", TENANT_A, self.good, "--id", job
        )

    def test_nothing_is_done_when_something_is_wrong(self):
        before, objects = self.jobs(), set(self.world.objects())
        twin = self.write("other/good.pdf", b"%PDF-1.4 another")
        empty = self.write("empty.pdf", b"")
        missing = str(self.folder / "missing.pdf")
        for code, words, *arguments in (
            (BAD_INPUT, "No such file", TENANT_A, self.good, missing),
            (BAD_INPUT, "it is empty", TENANT_A, empty),
            (BAD_INPUT, "the same document", TENANT_A, self.good, twin),
            (USAGE, "--id takes", TENANT_A, self.good, "--id", "7"),
            (USAGE, "needs a tenant and files", TENANT_A),
        ):
            self.assert_refused(code, words, "submit", *arguments)
        self.assert_refused(NOT_FOUND, NOBODY, "submit", NOBODY, self.good)
        self.assertEqual((before, objects), (self.jobs(), set(self.world.objects())))

    def with_settings(self, **settings):
        """The world's, some of them changed for one test."""
        before = self.world.settings
        self.world.settings = {**before, **settings}
        self.addCleanup(setattr, self.world, "settings", before)
        return before

    def test_a_broker_that_is_down_is_told_before_anything_is_done(self):
        before = self.jobs()
        down = f"127.0.0.1:{common.free_port()}"
        self.with_settings(KAFKA_BROKERS=down)
        self.assert_refused(UNREACHABLE, down, "submit", TENANT_A, self.good)
        self.assertEqual(before, self.jobs())

    def test_an_upload_that_fails_goes_on_with_the_same_id(self):
        job = str(uuid.uuid4())
        file = self.write("later.pdf", pdf.document([["# Later", "It came in the end. " * 20]]))
        settings = self.with_settings(S3_ENDPOINT=f"http://127.0.0.1:{common.free_port()}")
        done = self.run_one("submit", TENANT_A, file, "--id", job, code=UNREACHABLE)
        self.assertIn(f"--id {job}", done.stderr)
        self.world.settings = settings
        self.assert_interrupted("status", job, "--watch")
        first, shown, document = lines(
            self.run_one("submit", TENANT_A, file, "--id", job, "--wait", "--json")
        )
        self.assertEqual((False, 1), (first["was_new"], first["uploaded"]))
        self.assertEqual(("completed", "success"), (shown["status"], document["outcome"]))

    def test_dlq_lists_the_event_of_nobody(self):
        self.world.bucket.put("loose.pdf", b"%PDF-1.4 whose?")
        self.world.wait_for(lambda: lines(self.world.millrace("dlq", "ls", "--json")), 60)
        [letter] = lines(self.run_one("dlq", "ls", "--json"))
        self.assertEqual(("bad_key", "uploads"), (letter["code"], letter["topic"]))
        self.assertIn("Upload below users/<uuid>/", self.run_one("dlq", "ls").stdout)

    def test_check_tells_a_missing_topic_and_bucket(self):
        self.with_settings(KAFKA_TOPIC="nothing", S3_BUCKET="nowhere")
        done = self.run_one("check", "--json", code=SOME_FAILED)
        failed = {line["thing"] for line in lines(done) if line["result"] == "FAIL"}
        self.assertEqual({"topic nothing", "bucket nowhere"}, failed)


if __name__ == "__main__":
    harness.main()
