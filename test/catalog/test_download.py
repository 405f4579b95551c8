from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import textwrap
import time
import urllib.request
from http.client import HTTPMessage

import pytest

from bodyseg_ros.catalog import Limits
from bodyseg_ros.catalog.checksums import check_files
from bodyseg_ros.catalog.download import _SafeRedirects, download_model
from bodyseg_ros.errors import ModelError, ModelFileError, ModelNotFoundError, SettingsError

WEIGHTS = {"shard1.bin": bytes(range(256)) * 1000, "shard2.bin": b"second" * 5000}
ONCE = Limits(timeout_s=5, attempts=1, pause_s=0)
TWICE = Limits(timeout_s=5, attempts=2, pause_s=0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if ".part" in path.name)


def assert_whole(folder):
    assert {name: (folder / name).read_bytes() for name in WEIGHTS} == WEIGHTS
    assert leftovers(folder) == []


def test_a_model_comes_whole_with_its_checksums(server, folder):
    told = []
    index = download_model(server.publish("m", WEIGHTS), folder, {}, lambda *step: told.append(step), ONCE)
    assert index == folder / "model.json"
    assert_whole(folder)
    assert [check.state for check in check_files(index, {})] == ["recorded"] * 3
    assert told[-1] == ("shard2.bin", 30_000, 30_000)
    note = (folder / "shard1.bin.sha256").read_text()
    assert note == f"{hashlib.sha256(WEIGHTS['shard1.bin']).hexdigest()}  shard1.bin\n"


def test_nothing_is_asked_for_twice(server, folder):
    address = server.publish("m", WEIGHTS)
    download_model(address, folder, {}, limits=ONCE)
    server.asked.clear()
    download_model(address, folder, {}, limits=ONCE)
    assert server.asked == []


def test_a_cut_download_goes_on_where_it_ended(server, folder):
    address = server.publish("m", WEIGHTS)
    server.cut_after["/m/shard1.bin"] = 100_000
    with pytest.raises(ModelNotFoundError, match="'shard1.bin'.*100000 of 256000 bytes"):
        download_model(address, folder, {}, limits=ONCE)
    assert not (folder / "shard1.bin").exists()
    download_model(address, folder, {}, limits=ONCE)
    assert ("/m/shard1.bin", "bytes=100000-") in server.asked
    assert_whole(folder)


def test_a_cut_is_mended_within_one_call(server, folder):
    server.cut_after["/m/shard1.bin"] = 100_000
    download_model(server.publish("m", WEIGHTS), folder, {}, limits=TWICE)
    assert_whole(folder)


@pytest.mark.parametrize("etag", ["by content", None, 'W/"weak"'])
def test_a_file_that_changed_meanwhile_is_begun_anew(server, folder, etag):
    server.etag = etag
    address = server.publish("m", WEIGHTS)
    server.files["/m/shard1.bin"] = b"old" * 40_000
    server.cut_after["/m/shard1.bin"] = 100_000
    with pytest.raises(ModelNotFoundError, match="it ended after"):
        download_model(address, folder, {}, limits=ONCE)
    server.files["/m/shard1.bin"] = WEIGHTS["shard1.bin"]
    download_model(address, folder, {}, limits=ONCE)
    assert_whole(folder)


def test_a_partial_file_that_is_too_long_is_begun_anew(server, folder):
    address = server.publish("m", WEIGHTS)
    server.cut_after["/m/shard2.bin"] = 10
    with pytest.raises(ModelNotFoundError):
        download_model(address, folder, {}, limits=ONCE)
    (folder / "shard2.bin.part").write_bytes(b"x" * 99_999)
    download_model(address, folder, {}, limits=TWICE)
    assert_whole(folder)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server, folder):
    with pytest.raises(ModelFileError, match="'shard2.bin' from http.* has the sha256 .* but it must be 0000.*deleted"):
        download_model(server.publish("m", WEIGHTS), folder, {"shard2.bin": "0" * 64}, limits=ONCE)
    assert not (folder / "shard2.bin").exists()
    assert leftovers(folder) == []


