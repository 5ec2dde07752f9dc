/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault - make the Nth system call or allocation of this thread fail.
 *
 * A test links dep_fault, whose linker flags route the calls in fault.c
 * through a counter (--wrap, so it works beside the sanitizers). The loop:
 *
 *	for (n = 1;; n++) {
 *		t_fault_arm(n, ENOMEM);
 *		r = call_under_test();
 *		what = t_fault_disarm();
 *		if (!what)
 *			break;			went through without reaching N
 *		... r is right, nothing leaked ...
 *	}
 *
 * Only the thread that armed is hit; libc's own calls inside libc are not.
 */
#ifndef MP_TESTS_LIB_FAULT_H
#define MP_TESTS_LIB_FAULT_H

/** t_fault_arm() - the @nth wrapped call from now on fails with @err, once */
void t_fault_arm(unsigned int nth, int err);

/** t_fault_disarm() - name of the call that failed since t_fault_arm(), or NULL */
const char *t_fault_disarm(void);

/** t_count_fds() - open file descriptors of this process */
unsigned int t_count_fds(void);

#endif
