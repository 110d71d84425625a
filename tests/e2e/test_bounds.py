"""What is promised as a number: what is held never passes its bound, a service is asked little more than
is needed, and what comes again after a kill is what was in work.
"""

import random
import re
import signal
import unittest
import uuid

import harness

import pdf
from figures import metrics

SCALING = harness.TESTS.parent / "docs" / "scaling.md"
BOUND = re.compile(r"^\| [^|]+ \| ([^|]+) \| `(millrace_[^|]+)` \| `(millrace_\w+_limit[^|]*)` \|$", re.M)
CALM, TROUBLED = 1.2, 3.0  # how often a text or a vector may be sent, on average
FDS = 300


class Bounds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.WANTS_DEV:
            raise unittest.SkipTest("--dev")
        try:
            cls.world = harness.RealWorld(KAFKA_PROP_SESSION_TIMEOUT_MS="6000")
        except harness.common.Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.enterClassContext(cls.world)
        cls.world.add_tenant()
        cls.source, cls.words = random.Random(5), pdf.vocabulary(random.Random(6), 300)
        cls.world.put(cls.world.key(0, "first.pdf"), cls.body())  # makes the topic

    def setUp(self):
        self.own = self.world.settings
        self.addCleanup(self.end)

    def end(self):
        self.world.stop_workers()
        self.world.settings = self.own
        self.world.break_services()

    @classmethod
    def body(cls, pages=4):
        return pdf.document([pdf.paragraphs(cls.source, cls.words, 250) for _ in range(pages)])

    def upload(self, count):
        keys = [self.world.key(0, f"{uuid.uuid4()}.pdf") for _ in range(count)]
        for key in keys:
            self.world.put(key, self.body())
        return keys

    def assert_served(self):
        self.world.settle(until=lambda: {status for status, _ in self.world.documents().values()} == {"success"})
        self.assertEqual([], self.world.faults())

    # -- what is held ------------------------------------------------------------------------------------------------
    def test_what_is_held_never_passes_its_bound(self):
        bounds = {limit: (option.strip("`"), used) for option, used, limit in BOUND.findall(SCALING.read_text())}
        said = {"MILLRACE_TASKS": 3, "MILLRACE_BYTES": 2 << 20, "MILLRACE_SLOTS": 1, "MILLRACE_EMBED_REQUESTS": 2}
        self.world.settings = {**self.own, **{option: str(number) for option, number in said.items()}}
        self.world.break_services(embed={"delay": 0.1})
        few = ["sh", "-c", f'ulimit -n {FDS} && exec "$@"', "sh"]
        worker = self.world.start("work", through=few)
        self.upload(30)
        self.world.wait_for(lambda: metrics(worker)["millrace_tasks"], 60)
        most = dict.fromkeys(bounds, 0)
        for _ in range(100):
            now = metrics(worker)
            for limit, (option, used) in bounds.items():
                self.assertIn(limit, now)
                self.assertLessEqual(now[used], now[limit], used)
                self.assertLessEqual(now[limit], said.get(option, now[limit]), option)
                most[limit] = max(most[limit], now[used])
        self.assertEqual(FDS, now["millrace_open_fds_limit"])
        self.assertLessEqual(set(said), {option for option, _ in bounds.values()})
        self.assertNotIn(0, most.values(), most)
        self.assertEqual(said["MILLRACE_TASKS"], most["millrace_tasks_limit"])  # it was the bound that held
        self.assert_served()

    # -- what is asked -----------------------------------------------------------------------------------------------
    def sent_for_each(self, count):
        """How often the fakes were sent each text and each vector of `count` new documents."""
        before, chunks = self.world.seen(), self.chunk_count()
        self.upload(count)
        self.assert_served()
        after, made = self.world.seen(), self.chunk_count() - chunks
        self.assertGreater(made, count)
        return [(after[name] - before.get(name, 0)) / made for name in ("embed_sent", "store_sent")]

    def chunk_count(self):
        schema = harness.namespace_of(self.world.tenants[0])
        return self.world.query(f'select count(*) from "{schema}".chunks')[0][0]

    def test_a_service_is_asked_little_more_than_is_needed(self):
        self.world.start_worker()
        self.assert_served()
        for one in self.sent_for_each(30):
            self.assertLessEqual(one, CALM)
        every_tenth = {"500": 0.04, "503": 0.03, "drop": 0.03}
        self.world.break_services(embed=every_tenth, store=every_tenth)
        troubled = self.sent_for_each(60)
        print(f"sent for each, one request in ten failing: {troubled[0]:.2f} texts, {troubled[1]:.2f} vectors")
        for one in troubled:
            self.assertLessEqual(one, TROUBLED)

    # -- what comes again --------------------------------------------------------------------------------------------
    def test_after_a_kill_only_what_was_in_work_comes_again(self):
        self.world.start_worker()
        self.upload(20)
        self.assert_served()  # and committed
        self.world.break_services(embed={"delay": 30})
        self.upload(8)
        self.world.wait_for(lambda: len(self.in_work()) >= 3, 60)
        self.world.stop_workers(signal.SIGKILL)
        self.world.break_services()
        worker = self.world.start_worker()
        self.assert_served()
        again = metrics(worker)["millrace_events_total"]
        self.assertGreaterEqual(8, again)
        self.assertGreater(again, 0)

    def in_work(self):
        return [key for key, (status, _) in self.world.documents().items() if status == "processing"]


if __name__ == "__main__":
    harness.main()
