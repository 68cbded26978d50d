# Sourced by supervise.sh and slurm.sbatch: how far a run has got, out of its command line and its folder.

# word_after NAME WORD...: the value of the option NAME in a command line, as "NAME VALUE" or "NAME=VALUE".
word_after() {
  local name=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      "$name") echo "${2-}" && return ;;
      "$name="*) echo "${1#*=}" && return ;;
    esac
    shift
  done
}

# newest_step FOLDER: the step of the newest saved state, 0 where there is none. `latest` is written when a state is
# whole; where it is missing (an old copy of the folder), whole states are those with a manifest.
newest_step() {
  local name='' place
  if [ -f "$1/state/latest" ]; then
    read -r name <"$1/state/latest" || true
  else
    for place in "$1"/state/step_*/manifest.json; do
      [ ! -f "$place" ] || { place=${place%/*} && name=${place##*/}; } # in the order of their steps
    done
  fi
  if [[ $name =~ ^step_0*([0-9]+)$ ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}

# resumes WORD...: whether the command line of a training goes on by itself; a script's variable says the same. What a file of
# options says is not known, and is taken for yes.
resumes() {
  local resume
  resume=$(word_after --resume "$@")
  [ "${resume:-${ANEMLL_RESUME:-}}" = auto ] || { [ -z "$resume" ] && [ -n "$(word_after --config-file "$@")" ]; }
}
