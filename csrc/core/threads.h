/* threads.h -- parallel work in pieces, and the wish to stop.
 *
 * Work is cut into pieces by its size alone, never by the number of threads: whoever runs a piece,
 * the result is the same. */
#ifndef CJ_THREADS_H
#define CJ_THREADS_H

#include <stdbool.h>
#include <stdint.h>

/* Threads to use from now on, 1..256; the default is OMP_NUM_THREADS or the number of cores. */
void cj_set_threads(int count);
int cj_threads(void);

/* Calls task(context, piece) once for every piece in 0..pieces-1, in any order, on several threads;
 * returns when all are done. A call from inside a task runs its pieces in the calling thread. When
 * the user asked to stop, pieces not yet begun are left out. Tasks must not fail. */
typedef void (*cj_task)(void *context, int64_t piece);
void cj_parallel(int64_t pieces, cj_task task, void *context);

/* The wish to stop: cj_stop_request is safe in a signal handler. Whoever reports the stop to the
 * user clears it. */
void cj_stop_request(void);
bool cj_stop_requested(void);
void cj_stop_clear(void);

#endif
