/* jsma.c -- saliency map attack: each turn moves a pair of elements by theta toward a class t.
 *
 * With a_i = dz_t/dx_i and b_i = sum over j != t of dz_j/dx_i, it is the pair p < q of largest
 * -(a_p + a_q)(b_p + b_q) whose move raises z_t and lowers the others (theta > 0: the first factor
 * positive, the second negative; theta < 0: the opposite). Ties: lowest p, then lowest q. Elements
 * at the bound they would move to are out, and so is, without `reuse`, what was moved before.
 * [Papernot et al., EuroS&P 2016, algorithm 3]
 *
 * Two pulls tell a and b whatever K is; of the softmax's Jacobian one does, as there b = -a.
 * Untargeted, all classes but the label are tried from the clean input on, each until the label is
 * lost or more elements would change than in the sparsest success so far; the likeliest first, as
 * its success is usually sparse. */
#include <math.h>
#include <string.h>

#include "attacks/loss.h"
#include "attacks/sums.h"
#include "attacks/trial.h"

enum { THETA, GAMMA, REUSE, SOFTMAX };
static const char *const jsma_numbers[] = {"theta", "gamma", "reuse", "softmax", NULL};

/* up, down and place list the candidates, elements that may move: the move's effect on z_t, minus
 * that on the other logits, and where they are. Between the two pulls `up` holds all elements. */
typedef struct jsma {
  int64_t target, turn, turns;
  bool begun, half; /* half: the gradient of z_t is there, that of the others is not */
  double *clean;    /* logits of the input */
  double *up, *down;
  int64_t *place;
  uint8_t *moved;
} jsma;

static size_t jsma_state(const cj_attack *a, int64_t n, int64_t classes) {
  (void)a;
  return sizeof(jsma) + (size_t)classes * sizeof(double) +
         (size_t)n * (2 * sizeof(double) + sizeof(int64_t) + 1);
}

static jsma *state_of(cj_trial *t) {
  jsma *s = t->state;
  s->clean = (double *)(s + 1);
  s->up = s->clean + t->classes;
  s->down = s->up + t->n;
  s->place = (int64_t *)(s->down + t->n);
  s->moved = (uint8_t *)(s->place + t->n);
  return s;
}

/* --- the best pair -----------------------------------------------------------------------------
 */

/* Of a pair whose sums are these; scores are never negative, -1 means that it may not be moved.
 * Without a branch, so that compilers use vectors; NaN, from infinite gradients, wins nothing. */
static inline double score(double up, double down) {
  const double product = up * down, least = up < down ? up : down;
  return least > 0 ? product : -1;
}

/* The best score of an element with the n candidates at us, ds. */
static double best_score(double up, double down, int64_t n, const double *us, const double *ds) {
  double top[CJ_PARTS], most = -1;
  int64_t i = 0;
  for (int p = 0; p < CJ_PARTS; p++) top[p] = -1;
  for (; i + CJ_PARTS <= n; i += CJ_PARTS)
    for (int p = 0; p < CJ_PARTS; p++) {
      const double v = score(up + us[i + p], down + ds[i + p]);
      top[p] = v > top[p] ? v : top[p];
    }
  for (; i < n; i++) top[0] = fmax(top[0], score(up + us[i], down + ds[i]));
  for (int p = 0; p < CJ_PARTS; p++) most = fmax(most, top[p]);
  return most;
}

static double largest(int64_t n, const double *v) {
  double most = -INFINITY;
  for (int64_t i = 0; i < n; i++) most = v[i] > most ? v[i] : most;
  return most;
}

/* Candidate i scores no more than this with any other: rounding keeps the order of sums and of
 * products. */
static double bound(const jsma *s, int64_t i, double up, double down) {
  return score(s->up[i] + up, s->down[i] + down);
}

