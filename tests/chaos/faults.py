"""File systems that fail under a short run, at every point where it changes a file: README.md beside this file."""
import collections
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import ends
import session
from job import Job, run
from kills import Ends, draw
from programs import HERE, PROGRAMS, Program

# Of a training as short as it can be and still write every kind of file.
_SHORT = {"--max-steps": "3", "--eval-steps": "2", "--save-steps": "2", "--state-steps": "1",
          "--num_sequences": "8", "--shard_size": "4"}
SPACE = ("write", "pwrite", "writev", "fwrite", "fflush", "sendfile", "ftruncate", "open", "fopen", "mkdir", "link")
# name/program/number; `fault` is FAULTY_IO, or a number of bytes
Case = collections.namedtuple("Case", "kind program number what fault ranks")


def shortened(program):
    words = list(program.words)
    for flag, value in _SHORT.items():
        if flag in words:
            words[words.index(flag) + 1] = value
    return Program(program.name, words, {}, training=program.training, limits=program.limits)


SHORT = {name: shortened(PROGRAMS[name]) for name in ("train-scratch", "precompute", "snap", "init")}


class Skipped(Exception):
    pass


class Library:
    """faulty_io.c, compiled when it is first needed."""

    def __init__(self, work):
        self.work, self.path = work, None

    def environment(self, fault, folder, trace=None):
        if self.path is None:
            compiler = shutil.which("gcc") or shutil.which("cc")
            if compiler is None:
                raise Skipped("there is no C compiler")
            path = os.path.join(self.work, "faulty_io.so")
            done = subprocess.run([compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", path,
                                   os.path.join(HERE, "faulty_io.c"), "-ldl"], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"error: faulty_io.c does not compile\n{done.stderr}\n  hint: mend it")
            if done.stderr:
                print(done.stderr)
            self.path = path
        env = dict(os.environ, LD_PRELOAD=self.path, FAULTY_IO=fault, FAULTY_IO_FOLDER=folder,
                   FAULTY_IO_COUNT=folder + ".count")
        if trace:
            env["FAULTY_IO_TRACE"] = trace
        return env


def points(program, library, work):
    """(number, operation, path) of each point of a run on one rank."""
    folder = os.path.join(work, "count_" + program.name)
    os.mkdir(folder)
    trace = folder + ".trace"
    code, output = run(program.command(1), folder, library.environment("count", folder, trace))
    if code != 0:
        raise SystemExit(f"error: {program.name} ends with {code} when its writes are counted\n{output}\n  hint: mend that first")
    with open(trace, encoding="utf-8") as file:
        return [(int(n), operation, path) for n, operation, path in (line.rstrip("\n").split(" ", 2) for line in file)]


def form_of(operation, path):
    """What a point does, whatever step, shard or process it does it for."""
    return operation, re.sub(r"[0-9a-f]{16}|\d+", "#", path)


def cases(library, work, seed, every, only):
    for name, program in SHORT.items():
        if not name.startswith(only.split("/")[1] if "/" in only else ""):
            continue
        found = []
        if not only.startswith(("fsize", "disk", "remount")):  # these do without it
            found = points(program, library, work)
            print(f"{name}: {len(found)} points", flush=True)
        forms = set()
        for place, (n, operation, path) in enumerate(found):
            what = f"{operation} {path}"
            is_new = form_of(operation, path) not in forms
            forms.add(form_of(operation, path))
            if place % every == seed % every:
                yield Case("write" if operation in SPACE else "io", name, n, what,
                           f"full:{n}" if operation in SPACE else f"io:{n}", 1)
                yield Case("kill", name, n, what, f"kill:{n}", 1)
            # All kinds where a form is first met; of those that follow one in six.
            if is_new and len(forms) % every == seed % every or place % (6 * every) == draw(seed, place, "kind", 6):
                yield Case("readonly", name, n, what, f"readonly:{n}", 1)
                yield Case("quota", name, n, what, f"quota:{n}", 1)
                ranks = 1 if name == "snap" else 2
                yield Case("hang", name, n, what, f"hang:{n}:1500", ranks)
                yield Case("stop-in-hang", name, n, what, f"hang:{n}:1500", ranks)
                if ranks > 1:
                    yield Case("kill-of-two", name, n, what, f"kill:{n}", ranks)
            if is_new and SHORT[name].limits and len(forms) % (6 * every) == seed % 6:
                yield Case("stuck", name, n, what, f"hang:{n}:600000", 2)
        for kind, fault in (("short", "short:1"), ("interrupt", "interrupt:1"), ("slow", "slow:1:8")):
            yield Case(kind, name, 1, "all", fault, 1)
        for place in range(0, 12, every):
            size = 1 << (10 + place)
            yield Case("fsize", name, size, "", size, 1)
            yield Case("disk", name, size * 2, "", size * 2, 1)
        yield Case("remount", name, 1, "", "", 1)


