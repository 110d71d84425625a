"""What every service of the tests shares: the cache, free ports, children that die with us.

A component is a class with `why_not()` (None, or one line saying why it cannot run here),
`install()`, `start(run)`, `stop()` and `environment()`. Children are started from the main
thread only: the kernel ties the parent-death signal to the thread that forked.
"""

import ctypes
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
RUN_PREFIX = "millrace-run-"
LIBC = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """This machine lacks something; the text goes behind `SKIPPED: `."""


class Failed(Exception):
    """A component is installed but does not work: never a reason to skip."""


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = pathlib.Path(base) / "millrace-services"
    path.mkdir(parents=True, exist_ok=True)
    return path


class InstallLock:
    """One installer at a time, however many tests run side by side."""

    def __enter__(self):
        self.file = open(cache_dir() / ".lock", "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *exc):
        self.file.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def server_user():
    """The account for servers that refuse root: None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("running as root and there is no unprivileged account (postgres, nobody)")


def give_to(path, user):
    """Hands a tree to the server's account."""
    if not user:
        return
    shutil.chown(path, user.pw_uid, user.pw_gid)
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(os.path.join(folder, name), user.pw_uid, user.pw_gid, follow_symlinks=False)


def run_quietly(argv, what, user=None, env=None, cwd=None, timeout=1800):
    """Runs to the end; on failure raises Failed with the last lines of its output."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        cwd=cwd,
        timeout=timeout,
        check=False,
        **as_user(user),
    )
    if done.returncode:
        raise Failed(
            f"{what} failed ({done.returncode}):\n" + "\n".join(done.stdout.splitlines()[-15:])
        )
    return done.stdout


def as_user(user):
    return dict(user=user.pw_uid, group=user.pw_gid, extra_groups=[]) if user else {}


class Child:
    """One process that the kernel ends when we die. A server gets a session of its own: Ctrl-C is ours to pass on."""

    def __init__(
        self, argv, log=None, env=None, user=None, cwd="/", death_signal=signal.SIGKILL, stdout=None
    ):
        """Without a log it is a command, not a server: it shares our streams, our folder and our session."""
        self.log_path = pathlib.Path(log) if log else None
        parent = os.getpid()

        def tie_to_parent():
            LIBC.prctl(PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:
                os._exit(1)  # the parent died before the tie was made

        how = dict(env={**os.environ, **(env or {})}, preexec_fn=tie_to_parent, **as_user(user))
        if not log:
            self.process = subprocess.Popen(argv, stdout=stdout, **how)
            return
        with open(log, "ab") as sink:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout or sink,
                stderr=sink,
                cwd=cwd,
                start_new_session=True,
                **how,
            )

    @property
    def pid(self):
        return self.process.pid

    def is_alive(self):
        return self.process.poll() is None

    def send(self, number):
        if self.is_alive():
            self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=20):
        """Returns the exit code; a child that ignores the signal is killed and answers -9."""
        self.send(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def tail(self, lines=15):
        if not self.log_path:
            return ""
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def wait_until(is_ready, child, seconds, what):
    """Polls a condition outside this process; a child that ends early is reported with its last words."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_ready():
            return
        if not child.is_alive():
            raise Failed(f"{what} ended by itself ({child.process.returncode}):\n{child.tail()}")
        time.sleep(0.03)
    raise Failed(f"{what} is not ready after {seconds} s:\n{child.tail()}")


def start_with_retry(start, attempts=3):
    """A free port may be taken between choosing and binding it; choose again."""
    for attempt in range(attempts):
        try:
            return start()
        except Failed:
            if attempt == attempts - 1:
                raise


def remove_dead_runs():
    """Folders of runs that were killed without a chance to clean up. The name carries the owner's pid."""
    for path in pathlib.Path(tempfile.gettempdir()).glob(RUN_PREFIX + "*"):
        pid = path.name[len(RUN_PREFIX) :].split("-")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


def new_run_dir():
    """The folder of one run: searchable by the servers' account, removed at the end."""
    remove_dead_runs()
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"{RUN_PREFIX}{os.getpid()}-"))
    path.chmod(0o755)
    return path
