"""Seeded kills: chaos.sh beside this file says how to call it."""
import collections
import hashlib
import os
import shutil
import sys
import time

import ends
import programs
import session
from job import Job, run
from programs import PROGRAMS, STEPS

SIGNALS = ("KILL rank", "KILL script", "TERM", "USR1", "KILL all")
# One kill of each in every eight. None: any other phase of the program. A phase is where the wait ends; where the
# signal lands is looked up.
LANES = (("train-v2", "step"), ("train-v2", "state write"), ("train-scratch", "evaluation"),
         ("train-v2", ".pt write"), ("precompute", None), ("snap", None), ("train-scratch", None), ("init", None))
Plan = collections.namedtuple("Plan", "index program ranks how again phase what pattern delay_ms draw")


def draw(seed, index, what, below):
    digest = hashlib.sha256(f"{seed}/{index}/{what}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below


def plan(seed, index):
    """The kill: a function of seed and index alone."""
    def pick(what, items):
        return items[draw(seed, index, what, len(items))]

    lane, lap = index % len(LANES), index // len(LANES)
    name, phase = LANES[lane]
    program = PROGRAMS[name]
    if phase is None:
        taken = [p for _, p in LANES]
        phase = pick("phase", [p for p in program.phases if p not in taken])
    ranks = program.ranks[(lane + lap + draw(seed, 0, "ranks", 3)) % len(program.ranks)]
    how = SIGNALS[(2 * lane + lap + draw(seed, 0, "signals", 5)) % len(SIGNALS)]
    if ranks == 1 and how.startswith("KILL"):
        how = "KILL rank"  # there is no script
    what, pattern, most_ms = program.phases[phase]
    for letter, every in (("k", 1), ("e", programs.EVAL), ("s", programs.STATE), ("p", programs.SAVE)):
        last = STEPS - (letter in "ke")  # the last step and its evaluation are phases of their own
        pattern = pattern.replace("{%s}" % letter, str(every * (1 + draw(seed, index, "step " + letter, last // every))))
    delay = draw(seed, index, "delay", 10 * most_ms + 1) / 10
    return Plan(index, name, ranks, how, pick("again", program.ranks), phase, what, pattern, delay,
                draw(seed, index, "rank", 64))


def codes(it):
    """Exit codes that are right. 0: it had ended before."""
    if it.how in ("TERM", "USR1"):
        return (75, 0)
    if it.how == "KILL rank" and it.ranks > 1:
        return (4, 0)
    return (-9, 0)


class Ends:
    """Ends of runs that nobody disturbed, made when they are asked for."""

    def __init__(self, work):
        self.work, self.made = work, {}

    def of(self, program, ranks):
        name = program.name
        ranks = ranks if program.training else 1  # the others make the same bytes with any number
        key = f"whole_{name}_{ranks}"
        if key not in self.made:
            folder = os.path.join(self.work, key)
            os.mkdir(folder)
            code, output = run(program.command(ranks), folder)
            faults = ends.torn(folder)
            if code != 0 or faults:
                raise SystemExit(f"error: {name} on {ranks} ranks ends with {code}, undisturbed {faults}\n{output}\n"
                                 "  hint: mend that first")
            self.made[key] = folder
        return self.made[key]


def kill(it, folder, whole):
    """(where it landed, what is wrong)"""
    program = PROGRAMS[it.program]
    job = Job(program.command(it.ranks), folder)
    came = job.wait_for_line(it.pattern) if it.what == "line" else job.wait_for_file(it.pattern)
    faults, where = [], "after the end"
    if came:
        time.sleep(it.delay_ms / 1000)
        if job.process.poll() is None:
            where = None
            if it.how != "KILL all" and (it.ranks > 1 or not it.how.startswith("KILL")):  # others go on for a while
                where = programs.landed(program, list(job.lines), programs.listing(folder))
            job.signal(it.how, it.draw)
    code = job.finish()
    if where is None:
        where = "after the end" if code == 0 else programs.landed(program, job.lines, programs.listing(folder))
    elif code == 0 and came and where != "after the end":
        where = "last files"  # too late to stop for it
    if code is None:
        faults.append("it hung, or left a process behind")
    elif code not in codes(it):
        faults.append(f"it ended with {code}, not with one of {codes(it)}")
    faults += ends.torn(folder)
    first = job.output
    code, output = run(program.command(it.again), folder)
    if code != 0:
        faults.append("it hung when started again" if code is None else f"started again it ended with {code}")
    else:
        faults += ends.torn(folder)
        faults += ends.differences(folder, whole, not program.training or it.ranks == it.again)
        faults += [f"leftover {name}" for name in ends.files_of(folder) if ends.is_leftover(name)]
    if faults:
        faults.append("--- the killed one said last:")
        faults += first.splitlines()[-12:]
        faults.append("--- the one after it:")
        faults += output.splitlines()[-12:]
    return where, faults


def table(rows):
    head = ("index", "program", "ranks", "signal", "aimed at", "landed in", "again on", "result")
    rows = [head, *rows]
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def chosen(only, plans):
    if only is None:
        return plans
    if only.isdigit():
        return None
    return [it for it in plans if it.program == only]


def main():
    options = session.options("chaos.sh", None, kills=8)
    every = [plan(options.seed, i) for i in range(options.kills)]
    first = session.since([str(it.index) for it in every], options.first)
    plans = chosen(options.only, every[options.kills - len(first):])
    if plans is None:
        plans = [plan(options.seed, int(options.only))]
    if not plans:
        print(f"error: no kill is named {options.only}\n  hint: an index, or one of {', '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    if options.list:
        table([(it.index, it.program, it.ranks, it.how, it.phase, f"{it.pattern} + {it.delay_ms} ms", it.again, "") for it in plans])
        return 0
    rows, wrong, began, places = [], 0, time.monotonic(), collections.Counter()
    with session.work_folder(options.keep) as work:
        whole = Ends(work)
        for it in plans:
            folder = os.path.join(work, f"kill_{options.seed}_{it.index}")
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
            start = time.monotonic()
            where, faults = kill(it, folder, whole.of(PROGRAMS[it.program], it.ranks))
            places[f"{it.program}: {where}"] += 1
            result = "FAILED" if faults else "same"
            if not faults and PROGRAMS[it.program].training and it.ranks != it.again:
                result = "same within 1e-4"
            rows.append((it.index, it.program, it.ranks, it.how, it.phase, where, it.again, result))
            print(f"kill {it.index}: {it.program} on {it.ranks}, {it.how} in {where}, again on {it.again}: {result}, "
                  f"{time.monotonic() - start:.1f} s", flush=True)
            if faults:
                wrong += 1
                print("\n".join("  " + line for line in faults))
                print(f"  again: tests/chaos/chaos.sh --seed {options.seed} --only {it.index}", flush=True)
            if not options.keep:
                shutil.rmtree(folder)
    print()
    table(rows)
    print("\nlanded in")
    for place, count in sorted(places.items()):
        print(f"  {count:4}  {place}")
    print(f"{len(rows)} kills, {wrong} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    session.run(main)
