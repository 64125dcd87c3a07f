/* apgd.c -- auto-PGD: ascent whose step adapts itself, with momentum, from random starts, for one
 * loss or for each of several rival classes [Croce & Hein 2020a, algorithm 1; 2021, section 4].
 *
 *   z = P(x_k + eta s(g_k)),  x_(k+1) = P(x_k + a (z - x_k) + (1 - a)(x_k - x_(k-1)))
 *
 * a is 1 in the first step, then .75; s is the sign, or the gradient at unit length. At checkpoints
 * that lie ever closer, eta is halved and the best point taken up again when too few steps rose or
 * the best loss stands still. In the l1 ball a step moves the coordinates of the largest slopes
 * only, there is no momentum, checkpoints adapt the number of these coordinates, and the radius
 * falls from 3 to 2 to 1 times eps.
 *
 * A run keeps the last misclassified point, else the point of highest loss. For a random model the
 * gradients of `avg` passes are added and their losses averaged before a step. */
#include <math.h>
#include <string.h>

#include "attacks/trial.h"
#include "kernels/kernel.h"

enum { RHO, AVG, TARGETS };

static const char *const numbers[] = {"rho", "avg", "targets", NULL};

typedef struct apgd {
  bool ready, started;
  int64_t *rivals;            /* the targets of a targeted loss, by falling clean logit */
  int64_t targets, runs;      /* 0: no such list; targets * restarts */
  int64_t run, phase, phases; /* the current ones, from 0 */
  int64_t goal;               /* the class the loss goes toward, or -1 */
  int64_t step, steps;        /* of this phase */
  int64_t pass, hits;         /* passes over this point so far; misclassified points so far */
  cj_ball ball;               /* of this phase */
  double value, sum;          /* loss of the point; of its passes so far */
  double before, best;        /* loss of the point before; the highest of this phase */
  double eta;
  /* Checkpoints. */
  int64_t due, length, rises; /* steps until the next and between both; those that rose */
  bool halved;                /* at the last one */
  double best_then;           /* the best loss at the last one */
  double share, support;      /* l1: of coordinates a step moves; of the best point at the last */
  /* The point before, the best one and the gradient there; the gradient, a direction, what comes
   * next. */
  real *prev, *top, *top_g, *g, *d, *next;
  void *scratch;                 /* of the projection */
  const cj_direction *direction; /* the steepest under the max norm or the Euclidean norm */
} apgd;

enum { VECTORS = 6 };

static bool is(const cj_trial *t, const char *norm) {
  return strcmp(t->ball_norm->name, norm) == 0;
}

static size_t vector_bytes(int64_t n) {
  return cj_aligned((size_t)n * sizeof(real));
}

static size_t apgd_state(const cj_attack *a, int64_t n, int64_t classes) {
  return cj_aligned(sizeof(apgd)) + cj_aligned((size_t)classes * sizeof(int64_t)) +
         VECTORS * vector_bytes(n) + (size_t)n * cj_projection_find(a->norm, CJ_REAL)->scratch;
}

/* Lays out the state. */
static apgd *ready(const cj_trial *t) {
  apgd *s = t->state;
  if (s->ready) return s;
  char *at = (char *)t->state + cj_aligned(sizeof(apgd));
  real **vectors[VECTORS] = {&s->prev, &s->top, &s->top_g, &s->g, &s->d, &s->next};
  s->rivals = (int64_t *)at;
  at += cj_aligned((size_t)t->classes * sizeof(int64_t));
  for (int k = 0; k < VECTORS; k++, at += vector_bytes(t->n)) *vectors[k] = (real *)at;
  s->scratch = at;
  s->direction = cj_direction_find(is(t, "linf") ? "sign" : "l2_unit", CJ_REAL);
  s->ready = true;
  return s;
}

static void copy(const cj_trial *t, real *to, const void *from) {
  memcpy(to, from, (size_t)t->n * sizeof(real));
}

/* --- starts ------------------------------------------------------------------------------------
 */

