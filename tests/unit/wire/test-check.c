/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "tests/lib/t.h"
#include "wire/msg.h"

static const struct mp_wire_limits limits = {
	.bar_bytes = {256, 1024, 0, 0, 0, MP_WIRE_BAR_MAX},
};

static struct mp_wire_slot slot;

/* What the peer wrote, field by field, whether allowed or not. */
static int check(unsigned int op, unsigned int size_log2, unsigned int bar, uint32_t off,
		 struct mp_wire_req *req)
{
	slot.head = op << 28 | size_log2 << 26 | bar << 23 | off;
	return mp_wire_check_req(&slot, &limits, req);
}

static void test_request_comes_out_as_it_went_in(void)
{
	struct mp_wire_req req = {
		.op = MP_REQ_BAR_WRITE, .bar = 1, .size = 4, .off = 1020, .data = 0x12345678};

	mp_wire_put_req(&slot, &req);
	memset(&req, 0, sizeof(req));
	T_EQ(mp_wire_check_req(&slot, &limits, &req), 0);
	T_EQ(req.op, MP_REQ_BAR_WRITE);
	T_EQ(req.bar, 1);
	T_EQ(req.off, 1020);
	T_EQ(req.size, 4);
	T_EQ(req.data, 0x12345678);
}

static void test_put_leaves_the_ring_its_word(void)
{
	struct mp_wire_req req = {.op = MP_REQ_BAR_READ, .size = 1};

	slot.seq = 77;
	mp_wire_put_req(&slot, &req);
	T_EQ(slot.seq, 77);
	mp_wire_put_rep(&slot, MP_REP_DONE, 1, 2);
	T_EQ(slot.seq, 77);
}

static void test_put_cuts_the_value_to_its_size(void)
{
	struct mp_wire_req req = {.op = MP_REQ_BAR_WRITE, .size = 2, .data = UINT64_MAX};

	mp_wire_put_req(&slot, &req);
	T_EQ(slot.data, 0xffff);
}

static void test_check_cuts_the_value_to_its_size(void)
{
	struct mp_wire_req req;

	slot.data = UINT64_MAX;
	T_EQ(check(MP_REQ_BAR_WRITE, 0, 0, 0, &req), 0);
	T_EQ(req.data, 0xff);
	T_EQ(check(MP_REQ_BAR_WRITE, 2, 0, 0, &req), 0);
	T_EQ(req.data, 0xffffffff);
	T_EQ(check(MP_REQ_BAR_WRITE, 3, 0, 0, &req), 0);
	T_EQ(req.data, UINT64_MAX);
}

static void test_access_across_the_end_of_a_bar_is_refused(void)
{
	struct mp_wire_req req = {.bar = 42};

	T_EQ(check(MP_REQ_BAR_READ, 2, 0, 252, &req), 0);
	req.bar = 42;
	T_EQ(check(MP_REQ_BAR_READ, 2, 0, 253, &req), -EPROTO);
	T_EQ(check(MP_REQ_BAR_READ, 0, 0, 256, &req), -EPROTO);
	T_EQ(check(MP_REQ_BAR_WRITE_WAIT, 3, 5, MP_WIRE_BAR_MAX - 7, &req), -EPROTO);
	T_EQ(req.bar, 42); /* untouched */
}

static void test_bar_that_the_device_has_not_is_refused(void)
{
	struct mp_wire_req req;

	T_EQ(check(MP_REQ_BAR_READ, 0, 2, 0, &req), -EPROTO);
}

static void test_bar_numbers_6_and_7_are_refused(void)
{
	struct mp_wire_req req;

	T_EQ(check(MP_REQ_BAR_READ, 0, 6, 0, &req), -EPROTO);
	T_EQ(check(MP_REQ_BAR_WRITE, 0, 7, 0, &req), -EPROTO);
}

static void test_config_write_ends_with_config_space(void)
{
	struct mp_wire_req req;

	T_EQ(check(MP_REQ_CFG_WRITE, 2, 0, 252, &req), 0);
	T_EQ(check(MP_REQ_CFG_WRITE, 2, 0, 253, &req), -EPROTO);
	T_EQ(check(MP_REQ_CFG_WRITE, 0, 1, 0, &req), -EPROTO);
}

static void test_reset_has_no_operands(void)
{
	struct mp_wire_req req;

	slot.data = UINT64_MAX;
	T_EQ(check(MP_REQ_RESET, 3, 7, 0x7fffff, &req), 0);
	T_EQ(req.op, MP_REQ_RESET);
	T_EQ(req.bar, 0);
	T_EQ(req.off, 0);
	T_EQ(req.data, 0);
}

