/* onepixel.c -- d pixels of any colour, found by differential evolution DE/rand/1.
 *
 * A member of the population is d tuples (row, column, v_1 .. v_C). Child i of a generation is
 * r1 + f (r2 - r3) of three different members other than i, without crossover, held inside the
 * image and the box; it takes the place of member i in the next generation if it is fitter, that is
 * p_y is lower, or for a target p_t is higher. [Su et al., IEEE TEVC 2019, section III]
 *
 * All children of a generation have their parents in the generation before. */
#include <math.h>
#include <string.h>

#include "attacks/sums.h"
#include "attacks/trial.h"

enum { PIXELS, POP, GENS, F, PAPER_STOP, CHANNELS };
static const char *const onepixel_numbers[] = {"pixels",     "pop",      "gens", "f",
                                               "paper_stop", "channels", NULL};

typedef struct onepixel {
  int64_t pixels, member, generation;
  double *now, *next; /* [pop, 1 + numbers]: fitness and tuples of each member */
  bool begun;
} onepixel;

static int64_t number_of(const cj_attack *a, int which) {
  return (int64_t)a->numbers[which];
}

/* Doubles of one member at most. */
static int64_t member_size(const cj_attack *a) {
  return 1 + number_of(a, PIXELS) * (2 + number_of(a, CHANNELS));
}

static size_t onepixel_state(const cj_attack *a, int64_t n, int64_t classes) {
  (void)n;
  (void)classes;
  return sizeof(onepixel) + (size_t)(2 * number_of(a, POP) * member_size(a)) * sizeof(double);
}

/* --- members -----------------------------------------------------------------------------------
 */

static double clamp(double v, double low, double high) {
  return fmin(fmax(v, low), high);
}

static int64_t place(double v, int64_t size) {
  return min64((int64_t)v, size - 1);
}

/* Positions stay in the image, colours in the box. */
static void hold(const cj_trial *t, double *tuple) {
  tuple[0] = clamp(tuple[0], 0, (double)t->height);
  tuple[1] = clamp(tuple[1], 0, (double)t->width);
  for (int64_t c = 0; c < t->channels; c++)
    tuple[2 + c] = clamp(tuple[2 + c], t->ball.lo, t->ball.hi);
}

/* A member of the first generation: uniform positions, colours N(128, 127) of 255 levels. */
static void draw_member(const cj_trial *t, const onepixel *s, double *tuple) {
  const cj_stream places = cj_trial_stream(t, "attack.onepixel.places");
  const cj_stream colours = cj_trial_stream(t, "attack.onepixel.colours");
  const double range = t->ball.hi - t->ball.lo;
  for (int64_t j = 0; j < s->pixels; j++, tuple += 2 + t->channels) {
    const uint64_t k = (uint64_t)(s->member * s->pixels + j), first = k * (uint64_t)t->channels;
    tuple[0] = cj_stream_uniform(&places, 2 * k) * (double)t->height;
    tuple[1] = cj_stream_uniform(&places, 2 * k + 1) * (double)t->width;
    for (int64_t c = 0; c < t->channels; c++) {
      const double level = 128 + 127 * cj_stream_normal(&colours, first + (uint64_t)c);
      tuple[2 + c] = t->ball.lo + range * level / 255;
    }
    hold(t, tuple);
  }
}

/* Three different members, none of them `but`. */
static void draw_parents(const cj_trial *t, const onepixel *s, int64_t parent[3]) {
  const cj_stream stream = cj_trial_stream(t, "attack.onepixel.parents");
  const int64_t pop = number_of(t->a, POP);
  const uint64_t first = 3 * (uint64_t)(s->generation * pop + s->member);
  int64_t taken[4] = {s->member}; /* in rising order */
  for (int k = 0; k < 3; k++) {
    int64_t m = (int64_t)cj_stream_below(&stream, first + (uint64_t)k, (uint64_t)(pop - 1 - k));
    int at = 0;
    for (; at <= k && taken[at] <= m; at++) m++;
    memmove(taken + at + 1, taken + at, (size_t)(k + 1 - at) * sizeof *taken);
    taken[at] = parent[k] = m;
  }
}

