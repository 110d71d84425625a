"""How fast the whole thing is, each figure beside something known that was measured in the same run.

    start      `millrace dev` is called -> it reads its topic
    latency    a small PDF appears on an idle system -> its chunks are searchable
    pages      PDF -> stored vectors (`millrace dev`, local embedder, 256 and 3072 dimensions), beside
               poppler-glib alone and a plain Python worker, on the same files and cores
    memory     of an idle worker, and with 64 documents in flight; how late its loop came meanwhile
    replays    events of finished documents, again through the topic -> committed

    bench.py [--smoke] [--corpus DIR]     smoke: tiny, judges nothing; corpus: PDFs to read besides ours

A floor that is missed is said, and ends in exit code 1.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]
import harness  # noqa: E402
import pdf  # noqa: E402
import psycopg  # noqa: E402
from figures import memory_mib, metric, missed, port_of, processor_s, report, spread  # noqa: E402
from services import common  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TEST_BUILD_DIR", HERE.parent.parent / "build" / "bench"))
CORPUS = pathlib.Path(os.environ.get("TEST_CORPUS", HERE.parents[2] / "shared" / "corpus"))
SHARE_MIN, LATENCY_MS_MAX, IDLE_MIB_MAX, BUSY_MIB_MAX, REPLAYS_MIN = 0.8, 150, 40, 256, 20_000
LAG_MS_MAX, START_MS_MAX = 20, 1000
FULL = dict(
    files=24,
    pages=100,
    rounds=3,
    leaflets=20,
    crowd=64,
    crowd_pages=100,
    replayed=2000,
    replays=100_000,
)
SMOKE = dict(
    files=2, pages=3, rounds=1, leaflets=2, crowd=4, crowd_pages=3, replayed=20, replays=200
)
REAL_BYTES_MIN = 200_000
PYPDF = "pypdf==5.1.0"
ENDED = "select count(*) from documents where status in ('success', 'failed')"


def wait_until(is_so, seconds, step=0.01):
    """Answers the seconds it took."""
    start = time.monotonic()
    while not is_so():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"not so after {seconds} s")
        time.sleep(step)
    return time.monotonic() - start


def make_books(folder, sizes):
    for number in range(sizes["files"]):
        pdf.write_big(folder / f"book{number}.pdf", sizes["pages"], seed=number)
    return sorted(folder.glob("*.pdf"))


def children_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def alone(books):
    """Pages, pages per second and processor seconds of poppler-glib by itself."""
    before = children_s()
    done = subprocess.run(
        [BUILD / "bin" / "poppler_pages", *books], check=True, capture_output=True, text=True
    )
    pages, seconds = done.stdout.split()
    return int(pages), int(pages) / float(seconds), children_s() - before


class Dev:
    """A running `millrace dev` and one connection to its database: a connection for each look would cost the server more
    than the work that is measured.
    """

    def __init__(self, dimension):
        self.world = harness.DevWorld(dimension=dimension)

    def __enter__(self):
        self.world.__enter__()
        self.world.add_tenant()
        self.world.add_tenant()
        start = time.monotonic()
        self.worker = self.world.start_worker()
        wait_until(
            lambda: port_of(self.worker)
            and metric(self.worker, "millrace_kafka_partitions") is not None,
            30,
        )
        self.start_ms = (time.monotonic() - start) * 1000
        self.put(0, "first.pdf", pdf.document([["# First", "It makes the tenant's schema."]]))
        self.world.wait_for(lambda: self.world.query(ENDED)[0][0] == 1, 30)
        self.database = psycopg.connect(self.world.database(), autocommit=True)
        return self

    def __exit__(self, *exc):
        if hasattr(self, "database"):
            self.database.close()
        self.world.__exit__(*exc)

    def put(self, tenant, name, data):
        self.world.put(self.world.key(tenant, name), data)

    def ended(self):
        return self.database.execute(ENDED).fetchone()[0]

    def read(self, books, prefix):
        """Seconds and processor seconds until all of them have ended."""
        start, used, before = time.monotonic(), processor_s(self.worker.pid), self.ended()
        for number, book in enumerate(books):
            self.put(number % 2, f"{prefix}-{book.name}", book.read_bytes())
        wait_until(lambda: self.ended() == before + len(books), 900)
        return time.monotonic() - start, processor_s(self.worker.pid) - used


def measure_latency(dev, sizes):
    taken = []
    for number in range(sizes["leaflets"]):
        before = dev.ended()
        dev.put(
            0,
            f"leaflet{number}.pdf",
            pdf.document([[f"# Leaflet {number}", "It is read at once. " * 20]]),
        )
        taken.append(wait_until(lambda: dev.ended() > before, 30, 0.002) * 1000)
        time.sleep(0.2)
    middle = sorted(taken)[len(taken) // 2]
    report(
        "a PDF appears -> searchable",
        spread(taken, " ms"),
        (middle <= LATENCY_MS_MAX, f"p50 at most {LATENCY_MS_MAX}"),
    )


def measure_pages(dev, books, sizes, name, floor=None):
    """Rounds of poppler alone, the whole, poppler alone: shares by the clock and by processor time."""
    rates, shares, lean, raw_rates = [], [], [], []
    for number in range(sizes["rounds"]):
        pages, before, before_s = alone(books)
        seconds, used_s = dev.read(books, f"{name}-{number}")
        _, after, after_s = alone(books)
        rates.append(pages / seconds)
        raw_rates.append((before + after) / 2)
        shares.append(100 * rates[-1] / raw_rates[-1])
        lean.append(100 * (before_s + after_s) / 2 / max(used_s, 0.01))
    report(f"{name}: poppler-glib alone", spread(raw_rates, " pages/s"))
    report(f"{name}: PDF -> stored vectors", spread(rates, " pages/s"))
    middle = sorted(shares)[len(shares) // 2]
    report(
        "    share of poppler alone",
        spread(shares, " %"),
        floor and (middle >= 100 * floor, f"at least {floor:.0%}"),
    )
    report("    the same by processor time", spread(lean, " %"))


def plain_python():
    """A Python with pypdf in the tests' cache."""
    home = common.cache_dir() / "bench-python"
    if not (home / ".complete").exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", "--system-site-packages", home],
            [home / "bin" / "pip", "install", "--quiet", PYPDF],
        ):
            common.run_quietly(command, "the plain Python worker's environment", timeout=300)
        (home / ".complete").touch()
    return home / "bin" / "python"


