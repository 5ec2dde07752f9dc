/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring - no message is lost, torn, doubled or overwritten (ring/ring.h).
 *
 * Each side's stores pass through a FIFO that drains when it likes: x86-TSO,
 * and no more is claimed of the plain model. A label that forbids what TSO
 * never does (R1, R3, R4, and R2's load order) is tested by a mutant that
 * makes the forbidden order by hand, as a compiler or a weaker core would.
 *
 * Counters are free-running modulo MOD, and both sides run for ever, so the
 * search covers the wrap and is complete for these sizes. The producer may
 * stop at any time; when all is still, everything sent must have arrived.
 *
 * Mutants, each must fail:
 *	NO_R1_READS	head is published before the slot is read
 *	NO_R1_STORES	head is published before the word "applied"
 *	NO_R2_WRITES	the slot is filled before the credit is there
 *	NO_R2_LOADS	the word "applied" is loaded before the credit
 *	NO_R3		the number is stored before the payload
 *	NO_R4		the payload is loaded before the number
 *	OVERFILL	one slot too many is lent
 *	NO_RELEASE	the consumer keeps the credit
 *	NARROW_SEQ	numbers as few as slots: an old one looks like a new one
 */
#ifndef SLOTS
#define SLOTS 2
#endif
#define MOD (4 * SLOTS)
#ifdef NARROW_SEQ
#define WORD(x) ((x) % SLOTS) /* what a slot's first word holds for number x */
#else
#define WORD(x) (x)
#endif
#ifdef OVERFILL
#define CREDIT (SLOTS + 1)
#else
#define CREDIT SLOTS
#endif

#define INC(x)	   (((x) + 1) % MOD)
#define DIST(a, b) (((a) + MOD - (b)) % MOD) /* the unsigned difference a - b */

/* Written by the producer. The payload has two halves, so that it can tear. */
byte seq[SLOTS], low[SLOTS], high[SLOTS];
/* Written by the consumer: its credit, and what it has applied. */
byte head, applied;

/* Stores in flight: { where, slot, value }. */
mtype = { SEQ, LOW, HIGH, HEAD, APPLIED };
chan pbuf = [4] of { mtype, byte, byte };
chan cbuf = [3] of { mtype, byte };

/* For the monitor only. */
byte sent, received;

active proctype producer_stores()
{
	byte i, v;
end:
	do
	:: atomic { pbuf ? SEQ, i, v -> seq[i] = v }
	:: atomic { pbuf ? LOW, i, v -> low[i] = v }
	:: atomic { pbuf ? HIGH, i, v -> high[i] = v }
	od
}

active proctype consumer_stores()
{
	byte v;
end:
	do
	:: atomic { cbuf ? HEAD, v -> head = v }
	:: atomic { cbuf ? APPLIED, v -> applied = v }
	od
}

inline fill(i, value)
{
	pbuf ! LOW(i, value);
	pbuf ! HIGH(i, value)
}

active proctype producer() /* mp_ring_reserve(), fill, mp_ring_commit() */
{
	byte tail, head_seen, applied_seen, i;

	do
	:: break
	:: true ->
		i = tail % SLOTS;
#ifdef NO_R2_WRITES
		fill(i, INC(tail));
#endif
		if
		:: DIST(tail, head_seen) >= CREDIT ->
#ifdef NO_R2_LOADS
			applied_seen = applied;
#endif
			/* R2; polled until there is credit */
			atomic { DIST(tail, head) < CREDIT -> head_seen = head }
#ifndef NO_R2_LOADS
			applied_seen = applied;
#endif
			/* mp_ring_drained(): a credit vouches for what was applied */
			assert(DIST(applied_seen, head_seen) <= SLOTS)
		:: else
		fi;
#ifdef NO_R3
		pbuf ! SEQ(i, WORD(INC(tail)));
#endif
#ifndef NO_R2_WRITES
		fill(i, INC(tail));
#endif
#ifndef NO_R3
		pbuf ! SEQ(i, WORD(INC(tail))); /* R3 */
#endif
		atomic { tail = INC(tail); sent = tail }
	od
}

inline release()
{
#ifndef NO_RELEASE
	cbuf ! HEAD(next); /* R1 */
#endif
	published = next
}

active proctype consumer() /* mp_ring_peek(), copy, apply, mp_ring_next(), mp_ring_release() */
{
	byte next, published, got_low, got_high, i;
end:
	do
	:: atomic { published != next && seq[i] != WORD(INC(next)) -> skip }
		release() /* nothing more to do: give all back */
#ifdef NO_R4
	:: true ->
		got_low = low[i];
		got_high = high[i];
		if
		:: seq[i] != WORD(INC(next)) -> goto end
		:: else
		fi;
#else
	:: seq[i] == WORD(INC(next)) -> /* R4 */
#endif
#ifdef NO_R1_READS
		cbuf ! APPLIED(INC(next));
		cbuf ! HEAD(INC(next));
		published = INC(next);
#endif
#ifndef NO_R4
		got_low = low[i];
		got_high = high[i];
#endif
		assert(got_low == INC(next) && got_high == INC(next));
		next = INC(next);
		i = next % SLOTS;
#ifdef NO_R1_STORES
		release();
#endif
#ifndef NO_R1_READS
		cbuf ! APPLIED(next);
#endif
		received = next;
		if
		:: published != next -> release()
		:: skip /* a batch: later */
		fi
	od
}

/* When nothing can move any more, nothing may be missing. */
active proctype monitor()
{
end:
	timeout -> assert(sent == received && empty(pbuf) && empty(cbuf))
}
