/* deepfool.c -- DeepFool [Moosavi-Dezfooli, Fawzi & Frossard 2016, algorithm 2].
 *
 *   x_{i+1} = clip(x + (1 + overshoot) * r),  r += the way onto the plane nearest to x_i
 *
 * until x_{i+1} is misclassified or `steps` steps were made. Rivals are those among the `classes`
 * highest logits of the clean input. Under the l1 norm one entry moves per step; an entry that
 * stands at its bound already cannot, and is passed over. */
#include "attacks/deepfool.h"

typedef struct deepfool {
  planes p;
  real *r, *scratch;
} deepfool;

enum { OVERSHOOT, CLASSES, STAB };

static size_t deepfool_state(const cj_attack *a, int64_t n, int64_t classes) {
  (void)a;
  return cj_aligned(sizeof(deepfool)) + planes_bytes(n, classes) + 2 * planes_vector_bytes(n);
}

static void meet(cj_trial *t, deepfool *s) {
  char *at = (char *)t->state + cj_aligned(sizeof *s);
  at = planes_lay_out(&s->p, t->n, t->classes, at);
  s->r = planes_vector(at, t->n, 0);
  s->scratch = planes_vector(at, t->n, 1);
  planes_list(t, &s->p, min64((int64_t)t->a->numbers[CLASSES], t->classes) - 1);
}

static cj_ask deepfool_seen(cj_trial *t) {
  deepfool *s = t->state;
  cj_trial_loss(t);
  if (!s->r) meet(t, s);
  if (cj_trial_reached(t)) {
    cj_trial_keep_nearest(t, cj_trial_distance(t, t->ball_norm, s->scratch));
    return CJ_ASK_END;
  }
  if (t->record->iters == t->a->steps) return CJ_ASK_END;
  return planes_begin(t, &s->p, t->ball_norm, 0, s->p.count);
}

/* The entries of the gradient that can move from the point, the others 0. */
static const real *movable(const cj_trial *t, real *out) {
  const real *g = t->g, *point = t->point;
  const real lo = (real)t->ball.lo, hi = (real)t->ball.hi;
  for (int64_t i = 0; i < t->n; i++) {
    const bool stuck = g[i] > 0 ? point[i] >= hi : point[i] <= lo;
    out[i] = stuck ? 0 : g[i];
  }
  return out;
}

static cj_ask deepfool_pulled(cj_trial *t) {
  deepfool *s = t->state;
  const bool single = t->ball_norm == t->l1;
  const cj_ask ask = planes_take(t, &s->p, single ? movable(t, s->scratch) : t->g);
  if (ask != CJ_ASK_POINT) return ask;
  deepfool_add(t, &s->p, t->a->numbers[STAB], s->r);
  point_along(t, t->x, s->r, 1 + t->a->numbers[OVERSHOOT]);
  return ++t->record->iters < t->a->steps ? CJ_ASK_POINT : CJ_ASK_LOGITS;
}

CJ_METHODS(deepfool) = {{.name = "deepfool",
                         .numbers = (const char *const[]){"overshoot", "classes", "stab", NULL},
                         .state = deepfool_state,
                         .seen = deepfool_seen,
                         .pulled = deepfool_pulled},
                        {0}};
