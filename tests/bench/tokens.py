"""How fast tokens are counted beside what can be had from PyPI, on the same texts in the same run.

Texts: the English ones of the corpus (chunking/chroma) and all its languages (udhr). A peer whose ids
differ from ours is not timed. Everything runs on one core, and what counts is its CPU time, the best of
all rounds, which take turns. python3 tokens.py [--peers FOLDER] [--rounds N]; FOLDER is a virtual
environment, made when it is missing; without it only we are measured.
"""

import argparse
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TEST_BUILD_DIR", ROOT / "build/bench"))
CORPUS = pathlib.Path(os.environ.get("TEST_CORPUS", ROOT.parent / "shared/corpus"))
PACKAGES = ["tiktoken==0.14.0", "rs-bpe==0.1.0", "tokie==0.1.4"]
PEERS = ["tiktoken", "rs_bpe", "tokie"]
TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
# (text, megabytes a second, times the fastest peer): what we mean to hold on a quiet machine
GOALS = {"english": (150, 2), "languages": (50, 2)}
RUN_MB_S, RUN_RATIO = 3, 4.5


def write_texts(folder):
    english = "".join(path.read_text() for path in sorted((CORPUS / "chunking/chroma/corpora").glob("*.md")))
    languages = "".join(
        html.unescape(TAG.sub("", path.read_text())) for path in sorted((CORPUS / "udhr").glob("*.xml"))
    )
    texts = {}
    for name, text in (("english", english), ("languages", languages)):
        texts[name] = folder / f"{name}.txt"
        texts[name].write_text(text)
    return texts


def our_ids(path, out):
    """The ids of a text as 32-bit numbers, in a file."""
    data = path.read_bytes()
    framed = len(data).to_bytes(4, "little") + data
    run = subprocess.run([BUILD / "bin/tokens_ids"], input=framed, capture_output=True, check=True)
    out.write_bytes(run.stdout[4:])


def lines_of(*command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def make_peers(folder):
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *PACKAGES]
        subprocess.run(pip, check=True)
    return python


def measure(path, peers, work, best):
    ours = lines_of(BUILD / "bin/time_tokens", path)[0]
    for kind in ("count", "encode"):
        best[kind] = max(best.get(kind, 0), ours[f"{kind}_mb_s"])
    for peer in PEERS if peers else []:
        if best.get(peer, 0) is None:
            continue
        script = pathlib.Path(__file__).with_name("tokens_peer.py")
        found = lines_of(peers, script, peer, path, work / f"{path.stem}.ids", work)[0]
        best[peer] = max(best.get(peer, 0), found["mb_s"]) if found["is_exact"] else None


def show(name, best):
    mb_s, times = GOALS[name]
    print(f"{name:10} we count {best['count']:7.1f} MB/s (goal {mb_s}), encode {best['encode']:7.1f} MB/s")
    peers = {peer: best[peer] for peer in PEERS if best.get(peer)}
    for peer in PEERS:
        if peer in best and best[peer] is None:
            print(f"{'':10} {peer:10} gives other ids: not timed")
    for peer, speed in peers.items():
        print(f"{'':10} {peer:10} {speed:7.1f} MB/s   we are {best['count'] / speed:5.2f} x as fast")
    if peers:
        ratio = best["count"] / max(peers.values())
        print(f"{'':10} {ratio:.2f} x the fastest peer that is exact (goal {times})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not CORPUS.is_dir():
        print("SKIPPED: there is no corpus (TEST_CORPUS)")
        return 77
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    work = BUILD / "tokens"
    work.mkdir(parents=True, exist_ok=True)
    peers = make_peers(options.peers) if options.peers else None
    texts = write_texts(work)
    best = {name: {} for name in texts}
    for name, path in texts.items():
        our_ids(path, work / f"{name}.ids")
    for _ in range(options.rounds):
        for name, path in texts.items():
            measure(path, peers, work, best[name])
    for name in texts:
        show(name, best[name])
    for run in lines_of(BUILD / "bin/time_tokens"):
        is_good = run["count_mb_s"] >= RUN_MB_S and run["time_of_4_by_1_mb"] <= RUN_RATIO
        print(
            f"{run['run']:18} {run['count_mb_s']:7.1f} MB/s, 4 MB take {run['time_of_4_by_1_mb']:.2f} x 1 MB"
            f" {'' if is_good else f'(goal {RUN_MB_S} MB/s, {RUN_RATIO} x)'}"
        )
    return 0


sys.exit(main())
