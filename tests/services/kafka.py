"""Apache Kafka, one KRaft node, from the jars of Maven Central. No configuration outside the run
folder.
"""

import pathlib
import shutil
import signal

from . import common

VERSION = "4.1.0"
CLUSTER_ID = (
    "mNDc2ZDQtYWM3ZC0xMWVkLT"  # any 22 characters of base64: each run is a cluster of its own
)
TOPIC = "uploads"
PARTITIONS = 6

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>millrace.tests</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency></dependencies></project>
"""

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "num.partitions": PARTITIONS,
    "auto.create.topics.enable": "true",
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
}


class Kafka:
    name = "kafka"

    def __init__(self):
        self.home = common.cache_dir() / f"kafka-{VERSION}"
        self.child = None
        self.port = None
        self.accounts = {}  # {name: password} of who may come by a listener that asks for one (no wire then)
        self.login_port = None
        self.wire = None  # a Proxy: clients that come through it are told its address, not the broker's

    def why_not(self):
        if not shutil.which("java"):
            return "no java (apt-get install default-jre-headless)"
        if self.is_installed():
            return None
        if not shutil.which("mvn"):
            return "no maven (apt-get install maven)"
        return "Kafka is not installed yet (tests/services/serve.py --install)"

    def is_installed(self):
        return (self.home / ".complete").exists()

    def install(self):
        if self.is_installed():
            return
        for tool, package in (("java", "default-jre-headless"), ("mvn", "maven")):
            if not shutil.which(tool):
                raise common.Unavailable(f"no {tool} (apt-get install {package})")
        self.home.mkdir(exist_ok=True)
        (self.home / "pom.xml").write_text(POM)
        try:
            common.run_quietly(
                [
                    "mvn",
                    "-q",
                    "-B",
                    "dependency:copy-dependencies",
                    "-DoutputDirectory=libs",
                    "-DincludeScope=runtime",
                ],
                "mvn",
                cwd=self.home,
            )
        except common.Failed as failed:
            raise common.Unavailable(f"Maven Central cannot be reached: {failed}") from failed
        (self.home / ".complete").touch()

    def java(self, main, *arguments):
        return [
            "java",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+PerfDisableSharedMem",
            "-cp",
            f"{self.home}/libs/*",
            main,
            *arguments,
        ]

    def configure(self):
        self.port, controller = common.free_port(), common.free_port()
        self.config = self.root / "server.properties"
        own = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(self.root / "data"),
            **(self.listen_behind_wire(controller) if self.wire else {}),
            **(self.listen_for_accounts(controller) if self.accounts else {}),
        }
        self.config.write_text(
            "".join(f"{key}={value}\n" for key, value in {**SETTINGS, **own}.items())
        )

    def listen_behind_wire(self, controller):
        self.wire.target = common.free_port()
        return {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},WIRE://127.0.0.1:{self.wire.target},"
            f"CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},WIRE://127.0.0.1:{self.wire.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,WIRE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }

    def listen_for_accounts(self, controller):
        self.login_port = common.free_port()
        accounts = " ".join(f'user_{name}="{password}"' for name, password in self.accounts.items())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        ours = f"PLAINTEXT://127.0.0.1:{self.port},LOGIN://127.0.0.1:{self.login_port}"
        return {
            "listeners": f"{ours},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": ours,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.login.plain.sasl.jaas.config": f"{module} required {accounts};",
        }

    def format(self):
        """A formatted, empty data folder never differs: made once, copied afterwards (it costs a JVM start)."""
        template, data = self.home / "formatted", self.root / "data"
        if not template.exists():
            common.run_quietly(
                self.java(
                    "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self.config)
                ),
                "formatting Kafka's storage",
            )
            fresh = self.home / f"formatted.{self.root.parent.name}"
            shutil.copytree(data, fresh)
            try:
                fresh.rename(template)
            except OSError:  # another run was first
                shutil.rmtree(fresh)
        else:
            shutil.copytree(template, data)

    def spawn(self, run):
        """Starts without waiting, so that other services come up meanwhile."""
        self.root = pathlib.Path(run) / "kafka"
        self.root.mkdir()
        self.configure()
        self.format()
        self.start_again()
        self.has_listened = False

    def start_again(self):
        """After stop(): the same ports and the same data, as after a broker's restart."""
        self.child = common.Child(
            self.java("kafka.Kafka", str(self.config)), self.root / "broker.log"
        )

    def wait(self):
        try:
            self.wait_once()
        except common.Failed:
            if self.has_listened:
                raise  # whoever was told of its ports would never find it at others
            self.stop()
            self.configure()  # perhaps somebody took a port
            self.start_again()
            self.wait_once()

    def wait_once(self):
        common.wait_until(lambda: common.is_listening(self.port), self.child, 90, "Kafka")
        self.has_listened = True

    def stop(self):
        """Stopped hard: a run's data is thrown away, an orderly end takes a second."""
        if self.child:
            self.child.stop(signal.SIGKILL)

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    def environment(self):
        return {"TEST_KAFKA_BROKERS": self.brokers, "TEST_KAFKA_TOPIC": TOPIC}