static void test_pause_and_continue_have_no_operands(void)
{
	struct mp_wire_req req;

	slot.data = UINT64_MAX;
	T_EQ(check(MP_REQ_PAUSE, 3, 7, 0x7fffff, &req), 0);
	T_EQ(req.op, MP_REQ_PAUSE);
	T_EQ(req.data, 0);
	T_EQ(check(MP_REQ_CONTINUE, 3, 7, 0x7fffff, &req), 0);
	T_EQ(req.op, MP_REQ_CONTINUE);
	T_EQ(req.off, 0);
}

static void test_reset_may_be_put_without_a_size(void)
{
	struct mp_wire_req req = {.op = MP_REQ_RESET};

	mp_wire_put_req(&slot, &req);
	memset(&req, 0, sizeof(req));
	T_EQ(mp_wire_check_req(&slot, &limits, &req), 0);
	T_EQ(req.op, MP_REQ_RESET);
}

static void test_unknown_request_is_refused(void)
{
	struct mp_wire_req req;

	T_EQ(check(0, 0, 0, 0, &req), -EPROTO);
	T_EQ(check(10, 0, 0, 0, &req), -EPROTO);
	T_EQ(check(MP_REP_DONE, 0, 0, 0, &req), -EPROTO);
	T_EQ(check(15, 0, 0, 0, &req), -EPROTO);
}

static void test_reply_comes_out_as_it_went_in(void)
{
	struct mp_wire_rep rep;

	mp_wire_put_rep(&slot, MP_REP_DONE, 0x0abcdef1, 0x1122334455667788);
	T_EQ(mp_wire_check_rep(&slot, &rep), 0);
	T_EQ(rep.op, MP_REP_DONE);
	T_EQ(rep.arg, 0x0abcdef1);
	T_EQ(rep.data, 0x1122334455667788);
}

static void test_ticket_is_cut_to_28_bits(void)
{
	struct mp_wire_rep rep;

	mp_wire_put_rep(&slot, MP_REP_DONE, UINT32_MAX, 0);
	T_EQ(mp_wire_check_rep(&slot, &rep), 0);
	T_EQ(rep.op, MP_REP_DONE);
	T_EQ(rep.arg, 0x0fffffff);
}

static void test_dma_report_of_nothing_is_refused(void)
{
	struct mp_wire_rep rep;

	mp_wire_put_rep(&slot, MP_REP_DMA, 0, 0x1000);
	T_EQ(mp_wire_check_rep(&slot, &rep), -EPROTO);
}

static void test_dma_report_past_the_last_address_is_refused(void)
{
	struct mp_wire_rep rep;

	mp_wire_put_rep(&slot, MP_REP_DMA, 16, UINT64_MAX - 16);
	T_EQ(mp_wire_check_rep(&slot, &rep), 0);
	mp_wire_put_rep(&slot, MP_REP_DMA, 17, UINT64_MAX - 16);
	T_EQ(mp_wire_check_rep(&slot, &rep), -EPROTO);
}

static void test_unknown_reply_is_refused(void)
{
	struct mp_wire_rep rep;

	slot.head = 0;
	T_EQ(mp_wire_check_rep(&slot, &rep), -EPROTO);
	mp_wire_put_rep(&slot, MP_REQ_BAR_READ, 1, 0);
	T_EQ(mp_wire_check_rep(&slot, &rep), -EPROTO);
}

T_MAIN(T_TEST(test_request_comes_out_as_it_went_in), T_TEST(test_put_leaves_the_ring_its_word),
       T_TEST(test_put_cuts_the_value_to_its_size), T_TEST(test_check_cuts_the_value_to_its_size),
       T_TEST(test_access_across_the_end_of_a_bar_is_refused),
       T_TEST(test_bar_that_the_device_has_not_is_refused),
       T_TEST(test_bar_numbers_6_and_7_are_refused),
       T_TEST(test_config_write_ends_with_config_space), T_TEST(test_reset_has_no_operands),
       T_TEST(test_pause_and_continue_have_no_operands),
       T_TEST(test_reset_may_be_put_without_a_size), T_TEST(test_unknown_request_is_refused),
       T_TEST(test_reply_comes_out_as_it_went_in), T_TEST(test_ticket_is_cut_to_28_bits),
       T_TEST(test_dma_report_of_nothing_is_refused),
       T_TEST(test_dma_report_past_the_last_address_is_refused),
       T_TEST(test_unknown_reply_is_refused))
