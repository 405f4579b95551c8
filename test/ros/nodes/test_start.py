"""Nodes started as programs: the name of the node, and Ctrl-C before anything runs."""

from __future__ import annotations

import sys

import pytest

from bodyseg_ros.ros.nodes import __main__ as program


def test_an_unknown_node_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["nodes", "bodysegg"])
    with pytest.raises(SystemExit, match=r"'bodysegg'; choose one of: bodyseg, camera"):
        program.main()


def test_ctrl_c_while_packages_are_imported_ends_with_a_shells_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["nodes", "bodyseg"])
    monkeypatch.setattr(program, "import_module", interrupted)
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 130
