"""What a tenant with very many waiting events costs a tenant that uploads now and then: from the event to the end of
the quiet tenant's documents, alone, beside the noise and alone again. And what weights do.

    fair.py [--smoke] [--events N]     smoke: little noise; judges nothing
"""

import argparse
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]
import harness  # noqa: E402
import psycopg  # noqa: E402
from figures import metrics, missed, port_of, report  # noqa: E402

NOISE = "noise"  # a bucket that tells nobody: the events are ours, to the millisecond
SHARE_MAX, PACE_S, FILES = 1.2, 0.25, 2000
FULL = dict(events=100_000, files=FILES, uploads=100)
SMOKE = dict(events=500, files=50, uploads=4)


class World(harness.RealWorld):
    def prepare(self):
        self.settings = {"S3_BUCKET": f"{harness.BUCKET},{NOISE}", **self.settings}
        super().prepare()
        self.noise = self.stack.minio.client(NOISE)
        self.noise.create_bucket()

    def tell(self, key, etag, size):
        """An event of an object that lies there. Goes out with the others: flush."""
        record = self.topic_module.notification(key, bucket=NOISE, eTag=etag, size=size)
        self.topic.producer.produce(
            self.topic.name, json.dumps(self.topic_module.message(record)), f"{NOISE}/{key}"
        )

    def flush(self):
        self.topic.producer.flush(60)


def put_quiet(world, count):
    """Documents of the quiet tenant that nobody was told of yet: (key, eTag, bytes)."""
    found = []
    for number in range(count):
        key = world.key(0, f"quiet {len(world.told) + number}.txt")
        body = f"What the quiet tenant wrote, number {number} at {time.time()}. ".encode() * 5
        found.append((key, world.noise.put(key, body, "text/plain"), len(body)))
    return found


def latencies(world, count):
    """Milliseconds from the event to the end of each."""
    documents, told = put_quiet(world, count), {}
    for document in documents:
        told[document[0]] = time.time()
        world.tell(*document)
        world.flush()
        time.sleep(PACE_S)
    world.told.update(told)
    ended = {}
    world.wait_for(lambda: ended.update(ends(world, told)) or len(ended) == count, 120)
    return sorted(1000 * (ended[key] - at) for key, at in told.items())


def ends(world, told):
    return {
        key: at
        for key, at in world.query(
            "select object_key, extract(epoch from processed_at)::float8 from documents "
            "where status = 'success' and object_key = any(%s)",
            list(told),
        )
    }


def part(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def tell_spread(name, values):
    report(
        name,
        f"p50 {part(values, 0.5):.0f}, p90 {part(values, 0.9):.0f}, p99 {part(values, 0.99):.0f} ms",
    )


def make_noise(world, sizes):
    """Events of files that are read once; afterwards each is found unchanged, which takes a claim, a look and a finish."""
    files = []
    for number in range(sizes["files"]):
        key, body = world.key(1, f"noise {number}.txt"), f"Noise, number {number}.".encode() * 4
        files.append((key, world.noise.put(key, body, "text/plain"), len(body)))
    for number in range(sizes["events"]):
        world.tell(*files[number % len(files)])
        if number % 5000 == 0:
            world.flush()
    world.flush()


def waiting(worker):
    return metrics(worker)["millrace_events_waiting"]


def measure(sizes):
    with World(dimension=256) as world:
        world.told = {}
        world.add_tenant()
        world.add_tenant()
        world.put(world.key(0, "first.txt"), b"It makes the topic and the schema.")
        worker = world.start_worker()
        harness.common.wait_until(lambda: port_of(worker), worker, 60, "the worker")
        world.settle(60, until=lambda: len(world.documents()) == 1)
        latencies(world, 5)
        before = latencies(world, sizes["uploads"])
        make_noise(world, sizes)
        most, start = waiting(worker), time.monotonic()
        done = metrics(worker)["millrace_messages_total"]
        beside = latencies(world, sizes["uploads"])
        left, seconds = waiting(worker), time.monotonic() - start
        rate = (metrics(worker)["millrace_messages_total"] - done) / seconds
        tell_spread("quiet tenant alone", before)
        tell_spread("beside the noise", beside)
        report("    noise", f"{most:.0f} events waiting, then {left:.0f}, {rate:.0f} done each second")
        world.wait_for(lambda: waiting(worker) == 0 and world.topic.lag() == 0, 600)
        after = latencies(world, sizes["uploads"])
        tell_spread("alone again", after)
        alone = max(part(before, 0.99), part(after, 0.99))
        share = part(beside, 0.99) / alone
        report("p99 beside the noise to p99 alone", f"{share:.2f}", (share <= SHARE_MAX, f"at most {SHARE_MAX}"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--events", type=int)
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