/* A score that some pair reaches, or -1: the best one of the candidate of highest bound. */
static double reachable(const jsma *s, int64_t m, double up, double down) {
  int64_t lead = 0;
  for (int64_t i = 1; i < m; i++)
    if (bound(s, i, up, down) > bound(s, lead, up, down)) lead = i;
  const double u = s->up[lead], d = s->down[lead];
  return fmax(best_score(u, d, lead, s->up, s->down),
              best_score(u, d, m - lead - 1, s->up + lead + 1, s->down + lead + 1));
}

/* Leaves out candidates that cannot reach the score `least`; gives the number of those left. */
static int64_t thin_out(jsma *s, int64_t m, double up, double down, double least) {
  int64_t left = 0;
  for (int64_t i = 0; i < m; i++) {
    const double most = bound(s, i, up, down);
    if (most < 0 || most < least) continue;
    s->up[left] = s->up[i];
    s->down[left] = s->down[i];
    s->place[left++] = s->place[i];
  }
  return left;
}

/* Writes the places of the best pair of the m candidates; false if no pair may be moved. */
static bool best_pair(jsma *s, int64_t m, int64_t pair[2]) {
  if (m < 2) return false;
  const double up = largest(m, s->up), down = largest(m, s->down);
  double best = reachable(s, m, up, down);
  bool found = false;
  m = thin_out(s, m, up, down, best);
  for (int64_t p = 0; p + 1 < m; p++) {
    if (bound(s, p, up, down) < best) continue;
    const double *us = s->up + p + 1, *ds = s->down + p + 1;
    const double top = best_score(s->up[p], s->down[p], m - p - 1, us, ds);
    if (top < 0 || top < best || (found && top <= best)) continue;
    int64_t q = 0;
    while (score(s->up[p] + us[q], s->down[p] + ds[q]) != top) q++;
    best = top;
    found = true;
    pair[0] = s->place[p];
    pair[1] = s->place[p + 1 + q];
  }
  return found;
}

/* --- turns -------------------------------------------------------------------------------------
 */

static bool may_move(const cj_trial *t, const jsma *s, int64_t i) {
  const real v = ((const real *)t->point)[i];
  if (s->moved[i] && t->a->numbers[REUSE] == 0) return false;
  return t->a->numbers[THETA] > 0 ? v < (real)t->ball.hi : v > (real)t->ball.lo;
}

/* Lists the candidates: `up` holds dz_t/dx, g the sum of the others' gradients, or NULL for -up. */
static int64_t gather(const cj_trial *t, jsma *s, const real *g) {
  const double way = t->a->numbers[THETA] > 0 ? 1 : -1;
  int64_t m = 0;
  for (int64_t i = 0; i < t->n; i++) {
    if (!may_move(t, s, i)) continue;
    const double up = way * s->up[i];
    s->up[m] = up;
    s->down[m] = g ? -way * (double)g[i] : up;
    s->place[m++] = i;
  }
  return m;
}

static int64_t count_changed(const cj_trial *t) {
  const real *x = t->x, *v = t->point;
  int64_t count = 0;
  for (int64_t i = 0; i < t->n; i++) count += v[i] != x[i];
  return count;
}

static void move_element(const cj_trial *t, jsma *s, int64_t i) {
  real *v = t->point;
  v[i] = clamp_real(v[i] + (real)t->a->numbers[THETA], (real)t->ball.lo, (real)t->ball.hi);
  s->moved[i] = 1;
}

/* Asks for the gradient of z_t, or of the softmax's p_t. */
static cj_ask ask_first(cj_trial *t, jsma *s) {
  const double *z = t->z, most = z[cj_trial_pred(t)];
  double sum = 0;
  s->half = true;
  memset(t->slopes, 0, (size_t)t->classes * sizeof(double));
  t->slopes[s->target] = 1;
  if (t->a->numbers[SOFTMAX] == 0) return CJ_ASK_PULL;
  for (int64_t k = 0; k < t->classes; k++) sum += exp(z[k] - most);
  const double p = exp(z[s->target] - most) / sum;
  for (int64_t k = 0; k < t->classes; k++)
    t->slopes[k] = p * ((k == s->target ? 1 : 0) - exp(z[k] - most) / sum);
  return CJ_ASK_PULL;
}

