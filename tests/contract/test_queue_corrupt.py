"""A batch that fails its checksum: each of its offsets is told as unreadable and stepped over, what follows is delivered.

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
    """One bit of the first batch that holds the words, as a failing disk would."""
    for path in folder.glob(f"{topic}-*/*.log"):
        data = bytearray(path.read_bytes())
        at = data.find(b"to be damaged")
        if at >= 0:
            data[at] ^= 1
            path.write_bytes(data)
            return
    raise SystemExit("the batch is not in the broker's log: is it compressed?")


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
