"""Sums up ctest's JUnit files: what failed, what was skipped and why, and last a line `N passed, N failed, N skipped`."""
import sys
import xml.etree.ElementTree as tree


def reason(case):
    for line in (case.findtext("system-out") or "").splitlines():
        if line.startswith("SKIPPED"):
            return line.removeprefix("SKIPPED:").strip()
    return "no reason given"


def main(paths):
    counts = {"run": 0, "fail": 0, "notrun": 0}
    for path in paths:
        for case in tree.parse(path).getroot().iter("testcase"):
            status = case.get("status")
            counts[status] = counts.get(status, 0) + 1
            if status == "notrun":
                print(f"skipped  {case.get('name')}: {reason(case)}")
            elif status != "run":
                print(f"failed   {case.get('name')}")
    failed = sum(counts.values()) - counts["run"] - counts["notrun"]
    print(f"{counts['run']} passed, {failed} failed, {counts['notrun']} skipped")
    return 1 if failed or not counts["run"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
