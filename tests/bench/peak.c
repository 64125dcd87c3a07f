/* peak.c -- the multiply-add peak of this machine, as a side of scripts/bench.
 *
 * usage: peak THREADS. Requests on standard input, replies on standard output, as torch_peer.py has
 * them: "time SECONDS" gives images (floating-point operations), seconds and cpu. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

typedef float vec __attribute__((vector_size(BYTES)));

/* Twelve chains: enough to hide the latency of a multiply-add, few enough for 16 registers. */
enum { CHAINS = 12, TURNS = 100000, MOST_THREADS = 256 };

typedef struct worker {
  pthread_t thread;
  double until, operations;
  float rest; /* so that nothing is optimised away */
} worker;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void turn(vec *sum, vec a, vec b) {
  vec s[CHAINS];
  memcpy(s, sum, sizeof s);
  for (int i = 0; i < TURNS; i++)
    for (int k = 0; k < CHAINS; k++) s[k] = s[k] * a + b; /* compiled to multiply-adds */
  memcpy(sum, s, sizeof s);
}

static void *work(void *self) {
  worker *w = self;
  const float lanes = BYTES / sizeof(float);
  vec sum[CHAINS] = {{0}};
  vec a = {0}, b = {0};
  a += 0.5f;
  b += 1.0f;
  w->operations = 0;
  do {
    turn(sum, a, b);
    w->operations += 2.0 * (double)lanes * CHAINS * TURNS;
  } while (now() < w->until);
  w->rest = 0;
  for (int k = 0; k < CHAINS; k++) w->rest += sum[k][0];
  return NULL;
}

static void answer(worker *workers, int threads, double least) {
  const double started = now();
  const clock_t cpu = clock();
  double operations = 0;
  for (int i = 0; i < threads; i++) {
    workers[i].until = started + least;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) exit(1);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(workers[i].thread, NULL);
    operations += workers[i].operations;
  }
  printf("{\"images\": %.0f, \"seconds\": %.9f, \"cpu\": %.9f}\n", operations, now() - started,
         (double)(clock() - cpu) / CLOCKS_PER_SEC);
}

int main(int argc, char **argv) {
  static worker workers[MOST_THREADS];
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  char line[256];
  if (threads < 1 || threads > MOST_THREADS) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("{\"name\": \"multiply-add loop\"}");
  while (fgets(line, sizeof line, stdin)) {
    if (strncmp(line, "time ", 5) == 0)
      answer(workers, threads, atof(line + 5));
    else
      puts("{}");
  }
  return 0;
}
