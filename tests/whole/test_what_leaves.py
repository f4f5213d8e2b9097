"""What leaves a node, as somebody sees it who listens to every packet.

No word that is rarer than --min-local-count, and none that is not in the list of --vocab.
"""

import socket
import struct
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path

import pytest
from support.daemons import Daemons, addresses, write_texts

ETH_P_ALL, ETH_P_IP, TCP = 3, 0x0800, 6
LEAST = 5
PLANTED = {f"planted{count}times{n}".encode(): count for count in range(1, 10) for n in range(5)}


class Listener:
    """`with Listener(ports) as heard:` collects what TCP carries over loopback from or to one of the ports."""

    def __init__(self, ports: set[int]) -> None:
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        except (AttributeError, PermissionError) as error:
            pytest.skip(f"packets cannot be looked at here: {error}")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._ports = ports
        self._parts: dict[tuple[bytes, ...], dict[int, bytes]] = defaultdict(dict)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def streams(self) -> list[bytes]:
        """Every direction of every connection, as bytes in order."""
        return [b"".join(part for _, part in sorted(parts.items())) for parts in self._parts.values()]

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                packet = self._socket.recv(1 << 17)
            except TimeoutError:
                continue
            self._take(packet[14:] if struct.unpack_from("!H", packet, 12)[0] == ETH_P_IP else b"")

    def _take(self, packet: bytes) -> None:
        if len(packet) < 40 or packet[9] != TCP:
            return
        segment = packet[4 * (packet[0] & 15) :]
        source, target, number = struct.unpack_from("!HHI", segment)
        if {source, target} & self._ports and (payload := segment[4 * (segment[12] >> 4) :]):
            self._parts[packet[12:20], segment[:4]].setdefault(number, payload)


def test_no_packet_holds_a_rare_word(tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2)
    with texts[0].open("ab") as file:
        file.writelines(b"%s here\n" % word for word, count in PLANTED.items() for _ in range(count))
    here, there = addresses(2)
    settings = {"min_local_count": LEAST, "min_count": 1, "min_peers": 1, "epochs": 1}
    with Listener({int(place.rpartition(":")[2]) for place in (here, there)}) as heard, Daemons(tmp_path) as swarm:
        one = swarm.start(texts[0], listen=here, peers=there, **settings)
        other = swarm.start(texts[1], listen=there, peers=here, **settings)
        assert swarm.ended() == [0, 0]
        words, theirs = one.model()[0], other.model()[0]
    sent = b"\n".join(heard.streams())
    assert {word for word in PLANTED if word in sent} == {word for word, count in PLANTED.items() if count >= LEAST}
    assert words == theirs
    assert set(PLANTED) & set(words) == {word for word, count in PLANTED.items() if count >= LEAST}
    assert _would_leave(texts[0], "--min-local-count", str(LEAST)) & set(PLANTED) == set(PLANTED) & set(words)


@pytest.mark.parametrize("counted", [False, True])
def test_no_packet_holds_a_word_that_is_not_listed(counted: bool, tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2, 500)
    listed, private = {word for word in PLANTED if word.endswith(b"1")}, {word for word in PLANTED if word[-1:] != b"1"}
    public = sorted(listed | set(texts[0].read_bytes().split()[:200]) | {b"in_no_text"})
    ends = [b" %d" % (len(public) - n) if counted else b"" for n in range(len(public))]
    (tmp_path / "list").write_bytes(b"".join(b"%b%b\n" % line for line in zip(public, ends, strict=True)))
    with texts[0].open("ab") as file:
        file.writelines(b"%s here\n" % word for word in PLANTED for _ in range(9))
    here, there = addresses(2)
    settings = {"vocab": tmp_path / "list", "min_count": 1, "min_peers": 1, "epochs": 1}
    with Listener({int(place.rpartition(":")[2]) for place in (here, there)}) as heard, Daemons(tmp_path) as swarm:
        one = swarm.start(texts[0], listen=here, peers=there, **settings)
        other = swarm.start(texts[1], listen=there, peers=here, **settings)
        assert swarm.ended() == [0, 0]
        words, theirs = one.model()[0], other.model()[0]
    sent = b"\n".join(heard.streams())
    assert not {word for word in private if word in sent}
    assert {word for word in listed if word in sent} == listed
    assert words == theirs
    assert set(words) == set(public) - (set() if counted else {b"in_no_text"})
    assert not counted or list(words) == public
    leaving = _would_leave(texts[0], "--vocab", str(tmp_path / "list"))
    assert leaving == (set() if counted else set(public) & set(texts[0].read_bytes().split()))


def test_a_node_without_the_list_is_turned_away_and_told_why(tmp_path: Path) -> None:
    texts, here = write_texts(tmp_path, 2, 300), addresses(1)[0]
    (tmp_path / "list").write_bytes(b"\n".join(set(texts[0].read_bytes().split())))
    with Daemons(tmp_path) as swarm:
        one = swarm.start(texts[0], listen=here, vocab=tmp_path / "list", peers="auto", until_complete=False)
        other = swarm.start(texts[1], peers=here, min_peers=1, until_complete=False)
        other.until(lambda status: status["refusals"].get("job"))
        other.says("another job: vocab is '[0-9a-f]{32}' there and None here")
        assert one.status()["vocabulary"] is None or one.status()["vocabulary"]["listed"]
        bad = swarm.start(texts[1], vocab=texts[1])
        assert bad.end() == 2
        assert "line 1: what follows the word is no count" in bad.log()


def test_the_words_of_standard_input_are_told_as_well() -> None:
    command = [sys.executable, "-m", "gossipw2v", "what-leaves", "--corpus", "-", "--lowercase", "--tokenize", r"\w+"]
    done = subprocess.run(command, input=b"One, one. Two!\n", capture_output=True, check=True)
    assert done.stdout == b"one\t2\ntwo\t1\n"


def _would_leave(text: Path, *flags: str) -> set[bytes]:
    command = [sys.executable, "-m", "gossipw2v", "what-leaves", "--corpus", text, *flags]
    done = subprocess.run(command, capture_output=True, check=True)
    assert b"would leave this node" in done.stderr
    return {line.split(b"\t")[0] for line in done.stdout.splitlines()}
