"""A real kube-apiserver with its etcd: what it takes of our chart, a cluster takes. There is no
kubelet: objects are validated and stored, pods never run. And helm, which renders the chart.

Building the server takes a quarter of an hour and 2 GB once, so it has a verb of its own
(`./run kubernetes`); helm comes with the tests' other services.
"""

import os
import pathlib
import re
import shutil
import signal
import ssl
import urllib.request

from . import common, go

HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
ETCD = "go.etcd.io/etcd/server/v3@v3.6.16"
KUBERNETES = "1.36.3"
# Of each operator what the chart makes objects of.
CRDS = {
    "github.com/kedacore/keda/v2@v2.21.0": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ],
    "github.com/external-secrets/external-secrets@v1.3.2": [
        "config/crds/bases/external-secrets.io_externalsecrets.yaml"
    ],
}
GO_MIN = (1, 26)
TOKEN = "millrace"
NOT_YET = "is not built yet (./run kubernetes)"


def home():
    return common.cache_dir() / "kubernetes"


class Helm:
    name = "helm"

    def __init__(self):
        self.binary = common.cache_dir() / "helm" / "helm"

    def is_installed(self):
        return os.access(self.binary, os.X_OK)

    def why_not(self):
        if self.is_installed():
            return None
        return go.why_not("helm", GO_MIN) or (
            "helm is not installed yet (tests/services/serve.py --install)"
        )

    def install(self):
        if self.is_installed():
            return
        if go.why_not("helm", GO_MIN):
            raise common.Unavailable(go.why_not("helm", GO_MIN))
        go.install(HELM, self.binary)

    def spawn(self, run):
        pass

    def environment(self):
        return {"TEST_HELM": str(self.binary)}


class Kubernetes:
    name = "kubernetes"
    is_large = True  # a quarter of an hour: installed when it is named

    def __init__(self):
        self.children = []

    def is_installed(self):
        return (home() / ".complete").exists()

    def why_not(self):
        if self.is_installed():
            return None
        return go.why_not("kube-apiserver", GO_MIN) or f"kube-apiserver {NOT_YET}"

    def install(self):
        if self.is_installed():
            return
        if go.why_not("kube-apiserver", GO_MIN):
            raise common.Unavailable(go.why_not("kube-apiserver", GO_MIN))
        home().mkdir(parents=True, exist_ok=True)
        if not (home() / "etcd").exists():
            go.build(ETCD.split("@")[0], ETCD, home() / "etcd")
        self.build_kubernetes()
        self.fetch_crds()
        (home() / ".complete").touch()

    def build_kubernetes(self):
        """Its staging modules lie in folders of its own; they are published by version too."""
        module = f"k8s.io/kubernetes@v{KUBERNETES}"
        staged = re.findall(
            r"^\s*(?:replace )?(k8s\.io/\S+) => \./staging",
            (self.download(module) / "go.mod").read_text(),
            re.MULTILINE,
        )
        major, minor, patch = KUBERNETES.split(".")
        version = "k8s.io/component-base/version"
        flags = (
            f"-X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} "
            f"-X {version}.gitMinor={minor}"
        )
        for program in ("kube-apiserver", "kubectl"):
            if (home() / program).exists():
                continue
            go.build(
                f"k8s.io/kubernetes/cmd/{program}",
                module,
                home() / program,
                [(name, f"v0.{minor}.{patch}") for name in staged],
                flags,
            )

    def download(self, module):
        return pathlib.Path(
            common.run_quietly(
                ["go", "mod", "download", "-json", module], "go mod download " + module, cwd="/"
            )
            .split('"Dir": "')[1]
            .split('"')[0]
        )

    def fetch_crds(self):
        target = home() / "crds"
        target.mkdir(exist_ok=True)
        for module, paths in CRDS.items():
            folder = self.download(module)
            for path in paths:
                shutil.copyfile(folder / path, target / pathlib.Path(path).name)

    def spawn(self, run):
        self.root = pathlib.Path(run) / "kubernetes"
        self.root.mkdir()
        clients, peers = common.free_port(), common.free_port()
        self.port = common.free_port()
        self.children.append(self.spawn_etcd(clients, peers))
        self.write_account_key()
        (self.root / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        self.children.append(self.spawn_apiserver(clients))

    def spawn_etcd(self, clients, peers):
        url, peer_url = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
        return common.Child(
            [str(home() / "etcd"), "--data-dir", str(self.root / "etcd")]
            + ["--listen-client-urls", url, "--advertise-client-urls", url]
            + ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
            + ["--initial-cluster", f"default={peer_url}", "--unsafe-no-fsync"],
            self.root / "etcd.log",
        )

    def write_account_key(self):
        self.account_key = self.root / "account.key"
        common.run_quietly(
            ["openssl", "genrsa", "-out", str(self.account_key), "2048"], "openssl genrsa"
        )

    def spawn_apiserver(self, etcd):
        return common.Child(
            [str(home() / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{etcd}"]
            + ["--bind-address=127.0.0.1", f"--secure-port={self.port}"]
            + ["--advertise-address=10.255.255.1", "--endpoint-reconciler-type=none"]
            + [f"--cert-dir={self.root / 'certificates'}"]
            + [f"--service-account-key-file={self.account_key}"]
            + [f"--service-account-signing-key-file={self.account_key}"]
            + ["--service-account-issuer=https://kubernetes.default.svc"]
            + [f"--token-auth-file={self.root / 'tokens.csv'}", "--authorization-mode=RBAC"]
            + ["--service-cluster-ip-range=10.0.0.0/24"]
            + ["--disable-admission-plugins=ServiceAccount"],
            self.root / "apiserver.log",
        )

    def is_live(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # its certificate is made at its start, for loopback
        request = urllib.request.Request(
            self.endpoint + "/readyz", headers={"Authorization": "Bearer " + TOKEN}
        )
        try:
            with urllib.request.urlopen(request, timeout=2, context=context):
                return True
        except OSError:
            return False

    def wait(self):
        common.wait_until(self.is_live, self.children[-1], 60, "kube-apiserver")
        self.kubectl("apply", "--server-side", "-f", str(home() / "crds"))
        self.kubectl(
            "wait", "--for=condition=Established", "--timeout=30s", "customresourcedefinitions", "--all"
        )

    def kubectl(self, *arguments):
        return common.run_quietly([*self.command(), *arguments], "kubectl " + arguments[0])

    def command(self):
        return [
            str(home() / "kubectl"),
            f"--server={self.endpoint}",
            f"--token={TOKEN}",
            "--insecure-skip-tls-verify",
            f"--cache-dir={self.root / 'cache'}",
        ]

    def stop(self):
        for child in reversed(self.children):
            child.stop(signal.SIGKILL)

    @property
    def endpoint(self):
        return f"https://127.0.0.1:{self.port}"

    def environment(self):
        return {"TEST_KUBECTL": " ".join(self.command())}
