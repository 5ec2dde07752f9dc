; SPDX-License-Identifier: BSD-3-Clause
;
; guest-irq - asks the device for 100 interrupts, one after the other. The
; handler leaves the cause of every odd one alone, so that the line, which is
; level-triggered, must interrupt once more. Results: interrupts taken (200),
; rounds (100), interrupts that came after the cause was cleared (0).
;
; The device is the one of tests/lib/fake_peer.h; with -DCHIP it is a
; LSI53C895A, whose SCRIPTS interrupt.

%include "guest.inc"
%define VECTOR	(0x70 + 3)	; IRQ 11 by the second PIC
%define COUNT	word [0x6000]
%define ROUNDS	word [0x6002]
%define LATE	word [0x6004]
%define CLEARED	byte [0x5000]

%define DSTAT	0x0c
%define DSP	0x2c
%define DIEN	0x39
%define SCRIPT	0x5100

%macro RAISE 0
%ifdef CHIP
	mov dx, REG(DSP)
	mov eax, SCRIPT
	out dx, eax
%else
	mov dx, REG(IRQ)
	mov al, 1
	out dx, al
%endif
%endmacro

%macro CLEAR 0
%ifdef CHIP
	mov dx, REG(DSTAT)
	in al, dx
%else
	mov dx, REG(IRQ)
	xor al, al
	out dx, al
%endif
%endmacro

program:
%ifdef CHIP
	mov dword [SCRIPT], 0x98080000	; interrupt
	mov dword [SCRIPT + 4], 0
	mov dx, REG(DIEN)
	mov al, 4		; by SCRIPTS
	out dx, al
%endif
	mov eax, 0x80000860	; PIIX: route the device's pin to IRQ 11
	mov ebx, 0x0b0b0b0b
	call config
	call set_up_pics
	mov word [VECTOR * 4], handler
	mov word [VECTOR * 4 + 2], 0xf000
	mov COUNT, 0
	mov ROUNDS, 0
	mov LATE, 0
	sti
round:	mov CLEARED, 0
	RAISE
wait_:	cmp CLEARED, 1
	jne wait_
	; Give a wrong interrupt the time to come.
	mov cx, 200
late:	in al, 0x61
	loop late
	inc ROUNDS
	cmp ROUNDS, 100
	jb round
	cli
	ret

handler:
	push eax
	push dx
	cmp CLEARED, 1
	jne .due
	inc LATE
.due:	inc COUNT
	test COUNT, 1
	jnz .eoi
	CLEAR
	mov CLEARED, 1
.eoi:	mov al, 0x20
	out 0xa0, al
	out 0x20, al
	pop dx
	pop eax
	iret

set_up_pics:
	mov al, 0x11
	out 0x20, al
	out 0xa0, al
	mov al, 0x08
	out 0x21, al
	mov al, 0x70
	out 0xa1, al
	mov al, 4
	out 0x21, al
	mov al, 2
	out 0xa1, al
	mov al, 1
	out 0x21, al
	out 0xa1, al
	mov al, 0xfb		; only the cascade
	out 0x21, al
	mov al, 0xf7		; only IRQ 11
	out 0xa1, al
	mov dx, 0x4d1		; which is level-triggered
	mov al, 0x08
	out dx, al
	ret

	ROM_END
