"""Text behind URLs: a real S3 server, and web servers that know ranges, do not, break off, forbid and change."""

import importlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support.daemons import Daemons, write_texts

from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding import find as find_module
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.finding.find import find, find_files
from gossipw2v.w2v.text.sources import remote
from gossipw2v.w2v.text.sources.form import PARQUET, PLAIN, Form
from gossipw2v.w2v.text.sources.remote import Remote, shown
from gossipw2v.w2v.text.sources.spool import Spool
from gossipw2v.w2v.text.vocab import count_words

TEXT = b"one two two three three three\n" * 20_000
COUNTS = {b"one": 20_000, b"two": 40_000, b"three": 60_000}
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
SMALL_RANGE = 100_000


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, str]]:
    """A client of a server on loopback that has a bucket `texts`, and where it is."""
    import boto3  # here, since every process of the tests collects all of them
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    place = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=place, **keys)
    client.create_bucket(Bucket="texts")
    yield client, place
    client.close()
    server.stop()


@pytest.fixture
def bucket(s3: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client; the environment leads to the server, and each test has its own folder of the bucket."""
    client, place = s3
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": place}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "RANGE_BYTES", SMALL_RANGE)
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01, 0.01))
    return client


def put(client: Any, key: str, data: bytes) -> None:
    client.put_object(Bucket="texts", Key=key, Body=data)


def counted(files: Any, form: Form = PLAIN) -> dict[bytes, int]:
    counts = count_words(files, TextReader(2, form=form))
    return dict(zip(counts.words, counts.counts.tolist(), strict=True))


def test_objects_of_a_bucket_are_listed_and_read_in_ranges(bucket: Any) -> None:
    put(bucket, "list/b.txt", TEXT)
    put(bucket, "list/a/1.txt.zst", zstandard.compress(TEXT))
    put(bucket, "list/a/.hidden", TEXT)
    put(bucket, "list/c.txt~", TEXT)
    put(bucket, "list/_SUCCESS", b"")
    found = find(["s3://texts/list"])
    assert [str(one) for one in found.files] == ["s3://texts/list/a/1.txt.zst", "s3://texts/list/b.txt"]
    assert len(found.passed_over) == 3
    assert counted(found.files) == {word: 2 * count for word, count in COUNTS.items()}
    assert [str(one) for one in find(["s3://texts/list/*.txt"]).files] == ["s3://texts/list/b.txt"]
    assert [str(one) for one in find(["s3://texts/list/b.txt"]).files] == ["s3://texts/list/b.txt"]


def test_ranges_that_are_fetched_ahead_come_in_their_order(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"".join(b"%d\n" % n for n in range(100_000))
    put(bucket, "ordered", text)
    (found,) = find(["s3://texts/ordered"]).files
    assert isinstance(found, Remote)
    asked: list[int] = []
    fetched = remote._fetched
    monkeypatch.setattr(remote, "_fetched", lambda one, start: (asked.append(start), fetched(one, start))[1])
    with remote.opened(found) as file:
        assert file.read() == text
        assert sorted(asked) == list(range(0, len(text), SMALL_RANGE))
        file.seek(150_000)
        assert file.read(300_000) == text[150_000:450_000]
        file.seek(-10, 2)
        assert file.read() == text[-10:]


def test_parquet_in_a_bucket(bucket: Any, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"id": range(5000), "text": ["one two"] * 5000}), path, row_group_size=1000)
    put(bucket, "tables/1.parquet", path.read_bytes())
    form = Form(kind=PARQUET, field="text")
    assert counted(find(["s3://texts/tables/"], form).files, form) == {b"one": 5000, b"two": 5000}


def test_parquet_that_vanishes_while_it_is_read_is_named(bucket: Any, tmp_path: Path) -> None:
    path, form = tmp_path / "table.parquet", Form(kind=PARQUET, field="text")
    pq.write_table(pa.table({"text": [f"{n} {n * n}" for n in range(200_000)]}), path, row_group_size=10_000)
    put(bucket, "vanishing", path.read_bytes())
    files = find(["s3://texts/vanishing"], form).files

    def vanished(_: int, __: int) -> None:
        bucket.delete_object(Bucket="texts", Key="vanishing")

    with pytest.raises(CorpusError, match="s3://texts/vanishing: there is nothing of that name"):
        count_words(files, TextReader(1, vanished, block_bytes=50_000, form=form))


def test_of_many_objects_only_some_are_looked_into_before_they_are_read(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_module, "MOST_LOOKED_AT", 2)
    for n in range(3):
        put(bucket, f"many/{n}", b"one two\n")
    put(bucket, "many/3", b"PK\3\4")
    found = find(["s3://texts/many"]).files
    assert len(found) == 4
    with pytest.raises(CorpusError, match="s3://texts/many/3: is a zip archive"):
        counted(found)


def test_the_digest_changes_with_an_object(bucket: Any) -> None:
    put(bucket, "digest", TEXT)
    before = corpus_digest(find(["s3://texts/digest"]).files)
    assert corpus_digest(find(["s3://texts/digest"]).files) == before
    put(bucket, "digest", TEXT[::-1])
    assert corpus_digest(find(["s3://texts/digest"]).files) != before


def test_an_object_that_changes_or_vanishes_is_named(bucket: Any) -> None:
    put(bucket, "changing", TEXT)
    files = find(["s3://texts/changing"]).files
    put(bucket, "changing", TEXT[::-1])
    with pytest.raises(CorpusError, match="s3://texts/changing: has changed since it was found"):
        counted(files)
    bucket.delete_object(Bucket="texts", Key="changing")
    with pytest.raises(CorpusError, match="s3://texts/changing: there is nothing of that name"):
        counted(files)
    for url in ("s3://texts/changing", "s3://nowhere/text"):
        with pytest.raises(CorpusError, match=f"{url}: there is nothing of that name"):
            find([url])


def test_an_object_that_changes_while_it_is_read_is_named(bucket: Any) -> None:
    put(bucket, "midway", TEXT)
    files = find(["s3://texts/midway"]).files

    def replaced(done: int, _: int) -> None:
        if 200_000 < done < 400_000:
            put(bucket, "midway", TEXT[::-1])

    with pytest.raises(CorpusError, match="s3://texts/midway: has changed since it was found"):
        count_words(files, TextReader(1, replaced, block_bytes=50_000))


def test_a_place_that_nobody_knows_is_named() -> None:
    with pytest.raises(CorpusError, match="gopher://host/a: cannot be read: the URLs that can are s3://"):
        find(["gopher://host/a"])


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    remote._connected.cache_clear()
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "s3", raising=False)
    for module in ("s3fs", "fsspec.core"):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(CorpusError, match=r"s3://texts/a: text behind s3://.*: pip install 'gossipw2v\[data\]'"):
            find(["s3://texts/a"])


# -- web servers ----------------------------------------------------------------------------------------------


class Site:
    """A web server on loopback: what it has, and how it behaves."""

    def __init__(self) -> None:
        self.pages = {"/text": TEXT}
        self.ranges = True
        self.versions = True
        self.lengths = True
        self.status: int | None = None
        self.breaks = 0  # answers that are still to be broken off
        self.asked: list[tuple[str, str]] = []  # method, and range
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                site.answer(self, False)

            def do_GET(self) -> None:
                site.answer(self, True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/text"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append((request.command, wanted))
        data = self.pages.get(request.path.partition("?")[0])
        status = self.status or (200 if data is not None else 404)
        if status != 200 or data is None:
            request.send_error(status)
            return
        if self.ranges and (part := re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)):
            first, last = int(part[1]), min(int(part[2]), len(data) - 1)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        else:
            request.send_response(200)
        if self.versions:
            request.send_header("ETag", f'"{hash(self.pages[request.path.partition("?")[0]])}"')
        if self.lengths:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if body and self.breaks and len(data) > 1:
            self.breaks -= 1
            request.wfile.write(data[: len(data) // 2])
            request.close_connection = True
        elif body:
            request.wfile.write(data)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(remote, "RANGE_BYTES", SMALL_RANGE)
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01, 0.01))
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_what_a_web_server_gives_in_ranges_is_read_in_ranges(site: Site) -> None:
    (found,) = find([site.url]).files
    assert isinstance(found, Remote)
    site.asked.clear()
    assert counted([found]) == COUNTS
    assert len([wanted for _, wanted in site.asked if wanted]) >= len(TEXT) // SMALL_RANGE


@pytest.mark.parametrize("lacks", ["ranges", "versions", "lengths"])
def test_what_cannot_be_sought_in_is_kept_once(site: Site, lacks: str, tmp_path: Path) -> None:
    setattr(site, lacks, False)
    with pytest.raises(CorpusError, match="text: can be read but once"):
        find_files([site.url])
    (found,) = find([site.url], spool=Spool(tmp_path)).files
    assert isinstance(found, Path)
    assert found.read_bytes() == TEXT
    site.server.shutdown()
    assert counted([found]) == COUNTS


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_asked_again_and_not_for_ever(site: Site, ranges: bool, tmp_path: Path) -> None:
    site.ranges = ranges

    def read(folder: str) -> dict[bytes, int]:
        return counted(find([site.url], spool=Spool(tmp_path / folder)).files)

    site.breaks = 2
    assert read("1") == COUNTS
    site.breaks = 1000
    with pytest.raises(CorpusError, match=r"http://127.0.0.1:\d+/text: cannot be read, 4 times: "):
        read("2")
    assert not any((tmp_path / "2").glob("*")) or not list((tmp_path / "2").glob("*.spool"))


@pytest.mark.parametrize(
    ("status", "why"),
    [(403, "may not be read .HTTP status 403"), (404, "nothing of that name"), (503, "4 times: HTTP status 503")],
)
def test_what_a_server_says_is_told(site: Site, status: int, why: str) -> None:
    site.status = status
    with pytest.raises(CorpusError, match=f"{site.url}: .*{why}"):
        find([site.url])


def test_a_server_that_nobody_reaches_is_named(site: Site) -> None:
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(CorpusError, match=f"{site.url}: cannot be read, 4 times: .*[Cc]onnect"):
        find([site.url])


def test_secrets_of_a_url_are_never_shown(site: Site) -> None:
    assert shown("https://user:secret@host/a?X-Signature=secret") == "https://host/a"
    assert shown("a/?.txt") == "a/?.txt"
    site.pages["/text"] = b""
    site.ranges = site.lengths = True
    with pytest.raises(CorpusError, match="no text found in 'http") as error:
        find([f"{site.url}?signature=secret"])
    assert "secret" not in str(error.value)
    site.status = 403
    with pytest.raises(CorpusError) as error:
        find([f"{site.url}?signature=secret"])
    assert "secret" not in str(error.value)
    told = remote._reason(OSError("https://me:secret@host/a?key=secret failed (http://host/b?sig=secret)"))
    assert told == "OSError: https://host/a failed (http://host/b)"


def test_an_object_that_may_not_be_read_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.status = 403
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": site.url.removesuffix("/text")}.items():
        monkeypatch.setenv(name, value)
    forget_connections()
    with pytest.raises(CorpusError, match=r"s3://texts/a: may not be read \(PermissionError.*: look for the keys"):
        find(["s3://texts/a"])
    forget_connections()


def test_missing_keys_are_told_at_once(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote, "PAUSES", (1000.0,))
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.url.removesuffix("/text"))
    forget_connections()
    with pytest.raises(CorpusError, match=r"s3://texts/a: may not be read \(NoCredentialsError.*: look for the keys"):
        find(["s3://texts/a"])
    forget_connections()


def forget_connections() -> None:
    """Connect anew: fsspec keeps one connection for all of S3."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    remote._connected.cache_clear()


def test_a_server_that_never_answers_keeps_no_node_from_stopping(tmp_path: Path) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/text"
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(CorpusError, match=f"{url}: was not read to its end, since the node was told to stop"):
            find([url], spool=Spool(tmp_path, stop.is_set))


# -- a node ---------------------------------------------------------------------------------------------------


def test_a_node_trains_on_text_in_a_bucket(bucket: Any, tmp_path: Path) -> None:
    (text,) = write_texts(tmp_path, 1, 2000)
    put(bucket, "node/text", text.read_bytes())
    with Daemons(tmp_path) as swarm:
        local, distant = swarm.start(text), swarm.start("s3://texts/node/text")  # type: ignore[arg-type]
        assert swarm.ended() == [0, 0]
        words, weights, _ = local.model()
        others, same, _ = distant.model()
    assert words == others
    assert (same == weights).all()
