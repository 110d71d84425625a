"""What the linker and the compiler were told shows in the built programs: position independent, tables
that are read-only once they are bound, nothing both writable and executable, guarded stacks and copies.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = ("millrace", "millrace-extract")
SKIPPED = 77
WRITABLE_CODE = "nothing writable and executable"
BIN = pathlib.Path(os.environ.get("TEST_BUILD_DIR", "build/dev")) / "bin"
# A program without any of it: what the checks must see.
CARELESS = ["-O0", "-no-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-Wl,-z,norelro,-z,lazy,-z,execstack"]
CARELESS += ["-Wl,--disable-new-dtags,-rpath,/tmp"]


def readelf(option, program):
    command = ["readelf", option, "--wide", str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def faults(program):
    """What is missing, in words."""
    segments = re.findall(r"^ +(\w+) +(?:0x\w+ +){5}([RWE ]+?) +0x\w+$", readelf("--segments", program), re.M)
    dynamic, symbols = readelf("--dynamic", program), readelf("--dyn-syms", program)
    stack = [flags for kind, flags in segments if kind == "GNU_STACK"]
    missing = {
        "position independent": "PIE" in dynamic,
        "read-only after relocation": any(kind == "GNU_RELRO" for kind, _ in segments),
        "bound at start": "BIND_NOW" in dynamic,
        "a stack without code": stack and "E" not in stack[0],
        WRITABLE_CODE: not any(kind == "LOAD" and {"W", "E"} <= set(flags) for kind, flags in segments),
        "no path of its own to libraries": not re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic),
        "guarded stacks": "__stack_chk_fail" in symbols,
        "checked copies": re.search(r" __(mem\w+|v?\w*printf|str\w+|read\w*)_chk", symbols),
    }
    return [what for what, is_so in missing.items() if not is_so]


class Hardening(unittest.TestCase):
    def test_the_programs_have_all_of_it(self):
        for program in PROGRAMS:
            self.assertEqual([], faults(BIN / program), program)

    def test_a_careless_program_has_none_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "careless"
            source = b"int main(void) { return 0; }"
            subprocess.run(["cc", "-x", "c", *CARELESS, "-o", program, "-"], input=source, check=True, capture_output=True)
            found = faults(program)
            self.assertNotIn(WRITABLE_CODE, found)  # no linker makes that by accident
            self.assertEqual(7, len(found), found)


def why_not():
    for tool in ("readelf", "cc"):
        if not shutil.which(tool):
            return f"no {tool}"
    if "san_init" in readelf("--dyn-syms", BIN / PROGRAMS[0]):
        return "a sanitizer's build has checks of its own"
    return None


if __name__ == "__main__":
    if why_not():
        print(f"SKIPPED: {why_not()}")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
