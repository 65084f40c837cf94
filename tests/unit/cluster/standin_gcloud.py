"""A gcloud for self-tests: it keeps clusters in a file beside it, and has the words of the real one.

`bin/gcloud` and `bin/gke-gcloud-auth-plugin` of a test are this file. Beside it lie `calls` (a JSON list of
arguments in each line), `clusters.json`, and `behaviour.json`, which says what goes wrong:

    fails      {"VERB": "text"}: the command says so and ends with 1, without having done anything
    breaks     {"VERB": "text"}: the same after it has done it
    hangs      verbs that never end, after they have done what they are for
    busy       how many deletions are refused because something else is under way
    hidden     how many lists do not show what there is
    incomplete whether a list lacks what a zone has
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from typing import Any

HERE = pathlib.Path(__file__).parent


def read(name: str) -> Any:
    """What a file beside this one holds."""
    return json.loads((HERE / name).read_text())


def write(name: str, content: Any) -> None:
    """Set what a file beside this one holds, in one step: a test may look at any moment."""
    temporary = HERE / f"{name}.{os.getpid()}"
    temporary.write_text(json.dumps(content))
    temporary.replace(HERE / name)


def fail(text: str) -> None:
    """End as gcloud does."""
    sys.exit(f"ERROR: (gcloud.container) {text}")


def plugin() -> None:
    """The credential plugin: a token, and a note of where it would keep it."""
    with (HERE / "plugin-calls").open("a") as calls:
        calls.write(os.environ.get("KUBECONFIG", "") + "\n")
    version = "client.authentication.k8s.io/v1beta1"
    token = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "secret"}}
    sys.stdout.write(json.dumps(token))


def less(behaviour: dict[str, Any], name: str) -> bool:
    """Whether a countdown is not over; it goes on."""
    left = behaviour.get(name, 0)
    if left:
        write("behaviour.json", behaviour | {name: left - 1})
    return left > 0


def main(arguments: list[str]) -> None:
    """Do one command."""
    with (HERE / "calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    behaviour = read("behaviour.json")
    clusters = read("clusters.json")
    given = dict(a[2:].split("=", 1) if "=" in a else (a[2:], "") for a in arguments if a.startswith("--"))
    words = [a for a in arguments if not a.startswith("--")]
    verb = words[2] if words[1] == "clusters" else words[1]
    name = words[3] if len(words) > 3 else ""
    if text := behaviour.get("fails", {}).get(verb):
        fail(text)
    match verb:
        case "create":
            labels = dict(pair.split("=") for pair in given["labels"].split(","))
            new = {"name": name, "location": given["location"], "resourceLabels": labels}
            write("clusters.json", [*clusters, new])
        case "update":
            changed = dict([given["update-labels"].split("=")])
            for cluster in clusters:
                if cluster["name"] == name:
                    cluster["resourceLabels"] |= changed
            write("clusters.json", clusters)
        case "get-credentials":
            context = "_".join(["gke", given["project"], given["location"], name])
            text = (HERE / "given-kubeconfig").read_text().replace("CONTEXT", context)
            pathlib.Path(os.environ["KUBECONFIG"]).write_text(text)
        case "delete":
            if less(behaviour, "busy"):
                fail(
                    "Some requests did not succeed:\n - ResponseError: code=400, message=Operation op-1"
                    f" is currently creating cluster {name}. Please wait and try again once it is done."
                )
            write("clusters.json", [c for c in clusters if c["name"] != name])
        case "list":
            if behaviour.get("incomplete"):
                sys.stderr.write(
                    "WARNING: The following zones did not respond: z. List results may be incomplete.\n"
                )
            place = given.get("location")
            shown = [c for c in clusters if place in (None, c["location"])]
            sys.stdout.write(json.dumps([] if less(behaviour, "hidden") else shown))
    if text := behaviour.get("breaks", {}).get(verb):
        fail(text)
    if verb in behaviour.get("hangs", ()):
        time.sleep(600)


if __name__ == "__main__":
    if pathlib.Path(__file__).name == "gcloud":
        main(sys.argv[1:])
    else:
        plugin()
