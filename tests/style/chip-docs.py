#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/lsi53c895a.md says of each register and opcode what the code's own tables have. TAP."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
STATES = {"done", "stored", "fixed", "ignored", "refused"}


def tables():
    """Each table of the document: its head as a list, its rows as dicts."""
    head, rows, found = None, [], []
    for line in (ROOT / "docs/lsi53c895a.md").read_text().splitlines() + [""]:
        cells = [c.strip() for c in line.strip("|").split("|")] if line.startswith("|") else None
        if cells is None:
            if head:
                found.append((head, rows))
            head, rows = None, []
        elif head is None:
            head = cells
        elif not set(line) <= set("|-"):
            rows.append(dict(zip(head, cells)))
    return found


def rows_with(*columns):
    return [r for head, rows in tables() for r in rows if set(columns) <= set(head)]


def registers():
    """name -> offset, mask; in the order of regs.def."""
    line = re.compile(r"^REG\((0x..), (\w+), +(\d), (0x..), (0x..), (\w+), +(\d)\)", re.M)
    return {m[2]: (int(m[1], 16), int(m[5], 16))
            for m in line.finditer((ROOT / "lsi-core/regs.def").read_text())}


def expand(cell, names):
    """The registers of "A", "A, B" or "A..Z"."""
    for part in cell.split(", "):
        first, _, last = part.partition("..")
        if last and first in names and last in names:
            yield from names[names.index(first):names.index(last) + 1]
        else:
            yield part


def register_faults():
    known = registers()
    names, seen = list(known), []
    for row in rows_with("offset", "register"):
        mine = list(expand(row["register"], names))
        seen += mine
        yield from (f"{n}: a row, but not in regs.def" for n in mine if n not in known)
        mine = [n for n in mine if n in known]
        if mine and known[mine[0]][0] != int(row["offset"], 16):
            yield f"{mine[0]}: row says {row['offset']}, regs.def {known[mine[0]][0]:02X}"
        if row["state"] == "fixed":
            yield from (f"{n}: fixed, but writes are stored" for n in mine if known[n][1])
        if row["state"] == "stored":
            yield from (f"{n}: stored, but nothing is" for n in mine if not known[n][1])
    yield from (f"{n}: in regs.def, but no row" for n in names if n not in seen)
    yield from (f"{n}: two rows" for n in set(seen) if seen.count(n) > 1)


def opcode_names():
    """First byte -> name, by the dispatch table."""
    line = re.compile(r'^INSN\((0x..), (0x..), +\w+, +\w+, +"([^"]+)"\)', re.M)
    return {byte: m[3] for m in line.finditer((ROOT / "lsi-core/insn.def").read_text())
            for byte in range(int(m[1], 16) << 3, (int(m[2], 16) << 3) + 8)}


def opcode_faults():
    known, seen = opcode_names(), {}
    for row in rows_with("first byte", "instruction"):
        first, last = (int(x, 16) for x in row["first byte"].split(".."))
        for byte in range(first, last + 1):
            if byte in seen:
                yield f"{byte:02X}: two rows"
            seen[byte] = row["instruction"]
    for byte in range(256):
        if known.get(byte) != seen.get(byte):
            yield f"{byte:02X}: row says {seen.get(byte)}, insn.def {known.get(byte)}"


def state_faults():
    for row in rows_with("state", "tests"):
        if row["state"] not in STATES:
            yield f"'{row['state']}' is no state: {row}"


def test_faults():
    code = "\n".join(p.read_text() for p in (ROOT / "tests").glob("*/lsi-core/*.c"))
    there = set(re.findall(r"^static void (test_\w+)\(void\)$", code, re.M))
    text = (ROOT / "docs/lsi53c895a.md").read_text()
    yield from (f"{n}: no such test" for n in sorted(set(re.findall(r"\btest_\w+\w", text)) - there))
    for row in rows_with("tests"):
        if "`test_" not in row["tests"]:
            yield f"no test: {list(row.values())[0]}"


def main():
    claims = [
        ("each register has one row, and each row its registers", register_faults),
        ("each first byte has one row, by the dispatch table", opcode_faults),
        ("each state is one of those explained", state_faults),
        ("each row names tests, and each test is there", test_faults),
    ]
    failed = False
    print(f"1..{len(claims)}")
    for nr, (claim, faults) in enumerate(claims, 1):
        found = list(faults())
        for fault in found[:20]:
            print(f"# {fault}")
        print(f"{'not ok' if found else 'ok'} {nr} - {claim}")
        failed |= bool(found)
    sys.exit(failed)


main()
