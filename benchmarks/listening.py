"""`python -m benchmarks.listening [--rounds N]`: seconds from the command `sfumato studio` to its address on the
terminal, and to its first answer; the fastest and the median of the rounds after one that warms up."""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request


def listening(folder: str) -> tuple[float, float]:
    began = time.perf_counter()
    words = [sys.executable, "-m", "sfumato", "studio", "--no-open", "--port", "0", "--runs", folder]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().partition("#")[0]
        said = time.perf_counter() - began
        with urllib.request.urlopen(address, timeout=60) as page:
            page.read()
        answered = time.perf_counter() - began
        process.terminate()
    return said, answered


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listening", description="From the command to the page.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        listening(folder)
        seconds = [listening(folder) for _ in range(rounds)]
    for name, each in zip(("address", "answer"), zip(*seconds, strict=True), strict=True):
        print(f"{name}: fastest {min(each):.2f} s, median {statistics.median(each):.2f} s")


if __name__ == "__main__":
    main()
