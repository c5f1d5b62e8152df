/* SPDX-License-Identifier: BSD-3-Clause */
/* Give back what only the start of a program needed. */
#ifndef RK_BASE_TRIM_H
#define RK_BASE_TRIM_H

#define RK_TRIM_AFTER_MS 5000 /* what follows a start in the background is over by then */

/** For a program that is to stay small: what was large when it is freed goes back to the system,
 * also when that happens often, and threads share one heap. Before threads are started. */
void rk_trim_always(void);

/**
 * Return free heap and unused stack of this thread to the system, and unmap the pages of code and
 * constants that have been read so far: they are clean pages of files, so those that are used again
 * come back from the page cache at the cost of a minor fault, and those that only the start used
 * (relocation, symbol tables, initialisation of libraries) do not. Call it when things have
 * settled, not in a loop. Any thread.
 */
void rk_trim(void);

/** Return free heap only, all of it: after a burst. Takes milliseconds; not on a loop. */
void rk_trim_heap(void);

#endif
