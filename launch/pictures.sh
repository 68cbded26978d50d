#!/usr/bin/env bash
# The pictures and the transcript of README.md anew: launch/pictures.sh [OPTION OF QUICKSTART.SH]...
#
# Runs the quick start, keeps what it prints in runs/quickstart.log, and makes of it and of tests/bench/kl_bits.tsv
#   launch/pictures/loss.svg       the loss of that training
#   launch/pictures/kl_bits.svg    KL against bits per weight
#   README.md                      the lines between its two marks "transcript"
# Needs gnuplot (apt-get install gnuplot-nox).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gnuplot >/dev/null || { echo "pictures: gnuplot is missing" >&2; echo "hint: apt-get install gnuplot-nox" >&2; exit 2; }

preset=release
[[ " $* " =~ \ --preset\ ([a-z]+)\  ]] && preset=${BASH_REMATCH[1]}
log=runs/quickstart.log
mkdir -p runs launch/pictures
bash launch/quickstart.sh "$@" 2>&1 | tee "$log"

"build/$preset/bin/anemll_plot" runs/quickstart/run --metric train/loss --log-y --no_show --output launch/pictures/loss.svg
gnuplot <<'GNUPLOT'
set terminal svg size 720,420 font "sans,13" background "white" noenhanced
set output "launch/pictures/kl_bits.svg"
set datafile separator "\t"
set logscale y
set xlabel "bits of a body weight, scales included"
set ylabel "KL to the full model, nats"
set xrange [2.8:6.4]
set yrange [0.02:1]
set ytics (0.02, 0.05, 0.1, 0.2, 0.5, 1)
set grid lc rgb "#d8d8d8"
set key bottom left Left reverse
table = "tests/bench/kl_bits.tsv"
of(whose) = stringcolumn(4) eq whose ? $2 : 1/0
snapped = "anemll_train, snapped with 8-bit scales"
trained = "anemll_train, trained with 16-bit scales, not snapped"
plot table using (of(snapped)):3 with points pt 7 ps 1.3 lc rgb "#c0392b" title snapped, \
  "" using (of(trained)):3 with points pt 9 ps 1.5 lc rgb "#c0392b" title trained, \
  "" using (of("llama.cpp")):3 with points pt 6 ps 1 lc rgb "#2c3e50" title "llama.cpp", \
  "" using (of("llama.cpp with an importance matrix")):3 with points pt 2 ps 1 lc rgb "#2c3e50" title "llama.cpp with an importance matrix", \
  "" using (stringcolumn(1) eq "IQ2_M" ? 1/0 : $2):3:1 with labels left offset 0.9,0.2 font ",11" notitle, \
  "" using (stringcolumn(1) eq "IQ2_M" ? $2 : 1/0):3:1 with labels right offset -0.9,0.2 font ",11" notitle
GNUPLOT

# What a person looks at: the stages, the announcement, the verdict. Progress lines would be most of it.
shown=$(sed -nE '/^(== |KL |snapped checkpoint|quick start: ok|announced:)/p; /(step [0-9]+\/[0-9]+ +(loss|eval)|Verified)/p' "$log" |
  sed -E 's/^\[[^]]*\] //; /^.{115}/ s/^(.{1,110}) .*$/\1 .../')
awk -v shown="$shown" '
  /<!-- transcript -->/ { print; print "```text"; print "$ bash launch/quickstart.sh"; print shown; print "```"; inside = 1; next }
  /<!-- end of transcript -->/ { inside = 0 }
  !inside' README.md >README.md.part
mv README.md.part README.md
