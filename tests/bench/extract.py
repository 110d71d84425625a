"""How fast PDFs become text through our sandbox, beside plain poppler-glib, pdftotext and mutool on the same
manuals in the same run. Of each figure the lowest of three rounds counts, processor time rather than the clock.

    extract.py [--rounds N] [--only NAME...] [FILE...]     FILE: PDFs besides the manuals

The manuals come out of the distribution's packages, unpacked in the tests' cache without being installed.
"""

import argparse
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "fixtures"), str(HERE)]
import pdf  # noqa: E402
from figures import missed, report  # noqa: E402
from services import common  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TEST_BUILD_DIR", HERE.parent.parent / "build" / "bench"))
CORPUS = pathlib.Path(os.environ.get("TEST_CORPUS", HERE.parents[2] / "shared" / "corpus"))
CORES = os.cpu_count()
# name: (package, file in it, made by TeX and long enough for two readers)
MANUALS = {
    "source3": ("texlive-latex-base-doc", "texlive-doc/latex/l3kernel/source3.pdf", True),
    "fullrefman": ("r-doc-pdf", "R/doc/manual/fullrefman.pdf", True),
    "octave": ("octave-doc", "doc/octave/octave.pdf", True),
    "gnuplot": ("gnuplot-doc", "doc/gnuplot/gnuplot.pdf", True),
    "lshort-chinese": ("texlive-lang-chinese", "lshort-chinese/lshort-zh-cn.pdf", False),
    "lshort-persian": ("texlive-lang-arabic", "lshort-persian/lshort.pdf", False),
    "xeCJK": ("texlive-lang-cjk", "xelatex/xecjk/xeCJK.pdf", False),
}
OF_THE_CORPUS = ["GeoTopo-komprimiert.pdf"]
PLAIN_MIN, PDFTOTEXT_MIN, MUTOOL_MIN, CORES_MIN = 1.6, 1.8, 0.95, 4
OVERHEAD_MS_MAX = 2
SMALL_ROUNDS = 200


