"""Two workers that nobody kills or disturbs, under a steady modest load for hours: what they hold at
rest stays where it is, and an audit finds everything right at the end.

    soak.py [MINUTES [SEED]]     `./run soak`
    soak.py judge [FILE]         the table of a run that is under way, or was broken off

Each minute adds a line to build/log/soak.jsonl (TEST_SOAK_LOG: another file). The exit code is 1 when
a figure rises, the audit finds anything or a worker ends badly.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

import harness
import psycopg

import office
import pdf
from figures import family, metrics, port_of, processor_s, smaps_mib
from make_demo import DEMO, ENCRYPTED, IMAGE_ONLY, TRUNCATED
from slope import Line

MINUTES, SEED, TENANTS, KEYS, WORKERS, SETTLE_S = 120, 1, 100, 400, 2, 300
ACTION_S = 0.6  # from one upload or deletion to the next
DELETED, SPOILT = 0.15, 0.06  # shares of what is done
SAMPLE_S, LOOKS, LOOK_S = 60, 5, 1  # the least of some looks: what is held while nothing is done
WARM_UP_SHARE, WARM_UP_S = 0.25, 1500  # caches, pools and the allocator fill: the shorter of both
JUDGED_S = 1800  # a shorter run shows lines, but says nothing of them

# What a line through a figure may rise in an hour and still be level.
LEVEL = {
    "worker_mib": 3,
    "worker_pss_mib": 3,
    "helpers_mib": 3,
    "helpers": 0.5,
    "threads": 0.5,
    "descriptors": 1,
    "loop_lag_ms": 20,
    "lag": 2,
    "staged_rows": 1,
    "litter_rows": 20,
    "absorbed_rows": 5,
    "parked_items": 1,
    "open_items": 1,
    "leases": 1,
    "connections": 0.5,
    "locks": 1,
}
BY_DESIGN = ("documents", "items", "dead_letters", "uploads")  # they tell what was done
COUNTS = {
    "staged_rows": "staged_chunks",
    "litter_rows": "litter",
    "absorbed_rows": "absorbed_events",
    "parked_items": "job_items where parked_at is not null and outcome is null",
    "open_items": "job_items where outcome is null",
    "leases": "documents where leased_until is not null",
    "connections": f"pg_stat_activity where usename = '{harness.WORKER_ROLE}'",
    "locks": f"pg_locks join pg_stat_activity using (pid) where usename = '{harness.WORKER_ROLE}'",
    "documents": "documents",
    "items": "job_items",
    "dead_letters": "dead_letters",
}
COUNT_ALL = "select " + ", ".join(f"(select count(*) from {what})" for what in COUNTS.values())
# A worker that has nothing to do holds none of these.
BUSY = (
    "tasks bytes_reserved slabs events_waiting extract_slots_busy http_in_flight lane_waiting "
    "database_waiting kafka_lag"
).split()
BAD = (
    b"",
    b"%PDF-1.7\n",
    b"\x89PNG\r\n\x1a\n" + bytes(100),
    bytes(range(256)),
    *((DEMO / name).read_bytes() for name in (TRUNCATED, ENCRYPTED, IMAGE_ONLY)),
)


class Load:
    """Tenants that put, overwrite and delete files of every kind, one thing at a time."""

    def __init__(self, world, seed):
        self.world, self.source = world, random.Random(seed)
        self.held, self.count = set(), 0
        for _ in range(TENANTS):
            world.add_tenant()

    def act(self):
        """The name that is drawn is new, has been there before, or is there now."""
        number, roll = self.source.randrange(KEYS), self.source.random()
        key = self.world.key(number % TENANTS, f"file {number}")
        if roll < DELETED and key in self.held:
            self.held.remove(key)
            self.world.delete(key)
            return
        self.held.add(key)
        self.count += 1
        self.world.put(key, self.source.choice(BAD) if roll > 1 - SPOILT else self.file())

    def file(self):
        pages = [self.page(number) for number in range(self.source.choice((1, 1, 2, 3, 5, 12)))]
        lines = [line for page in pages for line in page]
        kinds = (
            lambda: pdf.document(pages, f"number {self.count}"),
            lambda: pdf.document(pages, f"number {self.count}"),
            lambda: office.docx(lines),
            lambda: office.odt(lines),
            lambda: "\n\n".join(lines).encode(),
            lambda: "\n\n".join(lines).encode("utf-16"),
            lambda: ("<title>One</title><p>" + "<p>".join(lines)).encode(),
        )
        return self.source.choice(kinds)()

    def page(self, number):
        words = pdf.vocabulary(self.source, 200)
        heading = f"# Number {self.count}, page {number}"
        return [heading, *pdf.paragraphs(self.source, words, 150)]


def look_at(worker):
    """What a worker holds at this moment, and its helper with the children."""
    pid = worker.pid
    below = family(pid)[1:]
    return {
        "worker_mib": smaps_mib(pid, "Rss"),
        "worker_pss_mib": smaps_mib(pid, "Pss"),
        "helpers_mib": sum(smaps_mib(one, "Pss") for one in below),
        "helpers": len(below),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "loop_lag_ms": 1000 * metrics(worker)["millrace_loop_lag_seconds"],
    }


def look(world):
    found = dict(zip(COUNTS, world.query(COUNT_ALL)[0]))
    found["lag"] = world.backlog()
    for number, worker in enumerate(world.workers):
        for name, value in look_at(worker).items():
            found[f"{name} {number}"] = value
    return found


class Soak:
    def __init__(self, world, seed, log):
        self.world, self.load, self.log = world, Load(world, seed), log
        self.rows, self.wrong = [], []
        for _ in range(WORKERS):
            world.start_worker()
        for worker in world.workers:
            harness.common.wait_until(lambda: port_of(worker), worker, 60, "a worker")
        self.load.act()
        world.settle(60, until=world.documents)  # from now on there is a topic

    def sample(self, seconds):
        """Looks while the load goes on; the least of each figure becomes a line of the log."""
        looks, late = [], (OSError, psycopg.Error, self.world.topic_module.KafkaException)
        for _ in range(LOOKS):
            self.work(LOOK_S)
            try:
                looks.append(look(self.world))
            except late as why:  # the machine is busy with other things: the other looks count
                print(f"a look was in vain: {why}", flush=True)
        if not looks:
            return
        least = {name: min(one[name] for one in looks) for name in looks[0]}
        self.rows.append({"seconds": round(seconds), **least, "uploads": self.load.count})
        self.log.write(json.dumps(self.rows[-1]) + "\n")
        self.log.flush()

    def work(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.load.act()
            time.sleep(min(ACTION_S, max(0, end - time.monotonic())))

    def run(self, seconds):
        start, sample_s = time.monotonic(), min(SAMPLE_S, seconds / 12)
        while time.monotonic() < start + seconds:
            self.work(max(0, sample_s - LOOKS * LOOK_S))
            self.world.check_workers()
            self.sample(time.monotonic() - start)
        used = sum(processor_s(worker.pid) for worker in self.world.workers)
        print(f"the workers used {100 * used / seconds:.1f} % of a core", flush=True)
        self.finish()

    def finish(self):
        is_long = self.rows[-1]["seconds"] >= JUDGED_S
        self.world.settle(SETTLE_S, is_thorough=is_long)
        self.wrong += self.world.faults(is_thorough=is_long)
        for number, worker in enumerate(self.world.workers):
            told = metrics(worker)
            self.wrong += [
                f"worker {number} is at rest and tells {name} {told['millrace_' + name]:.0f}"
                for name in BUSY
                if told["millrace_" + name]
            ]
        for code in self.world.stop_workers():
            if code:
                self.wrong.append(f"a worker ended with {code} after SIGTERM")
        rises = judge(self.rows)
        self.wrong += rises if is_long else []


def judge(rows):
    """Prints a line for each figure. Answers sentences about those that rise."""
    span = rows[-1]["seconds"] - rows[0]["seconds"]
    warm_up = rows[0]["seconds"] + min(WARM_UP_SHARE * span, WARM_UP_S)
    rows = [row for row in rows if row["seconds"] >= warm_up]
    print(f"\n{len(rows)} samples of {rows[-1]['seconds'] - rows[0]['seconds']} s: least and most; the line")
    print("through them: its rise in an hour ± twice its standard error, and what it may rise\n")
    wrong = []
    for name in rows[0]:
        if name == "seconds":
            continue
        line = Line([(row["seconds"] / 3600, row[name]) for row in rows])
        slack = LEVEL.get(name.split()[0])
        is_level = slack is None or not line.is_rising(slack)
        told = "by design" if slack is None else f"{slack:g}" + ("" if is_level else "   RISES")
        print(
            f"{name:<20}{line.low:9.1f} {line.high:9.1f}   {line.slope:+9.2f} ± {2 * line.error:<8.2f} {told}"
        )
        if not is_level:
            wrong.append(f"{name} rises by {line.slope:.2f} an hour, {slack:g} is level")
    return wrong


def judge_file(path):
    wrong = judge([json.loads(line) for line in path.read_text().splitlines()])
    print("\n" + "\n".join(wrong or ["level so far"]))
    return 1 if wrong else 0


def main(minutes=MINUTES, seed=SEED):
    try:
        world = harness.RealWorld()
    except harness.common.Unavailable as why:
        print(f"SKIPPED: {why}")
        return harness.SKIPPED
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with world, open(LOG, "w") as log:
        soak = Soak(world, seed, log)
        soak.run(60 * minutes)
        print(f"\n{minutes:g} minutes with seed {seed}, {soak.load.count} uploads: {len(soak.wrong)} wrong")
        for sentence in soak.wrong:
            print(f"WRONG: {sentence}")
        return 1 if soak.wrong else 0


LOG = pathlib.Path(
    os.environ.get("TEST_SOAK_LOG", harness.TESTS.parent / "build" / "log" / "soak.jsonl")
)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = sys.argv[1:]
    if arguments[:1] == ["judge"]:
        sys.exit(judge_file(pathlib.Path(*arguments[1:]) if arguments[1:] else LOG))
    sys.exit(main(*map(float, arguments[:1]), *map(int, arguments[1:])))
