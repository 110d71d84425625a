"""The vendors' own Python clients (openai, pinecone) in a virtual environment of the cache, to
check our fakes with.
"""

import importlib.util
import shutil
import sys

from . import common

PACKAGES = ("openai==3.52.*", "pinecone==10.2.*")


class Clients:
    name = "clients"

    def __init__(self):
        self.home = common.cache_dir() / "clients"
        self.python = self.home / "bin" / "python"

    def is_installed(self):
        return (self.home / ".complete").exists()

    def why_not(self):
        return (
            None
            if self.is_installed()
            else "the vendors' clients are not installed yet (tests/services/serve.py --install)"
        )

    def install(self):
        if self.is_installed():
            return
        if not importlib.util.find_spec("ensurepip"):
            raise common.Unavailable("no venv module (apt-get install python3-venv)")
        shutil.rmtree(self.home, ignore_errors=True)
        try:
            common.run_quietly([sys.executable, "-m", "venv", str(self.home)], "venv")
            common.run_quietly(
                [
                    str(self.python),
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "--disable-pip-version-check",
                    *PACKAGES,
                ],
                "pip install " + " ".join(PACKAGES),
            )
        except common.Failed as failed:
            raise common.Unavailable(f"PyPI's clients cannot be installed: {failed}") from failed
        (self.home / ".complete").touch()

    def spawn(self, run):
        pass

    def wait(self):
        pass

    def stop(self):
        pass

    def environment(self):
        return {"TEST_CLIENTS_PYTHON": str(self.python)}
