"""A program that runs, with its ranks: starts it, waits for a moment, sends the signal, sees that nobody stays."""
import os
import re
import signal
import subprocess
import threading
import time

LIMIT_S = 180  # only ends what hangs


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def family(pid):
    """`pid` and all that it started, parents first."""
    found = [pid]
    for task in (os.listdir(f"/proc/{pid}/task") if os.path.isdir(f"/proc/{pid}/task") else []):
        for child in _read(f"/proc/{pid}/task/{task}/children").split():
            found += family(int(child))
    return found


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def workers(folder):
    """Living processes that work in `folder`, whoever their parents are."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            at = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        dead = re.search(rb"^State:\s+[ZX]", _read(f"/proc/{name}/status"), re.M)
        if (at == folder or at.startswith(folder + "/")) and not dead:
            found.append(int(name))
    return found


def end_all(folder):
    for pid in workers(folder):
        send(pid, signal.SIGKILL)


class Job:
    def __init__(self, command, folder, env=None, before=None):
        self.lines, self._said = [], threading.Condition()
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env, preexec_fn=before)
        self.folder = folder
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    def _read_output(self):
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._said.notify_all()

    @property
    def output(self):
        return "\n".join(self.lines)

    def wait_for_line(self, pattern):
        """False when it ends without one."""
        wanted, seen, until = re.compile(pattern), 0, time.monotonic() + LIMIT_S
        with self._said:
            while True:
                for line in self.lines[seen:]:
                    if wanted.search(line):
                        return True
                seen = len(self.lines)
                if not self._reader.is_alive() or time.monotonic() > until:
                    return False
                self._said.wait(0.05)

    def wait_for_file(self, pattern):
        """A pattern of the last part of a path; the folder above it is a plain name."""
        above, _, last = pattern.rpartition("/")
        wanted, until = re.compile(last), time.monotonic() + LIMIT_S
        above = os.path.join(self.folder, above)
        while time.monotonic() < until:
            ended = self.process.poll() is not None
            try:
                if any(wanted.fullmatch(name) for name in os.listdir(above)):
                    return True
            except OSError:
                pass  # not there yet
            if ended:
                return False
            time.sleep(0.0002)
        return False

    def ranks(self):
        """Processes of the program itself: children of mpirun, or the one that there is."""
        for pid in family(self.process.pid):
            if _read(f"/proc/{pid}/comm").strip() in (b"mpirun", b"orterun"):
                return family(pid)[1:]
        return [self.process.pid]

    def signal(self, how, draw):
        """`how`: see kills.SIGNALS; `draw` chooses the rank."""
        pid = self.process.pid
        if how == "KILL rank":
            ranks = self.ranks() or [pid]
            send(ranks[draw % len(ranks)], signal.SIGKILL)
        elif how == "KILL all":
            everyone = family(pid)
            for member in everyone:  # stopped first: none starts another while the list is made
                send(member, signal.SIGSTOP)
            for member in set(everyone + family(pid)):
                send(member, signal.SIGKILL)
        else:
            send(pid, getattr(signal, "SIG" + how.split()[0]))

    def finish(self, limit_s=LIMIT_S):
        """The exit code, when all of its processes are gone; None when they had to be killed. -9: by signal 9."""
        until, code = time.monotonic() + limit_s, None
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            pass
        while workers(self.folder) and time.monotonic() < until:
            time.sleep(0.01)
        stayed = workers(self.folder)
        for pid in stayed:
            send(pid, signal.SIGKILL)
        self._reader.join(10)
        if code is None:
            self.process.wait()
        return None if stayed else code


def run(command, folder, env=None, before=None, limit_s=LIMIT_S):
    """(exit code, output) of a command that nobody disturbs."""
    job = Job(command, folder, env, before)
    code = job.finish(limit_s)
    return code, job.output
