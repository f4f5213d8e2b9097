#!/usr/bin/env python3
"""Searches for bytes that break what strangers' bytes reach: frames, deltas, files, records, configuration.

    pip install --editable '.[dev,fuzz]'       # atheris: libFuzzer for Python
    tools/fuzz.py --minutes 24                 # all targets, two at a time, processor minutes in all
    tools/fuzz.py wire,handshake --minutes 5   # some
    tools/fuzz.py wire PATH                    # run one input

Every target works in a process of its own with bounded memory; an exception, a broken promise or more than 100 ms for
an input is a finding. What is found stays in `--found`, what reaches new code in `--corpus`. Copy findings to
`tests/fuzz/TARGET/`, where the tests replay them for ever.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
MEMORY = 512 << 20  # bytes that a target may take beyond what its process has when it begins


def search(name: str, corpus: Path, found: Path, seconds: int) -> None:
    """Look for so many seconds of processor time, in this process, which then ends."""
    import atheris

    with atheris.instrument_imports(include=["gossipw2v"]):
        import gossipw2v.delta  # noqa: F401 - before others import it as it is
    for path in sorted((TESTS.parent / "gossipw2v" / "w2v").glob("**/*.py")):
        if "from numba" in path.read_text():  # what is compiled must not be instrumented
            importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))

    with atheris.instrument_imports(include=["gossipw2v", "msgpack"]):
        from support import fuzz_targets
    for number, data in enumerate(fuzz_targets.seeds()[name]):
        fuzz_targets.check(name, data)  # whatever is compiled is compiled now
        (corpus / f"seed{number}").write_bytes(data)
    _bound_memory()
    report = found / f"{name}.json"
    state: dict[str, float] = {"inputs": 0, "slowest_ms": 0.0, "peak_mib": 0, "cpu_seconds": 0}

    def once(data: bytes) -> None:
        state["inputs"] += 1
        state["slowest_ms"] = max(state["slowest_ms"], 1000 * fuzz_targets.check(name, data))
        if state["inputs"] % 500 == 0:
            state["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            state["cpu_seconds"] = time.process_time()
            report.write_text(json.dumps(state))
            if state["cpu_seconds"] >= seconds:
                os._exit(0)  # atheris knows no other end but a finding

    # By the wall clock, which on a busy machine says little; `check` looks at the processor's.
    options = [f"-artifact_prefix={found}/{name}-", "-timeout=120", "-report_slow_units=120"]
    limits = [f"-rss_limit_mb={_resident() + MEMORY >> 20}", "-max_len=4096", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, *limits, str(corpus), str(TESTS / "fuzz" / name)], once)
    atheris.Fuzz()


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def run_all(names: list[str], corpus: Path, found: Path, minutes: float) -> int:
    """Two processes at a time; returns how many findings there are, and targets that did not begin."""
    each = max(1, round(60 * minutes / len(names)))
    waiting, running = list(names), []
    while waiting or running:
        while waiting and len(running) < 2:
            name = waiting.pop(0)
            folder = corpus / name
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, __file__, name, "--seconds", str(each), "--corpus", folder, "--found", found]
            log = (found / f"{name}.log").open("wb")
            running.append(subprocess.Popen([str(part) for part in command], stdout=log, stderr=log))
        running = [process for process in running if process.poll() is None]
        time.sleep(0.2)
    return tell(names, found)


def tell(names: list[str], found: Path) -> int:
    """Print what was run and found; returns how much of it is not as it should be."""
    findings = [path for path in found.iterdir() if path.is_file() and path.suffix not in (".json", ".log")]
    for name in names:
        path = found / f"{name}.json"
        state = json.loads(path.read_text()) if path.exists() else {}
        print(f"{name:15}", ", ".join(f"{key} {value:,.0f}" for key, value in state.items()) or "did not begin")
    for path in findings:
        print(f"found: {path}")
    silent = [name for name in names if not (found / f"{name}.json").exists()]
    print(f"{len(findings)} findings; logs in {found}")
    return len(findings) + len(silent)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", default="all")
    parser.add_argument("input", nargs="?", type=Path, help="run this file once")
    parser.add_argument("--minutes", type=float, default=24.0, help="of processor time, over all targets")
    parser.add_argument("--corpus", type=Path, help="where inputs that reach new code are kept")
    parser.add_argument("--found", type=Path, help="where findings are kept")
    parser.add_argument("--seconds", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    if args.seconds:
        return search(args.target, args.corpus, args.found, args.seconds) or 0
    if args.input:
        from support import fuzz_targets

        print(f"{1000 * fuzz_targets.check(args.target, args.input.read_bytes()):.1f} ms")
        return 0
    known = [path.name for path in sorted((TESTS / "fuzz").iterdir())]
    names = known if args.target == "all" else args.target.split(",")
    found = args.found or Path(tempfile.mkdtemp(prefix="found-"))
    found.mkdir(parents=True, exist_ok=True)
    return min(1, run_all(names, args.corpus or found / "corpus", found, args.minutes))


if __name__ == "__main__":
    sys.exit(main())
