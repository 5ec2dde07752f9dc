/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session - proxy and worker meet, change guest memory, and part
 * (wire/session.h).
 *
 *	HELLO ->, <- WELCOME, READY ->, <- ACK; then RAM ->, <- ACK, again and again
 *
 * At any step either process may crash (the kernel closes its socket, the peer
 * sees the end of the stream) or stop for good (the socket stays open: only a
 * time limit helps). A wait may run into its time limit at any moment, which
 * covers every real limit. Memory that a side offers may be bad (not sealed,
 * too short, wrong header); versions may differ.
 *
 * The claims:
 *  1. When all is still, both are established or both are gone; a side whose
 *     peer has stopped is established or gone, never stuck in between.
 *  2. Nobody touches memory that was not checked.
 *  3. An established proxy has a worker that serves its rings.
 *  4. When the proxy's set_ram returns success, no DMA into the old table can
 *     come; no DMA ever goes to a table that is not mapped. (After a failure
 *     the device is dead, and the worker's own mapping keeps the old pages.)
 *
 * HOSTILE_PROXY and HOSTILE_WORKER put a peer there that says anything in any
 * order; the claims about the honest side must still hold.
 *
 * Mutants, each must fail:
 *	NO_PROXY_CHECK	the proxy maps the worker's memory without the check
 *	NO_WORKER_CHECK	the worker the proxy's
 *	NO_RAM_CHECK	the worker maps a table without looking at the files
 *	NO_VERSION	versions are not compared
 *	NO_ACK		the proxy doesn't wait for the first ACK
 *	RAM_NO_WAIT	the proxy takes the old table as free before the ACK
 *	EARLY_ACK	the worker answers while DMA into the old table is in flight
 *	EARLY_UNMAP	the worker unmaps the old table first
 *	NO_TIMEOUT	waits have no limit
 *	NO_HANGUP	an established side doesn't look for the end of the stream
 */
#define TABLES 3
#if defined(HOSTILE_PROXY) || defined(HOSTILE_WORKER)
#define DEPTH 1 /* of the socket */
#else
#define DEPTH 2
#endif

mtype = { HELLO, WELCOME, READY, ACK, NAK, RAM };	   /* messages */
mtype = { MEETING, ESTABLISHED, CLOSED, CRASHED, STOPPED }; /* states */

mtype p_state = MEETING, w_state = MEETING;
bool p_gone, w_gone; /* this side's end of the socket is closed */

/* { message, version or table } */
chan to_w = [DEPTH] of { mtype, byte };
chan to_p = [DEPTH] of { mtype, byte };

bool p_mem_ok, w_mem_ok; /* what each side's memfd is really like */
byte p_version, w_version;

bool ram_ok[TABLES];   /* what the files of a table are really like */
bool retired[TABLES];  /* the proxy takes it as out of use */
bool mapped[TABLES];   /* in the worker */
bool inflight[TABLES]; /* a DMA was started and has not ended */
bool serving;	       /* the worker's poll loop looks at the rings */

/* The fates: one of them may strike, once for each side, at any moment. */
bool p_crash, w_crash, p_stop, w_stop;

active proctype fate()
{
	if
	:: p_crash = true
	:: p_stop = true
	:: w_crash = true
	:: w_stop = true
	:: p_crash = true; w_stop = true
	:: p_stop = true; w_crash = true
	:: skip
	fi
}

/* A wait for the next message: it, the end of the stream, or the time limit. */
#ifdef NO_TIMEOUT
#define LIMIT false
#else
#define LIMIT true
#endif
#define RECEIVE(ch, peer_gone, msg, arg, out)                                  \
	if                                                                     \
	:: ch ? msg, arg                                                       \
	:: empty(ch) && peer_gone -> goto out                                  \
	:: LIMIT -> goto out                                                   \
	fi

#define SEND(ch, peer_gone, msg, arg, out)                                     \
	if                                                                     \
	:: atomic { !peer_gone && nfull(ch) -> ch ! msg, arg }                 \
	:: peer_gone -> goto out                                               \
	:: LIMIT && full(ch) -> goto out                                       \
	fi

inline choose(bit_)
{
	if
	:: bit_ = true
	:: bit_ = false
	fi
}

#ifndef HOSTILE_PROXY
active proctype proxy()
{
	mtype msg;
	byte arg, table;

	{
		choose(p_mem_ok);
		choose(p_version);
		SEND(to_w, w_gone, HELLO, p_version, out);
		RECEIVE(to_p, w_gone, msg, arg, out);
		if
		:: msg != WELCOME -> goto out
#ifndef NO_VERSION
		:: msg == WELCOME && arg != p_version -> goto out
#endif
#ifndef NO_PROXY_CHECK
		:: msg == WELCOME && !w_mem_ok -> goto out
#endif
		:: else
		fi;
		assert(w_mem_ok); /* mapped and used from here */
		SEND(to_w, w_gone, READY, 0, out);
#ifndef NO_ACK
		RECEIVE(to_p, w_gone, msg, arg, out);
		if
		:: msg != ACK -> goto out
		:: else
		fi;
#endif
#ifndef HOSTILE_WORKER
		assert(w_version == p_version);
		assert(serving || w_state == CLOSED || w_state == CRASHED);
#endif
		p_state = ESTABLISHED;
	end:
		do
		:: table < TABLES -> /* guest memory changed: mp_session_send_ram() */
			choose(ram_ok[table]);
			SEND(to_w, w_gone, RAM, table, out);
#ifdef RAM_NO_WAIT
			if
			:: table > 0 -> retired[table - 1] = true
			:: else
			fi;
#endif
			RECEIVE(to_p, w_gone, msg, arg, out);
			if
			:: msg != ACK -> goto out
			:: msg == ACK && table > 0 -> retired[table - 1] = true
			:: else
			fi;
			table++
#ifndef NO_HANGUP
		:: w_gone && empty(to_p) -> break
#endif
		:: break /* unplugged */
		od;
	out:
		atomic { p_gone = true; p_state = CLOSED }
	} unless {
		atomic {
			if
			:: p_crash && p_state != CLOSED -> p_gone = true; p_state = CRASHED
			:: p_stop && p_state != CLOSED -> p_state = STOPPED
			fi
		}
	}
}
#endif

#ifndef HOSTILE_WORKER
/* May start a DMA into the table that is current; the kernel ends it (dma). */
#define MAY_DMA(table)                                                         \
	if                                                                     \
	:: !inflight[table] -> inflight[table] = true                          \
	:: skip                                                                \
	fi

inline take_table(new)
{
	if
#ifndef NO_RAM_CHECK
	:: !ram_ok[new] -> SEND(to_p, p_gone, NAK, 0, out)
	:: else ->
#else
	:: true ->
#endif
		mapped[new] = true;
		if
		:: have ->
			old = cur;
			cur = new;
			MAY_DMA(cur);
#ifdef EARLY_UNMAP
			mapped[old] = false;
#endif
#ifdef EARLY_ACK
			SEND(to_p, p_gone, ACK, 0, out);
#endif
			!inflight[old];
			mapped[old] = false
		:: else ->
			cur = new;
			have = true
		fi;
#ifdef EARLY_ACK
		if
		:: new == 0 -> SEND(to_p, p_gone, ACK, 0, out)
		:: else
		fi
#else
		SEND(to_p, p_gone, ACK, 0, out)
#endif
	fi
}

active proctype worker()
{
	mtype msg;
	byte arg, cur, old;
	bool have;

	{
		choose(w_mem_ok);
		choose(w_version);
		RECEIVE(to_w, p_gone, msg, arg, out);
		if
		:: msg != HELLO -> goto out
#ifndef NO_VERSION
		:: msg == HELLO && arg != w_version -> goto out
#endif
#ifndef NO_WORKER_CHECK
		:: msg == HELLO && !p_mem_ok -> goto out
#endif
		:: else
		fi;
		assert(p_mem_ok);
		SEND(to_p, p_gone, WELCOME, w_version, out);
		RECEIVE(to_w, p_gone, msg, arg, out);
		if
		:: msg != READY -> goto out
		:: else
		fi;
		serving = true;
		SEND(to_p, p_gone, ACK, 0, out);
		w_state = ESTABLISHED;
	end:
		do
		:: to_w ? msg, arg ->
			if
			:: msg != RAM || arg >= TABLES || (have && arg == cur) -> break
			:: else
			fi;
			take_table(arg)
		:: have && !inflight[cur] -> inflight[cur] = true
#ifndef NO_HANGUP
		:: p_gone && empty(to_w) -> break
#endif
		od;
	out:
		serving = false;
		if
		:: have -> !inflight[cur]; mapped[cur] = false
		:: else
		fi;
		atomic { w_gone = true; w_state = CLOSED }
	} unless {
		atomic {
			if
			:: w_crash && w_state != CLOSED -> w_gone = true; serving = false; w_state = CRASHED
			:: w_stop && w_state != CLOSED -> w_state = STOPPED
			fi
		}
	}
}
#endif

/* The kernel carries out what was started; a crash doesn't unmap pages under it. */
active proctype dma()
{
	byte t;
end:
	do
	:: atomic {
		inflight[t] -> assert(!retired[t] && mapped[t] && ram_ok[t]);
		inflight[t] = false
	   }
	:: atomic { !inflight[t] && (inflight[0] || inflight[1] || inflight[2]) -> t = (t + 1) % TABLES }
	od
}

#if defined(HOSTILE_PROXY) || defined(HOSTILE_WORKER)
#ifdef HOSTILE_PROXY
#define to_victim   to_w
#define from_victim to_p
#define my_mem_ok   p_mem_ok
#define my_gone	    p_gone
#define my_state    p_state
#else
#define to_victim   to_p
#define from_victim to_w
#define my_mem_ok   w_mem_ok
#define my_gone	    w_gone
#define my_state    w_state
#endif
/* Says anything, any number of times, and reads or ignores what it is told. */
active proctype hostile()
{
	byte t;

	choose(my_mem_ok);
	choose(ram_ok[0]);
	choose(ram_ok[1]);
end:
	do
	:: nfull(to_victim) -> to_victim ! HELLO, 0
	:: nfull(to_victim) -> to_victim ! WELCOME, 0
	:: nfull(to_victim) -> to_victim ! READY, 0
	:: nfull(to_victim) -> to_victim ! ACK, 0
	:: nfull(to_victim) -> to_victim ! NAK, 0
	:: nfull(to_victim) -> to_victim ! RAM, 0
	:: nfull(to_victim) -> to_victim ! RAM, 1
	:: nfull(to_victim) -> to_victim ! RAM, TABLES
	:: atomic { nempty(from_victim) -> from_victim ? _, t }
	:: break
	od;
	atomic { my_gone = true; my_state = CLOSED }
}
#endif

#define GONE(s) (s == CLOSED || s == CRASHED)

active proctype monitor()
{
end:
	timeout ->
	if
	:: p_state == STOPPED -> assert(GONE(w_state) || w_state == ESTABLISHED || w_state == STOPPED)
	:: w_state == STOPPED -> assert(GONE(p_state) || p_state == ESTABLISHED)
	:: else -> assert((p_state == ESTABLISHED && w_state == ESTABLISHED) || (GONE(p_state) && GONE(w_state)))
	fi
}
