"""Prometheus of the distribution, unpacked beside us: installed, its package would start a server."""

import json
import pathlib
import shutil
import urllib.parse
import urllib.request

from . import common


class Prometheus:
    name = "prometheus"

    def __init__(self):
        self.home = common.cache_dir() / "prometheus"
        self.binary = self.home / "usr/bin/prometheus"
        self.promtool = self.home / "usr/bin/promtool"
        self.child = None

    def is_installed(self):
        return (self.home / ".complete").exists()

    def why_not(self):
        if self.is_installed():
            return None
        return "Prometheus is not installed yet (tests/services/serve.py --install)"

    def install(self):
        if self.is_installed():
            return
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise common.Unavailable("no apt-get and dpkg to unpack Prometheus with")
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        try:
            common.run_quietly(
                ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "prometheus"],
                "apt-get download prometheus",
                cwd=self.home,
            )
            (package,) = self.home.glob("prometheus_*.deb")
            common.run_quietly(["dpkg", "-x", str(package), str(self.home)], "dpkg -x")
        except common.Failed as failed:
            raise common.Unavailable(f"no Prometheus: {failed}") from failed
        package.unlink()
        (self.home / ".complete").touch()

    def spawn(self, run):
        """Started by who knows what to scrape: see start()."""
        self.run = pathlib.Path(run)

    def start(self, targets, rules):
        """Scrapes every second until it is stopped."""
        root = self.run / "prometheus"
        root.mkdir()
        self.port = common.free_port()
        (root / "prometheus.yml").write_text(
            json.dumps(  # which is YAML too
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(rules)],
                    "scrape_configs": [
                        {"job_name": "millrace", "static_configs": [{"targets": targets}]}
                    ],
                }
            )
        )
        self.child = common.Child(
            [str(self.binary), f"--config.file={root / 'prometheus.yml'}"]
            + [f"--storage.tsdb.path={root / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"],
            root / "prometheus.log",
        )
        common.wait_until(lambda: self.is_live(), self.child, 60, "Prometheus")

    def is_live(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=1):
                return True
        except OSError:
            return False

    def ask(self, path, **parameters):
        """The `data` of its API's answer; raises OSError with what it refuses."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def stop(self):
        if self.child:
            self.child.stop()

    def environment(self):
        return {"TEST_PROMTOOL": str(self.promtool)}
