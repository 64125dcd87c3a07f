/* square.c -- Square: random search over changes inside square windows, without gradients
 * [Andriushchenko et al. 2020, algorithms 1-3; schedule of square-attack@ea95eeb].
 *
 * A restart is one start and then proposals, each of them one query, `steps` queries in all. A
 * proposal that raises the loss becomes the best point; a wrong prediction ends the trial. So the
 * loss of the best point never falls. The window's side s follows p H W = s^2 with p halved along
 * the schedule; windows lie anywhere in the image, the last row and column included.
 *
 * Invariant: `point` equals `best` whenever a proposal is made, so that a proposal in the max norm
 * touches its window only. */
#include <math.h>
#include <string.h>

#include "attacks/sums.h"
#include "attacks/trial.h"
#include "kernels/kernel.h"

enum {
  TRIES = 32, /* of signs for one window in the max norm, until something changes */
  TILES = 5   /* along the shorter side, in the Euclidean start */
};

enum { P, RESCALE }; /* places in a->numbers */

typedef struct window {
  int64_t top, left, height, width;
} window;

typedef struct square {
  cj_stream stream;
  uint64_t drawn; /* the next number of the stream */
  int64_t restart, queries;
  double loss;    /* of best */
  window changed; /* where point may differ from best */
  real *best;
  /* Of the Euclidean form. */
  int64_t bump_side;  /* what the bump was made for; 0: none yet */
  real *bump, *patch; /* [s, s] */
  real *delta;        /* [n] */
  void *scratch;      /* of the projection */
} square;

typedef struct form {
  void (*start)(cj_trial *t, square *s);
  void (*propose)(cj_trial *t, square *s, double side);
  bool whole; /* proposals need memory for the whole image */
} form;

/* --- small parts -------------------------------------------------------------------------------
 */

static int64_t draw(square *s, uint64_t bound) {
  return (int64_t)cj_stream_below(&s->stream, s->drawn++, bound);
}

static real draw_sign(square *s) {
  return draw(s, 2) ? 1 : -1;
}

static window draw_window(const cj_trial *t, square *s, int64_t side) {
  const int64_t top = draw(s, (uint64_t)(t->height - side + 1));
  return (window){top, draw(s, (uint64_t)(t->width - side + 1)), side, side};
}

static window whole(const cj_trial *t) {
  return (window){0, 0, t->height, t->width};
}

static window overlap(window a, window b) {
  const int64_t top = max64(a.top, b.top), left = max64(a.left, b.left);
  const int64_t bottom = min64(a.top + a.height, b.top + b.height);
  const int64_t right = min64(a.left + a.width, b.left + b.width);
  return (window){top, left, max64(bottom - top, 0), max64(right - left, 0)};
}

/* Where row r of a window lies in channel c. */
static int64_t line(const cj_trial *t, window w, int64_t c, int64_t r) {
  return (c * t->height + w.top + r) * t->width + w.left;
}

static void copy_window(const cj_trial *t, window w, const real *from, real *to) {
  for (int64_t c = 0; c < t->channels; c++)
    for (int64_t r = 0; r < w.height; r++) {
      const int64_t at = line(t, w, c, r);
      memcpy(to + at, from + at, (size_t)w.width * sizeof(real));
    }
}

