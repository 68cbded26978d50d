# Common helpers of the field situations. Each script runs in a work folder $T of its own.
#   BIN   folder of the programs       REPO  the repository (launch/, tests/golden/)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=${REPO:-$(cd "$HERE/../.." && pwd)}
BIN=${BIN:-$REPO/build/ci/bin}
HUB=${HUB:-$(dirname "$BIN")/tests/fake_hub}
NANO=$REPO/tests/golden/nano
DATA=$REPO/tests/golden/datasets
INIT=$NANO/v2_q2a4_init.pt
TRAINED=$NANO/v2_q2a4_trained.pt
LIMIT=${LIMIT:-45}   # seconds one command may take (a slow machine is no fault)
for tool in anemll_train anemll_precompute anemll_cache anemll_snap anemll_convert anemll_tokenize; do
  [ -x "$BIN/$tool" ] || { echo "SKIP: no $BIN/$tool"; exit 77; }
done
export PYTHONPATH=$HERE PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
unset HF_TOKEN HF_TOKEN_PATH TRANSFORMERS_OFFLINE HF_ENDPOINT HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
for v in $(env | sed -n 's/^\(ANEMLL_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
export HF_HUB_OFFLINE=1 no_proxy='*' OMP_NUM_THREADS=1
T=$(mktemp -d /tmp/anemll_field.XXXXXX)
export T BIN REPO NANO
JOBS=
cleanup() {
  local p
  exec 2>/dev/null
  for p in $JOBS; do kill -KILL -- "-$p" 2>/dev/null || kill -KILL "$p" 2>/dev/null; done
  [ -n "$JOBS" ] && wait $JOBS
  cd /; chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"
}
trap cleanup EXIT
cd "$T" || exit 77

right() { echo "RIGHT: $*"; exit 0; }
wrong() { [ -n "${DEBUG:-}" ] && echo "$OUT"; echo "WRONG: $*"; exit 1; }
skip() { echo "SKIP: $*"; exit 77; }

RC=0; OUT=
# run CMD...: $RC is its exit code, $OUT its stdout and stderr (files $T/.out, $T/.err).
run() {
  timeout -k 5 "$LIMIT" nice "$@" >"$T/.out" 2>"$T/.err" </dev/null; RC=$?
  OUT=$(cat "$T/.out" "$T/.err" | tr -d '\0')
}
last() { # the error, else the last line said
  grep -m1 -o 'error: .*' <<<"$OUT" | cut -c1-180 | grep . || grep -v '^ *hint' <<<"$OUT" | grep -v '^$' | tail -1 | cut -c1-180
}
has() { grep -Eiq -- "$1" <<<"$OUT"; }
# lines that a user would take for a message: not the build facts nor the memory plan
sane() {
  case $RC in 124|137) wrong "does not end within $LIMIT s" ;; esac
  has 'please report|unexpected error|terminate called|assertion .*failed|c10::Error|std::[a-z_]+error|segmentation' &&
    wrong "exit $RC, not a user's message: $(last)"
  case $RC in 0|2|3|4|5|75) ;; *) wrong "exit code $RC: $(last)" ;; esac
}
ok() { sane; [ "$RC" = 0 ] || wrong "exit $RC: $(last)"; }
# fails 'CODES' PATTERN: ends with one of the codes and names the thing.
fails() {
  sane
  case " $1 " in *" $RC "*) ;; *) wrong "exit $RC instead of $1: $(last)" ;; esac
  local text; text=$(sed -n '/error:/,$p' <<<"$OUT" | grep -v '^mpirun\|^Primary job\|^  *Process name\|^---'); [ -n "$text" ] || text=$OUT
  grep -Eiq -- "$2" <<<"$text" || wrong "exit $RC, but the message does not name it ($2): $(last)"
}
# told PATTERN: refused or told; the thing must be named either way.
told() {
  sane
  has "$1" || { [ "$RC" = 0 ] && wrong "exit 0 and not a word of it ($1)"; wrong "exit $RC without naming it ($1): $(last)"; }
  right "exit $RC, told: $(grep -Ei -- "$1" <<<"$OUT" | head -1 | cut -c1-150)"
}
# warned PATTERN: as told, but only lines that are a warning, an error, or say that something has no effect or is not used.
warned() {
  sane
  local lines
  lines=$(grep -Ei 'warning|error|not used|no effect|ignored|left out|unused|not apply|hint|without|needs|never|differ|compared|instead|contradict| but |lacks|drop|skip|is not|are not|has no|cannot' <<<"$OUT"; [ "$RC" = 0 ] || echo "$OUT")
  grep -Eiq -- "$1" <<<"$lines" || { [ "$RC" = 0 ] && wrong "exit 0 and no warning names it ($1)"; wrong "exit $RC without naming it ($1): $(last)"; }
  right "exit $RC, told: $(grep -Ei -- "$1" <<<"$lines" | head -1 | cut -c1-150)"
}