def measure_plain_worker(dev, books):
    try:
        python = plain_python()
    except common.Failed as why:
        print(f"SKIPPED: the plain Python worker (PyPI is out of reach?): {why}")
        return
    command = [python, HERE / "plain_worker.py", dev.world.database(), "256", *books]
    pages, seconds = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()
    report("a plain Python worker (pypdf)", f"{int(pages) / float(seconds):.0f} pages/s")


def measure_dev(books, real, sizes):
    with Dev(256) as dev:
        report(
            "start -> serves its port", f"{dev.start_ms:.0f} ms, a new PostgreSQL cluster included"
        )
        time.sleep(2)  # idle is measured when the start is over
        idle = memory_mib(dev.worker.pid, "VmRSS")
        report(
            "memory when idle", f"{idle:.0f} MiB", (idle <= IDLE_MIB_MAX, f"at most {IDLE_MIB_MAX}")
        )
        measure_latency(dev, sizes)
        measure_pages(dev, books, sizes, "256", SHARE_MIN)
        if real:
            measure_pages(dev, real, {**sizes, "rounds": 1}, "real files")
        measure_plain_worker(dev, books)
    with Dev(3072) as dev:
        measure_pages(dev, books, sizes, "3072")


# ---- many documents at once, and replays: the production shape ------------------------------------------------------


def sleeper_lag_ms():
    """The most that a sleep of 10 ms was late within a second: what the machine alone does to a loop."""
    worst, end = 0, time.monotonic() + 1
    while (now := time.monotonic()) < end:
        time.sleep(0.01)
        worst = max(worst, (time.monotonic() - now - 0.01) * 1000)
    return worst


