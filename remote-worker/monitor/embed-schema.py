# SPDX-License-Identifier: BSD-3-Clause
"""qmp-schema.json as a string of C: embed-schema.py JSON C."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    infos = json.load(file)
text = json.dumps(infos, separators=(",", ":"))
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write('/* SPDX-License-Identifier: BSD-3-Clause */\n#include "remote-worker/monitor/qmp.h"\n\n')
    out.write("const char mp_qmp_schema[] =\n")
    for at in range(0, len(text), 80):
        piece = text[at : at + 80].replace("\\", "\\\\").replace('"', '\\"')
        end = ";" if at + 80 >= len(text) else ""
        out.write(f'\t"{piece}"{end}\n')