def unpack(package, folder):
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
    archive = next(folder.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    archive.unlink()


def manual(package, suffix):
    """The path of a package's file, fetched when it is not in the cache."""
    folder = common.cache_dir() / "manuals" / package
    done = folder / ".complete"
    with common.InstallLock():
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                unpack(package, folder)
            except (OSError, subprocess.CalledProcessError) as why:
                raise common.Unavailable(f"package {package} cannot be had: {why}") from why
            done.touch()
    return next(path for path in folder.rglob("*.pdf") if str(path).endswith(suffix))


def numbers_of(*command):
    """The lines of numbers that a program of ours prints."""
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return [[float(number) for number in line.split()] for line in done.stdout.splitlines()]


def measure_tool(*command):
    """Seconds by the clock and of processor time, MiB, of a program that ends."""
    start = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def lowest(measures):
    return [min(column) for column in zip(*measures)]


def measure_ours(slots, rounds, path):
    """Pages; seconds by the clock and of processor time (children and worker); MiB of the largest child."""
    lines = numbers_of(BUILD / "bin" / "extract_speed", slots, rounds, path)
    wall_ms, cpu_ms, kib = lowest((wall, child + own, kib) for _, wall, child, own, kib in lines)
    return int(lines[0][0]), wall_ms / 1e3, cpu_ms / 1e3, kib / 1024


def measure_plain(rounds, path):
    wall_ms, cpu_ms = lowest(line[1:] for line in numbers_of(BUILD / "bin" / "poppler_plain", rounds, path))
    return wall_ms / 1e3, cpu_ms / 1e3


class Row:
    """All figures of a document. The tools take turns, so that a busy minute of the machine hits all of them."""

    def __init__(self, name, path, rounds):
        self.name = name
        ours, spread, plain, pdftotext, mutool = [], [], [], [], []
        for _ in range(rounds):
            plain.append(measure_plain(1, path))
            ours.append(measure_ours(1, 1, path))
            pdftotext.append(measure_tool("pdftotext", path, "-"))
            mutool.append(measure_tool("mutool", "draw", "-q", "-F", "text", path))
            spread.append(measure_ours(CORES, 1, path))
        self.pages = ours[0][0]
        _, self.wall, self.cpu, self.mib = lowest(ours)
        self.spread_wall = lowest(spread)[1]
        self.plain_cpu = lowest(plain)[1]
        self.pdftotext_wall, self.pdftotext_cpu, self.pdftotext_mib = lowest(pdftotext)
        self.mutool_wall, self.mutool_cpu, self.mutool_mib = lowest(mutool)

    def print(self):
        rates = [self.plain_cpu, self.pdftotext_cpu, self.mutool_cpu, self.cpu]
        print(
            f"{self.name[:24]:<24}{self.pages:>6}"
            + "".join(f"{self.pages / seconds:>10.0f}" for seconds in rates)
            + f"{self.pages / self.pdftotext_wall:>12.0f}{self.pages / self.wall:>7.0f}"
            + f"{self.pages / self.spread_wall:>7.0f}"
            + f"{self.pdftotext_mib:>11.0f}{self.mutool_mib:>7.0f}{self.mib:>7.0f}",
            flush=True,
        )


def print_header():
    print(f"{'':<30}{'pages per CPU second':>40}{'pages per second':>26}{'MiB at most':>25}")
    names = ["plain", "pdftotext", "mutool", "ours"]
    print(
        f"{'':<24}{'pages':>6}{''.join(f'{name:>10}' for name in names)}{'pdftotext':>12}{'ours':>7}{f'{CORES} slots':>7}"
        f"{'pdftotext':>11}{'mutool':>7}{'ours':>7}"
    )


def mean(ratios):
    ratios = list(ratios)
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def goal(name, value, floor, unit=" x"):
    report(name, f"{value:.2f}{unit}", (value >= floor, f"at least {floor}"))


def measure_overhead(rounds):
    """What the sandbox adds to a document of one page."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(pdf.document([["# Leaflet", "It is read at once. " * 20]]))
        file.flush()
        ours = min(measure_ours(1, SMALL_ROUNDS, file.name)[1] for _ in range(rounds))
        plain = min(measure_plain(SMALL_ROUNDS, file.name)[0] for _ in range(rounds))
    added_ms = (ours - plain) * 1e3
    holds = (added_ms <= OVERHEAD_MS_MAX, f"at most {OVERHEAD_MS_MAX}")
    report("the sandbox adds to a one-page file", f"{added_ms:.2f} ms", holds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    documents = []
    for name, (package, suffix, is_long) in MANUALS.items():
        if not options.only or name in options.only:
            documents.append((name, manual(package, suffix), is_long))
    for name in OF_THE_CORPUS:
        found = CORPUS.rglob(f"*{name}") if not options.only else []
        documents += [(path.stem.partition("_")[2], path, False) for path in found]
    documents += [(path.stem, path, False) for path in options.files]
    print_header()
    rows, long_rows = [], []
    for name, path, is_long in documents:
        rows.append(Row(name, path, options.rounds))
        rows[-1].print()
        if is_long:
            long_rows.append(rows[-1])
    goal("per core, beside plain poppler-glib", mean(row.plain_cpu / row.cpu for row in rows), PLAIN_MIN)
    goal("per core, beside pdftotext", mean(row.pdftotext_cpu / row.cpu for row in rows), PDFTOTEXT_MIN)
    goal("per core, beside mutool", mean(row.mutool_cpu / row.cpu for row in rows), MUTOOL_MIN)
    if long_rows:
        ratio = mean(row.pdftotext_wall / row.spread_wall for row in long_rows)
        goal(f"{CORES} slots by the clock, beside pdftotext, TeX", ratio, CORES_MIN)
    report("memory of the largest reader", f"{max(row.mib for row in rows):.0f} MiB")
    measure_overhead(options.rounds)
    if missed:
        print(f"below the goal: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except common.Unavailable as why:
        print(f"SKIPPED: {why}")
        sys.exit(77)
