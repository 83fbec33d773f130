"""Fetching takes the first source that can be used, says why the others could not, and falls back on the twin."""

import gzip
import hashlib
import io
import json
import logging
import os
import socket
import threading
import tracemalloc
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airfoil_files import REAL_FILE, REAL_SHA1, airfoil_config, needs_real_file, small_config

from pipeline.fetch.download import fetch
from pipeline.fetch.twin import twin_bytes
from pipeline.lab.errors import UserError, exit_on_user_error

# Any bytes do: fetching looks at the hash, parsing at the numbers.
GOOD = b"1\t2\t3\r\n" * 2000
GOOD_SHA1 = hashlib.sha1(GOOD).hexdigest()


class Server(ThreadingHTTPServer):
    """A web server on this machine; each path has a list of answers, of which the last one is repeated."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers = {}
        self.requests = []
        self.sent = 0
        self.released = threading.Event()

    def url(self, path, *answers):
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Answer(BaseHTTPRequestHandler):
    """Does what the next answer of the path says."""

    def do_GET(self):
        self.server.requests.append(self.path)
        answers = self.server.answers[self.path.partition("?")[0]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, *args):
        pass


def sends(body, status=200, length=None):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hangs(handler):
    handler.server.released.wait()


def trickles(handler):
    """A byte at a time, for ever: no single read takes long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    try:
        while not handler.server.released.wait(0.02):
            handler.wfile.write(b"1")
    except OSError:
        pass


breaks_off = sends(GOOD[:5000], length=len(GOOD))

#: What a source may have here, and what those without an end send at most, should nobody stop them.
SMALL, MUCH = 1_000_000, 200_000_000
PACKED = gzip.compress(bytes(20 * SMALL), compresslevel=1)


def floods(handler):
    """Send what fits no memory, without saying how much it is."""
    handler.send_response(200)
    handler.end_headers()
    flood(handler)


def redirects_with_a_flood(handler):
    """Send a body without an end along with a redirect to the table."""
    handler.send_response(302)
    handler.send_header("Location", "/table.dat")
    handler.end_headers()
    flood(handler)


def flood(handler):
    try:
        for _ in range(MUCH // 65_536):
            handler.wfile.write(bytes(65_536))
            handler.server.sent += 65_536
    except OSError:
        pass


def trickles_headers(handler):
    """Send a header a byte at a time, for ever."""
    try:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        while not handler.server.released.wait(0.02):
            handler.wfile.write(b"1")
    except OSError:
        pass


def is_packed(handler):
    """Send a body that the client is to unpack, although it did not offer to."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(PACKED)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def unreachable():
    """A URL where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}/table.dat"


@pytest.fixture
def good_file(tmp_path):
    path = tmp_path / "copy" / "my table.dat"
    path.parent.mkdir()
    path.write_bytes(GOOD)
    return path


def config(*sources, **changes):
    return small_config(**{"sources": list(sources), "sha1": GOOD_SHA1, "on_unreachable": "fail", **changes})


def provenance(path):
    return json.loads(path.with_suffix(".json").read_text())


def refusal(tmp_path, *sources, **changes):
    """The sentence with which fetching gives up, having written nothing."""
    out = tmp_path / "out"
    with pytest.raises(UserError) as caught:
        fetch(config(*sources, **changes), out)
    assert "\n" not in str(caught.value)
    assert not out.exists() or list(out.iterdir()) == []
    return str(caught.value)


# ---- a source that can be used


def test_a_good_url_is_written_with_its_provenance(server, tmp_path):
    url = server.url("/table.dat", sends(GOOD))
    path = fetch(config(url), tmp_path / "out")
    assert path == tmp_path / "out" / "small.dat"
    assert path.read_bytes() == GOOD
    assert provenance(path) == {
        "name": "small",
        "title": "A small table",
        "credit": "nobody",
        "licence": "CC0",
        "source": url,
        "sha1": GOOD_SHA1,
        "offline_twin": False,
        "failed_sources": [],
    }
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["small.dat", "small.json"]


def test_a_path_and_a_file_url_and_a_path_from_home_work(good_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(good_file.parent))
    for source in (str(good_file), good_file.as_uri(), "~/my table.dat"):
        assert fetch(config(source), tmp_path / "out").read_bytes() == GOOD


