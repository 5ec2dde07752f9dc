/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of waiting tasks. A task waits in at most one; it knows which. */
#include "base/err.h"
#include "scsi-target/bus.h"

void mp_queue_push(struct mp_scsi_queue *q, struct mp_scsi_side *s)
{
	mp_assert(!s->queue);
	s->queue = q;
	s->link = NULL;
	if (q->head)
		q->tail->link = s;
	else
		q->head = s;
	q->tail = s;
}

void mp_queue_push_front(struct mp_scsi_queue *q, struct mp_scsi_side *s)
{
	mp_assert(!s->queue);
	s->queue = q;
	s->link = q->head;
	if (!q->head)
		q->tail = s;
	q->head = s;
}

struct mp_scsi_side *mp_queue_pop(struct mp_scsi_queue *q)
{
	struct mp_scsi_side *s = q->head;

	if (!s)
		return NULL;
	q->head = s->link;
	s->queue = NULL;
	return s;
}

void mp_queue_remove(struct mp_scsi_side *s)
{
	struct mp_scsi_queue *q = s->queue;
	struct mp_scsi_side *prev = NULL;

	for (struct mp_scsi_side *i = q->head; i != s; i = i->link)
		prev = i;
	if (prev)
		prev->link = s->link;
	else
		q->head = s->link;
	if (q->tail == s)
		q->tail = prev;
	s->queue = NULL;
}
