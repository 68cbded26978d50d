#!/usr/bin/env bash
# mpirun with the settings of env.sh.   usage: launch/mpirun.sh -np N [mpirun options] PROGRAM [ARGUMENTS]
# USR1 and TERM reach all ranks, which save and leave; the exit code is theirs (75 then). See README.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ $# -lt 3 ] || { [ "$1" != -np ] && [ "$1" != -n ]; }; then
  echo "usage: $0 -np N [mpirun options] PROGRAM [ARGUMENTS]" >&2
  exit 2
fi
# Without a list of hosts all ranks share this one, and its cores.
case " $* " in
  *" --host "* | *" -H "* | *" --hostfile "* | *" -hostfile "* | *" --machinefile "*) ;;
  *) export ANEMLL_LOCAL_RANKS="${ANEMLL_LOCAL_RANKS:-$2}" ;;
esac
ANEMLL_TERM_BECOMES_USR1=1
. "$here/env.sh"

# mpirun hands OMPI_* to other hosts by itself, these only when told.
mpirun -x OMP_NUM_THREADS -x NCCL_DEBUG "$@" <&0 &
mpirun=$!
trap 'kill -USR1 $mpirun 2>/dev/null || true' USR1 TERM
trap : INT # a terminal's Ctrl-C reaches mpirun directly
code=0
wait $mpirun || code=$?
# A signal ends the wait early; the job goes on until mpirun is gone.
while kill -0 $mpirun 2>/dev/null; do
  code=0
  wait $mpirun || code=$?
done
exit $code
