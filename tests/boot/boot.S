/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot - a boot disk of eight sectors that tells on the debug console (port
 * 0xe9) what it ran. SeaBIOS loads sector 0 at 0x7c00 and jumps there.
 *
 *	"boot;"	the boot sector runs
 *	"A"	sector 1, loaded at 0x8000, called
 *	"B"	sector 2, loaded at the same address, called: an emulator that
 *		doesn't learn of the second load runs sector 1 again ("A")
 *	"w"	sector 3 was written with the bytes that sector 2 left behind
 *	"r"	sector 3 was read back elsewhere and is the same
 *	";end"	done; then port 0xf4 (isa-debug-exit)
 *	"!n"	BIOS error n, then exit
 */
	.code16
	.globl	_start
_start:
	ljmp	$0, $1f
1:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movb	%dl, drive
	movw	$text_boot, %si
	call	print

	movw	$1, %bx			/* sector 1 at 0x8000 */
	call	load_8000
	call	0x8000
	movw	$2, %bx			/* sector 2 at the same place */
	call	load_8000
	call	0x8000

	movb	$0x43, %ah		/* extended write: 0x8000 to sector 3 */
	movw	$3, packet_lba
	movw	$0x8000, packet_buf
	xorb	%al, %al
	call	bios_disk
	movb	$'w', %al
	outb	%al, $0xe9

	movw	$0x9000, packet_buf	/* and back, to 0x9000 */
	movb	$0x42, %ah
	call	bios_disk
	movw	$0x8000, %si
	movw	$0x9000, %di
	movw	$512, %cx
	cld
	repe cmpsb
	jne	differs
	movb	$'r', %al
	outb	%al, $0xe9
	movw	$text_end, %si
	call	print
	jmp	exit
differs:
	movw	$text_differs, %si
	call	print
exit:
	movb	$1, %al
	outb	%al, $0xf4
	hlt

load_8000:
	movw	%bx, packet_lba
	movw	$0x8000, packet_buf
	movb	$0x42, %ah
bios_disk:
	movb	drive, %dl
	movw	$packet, %si
	int	$0x13
	jc	failed
	ret
failed:
	movb	$'!', %al
	outb	%al, $0xe9
	movb	%ah, %al
	andb	$0x0f, %al
	addb	$'0', %al
	outb	%al, $0xe9
	jmp	exit

print:
	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, $0xe9
	jmp	print
2:
	ret

text_boot:	.asciz "boot;"
text_end:	.asciz ";end"
text_differs:	.asciz "differs"
drive:		.byte 0
		.balign 4
packet:		.byte 16, 0
		.word 1			/* one sector */
packet_buf:	.word 0, 0		/* offset, segment */
packet_lba:	.long 0, 0
	.org	510
	.word	0xaa55

	.org	512			/* sector 1, runs at 0x8000 */
	movb	$'A', %al
	outb	%al, $0xe9
	ret
	.org	1024			/* sector 2, the same address */
	movb	$'B', %al
	outb	%al, $0xe9
	ret
	.fill	256, 1, 0x5a
	.org	4096
