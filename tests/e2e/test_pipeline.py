"""The main job: PDFs land in a bucket, their vectors land in their owners' namespaces, the
counters are exact.
"""

import concurrent.futures
import json
import time
import unittest

import harness
import make_demo
import pdf
from make_demo import DEMO, ENCRYPTED, IMAGE_ONLY, PLAIN, TENANT_A, TENANT_B, TRUNCATED

OUTCOMES = {
    **{key: ("success", None) for key in PLAIN},
    TRUNCATED: ("failed", "damaged"),
    IMAGE_ONLY: ("failed", "no_text"),
    ENCRYPTED: ("failed", "needs_password"),
}
SENTENCES = (
    "Leaves and branches that pass the rake",
    "Die Varroamilbe ist ein Parasit",
)  # of documents, never of a log


def demo(key):
    return (DEMO / key).read_bytes()


def pages(count, word):
    return pdf.document(
        [
            [f"# {word} {number}", f"This is page {number} about the {word}. " * 30]
            for number in range(count)
        ],
        word,
    )


class Demo(unittest.TestCase):
    """One installation, and the life of its documents from upload to removal; the tests build on one another, in order."""

    @classmethod
    def setUpClass(cls):
        cls.world = cls.enterClassContext(harness.open_world())
        for tenant in (TENANT_A, TENANT_B):
            cls.world.add_tenant(tenant)
        for key in OUTCOMES:
            cls.world.put(key, demo(key))
        cls.world.start_worker()
        cls.world.settle(until=lambda: len(cls.world.documents()) == len(OUTCOMES))

    def assert_sound(self):
        self.assertEqual([], self.world.faults())

    def test_1_every_document_has_its_outcome_and_all_invariants_hold(self):
        self.assertEqual(OUTCOMES, self.world.documents())
        self.assert_sound()

    def test_2_chunks_hold_the_words_of_their_pages(self):
        audit = self.world.audit()
        ids = {row["object_key"]: key for key, row in audit.rows.documents.items()}
        for key, (source, *_) in PLAIN.items():
            held = [chunk for _, chunk in sorted(audit.chunks[ids[key]].items())]
            text = " ".join(" ".join(chunk["content"].split()) for chunk in held)
            for number, blocks in enumerate(make_demo.pages(source), 1):
                words = blocks[-1].split()
                self.assertIn(" ".join(words[:5]), text, key)
                holders = [
                    chunk
                    for chunk in held
                    if " ".join(words[:5]) in " ".join(chunk["content"].split())
                ]
                self.assertTrue(
                    any(chunk["page_first"] <= number <= chunk["page_last"] for chunk in holders),
                    (key, number),
                )

    def test_3_a_question_finds_the_page_that_answers_it(self):
        for tenant, question, key, page in (
            (
                TENANT_A,
                "How are the furrows of the millstones sharpened?",
                "water-mill-handbook.pdf",
                2,
            ),
            (TENANT_A, "Which coach do bicycles travel in?", "night-train-guide.pdf", 2),
            (TENANT_B, "Wie behandelt man die Varroamilbe mit Ameisensäure?", "bienenkunde.pdf", 2),
        ):
            done = self.world.millrace("search", "--json", tenant, question)
            self.assertEqual(0, done.returncode, done.stderr)
            best = first_match(done.stdout)
            self.assertIn(key, json.dumps(best, ensure_ascii=False))
            self.assertTrue(best["page_first"] <= page <= best["page_last"], best)

    def test_4_status_says_what_the_tables_say(self):
        done = self.world.millrace("status", "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        for (job,) in self.world.query("select id::text from processing_jobs"):
            self.assertIn(job, done.stdout)

    def test_4b_a_generation_says_how_its_text_was_read_cut_and_embedded(self):
        told = self.world.query("select distinct gen_pipeline from documents where gen is not null")
        self.assertEqual(1, len(told), told)
        self.assertRegex(told[0][0], r"^text\d+ cuts\d+ .* 256 (local|text-embedding-3-large)$")

    def test_5_an_overwrite_with_fewer_pages_leaves_nothing_stale(self):
        key = self.world.key(0, "shrinking.pdf")
        for count in (9, 2):
            self.world.put(key, pages(count, f"barge{count}"))
            self.world.settle(until=lambda: self.world.documents().get(key) == ("success", None))
            self.assert_sound()
        text = " ".join(
            row[0]
            for row in self.world.query(
                f'select content from "{harness.namespace_of(TENANT_A)}".chunks c join documents d on d.id = c.document_id '
                "where d.object_key = %s",
                key,
            )
        )
        self.assertIn("barge2", text)
        self.assertNotIn("barge9", text)

    def test_6_a_newest_version_that_fails_takes_the_old_vectors_with_it(self):
        key = self.world.key(0, "turning-bad.pdf")
        self.world.put(key, pages(3, "lighthouse"))
        self.world.settle(until=lambda: self.world.documents().get(key) == ("success", None))
        self.world.put(key, demo(TRUNCATED))
        self.world.settle(until=lambda: self.world.documents()[key] == ("failed", "damaged"))
        self.assert_sound()

    def test_7_a_removal_leaves_a_tombstone_and_no_vectors(self):
        key = next(iter(PLAIN))
        self.world.delete(key)
        self.world.settle(until=lambda: self.world.documents()[key][1] == "gone")
        self.assert_sound()
        self.world.put(key, demo(key))
        self.world.settle(until=lambda: self.world.documents()[key] == ("success", None))
        self.assert_sound()

    def test_8_migrates_beside_a_running_worker_change_nothing(self):
        if self.world.kind == "dev":
            self.skipTest("`dev` migrates by itself")
        before = self.world.audit().snapshot()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            migrations = [pool.submit(self.world.migrate) for _ in range(3)]
            key = self.world.key(0, "beside.pdf")
            self.world.put(key, pages(4, "ferry"))
            done = [migration.result() for migration in migrations]
        self.assertEqual([0, 0, 0], [one.returncode for one in done], done)
        self.world.settle(until=lambda: self.world.documents().get(key) == ("success", None))
        self.assert_sound()
        self.world.delete(key)
        self.world.settle(until=lambda: self.world.documents()[key][1] == "gone")
        self.assertLessEqual(
            before["documents"].items(), self.world.audit().snapshot()["documents"].items()
        )

    def test_9_no_log_holds_a_secret_or_a_sentence(self):
        self.assertEqual([], self.world.leaks(SENTENCES))

    def test_99_sigterm_drains_and_ends_with_0(self):
        self.assertEqual([0], self.world.stop_workers())


def first_match(text):
    """The best chunk of `search --json`: the first JSON object that has pages, one per line or in a list."""
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    stack = [found]
    while stack:
        one = stack.pop(0)
        if isinstance(one, dict) and "page_first" in one:
            return one
        stack = (
            list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else []
        ) + stack
    raise AssertionError(f"no match in {text[:500]}")


@unittest.skipIf(harness.WANTS_DEV, "the services of `dev` cannot be broken from outside")
class Weather(unittest.TestCase):
    """Endpoints that refuse, stall, answer rubbish or act late: slower, and otherwise as if nothing had happened."""

    FAULTS = {
        "embed": {
            "429": 0.1,
            "429_bare": 0.03,
            "500": 0.05,
            "drop": 0.03,
            "truncate": 0.02,
            "garbage": 0.02,
            "short": 0.02,
            "shuffle": 0.05,
            "quarter": 0.02,
            "nan": 0.02,
            "zero": 0.02,
            "floats": 0.05,
            "delay": 0.02,
        },
        "store": {
            "429": 0.1,
            "429_text": 0.03,
            "500": 0.05,
            "drop": 0.03,
            "swallow": 0.05,
            "late": 0.03,
            "late_s": 5,
            "delay": 0.02,
        },
    }

    def test_bad_weather_changes_nothing_but_the_time(self):
        try:
            world = harness.RealWorld(dimension=256)
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with world:
            for _ in range(3):
                world.add_tenant()
            world.break_services(**self.FAULTS)
            world.start_worker()
            for number in range(30):
                world.put(
                    world.key(number % 3, f"file {number}.pdf"),
                    pages(1 + number % 7, f"subject{number}"),
                )
            world.settle(300, is_thorough=True)
            self.assertEqual({("success", None)}, set(world.documents().values()))
            self.assertEqual([], world.faults(is_thorough=True))


@unittest.skipIf(harness.WANTS_DEV, "the services of `dev` cannot be stopped from outside")
class Outage(unittest.TestCase):
    """Each service goes away for a while and comes back: the worker stays, and nothing is lost."""

    AWAY_S = 3

    def test_what_came_while_no_worker_ran_holds_nothing_up(self):
        """A version that is gone or replaced by the time its event is read is not waited for."""
        try:
            world = harness.RealWorld(dimension=256)
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with world:
            world.add_tenant()
            deleted, replaced = (world.key(0, name) for name in ("deleted.pdf", "replaced.pdf"))
            for key in (deleted, replaced):
                world.put(key, pages(2, "lantern"))
            time.sleep(2.5)  # Last-Modified knows seconds only
            world.delete(deleted)
            world.put(replaced, pages(3, "pulley"))
            world.start_worker()
            world.settle(30, until=lambda: len(world.documents()) == 2)
            self.assertEqual(
                {deleted: ("skipped", "gone"), replaced: ("success", None)}, world.documents()
            )
            self.assertEqual([], world.faults())

    def test_services_that_restart_lose_nothing(self):
        try:
            world = harness.RealWorld(dimension=256)
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with world:
            world.add_tenant()
            worker, stack, number = world.start_worker(), world.stack, 0
            world.break_services(embed={"delay": 0.1})  # so that each outage meets work in flight
            for service in (stack.postgres, stack.kafka, stack.minio):
                for number in range(number + 1, number + 9):
                    world.put(world.key(0, f"file {number}.pdf"), pages(3, f"subject{number}"))
                service.stop()
                time.sleep(self.AWAY_S)
                service.start_again()
                service.wait()
            world.settle(300, until=lambda: len(world.documents()) == number, is_thorough=True)
            self.assertEqual({("success", None)}, set(world.documents().values()))
            self.assertEqual([], world.faults())
            self.assertTrue(worker.is_alive())


if __name__ == "__main__":
    harness.main()