def test_the_first_checksum_holds_ever_after(server, folder):
    address = server.publish("m", WEIGHTS)
    index = download_model(address, folder, {}, limits=ONCE)
    (folder / "shard1.bin").unlink()
    server.files["/m/shard1.bin"] = b"another"
    with pytest.raises(ModelFileError, match="'shard1.bin' .* has the sha256"):
        download_model(address, folder, {}, limits=ONCE)
    (folder / "shard2.bin").write_bytes(b"damaged")
    states = {check.path.name: check.state for check in check_files(index, {})}
    assert states == {"model.json": "recorded", "shard1.bin": "missing", "shard2.bin": "changed"}


def test_a_file_that_is_not_there_is_not_asked_for_again(server, folder):
    with pytest.raises(
        ModelNotFoundError, match=r"'model.json' .*/none/model.json \(HTTP status 404 Not Found\)"
    ) as err:
        download_model(f"{server.address}/none/model.json", folder, {}, limits=TWICE)
    assert len(server.asked) == 1
    assert str(folder) in str(err.value)
    assert "set model_path" in str(err.value)
    assert str(err.value).count(". ") == 0


def test_a_busy_server_is_asked_again(server, folder):
    server.status["/m/shard1.bin"] = [503]
    download_model(server.publish("m", WEIGHTS), folder, {}, limits=TWICE)
    assert_whole(folder)


def test_a_silent_server_is_given_up(server, folder):
    server.silent.add("/m/model.json")
    with pytest.raises(ModelNotFoundError, match=r"\(timed out\)|\(The read operation timed out\)"):
        download_model(server.publish("m", WEIGHTS), folder, {}, limits=Limits(0.1, 2, 0))
    end = time.monotonic() + 10  # the server's thread notes a request after the client has given it up
    while len(server.asked) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(server.asked) == 2


def test_no_network_is_one_sentence(folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(ModelNotFoundError, match="'model.json'.* http") as err:
        download_model("http://127.0.0.1:9/m/model.json", folder, {}, limits=ONCE)
    assert "refused" in str(err.value)


def test_a_redirect_is_followed(server, folder):
    server.publish("real", WEIGHTS)
    server.redirect = {f"/m/{name}": f"{server.address}/real/{name}" for name in ("model.json", *WEIGHTS)}
    download_model(f"{server.address}/m/model.json", folder, {}, limits=ONCE)
    assert_whole(folder)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file:///etc/passwd", "is not allowed"),
        ("ftp://127.0.0.1/model.json", "redirects to 'ftp.*, which is not secure"),
    ],
)
def test_a_redirect_out_of_the_web_is_refused(server, folder, target, message):
    server.redirect["/m/model.json"] = target
    with pytest.raises(ModelError, match=message):
        download_model(f"{server.address}/m/model.json", folder, {}, limits=ONCE)


def test_a_redirect_to_a_less_secure_address_is_refused():
    request = urllib.request.Request("https://server/model.json")
    with pytest.raises(ModelFileError, match="https://server/model.json.*'http://server/'.* secure"):
        _SafeRedirects().redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), "http://server/")


@pytest.mark.parametrize(
    "name", ["../evil.bin", "/etc/evil", "a/b.bin", "..", "", ".lock", "a\\b", "http://x/y", 7, "a?b"]
)
def test_weight_names_cannot_leave_the_folder(server, folder, name):
    address = server.publish("m", {})
    server.files["/m/model.json"] = json.dumps({"weightsManifest": [{"paths": [name], "weights": []}]}).encode()
    with pytest.raises(ModelFileError, match="only plain file names are allowed"):
        download_model(address, folder, {}, limits=ONCE)
    assert [path.name for path in folder.iterdir()] == [".lock"]


@pytest.mark.parametrize("text", [b"{}", b"<html>", b"[1]", b"null", b'{"weightsManifest": 3}', b"[" * 100_000, b""])
def test_an_index_that_is_none_is_refused_and_not_kept(server, folder, text):
    server.files["/m/model.json"] = text
    with pytest.raises(ModelFileError, match=r"model.json'.*TensorFlow.js.*no weight files"):
        download_model(f"{server.address}/m/model.json", folder, {}, limits=ONCE)
    download_model(server.publish("m", WEIGHTS), folder, {}, limits=ONCE)
    assert_whole(folder)


def test_a_log_in_page_is_not_taken_for_weights(server, folder):
    server.content_type["/m/shard1.bin"] = "text/html; charset=utf-8"
    with pytest.raises(ModelNotFoundError, match="web page"):
        download_model(server.publish("m", WEIGHTS), folder, {}, limits=ONCE)


