"""The dashboards are what their generator makes, of Grafana's own types, and ask for what exists."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import boards

NAMES = ("operator", "jobs")


def compile_board(text):
    """What the compiler says of it: nothing, if it is a Dashboard."""
    types = pathlib.Path(os.environ["TEST_GRAFANA_TYPES"])
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "board.ts"
        source.write_text(
            f"import type {{ Dashboard }} from '{types}';\nexport const board: Dashboard = {text};\n"
        )
        done = subprocess.run(
            [*os.environ["TEST_TSC"].split(), source], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr


class Dashboards(unittest.TestCase):
    def test_are_what_their_generator_makes(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, boards.DASHBOARDS / "make.py", folder], check=True)
            for name in NAMES:
                made = (pathlib.Path(folder) / f"{name}.json").read_text()
                self.assertEqual(made, (boards.DASHBOARDS / f"{name}.json").read_text(), name)

    def test_are_of_grafanas_types(self):
        for name in NAMES:
            text = (boards.DASHBOARDS / f"{name}.json").read_text()
            self.assertEqual("", compile_board(text), name)

    def test_a_misspelt_field_is_found(self):
        text = (boards.DASHBOARDS / "jobs.json").read_text().replace("schemaVersion", "schemaVersin")
        self.assertIn("schemaVersin", compile_board(text))

    def test_what_they_ask_for_exists(self):
        for panel, target in boards.targets("operator"):
            self.assertEqual(set(), boards.unknown_metrics(target["expr"]), panel)

    def test_every_metric_is_shown_or_named_here(self):
        not_shown = {  # limits beside a figure that has its own line, and facts that do not move
            "millrace_events_waiting_limit",
            "millrace_tasks_limit",
            "millrace_open_fds_limit",
            "millrace_slabs",
            "millrace_slabs_limit",
            "millrace_object_bytes_total",
            "millrace_extract_landlock_abi",
        }
        asked = "\n".join(target["expr"] for _, target in boards.targets("operator"))
        asked += boards.ALERTS.read_text()
        hidden = {name for name in boards.known_metrics() if not name.endswith(("_bucket", "_sum", "_count"))}
        hidden -= {name for name in hidden if name in asked}
        self.assertEqual(not_shown, hidden)


if __name__ == "__main__":
    unittest.main(verbosity=2)
