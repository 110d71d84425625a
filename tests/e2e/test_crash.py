"""kill -9 in the middle, again and again: nothing is lost, nothing doubled, and replaying
everything changes nothing.
"""

import random
import signal
import time
import unittest

import harness
import pdf

DOCUMENTS, TENANTS, KILLS = 40, 3, 5


def body(source, name):
    """Several pages, so that a kill meets a document half done."""
    words = pdf.vocabulary(source, 300)
    return pdf.document(
        [
            [f"# {name}, page {page}", *pdf.paragraphs(source, words, 250)]
            for page in range(source.randint(2, 12))
        ],
        name,
    )


class Crash(unittest.TestCase):
    def test_kills_lose_nothing_and_a_replay_changes_nothing(self):
        source = random.Random(9)
        with harness.open_world() as world:
            for _ in range(TENANTS):
                world.add_tenant()
            keys = [
                world.key(number % TENANTS, f"crash {number}.pdf") for number in range(DOCUMENTS)
            ]
            if world.kind == "real":
                world.break_services(
                    embed={"delay": 0.1}, store={"delay": 0.05}
                )  # so that kills meet work in flight
            world.start_worker()
            for number, key in enumerate(keys):
                world.put(key, body(source, f"crash{number}"))
            for number in range(KILLS):
                time.sleep(source.uniform(0.3, 2.5))
                world.stop_workers(signal.SIGKILL)
                if number % 2:
                    world.put(source.choice(keys), body(source, f"again{number}"))
                    world.delete(keys.pop(source.randrange(len(keys))))
                world.start_worker()
            world.settle(
                300,
                until=lambda: all(world.documents().get(key) == ("success", None) for key in keys),
                is_thorough=True,
            )
            before = world.audit(is_thorough=True)
            self.assertEqual([], before.faults)
            self.assert_a_replay_changes_nothing(world, before.snapshot())

    def test_a_worker_that_sleeps_past_its_lease_wakes_up_to_no_harm(self):
        source = random.Random(10)
        try:
            world = harness.RealWorld()
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with world:
            world.add_tenant()
            world.break_services(embed={"delay": 0.5}, store={"delay": 0.2})
            sleeper = world.start_worker()
            keys = [world.key(0, f"sleep {number}.pdf") for number in range(20)]
            for number, key in enumerate(keys):
                world.put(key, body(source, f"sleep{number}"))
            world.wait_for(lambda: ("processing", None) in world.documents().values(), 60)
            sleeper.send(signal.SIGSTOP)
            world.break_services()
            world.start_worker()
            world.settle(240, until=lambda: len(world.documents()) == len(keys))
            sleeper.send(signal.SIGCONT)
            time.sleep(3)  # what it still had in hand is sent in its first moments
            world.settle(240, is_thorough=True)
            self.assertEqual({("success", None)}, set(world.documents().values()))
            self.assertEqual([], world.faults())
            self.assertEqual([0, 0], world.stop_workers())

    def test_two_workers_share_the_topic_while_one_after_the_other_is_killed(self):
        source = random.Random(11)
        try:
            world = harness.RealWorld()
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with world:
            for _ in range(TENANTS):
                world.add_tenant()
            world.break_services(embed={"delay": 0.1}, store={"delay": 0.05, "swallow": 0.05})
            keys = [
                world.key(number % TENANTS, f"pair {number}.pdf") for number in range(DOCUMENTS)
            ]
            for _ in range(2):
                world.start_worker()
            for number, key in enumerate(keys):
                world.put(key, body(source, f"pair{number}"))
            for _ in range(KILLS):
                time.sleep(source.uniform(0.3, 2))
                world.kill(source.randrange(2))
                world.start_worker()
            world.settle(240, lambda: len(world.documents()) == len(keys), is_thorough=True)
            self.assertEqual({("success", None)}, set(world.documents().values()))
            self.assertEqual([], world.faults())

    def assert_a_replay_changes_nothing(self, world, before):
        world.replay()
        after = world.audit(is_thorough=True)
        self.assertEqual([], after.faults)
        self.assertEqual([], harness.differences(before, after.snapshot()))
        self.assertEqual([0], world.stop_workers())


if __name__ == "__main__":
    harness.main()
