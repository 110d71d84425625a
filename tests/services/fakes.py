"""Our fakes of the embeddings endpoint and of Pinecone, as a service beside the others."""

import os
import pathlib
import subprocess
import sys

from . import common

SERVER = pathlib.Path(__file__).resolve().parent.parent / "fakes" / "server.py"


class Fakes:
    name = "fakes"

    def __init__(self, dimension=None):
        self.dimension = dimension or int(os.environ.get("TEST_DIMENSION", "3072"))
        self.child = None
        self.port = None

    def why_not(self):
        return None

    def install(self):
        pass

    def spawn(self, run):
        self.run = pathlib.Path(run)
        self.start_again()

    def start_again(self):
        argv = [
            sys.executable,
            str(SERVER),
            "--dimension",
            str(self.dimension),
            "--port",
            str(self.port or 0),
        ]
        self.child = common.Child(argv, self.run / "fakes.log", stdout=subprocess.PIPE)

    def wait(self):
        line = self.child.process.stdout.readline()
        if not line:
            raise common.Failed(f"the fakes ended by themselves:\n{self.child.tail()}")
        self.port = int(line)

    def stop(self):
        if self.child:
            self.child.stop()
            self.child.process.stdout.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def environment(self):
        return {
            "TEST_FAKES_URL": self.url,
            "TEST_EMBED_URL": self.url + "/v1",
            "TEST_PINECONE_URL": self.url,
            "TEST_DIMENSION": str(self.dimension),
        }