static cj_ask ask_others(cj_trial *t, jsma *s) {
  s->half = false;
  for (int64_t k = 0; k < t->classes; k++) t->slopes[k] = k == s->target ? 0 : 1;
  return CJ_ASK_PULL;
}

/* The likeliest class, but the label, of those that come after class k (-1: of all); -1 if none. */
static int64_t rival_after(const cj_trial *t, const jsma *s, int64_t k) {
  int64_t next = -1;
  for (int64_t j = 0; j < t->classes; j++) {
    const bool later = k < 0 || s->clean[j] < s->clean[k] || (s->clean[j] == s->clean[k] && j > k);
    if (j != t->y && later && (next < 0 || s->clean[j] > s->clean[next])) next = j;
  }
  return next;
}

/* The next class, from the clean input; the end of a targeted attack. */
static cj_ask next_target(cj_trial *t, jsma *s) {
  if (t->target < 0) s->target = rival_after(t, s, s->target);
  if (t->target >= 0 || s->target < 0) return CJ_ASK_END;
  s->turn = 0;
  memset(s->moved, 0, (size_t)t->n);
  memcpy(t->point, t->x, (size_t)t->n * sizeof(real));
  return CJ_ASK_POINT;
}

/* As many elements may change as the radius says, and as the sparsest success did. */
static bool too_many(const cj_trial *t) {
  const double count = (double)count_changed(t);
  return count > t->ball.eps || (t->kept.hit && count > round(-t->kept.value));
}

static cj_ask turn(cj_trial *t, jsma *s, int64_t candidates) {
  int64_t pair[2];
  if (!best_pair(s, candidates, pair)) return next_target(t, s);
  for (int k = 0; k < 2; k++) move_element(t, s, pair[k]);
  if (too_many(t)) return next_target(t, s);
  s->turn++;
  t->record->iters++;
  return s->turn < s->turns ? CJ_ASK_POINT : CJ_ASK_LOGITS;
}

static void begin(cj_trial *t, jsma *s) {
  s->begun = true;
  memcpy(s->clean, t->z, (size_t)t->classes * sizeof(double));
  s->target = t->target >= 0 ? t->target : rival_after(t, s, -1);
  s->turns = (int64_t)floor(t->a->numbers[GAMMA] * (double)t->n / 2 + 1e-9);
}

/* The sparsest success is kept, among equals that of highest loss, which adds less than half an
 * element here; without success the highest loss. */
static double value_of(const cj_trial *t, bool hit, double loss) {
  return hit ? 0.4 * loss / (1 + fabs(loss)) - (double)count_changed(t) : loss;
}

static cj_ask jsma_seen(cj_trial *t) {
  jsma *s = state_of(t);
  const bool hit = cj_trial_reached(t);
  if (!s->begun) begin(t, s);
  cj_trial_keep_highest(t, value_of(t, hit, cj_trial_loss(t)));
  if (s->turns == 0 || s->target < 0) return CJ_ASK_END;
  if (hit || s->turn == s->turns) return next_target(t, s);
  return ask_first(t, s);
}

static cj_ask jsma_pulled(cj_trial *t) {
  jsma *s = state_of(t);
  const real *g = t->g;
  if (!s->half) return turn(t, s, gather(t, s, g));
  for (int64_t i = 0; i < t->n; i++) s->up[i] = (double)g[i];
  if (t->a->numbers[SOFTMAX] == 0) return ask_others(t, s);
  return turn(t, s, gather(t, s, NULL));
}

CJ_METHODS(jsma) = {
    {.name = "jsma",
     .numbers = jsma_numbers,
     .state = jsma_state,
     .seen = jsma_seen,
     .pulled = jsma_pulled,
     .inside = true},
    {0},
};
