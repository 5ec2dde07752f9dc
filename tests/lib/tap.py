# SPDX-License-Identifier: BSD-3-Clause
"""Functions as tests of the Test Anything Protocol."""
import traceback


def run_tests(tests, *args):
    """TAP; a test that returns text was skipped, and that is why."""
    failed = 0
    print("1..%d" % len(tests))
    for i, test in enumerate(tests, 1):
        try:
            why = test(*args)
            print("ok %d - %s%s" % (i, test.__name__, " # SKIP " + why if why else ""), flush=True)
        except Exception:
            failed = 1
            print("".join("# %s\n" % line for line in traceback.format_exc().splitlines()), end="")
            print("not ok %d - %s" % (i, test.__name__), flush=True)
    return failed
