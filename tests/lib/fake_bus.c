/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake_bus.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE       4096u
#define MAX_STEPS  100000u
#define RUN_BUDGET 1000u
#define POOL_BYTES ((size_t)MP_LSI_MAX_TASKS * FAKE_CHUNK_BYTES)

static void *span(uint8_t *base, uint64_t off, uint64_t size, uint32_t *len)
{
	uint64_t in_page = PAGE - off % PAGE;

	if (off >= size)
		return NULL;
	if (*len > in_page)
		*len = (uint32_t)in_page;
	return base + off;
}

static void *bus_dma(void *opaque, uint64_t addr, uint32_t *len, bool write)
{
	struct fake_bus *b = opaque;

	(void)write;
	b->n_dma++;
	if (addr >= FAKE_HIGH)
		return span(b->high, addr - FAKE_HIGH, FAKE_HIGH_BYTES, len);
	return span(b->mem, addr, FAKE_MEM_BYTES, len);
}

static void bus_dma_written(void *opaque, uint64_t addr, uint32_t len)
{
	struct fake_bus *b = opaque;

	b->written_addr = addr;
	b->written_len = len;
}

static bool bus_target_present(void *opaque, unsigned int target)
{
	struct fake_bus *b = opaque;

	return b->present >> target & 1;
}

uint8_t fake_pattern(unsigned int task, uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) + task);
}

static void fill(struct fake_bus *b, unsigned int task, uint32_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		b->pool[task * FAKE_CHUNK_BYTES + i] = fake_pattern(task, from + i);
}

void fake_data(struct fake_bus *b, unsigned int task, enum mp_lsi_dir dir, uint32_t len)
{
	if (dir == MP_LSI_DATA_IN)
		fill(b, task, b->task[task].done, len);
	b->task[task].done += len;
	mp_lsi_target_data(&b->chip, task, dir, len);
}

void fake_status(struct fake_bus *b, unsigned int task, uint8_t status)
{
	mp_lsi_target_status(&b->chip, task, status);
}

static void answer(struct fake_bus *b, unsigned int task)
{
	struct fake_task *t = &b->task[task];
	/* A test that spoke for the target itself may have given more. */
	uint32_t left = t->len > t->done ? t->len - t->done : 0;

	if (left)
		fake_data(b, task, b->dir, left < b->chunk_len ? left : b->chunk_len);
	else
		fake_status(b, task, b->status);
}

static void bus_command(void *opaque, unsigned int task, const struct mp_lsi_command *cmd)
{
	struct fake_bus *b = opaque;

	mp_assert(b->trusting || !b->task[task].live);
	b->task[task] = (struct fake_task){.live = true, .cmd = *cmd, .len = b->xfer_len};
	b->last_task = task;
	b->n_commands++;
	if (b->prompt)
		answer(b, task);
}

static void *bus_task_buf(void *opaque, unsigned int task, uint32_t off, uint32_t *len)
{
	struct fake_bus *b = opaque;

	mp_assert(b->trusting || off + *len <= FAKE_CHUNK_BYTES);
	off %= FAKE_CHUNK_BYTES;
	if (*len > FAKE_CHUNK_BYTES - off)
		*len = FAKE_CHUNK_BYTES - off;
	if (*len > b->frag_len)
		*len = b->frag_len;
	return b->pool + task * FAKE_CHUNK_BYTES + off;
}

static void bus_data_moved(void *opaque, unsigned int task, uint32_t n_moved, bool more)
{
	struct fake_bus *b = opaque;

	(void)more;
	mp_assert(b->trusting || b->task[task].live);
	b->n_moved += n_moved;
	if (b->prompt)
		answer(b, task);
}

static void bus_task_done(void *opaque, unsigned int task)
{
	struct fake_bus *b = opaque;

	mp_assert(b->trusting || b->task[task].live);
	b->task[task].live = false;
	b->n_done++;
}

static bool covers(const struct fake_tm *tm, unsigned int i, const struct mp_lsi_command *cmd)
{
	switch (tm->tm) {
	case MP_LSI_TM_ABORT_TASK:
		return tm->task == i;
	case MP_LSI_TM_TARGET_RESET:
		return tm->target == cmd->target;
	case MP_LSI_TM_BUS_RESET:
	case MP_LSI_TM_CANCEL_ALL:
		return true;
	default:
		return tm->target == cmd->target && tm->lun == cmd->lun;
	}
}

static void bus_tm(void *opaque, enum mp_lsi_tm tm, unsigned int target, unsigned int lun,
		   unsigned int task)
{
	struct fake_bus *b = opaque;
	struct fake_tm *rec = &b->tm[b->n_tms++ % FAKE_MAX_TMS];

	*rec = (struct fake_tm){tm, target, lun, task};
	for (unsigned int i = 0; i < MP_LSI_MAX_TASKS; i++)
		if (b->task[i].live && covers(rec, i, &b->task[i].cmd))
			b->task[i].live = false;
}

