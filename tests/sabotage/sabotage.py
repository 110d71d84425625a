"""Breaks one rule at a time in a copy of the tree, and demands that the test named in the patch says so.

    sabotage.py check             each patch still applies, and names a test that exists (a second)
    sabotage.py run [NN ...]      all of them, or those: build what the test needs, run it, take the patch back

A patch says above its first file what it breaks, `Test:` the ctest that must go red, and `Says:` what must stand in its output:
the function that failed, or the words of the auditor. A test that stays green, or fails for another reason, is a hole in the
tests. The copy and its build stay in build/sabotage, so that the next run builds little.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TREE = SOURCE / "build" / "sabotage"
TEST_TIMEOUT_S = 900


class Patch:
    def __init__(self, path):
        self.path, self.name = path, path.stem
        text = path.read_text()
        self.test = re.search(r"^Test: (\S+)$", text, re.M).group(1)
        self.says = re.search(r"^Says: (.+)$", text, re.M).group(1)
        self.files = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)

    def apply(self, tree, *options):
        command = ["patch", "-p1", "-s", "-f", "-i", str(self.path), *options]
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def all_patches():
    return [Patch(path) for path in sorted((SOURCE / "tests" / "sabotage").glob("*.patch"))]


def tests_of(build):
    """Names, of a configured build."""
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, check=True).stdout
    return {test["name"] for test in json.loads(listing)["tests"]}


def is_said_somewhere(patch):
    """Its words stand in the sources of the tests."""
    words = patch.says if patch.says.startswith("test_") else patch.says.split(" is ")[-1]
    command = ["grep", "-rqF", "--include=*.c", "--include=*.py", "--", words, str(SOURCE / "tests")]
    return subprocess.run(command, check=False).returncode == 0


def check(build):
    tests, faults, patches = tests_of(build), [], all_patches()
    for patch in patches:
        dry = patch.apply(SOURCE, "--dry-run")
        if dry.returncode:
            faults.append(f"{patch.name} does not apply any more: {dry.stdout.strip()[:300]}")
        if patch.test not in tests:
            faults.append(f"{patch.name}: there is no test {patch.test}")
        if not is_said_somewhere(patch):
            faults.append(f"{patch.name}: no test says '{patch.says}'")
    print("\n".join(faults) or f"{len(patches)} patches apply")
    return bool(faults) or not patches


def copy_tree():
    """What git knows and what is new, as it is now; files that did not change keep their time, so that little is built."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=SOURCE, capture_output=True, check=True
    ).stdout.decode()
    wanted = {name for name in listing.split("\0") if name and (SOURCE / name).is_file()}
    for name in wanted:
        source, copy = SOURCE / name, TREE / "tree" / name
        if copy.is_file() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
        copy.chmod(source.stat().st_mode)
    for copy in (TREE / "tree").rglob("*"):
        is_ours = copy.is_file() and "build" not in copy.relative_to(TREE / "tree").parts[:1]
        if is_ours and str(copy.relative_to(TREE / "tree")) not in wanted:
            copy.unlink()


def targets_of(test):
    """What has to be built: ctest knows no command of a program that is not there."""
    name = test.partition(".")[2]
    return ["sim"] if test.startswith("sim.") else [name] if name.startswith("test_") else []


def run(names):
    tree, build = TREE / "tree", TREE / "tree" / "build" / "dev"
    copy_tree()
    quiet(["cmake", "--preset", "dev"], tree)
    missed = []
    chosen = [patch for patch in all_patches() if not names or patch.name.split("-")[0] in names or patch.name in names]
    for patch in chosen:
        verdict = try_one(patch, tree, build)
        print(f"{patch.name}: {verdict or 'NOT FOUND by ' + patch.test}", flush=True)
        missed += [] if verdict else [patch.name]
    print(f"{len(missed)} of {len(chosen)} bugs were not found{': ' if missed else ''}{', '.join(missed)}")
    return bool(missed) or not chosen


def try_one(patch, tree, build):
    """What the test said; None: it did not find it."""
    applied = patch.apply(tree)
    if applied.returncode:
        sys.exit(f"{patch.name} does not apply: {applied.stdout}")
    try:
        targets = targets_of(patch.test)
        if targets:
            quiet(["cmake", "--build", str(build), "--target", *targets], tree)
        command = ["ctest", "-R", f"^{re.escape(patch.test)}$", "--output-on-failure", "--timeout", str(TEST_TIMEOUT_S)]
        result = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
    finally:
        patch.apply(tree, "-R")
    lines = [line for line in result.stdout.splitlines() if patch.says in line]
    failed = [line for line in lines if not patch.says.startswith("test_") or "FAILED" in line]
    return f"{patch.test}: {failed[0].strip()[:160]}" if result.returncode and failed else None


def quiet(command, folder):
    environment = dict(os.environ, CCACHE_BASEDIR=str(folder), CCACHE_NOHASHDIR="1")
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}:\n{(result.stdout + result.stderr)[-3000:]}")


def main():
    if sys.argv[1:] == ["check"]:
        return check(pathlib.Path(os.environ["TEST_BUILD_DIR"]))
    if sys.argv[1:2] == ["run"]:
        return run(sys.argv[2:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
