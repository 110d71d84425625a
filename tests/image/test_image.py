"""The image of the Dockerfile, built of a Debian root without a registry: the programs work in it,
under a user of their own, and nothing else is there.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77
BASE = "docker.io/library/debian:bookworm-slim"
DEMO = SOURCE / "tests" / "fixtures" / "demo"
MIB_MAX = 160
LATIN_1 = "Käse für Anfänger: eine kleine Einführung in die Welt der Schimmelkäse.\n"


class Buildah:
    """Images and containers in a folder of our own; nothing of the machine's is seen or left."""

    def __init__(self, home):
        self.command = ["buildah", "--storage-driver", "vfs"]
        self.command += ["--root", f"{home}/images", "--runroot", f"{home}/run"]

    def __call__(self, *arguments, is_good=True):
        done = subprocess.run(
            [*self.command, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert not is_good or done.returncode == 0, f"buildah {arguments[0]}:\n{said[-3000:]}"
        return done.stdout if is_good else (done.returncode, said)

    def import_root(self, tar, name):
        container = self("from", "scratch").strip()
        folder = self("mount", container).strip()
        subprocess.run(["tar", "-xf", tar, "-C", folder], check=True)
        self("umount", container)
        self("commit", "--quiet", container, name)
        self("rm", container)


def make(buildah):
    buildah.import_root(os.environ["TEST_DEBIAN_ROOT"], BASE)
    buildah("bud", "--isolation", "chroot", "--pull=never", "--tag", "millrace", SOURCE)
    return buildah("from", "--pull=never", "localhost/millrace").strip()


def run(buildah, container, *command):
    return buildah("run", "--isolation", "chroot", container, "--", *command, is_good=False)


def check_programs(buildah, container, home):
    code, said = run(buildah, container, "/usr/bin/millrace", "--version")
    assert (code, said.split()[0]) == (0, "millrace"), said
    _, said = run(buildah, container, "/usr/bin/millrace", "check", "--no-cost")
    assert "ok       sandbox        a child reads a PDF, Chinese too" in said, said
    latin_1 = pathlib.Path(home) / "latin-1.txt"
    latin_1.write_bytes(LATIN_1.encode("latin-1"))
    for path, words in [
        (next(DEMO.rglob("bienenkunde.pdf")), "Milben"),
        (latin_1, "für Anfänger"),  # iconv finds its modules
    ]:
        buildah("copy", container, path, f"/{path.name}")
        code, said = run(buildah, container, "/usr/bin/millrace", "extract", f"/{path.name}")
        assert code == 0 and words in said, said


def check_root(buildah, container):
    folder = pathlib.Path(buildah("mount", container).strip())
    programs = sorted(path.name for path in (folder / "usr/bin").iterdir())
    assert programs == ["millrace", "millrace-extract"], programs
    for shell in ("sh", "bash", "dash", "busybox"):
        assert not list(folder.rglob(f"bin/{shell}")), shell
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < MIB_MAX << 20, f"{size >> 20} MiB"
    packages = list((folder / "var/lib/dpkg/status.d").iterdir())
    assert len(packages) > 50, packages
    for package in packages:
        assert (folder / "usr/share/doc" / package.name / "copyright").is_file(), package.name
    with open(folder / "etc/ssl/certs/ca-certificates.crt", encoding="ascii") as certificates:
        assert certificates.read().count("BEGIN CERTIFICATE") > 50
    print(f"{size >> 20} MiB, {len(packages)} packages")


def check_bill(buildah, container):
    """The bill of materials names what is there, to the byte and the version, and nothing else."""
    folder = pathlib.Path(buildah("mount", container).strip())
    bill = json.loads((folder / "usr/share/doc/millrace/sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5"), bill
    told = {part["name"]: part for part in bill["components"]}
    assert len(told) == len(bill["components"]), "a component is told twice"
    there = {path.name: path.read_text() for path in (folder / "var/lib/dpkg/status.d").iterdir()}
    programs = {path.name: path.read_bytes() for path in (folder / "usr/bin").iterdir()}
    assert set(told) == set(there) | set(programs), set(told) ^ (set(there) | set(programs))
    for name, body in programs.items():
        assert told[name]["hashes"][0]["content"] == hashlib.sha256(body).hexdigest(), name
    for name, status in there.items():
        version = told[name]["version"]
        assert f"\nVersion: {version}\n" in status, name
        url = f"pkg:deb/debian/{urllib.parse.quote(name)}@{urllib.parse.quote(version, safe='~')}?"
        assert told[name]["purl"].startswith(url), told[name]


def check_user(buildah, container):
    user = buildah("inspect", "--format", "{{.OCIv1.Config.User}}", container).strip()
    assert user == "65532:65532", user


def why_not():
    if os.geteuid() != 0:
        return "buildah's chroot isolation needs root"
    if not shutil.which("buildah"):
        return "no buildah (apt-get install buildah)"
    return None


def main():
    if why_not():
        print(f"SKIPPED: {why_not()}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="millrace-image-") as home:
        buildah = Buildah(home)
        try:
            container = make(buildah)
            check_user(buildah, container)
            check_root(buildah, container)
            check_bill(buildah, container)
            check_programs(buildah, container, home)
        finally:
            buildah("rm", "--all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
