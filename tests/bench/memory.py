"""What the worker holds at most while a thousand tenants upload and a book of ten thousand pages is
read: 3072 dimensions, an endpoint that answers slowly, so that everything is in flight at once.

    memory.py [--smoke]     smoke: a few tenants and a brochure; judges nothing
"""

import argparse
import contextlib
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]
import harness  # noqa: E402
import pdf  # noqa: E402
from figures import family, memory_mib, metrics, missed, port_of, report, smaps_mib  # noqa: E402

WORKER_MIB_MAX = 256
DIMENSION, DELAY_S, LOOK_S, WAIT_S = 3072, 0.5, 0.2, 1500
FULL = dict(tenants=1000, pages=10_000)
SMOKE = dict(tenants=12, pages=60)
ENDED = "select count(*) from documents where status = 'success'"


class Peaks:
    """The most of everything that was seen. A worker's own peak is the kernel's, which misses nothing."""

    def __init__(self, worker):
        self.worker, self.most = worker, {}

    def look(self):
        below = family(self.worker.pid)[1:]
        told = metrics(self.worker)
        self.note("tasks", told["millrace_tasks"])
        self.note("slabs", told["millrace_slabs"])
        self.note("waiting", told["millrace_events_waiting"])
        self.note("children", len(below))
        self.note("children_mib", sum(smaps_mib(one, "Pss") for one in below))
        for one in below:
            self.note("child_mib", smaps_mib(one, "Rss"))

    def note(self, name, value):
        self.most[name] = max(self.most.get(name, 0), value)


def leaflet(number):
    line = f"It belongs to tenant {number} and to nobody else. "
    return pdf.document([[f"# Leaflet {number}", line * 30], [f"# More of {number}", line * 30]])


def upload(world, book, peaks):
    """The book first; the others come while it is read."""
    key = world.key(0, "book.pdf")
    world.put(key, book.read_bytes())
    world.wait_for(lambda: world.documents().get(key, ("",))[0] == "processing", 120)
    for number in range(1, len(world.tenants)):
        world.put(world.key(number, "leaflet.pdf"), leaflet(number))
        if number % 50 == 0:
            peaks.look()
    return key


def wait_for_all(world, key, peaks):
    """Answers how many others had ended before the book, and the seconds until the end."""
    start, beside = time.monotonic(), 0
    while (ended := world.query(ENDED)[0][0]) < len(world.tenants):
        world.check_workers()
        peaks.look()
        if world.query("select status from documents where object_key = %s", key) == [("processing",)]:
            beside = ended
        if time.monotonic() - start > WAIT_S:
            raise AssertionError(f"{ended} documents have ended after {WAIT_S} s")
        time.sleep(LOOK_S)
    return beside, time.monotonic() - start


def measure(sizes):
    with harness.RealWorld(dimension=DIMENSION) as world:
        for _ in range(sizes["tenants"] + 1):
            world.add_tenant()
        book = world.run_dir / "book.pdf"
        pdf.write_big(book, sizes["pages"])
        world.break_services(embed={"delay": DELAY_S})
        worker = world.start_worker()
        harness.common.wait_until(lambda: port_of(worker), worker, 60, "the worker")
        idle, peaks = memory_mib(worker.pid, "VmRSS"), Peaks(worker)
        key = upload(world, book, peaks)
        beside, seconds = wait_for_all(world, key, peaks)
        tell(world, worker, idle, peaks.most, beside, seconds)
        with contextlib.suppress(AssertionError):
            world.settle(60)
        for sentence in world.faults():
            report("WRONG", sentence, (False, "nothing is"))


def tell(world, worker, idle, most, beside, seconds):
    count = len(world.tenants) - 1
    report("the last of all ended after", f"{seconds:.0f} s")
    report(
        "other tenants served beside the book",
        f"{beside} of {count}",
        (beside >= 0.9 * count, "nearly all"),
    )
    report("in flight at most", "{tasks:.0f} tasks, {slabs:.0f} slabs, {waiting:.0f} events waiting".format(**most))
    report("worker when idle", f"{idle:.0f} MiB")
    peak = memory_mib(worker.pid, "VmHWM")
    report("worker at most", f"{peak:.0f} MiB", (peak < WORKER_MIB_MAX, f"below {WORKER_MIB_MAX}"))
    report("worker afterwards", f"{memory_mib(worker.pid, 'VmRSS'):.0f} MiB")
    report(
        "helper and children at most",
        "{children_mib:.0f} MiB in {children:.0f} processes, the largest {child_mib:.0f} MiB".format(**most),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    measure(SMOKE if options.smoke else FULL)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed and not options.smoke else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.common.Unavailable as why:
        print(f"SKIPPED: {why}")
        sys.exit(harness.SKIPPED)
