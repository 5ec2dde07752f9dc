/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration header, as firmware and a stock proxy probe it. */
#include "remote-worker/pci_config.h"

#include "remote-worker/device.h"
#include "tests/lib/t.h"

#define IO_PORT  0xc000u
#define MMIO_GPA 0xfebf0000u
#define RAM_GPA  0xfebf2000u

static struct mp_pci_config c;

static void power_on(void)
{
	struct mp_session_device device;

	mp_device_describe(&device);
	mp_pci_config_init(&c, &device);
}

static void set_bars(unsigned int command)
{
	power_on();
	mp_pci_config_write(&c, 0x10, 4, IO_PORT);
	mp_pci_config_write(&c, 0x14, 4, MMIO_GPA);
	mp_pci_config_write(&c, 0x18, 4, RAM_GPA);
	mp_pci_config_write(&c, MP_PCI_COMMAND, 2, command);
}

/* What sizing by all ones gives. */
static uint32_t ones(uint32_t off)
{
	power_on();
	mp_pci_config_write(&c, off, 4, 0xffffffff);
	return (uint32_t)mp_pci_config_read(&c, off, 4);
}

static int decode(uint64_t addr, unsigned int size, bool memory)
{
	uint32_t off = 0xdead;
	int bar = mp_pci_config_decode(&c, addr, size, memory, &off);

	return bar < 0 ? -1 : (int)(bar * 0x10000 + (int)off);
}

static void test_ids_are_the_chips(void)
{
	power_on();
	T_EQ(mp_pci_config_read(&c, 0x00, 4), 0x00121000);
	T_EQ(mp_pci_config_read(&c, 0x0a, 2), 0x0100);
	T_EQ(mp_pci_config_read(&c, 0x2c, 4), 0x10001000);
}

static void test_ids_cannot_be_written(void)
{
	T_EQ(ones(0x00), 0x00121000);
	T_EQ(ones(0x08), 0x01000000);
	T_EQ(ones(0x2c), 0x10001000);
}

static void test_interrupt_pin_is_a_and_line_can_be_written(void)
{
	T_EQ(ones(0x3c), 0x000001ff);
}

static void test_io_bar_has_its_size_in_32_bits(void)
{
	T_EQ(ones(0x10), 0xffffff01);
}

static void test_memory_bars_have_their_sizes(void)
{
	T_EQ(ones(0x14), 0xfffffc00);
	T_EQ(ones(0x18), 0xffffe000);
}

static void test_absent_bars_read_0(void)
{
	T_EQ(ones(0x1c), 0);
	T_EQ(ones(0x20), 0);
	T_EQ(ones(0x24), 0);
}

static void test_cis_pointer_and_option_rom_read_0(void)
{
	T_EQ(ones(0x28), 0);
	T_EQ(ones(0x30), 0);
}

static void test_nothing_behind_the_header_can_be_written(void)
{
	T_EQ(ones(0x34), 0);
	T_EQ(ones(0x40), 0);
	T_EQ(ones(0xfc), 0);
}

static void test_last_bytes_can_be_read(void)
{
	power_on();
	T_EQ(mp_pci_config_read(&c, 0xff, 1), 0);
	T_EQ(mp_pci_config_read(&c, 0xfe, 2), 0);
}

static void test_command_has_these_bits(void)
{
	T_EQ(ones(0x04), 0x0547);
}

static void test_status_shows_the_interrupt_and_cannot_be_written(void)
{
	power_on();
	mp_pci_config_set_intx(&c, true);
	mp_pci_config_write(&c, MP_PCI_STATUS, 2, 0xffff);
	T_EQ(mp_pci_config_read(&c, MP_PCI_STATUS, 2), 0x0008);
	mp_pci_config_set_intx(&c, false);
	T_EQ(mp_pci_config_read(&c, MP_PCI_STATUS, 2), 0);
}

static void test_single_bytes_of_a_bar_can_be_written(void)
{
	set_bars(2);
	mp_pci_config_write(&c, 0x17, 1, 0xe0);
	T_EQ(mp_pci_config_read(&c, 0x14, 4), 0xe0bf0000);
}

