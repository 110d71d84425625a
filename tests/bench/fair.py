"""What a tenant with very many waiting events costs one that uploads now and then: from the event to
the end of the quiet tenant's documents, alone, beside noise with a short queue, and beside the same
noise with a hundred thousand waiting. All of it shares the processors of one machine, so the floor
is measured, too: the same noise in a topic and a worker of its own, so that nothing of ours is
shared. And what weights do to two tenants that both have very many.

    fair.py [--smoke] [--events N]     smoke: little noise; judges nothing
"""

import argparse
import contextlib
import json
import pathlib
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]
import harness  # noqa: E402
import psycopg  # noqa: E402
from figures import memory_mib, metrics, missed, port_of, processor_s, report  # noqa: E402

NOISE = "noise"  # a bucket that tells nobody: the events are ours, to the millisecond
APART = "noise-apart"  # a topic, and the group of the worker that reads it
SHARE_MAX, ALONE_MAX, WEIGHT, SLACK, MIB_MAX = 1.2, 2, 3, 0.25, 256
PACE_S, LOOK_S, SHORT = 0.25, 0.05, 100
QUIET, LOUD, LIGHT, HEAVY = range(4)  # tenants
FULL = dict(events=100_000, files=500, uploads=150, weighed=6000)
SMOKE = dict(events=300, files=20, uploads=3, weighed=200)


class World(harness.RealWorld):
    def prepare(self):
        self.settings = {"S3_BUCKET": f"{harness.BUCKET},{NOISE}", **self.settings}
        super().prepare()
        self.silent, self.told = self.stack.minio.client(NOISE), 0
        self.silent.create_bucket()
        for _ in (QUIET, LOUD, LIGHT, HEAVY):
            self.add_tenant()

    def lay_down(self, tenant, count, text):
        """Objects that nobody is told of yet: (key, eTag, bytes) of each."""
        found = []
        for _ in range(count):
            self.told += 1
            key, body = self.key(tenant, f"{self.told}.txt"), f"{text} Number {self.told}. ".encode() * 4
            found.append((key, self.silent.put(key, body, "text/plain"), len(body)))
        return found

    def tell(self, key, etag, size, topic=None):
        record = self.topic_module.notification(key, bucket=NOISE, eTag=etag, size=size)
        body = json.dumps(self.topic_module.message(record))
        self.topic.producer.produce(topic or self.topic.name, body, f"{NOISE}/{key}")

    def tell_often(self, files, count, topic=None):
        """Events of files that are read once; each later one takes a claim, a look and a finish."""
        for number in range(count):
            self.tell(*files[number % len(files)], topic)
            if number % 5000 == 4999:
                self.topic.producer.flush(60)
        self.topic.producer.flush(60)

    def start_worker_apart(self):
        shared = self.settings
        self.settings = {**shared, "KAFKA_TOPIC": APART, "KAFKA_GROUP": APART}
        try:
            return self.start_worker()
        finally:
            self.settings = shared

    def waiting(self):
        return metrics(self.workers[0])["millrace_events_waiting"]

    def is_at_rest(self):
        return self.waiting() == 0 and self.topic.lag() == 0


class ShortQueue(threading.Thread):
    """Noise that never lets up and never has much waiting."""

    def __init__(self, world, files):
        super().__init__(daemon=True)
        self.world, self.files, self.is_over = world, files, threading.Event()

    def run(self):
        while not self.is_over.wait(LOOK_S):
            if self.world.waiting() < SHORT:
                self.world.tell_often(self.files, SHORT)

    def __enter__(self):
        self.start()
        time.sleep(1)

    def __exit__(self, *exc):
        self.is_over.set()
        self.join()


@contextlib.contextmanager
def noise_apart(world, files, count):
    world.tell_often(files, count, APART)
    worker = world.start_worker_apart()
    harness.common.wait_until(lambda: port_of(worker), worker, 60, "the worker of the noise")
    world.wait_for(lambda: metrics(worker)["millrace_messages_total"] > len(files), 60)
    with rate_of(worker):
        yield
    world.workers.remove(worker)
    worker.stop()


@contextlib.contextmanager
def rate_of(worker):
    done, start = metrics(worker)["millrace_messages_total"], time.monotonic()
    yield
    now = metrics(worker)
    rate = (now["millrace_messages_total"] - done) / (time.monotonic() - start)
    waiting = now["millrace_events_waiting"]
    report("    of the noise", f"{rate:.0f} events/s, {waiting:.0f} wait at the end")


@contextlib.contextmanager
def processors(world):
    """Whose processor time it is, in hundredths of one processor."""
    stack = world.stack
    pids = {
        "worker": world.workers[0].pid,
        "PostgreSQL": stack.postgres.child.pid,
        "MinIO": stack.minio.child.pid,
        "broker": stack.kafka.child.pid,
    }
    before, start = {name: processor_s(pid) for name, pid in pids.items()}, time.monotonic()
    yield
    seconds = time.monotonic() - start
    shares = {name: (processor_s(pid) - before[name]) / seconds for name, pid in pids.items()}
    report("    processors", ", ".join(f"{name} {100 * s:.0f} %" for name, s in shares.items()))


