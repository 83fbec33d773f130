"""Real stores for the tests: PostgreSQL and an MLflow server, on loopback, started, stopped and started again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

#: Nothing that a URI leaves as it is; the tests look for it, raw and quoted, in all that was written.
PASSWORD = "s3cr3t:p@ss/w0rd"
SECRETS = (PASSWORD, quote(PASSWORD, safe=""), "p@ss/w0rd", "s3cr3t")


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def postgres_programs():
    """The folder of PostgreSQL's server programs, which Debian keeps off the path; skips where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    return (found[-1] if found else Path(on_path)).parent


class Postgres:
    """A PostgreSQL cluster of its own in a temporary folder; it refuses to be root, so root lends it a user."""

    def __init__(self):
        self._bin = postgres_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._as = {}
        if os.getuid() == 0:
            user = next(
                (name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()}), None
            )
            if user is None:
                pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
            entry = pwd.getpwnam(user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.port = free_port()
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb",
            "-D",
            self.data,
            "-U",
            "ada",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
            "--no-sync",
        )
        secret.unlink()
        self.start()

    @property
    def data(self):
        return self.folder / "data"

    @property
    def uri(self):
        return f"postgresql://ada:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres"

    def _run(self, program, *arguments, **environment):
        subprocess.run(
            [self._bin / program, *map(str, arguments)],
            check=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment},
            stdout=subprocess.DEVNULL,  # a pipe would stay open in the server
            stderr=subprocess.DEVNULL,
            **self._as,
        )

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "120", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode="immediate"):
        """Stop; ``immediate`` is as good as a power cut."""
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "120", "-m", mode, "stop")

    def query(self, text):
        import psycopg2

        connection = psycopg2.connect(self.uri)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall()
        finally:
            connection.close()

    def dump(self):
        """All that is in it, as text."""
        out = self.folder / "dump.sql"
        self._run("pg_dump", "-d", self.uri, "-f", out)
        return out.read_text()

    def close(self):
        if (self.data / "postmaster.pid").exists():
            self.stop("fast")
        shutil.rmtree(self.folder)


class Server:
    """``mlflow server`` in front of a database."""

    def __init__(self, folder, backend):
        self._folder, self._backend = folder, backend
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self._backend, "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                # Without the processes for jobs that nothing here gives it.
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "server.log").read_text()[-4000:]
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.3)
        raise AssertionError("the MLflow server does not answer")

    def stop(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self):
        if self._process.poll() is None:
            self.stop()
