/* memory.c -- aligned blocks behind a small header, with a cache of freed large blocks.
 *
 * A block carries its capacity in the 64 bytes before it. Large blocks have capacities from a
 * geometric ladder (four rungs per doubling), so that a freed one fits the next request of about
 * the same size; each rung keeps a short list. Invariant: kept_bytes <= KEEP_LIMIT. */
#include "core/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct header {
  size_t capacity;
  struct header *next;
} header;

enum { RUNGS = 160 };
static const size_t LARGE = (size_t)32 << 10;
#ifndef CJ_SANITIZE
static const size_t KEEP_LIMIT = (size_t)512 << 20;
#endif

static header *kept[RUNGS];
static size_t kept_bytes;
static atomic_flag kept_lock = ATOMIC_FLAG_INIT;
static atomic_size_t used, peak;
static atomic_int_fast64_t allowed =
    INT64_MAX; /* allocations before the test hook makes them fail */

/* The smallest rung that holds bytes; its capacity in *capacity. */
static int rung_of(size_t bytes, size_t *capacity) {
  int rung = 0;
  size_t base = LARGE;
  while (base * 2 <= bytes) {
    base *= 2;
    rung += 4;
  }
  *capacity = base;
  while (*capacity < bytes) {
    *capacity += base / 4;
    rung++;
  }
  return rung;
}

static void lock(void) {
  while (atomic_flag_test_and_set_explicit(&kept_lock, memory_order_acquire)) continue;
}

static void unlock(void) {
  atomic_flag_clear_explicit(&kept_lock, memory_order_release);
}

static header *take_kept(int rung) {
  lock();
  header *h = kept[rung];
  if (h) {
    kept[rung] = h->next;
    kept_bytes -= h->capacity;
  }
  unlock();
  return h;
}

/* false when the cache is full; the caller frees h then. */
static bool keep(header *h) {
#ifdef CJ_SANITIZE
  (void)h;
  return false; /* a recycled block would hide uses after free */
#else
  size_t capacity;
  const int rung = rung_of(h->capacity, &capacity);
  lock();
  const bool room = rung < RUNGS && kept_bytes + h->capacity <= KEEP_LIMIT;
  if (room) {
    h->next = kept[rung];
    kept[rung] = h;
    kept_bytes += h->capacity;
  }
  unlock();
  return room;
#endif
}

static bool allowed_to(void) {
  if (atomic_load_explicit(&allowed, memory_order_relaxed) == INT64_MAX) return true;
  return atomic_fetch_sub(&allowed, 1) > 0;
}

static void count_in(size_t bytes) {
  const size_t now = atomic_fetch_add(&used, bytes) + bytes;
  size_t high = atomic_load(&peak);
  while (now > high && !atomic_compare_exchange_weak(&peak, &high, now)) continue;
}

/* The machine's memory: a system that promises more would end the process when it is used. */
static size_t machine_bytes(void) {
  static atomic_size_t known;
  size_t bytes = atomic_load_explicit(&known, memory_order_relaxed);
  if (bytes) return bytes;
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  bytes = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX / 4;
  atomic_store(&known, bytes);
  return bytes;
}

void *cj_alloc(size_t bytes) {
  if (bytes > SIZE_MAX / 4 || !allowed_to()) return NULL;
  if (bytes >= LARGE && bytes + atomic_load(&used) > machine_bytes()) return NULL;
  size_t capacity = (bytes + CJ_ALIGN - 1) / CJ_ALIGN * CJ_ALIGN;
  header *h = NULL;
  if (capacity >= LARGE) {
    const int rung = rung_of(bytes, &capacity);
    if (rung < RUNGS) h = take_kept(rung);
  }
  if (!h) h = aligned_alloc(CJ_ALIGN, capacity + CJ_ALIGN);
  if (!h) {
    cj_memory_trim();
    h = aligned_alloc(CJ_ALIGN, capacity + CJ_ALIGN);
  }
  if (!h) return NULL;
  h->capacity = capacity;
  count_in(capacity);
  return (char *)h + CJ_ALIGN;
}

void *cj_alloc_zeroed(size_t bytes) {
  void *block = cj_alloc(bytes);
  if (block) memset(block, 0, bytes);
  return block;
}

void cj_free(void *block) {
  if (!block) return;
  header *h = (header *)(void *)((char *)block - CJ_ALIGN);
  atomic_fetch_sub(&used, h->capacity);
  if (h->capacity < LARGE || !keep(h)) free(h);
}

size_t cj_memory_used(void) {
  return atomic_load(&used);
}

size_t cj_memory_peak(void) {
  return atomic_load(&peak);
}

size_t cj_memory_trim(void) {
  size_t freed = 0;
  for (int rung = 0; rung < RUNGS; rung++)
    for (header *h; (h = take_kept(rung)) != NULL; free(h)) freed += h->capacity;
  return freed;
}

void cj_memory_fail_after(int64_t count) {
  atomic_store(&allowed, count < 0 ? INT64_MAX : count);
}
