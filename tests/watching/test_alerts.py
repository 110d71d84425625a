"""The alert rules: promtool takes them, each fires when it must and only then, each has a place in
the runbook, and what they ask for exists.
"""

import os
import re
import subprocess
import unittest

import boards
import yaml

RULES = [rule for group in yaml.safe_load(boards.ALERTS.read_text())["groups"] for rule in group["rules"]]
CASES = boards.SOURCE / "tests" / "watching" / "alerts_test.yaml"
RUNBOOK = boards.SOURCE / "docs" / "operations.md"


def promtool(*arguments):
    done = subprocess.run(
        [os.environ["TEST_PROMTOOL"], *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


class Alerts(unittest.TestCase):
    def test_promtool_takes_them(self):
        code, said = promtool("check", "rules", boards.ALERTS)
        self.assertEqual(0, code, said)

    def test_each_fires_when_it_must_and_only_then(self):
        code, said = promtool("test", "rules", CASES)
        self.assertEqual(0, code, said)

    def test_each_is_tested_both_ways(self):
        fires, silent = set(), set()
        for test in yaml.safe_load(CASES.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                (fires if case.get("exp_alerts") else silent).add(case["alertname"])
        names = {rule["alert"] for rule in RULES}
        self.assertEqual((names, names), (fires, silent))

    def test_what_they_ask_for_exists(self):
        for rule in RULES:
            self.assertEqual(set(), boards.unknown_metrics(rule["expr"]), rule["alert"])

    def test_codes_and_lanes_exist(self):
        codes = re.findall(r'^X\(\w+, "(\w+)"', (boards.SOURCE / "worker/base/error.def").read_text(), re.M)
        for rule in RULES:
            for words in re.findall(r'code=~?"([^"]+)"', rule["expr"]):
                self.assertLessEqual(set(words.split("|")), set(codes), rule["alert"])

    def test_each_has_its_place_in_the_runbook(self):
        headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
        self.assertEqual([rule["alert"] for rule in RULES], [h for h in headings if h.startswith("Millrace")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
