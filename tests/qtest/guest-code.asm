; SPDX-License-Identifier: BSD-3-Clause
;
; guest-code - lets the device write a routine, calls it, lets the device write
; another one to the same place, calls that. The three results tell which ran.

%include "guest.inc"

program:
	mov byte [0x5040], 0xcb	; the device fills in 64 bytes before this retf
	mov bl, 0x40		; inc ax
	call go
	mov [0x6000], ax
	mov bl, 0x48		; dec ax
	call go
	mov [0x6002], ax
	mov bl, 0x40
	call go
	mov [0x6004], ax
	ret

go:	mov dx, REG(DMA_ADDR)
	mov eax, 0x5000
	out dx, eax
	mov dx, REG(DMA_GO)
	movzx eax, bl
	out dx, eax
	xor ax, ax
	call 0x0000:0x5000
	ret

	ROM_END
