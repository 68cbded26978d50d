#!/usr/bin/env bash
# A folder of three Parquet files, the second is cut (a download that stopped).
# Right: exit 3 naming the file, or the others are used and it is told by name.
# Wrong: silence, or no name.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
mkdir d; cp "$DATA/parquet/snappy_plain_v2.parquet" d/a.parquet; head -c 3000 "$DATA/parquet/snappy_plain_v2.parquet" > d/b.parquet; cp "$DATA/parquet/none_dict_v1.parquet" d/c.parquet
precompute d kd --dataset_format alpaca_chat; has 'parquet' && has 'arrow' && has 'without' && skip "no Parquet in this build"; [ "$RC" = 0 ] || { fails 3 'b\.parquet'; right "exit 3: $(last)"; }; warned 'b\.parquet'
