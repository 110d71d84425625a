"""SIGTERM in each fifth of a second from a worker's start, and from its first line on: while it starts its reader, joins the group,
waits for its partitions or has just got them, alone and among others who come and go. It ends cleanly, leaves no process, and nothing
is lost.
"""

import pathlib
import signal
import time
import unittest

import harness
import pdf

MOMENTS = [(line, tenths / 10) for line in (None, '"worker_started"') for tenths in range(0, 22, 2)]
WAVES = 2
DOCUMENTS = 30
GOOD = pdf.document([["# At the start", "It must not be lost. " * 20]])


def of_session(leader):
    """What runs in the session that a worker was given."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = path.read_text().rsplit(")", 1)
        except OSError:
            continue  # ended meanwhile
        state, _, _, session = fields.split()[:4]
        if int(session) == leader and state not in "ZX":
            found.append(name + ")")
    return found


class Start:
    """A worker, and when it is to end: some time after a line of its log, or after its start."""

    def __init__(self, worker, moment):
        self.worker, (self.line, self.delay) = worker, moment
        self.since = None if self.line else time.monotonic()

    def is_due(self):
        if self.since is None and self.line in self.worker.log_path.read_text():
            self.since = time.monotonic()
        return self.since is not None and time.monotonic() >= self.since + self.delay


class Starting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.world = harness.RealWorld(KAFKA_PROP_SESSION_TIMEOUT_MS="6000")
        except harness.common.Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.enterClassContext(cls.world)

    def start(self, number):
        """Every third has a group of its own, and the partitions with it."""
        settings = self.world.settings
        if number % 3 == 0:
            self.world.settings = {**settings, "KAFKA_GROUP": f"alone-{number}"}
        start = Start(self.world.start("work"), MOMENTS[number])
        self.world.settings = settings
        return start

    def end_those_due(self, waiting):
        self.world.check_workers()
        for start in [start for start in waiting if start.is_due()]:
            waiting.remove(start)
            self.world.workers.remove(start.worker)
            start.worker.send(signal.SIGTERM)

    def run_wave(self, numbers):
        starts, waiting = [], []
        for number in numbers:
            starts.append(self.start(number))
            waiting.append(starts[-1])
            self.end_those_due(waiting)
        while waiting:
            self.end_those_due(waiting)
            time.sleep(0.01)
        return starts

    def assert_ended_well(self, start):
        worker, when = start.worker, f"{start.delay} s after {start.line or 'its start'}"
        code = worker.process.wait(30)
        is_unborn = code == -signal.SIGTERM and not worker.tail()  # it had not reached its first line
        self.assertTrue(code == 0 or is_unborn, f"{code}, {when}: {worker.tail(30)}")
        end = time.monotonic() + 5  # its children see it end
        while of_session(worker.pid) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual([], of_session(worker.pid), when)

    def test_a_stop_in_the_first_seconds_is_clean(self):
        world = self.world
        world.add_tenant()
        keys = [world.key(0, f"{number}.pdf") for number in range(DOCUMENTS)]
        for key in keys:
            world.put(key, GOOD)
        for wave in range(WAVES):
            for start in self.run_wave(range(wave, len(MOMENTS), WAVES)):
                with self.subTest(line=start.line, delay=start.delay):
                    self.assert_ended_well(start)
        world.start_worker()
        world.settle(until=lambda: all(world.documents().get(key) == ("success", None) for key in keys))
        self.assertEqual([], world.faults())
        self.assertEqual([0], world.stop_workers())


if __name__ == "__main__":
    harness.main()
