"""Workers of an earlier program beside those of this one, on one topic, bucket and database, while tenants
upload, overwrite and delete and workers are killed: an upgrade, and the way back.

    upgrade.py OLD_PROGRAM [SEED]     `./run upgrade` builds it and calls this

Its last line says `... 0 wrong`; the exit code is 1 when something is, or when either program did nothing.
"""

import os
import random
import signal
import sys
import time

import harness
import wires

TENANTS, CYCLES, SEED, SETTLE_S = 6, 8, 1, 300
NEW = harness.BINARY


class Upgrade:
    def __init__(self, world, old, seed):
        self.world, self.old, self.source = world, old, random.Random(seed)
        self.users = wires.Users(world, self.source, TENANTS)
        self.logs = {old: [], NEW: []}  # of the workers of each program
        self.wrong = []

    def start(self, program):
        self.world.program = program
        self.logs[program].append(self.world.start_worker().log_path)
        self.world.program = NEW  # asks and verifies

    def work(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.users.do_something(self.source.randint(1, 3))
            time.sleep(self.source.uniform(0.1, 0.4))

    def finished(self, program):
        return sum(log.read_text().count('"event":"document_finished"') for log in self.logs[program])

    def judge(self, what):
        self.world.settle(SETTLE_S)
        found = self.world.faults()
        print(f"{what}: {len(self.world.objects())} objects, {len(found)} wrong", flush=True)
        self.wrong += [f"{what}: {one}" for one in found]

    def replace(self, number, program):
        """Ends a worker, hard or in order, and starts another."""
        worker = self.world.workers.pop(number)
        code = worker.stop(self.source.choice((signal.SIGKILL, signal.SIGTERM)), 30)
        if code not in (0, -signal.SIGKILL):
            self.wrong.append(f"{worker.log_path.name} ended with {code}: {worker.tail(5)}")
        self.start(program)

    def run(self):
        self.start(self.old)
        self.work(4)
        done = self.world.migrate()
        if done.returncode:
            raise AssertionError(f"migrate ended with {done.returncode}: {done.stderr}")
        self.work(3)
        self.judge("the old program beside a migration")
        self.start(NEW)  # worker 0 is always the other one's
        order = (NEW, self.old)
        for cycle in range(CYCLES):
            self.work(3)
            self.replace(0, order[(cycle + 1) % 2])
        self.judge("both programs")
        self.world.stop_workers()
        self.start(self.old)
        self.work(4)
        self.judge("the way back")
        self.world.stop_workers()
        self.start(NEW)
        self.work(4)
        self.judge("the new program alone")
        self.wrong += [f"{program} finished nothing" for program in self.logs if not self.finished(program)]


def main(old, seed=SEED):
    world = harness.RealWorld(KAFKA_PROP_SESSION_TIMEOUT_MS="6000")
    world.program = old = os.path.abspath(old)
    with world:
        world.break_services(embed={"delay": 0.05}, store={"delay": 0.05})
        upgrade = Upgrade(world, old, int(seed))
        upgrade.run()
        counts = [upgrade.finished(program) for program in (old, NEW)]
    for one in upgrade.wrong:
        print(one)
    print(f"{counts[0]} documents finished by the old program, {counts[1]} by this one: {len(upgrade.wrong)} wrong")
    return 1 if upgrade.wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
