# Sourced by two_bit.sh: the only place of its FLOP counts, and how large a run fits a time.
#
# W: weights of the linears. H: of the head. S: sum over the inputs of a block's linears of their squared width. V: sum of
# out x in x in over the linears. A: layers times the width of the queries. Rates are those of square products; programs
# reach a part of them.

# seconds_of TEXT: 90, 90s, 15m or 1h; nothing where it is none of these.
seconds_of() {
  [[ $1 =~ ^([1-9][0-9]*)([smh]?)$ ]] || return 0
  case ${BASH_REMATCH[2]} in
    h) echo $((BASH_REMATCH[1] * 3600)) ;;
    m) echo $((BASH_REMATCH[1] * 60)) ;;
    *) echo "${BASH_REMATCH[1]}" ;;
  esac
}

# two_bit_sizes WORK_JSON SECONDS LENGTH ALLOCATES GFLOPS: lines NAME=VALUE. GFLOPS: of both precisions, or empty.
two_bit_sizes() {
  awk -v budget="$2" -v length_="$3" -v allocates="${4:-0}" -v told="$5" '
    function value(name, text) {
      if (!match($0, "\"" name "\": *[0-9.eE+]+")) return
      text = substr($0, RSTART, RLENGTH); sub(/.*: */, "", text); found[name] = text + 0
    }
    function within(x, least, most) { return x < least ? least : x > most ? most : x }
    { value("linear_weights"); value("head_weights"); value("squared_inputs"); value("solved_weights"); value("layers")
      value("attention_width")
      value("gflops_fp32"); value("gflops_bf16") }
    END {
      W = found["linear_weights"]; H = found["head_weights"]; S = found["squared_inputs"]; V = found["solved_weights"]
      A = found["layers"] * found["attention_width"]
      reach = 0.6   # of the rate of square products (launch/README.md)
      fp32 = reach * 1e9 * (told ? told : found["gflops_fp32"])
      fast = reach * 1e9 * (told ? told : found["gflops_bf16"] ? found["gflops_bf16"] : found["gflops_fp32"])
      # A token, through the head. Half of the positions are behind it, which attention need not look at.
      attention = 2 * length_ * A
      forward = 2 * (W + H) + attention

      # The score: teacher, start, trained and snapped, about 20 chunks; the snap reads 10 sequences seven times; the
      # training is evaluated five times on 12 sequences of each part, with two products more with the head.
      score_s = ((4 * 20 + 7 * 10) * forward + 5 * 24 * (forward + 4 * H)) * length_ / fp32
      left = budget - score_s

      # The start, a token: both streams, the second again for each of four groups of inputs; moments, and those
      # between both streams; an eighth is scored.
      # Its solves: about 60 products of a weight with its moments.
      token = 2 * W * 4 + 4 * attention + 4 * S + forward * 3 / 8
      tokens = within((0.25 * left * fp32 - 120 * V) / token, 16 * length_, 65536)
      calibration = length_ * int(tokens / length_)
      start_s = (calibration * token + 120 * V) / fp32
      left -= start_s

      # The allocation: a pass of the windows for each kind of linear in four layers.
      allocate_s = 0
      if (allocates) {
        pass = 512 * forward * (7 * int((found["layers"] + 3) / 4) + 2)
        chunks = int(within(0.15 * left * fp32 / pass, 4, 20))
        allocate_s = chunks * pass / fp32
        left -= allocate_s
      }

      # A step: teacher for the cache; forward and backward; the exact loss multiplies the head three times; weights are
      # built and their gradient is contracted once a step.
      batch = 4
      do {
        step_s = (batch * length_ * (forward + 6 * W + 6 * H + 3 * attention) + 150 * W) / fast
        steps = int(left / step_s)
        if (steps > 2000) batch *= 2
      } while (steps > 2000 && batch < 256)
      if (steps > 2000) steps = 2000
      over = steps < 20
      if (over) steps = 20
      sequences = steps * batch
      if (sequences * length_ < calibration) sequences = int(calibration / length_)
      printf "calibration_tokens=%d\nsteps=%d\nbatch=%d\nsequences=%d\nchunks=%d\n", calibration, steps, batch, sequences, chunks
      printf "announced_s=%.0f\nover=%s\n", score_s + start_s + allocate_s + steps * step_s, over ? "yes" : "no"
    }' "$1"
}