static void test_each_bar_answers_in_its_space(void)
{
	set_bars(3);
	T_EQ(decode(IO_PORT, 1, false), 0x00000);
	T_EQ(decode(IO_PORT + 0xff, 1, false), 0x000ff);
	T_EQ(decode(MMIO_GPA + 0x3fc, 4, true), 0x103fc);
	T_EQ(decode(RAM_GPA + 0x1ff8, 8, true), 0x21ff8);
}

static void test_no_bar_answers_in_the_other_space(void)
{
	set_bars(3);
	T_EQ(decode(IO_PORT, 1, true), -1);
	T_EQ(decode(MMIO_GPA, 1, false), -1);
}

static void test_addresses_beside_a_bar_hit_nothing(void)
{
	set_bars(3);
	T_EQ(decode(IO_PORT - 1, 1, false), -1);
	T_EQ(decode(IO_PORT + 0x100, 1, false), -1);
	T_EQ(decode(MMIO_GPA + 0x400, 1, true), -1);
	T_EQ(decode(0x100000000ull + MMIO_GPA, 1, true), -1);
	T_EQ(decode(UINT64_MAX, 8, true), -1);
}

static void test_access_over_the_end_of_a_bar_hits_nothing(void)
{
	set_bars(3);
	T_EQ(decode(IO_PORT + 0xfe, 4, false), -1);
	T_EQ(decode(RAM_GPA + 0x1ffc, 8, true), -1);
}

static void test_command_register_switches_decoding(void)
{
	set_bars(1);
	T_EQ(decode(IO_PORT, 1, false), 0);
	T_EQ(decode(MMIO_GPA, 1, true), -1);
	set_bars(2);
	T_EQ(decode(IO_PORT, 1, false), -1);
	T_EQ(decode(MMIO_GPA, 1, true), 0x10000);
}

static void test_base_0_is_not_decoded(void)
{
	set_bars(3);
	mp_pci_config_write(&c, 0x14, 4, 0);
	T_EQ(decode(0, 1, true), -1);
}

static void test_bar_that_is_being_sized_is_not_decoded(void)
{
	set_bars(3);
	mp_pci_config_write(&c, 0x14, 4, 0xffffffff);
	T_EQ(decode(0xfffffc00, 4, true), -1);
	T_EQ(mp_pci_config_base(&c, 1), UINT64_MAX);
}

static void test_reset_clears_what_can_be_written(void)
{
	set_bars(0x407);
	mp_pci_config_write(&c, 0x0c, 4, 0xffff);
	mp_pci_config_write(&c, 0x3c, 1, 11);
	mp_pci_config_set_intx(&c, true);
	mp_pci_config_reset(&c);
	T_EQ(mp_pci_config_read(&c, 0x04, 4), 0);
	T_EQ(mp_pci_config_read(&c, 0x0c, 4), 0);
	T_EQ(mp_pci_config_read(&c, 0x10, 8), 1);
	T_EQ(mp_pci_config_read(&c, 0x3c, 2), 0x0100);
	T_EQ(mp_pci_config_read(&c, 0x00, 4), 0x00121000);
}

T_MAIN(T_TEST(test_ids_are_the_chips), T_TEST(test_ids_cannot_be_written),
       T_TEST(test_interrupt_pin_is_a_and_line_can_be_written),
       T_TEST(test_io_bar_has_its_size_in_32_bits), T_TEST(test_memory_bars_have_their_sizes),
       T_TEST(test_absent_bars_read_0), T_TEST(test_cis_pointer_and_option_rom_read_0),
       T_TEST(test_nothing_behind_the_header_can_be_written), T_TEST(test_last_bytes_can_be_read),
       T_TEST(test_command_has_these_bits),
       T_TEST(test_status_shows_the_interrupt_and_cannot_be_written),
       T_TEST(test_single_bytes_of_a_bar_can_be_written),
       T_TEST(test_each_bar_answers_in_its_space), T_TEST(test_no_bar_answers_in_the_other_space),
       T_TEST(test_addresses_beside_a_bar_hit_nothing),
       T_TEST(test_access_over_the_end_of_a_bar_hits_nothing),
       T_TEST(test_command_register_switches_decoding), T_TEST(test_base_0_is_not_decoded),
       T_TEST(test_bar_that_is_being_sized_is_not_decoded),
       T_TEST(test_reset_clears_what_can_be_written))