def test_a_zip_is_unpacked_and_the_hash_is_of_the_table_in_it(server, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("table.dat", GOOD)
        writer.writestr("readme.txt", "hello")
    path = fetch(config(server.url("/table.zip", sends(archive.getvalue()))), tmp_path)
    assert path.read_bytes() == GOOD
    assert provenance(path)["sha1"] == GOOD_SHA1


def test_sources_are_tried_in_order_and_empty_ones_skipped(server, tmp_path, unreachable, caplog):
    second, third = server.url("/second", sends(GOOD)), server.url("/third", sends(GOOD))
    path = fetch(config("", " ", unreachable, second, third), tmp_path)
    assert provenance(path)["source"] == second
    assert server.requests == ["/second"]
    assert provenance(path)["failed_sources"] == [f"{unreachable}: no connection could be made"]
    assert f"{unreachable} cannot be used: no connection could be made" in caplog.messages


@pytest.mark.parametrize("fault", [breaks_off, sends(b"busy", status=503)], ids=["broken transfer", "busy server"])
def test_a_fault_that_passes_is_retried_and_is_no_failure(server, tmp_path, fault):
    path = fetch(config(server.url("/table.dat", fault, sends(GOOD)), retries=1), tmp_path)
    assert path.read_bytes() == GOOD
    assert provenance(path)["failed_sources"] == []
    assert server.requests == ["/table.dat"] * 2


def test_a_second_fetch_replaces_the_first(good_file, tmp_path):
    first = fetch(airfoil_config(sources=[]), tmp_path / "out")
    first.rename(first.with_name("small.dat"))
    path = fetch(config(str(good_file)), tmp_path / "out")
    assert path.read_bytes() == GOOD
    assert provenance(path)["offline_twin"] is False


def test_no_progress_bar_is_drawn_where_stderr_is_not_a_terminal(server, tmp_path, capfd):
    fetch(config(server.url("/table.dat", sends(GOOD))), tmp_path, progress=True)
    assert capfd.readouterr().err == ""


def test_a_password_in_a_url_is_neither_stored_nor_printed(server, tmp_path):
    url = server.url("/table.dat", sends(GOOD)).replace("://", "://me:secret@") + "?token=secret"
    path = fetch(config(url), tmp_path)
    assert "secret" not in path.with_suffix(".json").read_text()


# ---- a source that cannot be used


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (sends(b"<!DOCTYPE html><html>Please log in</html>"), "it is an HTML page instead of data", 1),
        (sends(GOOD[:-9]), f"its SHA-1 is {hashlib.sha1(GOOD[:-9]).hexdigest()}, not {GOOD_SHA1}", 1),
        (sends(b""), "it is empty", 1),
        (sends(b"PK\x03\x04 and then garbage"), "it is a damaged or unreadable zip", 1),
        (sends(b"gone", status=404), "the server answered 404 Not Found", 1),
        (sends(b"busy", status=503), "the server answered 503 Service Unavailable", 3),
        (breaks_off, "the transfer broke off before the end of the file", 3),
    ],
    ids=["HTML page", "wrong hash", "empty", "damaged zip", "404", "503", "broken transfer"],
)
def test_a_bad_answer_is_told_and_only_what_may_pass_is_retried(server, tmp_path, answer, reason, requests):
    url = server.url("/table.dat", answer)
    assert f"{url}: {reason}" in refusal(tmp_path, url, retries=2)
    assert len(server.requests) == requests


@pytest.mark.parametrize("answer", [hangs, trickles, trickles_headers])
def test_a_source_that_does_not_finish_in_time_is_given_up(server, tmp_path, answer, flat_memory):
    url = server.url("/table.dat", answer)
    assert f"{url}: it did not deliver the file within 0.3 s" in refusal(tmp_path, url, timeout=0.3, retries=5)
    assert server.requests == ["/table.dat"]  # it has used its time up


def test_a_zip_without_a_table_or_with_two_is_refused(tmp_path):
    for names in ((), ("a.dat", "b.dat")):
        with zipfile.ZipFile(tmp_path / "table.zip", "w") as writer:
            for name in (*names, "readme.txt"):
                writer.writestr(name, GOOD)
        assert f"a zip with {len(names)} .dat files" in refusal(tmp_path, str(tmp_path / "table.zip"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("no/such/file.dat", "there is no such file"),
        (".", "it is a folder"),
        ("file:///no/such/file.dat", "there is no such file"),
        ("~nobody-of-this-name/table.dat", "it is not a usable path"),
        ("with\0nul", "it is not a usable path"),
        ("s3://bucket/table.dat", "it begins with s3://"),
        ("http://[broken", "the transfer failed"),
        ("http://", "the transfer failed"),
    ],
)
def test_a_source_that_is_no_file_is_told_why(tmp_path, source, reason):
    assert reason in refusal(tmp_path, source)


def test_the_refusal_lists_every_source_with_its_reason(server, tmp_path, unreachable):
    page = server.url("/page", sends(b"<html>"))
    message = refusal(tmp_path, unreachable, page, "no/such/file")
    assert "data.on_unreachable=fail forbids the offline twin" in message
    for told in (f"{unreachable}: no conn", f"{page}: it is an HTML page", "no/such/file: there is no such file"):
        assert told in message


