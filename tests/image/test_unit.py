"""The systemd unit is one that systemd takes, and leaves a process little."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77
EXPOSURE_MAX = 2.0  # of 10: what `systemd-analyze security` makes of it


def main():
    if not shutil.which("systemd-analyze"):
        print("SKIPPED: no systemd-analyze (apt-get install systemd)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / "millrace.service"
        text = (SOURCE / "millrace.service").read_text()
        # Neither the program nor its page need be installed to read the rest.
        unit.write_text(text.replace("/usr/bin/millrace", "/bin/true").replace("man:millrace(1)", ""))
        said = subprocess.run(
            ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
        )
        mine = [line for line in said.stderr.splitlines() if "millrace.service" in line]
        assert said.returncode == 0 and not mine, said.stderr
        said = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", unit],
            capture_output=True,
            text=True,
            check=True,
        )
        exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)[1])
        assert exposure <= EXPOSURE_MAX, said.stdout
        print(f"exposure {exposure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