/* The nearest point of this phase's ball to from + length * d. */
static void move(const cj_trial *t, apgd *s, double length, const real *d, const void *from) {
  t->ball_norm->move(&s->ball, t->n, length, d, t->x, from, s->next, s->scratch);
}

/* s->d: a point of the cube or of the normal distribution, scaled to the length eps. */
static void draw(const cj_trial *t, apgd *s) {
  const cj_stream stream = cj_trial_stream(t, "attack.start");
  const uint64_t base = (uint64_t)s->run << 40;
  const bool cube = is(t, "linf");
  for (int64_t i = 0; i < t->n; i++) {
    const uint64_t at = base + (uint64_t)i;
    s->d[i] = (real)(cube ? 2 * cj_stream_uniform(&stream, at) - 1 : cj_stream_normal(&stream, at));
  }
  const double length = t->ball_norm->norm(t->n, s->d);
  if (!(length > 0)) return;
  for (int64_t i = 0; i < t->n; i++) s->d[i] = (real)((double)s->d[i] * (s->ball.eps / length));
}

static void random_point(const cj_trial *t, apgd *s) {
  const cj_start_key key = {t->a->seed, t->index, (uint64_t)s->run};
  if (is(t, "l1")) {
    t->ball_norm->start(&s->ball, &key, t->n, t->x, t->point, s->scratch);
    return;
  }
  draw(t, s);
  move(t, s, 1, s->d, t->x);
  copy(t, t->point, s->next);
}

static double count_changed(const cj_trial *t, const real *v) {
  const real *x = t->x;
  int64_t count = 0;
  for (int64_t i = 0; i < t->n; i++) count += v[i] != x[i];
  return (double)count;
}

/* Steps of a phase: 30, 30 and 40 % of all. */
static int64_t phase_steps(const apgd *s, int64_t all) {
  const int64_t third = 3 * all / 10;
  if (s->phases == 1) return all;
  return s->phase < 2 ? third : all - 2 * third;
}

/* The next phase with steps to make: from a random point, or from the best of the phase before. */
static cj_ask begin_phase(cj_trial *t, apgd *s) {
  const bool fresh = s->steps == 0, l1 = s->phases > 1;
  while ((s->steps = phase_steps(s, t->a->steps)) == 0) s->phase++;
  s->ball = t->ball;
  s->ball.eps *= (double)(s->phases - s->phase);
  if (fresh)
    random_point(t, s);
  else {
    move(t, s, 0, NULL, s->top);
    copy(t, t->point, s->next);
  }
  s->support = fresh ? (double)t->n : count_changed(t, t->point);
  s->share = fresh ? 0.2 : s->support / (1.5 * (double)t->n);
  s->eta = l1 ? s->ball.eps : 2 * s->ball.eps;
  s->length = s->due = max64(l1 ? 4 * t->a->steps / 100 : 22 * s->steps / 100, 1);
  s->halved = true; /* so that the first checkpoint does not ask for a better point */
  s->step = s->rises = s->pass = 0;
  s->sum = 0;
  copy(t, s->prev, t->point);
  return CJ_ASK_POINT;
}

static cj_ask begin_run(cj_trial *t, apgd *s) {
  s->goal = s->targets ? s->rivals[s->run / t->a->restarts] : t->target;
  s->phases = is(t, "l1") ? 3 : 1;
  s->phase = s->steps = 0;
  t->restart = s->run;
  t->step = 0;
  return begin_phase(t, s);
}

/* The clean input: the rivals are those of its highest logits. */
static cj_ask meet(cj_trial *t, apgd *s) {
  s->started = true;
  s->targets = min64((int64_t)t->a->numbers[TARGETS], t->classes - 1);
  s->runs = max64(s->targets, 1) * t->a->restarts;
  for (int64_t j = 0; j < s->targets; j++) {
    int64_t best = -1;
    for (int64_t k = 0; k < t->classes; k++) {
      bool taken = k == t->y;
      for (int64_t i = 0; i < j; i++) taken |= s->rivals[i] == k;
      if (!taken && (best < 0 || t->z[k] > t->z[best])) best = k;
    }
    s->rivals[j] = best;
  }
  return t->a->steps > 0 && t->ball.eps > 0 ? begin_run(t, s) : CJ_ASK_END;
}

