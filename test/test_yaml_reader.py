"""YAML means what ROS's own parser says it means, and no file can hang the reader or break it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyseg_ros.errors import ModelFileError, SettingsError
from bodyseg_ros.yaml_reader import read_yaml, read_yaml_file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # By rcl_yaml_param_parser's get_value(): strtol with base 0, then strtod, then a string.
        ("5e-1", 0.5), ("1e3", 1000.0), ("5E+1", 50.0), (".5", 0.5), ("5.", 5.0), ("-2.5", -2.5),
        ("3", 3), ("-3", -3), ("+3", 3), ("0x10", 16), ("010", 8), ("08", 8.0), ("0", 0),
        ("9223372036854775807", 2**63 - 1), ("9223372036854775808", 2.0**63), ("1e999", "1e999"),
        ("yes", True), ("Y", True), ("off", False), ("n", False), ("True", True), ("tRUE", "tRUE"),
        (".inf", math.inf), ("-.inf", -math.inf),
        ("2024-01-01", "2024-01-01"), ("12:30", "12:30"), ("1_000", "1_000"), ("0x_", "0x_"), ("٣", "٣"),
        ("'5'", "5"), ('"true"', "true"), ("!!str 5", "5"), ("!!python/object:os.system 5", 5),
        ("", None), ("~", None), ("null", None), ("a b", "a b"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    read = read_yaml(f"name: {text}")["name"]
    assert (read, type(read)) == (value, type(value))


def test_lists_that_launch_ros_writes() -> None:
    class Tuples(yaml.Dumper):
        pass

    content = {"/bodyseg": {"ros__parameters": {"effects": ("pixelate", "mirror"), "cameras": [], "gains": (0.5, 1)}}}
    text = yaml.dump(content, Dumper=Tuples, default_flow_style=False)
    assert "!!python/tuple" in text
    parameters = read_yaml(text)["/bodyseg"]["ros__parameters"]
    assert parameters == {"effects": ["pixelate", "mirror"], "cameras": [], "gains": [0.5, 1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a {x: *a}", r"alias '\*a'"),
        ("a: &a [1]\nb: *a", r"line 2: the alias '\*a'"),
        ("[" * 21, "20 levels"),
        ("- " * 21 + "x", "20 levels"),
        ("[" * 100_000, "nest"),
        ("{a: " * 5_000, "nest"),
        ("[" + "1," * 30_000 + "]", "20,000 values"),
        ("a" * 300 + ": 1", "longer than 256 characters"),
        ("#" * 300_000, "longer than 262,144 bytes"),
        ("1\n---\n2", "second document"),
        ("? [a]\n: 1", "a name must be"),
        ("a: [", "line"),
        (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
        ("a: \x00", "control characters"),
    ],
)
def test_what_is_refused_at_once(text: str | bytes, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=said):
        read_yaml(text)
    assert time.monotonic() - began < 2


def test_alias_bombs(shared: Path, tmp_path: Path) -> None:
    for bomb in sorted((shared / "cases/yaml-alias-bomb").glob("*.yaml")):
        with pytest.raises(SettingsError, match=rf"{bomb.name}' is not valid YAML: line \d: the alias '\*a'"):
            read_yaml_file(bomb, "parameter file", SettingsError)


def test_files_that_are_none(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, said in [("pipe", "not a regular file"), (".", "not a regular file"), ("none", "No such file"),
                       ("x" * 5000, "name too long"), ("a\0b", "null")]:  # fmt: skip
        with pytest.raises(ModelFileError, match=rf"The model card .* cannot be read: .*{said}"):
            read_yaml_file(tmp_path / name, "model card", ModelFileError)


#: Without the line breaks beside \n, which PyYAML writes so that nobody reads them back.
words = st.text(st.characters(exclude_characters="\x85\u2028\u2029", codec="utf-8"), max_size=20)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | words | st.none()
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(trees, st.booleans())
def test_what_was_written_is_read(tree: Any, flow: bool) -> None:
    class NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text = yaml.dump(tree, Dumper=NoAliases, default_flow_style=flow, allow_unicode=True)
    read = read_yaml(text)
    if not isinstance(tree, str):  # PyYAML leaves words bare that are numbers or booleans to ROS
        assert _alike(read, tree), text


def _alike(read: Any, written: Any) -> bool:
    if isinstance(written, str):
        return isinstance(read, bool | int | float) or read == written
    if isinstance(written, list):
        return len(read) == len(written) and all(map(_alike, read, written))
    if isinstance(written, dict):
        return len(read) == len(written) and all(_alike(read[key], value) for key, value in written.items())
    return bool(read == written) and type(read) is type(written)


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab0159exy_.-+:,[]{}&*!|>'\"#%?~ \n\t\\"), max_size=60) | st.binary(max_size=60))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        read_yaml(text)
    except ValueError as err:
        assert str(err)  # noqa: PT017 - whether it is refused at all is left open


@given(st.from_regex(r"[+-]?[0-9]{1,5}(\.[0-9]{0,5})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_decimal_numbers_are_those_of_python(text: str) -> None:
    read = read_yaml(text)
    digits = text.lstrip("+-")
    octal = digits.isdigit() and digits.startswith("0") and set(digits) <= set("01234567")
    assert read == (int(text, 8) if octal else float(text))