def measure_crowd(sizes):
    """Slow answers of the embedding endpoint keep all documents in flight."""
    with tempfile.TemporaryDirectory() as folder, harness.RealWorld(dimension=3072) as world:
        world.add_tenant()
        book = pathlib.Path(folder) / "book.pdf"
        pdf.write_big(book, sizes["crowd_pages"])
        world.break_services(embed={"delay": 1.0})
        start = time.monotonic()
        worker = world.start_worker()
        wait_until(lambda: port_of(worker), 30)
        started_ms = (time.monotonic() - start) * 1000
        report(
            "start of `work` -> it polls",
            f"{started_ms:.0f} ms",
            (started_ms <= START_MS_MAX, f"at most {START_MS_MAX}"),
        )
        for number in range(sizes["crowd"]):
            world.put(world.key(0, f"{number}.pdf"), book.read_bytes())
        crowd, lags, control, end = 0, [], [], time.monotonic() + 600
        while time.monotonic() < end and world.query(ENDED)[0][0] < sizes["crowd"]:
            crowd = max(crowd, int(metric(worker, "millrace_tasks")))
            lags.append(1000 * metric(worker, "millrace_loop_lag_seconds"))
            control.append(sleeper_lag_ms())
        lag = sorted(lags)[int(len(lags) * 0.99)]
        report(
            "    lag of the loop, each second",
            spread(lags, " ms"),
            (lag <= LAG_MS_MAX, f"p99 at most {LAG_MS_MAX}"),
        )
        report("    lag of a program that only sleeps", spread(control, " ms"))
        busy = memory_mib(worker.pid, "VmHWM")
        report(
            f"memory, {crowd} documents in flight",
            f"{busy:.0f} MiB",
            (busy <= BUSY_MIB_MAX, f"at most {BUSY_MIB_MAX}"),
        )


def measure_replays(sizes):
    with harness.RealWorld(dimension=256) as world:
        world.add_tenant()
        small = pdf.document([["# A leaflet", "It is read once and replayed often."]])
        world.start_worker()
        for number in range(sizes["replayed"]):
            world.put(world.key(0, f"{number}.pdf"), small)
        # Not settle(): it looks at every object each time.
        wait_until(
            lambda: world.query(ENDED)[0][0] == sizes["replayed"] and world.topic.lag() == 0,
            300,
            0.5,
        )
        world.stop_workers()
        copy_topic(world.topic, sizes["replayed"], sizes["replays"])
        worker = world.start_worker()
        wait_until(lambda: port_of(worker) and metric(worker, "millrace_messages_total"), 60)
        start, settled = time.monotonic(), metric(worker, "millrace_messages_total")
        wait_until(lambda: world.topic.lag() == 0, 300, 0.05)
        rate = (sizes["replays"] - settled) / (time.monotonic() - start)
        report(
            "replays of finished documents",
            f"{rate:.0f} events/s of {sizes['replayed']} documents, from the first to the last commit",
            (rate >= REPLAYS_MIN, f"at least {REPLAYS_MIN}"),
        )


def copy_topic(topic, held, count):
    """The messages of the topic, again and again."""
    from confluent_kafka import Consumer

    reader = Consumer({**topic.settings, "group.id": "bench", "auto.offset.reset": "earliest"})
    reader.subscribe([topic.name])
    messages = []
    while len(messages) < held:
        message = reader.poll(10)
        if message is None:
            raise AssertionError(f"the topic holds only {len(messages)} messages")
        messages.append((message.key(), message.value()))
    reader.close()
    for number in range(count):
        key, value = messages[number % len(messages)]
        topic.producer.produce(topic.name, value, key)
        if number % 1000 == 0:
            topic.producer.flush(30)
    topic.producer.flush(30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--corpus", type=pathlib.Path, default=CORPUS)
    options = parser.parse_args()
    sizes = SMOKE if options.smoke else FULL
    real = []
    if not options.smoke:
        found = options.corpus.rglob("*.pdf")
        real = sorted(path for path in found if path.stat().st_size >= REAL_BYTES_MIN)
    with tempfile.TemporaryDirectory() as folder:
        measure_dev(make_books(pathlib.Path(folder), sizes), real, sizes)
    try:
        measure_crowd(sizes)
        measure_replays(sizes)
    except common.Unavailable as why:
        print(f"NOTE: not measured without real services: {why}")
    if missed:
        print(f"below the floor: {', '.join(missed)}")
    return 1 if missed and not options.smoke else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except common.Unavailable as why:
        print(f"SKIPPED: {why}")
        sys.exit(harness.SKIPPED)
