"""kill -9 in the middle, again and again: nothing is lost, nothing doubled, and replaying everything changes nothing."""

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
                240,
                until=lambda: all(world.documents().get(key) == ("success", None) for key in keys),
            )
            before = world.audit()
            self.assertEqual([], before.faults)
            self.assert_a_replay_changes_nothing(world, before.snapshot())

    def assert_a_replay_changes_nothing(self, world, before):
        world.replay()
        after = world.audit()
        self.assertEqual([], after.faults)
        self.assertEqual([], harness.differences(before, after.snapshot()))
        self.assertEqual([0], world.stop_workers())


if __name__ == "__main__":
    harness.main()
