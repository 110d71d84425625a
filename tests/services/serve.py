"""Starts real services on loopback for one command, and stops them after it.

    python3 tests/services/serve.py kafka minio postgres fakes -- build/dev/bin/test_something
    python3 tests/services/serve.py --install            installs everything that this machine can have (minutes, once)
    python3 tests/services/serve.py --install NAME...    installs these; kubernetes comes only so (a quarter of an hour)
    python3 tests/services/serve.py --why                says for each service whether it can run here

The command sees TEST_KAFKA_BROKERS, TEST_S3_ENDPOINT, TEST_DATABASE_URL, TEST_EMBED_URL, …
(README.md beside this file); its exit code is ours. A service that this machine cannot have
ends the run with 77 and a line `SKIPPED: why`; one whose name ends in `?` is left out instead.
However we end, killed too, the services end with us.
"""

import pathlib
import shutil
import signal
import sys

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from services import (  # noqa: E402
    clients,
    common,
    debian,
    fakes,
    grafana,
    kafka,
    kubernetes,
    minio,
    postgres,
    prometheus,
)

SKIPPED = 77
ORDER = (
    "kafka",
    "fakes",
    "clients",
    "pgvector",
    "postgres",
    "minio",
    "helm",
    "kubernetes",
    "debian",
    "prometheus",
    "grafana",
)  # the slow one first; MinIO needs the broker's port


class Stack:
    """A set of running services. `with Stack("kafka", "postgres") as stack: stack.kafka.brokers`. Raises common.Unavailable."""

    def __init__(self, *names, dimension=None):
        wanted = {name.rstrip("?") for name in names}
        unknown = wanted - set(ORDER)
        if unknown:
            raise ValueError(f"no service {sorted(unknown)}; there are {', '.join(ORDER)}")
        optional = {name[:-1] for name in names if name.endswith("?")}
        made = {
            "kafka": kafka.Kafka(),
            "fakes": fakes.Fakes(dimension),
            "clients": clients.Clients(),
            "pgvector": postgres.Pgvector(),
            "postgres": postgres.Postgres(),
            "minio": minio.Minio(),
            "helm": kubernetes.Helm(),
            "kubernetes": kubernetes.Kubernetes(),
            "debian": debian.Debian(),
            "prometheus": prometheus.Prometheus(),
            "grafana": grafana.Grafana(),
        }
        self.services = {}
        for name in ORDER:
            why = made[name].why_not() if name in wanted else None
            if why and name not in optional:
                raise common.Unavailable(f"{name}: {why}")
            if why:
                print(f"left out: {name}: {why}", file=sys.stderr)
            if name in wanted and not why:
                self.services[name] = made[name]
        if "postgres" in self.services:
            self.services["postgres"].pgvector = self.services.get("pgvector")
        if "minio" in self.services:
            self.services["minio"].kafka = self.services.get("kafka")

    def __getattr__(self, name):
        services = self.__dict__.get("services", {})
        if name in services:
            return services[name]
        raise AttributeError(name)

    def __contains__(self, name):
        return name in self.services

    def __enter__(self):
        self.run = common.new_run_dir()
        try:
            for service in self.services.values():
                if hasattr(service, "spawn"):
                    service.spawn(self.run)
            for service in self.services.values():
                if hasattr(service, "wait"):
                    service.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for service in reversed(self.services.values()):
            if hasattr(service, "stop"):
                service.stop()
        shutil.rmtree(self.run, ignore_errors=True)

    def environment(self):
        return {
            name: value
            for service in self.services.values()
            for name, value in service.environment().items()
        }


def all_services():
    return [
        kafka.Kafka(),
        minio.Minio(),
        postgres.Postgres(),
        postgres.Pgvector(),
        clients.Clients(),
        kubernetes.Helm(),
        kubernetes.Kubernetes(),
        debian.Debian(),
        prometheus.Prometheus(),
        grafana.Grafana(),
        fakes.Fakes(),
    ]


def install(names):
    """All but the large ones, or those that are named. What cannot be had is said and left out; the
    tests that need it will say SKIPPED."""
    is_complete = True
    with common.InstallLock():
        for service in all_services():
            if service.name not in names if names else hasattr(service, "is_large"):
                continue
            print(f"{service.name}: ", end="", flush=True)
            try:
                service.install()
                print("ready")
            except common.Unavailable as why:
                is_complete = False
                print(f"unavailable: {why}")
    return 0 if is_complete or not names else SKIPPED


def why():
    for service in all_services():
        print(f"{service.name}: {service.why_not() or 'ready'}")
    return 0


def run(names, command):
    try:
        with Stack(*names) as stack:
            child = common.Child(command, env=stack.environment())
            try:
                return child.process.wait()
            finally:
                child.stop()
    except common.Unavailable as why_not:
        print(f"SKIPPED: {why_not}")
        return SKIPPED


def main(arguments):
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that everything is stopped in order
    if arguments[:1] == ["--install"]:
        return install(arguments[1:])
    if arguments == ["--why"]:
        return why()
    if "--" not in arguments or arguments[0] == "--" or arguments[-1] == "--":
        print(__doc__, file=sys.stderr)
        return 2
    split = arguments.index("--")
    code = run(arguments[:split], arguments[split + 1 :])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except common.Failed as failed:
        print(failed, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
