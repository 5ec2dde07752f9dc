// SPDX-License-Identifier: BSD-3-Clause
/* The only C++ here: google-benchmark has no C interface. */
#include "bench/shim/gbench.h"

#include <benchmark/benchmark.h>

struct gb_state {
	benchmark::State &state;
};

bool gb_init(int *argc, char **argv)
{
	benchmark::Initialize(argc, argv);
	return !benchmark::ReportUnrecognizedArguments(*argc, argv);
}

void gb_context(const char *key, const char *value)
{
	benchmark::AddCustomContext(key, value);
}

void gb_register(const char *name, gb_fn *fn, void *opaque)
{
	benchmark::RegisterBenchmark(name, [fn, opaque](benchmark::State &state) {
		gb_state s{state};

		fn(&s, opaque);
	})->UseRealTime();
}

unsigned int gb_run(void)
{
	size_t n = benchmark::RunSpecifiedBenchmarks();

	benchmark::Shutdown();
	return static_cast<unsigned int>(n);
}

bool gb_keep_running(struct gb_state *s, uint32_t n_ops)
{
	return s->state.KeepRunningBatch(n_ops);
}

void gb_counter(struct gb_state *s, const char *name, double value)
{
	s->state.counters[name] = value;
}

void gb_label(struct gb_state *s, const char *text)
{
	s->state.SetLabel(text);
}

void gb_fail(struct gb_state *s, const char *why)
{
	s->state.SkipWithError(why);
}
