#!/usr/bin/env bash
# The data set is an .xlsx file.
# Right: refused as an office program's document, with a command that makes CSV of it.
# Wrong: "unknown extension" alone.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'P'
import zipfile
z = zipfile.ZipFile('a.xlsx', 'w'); z.writestr('[Content_Types].xml', '<?xml version="1.0"?><Types/>'); z.writestr('xl/workbook.xml', '<workbook/>'); z.close()
P
precompute a.xlsx kd --dataset_format alpaca_chat
fails 3 'a\.xlsx'; has 'csv' || wrong "no way on: $(last)"; right "exit 3: $(last)"
