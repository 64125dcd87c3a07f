/* clever.c -- largest gradients near an input, of which CLEVER makes a local Lipschitz constant
 * [Weng et al. 2018, algorithm 1].
 *
 * A trial is one batch of one image. It looks at a->steps points, uniform in the ball and clamped
 * to the box, and pulls the gradient of g_j = z_y - z_j at each for all classes j != y, or for the
 * target alone: all classes share the points. extra[j] (a->extras = K) is the largest
 * ||grad g_j||_q, 1/p + 1/q = 1. Point number s is the start of restart s of an attack on this
 * sample, so it depends on (seed, sample number, s) alone. */
#include "attacks/trial.h"
#include "kernels/kernel.h"

typedef struct clever {
  int64_t points; /* drawn so far */
  int64_t rival;  /* class j whose gradient was asked for */
} clever;

static size_t clever_state(const cj_attack *a, int64_t n, int64_t classes) {
  (void)classes;
  return cj_aligned(sizeof(clever)) + (size_t)n * cj_projection_find(a->norm, CJ_REAL)->scratch;
}

static cj_ask draw(cj_trial *t, clever *s) {
  const cj_start_key key = {t->a->seed, t->index, (uint64_t)s->points};
  void *scratch = (char *)t->state + cj_aligned(sizeof(clever));
  if (s->points == t->a->steps) return CJ_ASK_END;
  t->ball_norm->start(&t->ball, &key, t->n, t->x, t->point, scratch);
  s->points++;
  t->record->iters++;
  return CJ_ASK_POINT;
}

/* Asks for the gradient of the first class from k onward that is wanted. */
static cj_ask rival_from(cj_trial *t, clever *s, int64_t k) {
  while (k < t->classes && (k == t->y || (t->target >= 0 && k != t->target))) k++;
  if (k >= t->classes) return draw(t, s);
  s->rival = k;
  cj_trial_slopes(t, k, t->y);
  return CJ_ASK_PULL;
}

static cj_ask clever_seen(cj_trial *t) {
  clever *s = t->state;
  return s->points ? rival_from(t, s, 0) : draw(t, s);
}

static const cj_projection *dual(const cj_trial *t) {
  if (t->ball_norm == t->l2) return t->l2;
  return t->ball_norm == t->linf ? t->l1 : t->linf;
}

static cj_ask clever_pulled(cj_trial *t) {
  clever *s = t->state;
  const double size = dual(t)->norm(t->n, t->g);
  if (size > t->extra[s->rival]) t->extra[s->rival] = size;
  return rival_from(t, s, s->rival + 1);
}

CJ_METHODS(clever) = {{.name = "clever",
                       .numbers = (const char *const[]){NULL},
                       .state = clever_state,
                       .seen = clever_seen,
                       .pulled = clever_pulled},
                      {0}};
