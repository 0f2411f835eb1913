"""The dashboard as people run it, on this machine only: its start, and what it needs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import REPO

START_S = 60
MB = 2**20


@contextmanager
def serve() -> Iterator[tuple[str, int]]:
    """Run the dashboard on this machine; give its host with the port, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", host.partition(":")[2], "--server.address", "127.0.0.1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=REPO, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(process, host)
            yield host, process.pid
        finally:
            process.terminate()
            process.wait()
        log.seek(0)
        text = log.read().decode(errors="replace")
        if "Traceback" in text:
            print(f"The server's log has a traceback:\n{text[-3000:]}", file=sys.stderr)


def wait_for(process: subprocess.Popen[bytes], host: str) -> None:
    for _ in range(START_S * 4):
        try:
            with urllib.request.urlopen(f"http://{host}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
        if process.poll() is not None:
            break
    sys.exit("The dashboard did not start.")


def resident_mb(process: int) -> float:
    """Return the memory that a process has in use; 0 where the system does not tell."""
    file = Path(f"/proc/{process}/statm")
    if not file.is_file():
        return 0.0
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def busy_seconds(process: int) -> float:
    """Return the seconds of processor time that a process has had; 0 if unknown."""
    file = Path(f"/proc/{process}/stat")
    if not file.is_file():
        return 0.0
    fields = file.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