def mounted(folder, options):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skipped("mount: " + (done.stderr.strip().splitlines() or ["no reason"])[-1])


def remount(folder, options):
    return subprocess.run(["mount", "-o", "remount," + options, folder], capture_output=True, check=False).returncode == 0


def limited(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def disturbed(case, program, library, folder):
    """(exit code, output) of the run with the fault."""
    command = program.command(case.ranks)
    if case.kind == "stuck":
        return run([*command, *program.limits], folder, library.environment(case.fault, folder))
    if case.kind == "fsize":
        # MPI must do without its own large files.
        env = dict(os.environ, PMIX_MCA_gds="hash", OMPI_MCA_btl="self")
        return run(command, folder, env, lambda: limited(case.fault))
    if case.kind == "disk":
        mounted(folder, f"size={case.fault}")
        return run(command, folder)
    if case.kind == "remount":
        mounted(folder, "size=100m")
        job = Job(command, folder)
        job.wait_for_file(r"o.*")
        refused = 0
        while job.process.poll() is None and not remount(folder, "ro"):
            refused += 1
        code = job.finish()
        if not remount(folder, "rw") or code == 0:
            raise Skipped(f"the system refused it {refused} times, as files were open, and the program ended before")
        return code, job.output
    env = library.environment(case.fault, folder)
    if case.kind != "stop-in-hang":
        return run(command, folder, env)
    job = Job(command, folder, env)
    until = time.monotonic() + 60
    while time.monotonic() < until and job.process.poll() is None:
        try:
            with open(folder + ".count", "rb") as file:
                if int.from_bytes(file.read(8), "little") >= case.number:
                    break
        except OSError:
            pass
        time.sleep(0.01)
    if job.process.poll() is None:
        job.process.send_signal(signal.SIGTERM)
    return job.finish(), job.output


def wanted_codes(case):
    if case.kind in ("short", "interrupt", "slow", "hang"):
        return (0,)
    if case.kind == "stop-in-hang":
        return (75, 0)
    if case.kind == "kill":
        return (-9,)
    if case.kind in ("kill-of-two", "stuck"):
        return (4, 0)  # 0: with two ranks there may be fewer points
    return (3, 0)  # 0: it can do without that file, or ends in another way; then the bytes tell


def told(output):
    """What an error does not tell and should."""
    faults = [f"its output has no '{word}'" for word in ("error: ", "hint: ") if word not in output]
    if not re.search(r"where: \S*\b(o([./]\S*)?|kd_cache\S*)$", output, re.M):
        faults.append("its output does not name the file")
    if "please report" in output:
        faults.append("it takes the fault for a bug of its own")
    return faults


def told_to_stay(line, case, output):
    """A file that could not be removed may stay when a warning names it, or its folder."""
    name = re.fullmatch(r"file (\S+) is too many", line)
    if name is None or case.kind not in ("io", "readonly") or not case.what.startswith(("unlink", "rmdir")):
        return False
    folder, file = os.path.split(name.group(1))
    return any(re.search(r"warning: .*" + re.escape(word), output) for word in (file, os.path.basename(folder) or file))


def check(case, folder, library, whole):
    """(result, what is wrong)"""
    program = SHORT[case.program]
    code, output = disturbed(case, program, library, folder)
    faults = []
    if code is None:
        faults.append("it hung, or left a process behind")
    elif code not in wanted_codes(case):
        faults.append(f"it ended with {code}, not with one of {wanted_codes(case)}")
    if code == 3:
        faults += told(output)
    faults += ends.torn(folder)
    if code == 3 and case.kind not in ("readonly", "remount"):
        faults += [f"leftover {name}" for name in ends.files_of(folder) if ends.is_leftover(name) and name.startswith("o/") and ".old/" not in name]
    if code == 0:
        faults += [line for line in ends.differences(folder, whole, True) if not told_to_stay(line, case, output)]
    if case.kind == "stuck" and code == 4 and not re.search(r"rank \d+", output):
        faults.append("it does not name the rank")
    if case.kind == "disk":
        remount(folder, "size=200m")
    if code != 0:
        again, said = run(program.command(case.ranks), folder)
        if again != 0:
            faults.append(f"started again it ended with {again}")
            output += "\n--- the one after it:\n" + "\n".join(said.splitlines()[-15:])
        else:
            faults += ends.torn(folder)
            faults += ends.differences(folder, whole, True)
            faults += [f"leftover {name}" for name in ends.files_of(folder) if ends.is_leftover(name)]
    if faults:
        faults += ["--- it said last:", *output.splitlines()[-30:]]
    return {0: "done", 3: "refused", 75: "stopped", 4: "lost", -9: "killed"}.get(code, str(code)), faults


def clear(folder):
    if os.path.ismount(folder):
        subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
    for end in (".count", ".trace"):
        if os.path.exists(folder + end):
            os.remove(folder + end)


def main():
    options = session.options("chaos.sh --faults", "", every=1)
    results, reasons = collections.Counter(), collections.Counter()
    wrong, done, began = 0, 0, time.monotonic()
    with session.work_folder(options.keep) as work:
        whole, library = Ends(work), Library(work)
        try:
            every = {f"{c.kind}/{c.program}/{c.number}": c for c in cases(library, work, options.seed, options.every, options.only)}
        except Skipped as reason:
            every = {}
            reasons[f"all: {reason}"] += 1
        names = [options.only] if options.only in every else [n for n in every if n.startswith(options.only)]
        if not names and not reasons:
            print(f"error: no fault is named {options.only}\n  hint: --list shows the names", file=sys.stderr)
            return 2
        for name in session.since(names, options.first):
            case = every[name]
            if options.list:
                print(name, case.what)
                continue
            folder = os.path.join(work, name.replace("/", "_"))
            clear(folder)
            os.mkdir(folder)
            try:
                result, faults = check(case, folder, library, whole.of(SHORT[case.program], case.ranks))
                done += 1
                results[case.kind, case.program, "FAILED" if faults else result] += 1
                if not faults:
                    print(f"{name} ({case.what}): {result}", flush=True)
                else:
                    wrong += 1
                    print(f"{name} ({case.what}): FAILED")
                    print("\n".join("  " + line for line in faults))
                    more = f" --every {options.every}" if options.every > 1 else ""
                    print(f"  again: tests/chaos/chaos.sh --faults --seed {options.seed}{more} --only {name}", flush=True)
            except Skipped as reason:
                reasons[f"{case.kind}/{case.program}: {reason}"] += 1
            finally:
                if not options.keep:
                    clear(folder)
    if options.list:
        return 0
    print("\nfault         program        result    times")
    for (kind, program, result), times in sorted(results.items()):
        print(f"{kind:13} {program:14} {result:9} {times:5}")
    for reason, times in sorted(reasons.items()):
        print(f"skipped, {times} times: {reason}")
    print(f"{done} faults, {wrong} wrong, {sum(reasons.values())} skipped, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    session.run(main)
