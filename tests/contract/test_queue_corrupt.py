"""Batches that fail their checksum, or of an unknown format: each of their offsets is told as unreadable and stepped over, what
follows is delivered.

    python3 tests/contract/test_queue_corrupt.py build/dev/bin/queue_corrupt
"""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from services import common, serve  # noqa: E402


def run(stack, *argv):
    env = {**os.environ, **stack.kafka.environment()}
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, timeout=100, check=True)
    return done.stdout.strip()


def age(folder, topic):
    """Every batch with the words in a message format that no client knows, as a newer broker might keep. Of one record each:
    librdkafka tells the first offset of such a batch only, and steps over no more."""
    found = 0
    for path in folder.glob(f"{topic}-*/*.log"):
        data, at = bytearray(path.read_bytes()), 0
        while at + 17 <= len(data) and data[at + 16] == 2:  # offset 8, length 4, epoch 4, format 1
            end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")
            if b"to be damaged" in data[at:end]:
                data[at + 16] = 5
                found += 1
            at = end
        path.write_bytes(data)
    if not found:
        raise SystemExit("no batch with the words is in the broker's log")


def damage(folder, topic):
    """One bit of every batch with the words, as a failing disk would; compressed ones spell them out once."""
    found = 0
    for path in folder.glob(f"{topic}-*/*.log"):
        data = path.read_bytes()
        found += data.count(b"to be damaged")
        path.write_bytes(data.replace(b"to be damaged", b"uo be damaged"))
    if not found:
        raise SystemExit("the words are not in the broker's log")


def main(program):
    try:
        with serve.Stack("kafka") as stack:
            damaged, aged = run(stack, program, "write"), run(stack, program, "write-apart")
            stack.kafka.child.stop()  # in an orderly way: after a crash the broker itself would cut the log
            damage(stack.kafka.root / "data", damaged)
            age(stack.kafka.root / "data", aged)
            stack.kafka.start_again()
            stack.kafka.wait_once()
            for topic in (damaged, aged):
                run(stack, program, "read", topic)
    except common.Unavailable as why:
        print(f"SKIPPED: {why}")
        return 77
    print("ok: five unreadable, three delivered")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
