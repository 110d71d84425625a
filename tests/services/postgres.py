"""A throw-away PostgreSQL cluster from the distribution's binaries, and pgvector beside it without
touching the system.
"""

import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess

from . import common

PGVECTOR_RELEASE = "trixie"  # Debian 12 has no pgvector; its source of the next release builds against PostgreSQL 15


def find_bin():
    found = sorted(
        glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4])
    )
    return pathlib.Path(found[-1]).parent if found else None


class Pgvector:
    name = "pgvector"

    def __init__(self):
        self.bin = find_bin()
        self.home = common.cache_dir() / f"pgvector-{self.version()}"

    def version(self):
        return self.bin.parent.name if self.bin else "none"

    def is_installed(self):
        return (self.home / ".complete").exists()

    def why_not(self):
        if self.is_installed():
            return None
        return self.missing() or "pgvector is not installed yet (tests/services/serve.py --install)"

    def missing(self):
        if not self.bin:
            return "no PostgreSQL (apt-get install postgresql)"
        if not os.path.exists(
            f"/usr/lib/postgresql/{self.version()}/lib/pgxs/src/makefiles/pgxs.mk"
        ):
            return f"no server headers (apt-get install postgresql-server-dev-{self.version()})"
        for tool in ("make", "gcc", "apt-get", "dpkg-source"):
            if not shutil.which(tool):
                return f"no {tool} to build pgvector"
        return None

    def install(self):
        if self.is_installed():
            return
        if self.missing():
            raise common.Unavailable(self.missing())
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        try:
            self.download()
            self.build()
        except common.Failed as failed:
            raise common.Unavailable(f"pgvector cannot be built: {failed}") from failed
        (self.home / ".complete").touch()

    def download(self):
        """A private apt configuration: this machine's own mirror, another release, sources only."""
        targets = common.run_quietly(
            ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"],
            "apt-get indextargets",
        )
        site = next(
            (
                line.split()[0]
                for line in targets.splitlines()
                if re.fullmatch(r"\S+/debian/? \w+", line)
            ),
            None,
        )
        if not site:
            raise common.Unavailable("apt knows no Debian mirror")
        apt = self.home / "apt"
        for folder in ("lists/partial", "cache/archives/partial"):
            (apt / folder).mkdir(parents=True)
        (apt / "sources.list").write_text(
            "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
            f"{site} {PGVECTOR_RELEASE} main\n"
        )
        options = [
            f"-oDir::Etc::SourceList={apt}/sources.list",
            "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={apt}/lists",
            f"-oDir::Cache={apt}/cache",
            "-oAPT::Sandbox::User=",
        ]
        common.run_quietly(["apt-get", *options, "update"], "apt-get update of the next release")
        common.run_quietly(
            ["apt-get", *options, "source", "--download-only", "pgvector"],
            "apt-get source",
            cwd=self.home,
        )
        common.run_quietly(
            [
                "dpkg-source",
                "--no-check",
                "-x",
                *map(os.path.basename, glob.glob(f"{self.home}/*.dsc")),
                "source",
            ],
            "dpkg-source",
            cwd=self.home,
        )
        shutil.rmtree(apt)

    def build(self):
        config = f"PG_CONFIG=/usr/lib/postgresql/{self.version()}/bin/pg_config"
        if not os.path.exists(config.partition("=")[2]):
            config = "PG_CONFIG=/usr/bin/pg_config"
        make = ["make", "OPTFLAGS=", "with_llvm=no", config]
        common.run_quietly(make, "make", cwd=self.home / "source")
        common.run_quietly(
            [*make, f"DESTDIR={self.home}/root", "install"],
            "make install",
            cwd=self.home / "source",
        )

    def make_prefix(self, prefix):
        """PostgreSQL looks for its files relative to its own binary: a copy of it among links to the system's files and
        pgvector's is a complete server, and the system stays as it was. Answers the folder of that binary.
        """
        system = [
            self.bin.parent / "lib",
            pathlib.Path(f"/usr/share/postgresql/{self.version()}"),
            pathlib.Path(f"/usr/share/postgresql/{self.version()}/extension"),
        ]
        for folder in system:
            target = prefix / folder.relative_to("/")
            target.mkdir(parents=True)
            for entry in folder.iterdir():
                if entry.name not in ("extension", "pgxs", "bitcode"):
                    (target / entry.name).symlink_to(entry)
        for file in (self.home / "root").rglob("*"):
            target = prefix / file.relative_to(self.home / "root")
            if file.is_file() and target.parent.is_dir() and not target.exists():
                shutil.copy(file, target)
        binary = prefix / self.bin.relative_to("/")
        binary.mkdir()
        shutil.copy(self.bin / "postgres", binary / "postgres")
        return binary

    def environment(self):
        return {"TEST_PGVECTOR": "1"}


class Postgres:
    name = "postgres"

    def __init__(self, pgvector=None):
        self.bin = find_bin()
        self.pgvector = pgvector
        self.child = None

    def why_not(self):
        return None if self.bin else "no PostgreSQL (apt-get install postgresql)"

    def install(self):
        if self.why_not():
            raise common.Unavailable(self.why_not())

    def spawn(self, run):
        self.user = common.server_user()
        self.root = pathlib.Path(run) / "postgres"
        self.root.mkdir()
        common.give_to(self.root, self.user)
        common.run_quietly(
            [
                self.bin / "initdb",
                "-D",
                self.root / "data",
                "-A",
                "trust",
                "-U",
                "postgres",
                "--no-sync",
                "--locale=C.UTF-8",
                "-E",
                "UTF8",
            ],
            "initdb",
            user=self.user,
            cwd="/",
        )
        self.server = self.bin / "postgres"
        if self.pgvector:
            self.server = self.pgvector.make_prefix(self.root / "prefix") / "postgres"
        common.start_with_retry(self.start_once)
        common.run_quietly(
            [
                self.bin / "createdb",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "millrace",
            ],
            "createdb",
            user=self.user,
            cwd="/",
        )

    def start_once(self):
        self.port = common.free_port()
        (self.root / "data" / "postgresql.auto.conf").write_text(
            f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.root}'\n"
            "max_connections = 80\n"
        )
        self.start_again()

    def start_again(self):
        self.child = common.Child(
            [str(self.server), "-D", str(self.root / "data")],
            self.root.parent / "postgres.log",
            user=self.user,
            death_signal=signal.SIGQUIT,
        )
        common.wait_until(self.is_ready, self.child, 30, "PostgreSQL")

    def is_ready(self):
        return (
            subprocess.run(
                [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                check=False,
            ).returncode
            == 0
        )

    def wait(self):
        pass

    def stop(self):
        if self.child:
            self.child.stop(signal.SIGQUIT)

    def url_as(self, role):
        return f"postgresql://{role}@127.0.0.1:{self.port}/millrace"

    @property
    def url(self):
        return self.url_as("postgres")

    def environment(self):
        return {"TEST_DATABASE_URL": self.url}
