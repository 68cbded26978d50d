"""What kills.py and faults.py share as commands: their options, the folder they work in, and how they end."""
import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile

from job import end_all


def options(prog, only, **numbers):
    """The options of a command line; `only` is the default of --only, `numbers` those that are its own."""
    parser = argparse.ArgumentParser(prog=prog, add_help=False)
    for name, default in {"seed": 1, **numbers}.items():
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--only", default=only)
    parser.add_argument("--from", dest="first")
    parser.add_argument("--keep")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def since(names, first):
    """`names` from `first` on; all of them without one."""
    if first is None:
        return names
    if first not in names:
        print(f"error: --from {first}: there is none of this name\n  hint: --list shows the names", file=sys.stderr)
        sys.exit(2)
    return names[names.index(first):]


@contextlib.contextmanager
def work_folder(keep):
    """`keep`, or a temporary folder that goes at the end. Then nobody works in it any more."""
    work = os.path.realpath(keep or tempfile.mkdtemp(prefix="chaos_"))
    os.makedirs(work, exist_ok=True)
    try:
        yield work
    finally:
        end_all(work)
        if not keep:
            shutil.rmtree(work, ignore_errors=True)


def run(main):
    """Ends with main's exit code. TERM is an end like others: what is to be cleared up is."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
