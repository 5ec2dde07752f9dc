/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_scripts - register accesses, memory and targets, all hostile.
 *
 * The input is a sequence of records: an opcode byte and its operands. They
 * write registers, memory and SCRIPTS RAM, read registers, run the engine,
 * advance time, move BARs, let targets speak, and re-attach to the state. The
 * chip must not crash, overrun (sanitizers), assert or fail to yield; what the
 * targets see must be consistent (the fake bus asserts), and the state must
 * always be one that attach accepts. A record may also damage the state itself,
 * as a broken predecessor would: attach refuses it, or it is safe to run.
 */
#include "tests/fuzz/lsi-core/input.h"
#include "tests/fuzz/lsi-core/steps.h"
#include "tests/lib/fake_bus.h"

#define MAX_RECORDS 200u
#define PROG        0x1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_state(struct fake_bus *b)
{
	const struct mp_lsi_counters counters = b->chip.counters;

	mp_assert(mp_lsi_attach(&b->chip, b->st, b->chip.ops, b) == 1);
	b->chip.counters = counters;
	mp_assert(mp_lsi_shadow(&b->chip) != NULL);
}

/* Returns false if attach refused the result. */
static bool damage(struct fake_bus *b, struct input *in)
{
	size_t at = 24 + (take8(in) | (size_t)take8(in) << 8) %
				 (offsetof(struct mp_lsi_state, ram) - 24);

	b->trusting = true;
	((uint8_t *)b->st)[at] = take8(in);
	return mp_lsi_attach(&b->chip, b->st, b->chip.ops, b) >= 0;
}

static void configure(struct fake_bus *b, struct input *in)
{
	b->present = take8(in);
	b->prompt = take8(in) & 1;
	b->dir = take8(in) & 1 ? MP_LSI_DATA_IN : MP_LSI_DATA_OUT;
	b->xfer_len = take8(in) * 37u;
	b->chunk_len = 1 + take8(in) * 16u;
	b->frag_len = 1 + take8(in) * 8u;
}

static void set_bar(struct fake_bus *b, struct input *in)
{
	unsigned int what = take8(in);

	mp_lsi_set_bar(&b->chip, what % 3, what & 0x80 ? UINT64_MAX : take32(in));
}

static bool record(struct fake_bus *b, struct input *in, uint64_t *now)
{
	static const uint8_t sizes[4] = {1, 2, 4, 4};
	uint8_t op = take8(in), reg;

	switch (op % 12) {
	case 0:
	case 1:
		reg = take8(in);
		mp_lsi_write(&b->chip, reg, sizes[op >> 6], take32(in));
		break;
	case 2:
		(void)mp_lsi_read(&b->chip, take8(in), sizes[op >> 6]);
		break;
	case 3:
	case 4:
		put_words(b, in, PROG, 16);
		break;
	case 5:
		fake_wr32(b, MP_LSI_R_DSP, (op & 0x40 ? FAKE_RAM : PROG) + take8(in) * 8);
		break;
	case 6:
	case 7:
		run(b, take8(in));
		break;
	case 8:
		speak(b, in);
		break;
	case 9:
		*now += take32(in);
		mp_lsi_tick(&b->chip, *now);
		break;
	case 10:
		configure(b, in);
		break;
	default:
		if (op & 0x80)
			set_bar(b, in);
		else if (op & 0x40)
			mp_lsi_reset(&b->chip);
		else
			return damage(b, in);
		break;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_bus *b = fake_bus_create();
	struct input in = {data, size};
	uint64_t now = 0;

	bool sane = true;

	for (unsigned int i = 0; i < MAX_RECORDS && in.left && sane; i++) {
		sane = record(b, &in, &now);
		if (sane && !b->trusting)
			check_state(b);
	}
	if (sane)
		run(b, 1000);
	fake_bus_destroy(b);
	return 0;
}
