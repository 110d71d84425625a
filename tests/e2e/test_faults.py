"""Each fault of a wire, between the worker and each of its services: after healing, everything is
there and nothing else.

    python3 tests/e2e/test_faults.py                   some pairs of a service and a fault
    python3 tests/e2e/test_faults.py kafka:swallow     these pairs
    python3 tests/e2e/test_faults.py all               all of them (`./run chaos faults`)
"""

import random
import sys
import time
import unittest

import harness
import wires

SOME = [
    ("kafka", "swallow"),
    ("s3", "flip"),
    ("s3", "truncate"),
    ("postgres", "swallow"),
    ("postgres", "refuse"),
    ("embed", "reset"),
    ("store", "swallow"),
]
WANTED = [tuple(word.split(":")) for word in sys.argv[1:] if ":" in word]
PAIRS = WANTED or (wires.PAIRS if "all" in sys.argv[1:] else SOME)
FAULT_S, STRIKE_S, HEAL_S = 4, 40, 240


def meet(world, users, peer, fault):
    """The fault while tenants work, then the audit. Answers how often it struck, and the seconds of healing."""
    world.disturb(peer, fault)
    start = time.monotonic()
    while time.monotonic() < start + (FAULT_S if world.wires[peer].hits else STRIKE_S):
        users.do_something(2)
        time.sleep(0.4)
    hits, healed = world.wires[peer].hits, time.monotonic()
    world.heal()
    world.settle(HEAL_S)
    return hits, time.monotonic() - healed


class Faults(unittest.TestCase):
    def test_nothing_is_lost_or_doubled_whatever_a_wire_does(self):
        source = random.Random(21)
        try:
            world = wires.WiredWorld()
        except harness.common.Unavailable as why:
            self.skipTest(str(why))
        with world:
            users = wires.Users(world, source, 3)
            world.start_worker()
            users.do_something(6)
            world.settle()
            for peer, fault in PAIRS:
                with self.subTest(peer=peer, fault=fault):
                    hits, seconds = meet(world, users, peer, fault)
                    faults = world.faults()
                    print(f"{peer:9} {fault:9} struck {hits:4} times, healed in {seconds:5.1f} s, {len(faults)} wrong")
                    self.assertGreater(hits, 0, "the fault did not happen: this proves nothing")
                    self.assertEqual([], faults)
            world.settle(HEAL_S, is_thorough=True)
            self.assertEqual([], world.faults(is_thorough=True))
            self.assertEqual([0], world.stop_workers())


if __name__ == "__main__":
    del sys.argv[1:]
    harness.main()
