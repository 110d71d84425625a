"""What the benchmarks share: lines with floors, processor time of a family of processes, memory."""

import collections
import glob
import os
import pathlib
import re
import statistics
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
missed = []


def report(name, value, floor=None):
    """One line; floor: (holds, text)."""
    print(f"{name:<36} {value}{'' if floor is None else '   (' + floor[1] + ')'}", flush=True)
    if floor and not floor[0]:
        missed.append(name)


def spread(values, unit="", digits=0):
    """Least, median and most."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"min {low:.{digits}f}, median {middle:.{digits}f}, max {high:.{digits}f}{unit}"


def memory_mib(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} tells no {field}")


def smaps_mib(pid, field):
    """Of all mappings together; nothing, when the process has ended meanwhile."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024


def family(pid):
    """The process and all below it."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            children = pathlib.Path(path).read_text().split()
        except OSError:
            continue  # the thread has ended meanwhile
        for child in children:
            found += family(int(child))
    return found


def processor_s(pid):
    """Processor time of the family, ended children that were waited for included. What other programs of the machine do
    lengthens the wall clock, but hardly this.
    """
    ticks = 0
    for one in family(pid):
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def port_of(worker):
    """Of its operations port, from its log; None: not told yet."""
    found = re.search(
        r'127\.0\.0\.1:(\d+)/|"event":"listening","port":(\d+)',
        worker.log_path.read_text(errors="replace"),
    )
    return found and (found[1] or found[2])


def metrics(worker):
    """{name: sum over its labels, name{labels}: value} of everything that the worker tells."""
    url = f"http://127.0.0.1:{port_of(worker)}/metrics"
    with urllib.request.urlopen(url, timeout=10) as reply:
        text = reply.read().decode()
    found = collections.Counter()
    for name, labels, value in re.findall(r"^(\w+)({.*})? (\S+)$", text, re.M):
        found[name] += float(value)
        if labels:
            found[name + labels] = float(value)
    return found


def metric(worker, name):
    return metrics(worker)[name]
