"""A book of ten thousand pages costs the worker no more memory than it promises, and nobody waits
behind it.
"""

import pathlib
import unittest

import harness
import pdf

PAGES, WORDS = 10_000, 300
RESIDENT_KIB_MAX = 256 * 1024  # of the worker itself, with everything in flight
SMALL = pdf.document([["# A leaflet", "It came after the book and is read before it ends. " * 5]])


def peak_kib(pid):
    """The most memory that a process ever held."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} tells no peak")


class Big(unittest.TestCase):
    def test_ten_thousand_pages_stay_within_the_memory(self):
        with harness.open_world(dimension=256) as world:
            world.add_tenant()
            world.add_tenant()
            book = world.run_dir / "book.pdf"
            pdf.write_big(book, PAGES, WORDS)
            key, leaflet = world.key(0, "book.pdf"), world.key(1, "leaflet.pdf")
            worker = world.start_worker()
            world.put(key, book.read_bytes())
            world.wait_for(lambda: world.documents().get(key, ("",))[0] == "processing", 60)
            world.put(leaflet, SMALL)
            world.wait_for(lambda: world.documents().get(leaflet) == ("success", None), 60)
            self.assertEqual("processing", world.documents()[key][0])
            world.settle(480)
            self.assertEqual(("success", None), world.documents()[key])
            [(first, last)] = world.query(
                "select min(page_first), max(page_last) from "
                f'"{harness.namespace_of(world.tenants[0])}".chunks'
            )
            self.assertEqual((1, PAGES), (first, last))
            self.assertEqual([], world.faults())
            self.assertLess(peak_kib(worker.pid), RESIDENT_KIB_MAX)


if __name__ == "__main__":
    harness.main()
