; SPDX-License-Identifier: BSD-3-Clause
;
; guest-reader - reads a register that isn't in the shadow, for ever. Results:
; low words of the number of reads, of the last value, of the number of ones.

%include "guest.inc"

program:
	mov dword [0x6000], 0
	mov word [0x6004], 0
	mov word [0x6006], 0x600d
.next:	mov dx, REG(0x20)
	in ax, dx
	mov [0x6002], ax
	inc word [0x6000]
	cmp ax, 0xffff
	jne .next
	inc word [0x6004]
	jmp .next

	ROM_END