/* sqrt(p H W) for the i-th proposal, i = 1, 2 ... */
static double wanted_side(const cj_trial *t, int64_t i) {
  static const double turns[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
  const double *number = t->a->numbers;
  double p = number[P], at = (double)i;
  if (number[RESCALE] != 0) at = floor(at * 10000 / (double)t->a->steps);
  for (size_t k = 0; k < sizeof turns / sizeof turns[0] && at > turns[k]; k++) p /= 2;
  return sqrt(p * (double)(t->height * t->width));
}

/* --- the max norm: every value is at a corner of ball and box ----------------------------------
 */

static real corner(const cj_trial *t, real x, real sign) {
  return clamp_real(x + sign * (real)t->ball.eps, (real)t->ball.lo, (real)t->ball.hi);
}

/* Moves the window of channel c to the corners of that sign; was anything elsewhere? */
static bool push(const cj_trial *t, window w, int64_t c, real sign) {
  const real *x = t->x;
  real *point = t->point;
  int moved = 0;
  for (int64_t r = 0; r < w.height; r++) {
    const int64_t at = line(t, w, c, r);
    for (int64_t i = at; i < at + w.width; i++) {
      const real value = corner(t, x[i], sign);
      moved |= value != point[i];
      point[i] = value;
    }
  }
  return moved;
}

/* Vertical stripes: one sign for each column and channel. */
static void linf_start(cj_trial *t, square *s) {
  for (int64_t c = 0; c < t->channels; c++)
    for (int64_t column = 0; column < t->width; column++)
      push(t, (window){0, column, t->height, 1}, c, draw_sign(s));
  s->changed = whole(t);
}

/* Signs that change nothing are drawn again, as in the paper's code: such a query would be wasted.
 * Where both corners are the same no sign changes anything, hence the bound. */
static void linf_propose(cj_trial *t, square *s, double side) {
  const int64_t most = min64(t->height, t->width);
  s->changed = draw_window(t, s, min64(max64((int64_t)rint(side), 1), most));
  bool moved = false;
  for (int i = 0; i < TRIES && !moved; i++)
    for (int64_t c = 0; c < t->channels; c++) moved |= push(t, s->changed, c, draw_sign(s));
}

/* --- the Euclidean norm ------------------------------------------------------------------------
 */

/* One half of a bump: `rows` lines of `side` numbers. Nested rectangles, the j-th of weight
 * 1 / (j + 1)^2, lie around the centre; the sum at Chebyshev distance d from it begins at j = d. */
static void half_bump(int64_t rows, int64_t side, double scale, real *out) {
  double norm = 0;
  for (int turn = 0; turn < 2; turn++) /* measure, then write */
    for (int64_t i = 0; i < rows * side; i++) {
      const int64_t r = i / side - rows / 2, c = i % side - side / 2;
      double sum = 0;
      for (int64_t j = max64(r < 0 ? -r : r, c < 0 ? -c : c); j <= side / 2; j++)
        sum += 1.0 / (double)((j + 1) * (j + 1));
      if (turn == 0)
        norm += sum * sum;
      else
        out[i] = (real)(scale * sum / sqrt(norm));
    }
}

/* eta(s) [s, s]: a hill above a valley, of length 1. */
static void make_bump(square *s, int64_t side) {
  const int64_t top = side / 2;
  const double scale = top > 0 ? sqrt(0.5) : 1;
  if (s->bump_side == side) return;
  s->bump_side = side;
  half_bump(top, side, scale, s->bump);
  half_bump(side - top, side, -scale, s->bump + top * side);
}

static real bump_at(const square *s, bool turned, int64_t r, int64_t c) {
  return turned ? s->bump[c * s->bump_side + r] : s->bump[r * s->bump_side + c];
}

static double window_squares(const cj_trial *t, const real *v, window w, int64_t c) {
  double sum = 0;
  for (int64_t r = 0; r < w.height; r++) sum += sum_squares(w.width, v + line(t, w, c, r));
  return sum;
}

/* point = x + delta at length eps, in the box. */
static void stretch(cj_trial *t, square *s) {
  const double norm = sqrt(sum_squares(t->n, s->delta));
  t->l2->move(&t->ball, t->n, norm > 0 ? t->ball.eps / norm : 0, s->delta, t->x, t->x, t->point,
              s->scratch);
  s->changed = whole(t);
}

/* Tiles of bumps, as many as fit, in the middle of the image. */
static void l2_start(cj_trial *t, square *s) {
  const int64_t side = max64(min64(t->height, t->width) / TILES, 1);
  const int64_t down = t->height / side, across = t->width / side;
  const window all = {(t->height - down * side) / 2, (t->width - across * side) / 2, side, side};
  make_bump(s, side);
  memset(s->delta, 0, (size_t)t->n * sizeof(real));
  for (int64_t tile = 0; tile < down * across; tile++) {
    const window w = {all.top + tile / across * side, all.left + tile % across * side, side, side};
    const bool turned = draw(s, 2);
    for (int64_t c = 0; c < t->channels; c++) {
      const real sign = draw_sign(s);
      for (int64_t i = 0; i < side * side; i++)
        s->delta[line(t, w, c, i / side) + i % side] =
            sign * bump_at(s, turned, i / side, i % side);
    }
  }
  stretch(t, s);
}

/* Channel c of a proposal: what `from` holds and what is left of eps^2 goes into `to`, whose
 * content is mixed with a new bump; `from` becomes zero. */
static void move_mass(const cj_trial *t, square *s, window to, window from, int64_t c, double left,
                      bool turned) {
  const double inside = window_squares(t, s->delta, to, c);
  const double shared = window_squares(t, s->delta, overlap(to, from), c);
  const double both = inside + fmax(window_squares(t, s->delta, from, c) - shared, 0);
  const real old = (real)(1 / (1e-12 + sqrt(inside))), sign = draw_sign(s);
  const int64_t side = to.width;
  for (int64_t r = 0; r < side; r++)
    for (int64_t k = 0; k < side; k++)
      s->patch[r * side + k] =
          sign * bump_at(s, turned, r, k) + old * s->delta[line(t, to, c, r) + k];
  const double norm = sqrt(sum_squares(side * side, s->patch));
  const real scale = (real)(sqrt(left / (double)t->channels + both) / (1e-12 + norm));
  for (int64_t r = 0; r < side; r++)
    memset(s->delta + line(t, from, c, r), 0, (size_t)side * sizeof(real));
  for (int64_t r = 0; r < side; r++)
    for (int64_t k = 0; k < side; k++)
      s->delta[line(t, to, c, r) + k] = scale * s->patch[r * side + k];
}

/* The side is odd and at least 3, as far as the image allows. */
static int64_t odd_side(const cj_trial *t, double side) {
  const int64_t most = min64(t->height, t->width), wanted = max64((int64_t)rint(side), 3);
  const int64_t odd = min64(wanted, most) | 1;
  return odd > most ? odd - 2 : odd;
}

static void l2_propose(cj_trial *t, square *s, double wanted) {
  const int64_t side = odd_side(t, wanted);
  const real *x = t->x, *point = t->point;
  for (int64_t i = 0; i < t->n; i++) s->delta[i] = point[i] - x[i];
  const double left = fmax(t->ball.eps * t->ball.eps - sum_squares(t->n, s->delta), 0);
  const window to = draw_window(t, s, side), from = draw_window(t, s, side);
  const bool turned = draw(s, 2);
  make_bump(s, side);
  for (int64_t c = 0; c < t->channels; c++) move_mass(t, s, to, from, c, left, turned);
  stretch(t, s);
}

static const form linf_form = {linf_start, linf_propose, false};
static const form l2_form = {l2_start, l2_propose, true};

static const form *form_of(const cj_attack *a) {
  return strcmp(a->norm, "l2") == 0 ? &l2_form : &linf_form;
}

/* --- the search --------------------------------------------------------------------------------
 */

/* Takes over or undoes what the last query tried; false when the trial is over. */
static bool judge(cj_trial *t, square *s) {
  const double loss = cj_trial_loss(t);
  t->record->iters++;
  s->queries++;
  if (cj_trial_reached(t)) {
    cj_trial_keep_highest(t, loss);
    return false;
  }
  if (s->queries == 1 || loss > s->loss) {
    s->loss = loss;
    copy_window(t, s->changed, t->point, s->best);
    cj_trial_keep_highest(t, loss);
  } else
    copy_window(t, s->changed, s->best, t->point);
  if (s->queries < t->a->steps) return true;
  s->queries = 0;
  return ++s->restart < t->a->restarts;
}

static cj_ask ask(cj_trial *t, square *s) {
  const form *f = form_of(t->a);
  if (s->queries > 0)
    f->propose(t, s, wanted_side(t, s->queries));
  else {
    s->drawn = (uint64_t)s->restart << 40;
    f->start(t, s);
  }
  return CJ_ASK_LOGITS;
}

/* The clean input, which counts as a candidate but not as a query. */
static bool begin(cj_trial *t, square *s) {
  cj_trial_keep_highest(t, cj_trial_loss(t));
  s->stream = cj_trial_stream(t, "attack.square");
  return t->ball.eps > 0 && t->a->steps > 0;
}

/* In the max norm only `best` has memory. */
static size_t square_state(const cj_attack *a, int64_t n, int64_t classes) {
  const size_t each = cj_aligned((size_t)n * sizeof(real));
  const size_t scratch = (size_t)n * cj_projection_find("l2", CJ_REAL)->scratch;
  (void)classes;
  return cj_aligned(sizeof(square)) + (form_of(a)->whole ? 4 * each + scratch : each);
}

static void lay_out(const cj_trial *t, square *s) {
  const size_t each = cj_aligned((size_t)t->n * sizeof(real));
  char *at = (char *)t->state + cj_aligned(sizeof(square));
  s->best = (real *)at;
  if (!form_of(t->a)->whole) return;
  s->delta = (real *)(at + each);
  s->bump = (real *)(at + 2 * each);
  s->patch = (real *)(at + 3 * each);
  s->scratch = at + 4 * each;
}

static cj_ask square_seen(cj_trial *t) {
  square *s = t->state;
  const bool first = !s->best;
  if (first) lay_out(t, s);
  return (first ? begin(t, s) : judge(t, s)) ? ask(t, s) : CJ_ASK_END;
}

CJ_METHODS(square) = {{.name = "square",
                       .numbers = (const char *const[]){"p", "resc", NULL},
                       .state = square_state,
                       .seen = square_seen,
                       .inside = true},
                      {0}};
