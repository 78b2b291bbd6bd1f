"""Make requirements.txt, the tested environment, from pyproject.toml: `python .github/lock.py`.

It needs uv (`pip install uv`). One file serves Linux, macOS and Windows and Python 3.11 to 3.13. What
stands there already stays as it is while it fits; `python .github/lock.py --upgrade` takes the newest.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# The tested environment, exact, for Linux, macOS and Windows and Python 3.11 to 3.13. Made from
# pyproject.toml, which gives each package's reason, by: python .github/lock.py
"""
# These hold for every line, since pyproject.toml asks for these systems and Pythons alone.
EVERYWHERE = (
    "python_full_version < '3.14' and ",
    "(sys_platform == 'darwin' or sys_platform == 'linux' or sys_platform == 'win32')",
)

locked = ROOT / "requirements.txt"
subprocess.run(
    ["uv", "pip", "compile", "--quiet", "pyproject.toml", "-o", locked.name, *sys.argv[1:]],
    cwd=ROOT, check=True,
)  # fmt: skip
lines = []
for line in locked.read_text("utf-8").splitlines():
    if line.startswith("#") or not line:
        continue
    short = line.replace("pcsta (pyproject.toml)", "pcsta")
    for marker in EVERYWHERE:
        short = short.replace(marker, "")
    short = re.sub(r" (; *)?(?=  #|$)", "", short)
    lines.append(short.replace("; and ", "; ").replace(" and  #", "  #"))
locked.write_text(HEADER + "\n".join(lines) + "\n-e .\n", "utf-8")
