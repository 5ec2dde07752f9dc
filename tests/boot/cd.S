/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cd - a boot program for a CD without emulation (El Torito). SeaBIOS loads its
 * 2048 bytes at 0x7c00; blocks of the BIOS drive are the disc's, 2048 bytes.
 *
 *	"cd;"	it runs
 *	"v"	block 16, read alone, is a volume descriptor: "CD001" at byte 1
 *	"d"	blocks 15 to 18, read at once elsewhere, have the same block 16
 *	"x"	a write is refused
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
	cld
	movb	%dl, drive
	movw	$text_cd, %si
	call	print

	movb	$0x42, %ah		/* extended read */
	call	bios_disk
	jc	failed
	movw	$0x9001, %si
	movw	$text_id, %di
	movw	$5, %cx
	repe cmpsb
	jne	differs
	movb	$'v', %al
	outb	%al, $0xe9

	movw	$4, packet_blocks
	movw	$0xa000, packet_buf
	movl	$15, packet_lba
	movb	$0x42, %ah
	call	bios_disk
	jc	failed
	movw	$0x9000, %si
	movw	$0xa800, %di
	movw	$2048, %cx
	repe cmpsb
	jne	differs
	movb	$'d', %al
	outb	%al, $0xe9

	movb	$0x43, %ah		/* extended write, of what was read */
	xorb	%al, %al
	call	bios_disk
	jnc	differs
	movb	$'x', %al
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

failed:
	movb	$'!', %al
	outb	%al, $0xe9
	movb	%ah, %al
	andb	$0x0f, %al
	addb	$'0', %al
	outb	%al, $0xe9
	jmp	exit

bios_disk:
	movb	drive, %dl
	movw	$packet, %si
	int	$0x13
	ret

print:
	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, $0xe9
	jmp	print
2:
	ret

text_cd:	.asciz "cd;"
text_id:	.ascii "CD001"
text_end:	.asciz ";end"
text_differs:	.asciz "differs"
drive:		.byte 0
		.balign 4
packet:		.byte 16, 0
packet_blocks:	.word 1
packet_buf:	.word 0x9000, 0		/* offset, segment */
packet_lba:	.long 16, 0
	.org	2048
