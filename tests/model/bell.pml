/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bell - no wake-up is lost, and an armed value is rung for once
 * (doorbell/bell.h).
 *
 * Two devices share one sleeper and its eventfd, as in a worker; each has its
 * own armed word and ringer. Every store passes through a FIFO that drains
 * when it likes (x86-TSO); a fence waits for its own. The eventfd is the
 * kernel's and immediate: no ordering is borrowed from it. The sleeper also
 * wakes for other reasons (a disk completion), a bounded number of times.
 *
 * The armed word counts. A ringer remembers the value that it rang for and
 * doesn't ring for it again: whoever armed it has already been rung, and will
 * store another value before it sleeps again.
 *
 * A lost wake-up shows as a deadlock: messages are waiting, the sleeper sleeps.
 *
 * Mutants, each must fail:
 *	NO_B1		no fence between the message and the look at armed
 *	NO_B2		no fence between armed and the last look
 *	NO_LOOK		the sleeper doesn't look once more
 *	NO_RUNG		the ringer rings at each message
 *	PARITY_RUNG	the ringer remembers only that it rang for "armed"
 *	NARROW_COUNT	armed counts modulo 4: an old value comes back while
 *			the ringer remembers it
 *	DRAIN_ARMED	the eventfd is drained between arming and sleeping
 */
/* How much happens; a rung value matters from the second message on. */
#ifndef MSGS0
#define MSGS0 2 /* of device 0 */
#endif
#ifndef MSGS1
#define MSGS1 1
#endif
#ifndef OTHER_WAKES
#define OTHER_WAKES 1
#endif

#ifdef NARROW_COUNT
#define NEXT(x) (((x) + 1) % 4)
#else
#define NEXT(x) ((x) + 1) /* the search ends long before 256 */
#endif

byte tail[2];  /* written by ringer d: messages sent */
byte armed[2]; /* written by the sleeper */
bool bell;     /* the eventfd: readable */

chan pbuf0 = [1] of { byte }; /* ringer 0's store to tail, in flight */
chan pbuf1 = [1] of { byte };
chan cbuf = [2] of { byte, byte }; /* the sleeper's stores to armed: device, value */

active proctype stores()
{
	byte d, v;
end:
	do
	:: atomic { pbuf0 ? v -> tail[0] = v }
	:: atomic { pbuf1 ? v -> tail[1] = v }
	:: atomic { cbuf ? d, v -> armed[d] = v }
	od
}

proctype ringer(byte d; byte msgs; chan pbuf) /* mp_ring_commit(), mp_bell_kick() */
{
	byte n, raw_armed, rung;

	do
	:: n == msgs -> break
	:: n < msgs ->
		atomic { n++; pbuf ! n }
#ifndef NO_B1
		empty(pbuf); /* B1 */
#endif
		raw_armed = armed[d];
		if
#ifdef NO_RUNG
		:: raw_armed % 2 == 1 ->
#elif defined(PARITY_RUNG)
		:: raw_armed % 2 == 1 && rung % 2 == 0 ->
#else
		:: raw_armed % 2 == 1 && raw_armed != rung ->
#endif
			assert(raw_armed != rung); /* one ring for each value */
			atomic { bell = true; rung = raw_armed }
		:: else
		fi;
		raw_armed = 0
	od
}

inline store_armed(d)
{
	atomic { count[d] = NEXT(count[d]); cbuf ! d, count[d] }
}

inline arm(d) /* mp_bell_arm() */
{
	store_armed(d);
#ifndef NO_B2
	empty(cbuf) /* B2 */
#endif
}

/* One load for each device, not both at once. */
inline look()
{
	work = (tail[0] != seen[0]);
	work = work || (tail[1] != seen[1])
}

active proctype sleeper()
{
	byte seen[2], count[2], others;
	bool work;

	atomic { run ringer(0, MSGS0, pbuf0); run ringer(1, MSGS1, pbuf1) }
	do
	:: seen[0] == MSGS0 && seen[1] == MSGS1 -> break
	:: else ->
		seen[0] = tail[0]; /* a turn of the poll loop */
		seen[1] = tail[1];
		arm(0);
		arm(1);
#ifdef DRAIN_ARMED
		bell = false;
#endif
#ifdef NO_LOOK
		work = false;
#else
		look();
#endif
		if
		:: work
		:: !work && (seen[0] < MSGS0 || seen[1] < MSGS1) ->
			if /* asleep */
			:: atomic { bell -> bell = false }
			:: others < OTHER_WAKES -> others++
			fi
		:: else
		fi;
		work = false;
		store_armed(0); /* mp_bell_disarm() */
		store_armed(1)
	od
}
