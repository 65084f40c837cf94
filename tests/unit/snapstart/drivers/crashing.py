"""A node with a zygote driver, one artifact and one session, in a process that can be killed.

    python -m tests.unit.snapstart.drivers.crashing FOLDER

says in one line of JSON what there is, and waits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fixtures.system.snapstart.drivers.bench import Bench
from fixtures.system.snapstart.drivers.kinds import ZYGOTE, template


def main() -> None:
    """Make it all, say what there is, wait to be killed."""
    bench = Bench(ZYGOTE, Path(sys.argv[1]))
    build = bench.build()
    artifact = bench.create(build)
    session = bench.restore()
    found = {
        "boot_id": artifact.boot_id,
        "template": template(bench, artifact).pid,
        "build": [build.record.pid, str(build.inject_socket), build.address],
        "session": [session.record.pid, session.address],
    }
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
