"""Files of a framework in a checkpoint: where they may lie, and that they come back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from colab_resume.errors import DamagedCheckpoint
from colab_resume.frameworks import files


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x"])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    """A checkpoint may come from anywhere."""
    with pytest.raises(DamagedCheckpoint, match="leads out of its folder"):
        files.inside(tmp_path, name)
    assert files.inside(tmp_path, "a/b") == tmp_path / "a" / "b"


@pytest.mark.parametrize("there", [None, b"other byte", b"same bytes"])
def test_a_file_holds_what_it_held(there: bytes | None, tmp_path: Path) -> None:
    """Whether it is there or not; one of the right size with other bytes is another one."""
    file = tmp_path / "new" / "file"
    if there is not None:
        file.parent.mkdir()
        file.write_bytes(there)
    files.put(file, torch.frombuffer(bytearray(b"same bytes"), dtype=torch.uint8))
    assert file.read_bytes() == b"same bytes"
    assert bytes(files.mapped(file).numpy()) == b"same bytes"
