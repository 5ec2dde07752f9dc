#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""compare.py - is build B slower than build A?

Runs both benchmark programs in turn (A, B, A, B, ...), so that a drift of the
machine hits both alike, and compares medians. The spread is what A differs
from itself by: half of its runs against the other half. B is slower where its
median is more than 5 % above A's AND by more than twice that spread.

    compare.py build-old/bench/ringlat build/bench/ringlat --filter 'ring/'
    compare.py build-old/bench/bench_turn build/bench/bench_turn --cpu

Exit status: 0 nothing is slower; 1 something is; 2 a program failed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def run_once(program, args):
    """Times of one run, by benchmark."""
    command = [program, "--benchmark_format=json", f"--benchmark_min_time={args.min_time}"]
    if args.filter:
        command.append(f"--benchmark_filter={args.filter}")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"compare.py: {program}: exit status {done.returncode}\n{done.stderr}",
              file=sys.stderr)
        sys.exit(2)
    return {
        b["name"]: b["cpu_time" if args.cpu else "real_time"]
        for b in json.loads(done.stdout)["benchmarks"]
        if b.get("run_type", "iteration") == "iteration" and not b.get("error_occurred")
    }


def collect(args):
    """{name: ([times of A], [times of B])}, from interleaved runs; each round starts with the other."""
    times = {}
    for number in range(args.rounds):
        order = [(0, args.a), (1, args.b)]
        for which, program in order if number % 2 == 0 else reversed(order):
            for name, value in run_once(program, args).items():
                times.setdefault(name, ([], []))[which].append(value)
        if sys.stderr.isatty():
            print(f"\rround {number + 1} of {args.rounds}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return times


def judge(a, b, limit):
    """Medians of A and B, change, spread of A against A, verdict."""
    median_a, median_b = statistics.median(a), statistics.median(b)
    spread = abs(statistics.median(a[0::2]) - statistics.median(a[1::2])) / median_a
    change = median_b / median_a - 1
    if change > limit and change > 2 * spread:
        verdict = "SLOWER"
    elif change < -limit and -change > 2 * spread:
        verdict = "faster"
    else:
        verdict = "same"
    return {"a": median_a, "b": median_b, "change": change, "spread": spread,
            "n": min(len(a), len(b)), "verdict": verdict}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="Exit status: 0 not slower, 1 slower, 2 a program failed.")
    parser.add_argument("a", metavar="A", help="benchmark program of the build before")
    parser.add_argument("b", metavar="B", help="the same program of the build after")
    parser.add_argument("--filter", default="", help="regular expression, as --benchmark_filter")
    parser.add_argument("--rounds", type=int, default=10, help="runs of each (default 10, at least 4)")
    parser.add_argument("--min-time", type=float, default=0.05, help="seconds a benchmark a run")
    parser.add_argument("--cpu", action="store_true",
                        help="compare CPU time: for programs of one thread, on a busy machine")
    parser.add_argument("--limit", type=float, default=5.0, help="tolerated slowdown in percent")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    args = parser.parse_args()
    if args.rounds < 4:
        parser.error("--rounds: at least 4, or there is no spread")
    for program in (args.a, args.b):
        if not os.access(program, os.X_OK):
            parser.error(f"{program}: not a program")

    times = collect(args)
    both = {name: judge(a, b, args.limit / 100) for name, (a, b) in times.items() if a and b}
    if not both:
        parser.error("no benchmark is in both programs")
    if args.json:
        print(json.dumps(both, indent=2))
    else:
        print(f"{'benchmark':40} {'A':>10} {'B':>10} {'change':>8} {'A vs A':>7}  verdict")
        for name, v in both.items():
            print(f"{name:40} {v['a']:10.2f} {v['b']:10.2f} {v['change']:+8.1%} {v['spread']:7.1%}"
                  f"  {v['verdict']}")
    return 1 if any(v["verdict"] == "SLOWER" for v in both.values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