/* --- steps -------------------------------------------------------------------------------------
 */

/* The k-th largest of the n values v, which are left in another order; 1 <= k <= n. */
static real select_largest(int64_t n, real *v, int64_t k) {
  int64_t low = 0, high = n - 1, place = k - 1;
  while (low < high) {
    const real pivot = v[low + (high - low) / 2];
    int64_t i = low, j = high;
    while (i <= j) {
      while (v[i] > pivot) i++;
      while (v[j] < pivot) j--;
      if (i > j) break;
      const real held = v[i];
      v[i++] = v[j];
      v[j--] = held;
    }
    if (place <= j)
      high = j;
    else if (place >= i)
      low = i;
    else
      break;
  }
  return v[place];
}

/* s->d: the signs of the largest slopes over their number. */
static void sparse_direction(const cj_trial *t, apgd *s) {
  const int64_t n = t->n, wanted = max64((int64_t)(s->share * (double)n), 1);
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) s->next[i] = (real)fabs((double)s->g[i]);
  const real least = select_largest(n, s->next, min64(wanted, n));
  for (int64_t i = 0; i < n; i++) {
    const bool moves = s->g[i] != 0 && (real)fabs((double)s->g[i]) >= least;
    s->d[i] = moves ? (real)(s->g[i] > 0 ? 1 : -1) : 0;
    count += moves;
  }
  for (int64_t i = 0; count > 0 && i < n; i++) s->d[i] = s->d[i] / (real)count;
}

/* s->d: the steepest direction of length 1 for s->g; zero when that is. */
static void aim(const cj_trial *t, apgd *s) {
  if (is(t, "l1"))
    sparse_direction(t, s);
  else
    s->direction->apply(t->n, s->g, NULL, s->d);
}

/* s->d = a (z - x_k) + (1 - a)(x_k - x_(k-1)), z in s->next. */
static void add_momentum(const cj_trial *t, apgd *s) {
  const real a = (real)0.75, *now = t->point;
  for (int64_t i = 0; i < t->n; i++)
    s->d[i] = a * (s->next[i] - now[i]) + (1 - a) * (now[i] - s->prev[i]);
}

static cj_ask make_step(cj_trial *t, apgd *s) {
  aim(t, s);
  move(t, s, s->eta, s->d, t->point);
  if (s->step > 0 && !is(t, "l1")) {
    add_momentum(t, s);
    move(t, s, 1, s->d, t->point);
  }
  copy(t, s->prev, t->point);
  copy(t, t->point, s->next);
  s->before = s->value;
  s->sum = 0;
  s->pass = 0;
  s->step++;
  t->step++;
  t->record->iters++;
  return s->step == s->steps ? CJ_ASK_LOGITS : CJ_ASK_POINT;
}

/* --- checkpoints -------------------------------------------------------------------------------
 */

/* Halves eta when too few steps rose, or when the best loss stands still since a checkpoint that
 * did not halve. */
static bool check_rises(const cj_trial *t, apgd *s) {
  const bool few = (double)s->rises <= t->a->numbers[RHO] * (double)s->length;
  const bool stuck = !s->halved && s->best_then >= s->best;
  s->halved = few || stuck;
  s->best_then = s->best;
  if (s->halved) s->eta /= 2;
  s->length = max64(s->length - max64(3 * s->steps / 100, 1), max64(6 * s->steps / 100, 1));
  return s->halved;
}

/* Lets a step move as many coordinates as the best point needs; when these became fewer the steps
 * are long again, else shorter. */
