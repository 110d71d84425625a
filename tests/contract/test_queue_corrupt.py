"""Batches that fail their checksum: each of their offsets is told as unreadable and stepped over, what follows is delivered.

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
            topic = run(stack, program, "write")
            stack.kafka.child.stop()  # in an orderly way: after a crash the broker itself would cut the log
            damage(stack.kafka.root / "data", topic)
            stack.kafka.start_again()
            stack.kafka.wait_once()
            run(stack, program, "read", topic)
    except common.Unavailable as why:
        print(f"SKIPPED: {why}")
        return 77
    print("ok: five unreadable, three delivered")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