@pytest.mark.parametrize("limit", [100, 257_000])
def test_too_large_a_model_is_refused(server, folder, limit):
    with pytest.raises(ModelFileError, match=f"{limit} bytes"):
        download_model(server.publish("m", WEIGHTS), folder, {}, limits=Limits(5, 1, 0, limit))


@pytest.mark.parametrize("address", ["file:///m/model.json", "model.json", "https://server/folder/", "http:///m.json"])
def test_other_addresses_are_refused(folder, address):
    with pytest.raises(SettingsError, match=r"https://.*model.json"):
        download_model(address, folder, {})


def test_a_query_goes_with_every_file(server, folder):
    download_model(server.publish("m", WEIGHTS) + "?tfjs-format=file", folder, {}, limits=ONCE)
    assert [path for path, _ in server.asked] == [
        f"/m/{name}?tfjs-format=file" for name in ("model.json", "shard1.bin", "shard2.bin")
    ]


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelNotFoundError, match="cannot be stored in .*file/model'"):
        download_model(server.publish("m", WEIGHTS), tmp_path / "file" / "model", {}, limits=ONCE)


def test_two_processes_at_once_share_one_download(server, folder):
    server.pause_s = 0.05
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from bodyseg_ros.catalog.download import _SafeRedirects, download_model
        download_model(sys.argv[1], Path(sys.argv[2]), {})
    """)
    command = [sys.executable, "-c", program, server.publish("m", WEIGHTS), str(folder)]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert_whole(folder)
    assert sorted(path for path, _ in server.asked) == ["/m/model.json", "/m/shard1.bin", "/m/shard2.bin"]


def test_a_server_that_drips_bytes_is_given_up(server, folder):
    server.drip_s = 0.02  # a byte each: never silent for long, never done
    limits = Limits(timeout_s=5, attempts=1, pause_s=0, min_bytes_per_s=1000, rate_window_s=0.3)
    with pytest.raises(ModelNotFoundError, match=r"'model.json'.*bytes/s, less than 1000"):
        download_model(server.publish("m", WEIGHTS), folder, {}, limits=limits)


def test_the_time_for_all_files_is_bounded_whatever_the_attempts(server, folder):
    server.drip_s = 0.02
    limits = Limits(timeout_s=5, attempts=50, pause_s=0, total_s=0.3, min_bytes_per_s=0)
    with pytest.raises(ModelNotFoundError, match=r"incomplete after 0.3 s"):
        download_model(server.publish("m", WEIGHTS), folder, {}, limits=limits)
    assert len(server.asked) == 1


def test_a_model_of_too_many_files_is_refused_before_they_are_asked_for(server, folder):
    address = server.publish("m", {f"shard{i}.bin": b"x" for i in range(6)})
    with pytest.raises(ModelFileError, match="names 7 files; at most 5"):
        download_model(address, folder, {}, limits=Limits(timeout_s=5, attempts=1, max_files=5))
    assert len(server.asked) == 1
    assert not (folder / "model.json").exists()


@pytest.mark.parametrize("tag", [b"", b"a\r\nHost: elsewhere", b"\x00", b"x" * 10_000])
def test_a_broken_tag_is_thrown_away_and_the_file_begun_anew(server, folder, tag):
    address = server.publish("m", WEIGHTS)
    folder.mkdir()
    (folder / "shard1.bin.part").write_bytes(b"old")
    (folder / "shard1.bin.part.tag").write_bytes(tag)
    download_model(address, folder, {}, limits=ONCE)
    assert ("/m/shard1.bin", None) in server.asked
    assert_whole(folder)


@pytest.mark.parametrize("name", ["shard1.bin.part", "shard1.bin.part.tag"])
def test_a_link_is_not_written_through(server, folder, tmp_path, name):
    address = server.publish("m", WEIGHTS)
    folder.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folder / name).symlink_to(precious)
    download_model(address, folder, {}, limits=ONCE)
    assert precious.read_text() == "mine"
    assert_whole(folder)
    assert not (folder / "shard1.bin").is_symlink()


def test_headers_that_drip_are_given_up(server, folder):
    server.drip_s, server.drips_headers = 0.02, True
    with pytest.raises(ModelNotFoundError, match="headers timed out"):
        download_model(
            server.publish("m", WEIGHTS), folder, {}, limits=Limits(timeout_s=5, attempts=3, pause_s=0, total_s=0.3)
        )
    assert len(server.asked) == 1
