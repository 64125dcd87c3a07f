/* Every piece runs once, whatever the number of threads, also inside a piece and in quick
 * succession. */
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "core/threads.h"

enum { PIECES = 1000 };

static atomic_int runs[PIECES];

static void count_piece(void *context, int64_t piece) {
  (void)context;
  atomic_fetch_add(&runs[piece], 1);
}

static void nest(void *context, int64_t piece) {
  (void)piece;
  cj_parallel(PIECES, count_piece, context);
}

static int pieces_that_ran(int times) {
  int good = 0;
  for (int i = 0; i < PIECES; i++) good += atomic_exchange(&runs[i], 0) == times;
  return good;
}

static void test_every_piece_once(void) {
  for (int threads = 1; threads <= 5; threads++) {
    cj_set_threads(threads);
    CHECK(cj_threads() == threads);
    cj_parallel(PIECES, count_piece, NULL);
    CHECK(pieces_that_ran(1) == PIECES);
  }
}

static void test_nested(void) {
  cj_set_threads(3);
  cj_parallel(7, nest, NULL);
  CHECK(pieces_that_ran(7) == PIECES);
}

static void test_quick_succession(void) {
  cj_set_threads(4);
  for (int i = 0; i < 5000; i++) cj_parallel(3, count_piece, NULL);
  for (int i = 0; i < 3; i++) CHECK(atomic_exchange(&runs[i], 0) == 5000);
}

static void stop_at_ten(void *context, int64_t piece) {
  count_piece(context, piece);
  if (piece == 10) cj_stop_request();
}

static void test_stop(void) {
  cj_set_threads(1);
  cj_parallel(PIECES, stop_at_ten, NULL);
  CHECK(cj_stop_requested());
  CHECK(pieces_that_ran(1) == 11);
  cj_stop_clear();
  CHECK(!cj_stop_requested());
}

int main(void) {
  cj_parallel(0, count_piece, NULL);
  CHECK(pieces_that_ran(0) == PIECES);
  test_every_piece_once();
  test_nested();
  test_quick_succession();
  test_stop();
  cj_set_threads(100000);
  CHECK(cj_threads() == 256);
  CHECK_DONE();
}
