"""A Slurm cluster of one node on this machine, for as long as the tests want it.

Real daemons (munged, slurmctld, slurmd) with a configuration, keys, ports and folders of their own, on the loopback
interface only. Nothing outside its folder is written, and a Slurm that the machine may have is not touched.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

#: What must be installed; Debian: slurm-wlm and munge.
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "setpriv")
#: So that nothing outlives tests that are killed. Not a signal to think about: Snakemake would wait for its jobs.
WITH_US = ("setpriv", "--pdeathsig", "KILL")
_SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

#: Cores and GPUs that Slurm is told of. There may be fewer: the tests are about who is given what, not about speed.
CORES = 4
GPUS = 2

CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
# Loopback only: the daemons listen on the addresses that are named here, and on no other.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
# The daemons run as whoever runs the tests, and so do the jobs.
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
# Containers have no systemd and often no cgroups.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
# No accounting database: an ended job's state is read from the controller, which remembers it for MinJobAge seconds.
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=600
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MessageTimeout=60
SlurmdTimeout=600
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cores} RealMemory=16000 Gres=gpu:{gpus}
PartitionName=lab Nodes=node Default=YES MaxTime=INFINITE State=UP
"""
#: Any device files do: Slurm counts them, allocates them, and sets CUDA_VISIBLE_DEVICES.
DEVICES = ("/dev/null", "/dev/zero")


def why_not():
    """Why no Slurm can be started here; empty where one can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_SBIN) is None]
    return (
        f"Slurm is not installed: no {', '.join(missing)} (Debian: apt-get install slurm-wlm munge)" if missing else ""
    )


class SlurmNode:
    """A running cluster.

    Parameters
    ----------
    folder : Path
        Everything of it: configuration, key, state, logs. Its path must be short, because a socket lies there.
    """

    def __init__(self, folder):
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.logs = folder / "log"

    @property
    def environment(self):
        """What a command needs to speak to this cluster."""
        path = os.pathsep.join([str(self.folder / "bin"), _SBIN])
        return {"SLURM_CONF": str(self.conf), "PATH": path}

    def ask(self, *command):
        """Run one of Slurm's commands and return what it says."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def jobs(self):
        """Every job that the controller remembers: number to the fields of ``scontrol show job``."""
        shown = self.ask("scontrol", "--oneliner", "--details", "show", "job")
        jobs = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in shown.splitlines()]
        return {int(job["JobId"]): job for job in jobs if "JobId" in job}

    def is_drained(self):
        """Whether the node takes no jobs."""
        return "DRAIN" in self.ask("scontrol", "--oneliner", "show", "node", "node").split("State=")[1].split()[0]

    def wait_for(self, condition, what, seconds=300):
        """Wait until a condition of the jobs is met, and return what it returns."""
        deadline = time.monotonic() + seconds
        while True:
            jobs = self.jobs()
            found = condition(jobs)
            if found:
                return found
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s; {jobs}"
            time.sleep(0.2)


@contextmanager
def running(folder):
    """Set up a cluster in a folder, and tear it down.

    Yields
    ------
    SlurmNode
    """
    node = SlurmNode(folder)
    _write(node)
    daemons = []
    try:
        daemons.append(_daemon(node, "munged", *_munge_options(folder)))
        _until(lambda: (folder / "munge.socket").exists(), node, "munged did not open its socket")
        daemons.append(_daemon(node, "slurmctld", "-D"))
        daemons.append(_daemon(node, "slurmd", "-D", "-N", "node"))
        _until(lambda: _is_idle(node), node, "the node did not become idle")
        yield node
    finally:
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in daemons:
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _write(node):
    folder = node.folder
    for name in ("state", "spool", "log", "bin"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)  # munged refuses a socket where others may write
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    ports = _free_ports()
    node.conf.write_text(
        CONFIGURATION.format(
            folder=folder,
            user=getpass.getuser(),
            host=socket.gethostname(),
            controller_port=ports[0],
            node_port=ports[1],
            cores=CORES,
            gpus=GPUS,
        )
    )
    (folder / "gres.conf").write_text("".join(f"Name=gpu File={device}\n" for device in DEVICES))
    # Inside a job the plugin calls srun with a clean environment, which finds a real cluster's configuration in
    # /etc/slurm; this one's lies elsewhere.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={node.conf} exec {shutil.which("srun", path=_SBIN)} "$@"\n')
    srun.chmod(0o755)


def _free_ports():
    """Two free ports; held together, so that they differ."""
    with socket.socket() as one, socket.socket() as other:
        for found in (one, other):
            found.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _munge_options(folder):
    return (
        "--foreground",
        "--force",  # it would rather not be root
        f"--socket={folder}/munge.socket",
        f"--key-file={folder}/munge.key",
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/log/munged.log",
        f"--seed-file={folder}/munge.seed",
    )


def _daemon(node, program, *options):
    """Start a daemon in the foreground of its own session, so that it can be waited for."""
    with (node.logs / f"{program}.out").open("wb") as out:
        return subprocess.Popen(
            [*WITH_US, shutil.which(program, path=_SBIN), *options],
            env={**os.environ, "SLURM_CONF": str(node.conf)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_idle(node):
    asked = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"],
        env={**os.environ, **node.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() == "idle"


def _until(condition, node, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        said = "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(Path(node.logs).iterdir()))
        assert time.monotonic() < deadline, f"{what} within {seconds} s\n{said}"
        time.sleep(0.1)
