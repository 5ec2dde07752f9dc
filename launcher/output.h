/* SPDX-License-Identifier: BSD-3-Clause */
/* output - results as a table for people and as JSON for programs. */
#ifndef MP_LAUNCHER_OUTPUT_H
#define MP_LAUNCHER_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "launcher/results.h"

/** All rounds of one kind of device; rows holds their medians. */
struct mp_outcome {
	enum mp_dev_kind kind;
	struct mp_rows rows;
	const struct mp_rows *round; /* each of them */
	unsigned int n_rounds;
	/* Sums over all rounds: */
	struct mp_transport *transport; /* per device; NULL for QEMU's own */
	struct mp_transport transport_total;
	double qemu_cpu_ns; /* all threads */
	double round_ns;
};

/** mp_output_table() - rows of one kind, with the transport's columns if it has them; or that no I/O was done */
void mp_output_table(const struct mp_outcome *o, FILE *out);

/** mp_output_ratios() - remote against QEMU's own, from the totals, if both have any I/O */
void mp_output_ratios(const struct mp_outcome *remote, const struct mp_outcome *stock, FILE *out);

/** mp_output_json() - one kind, a new reference */
json_t *mp_output_json(const struct mp_outcome *o);

/** mp_output_context() - versions, CPU, kernel, placement, options, commit; a new reference */
json_t *mp_output_context(const struct mp_plan *p, const char *guest);

/**
 * mp_output_probe() - can the file @path be written, once there is something to write?
 *
 * Creates and changes nothing.
 *
 * Return: 0; 1 it is a pipe or the like, which is better opened at once; negative errno.
 */
int mp_output_probe(const char *path);

/** mp_output_first_line() - the first line that a program prints with --version, into @buf */
void mp_output_first_line(const char *program, char *buf, size_t len);

#endif
