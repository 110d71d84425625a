"""What is built with Go: its toolchain, asked for; a program of a module, into the cache."""

import os
import re
import shutil
import subprocess

from . import common


def version():
    """None without Go; the toolchain's own version, not the one a project could ask for."""
    if not shutil.which("go"):
        return None
    text = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def why_not(what, least):
    have = version()
    wanted = f"{what} is built with Go {least[0]}.{least[1]} or newer"
    if not have:
        return f"no go ({wanted})"
    if have < least:
        return f"go {have[0]}.{have[1]} is too old ({wanted})"
    return None


def environment(**more):
    return {**os.environ, "GOFLAGS": "-trimpath -buildvcs=false", **more}


def install(module, binary):
    """The program of a module, by its version, as `binary`; whole or not at all."""
    binary.parent.mkdir(parents=True, exist_ok=True)
    building = binary.parent / f"building-{binary.name}"
    try:
        common.run_quietly(
            ["go", "install", module],
            "go install " + module,
            env=environment(GOBIN=str(building)),
        )
    except common.Failed as failed:
        raise common.Unavailable(f"{binary.name} cannot be built: {failed}") from failed
    next(building.iterdir()).rename(binary)
    shutil.rmtree(building)


def build(package, module, binary, replacements=(), flags=""):
    """A program of a module that is no library: `replacements` are what its go.mod would replace by folders."""
    name, version = module.split("@")
    scratch = binary.parent / f"building-{binary.name}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    (scratch / "go.mod").write_text(
        f"module scratch\n\nrequire {name} {version}\n\n"
        + "".join(f"replace {name} => {name} {version}\n" for name, version in replacements)
    )
    common.run_quietly(
        ["go", "build", "-ldflags", flags, "-o", str(binary), package],
        f"go build {package}",
        env=environment(GOFLAGS="-mod=mod -trimpath -buildvcs=false"),
        cwd=scratch,
        timeout=3600,
    )
    shutil.rmtree(scratch)
