"""The root of a Debian 12 with the compiler and libraries that we build with, as a tar: what the
Dockerfile starts from where there is no image registry.
"""

import pathlib
import re
import shutil

from . import common

SOURCE = pathlib.Path(__file__).resolve().parents[2]
RELEASE = "bookworm"


def build_packages():
    """As `run` has them."""
    found = re.search(r"^BUILD_PACKAGES=\(([^)]*)\)", (SOURCE / "run").read_text(), re.MULTILINE)
    return found[1].split()


class Debian:
    name = "debian"

    def __init__(self):
        self.root = common.cache_dir() / "debian" / "root.tar"

    def is_installed(self):
        return self.root.exists()

    def why_not(self):
        if not shutil.which("mmdebstrap"):
            return "no mmdebstrap (apt-get install mmdebstrap)"
        if self.is_installed():
            return None
        return "no root of a Debian yet (tests/services/serve.py --install)"

    def install(self):
        if self.is_installed():
            return
        if not shutil.which("mmdebstrap"):
            raise common.Unavailable(self.why_not())
        self.root.parent.mkdir(exist_ok=True)
        building = self.root.with_name("building.tar")
        packages = ",".join([*build_packages(), "ca-certificates"])
        try:
            common.run_quietly(
                ["mmdebstrap", "--variant=apt", f"--include={packages}", RELEASE, str(building)],
                "mmdebstrap",
            )
        except common.Failed as failed:
            raise common.Unavailable(f"no root of a Debian: {failed}") from failed
        building.rename(self.root)

    def spawn(self, run):
        pass

    def environment(self):
        return {"TEST_DEBIAN_ROOT": str(self.root)}
