"""Print pip constraints for the lower bound of each core dependency: `numpy>=2.0` → `numpy==2.0.*`.

Older releases have no wheels for a Python that came after them, so on such a Python nothing is
printed and the newest releases are tested.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

if sys.version_info < (3, 13):
    project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
    for requirement in project["dependencies"]:
        print(requirement.replace(">=", "==") + ".*")