@pytest.fixture
def flat_memory():
    """Fail where more than a few times the limit is held, or a thread is left."""
    threads = set(threading.enumerate())
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * SMALL
    left = set(threading.enumerate()) - threads
    assert [thread for thread in left if "process_request" not in thread.name] == []  # those are the server's


def test_a_body_without_an_end_is_given_up_at_the_limit(server, tmp_path, flat_memory):
    url = server.url("/table.dat", floods)
    assert f"{url}: it is larger than data.max_bytes=1000000 allows" in refusal(tmp_path, url, max_bytes=SMALL)
    assert server.requests == ["/table.dat"]
    assert server.sent < 50 * SMALL


def test_a_body_that_is_announced_as_too_large_is_not_read(server, tmp_path, flat_memory):
    url = server.url("/table.dat", sends(b"", length=10**12))
    assert "it is larger than data.max_bytes=1000000 allows" in refusal(tmp_path, url, max_bytes=SMALL)


def test_the_body_of_a_redirect_is_not_read(server, tmp_path, flat_memory):
    server.url("/table.dat", sends(GOOD))
    path = fetch(config(server.url("/moved", redirects_with_a_flood), max_bytes=SMALL), tmp_path)
    assert path.read_bytes() == GOOD
    assert server.sent < 50 * SMALL


def test_a_body_that_is_compressed_on_the_way_is_refused(server, tmp_path, flat_memory):
    url = server.url("/table.dat", is_packed)
    assert f"{url}: the server sent it compressed (gzip)" in refusal(tmp_path, url, max_bytes=SMALL)


def zip_of_zeros(path, method, declared=20 * SMALL):
    """Write a zip of 20 MB that declares another size."""
    with zipfile.ZipFile(path, "w", method) as writer:
        writer.writestr("table.dat", bytes(20 * SMALL))
    sizes = ((20 * SMALL).to_bytes(4, "little"), declared.to_bytes(4, "little"))
    path.write_bytes(path.read_bytes().replace(*sizes))
    tracemalloc.reset_peak()  # what was needed to write it
    return str(path)


def test_a_zip_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, flat_memory):
    message = refusal(tmp_path, zip_of_zeros(tmp_path / "table.zip", zipfile.ZIP_DEFLATED), max_bytes=SMALL)
    assert "it unpacks to 20000000 bytes, and data.max_bytes=1000000 is the most that is allowed" in message


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (zipfile.ZIP_DEFLATED, "it is a damaged or unreadable zip (Bad CRC-32"),
        (zipfile.ZIP_LZMA, "it is a zip that is not compressed by deflate"),
        (zipfile.ZIP_BZIP2, "it is a zip that is not compressed by deflate"),
    ],
)
def test_a_zip_that_declares_less_than_it_holds_is_not_unpacked(tmp_path, flat_memory, method, reason):
    source = zip_of_zeros(tmp_path / "table.zip", method, declared=1000)
    assert reason in refusal(tmp_path, source, max_bytes=SMALL)


def test_a_large_file_a_device_and_a_pipe_are_refused_unread(tmp_path, flat_memory):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(MUCH)
    os.mkfifo(tmp_path / "pipe")
    assert "it is larger than data.max_bytes=1000000 allows" in refusal(
        tmp_path, str(tmp_path / "sparse"), max_bytes=SMALL
    )
    for source in ("/dev/zero", "file:///dev/zero", str(tmp_path / "pipe")):
        assert "it is a folder or a device" in refusal(tmp_path, source)


# ---- the source that the user names


@pytest.mark.parametrize("kind", ["missing", "folder", "wrong hash", "HTML", "unreachable"])
def test_a_named_copy_that_cannot_be_used_is_an_error_and_nothing_else_is_tried(
    tmp_path, monkeypatch, server, unreachable, good_file, kind
):
    named = {"missing": str(tmp_path / "none.dat"), "folder": str(tmp_path), "unreachable": unreachable}.get(kind)
    if named is None:
        named = str(good_file)
        good_file.write_bytes(b"<html>" if kind == "HTML" else b"1\t2\t3\r\n")
    monkeypatch.setenv("AIRFOIL_DATA", named)
    other = server.url("/table.dat", sends(GOOD))
    message = refusal(tmp_path, named, other, on_unreachable="twin")
    assert message.startswith(f"AIRFOIL_DATA={named} cannot be used: ")
    assert server.requests == []


def test_the_configuration_puts_the_named_copy_first(monkeypatch):
    assert airfoil_config().sources[0] == ""
    monkeypatch.setenv("AIRFOIL_DATA", "~/airfoil.dat")
    assert airfoil_config().sources[0] == "~/airfoil.dat"
    assert airfoil_config().sha1 == REAL_SHA1


