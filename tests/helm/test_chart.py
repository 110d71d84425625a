"""The chart: rendered over several values, beside what it gave before, and taken by a real kube-apiserver.

    serve.py helm -- test_chart.py Chart                  lint, snapshots, what holds in every pod, what is refused
    UPDATE=1 serve.py helm -- test_chart.py Chart         writes tests/helm/snapshots anew: read the difference
    serve.py helm kubernetes -- test_chart.py Cluster     lets an API server judge every object (./run kubernetes)
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
CHART = SOURCE / "helm"
VALUES = sorted((HERE / "values").glob("*.yaml"))
MINIMAL = HERE / "values" / "minimal.yaml"
# What is wrong, and what the one line about it says.
REFUSED = [
    (["config.KAFKA_TOPIC="], "minLength: got 0, want 1"),
    (["config.KAFKA_BROKER=b"], "config.KAFKA_BROKER: there is no such option"),
    (["config.DATABASE_URL=x"], "config.DATABASE_URL: is a secret"),
    (["config.MILLRACE_SLOTS=3"], "config.MILLRACE_SLOTS: follows from `worker`"),
    (["worker.slot=3"], "additional properties 'slot' not allowed"),
    (["worker.slots=0"], "minimum: got 0, want 1"),
    (["image.digest=abc"], "does not match pattern"),
    (["secret.values.OPENAI_API_KEY=k"], "secret: choose one of existingSecret, values"),
    (["migration.existingSecret="], "migration.existingSecret: name a Secret"),
    (["migration.databaseUrl=x"], "migration: choose one of"),
    (
        ["autoscaling.hpa.enabled=true", "autoscaling.keda.enabled=true"],
        "autoscaling: choose one of keda, hpa",
    ),
    (
        ["autoscaling.keda.enabled=true", "autoscaling.keda.kafka.enabled=false"],
        "autoscaling.keda: enable kafka, or name prometheus.serverAddress",
    ),
]


def helm(*arguments):
    done = subprocess.run(
        [os.environ["TEST_HELM"], *arguments], capture_output=True, text=True, cwd="/", check=False
    )
    return done.returncode, done.stdout, done.stderr


def render(values, *more):
    code, out, err = helm("template", "release", CHART, "--namespace", "jobs", "-f", values, *more)
    assert code == 0, err
    return out


def objects(text):
    return [each for each in yaml.safe_load_all(text) if each]


def pods(each):
    """The pod specs inside an object, with their labels."""
    if each["kind"] == "Pod":
        yield each["metadata"], each["spec"]
    elif each["kind"] == "CronJob":
        template = each["spec"]["jobTemplate"]["spec"]["template"]
        yield template["metadata"], template["spec"]
    elif "template" in each.get("spec", {}):
        yield each["spec"]["template"]["metadata"], each["spec"]["template"]["spec"]


def one(text, kind):
    (found,) = [each for each in objects(text) if each["kind"] == kind]
    return found


class Chart(unittest.TestCase):
    def test_lint_finds_nothing(self):
        for values in VALUES:
            code, out, _ = helm("lint", CHART, "--strict", "-f", values)
            self.assertEqual(0, code, out)

    def test_it_renders_what_it_did(self):
        for values in VALUES:
            text = render(values)
            snapshot = HERE / "snapshots" / values.name
            if "UPDATE" in os.environ:
                snapshot.write_text(text)
            self.assertEqual(snapshot.read_text(), text, "UPDATE=1 writes it anew")

    def test_every_option_is_known_and_no_other(self):
        rows = re.findall(
            r'^X\((\w+), \w+, "(\w+)"', (SOURCE / "worker/config.def").read_text(), re.MULTILINE
        )
        wanted = [name + (" secret" if kind == "SECRET" else "") for kind, name in rows]
        self.assertEqual(wanted, (CHART / "options.txt").read_text().splitlines())

    def test_version_is_the_programs(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        cmake = (SOURCE / "CMakeLists.txt").read_text()
        project = re.search(r"project\(millrace VERSION ([\d.]+)", cmake)
        self.assertEqual(project[1], chart["appVersion"])

    def test_every_pod_is_restricted(self):
        for values in VALUES:
            found = [pod for each in objects(render(values)) for pod in pods(each)]
            self.assertGreaterEqual(len(found), 3, "worker, migration, check")
            for metadata, spec in found:
                with self.subTest(values=values.name, labels=metadata["labels"]):
                    self.check_pod(metadata, spec)

    def check_pod(self, metadata, spec):
        self.assertIn("app.kubernetes.io/component", metadata["labels"])
        self.assertIs(spec["automountServiceAccountToken"], False)
        self.assertIs(spec["enableServiceLinks"], False, "they would look like options")
        self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
        self.assertEqual("RuntimeDefault", spec["securityContext"]["seccompProfile"]["type"])
        for container in spec["containers"]:
            inside = container["securityContext"]
            self.assertIs(inside["allowPrivilegeEscalation"], False)
            self.assertIs(inside["readOnlyRootFilesystem"], True)
            self.assertEqual(["ALL"], inside["capabilities"]["drop"])
            self.assertIn("memory", container["resources"]["limits"])

    def test_a_worker_may_take_what_it_was_promised(self):
        deployment = one(render(HERE / "values" / "keda.yaml"), "Deployment")
        spec = deployment["spec"]["template"]["spec"]
        self.assertEqual(60, spec["terminationGracePeriodSeconds"], "15 s above the drain time")
        # The worker itself, the bodies, and the cap of each child.
        limit = spec["containers"][0]["resources"]["limits"]["memory"]
        self.assertEqual(f"{256 + 1024 + 4 * 512}Mi", limit)
        self.assertNotIn("replicas", deployment["spec"], "KEDA's to decide")

    def test_the_migration_sees_the_owners_secret_and_workers_do_not(self):
        text = render(HERE / "values" / "keda.yaml")
        job = one(text, "Job")
        environment = job["spec"]["template"]["spec"]["containers"][0]["env"]
        self.assertEqual("millrace-owner", environment[0]["valueFrom"]["secretKeyRef"]["name"])
        self.assertIn({"name": "DB_WORKER_ROLE", "value": "millrace_worker"}, environment)
        self.assertIn("pre-upgrade", job["metadata"]["annotations"]["helm.sh/hook"])
        self.assertNotIn("millrace-owner", json.dumps(one(text, "Deployment")))

    def test_rules_and_dashboards_come_as_they_are(self):
        text = render(MINIMAL, "--set", "metrics.rules.enabled=true,metrics.dashboards.enabled=true")
        rules = yaml.safe_load((CHART / "alerts" / "millrace.yaml").read_text())
        self.assertEqual(rules, one(text, "PrometheusRule")["spec"])
        maps = [each["data"] for each in objects(text) if "-dashboard-" in each["metadata"]["name"]]
        boards = {path.name: path.read_text() for path in CHART.glob("dashboards/*.json")}
        self.assertEqual(boards, {name: text for each in maps for name, text in each.items()})

    def test_what_is_wrong_is_refused_in_one_line(self):
        for settings, message in REFUSED:
            arguments = [part for setting in settings for part in ("--set", setting)]
            code, _, err = helm("template", "release", CHART, "-f", MINIMAL, *arguments)
            self.assertNotEqual(0, code, f"{settings}: taken")
            self.assertIn(message, err, settings)


class Cluster(unittest.TestCase):
    """Strict: a misspelt field is an error, which `helm install --dry-run=server` lets pass."""

    @classmethod
    def setUpClass(cls):
        for made in (["namespace", "jobs"], ["priorityclass", "batch", "--value=1"]):
            assert cls.kubectl("create", *made).returncode == 0

    @staticmethod
    def kubectl(*arguments, text=None):
        return subprocess.run(
            [*os.environ["TEST_KUBECTL"].split(), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    def apply(self, text):
        how = ["--server-side", "--validate=strict", "--dry-run=server"]
        return self.kubectl("apply", "--namespace=jobs", *how, "-f", "-", text=text)

    def test_it_takes_every_object(self):
        for values in VALUES:
            text = render(values, "--set", "metrics.rules.enabled=true,metrics.dashboards.enabled=true")
            done = self.apply(text)
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(len(objects(text)), done.stdout.count("serverside-applied"))

    def test_it_refuses_a_misspelt_field(self):
        done = self.apply(render(MINIMAL).replace("failureThreshold", "failureTreshold", 1))
        self.assertNotEqual(0, done.returncode)
        self.assertIn("failureTreshold", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
