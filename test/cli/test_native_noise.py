"""What native code writes to file descriptor 2, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import logging, os, sys
from bodyseg_ros.cli.native_noise import hold_native_noise
logging.basicConfig(level=logging.{level})
with hold_native_noise():
    os.write(2, b"noise\\n")
    print("ours", file=sys.stderr)
    {last}
os.write(2, b"after\\n")
"""


@pytest.mark.parametrize(
    ("level", "last", "said"),
    [
        ("WARNING", "pass", ["ours", "after"]),
        ("INFO", "pass", ["noise", "ours", "after"]),
        ("WARNING", "sys.exit('failed')", ["ours", "noise", "failed"]),
    ],
)
def test_noise_is_shown_when_asked_for_or_when_loading_fails(level: str, last: str, said: list[str]) -> None:
    code = CODE.format(level=level, last=last)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.split() == said
