"""What native code writes to file descriptor 2, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os, sys
from bodyseg_ros.engines.native_lines import without_line
{before}
with without_line(b"noise"):
    os.write(2, b"first\\nnoise\\n")
    print("no noise", file=sys.stderr, flush=True)
    {last}
os.write(2, b"noise\\n")
print("done")
"""


@pytest.mark.parametrize("last", ["pass", "sys.exit('failed')"])
def test_one_line_is_dropped_and_nothing_else(last: str) -> None:
    code = CODE.format(before="", last=last)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    after = ["noise"] if last == "pass" else ["failed"]
    assert done.stderr.splitlines() == ["first", "no noise", *after]


def test_a_closed_standard_error_stays_closed() -> None:
    code = "import os\nfrom bodyseg_ros.engines.native_lines import without_line\nos.close(2)\n"
    code += "with without_line(b'noise'):\n    print('in')\ntry:\n    os.fstat(2)\nexcept OSError:\n    print('closed')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["in", "closed"]
