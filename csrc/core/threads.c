/* threads.c -- a small pool of threads that take pieces of one job at a time, and the stop flag.
 *
 * Whoever is free takes the next piece, the caller too, and the caller waits only for threads that
 * are in the middle of a piece. So a thread that the system has put aside (a busy machine) delays
 * nobody: the others do its share. A barrier, as in OpenMP, would make all wait for it.
 *
 * Threads look for work for some microseconds after a job, then sleep. Invariant: a thread works on
 * the job only between join and leave, and the caller closes the job before it waits for the last
 * leave, so nobody touches a job that has returned. */
#include "core/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_THREADS = 256, SPINS = 4000 };

static int thread_count;
static atomic_bool stop;

typedef struct job {
  cj_task task;
  void *context;
  int64_t pieces;
  atomic_int_fast64_t next;
} job;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t work, idle;
  job *job;             /* open for joining, or NULL */
  int places;           /* threads that may still join it */
  atomic_int active;    /* threads inside the job */
  atomic_uint sequence; /* grows with every job: what waiting threads look at */
  int workers;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .idle = PTHREAD_COND_INITIALIZER};

static _Thread_local bool inside; /* this thread is running a piece */

static int default_threads(void) {
  const char *text = getenv("OMP_NUM_THREADS");
  const int asked = text ? atoi(text) : 0;
  return asked > 0 ? asked : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void cj_set_threads(int count) {
  thread_count = count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : count;
}

int cj_threads(void) {
  if (thread_count == 0) cj_set_threads(default_threads());
  return thread_count;
}

static void take_pieces(job *j) {
  inside = true;
  for (;;) {
    const int64_t piece = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
    if (piece >= j->pieces || cj_stop_requested()) break;
    j->task(j->context, piece);
  }
  inside = false;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* Waits for a sequence other than *seen, which it updates; returns the open job, joined, or NULL.
 */
static job *join_next(unsigned *seen) {
  for (int i = 0; i < SPINS && atomic_load(&pool.sequence) == *seen; i++) pause_briefly();
  pthread_mutex_lock(&pool.lock);
  while (atomic_load(&pool.sequence) == *seen) pthread_cond_wait(&pool.work, &pool.lock);
  *seen = atomic_load(&pool.sequence);
  job *j = pool.places > 0 ? pool.job : NULL;
  if (j) {
    pool.places--;
    atomic_fetch_add(&pool.active, 1);
  }
  pthread_mutex_unlock(&pool.lock);
  return j;
}

static void leave(void) {
  pthread_mutex_lock(&pool.lock);
  if (atomic_fetch_sub(&pool.active, 1) == 1) pthread_cond_signal(&pool.idle);
  pthread_mutex_unlock(&pool.lock);
}

static void *worker(void *first) {
  unsigned seen = (unsigned)(uintptr_t)first;
  for (;;) {
    job *j = join_next(&seen);
    if (!j) continue;
    take_pieces(j);
    leave();
  }
  return NULL;
}

/* Signals are for the thread that runs Lua. Called with the lock held. */
static void hire(int wanted) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  while (pool.workers < wanted) {
    pthread_t thread;
    void *seen = (void *)(uintptr_t)atomic_load(&pool.sequence);
    if (pthread_create(&thread, NULL, worker, seen) != 0) break; /* fewer threads, same result */
    pthread_detach(thread);
    pool.workers++;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* false when another thread's job is running. */
static bool open_job(job *j, int helpers) {
  pthread_mutex_lock(&pool.lock);
  const bool free_now = !pool.job && atomic_load(&pool.active) == 0;
  if (free_now) {
    hire(helpers);
    pool.job = j;
    pool.places = helpers;
    atomic_fetch_add(&pool.sequence, 1);
    pthread_cond_broadcast(&pool.work);
  }
  pthread_mutex_unlock(&pool.lock);
  return free_now;
}

static void close_job(void) {
  pthread_mutex_lock(&pool.lock);
  pool.places = 0; /* nobody joins any more, but the pool stays taken until all have left */
  pthread_mutex_unlock(&pool.lock);
  for (int i = 0; i < SPINS && atomic_load(&pool.active) > 0; i++) pause_briefly();
  pthread_mutex_lock(&pool.lock);
  while (atomic_load(&pool.active) > 0) pthread_cond_wait(&pool.idle, &pool.lock);
  pool.job = NULL;
  pthread_mutex_unlock(&pool.lock);
}

void cj_parallel(int64_t pieces, cj_task task, void *context) {
  const int64_t wanted = pieces < cj_threads() ? pieces : cj_threads();
  job j = {.task = task, .context = context, .pieces = pieces};
  if (wanted > 1 && !inside && open_job(&j, (int)wanted - 1)) {
    take_pieces(&j);
    close_job();
    return;
  }
  for (int64_t i = 0; i < pieces && !cj_stop_requested(); i++) task(context, i);
}

void cj_stop_request(void) {
  atomic_store(&stop, true);
}

bool cj_stop_requested(void) {
  return atomic_load_explicit(&stop, memory_order_relaxed);
}

void cj_stop_clear(void) {
  atomic_store(&stop, false);
}