@needs_real_file
def test_the_real_file_is_taken_from_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFOIL_DATA", str(REAL_FILE))
    path = fetch(airfoil_config(), tmp_path)
    assert path.read_bytes() == REAL_FILE.read_bytes()
    assert provenance(path)["offline_twin"] is False
    assert "NASA RP-1218" in provenance(path)["credit"]


# ---- the offline twin


def test_where_no_source_answers_the_twin_stands_in_with_a_loud_warning(tmp_path, unreachable, capsys):
    path = fetch(airfoil_config(sources=[unreachable], retries=0), tmp_path)
    assert path.read_bytes() == twin_bytes()
    facts = provenance(path)
    assert (facts["name"], facts["offline_twin"]) == ("airfoil_twin", True)
    assert facts["sha1"] == hashlib.sha1(twin_bytes()).hexdigest()
    assert facts["title"].endswith("(offline twin)")
    assert facts["failed_sources"] == [f"{unreachable}: no connection could be made"]
    warning = capsys.readouterr().err
    assert "WARNING: OFFLINE TWIN" in warning
    assert len(warning.splitlines()) > 5
    for told in (f"{unreachable}: no connection could be made", str(path), "AIRFOIL_DATA", "data.on_unreachable=fail"):
        assert told in warning


def test_an_empty_list_of_sources_means_the_twin_and_needs_no_warning(tmp_path, capsys, caplog):
    caplog.set_level(logging.INFO)
    path = fetch(airfoil_config(name="airfoil_twin", sources=[]), tmp_path)
    assert provenance(path)["offline_twin"] is True
    assert capsys.readouterr().err == ""
    assert "offline twin" in caplog.text


def test_sources_that_are_all_empty_are_no_choice_of_the_twin(tmp_path, capsys):
    fetch(airfoil_config(sources=["", ""]), tmp_path)
    assert "no source is named" in capsys.readouterr().err


def test_fail_forbids_the_twin_even_where_no_source_is_named(tmp_path):
    assert "(none is named)" in refusal(tmp_path)


def test_another_table_has_no_twin(tmp_path):
    assert "it has no offline twin" in refusal(tmp_path, "no/such/file", on_unreachable="twin")


# ---- writing


def test_a_failed_write_leaves_the_former_files_and_nothing_else(good_file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    fetch(config(str(good_file), title="first"), out)
    monkeypatch.setattr("pipeline.fetch.download._provenance", lambda *_: {"not JSON": object()})
    with pytest.raises(TypeError):
        fetch(config(str(good_file), title="second"), out)
    assert sorted(entry.name for entry in out.iterdir()) == ["small.dat", "small.json"]
    assert provenance(out / "small.dat")["title"] == "first"


def test_an_output_folder_that_is_a_file_is_told_in_one_sentence(good_file):
    with pytest.raises(UserError, match="cannot be written"):
        fetch(config(str(good_file)), good_file)


# ---- the configuration and the exit status


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "a/b"}, "data.name='a/b' is not allowed"),
        ({"sha1": "123"}, "data.sha1='123' is not allowed: it must be made of 40 hexadecimal digits"),
        ({"rows_total": 0}, "data.rows_total=0 is not allowed"),
        ({"rows": 0}, "data.rows=0 is not allowed"),
        ({"rows": 1504}, "data.rows=1504 is not allowed: at most data.rows_total=1503"),
        ({"whiten": "standardise"}, "data.whiten=standardise is not allowed: choose one of none, standardize, zca"),
        ({"on_unreachable": "ignore"}, "data.on_unreachable=ignore is not allowed: choose one of fail, twin"),
        ({"timeout": 0}, "data.timeout=0.0 is not allowed"),
        ({"timeout": float("nan")}, "data.timeout=nan is not allowed"),
        ({"retries": -1}, "data.retries=-1 is not allowed"),
        ({"max_bytes": 0}, "data.max_bytes=0 is not allowed: it must be a whole number, at least 1"),
        (
            {"columns": [{"name": "x", "unit": "m"}, {"name": "x", "unit": "m"}]},
            "data.columns=['x', 'x'] is not allowed",
        ),
        ({"columns": [{"name": "x", "unit": "m"}]}, "data.columns=['x'] is not allowed"),
    ],
)
def test_a_value_out_of_range_is_refused_with_key_value_and_what_is_allowed(changes, told):
    with pytest.raises(UserError) as caught:
        airfoil_config(**changes)
    assert told in str(caught.value)


def test_a_users_mistake_is_one_line_and_exit_status_2(capsys):
    @exit_on_user_error()
    def main():
        raise UserError("lr=-1 is not allowed")

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: lr=-1 is not allowed\n"


def test_a_mistake_of_the_programs_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), exit_on_user_error():
        print(1 / 0)