static void bus_keeps_bus(void *opaque, unsigned int task)
{
	struct fake_bus *b = opaque;

	mp_assert(b->trusting || b->task[task].live);
	b->n_keepers++;
	b->keeper = task;
}

static bool bus_task_busy(void *opaque, unsigned int task)
{
	struct fake_bus *b = opaque;

	return task < 64 && b->busy_tasks >> task & 1;
}

static void bus_sense(void *opaque, unsigned int target, unsigned int lun, unsigned int initiator,
		      unsigned int what)
{
	struct fake_bus *b = opaque;

	(void)initiator;
	b->sense = what;
	b->sense_target = target;
	b->sense_lun = lun;
}

static const struct mp_lsi_ops bus_ops = {
	.dma = bus_dma,
	.dma_written = bus_dma_written,
	.target_present = bus_target_present,
	.command = bus_command,
	.task_buf = bus_task_buf,
	.data_moved = bus_data_moved,
	.task_done = bus_task_done,
	.tm = bus_tm,
	.keeps_bus = bus_keeps_bus,
	.task_busy = bus_task_busy,
	.sense = bus_sense,
};

/* Zeroed pages with a guard behind them: nothing is touched before it is used. */
static uint8_t *pages(size_t len)
{
	uint8_t *p = mmap(NULL, len + PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	mp_assert(p != MAP_FAILED && mprotect(p + len, PAGE, PROT_NONE) == 0);
	return p;
}

struct fake_bus *fake_bus_create(void)
{
	struct fake_bus *b = calloc(1, sizeof(*b));

	mp_assert(b);
	b->st = aligned_alloc(64, mp_lsi_state_bytes());
	b->mem = pages(FAKE_MEM_BYTES);
	b->high = pages(FAKE_HIGH_BYTES);
	b->pool = pages(POOL_BYTES);
	mp_assert(b->st);
	memset(b->st, 0, mp_lsi_state_bytes());
	mp_assert(mp_lsi_attach(&b->chip, b->st, &bus_ops, b) == 0);
	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_IO, FAKE_IO);
	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_MMIO, FAKE_REGS);
	mp_lsi_set_bar(&b->chip, MP_LSI_BAR_RAM, FAKE_RAM);
	b->present = 1;
	b->chunk_len = FAKE_CHUNK_BYTES;
	b->frag_len = FAKE_CHUNK_BYTES;
	return b;
}

void fake_bus_destroy(struct fake_bus *b)
{
	free(b->st);
	munmap(b->mem, FAKE_MEM_BYTES + PAGE);
	munmap(b->high, FAKE_HIGH_BYTES + PAGE);
	munmap(b->pool, POOL_BYTES + PAGE);
	free(b);
}

static uint8_t *at(struct fake_bus *b, uint64_t addr)
{
	if (addr >= FAKE_HIGH)
		return b->high + (addr - FAKE_HIGH);
	if (addr - FAKE_RAM < MP_LSI_RAM_BYTES)
		return b->st->ram + (addr - FAKE_RAM);
	mp_assert(addr < FAKE_MEM_BYTES);
	return b->mem + addr;
}

void fake_put32(struct fake_bus *b, uint64_t addr, uint32_t v)
{
	mp_put_le32(at(b, addr), v);
}

uint32_t fake_get32(struct fake_bus *b, uint64_t addr)
{
	return mp_get_le32(at(b, addr));
}

uint32_t fake_words(struct fake_bus *b, uint32_t addr, const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fake_put32(b, addr + 4 * i, words[i]);
	return addr + 4 * (uint32_t)n;
}

uint8_t fake_rd8(struct fake_bus *b, unsigned int reg)
{
	return (uint8_t)mp_lsi_read(&b->chip, reg, 1);
}

uint32_t fake_rd32(struct fake_bus *b, unsigned int reg)
{
	return mp_lsi_read(&b->chip, reg, 4);
}

void fake_wr8(struct fake_bus *b, unsigned int reg, uint8_t v)
{
	mp_lsi_write(&b->chip, reg, 1, v);
}

void fake_wr32(struct fake_bus *b, unsigned int reg, uint32_t v)
{
	mp_lsi_write(&b->chip, reg, 4, v);
}

void fake_run(struct fake_bus *b)
{
	unsigned int n = 0;

	while (mp_lsi_run(&b->chip, RUN_BUDGET))
		mp_assert(++n < MAX_STEPS);
	mp_assert(!mp_lsi_runnable(&b->chip));
}

void fake_go(struct fake_bus *b, uint32_t dsp)
{
	fake_wr32(b, MP_LSI_R_DSP, dsp);
	fake_run(b);
}
