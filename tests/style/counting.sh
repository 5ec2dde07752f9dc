#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# run-tests counts honestly: a crash, a timeout and a missing subtest are failures, a skip is a skip. TAP.
set -u
count=$1/scripts/count-tests
log=$(mktemp)
trap 'rm -f "$log"' EXIT
nr=0 failed=0
check() { # claim, expected last line, expected status; meson's log on stdin
	local got status
	cat >"$log"
	got=$("$count" --summary "s=$log" | tail -n 1)
	"$count" --summary "s=$log" >/dev/null
	status=$?
	nr=$((nr + 1))
	if [ "$got" = "$2" ] && [ "$status" = "$3" ]; then
		echo "ok $nr - $1"
	else
		echo "# got '$got', status $status; expected '$2', status $3"
		echo "not ok $nr - $1"
		failed=1
	fi
}
echo "1..10"
check "each subtest counts" "2 passed, 0 failed, 1 skipped" 0 <<'END'
{"name": "t", "result": "OK", "stdout": "1..3\nok 1 - a\nok 2 - b\n# skipped: no disk\nok 3 - c # SKIP\n"}
END
check "a failed subtest is one failure" "1 passed, 1 failed, 0 skipped" 1 <<'END'
{"name": "t", "result": "FAIL", "stdout": "1..2\nok 1 - a\nnot ok 2 - b\n"}
END
check "subtests that a crash prevented are a failure" "1 passed, 1 failed, 0 skipped" 1 <<'END'
{"name": "t", "result": "ERROR", "stdout": "1..3\nok 1 - a\n"}
END
check "a crash after the last subtest is a failure" "1 passed, 1 failed, 0 skipped" 1 <<'END'
{"name": "t", "result": "FAIL", "stdout": "1..1\nok 1 - a\n"}
END
check "a timeout is a failure" "0 passed, 1 failed, 0 skipped" 1 <<'END'
{"name": "t", "result": "TIMEOUT", "stdout": ""}
END
check "exit status 77 is a skip" "0 passed, 0 failed, 1 skipped" 0 <<'END'
{"name": "t", "result": "SKIP", "stdout": "skipped: no spin\n"}
END
check "a mutant that fails has passed" "1 passed, 0 failed, 0 skipped" 0 <<'END'
{"name": "t", "result": "EXPECTEDFAIL", "stdout": ""}
END
cat >"$log" <<'END'
{"name": "t", "result": "FAIL", "stdout": "1..2\n# fine\nok 1 - a\n# b.c:7: 1, not 2\nnot ok 2 - b\n", "stderr": "CHATTER"}
END
sed -i "s/CHATTER/$(printf 'more\\\\n%.0s' {1..40})/" "$log"
said="FAILED s: t: b
  # b.c:7: 1, not 2
$(printf '  more\n%.0s' {1..30})
1 passed, 1 failed, 0 skipped"
same() { # claim, expected, got
	nr=$((nr + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $nr - $1"
	else
		echo "# got: $3" | sed '2,$s/^/# /'
		echo "not ok $nr - $1"
		failed=1
	fi
}
same "a failure is told with what it said, however much others did" "$said" "$("$count" "s=$log")"
same "but once" "${said%%$'\n'*}" "$("$count" --summary "s=$log" | head -n 1)"
cat >"$log" <<'END'
{"name": "t", "result": "OK", "stdout": "1..2\n# skipped: no disk\nok 1 - a # SKIP\nok 2 - b # SKIP no CD\n"}
END
same "a skip is told with its reason" "skipped s: t: a (no disk)
skipped s: t: b (no CD)
0 passed, 0 failed, 2 skipped" "$("$count" --summary "s=$log")"
exit $failed
