# shellcheck shell=bash disable=SC2034,SC2154  # variables that run.sh, hosts.sh and cases.sh set or use
# Sourced by cases.sh: the cases in which not every host has model, cache or output.

# The output lies on the disk of host1, which other hosts do not see.
case_own_output() {
  local out=$world/own/run cache seen
  all_hosts
  cache=$whole/kd_cache # that of the output is host1's too
  run_job "$out"
  expect "exit code" "$code" 0
  seen=/proc/${host_init[1]}/root$out
  same_run "equal to one host" "$seen"
  rm -r "$(state "$seen" "$steps")" "$seen/state/latest" # as if it had been killed before its last save
  run_job "$out" --resume auto
  if [ "$code" = 0 ]; then same_run "equal after going on" "$seen"; else
    expect "refused" "$code" 3
    says "names the host" '(error|where|hint|rank [0-9]).*host[23]'
    run_job "$out" --resume auto --stage local --stage-dir "$world/own/stage"
    expect "goes on with --stage local" "$code" 0
    same_run "equal after going on" "$seen"
  fi
}

# lacks WHAT: host1 and host2 have the inputs on their own disks; host3 has no model, or no cache.
lacks() {
  local out=$world/share/$name model=$nano cache n
  reference
  cache=$whole/kd_cache # rank 0 imports another one into the output, which all see
  make_hosts "$hosts"
  for n in 1 2; do in_host $n cp -r "$nano/." "$whole/kd_cache" "$world/own"; done
  case $1 in
    model) model=$world/own ;;
    cache) cache=$world/own/kd_cache ;;
  esac
  hostfile $(seq "$hosts")
  start_job "$out"
  end_job "$runs_s"
  expect "exit code" "$code" 3
  says "an error" 'error: '
  says "a hint" 'hint: '
  says "names the host" '(error|where|hint|rank [0-9]).*host3'
  run_job "$out.staged" --stage local --stage-dir "$world/own/stage"
  expect "exit code with --stage local" "$code" 0
  same_run "equal with --stage local" "$out.staged"
}
case_without_model() { lacks model; }
case_without_cache() { lacks cache; }

# staged_files N: what host N was sent: names, times, sizes.
staged_files() { in_host "$1" find "$world/own/stage" -type f -printf '%p %T@ %s\n' | sort; }

# Model, cache and output lie on the disk of host1 alone. A second run finds on the others what the first one sent.
case_only_first_host() {
  local out=$world/own/run again=$world/own/again n files=() before
  all_hosts
  local model=$world/own/model cache=$world/own/model/cache # not those of the reference
  in_host 1 cp -r "$nano" "$model"
  for n in 2 3; do expect "host$n has none of it" "$(in_host "$n" ls -A "$world/own")" ""; done
  before=$(traffic 2)
  run_job "$out" --stage local --stage-dir "$world/own/stage"
  expect "exit code" "$code" 0
  same_run "equal to one host" "/proc/${host_init[1]}/root$out"
  says "sends" 'sending .* to other hosts'
  echo "--- $name: host2 received $(($(cut -d' ' -f2 <(traffic 2)) - ${before#* })) bytes"
  for n in 2 3; do
    files[n]=$(staged_files "$n")
    expect "host$n was sent the model" $(($(grep -c '/config.json ' <<<"${files[n]}") > 0)) 1 # with the checkpoint too
    expect "host$n was sent the cache" $(($(grep -c 'kd_cache\|\.h5 \|meta.json ' <<<"${files[n]}") > 0)) 1
  done
  before=$(traffic 2)
  run_job "$again" --stage local --stage-dir "$world/own/stage"
  expect "exit code of the second" "$code" 0
  same_run "the second equal to one host" "/proc/${host_init[1]}/root$again"
  expect "the second sends" "$(grep -a 'sending .* to other hosts' "$log")" ""
  echo "--- $name: host2 received $(($(cut -d' ' -f2 <(traffic 2)) - ${before#* })) bytes by the second"
  for n in 2 3; do expect "host$n keeps what it had" "$(staged_files "$n")" "${files[n]}"; done
}