# rank0_counts OPTION...: ends well with rank 0's options, and a warning names each OPTION, its two values and rank 1.
rank0_counts() {
  ok
  has 'warning: .*those of rank 0 count' || wrong "exit 0 and no warning that rank 0's options count"
  local option
  for option; do
    has "^ *$option: .* on rank 0, .* on rank 1" || wrong "exit 0, but the warning does not name $option: $(last)"
  done
  right "rank 0's count, told: $(grep -Ei -m1 "^ *$1: .* on rank 0" <<<"$OUT" | cut -c1-120)"
}

# --- inputs
model() { # model DIR: a writable nano model folder
  mkdir -p "$1"; cp "$NANO"/{config.json,model.safetensors,tokenizer.json,tokenizer_config.json,chat_template.jinja} "$1"/
}
json_set() { # json_set FILE 'python statements on d'
  python3 - "$1" "$2" <<'E'
import json,sys
d=json.load(open(sys.argv[1])); exec(sys.argv[2]); json.dump(d,open(sys.argv[1],'w'),indent=1)
E
}
py() { python3 - "$@"; }
alpaca() { # alpaca FILE.json|.jsonl [N] [marker]: N alpaca records
  py "$1" "${2:-40}" "${3:-}" <<'E'
import sys, nano
nano.write_records(sys.argv[1], nano.alpaca(int(sys.argv[2]), sys.argv[3]))
E
}
plain() { # plain FILE N MARKER: N records of {"text": ... MARKER ...}
  py "$1" "$2" "$3" <<'E'
import sys, nano
nano.write_records(sys.argv[1], nano.plain(int(sys.argv[2]), sys.argv[3]))
E
}
big_cache() { # big_cache DIR SHARDS: a .pt cache of many links to one shard (32 sequences each)
  mkdir -p "$1"; cp "$NANO/cache/meta.json" "$1/"
  json_set "$1/meta.json" "d['num_sequences']=d['total_sequences']=32*$2"
  local i; for i in $(seq -f %05g 0 $(($2 - 1))); do cp "$NANO/cache/shard_00000.pt" "$1/shard_$i.pt"; done
}
# --- runs
PRE=(--max_length 32 --topk 16 --num_sequences 400 --batch_size 16 --threads 1 --dtype fp32 --holdout 0)
precompute() { # precompute DATASET OUT [flags]
  local data=$1 out=$2; shift 2
  run "$BIN/anemll_precompute" --teacher_model_name_or_path "${MODEL:-$NANO}" --dataset_name "$data" --output_dir "$out" "${PRE[@]}" "$@"
}
BASE=(--max-steps 4 --batch-size 4 --eval-samples 4 --precision fp32 --threads 1)
train_line() { # the command of `train` in array CMD
  CMD=("$BIN/anemll_train" --v2-checkpoint "${CKPT:-$INIT}" --model-id "${MODEL:-$NANO}" --cache-dir "${CACHE:-$NANO/cache}" --output-dir "${O:-$T/out}" "${BASE[@]}" "$@")
}
train() { train_line "$@"; run "${CMD[@]}"; }
scratch() { # from scratch
  run "$BIN/anemll_train" --from-scratch --group-size 2 --model-id "${MODEL:-$NANO}" --cache-dir "${CACHE:-$NANO/cache}" --output-dir "${O:-$T/out}" "${BASE[@]}" "$@"
}
LEARN=(--lr 2e-3 --warmup-steps 2 --constant-lr --no-full-logits)
snap() { # snap CHECKPOINT OUT [flags]
  local c=$1 o=$2; shift 2
  run "$BIN/anemll_snap" --checkpoint "$c" --model-id "${MODEL:-$NANO}" --fp16 --output "$o" "$@"
}
# same_ids DIR: the tokenizer of DIR gives the ids of the nano one for a text of several kinds.
same_ids() {
  local text=$'Hello, w\u00f6rld! 12345 it\'s  a\ttest \u4f60\u597d <|im_start|>user\n' expected
  expected=$(printf '%s' "$text" | "$BIN/anemll_tokenize" encode --model-id "$NANO" 2>/dev/null) && [ -n "$expected" ] || skip "the nano tokenizer gives nothing"
  printf '%s' "$text" >"$T/.text"
  timeout "$LIMIT" "$BIN/anemll_tokenize" encode --model-id "$1" <"$T/.text" >"$T/.out" 2>"$T/.err"; RC=$?
  OUT=$(cat "$T/.err"); ok
  [ "$(cat "$T/.out")" = "$expected" ] || wrong "other ids: $(head -c 120 "$T/.out")"
  right "the same ids"
}
# has_text CACHE TEXT: the cache's rows hold the ids of TEXT (HDF5, stored plainly, --holdout 0).
has_text() {
  printf '%s' "$2" | "$BIN/anemll_tokenize" encode --model-id "$NANO" >"$T/.ids" 2>/dev/null || { echo "tokenize failed" >&2; return 2; }
  py "$1" "$T/.ids" <<'E'
import sys,glob,struct,re
ids=[int(x) for x in re.findall(r'\d+',open(sys.argv[2]).read())]
want=struct.pack('<%di'%len(ids),*ids)
sys.exit(0 if any(want in open(f,'rb').read() for f in glob.glob(sys.argv[1]+'/*.h5')) else 1)
E
}
# loss_of FILE.pt [CACHE] [SAMPLES]: the start evaluation of a checkpoint
loss_of() {
  rm -rf "$T/.loss"
  nice "$BIN/anemll_train" --v2-checkpoint "$1" --model-id "$NANO" --cache-dir "${2:-$NANO/cache}" --output-dir "$T/.loss" "${BASE[@]}" --eval-samples "${3:-4}" --max-steps 1 >/dev/null 2>&1 </dev/null
  sed -n 's/.*"kind":"eval","step":0,"loss":\([0-9.e+-]*\).*/\1/p' "$T/.loss/metrics.jsonl" 2>/dev/null | head -1
}
near() { py "$1" "$2" "${3:-1e-4}" <<'E'
import sys
try: a,b,t=map(float,sys.argv[1:4])
except ValueError: sys.exit(1)
sys.exit(0 if abs(a-b)<=t*max(abs(a),abs(b),1e-9) else 1)
E
}
summary() { # summary KEY: out of the last summary line of ${O:-out}/metrics.jsonl
  py "${O:-$T/out}/metrics.jsonl" "$1" <<'E'
import json,sys
v=None
for line in open(sys.argv[1]):
    try: d=json.loads(line)
    except ValueError: continue
    if d.get('kind')=='summary': v=d['summary'].get(sys.argv[2])
print(v)
E
}
finished() { # the output folder holds a whole run (final weights and best)
  local o=${1:-${O:-$T/out}}
  ls "$o"/v2_*_fp32_*.pt >/dev/null 2>&1 && [ -s "$o/best_state_dict.pt" ]
}
readable() { # each .pt file is a zip that reads whole
  py "$@" <<'E'
import sys,zipfile
for f in sys.argv[1:]:
    z=zipfile.ZipFile(f); bad=z.testzip()
    if bad: sys.exit(f+': '+bad)
E
}
mpirun() { bash "$REPO/launch/mpirun.sh" -np "$@"; }
# by_rank N FILE: run under mpirun a script whose text may ask for $R (its rank)
mpi() { # mpi N SCRIPT
  run bash "$REPO/launch/mpirun.sh" -np "$1" bash "$2"
}
# wait_for 'TEST' SECONDS
wait_for() { local i; for i in $(seq $(($2 * 20))); do eval "$1" && return 0; sleep 0.05; done; return 1; }
# background CMD...: starts it in a session of its own (also its process group); $PID; output to $T/.bg
background() { setsid "$@" >"$T/.bg" 2>&1 </dev/null & PID=$!; JOBS="$JOBS $PID"; }
# ends SECONDS: waits for $PID; $RC its code, 124 if it lives on; $OUT what it said
ends() {
  local t0=$SECONDS
  wait_for '! kill -0 $PID 2>/dev/null' "$1" || { RC=124; OUT=$(cat "$T/.bg"); return 1; }
  wait $PID; RC=$?; OUT=$(cat "$T/.bg")
}
hub() { # hub models|datasets NAME FOLDER: serves it, sets HF_ENDPOINT, HF_HUB_OFFLINE=0
  [ -x "$HUB" ] || skip "no fake hub ($HUB)"
  "$HUB" "$1" "$2" "$3" >"$T/.hub" 2>/dev/null & JOBS="$JOBS $!"
  wait_for '[ -s "$T/.hub" ]' 5 || skip "the fake hub does not start"
  export HF_ENDPOINT=$(head -1 "$T/.hub") HF_HUB_OFFLINE=0
}
# hub_cache REPO FOLDER [COMMIT]: FOLDER as a snapshot of the hub cache in $T/hub, blobs and links
hub_cache() {
  export HF_HUB_CACHE=$T/hub
  py "$T/hub" "$1" "$2" "${3:-0123456789abcdef0123456789abcdef01234567}" <<'E'
import sys,nano
nano.hub_snapshot(*sys.argv[1:5])
E
}
snapshot() { echo "$T/hub/models--${1/\//--}/snapshots/${2:-0123456789abcdef0123456789abcdef01234567}"; }
[ -n "${DEBUG:-}" ] && right() { grep -v '^      ' <<<"$OUT"; echo "RIGHT: $*"; exit 0; }
