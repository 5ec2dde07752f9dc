/* SPDX-License-Identifier: BSD-3-Clause */
/* steps - what more than one fuzzer of the chip does to a fake bus. */
#ifndef MP_TESTS_FUZZ_LSI_CORE_STEPS_H
#define MP_TESTS_FUZZ_LSI_CORE_STEPS_H

#include "base/err.h"
#include "tests/fuzz/lsi-core/input.h"
#include "tests/lib/fake_bus.h"

/* SCRIPTS, which keep to their budget. */
static inline void run(struct fake_bus *b, unsigned int budget)
{
	unsigned int n = mp_lsi_run(&b->chip, budget);

	/* A step is itself and 16 units of data or messages; task management, one for a
	 * connection, is 16 more. */
	mp_assert(n <= budget + 33);
	mp_assert(n || !mp_lsi_runnable(&b->chip) || !budget);
}

/* A target that has the task does something with it. */
static inline void act(struct fake_bus *b, unsigned int task, unsigned int what, uint32_t len)
{
	if (!b->task[task].live || b->st->task[task].state != MP_LSI_TASK_RUNNING)
		return;
	if (what % 3 == 0)
		fake_status(b, task, (uint8_t)what);
	else
		fake_data(b, task, what % 3 == 1 ? MP_LSI_DATA_IN : MP_LSI_DATA_OUT, len);
}

static inline void speak(struct fake_bus *b, struct input *in)
{
	unsigned int task = take8(in), what = take8(in);

	act(b, task, what, 1 + (take8(in) | take8(in) << 8) % FAKE_CHUNK_BYTES);
}

/* Less than @most words, in memory at @prog or in SCRIPTS RAM, so that addresses hit often. */
static inline void put_words(struct fake_bus *b, struct input *in, uint32_t prog, unsigned int most)
{
	unsigned int where = take8(in), n = take8(in) % most;
	uint32_t base = where & 0x80 ? FAKE_RAM : prog;

	for (unsigned int i = 0; i < n; i++)
		fake_put32(b, base + (where & 0x7f) * 8 + i * 4, take32(in));
}

#endif
