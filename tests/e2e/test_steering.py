"""Pausing, resuming, cancelling and retrying jobs, replaying dead letters and explaining documents
among real services; a worker killed in the middle.
"""

import json
import signal
import time
import unittest
import uuid

import harness
import pdf

DONE, NOT_FOUND, USAGE, REFUSED = 0, 3, 2, 7
COUNT = 12
SLOW_S = 4  # mean time of an embedding call while a test wants work to be under way
STOP_S = 25  # the lease pulse is 5 s, what a dead worker held is free after 15


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class Steering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.WANTS_DEV:
            raise unittest.SkipTest("--dev")
        try:
            cls.world = cls.enterClassContext(harness.RealWorld(MILLRACE_TASKS="4"))
        except harness.common.Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.tenant = cls.world.add_tenant()
        cls.world.put(cls.world.key(0, "first.pdf"), pdf.document([["# First", "A word. " * 20]]))
        cls.world.start_worker()
        cls.world.settle(until=cls.world.documents)  # its event makes the topic

    def setUp(self):
        self.world.break_services()
        if not self.world.workers:
            self.world.start_worker()

    @classmethod
    def tearDownClass(cls):
        """Whatever was done: nothing is lost, doubled or left."""
        cls.world.break_services()
        if not cls.world.workers:
            cls.world.start_worker()
        cls.world.settle()
        faults = cls.world.faults()
        assert faults == [], faults

    def run_one(self, *arguments, code=DONE):
        done = self.world.millrace(*arguments)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def act(self, *arguments):
        return lines(self.run_one(*arguments, "--json"))[0]

    def submit(self, name, count=COUNT, data=None):
        """A job of so many documents, not waited for. Answers its id and the keys."""
        job, files = str(uuid.uuid4()), []
        folder = self.world.run_dir / name
        folder.mkdir()
        for i in range(count):
            path = folder / f"{name} {i}.pdf"
            path.write_bytes(data or pdf.document([[f"# {name} {i}", "Some words. " * 40]]))
            files.append(str(path))
        self.run_one("submit", self.tenant, *files, "--id", job)
        return job, [self.world.key(0, f"{name} {i}.pdf") for i in range(count)]

    def job(self, job):
        return lines(self.run_one("status", job, "--json"))[0]

    def explain(self, keys):
        """Of all of them."""
        return "".join(self.run_one("explain", key, "--json").stdout for key in keys)

    def running(self):
        return self.world.query("select count(*) from documents where leased_until > now()")[0][0]

    def begin_slowly(self, name):
        """A job whose documents are under way, and stay so for a while."""
        self.world.break_services(embed={"delay": SLOW_S})
        job, keys = self.submit(name)
        self.world.wait_for(lambda: self.running() >= 4, 60)
        return job, keys

    def test_a_cancel_frees_what_it_held_within_seconds(self):
        job, keys = self.begin_slowly("cancelled")
        start = time.monotonic()
        done = self.act("cancel", job)
        self.assertLess(time.monotonic() - start, STOP_S)
        self.assertEqual((True, 0), (done["was_changed"], done["open"]))
        row = self.job(job)
        self.assertEqual(
            ("cancelled", COUNT, done["documents"]),
            (row["status"], row["processed"] + row["cancelled"], row["cancelled"]),
        )
        self.assertGreater(row["cancelled"], 0)
        self.assertIn('"state":"cancelled"', self.explain(keys))
        self.world.break_services()
        self.world.wait_for(lambda: self.world.backlog() == 0, 60)
        statuses = [self.world.documents()[key][0] for key in keys]  # the bucket's own events came, too
        self.assertEqual(row["cancelled"], statuses.count("cancelled"))
        self.assertFalse(self.act("cancel", job)["was_changed"])
        for action in ("pause", "resume", "retry"):
            self.assertIn("was cancelled", self.run_one(action, job, code=REFUSED).stderr)

    def test_a_cancel_does_not_wait_for_a_dead_worker(self):
        job, _ = self.begin_slowly("orphaned")
        self.world.stop_workers(signal.SIGKILL)
        self.assertEqual(0, self.act("cancel", job)["open"])
        self.assertEqual("cancelled", self.job(job)["status"])

    def test_a_pause_holds_what_has_not_begun_until_it_is_resumed(self):
        job, _ = self.begin_slowly("paused")
        self.assertTrue(self.act("pause", job)["was_changed"])
        self.assertFalse(self.act("pause", job)["was_changed"])
        self.world.break_services()
        self.world.wait_for(lambda: self.running() == 0, STOP_S)
        row = self.job(job)
        self.assertEqual(("processing", "pause"), (row["status"], row["control"]))
        self.assertEqual([job], [one["job"] for one in lines(self.run_one("status", "--state", "paused", "--json"))])
        self.assertIn("paused by ", self.run_one("status", job).stdout)
        self.assertLess(row["processed"], COUNT)
        self.assertTrue(self.act("resume", job)["was_changed"])
        self.assertFalse(self.act("resume", job)["was_changed"])
        self.world.wait_for(lambda: self.job(job)["status"] == "completed", 60)
        self.assertIn("has ended", self.run_one("pause", job, code=REFUSED).stderr)
        self.assertIn("has ended", self.run_one("cancel", job, code=REFUSED).stderr)

    def test_a_retry_takes_only_what_failed_although_its_worker_is_killed(self):
        job, keys = self.submit("retried", 3, b"%PDF-1.4 broken off")
        self.world.wait_for(lambda: self.job(job)["failed"] == 3, 60)
        self.world.settle()
        for key in keys[:2]:
            self.world.put(key, pdf.document([["# Mended", "It can be read now. " * 20]]))
        self.world.settle(until=lambda: self.world.documents()[keys[0]][0] == "success")

        self.world.stop_workers(signal.SIGKILL)
        done = self.act("retry", job)
        self.assertEqual((True, 3), (done["was_changed"], done["documents"]))
        row = self.job(job)
        self.assertEqual(("processing", 0), (row["status"], row["failed"]))
        self.assertEqual(0, self.act("retry", job)["documents"])
        self.world.start_worker()
        self.world.wait_for(lambda: self.job(job)["status"] == "partial", 60)
        row = self.job(job)
        self.assertEqual((2, 1), (row["processed"], row["failed"]))

    def letters(self, *filters):
        return lines(self.run_one("dlq", "ls", "--reason", "unknown_tenant", "--json", *filters))

    def test_a_dead_letter_is_replayed_once_its_reason_is_mended(self):
        user = str(uuid.uuid4())
        key = f"users/{user}/early bird.pdf"
        module = self.world.topic_module
        event = module.message(module.notification(key, age_s=7200))
        for _ in range(2):  # the same event twice: two letters, and one document
            self.world.topic.send(event)
        self.world.wait_for(lambda: len(self.letters()) == 2, 60)
        [letter, other] = self.letters("--tenant", user)
        self.assertIn("early+bird.pdf", self.run_one("dlq", "show", letter["id"]).stdout)
        self.assertIn(letter["id"], self.run_one("explain", key, code=NOT_FOUND).stderr)
        self.run_one("dlq", "replay", code=USAGE)
        self.assertEqual(2, self.act("dlq", "replay", "--tenant", user, "--dry-run")["messages"])

        self.world.add_tenant(user)
        self.world.put(key, pdf.document([["# Early", "It came before its user. " * 20]]))
        self.world.settle(until=lambda: self.world.documents().get(key) == ("success", None))
        done = self.act("dlq", "replay", letter["id"])
        self.assertEqual((1, 1, 0), (done["messages"], done["letters"], done["left"]))
        self.assertIn("was replayed by", self.run_one("dlq", "replay", letter["id"], code=REFUSED).stderr)
        self.act("dlq", "replay", "--tenant", user, "--max", "1")
        self.assertEqual([], self.letters())
        self.assertEqual(
            [("replay", 1), ("replay", 1)],
            self.world.query("select action, count from millrace_actions where action = 'replay' order by id"),
        )
        self.world.settle()
        [(jobs,)] = self.world.query("select count(*) from processing_jobs where user_id = %s", user)
        self.assertEqual(2, jobs)  # of the upload, and of the event that came too early: once
        self.assertEqual("replayed", self.letters("--all")[0]["resolution"])

    def test_a_discarded_letter_stays_as_a_record(self):
        partition, offset = self.world.topic.send(b"this is no JSON {")
        name = f"uploads/{partition}/{offset}/0"
        self.world.wait_for(lambda: name in self.run_one("dlq", "ls").stdout, 60)
        self.assertIn("--yes", self.run_one("dlq", "discard", name, code=USAGE).stderr)
        self.assertEqual(1, self.act("dlq", "discard", name, "--yes")["letters"])
        self.assertNotIn(name, self.run_one("dlq", "ls").stdout)
        self.assertIn("discarded", self.run_one("dlq", "show", name).stdout)

    def test_what_cannot_be_is_one_line_and_its_exit_code(self):
        nobody = "00000000-0000-4000-8000-00000000dead"
        for action in ("cancel", "pause", "resume", "retry"):
            done = self.run_one(action, nobody, code=NOT_FOUND)
            self.assertIn(f"there is no job {nobody}", done.stderr)
            for words in (("no job id", "123"), ("takes one job",), ("no option", "--x")):
                done = self.run_one(action, *words[1:], code=USAGE)
                self.assertEqual("", done.stdout)
                self.assertIn(words[0], done.stderr)


if __name__ == "__main__":
    harness.main()
