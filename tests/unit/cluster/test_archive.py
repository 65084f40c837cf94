"""Image archives: what an engine finds in them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from fixtures.cluster import archive
from fixtures.cluster.archive import scratch


def test_an_image_from_scratch(tmp_path: Path) -> None:
    """The program MUST lie at its path, above the base; digests and names MUST be those of the content."""
    program = tmp_path / "prog"
    program.write_bytes(b"binary")
    base = tmp_path / "base.tar"
    with tarfile.open(base, "w") as tar:
        tar.addfile(tarfile.TarInfo("etc"))

    archive.write(tmp_path / "a.tar", [scratch(["x/y:2", "x/y:1"], program, "/usr/bin/prog", base)])

    with tarfile.open(tmp_path / "a.tar") as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    [entry] = json.loads(read["manifest.json"])
    assert entry["RepoTags"] == ["x/y:1", "x/y:2"]
    configuration = json.loads(read[entry["Config"]])
    assert entry["Config"] == hashlib.sha256(read[entry["Config"]]).hexdigest() + ".json"
    assert configuration["config"]["Entrypoint"] == ["/usr/bin/prog"]
    lower, upper = (read[layer] for layer in entry["Layers"])
    assert lower == base.read_bytes()
    assert configuration["rootfs"]["diff_ids"] == [
        f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in (lower, upper)
    ]
    with tarfile.open(fileobj=io.BytesIO(upper)) as layer:
        assert layer.getnames() == ["usr", "usr/bin", "usr/bin/prog"]
        assert layer.getmember("usr/bin/prog").mode == 0o755


def test_the_same_files_are_the_same_image(tmp_path: Path) -> None:
    """Archives MUST NOT differ by when they were made, and a layer that two images share be there once."""
    program = tmp_path / "prog"
    program.write_bytes(b"binary")
    images = [scratch(["a:1"], program, "/prog"), scratch(["b:1"], program, "/prog")]

    archive.write(tmp_path / "one.tar", images)
    program.touch()
    archive.write(tmp_path / "two.tar", images)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert len([name for name in tar.getnames() if name.endswith(".tar")]) == 1
