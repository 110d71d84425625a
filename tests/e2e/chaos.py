"""Tenants work while everything around two workers goes wrong; an audit from outside, every tenth
cycle, proves that nothing was lost, doubled or crossed.

    python3 tests/e2e/chaos.py [CYCLES [SEED]]     `./run chaos`; a seed repeats the same disturbances

A cycle is one disturbance in the midst of uploads, overwrites and deletions. Its last line says
`N cycles ...: 0 wrong`; the exit code is 1 when something is.
"""

import collections
import datetime
import random
import signal
import sys
import time

import harness
import wires

TENANTS, WORKERS, CYCLES, AUDIT_EVERY = 8, 2, 200, 10
SETTLE_S = 300
HALF_OPEN_S = 60  # until the last dead connection is given up


class Chaos:
    def __init__(self, world, seed):
        self.world, self.source = world, random.Random(seed)
        self.users = wires.Users(world, self.source, TENANTS)
        self.done, self.wrong = collections.Counter(), []
        self.recent = []  # what was done since the last audit, and when
        self.half_open_s = -HALF_OPEN_S
        for _ in range(WORKERS):
            world.start_worker()

    # -- disturbances: each takes some seconds, and leaves two workers running -------------------------------------
    def quiet(self):
        self.work(2)

    def kill(self):
        self.work(self.source.uniform(0.2, 2))
        self.world.kill(self.source.randrange(WORKERS))
        self.work(self.source.uniform(0, 1))
        self.world.start_worker()

    def drain(self):
        self.work(1)
        self.stop(self.source.randrange(WORKERS))
        self.world.start_worker()

    def join(self):
        """A third worker takes partitions and gives them back."""
        self.world.start_worker()
        self.work(3)
        self.stop(self.source.randrange(WORKERS + 1))
        self.work(1)

    def freeze(self):
        sleeper = self.source.choice(self.world.workers)
        sleeper.send(signal.SIGSTOP)
        self.work(self.source.uniform(1, 12))
        sleeper.send(signal.SIGCONT)

    def wire(self):
        peer, fault = self.source.choice(wires.PAIRS)
        self.done[f"{peer} {fault}"] += 1
        self.world.disturb(peer, fault)
        self.work(3)
        if fault == "half_open":
            self.half_open_s = time.monotonic()
        self.world.heal()

    def weather(self):
        self.world.break_services(
            embed={
                kind: self.source.uniform(0, 0.15)
                for kind in ("429", "500", "drop", "swallow", "truncate", "nan", "shuffle", "short")
            },
            store={
                **{
                    kind: self.source.uniform(0, 0.15)
                    for kind in ("429", "500", "drop", "swallow", "late")
                },
                "late_s": 5,
            },
        )
        self.work(4)

    def restart(self):
        stack = self.world.stack
        service = self.source.choice((stack.postgres, stack.kafka, stack.minio))
        self.done[f"restart {service.name}"] += 1
        service.stop()
        time.sleep(self.source.uniform(0.5, 3))  # nobody can upload while the bucket is away
        service.start_again()
        service.wait()

    def replay(self):
        """All workers stop, the group is set back to the start, two begin again."""
        while self.world.workers:
            self.stop(0)
        self.world.topic.rewind()
        for _ in range(WORKERS):
            self.world.start_worker()

    WEIGHTS = {
        quiet: 1,
        kill: 5,
        drain: 3,
        join: 3,
        freeze: 2,
        wire: 6,
        weather: 3,
        restart: 1,
        replay: 1,
    }

    # -- the rest --------------------------------------------------------------------------------------------------
    def work(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.users.do_something(self.source.randint(1, 3))
            time.sleep(self.source.uniform(0.1, 0.5))

    def stop(self, number):
        """Not before its first word: until then it is the loader that SIGTERM ends, on a busy machine."""
        worker = self.world.workers.pop(number)
        harness.common.wait_until(worker.tail, worker, 60, "a worker")
        self.check_drain(worker.stop(signal.SIGTERM, 60))

    def check_drain(self, code):
        """Drained; or past the deadline, where a connection is dead and does not know it yet."""
        is_excused = code == 5 and time.monotonic() < self.half_open_s + HALF_OPEN_S
        self.check(code == 0 or is_excused, f"a worker ended with {code} after SIGTERM")

    def check(self, is_so, sentence):
        if not is_so:
            self.wrong.append(sentence)
            print(f"WRONG: {sentence}", flush=True)

    def cycle(self):
        disturb = self.source.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
        before = self.done.copy()
        self.done[disturb.__name__] += 1
        self.recent.append(f"{datetime.datetime.now(datetime.timezone.utc):%H:%M:%S}")
        disturb(self)
        self.recent[-1] += " " + ", ".join(self.done - before)

    def audit(self, number, is_thorough=False):
        self.world.heal()
        start = time.monotonic()
        try:
            self.world.settle(SETTLE_S, is_thorough=is_thorough)
        except AssertionError:
            print("since the last audit: " + "; ".join(self.recent), flush=True)
            raise
        self.recent = []
        for fault in self.world.faults(is_thorough):
            self.check(False, fault)
        seconds = time.monotonic() - start
        print(
            f"cycle {number}: {len(self.world.documents())} documents, at rest after {seconds:.0f} s, "
            f"{len(self.wrong)} wrong",
            flush=True,
        )

    def run(self, cycles):
        for number in range(1, cycles + 1):
            self.cycle()
            self.world.check_workers()
            if number % AUDIT_EVERY == 0 or number == cycles:
                self.audit(number, number == cycles)
        before = self.world.audit(is_thorough=True).snapshot()
        self.replay()
        self.world.settle(SETTLE_S, is_thorough=True)
        after = self.world.audit(is_thorough=True).snapshot()
        for sentence in harness.differences(before, after):
            self.check(False, f"the replay of everything: {sentence}")


def main(cycles=CYCLES, seed=1):
    try:
        world = wires.WiredWorld()
    except harness.common.Unavailable as why:
        print(f"SKIPPED: {why}")
        return harness.SKIPPED
    with world:
        chaos = Chaos(world, seed)
        chaos.run(cycles)
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(chaos.done.items()))
        print(kinds)
        if world.untold:
            print(f"{len(world.untold)} changes that the S3 server told nobody of: {world.untold}")
        print(
            f"{cycles} cycles with seed {seed}, {chaos.users.count} uploads: {len(chaos.wrong)} wrong"
        )
        return 1 if chaos.wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(*map(int, sys.argv[1:])))
