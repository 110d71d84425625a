"""Grafana's published types of a dashboard (npm), and the compiler that holds a dashboard against them."""

import shutil

from . import common

PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
TYPES = "node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen"
OPTIONS = "--noEmit --strict --skipLibCheck --moduleResolution bundler --module esnext --target es2022"


class Grafana:
    name = "grafana"

    def __init__(self):
        self.home = common.cache_dir() / "grafana"

    def is_installed(self):
        return (self.home / ".complete").exists()

    def why_not(self):
        if self.is_installed():
            return None
        return "Grafana's types are not installed yet (tests/services/serve.py --install)"

    def install(self):
        if self.is_installed():
            return
        if not shutil.which("npm"):
            raise common.Unavailable("no npm (apt-get install nodejs npm)")
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        try:
            common.run_quietly(
                ["npm", "install", "--prefix", str(self.home), "--no-audit", "--no-fund"]
                + ["--legacy-peer-deps", *PACKAGES],
                "npm install",
            )
        except common.Failed as failed:
            raise common.Unavailable(f"no Grafana types: {failed}") from failed
        (self.home / ".complete").touch()

    def spawn(self, run):
        pass

    def environment(self):
        compiler = self.home / "node_modules/typescript/bin/tsc"
        return {
            "TEST_GRAFANA_TYPES": str(self.home / TYPES),
            "TEST_TSC": f"node {compiler} {OPTIONS}",
        }
