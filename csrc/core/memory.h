/* memory.h -- the one source of native memory: aligned, counted, recycled, and able to fail on
 * request so that tests can see every path that runs out of memory. */
#ifndef CJ_MEMORY_H
#define CJ_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { CJ_ALIGN = 64 };

/* bytes, rounded up to the boundary. */
static inline size_t cj_aligned(size_t bytes) {
  return (bytes + CJ_ALIGN - 1) / CJ_ALIGN * CJ_ALIGN;
}

/* bytes of uninitialised memory on a 64-byte boundary, or NULL. bytes = 0 gives a valid block.
 * Any thread. Blocks of 32 KiB and more are kept for reuse when freed, because giving them back to
 * the system costs a page fault per 4 KiB at the next step. */
void *cj_alloc(size_t bytes);

/* As cj_alloc, filled with zeros. */
void *cj_alloc_zeroed(size_t bytes);

/* Gives a block of cj_alloc back; NULL is allowed. Any thread. */
void cj_free(void *block);

/* Bytes handed out and not yet given back, and the highest that number has been. */
size_t cj_memory_used(void);
size_t cj_memory_peak(void);

/* Returns the blocks kept for reuse to the system; gives the number of bytes. */
size_t cj_memory_trim(void);

/* Test hook: the next `count` allocations succeed and all later ones fail; a negative count ends
 * the failing. */
void cj_memory_fail_after(int64_t count);

#endif