def latencies(world, count):
    """Milliseconds from the event to the end of each document, the shortest first."""
    told = {}
    for document in world.lay_down(QUIET, count, "What the quiet tenant wrote."):
        told[document[0]] = time.time()
        world.tell(*document)
        world.topic.producer.flush(10)
        time.sleep(PACE_S)
    ended = {}
    world.wait_for(lambda: ended.update(ends(world, list(told))) or len(ended) == count, 120)
    return sorted(1000 * (ended[key] - at) for key, at in told.items())


def ends(world, keys):
    return dict(
        world.query(
            "select object_key, extract(epoch from processed_at)::float8 from documents "
            "where status = 'success' and object_key = any(%s)",
            keys,
        )
    )


def part(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def tell_spread(name, values):
    parts = ", ".join(f"p{100 * share:.0f} {part(values, share):.0f}" for share in (0.5, 0.9, 0.99))
    report(name, parts + " ms")


def measure_noise(world, sizes):
    files = world.lay_down(LOUD, sizes["files"], "Noise.")
    latencies(world, 5)
    alone = latencies(world, sizes["uploads"])
    tell_spread("a quiet tenant alone", alone)
    with noise_apart(world, files, sizes["events"]):
        apart = latencies(world, sizes["uploads"])
    tell_spread("beside noise in a worker of its own", apart)
    with ShortQueue(world, files), rate_of(world.workers[0]):
        short = latencies(world, sizes["uploads"])
    tell_spread("beside noise with a short queue", short)
    world.wait_for(world.is_at_rest, 300)
    world.tell_often(files, sizes["events"])
    most = world.waiting()
    with rate_of(world.workers[0]), processors(world):
        long = latencies(world, sizes["uploads"])
    tell_spread(f"beside {most:.0f} waiting events", long)
    peak = memory_mib(world.workers[0].pid, "VmHWM")
    report("    memory of the worker", f"{peak:.0f} MiB", (peak < MIB_MAX, f"below {MIB_MAX}"))
    ratio = part(long, 0.99) / part(short, 0.99)
    report("p99, long queue to short", f"{ratio:.2f}", (ratio <= SHARE_MAX, f"at most {SHARE_MAX}"))
    report("p50, long queue to short", f"{part(long, 0.5) / part(short, 0.5):.2f}")
    for share in (0.5, 0.9, 0.99):
        ours, floor = (part(one, share) / part(alone, share) for one in (long, apart))
        is_met = ours <= max(ALONE_MAX, SHARE_MAX * floor)
        aim = (is_met, f"at most {ALONE_MAX}, or {SHARE_MAX} of the floor")
        name = f"p{100 * share:.0f}, long queue to alone"
        report(name, f"{ours:.2f}, the floor {floor:.2f}", aim if share == 0.99 else None)


def finished(world, tenant):
    return world.query(
        "select count(*) from job_items i join processing_jobs j on j.id = i.job_id "
        "where j.user_id = %s and i.outcome is not null",
        world.tenants[tenant],
    )[0][0]


def measure_weights(world, sizes):
    """Two tenants with very many; one has three times the weight of the other."""
    with psycopg.connect(world.database()) as connection:
        connection.execute(
            "insert into tenant_settings (user_id, weight) values (%s, %s)",
            (world.tenants[HEAVY], WEIGHT),
        )
    pairs = zip(*(world.lay_down(one, sizes["files"] // 5, "Weighed.") for one in (LIGHT, HEAVY)))
    world.wait_for(world.is_at_rest, 600)
    world.tell_often([file for pair in pairs for file in pair], sizes["weighed"])
    warm, end = sizes["weighed"] // 20, sizes["weighed"] // 4
    world.wait_for(lambda: finished(world, HEAVY) >= warm, 120)
    before = [finished(world, one) for one in (LIGHT, HEAVY)]
    world.wait_for(lambda: finished(world, HEAVY) >= end, 300)
    light, heavy = (finished(world, one) - count for one, count in zip((LIGHT, HEAVY), before))
    ratio = heavy / max(light, 1)
    is_fair = abs(ratio / WEIGHT - 1) <= SLACK
    report(f"finished with weight {WEIGHT} and 1", f"{heavy} and {light}", (is_fair, f"{WEIGHT} to 1"))


def measure(sizes):
    with World(dimension=256) as world:
        world.put(world.key(QUIET, "first.txt"), b"It makes the topic and a schema.")
        worker = world.start_worker()
        harness.common.wait_until(lambda: port_of(worker), worker, 60, "the worker")
        world.settle(60, until=lambda: len(world.documents()) == 1)
        measure_noise(world, sizes)
        measure_weights(world, sizes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--events", type=int, help="of the loud tenant, instead of 100,000")
    options = parser.parse_args()
    sizes = dict(SMOKE if options.smoke else FULL)
    sizes["events"] = options.events or sizes["events"]
    measure(sizes)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed and not options.smoke else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.common.Unavailable as why:
        print(f"SKIPPED: {why}")
        sys.exit(harness.SKIPPED)
