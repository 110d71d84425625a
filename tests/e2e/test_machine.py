"""What the machine itself does to a worker: no descriptor is left, signals come in a storm, the name
server never answers, a process crashes. Nothing is lost, nothing spins, and no core file is left.
"""

import glob
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse
import urllib.request
import uuid

import harness
import names

import pdf
from figures import family, port_of, processor_s

GOOD = pdf.document([["# A good neighbour", "It must not notice anything. " * 20]])
LONG = pdf.document([["# A long one", "Page after page of it. " * 40]] * 3000)
JUMPS = ("+3h", "-3h", "+50h", "-50h", "+0")
ENDED_UNFINISHED = 5  # an exit code of `work`: its time to drain is over
READER = "extract-reader"  # a child that has a document
CORES = ["sh", "-c", 'cd "$0" && ulimit -c unlimited && exec "$@"']
READ_ONLY = ["unshare", "--mount", "sh", "-c"]
READ_ONLY += ['for place in $(cut -d" " -f2 /proc/mounts); do mount -o remount,bind,ro "$place"; done; exec "$@"']
RESOLVING = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"']


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # ended meanwhile


def end_of(process):
    """How the kernel saw it end: CLD_KILLED, or CLD_DUMPED where a core file was written."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT).si_code


class Machine(unittest.TestCase):
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
        cls.world.put(cls.world.key(0, "first.pdf"), GOOD)  # makes the topic

    def setUp(self):
        self.addCleanup(self.world.stop_workers)

    def start(self, *through):
        worker = self.world.start("work", through=through)
        self.world.wait_for(lambda: self.told("assignment_received"), 60)
        return worker

    def upload(self, count, body=GOOD):
        keys = [self.world.key(0, f"{uuid.uuid4()}.pdf") for _ in range(count)]
        for key in keys:
            self.world.put(key, body)
        return keys

    def told(self, event):
        lines = self.world.logs[-1].read_text().splitlines()
        found = (json.loads(line) for line in lines if line.startswith("{"))
        return [line for line in found if line["event"] == event]

    def is_live(self, worker):
        with urllib.request.urlopen(f"http://127.0.0.1:{port_of(worker)}/livez", timeout=5) as reply:
            return reply.status == 200

    def assert_served(self, keys):
        served = ("success", None)
        self.world.settle(until=lambda: all(self.world.documents().get(key) == served for key in keys))
        self.assertEqual([], self.world.faults())

    # -- descriptors -------------------------------------------------------------------------------------------------
    def test_without_a_descriptor_documents_wait_and_nothing_spins(self):
        worker = self.start()
        self.assert_served(self.upload(1))
        before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        open_now = len(os.listdir(f"/proc/{worker.pid}/fd"))
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (open_now, before[1]))
        keys = self.upload(10)
        callers = [socket.create_connection(("127.0.0.1", port_of(worker))) for _ in range(3)]
        self.world.wait_for(lambda: self.told("document_left"), 60)
        used, since = processor_s(worker.pid), time.monotonic()
        time.sleep(3)
        share = (processor_s(worker.pid) - used) / (time.monotonic() - since)
        self.assertLess(share, 0.5)
        self.assertIn("Too many open files", {line["error"].split(": ")[-1] for line in self.told("document_left")})
        for caller in callers:
            caller.close()
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
        self.assertTrue(self.is_live(worker))
        self.assert_served(keys)

    def test_a_limit_that_no_worker_can_live_with_is_told(self):
        limited = ["sh", "-c", 'ulimit -n 8 && exec "$@"', "sh"]
        worker = self.world.start("work", through=limited)
        self.addCleanup(self.world.workers.clear)
        self.assertNotIn(worker.process.wait(30), (0, -signal.SIGABRT, -signal.SIGSEGV))
        self.assertIn("too many open files", worker.tail())

    # -- the disk ----------------------------------------------------------------------------------------------------
    def test_a_worker_writes_no_file(self):
        """Not even where it could: bodies and texts are in memory. Nothing of a full disk is its concern."""
        bare = [*READ_ONLY, str(self.world.run_dir)]
        if subprocess.run([*bare, "true"], capture_output=True, check=False).returncode:
            self.skipTest("no mount namespace of our own: it needs root")
        tried = subprocess.run([*bare, "touch", "/x", "/tmp/x", "/dev/shm/x"], capture_output=True, check=False, text=True)
        self.assertEqual(3, tried.stderr.count("Read-only file system"), tried.stderr)
        self.start(*bare)
        self.assert_served(self.upload(5))
        self.assertEqual([0], self.world.stop_workers())

    # -- signals -----------------------------------------------------------------------------------------------------
    def test_a_storm_of_signals_costs_nothing(self):
        """Stops interrupt waits that handlers with SA_RESTART do not."""
        worker = self.start()
        helper = family(worker.pid)[1]
        keys, storm = self.upload(20), 0
        end = time.monotonic() + 4
        while time.monotonic() < end:
            for pid in family(worker.pid):
                for number in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGSTOP, signal.SIGCONT):
                    try:
                        os.kill(pid, number)
                        storm += 1
                    except ProcessLookupError:
                        break  # a reader that has finished
        self.assertGreater(storm, 1000)
        self.assert_served(keys)
        self.assertEqual([], self.told("document_left"))
        self.assertEqual(helper, family(worker.pid)[1])
        self.assertEqual([0], self.world.stop_workers())

    # -- the clock ---------------------------------------------------------------------------------------------------
    def test_jumps_of_the_clock_change_nothing(self):
        """Leases are by the database's clock, waits by one that does not jump; the bucket is told the time
        that it wants to hear."""
        libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not libraries:
            self.skipTest("no libfaketime (apt-get install libfaketime)")
        clock = self.world.run_dir / "clock"
        clock.write_text("+0")
        faked = [f"LD_PRELOAD={libraries[0]}", f"FAKETIME_TIMESTAMP_FILE={clock}"]
        self.world.break_services(embed={"delay": 1})
        self.addCleanup(self.world.break_services)
        self.start("env", *faked, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
        keys = []
        for jump in JUMPS:
            keys += self.upload(4)
            self.world.wait_for(lambda: "processing" in self.states(keys[-4:]), 60)
            clock.write_text(jump)
            self.world.put(keys[0], pdf.document([["# Again", f"After a jump of {jump}. " * 20]]))
        self.assert_served(keys)
        days = {line["ts"][:10] for line in self.told("document_started") + self.told("document_finished")}
        self.assertGreater(len(days), 2)  # it was a jump, and the worker has seen it
        self.assertEqual({1}, {line["start"] for line in self.told("document_started")})
        self.assertEqual([], self.told("document_left"))

    def states(self, keys):
        documents = self.world.documents()
        return [documents[key][0] for key in keys if key in documents]

    # -- names -------------------------------------------------------------------------------------------------------
    def test_a_name_server_that_never_answers_is_waited_for(self):
        servers = self.open_names()
        own = self.world.settings
        self.addCleanup(setattr, self.world, "settings", own)
        there = urllib.parse.urlsplit(own["S3_ENDPOINT"])
        self.world.settings = {
            **own,
            "S3_ENDPOINT": f"http://bucket.test:{there.port}",
            "DATABASE_URL": own["DATABASE_URL"].replace("127.0.0.1", "base.test"),
            "MILLRACE_DRAIN": "2s",
        }
        self.assertIn("base.test", self.world.settings["DATABASE_URL"])
        servers.silent = {"bucket.test"}
        worker = self.start(*RESOLVING, str(self.resolv_conf()))
        keys = self.upload(3)
        self.world.wait_for(lambda: self.told("document_left"), 60)
        self.assertLessEqual({line["code"] for line in self.told("document_left")}, {"timeout", "unreachable"})

        servers.silent.add("base.test")
        role = harness.WORKER_ROLE
        self.world.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")
        keys += self.upload(3)
        self.world.wait_for(lambda: "base.test" in servers.ignored, 60)
        self.assertTrue(self.is_live(worker))
        self.assertLessEqual(set(self.world.stop_workers()), {0, ENDED_UNFINISHED})

        servers.silent = set()
        self.start(*RESOLVING, str(self.resolv_conf()))
        self.world.settings = own
        self.assert_served(keys)

    def open_names(self):
        try:
            servers = names.Names()
        except OSError as why:
            self.skipTest(f"no name server of our own: {why}")
        self.addCleanup(servers.close)
        try_out = [*RESOLVING, str(self.resolv_conf()), "true"]
        if subprocess.run(try_out, capture_output=True, check=False).returncode:
            self.skipTest("no mount namespace of our own: it needs root")
        return servers

    def resolv_conf(self):
        path = self.world.run_dir / "resolv.conf"
        path.write_text(f"nameserver {names.ADDRESS}\n")
        return path

    # -- core files --------------------------------------------------------------------------------------------------
    def test_no_crash_leaves_a_core_file(self):
        folder = self.world.run_dir / "cores"
        folder.mkdir(exist_ok=True)
        through = [*CORES, str(folder)]
        if not self.leaves_a_core_file(through, folder):
            self.skipTest("nobody leaves a core file here")
        worker = self.start(*through)
        helper = family(worker.pid)[1]
        self.upload(1, LONG)
        self.kill_with(signal.SIGSEGV, self.a_reader_of(worker))
        self.kill_with(signal.SIGABRT, helper)
        self.assert_served(self.upload(1))  # another helper: it has been waited for
        self.kill_with(signal.SIGSEGV, worker.pid)
        self.assertEqual(os.CLD_KILLED, end_of(worker.process))
        self.world.stop_workers()
        self.assertEqual([], os.listdir(folder))

    def leaves_a_core_file(self, through, folder):
        canary = subprocess.Popen([*through, "sleep", "60"])
        while name_of(canary.pid) != "sleep":
            time.sleep(0.01)
        canary.send_signal(signal.SIGSEGV)
        end = end_of(canary)
        canary.wait()
        left = os.listdir(folder)
        for name in left:
            (folder / name).unlink()
        return end == os.CLD_DUMPED and left

    def kill_with(self, number, pid):
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        is_reader = name_of(pid) == READER
        self.assertEqual(is_reader, bool(re.search(r"Max core file size +0 +0 ", limits)))
        os.kill(pid, number)

    def a_reader_of(self, worker):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for pid in family(worker.pid):
                if name_of(pid) == READER:
                    return pid
        raise AssertionError("nobody reads")


if __name__ == "__main__":
    harness.main()