static void breed(const cj_trial *t, const onepixel *s, double *child) {
  const int64_t size = member_size(t->a), each = 2 + t->channels;
  int64_t parent[3];
  draw_parents(t, s, parent);
  const double *a = s->now + parent[0] * size + 1, *b = s->now + parent[1] * size + 1;
  const double *c = s->now + parent[2] * size + 1;
  for (int64_t i = 0; i < s->pixels * each; i++) child[i] = a[i] + t->a->numbers[F] * (b[i] - c[i]);
  for (int64_t j = 0; j < s->pixels; j++) hold(t, child + j * each);
}

/* The clean input with the member's pixels. */
static void paint(const cj_trial *t, const onepixel *s, const double *tuple) {
  real *point = t->point;
  memcpy(point, t->x, (size_t)t->n * sizeof(real));
  for (int64_t j = 0; j < s->pixels; j++, tuple += 2 + t->channels) {
    const int64_t row = place(tuple[0], t->height), column = place(tuple[1], t->width);
    for (int64_t c = 0; c < t->channels; c++)
      point[(c * t->height + row) * t->width + column] = (real)tuple[2 + c];
  }
}

/* --- evolution ---------------------------------------------------------------------------------
 */

/* Log odds of the target, or against the label: they order points as p_t does, or -p_y, without
 * rounding to 1 where the model is sure. */
static double fitness(const cj_trial *t) {
  const int64_t k = t->target >= 0 ? t->target : t->y;
  const double *z = t->z, most = z[cj_largest(t->classes, z, k)];
  double sum = 0;
  for (int64_t i = 0; i < t->classes; i++) sum += i == k ? 0 : exp(z[i] - most);
  const double odds = z[k] - most - log(sum);
  return t->target >= 0 ? odds : -odds;
}

/* Success by prediction; in the paper p_t > .9, or p_y < .05. */
static bool satisfied(const cj_trial *t, double fit) {
  if (t->a->numbers[PAPER_STOP] == 0) return cj_trial_reached(t);
  return fit > (t->target >= 0 ? log(0.9 / 0.1) : log(0.95 / 0.05));
}

/* Puts the member whose turn it is on the image. */
static cj_ask show(cj_trial *t, const onepixel *s) {
  double *member = s->next + s->member * member_size(t->a) + 1;
  if (s->generation == 0)
    draw_member(t, s, member);
  else
    breed(t, s, member);
  paint(t, s, member);
  return CJ_ASK_LOGITS;
}

/* The member that was shown lives on if it is fitter than its predecessor. */
static void succeed(const cj_trial *t, const onepixel *s, double fit) {
  const int64_t size = member_size(t->a);
  double *member = s->next + s->member * size;
  const double *before = s->now + s->member * size;
  member[0] = fit;
  if (s->generation > 0 && !(fit > before[0]))
    memcpy(member, before, (size_t)size * sizeof(double));
}

static cj_ask begin(cj_trial *t, onepixel *s) {
  const int64_t pixels = number_of(t->a, PIXELS), pop = number_of(t->a, POP);
  s->begun = true;
  s->pixels = t->ball.eps < (double)pixels ? (int64_t)t->ball.eps : pixels;
  s->next = (double *)(s + 1);
  s->now = s->next + pop * member_size(t->a);
  if (s->pixels == 0 || number_of(t->a, CHANNELS) != t->channels) return CJ_ASK_END;
  return show(t, s);
}

static cj_ask onepixel_seen(cj_trial *t) {
  onepixel *s = t->state;
  const double fit = fitness(t);
  cj_trial_loss(t); /* for the record */
  cj_trial_keep_highest(t, fit);
  if (!s->begun) return begin(t, s);
  if (satisfied(t, fit)) return CJ_ASK_END;
  succeed(t, s, fit);
  if (++s->member < number_of(t->a, POP)) return show(t, s);
  double *grown = s->next;
  s->next = s->now;
  s->now = grown;
  s->member = 0;
  t->record->iters++;
  return s->generation++ < number_of(t->a, GENS) ? show(t, s) : CJ_ASK_END;
}

/* No gradient is ever asked for. */
static cj_ask onepixel_pulled(cj_trial *t) {
  (void)t;
  return CJ_ASK_END;
}

CJ_METHODS(onepixel) = {
    {.name = "onepixel",
     .numbers = onepixel_numbers,
     .state = onepixel_state,
     .seen = onepixel_seen,
     .pulled = onepixel_pulled,
     .inside = true},
    {0},
};