static bool check_support(const cj_trial *t, apgd *s) {
  const double now = count_changed(t, s->top), eps = s->ball.eps;
  const bool fewer = now < 0.95 * s->support;
  s->eta = fewer ? eps : fmax(s->eta / 1.5, eps / 10);
  s->share = now / (1.5 * (double)t->n);
  s->support = now;
  return fewer;
}

static void check(cj_trial *t, apgd *s) {
  if (--s->due > 0) return;
  if (is(t, "l1") ? check_support(t, s) : check_rises(t, s)) {
    copy(t, t->point, s->top);
    copy(t, s->g, s->top_g);
  }
  s->due = s->length;
  s->rises = 0;
}

/* --- the machine -------------------------------------------------------------------------------
 */

/* The loss that is climbed, with its slopes. */
static double climbed(cj_trial *t, const apgd *s) {
  t->value = cj_trial_loss(t);
  if (!s->targets) return t->value;
  return cj_loss_value(t->a->loss, t->classes, t->z, t->y, s->goal, t->slopes);
}

/* Takes the point as the best of its phase if its loss is the highest. */
static void rate(cj_trial *t, apgd *s) {
  if (s->step > 0) s->rises += s->value > s->before;
  if (s->step > 0 && s->value <= s->best) return;
  if (s->step == 0) s->best_then = s->value;
  s->best = s->value;
  copy(t, s->top, t->point);
  copy(t, s->top_g, s->g);
}

/* Offers the point as the result, when it lies in the ball. */
static void offer(cj_trial *t, apgd *s) {
  const bool hit = cj_trial_reached(t);
  if (s->phase < s->phases - 1) return;
  if (hit && t->extra) t->extra[1] = (double)(s->run + 1);
  cj_trial_keep_highest(t, hit ? (double)++s->hits : t->value);
}

static cj_ask finish_phase(cj_trial *t, apgd *s) {
  rate(t, s);
  if (++s->phase < s->phases) return begin_phase(t, s);
  return t->kept.hit || ++s->run == s->runs ? CJ_ASK_END : begin_run(t, s);
}

static cj_ask apgd_seen(cj_trial *t) {
  apgd *s = ready(t);
  if (!s->started) return meet(t, s);
  const int64_t passes = (int64_t)t->a->numbers[AVG];
  const bool whole = s->pass + 1 == passes, over = s->step == s->steps;
  s->sum += climbed(t, s);
  if (whole) {
    s->value = s->sum / (double)passes;
    offer(t, s);
    if (t->a->early && t->kept.hit) return CJ_ASK_END;
  }
  if (!over) return CJ_ASK_PULL;
  s->pass++;
  return whole ? finish_phase(t, s) : CJ_ASK_LOGITS;
}

/* Adds the gradient of one pass; true while more passes are to come. */
static bool add_pass(const cj_trial *t, apgd *s) {
  const real *g = t->g;
  if (s->pass == 0)
    copy(t, s->g, g);
  else
    for (int64_t i = 0; i < t->n; i++) s->g[i] += g[i];
  return ++s->pass < (int64_t)t->a->numbers[AVG];
}

static cj_ask apgd_pulled(cj_trial *t) {
  apgd *s = t->state;
  if (isinf(t->size)) { /* no direction to follow */
    t->nan = true;
    return CJ_ASK_END;
  }
  if (t->extra && s->run == 0 && t->step == 0) t->extra[0] = t->size == 0;
  if (add_pass(t, s)) return CJ_ASK_POINT;
  rate(t, s);
  if (s->step > 0) check(t, s);
  return make_step(t, s);
}

/* "apgd_loose": a misclassified point on the way proves nothing, because the first phases in the l1
 * ball lie outside it, or because the model is random. */
CJ_METHODS(apgd) = {{.name = "apgd",
                     .numbers = numbers,
                     .state = apgd_state,
                     .seen = apgd_seen,
                     .pulled = apgd_pulled,
                     .traced = true,
                     .inside = true},
                    {.name = "apgd_loose",
                     .numbers = numbers,
                     .state = apgd_state,
                     .seen = apgd_seen,
                     .pulled = apgd_pulled},
                    {0}};
