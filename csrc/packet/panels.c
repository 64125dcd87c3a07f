/* panels.c -- adaptive composite Gauss-Legendre quadrature over a box of one or two axes.
 *
 * Every panel is looked at whole, by Lobatto's rule, and in halves, by Gauss-Legendre's. While the
 * sums over panels differ from the sums over their halves by more than the tolerance, the panels
 * that differ most give way to their halves. A jump in the slope costs two panels for every bit of
 * its place, a smooth loss next to nothing: 8 nodes are exact for polynomials up to degree 15.
 *
 * Where jumps are, two rules must not agree by accident. Gauss-Legendre's nodes keep away from the
 * ends of panels, so it takes no notice of a jump close to one; Lobatto's with 9 nodes has nodes at
 * the ends and in the middle, where the halves meet. */
#include "packet/panels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

typedef struct rule {
  int count;
  double node[9], weight[9];
} rule;

static const rule gauss = {8,
                           {-0.96028985649753623168, -0.79666647741362673959,
                            -0.52553240991632898582, -0.18343464249564980494,
                            0.18343464249564980494, 0.52553240991632898582, 0.79666647741362673959,
                            0.96028985649753623168},
                           {0.10122853629037625915, 0.22238103445337447054, 0.31370664587788728734,
                            0.36268378337836198297, 0.36268378337836198297, 0.31370664587788728734,
                            0.22238103445337447054, 0.10122853629037625915}};
static const rule lobatto = {
    9,
    {-1, -0.89975799541146015731, -0.67718627951073775345, -0.36311746382617815871, 0,
     0.36311746382617815871, 0.67718627951073775345, 0.89975799541146015731, 1},
    {1.0 / 36, 0.16549536156080552505, 0.27453871250016173528, 0.34642851097304634512,
     0.37151927437641723356, 0.34642851097304634512, 0.27453871250016173528, 0.16549536156080552505,
     1.0 / 36}};

static bool fixed(const cj_panels *p, int axis) {
  return p->low[axis] == p->high[axis];
}

/* Room for `wanted` elements of `bytes`; what was there stays. */
static cj_status grow(void **block, int64_t *room, int64_t wanted, size_t bytes, int64_t used) {
  if (wanted <= *room) return CJ_OK;
  const int64_t more = wanted > 2 * *room ? wanted : 2 * *room;
  void *larger = cj_alloc((size_t)more * bytes);
  if (!larger) return cj_fail(CJ_EMEM, "no memory for %lld points", (long long)more);
  if (used) memcpy(larger, *block, (size_t)used * bytes);
  cj_free(*block);
  *block = larger;
  *room = more;
  return CJ_OK;
}

static cj_status grow_families(cj_panels *p, int64_t wanted) {
  int64_t parents = p->family_room, halves = p->family_room * p->halves;
  CJ_TRY(grow((void **)&p->parent, &parents, wanted, sizeof *p->parent, p->families));
  /* The parents' room is known to the halves only when both have grown. */
  CJ_TRY(grow((void **)&p->half, &halves, parents * p->halves, sizeof *p->half,
              p->families * p->halves));
  p->family_room = parents;
  return CJ_OK;
}

/* --- looking -----------------------------------------------------------------------------------
 */

/* The nodes of a panel, at n; their weights without nu. */
static void place_nodes(const cj_panels *p, const rule *by, const cj_panel *panel,
                        cj_slice_node *n) {
  for (int64_t k = 0; k < panel->count; k++) {
    int64_t rest = k;
    n[k] = (cj_slice_node){.w = 1};
    for (int a = 0; a < p->slice->axes; a++) {
      n[k].x[a] = p->low[a];
      if (fixed(p, a)) continue;
      const double radius = 0.5 * (panel->high[a] - panel->low[a]);
      n[k].x[a] = 0.5 * (panel->low[a] + panel->high[a]) + radius * by->node[rest % by->count];
      n[k].w *= radius * by->weight[rest % by->count];
      rest /= by->count;
    }
  }
}

static void sum_nodes(const cj_panels *p, cj_panel *panel) {
  double *s = panel->sums;
  memset(s, 0, sizeof panel->sums);
  for (int64_t k = 0; k < panel->count; k++) {
    const cj_slice_node *n = &p->nodes[panel->first + k];
    const double wl = n->w * n->l, wl2 = wl * n->l;
    s[0] += n->w;
    s[1] += wl2;
    s[2] += wl2 * n->l * n->l;
    for (int a = 0; a < p->slice->axes; a++) {
      const double half = 0.5 * (p->high[a] - p->low[a]), d = slice_slope(n, a);
      const double u = half > 0 ? (n->x[a] - p->low[a]) / half - 1 : 0;
      double *of = s + 3 + 5 * a;
      of[0] += wl2 * u;
      of[1] += wl2 * u * u;
      of[2] += n->w * d * d;
      of[3] += wl * d;
      of[4] += wl * d * u;
    }
  }
}

/* Copies what was found at `count` points to their nodes. */
static cj_status take_batch(const cj_panels *p, const cj_slice_points *at, cj_slice_node *n) {
  const int axes = p->slice->axes;
  for (int64_t k = 0; k < at->count; k++) {
    bool finite = isfinite(at->l[k]) && isfinite(at->nu[k]);
    n[k].w *= at->nu[k];
    n[k].l = at->l[k];
    for (int a = 0; a < axes; a++) {
      n[k].slope[a] = at->slope[k * axes + a];
      n[k].score[a] = at->score[k * axes + a];
      finite = finite && isfinite(n[k].slope[a]) && isfinite(n[k].score[a]);
    }
    if (!finite || at->nu[k] < 0)
      return cj_fail(CJ_EARG, "the loss, its gradient or the density is not finite at %.17g%s",
                     n[k].x[0], axes == 2 ? " (first coordinate)" : "");
  }
  return CJ_OK;
}

static cj_status look_at(cj_panels *p, cj_slice_node *nodes, int64_t count, double *room) {
  const cj_slice *s = p->slice;
  const int axes = s->axes;
  for (int64_t from = 0, n; from < count; from += n) {
    n = count - from < s->batch ? count - from : s->batch;
    double *x = room, *l = x + n * axes, *slope = l + n, *nu = slope + n * axes, *score = nu + n;
    for (int64_t k = 0; k < n; k++) {
      memcpy(x + k * axes, nodes[from + k].x, (size_t)axes * sizeof *x);
      nu[k] = 1;
    }
    memset(score, 0, (size_t)(n * axes) * sizeof *score);
    const cj_slice_points at = {n, x, l, slope, nu, score};
    CJ_TRY(s->look(s->self, &at));
    CJ_TRY(take_batch(p, &at, nodes + from));
  }
  return CJ_OK;
}

/* Looks at count panels and sums them up. */
static cj_status look_panels(cj_panels *p, const rule *by, cj_panel *panels, int64_t count) {
  const int64_t first = p->count, each = by == &gauss ? p->per_half : p->per_whole;
  const int64_t more = count * each;
  CJ_TRY(grow((void **)&p->nodes, &p->room, first + more, sizeof *p->nodes, first));
  for (int64_t k = 0; k < count; k++) {
    panels[k].first = first + k * each;
    panels[k].count = each;
    place_nodes(p, by, &panels[k], p->nodes + panels[k].first);
  }
  const int64_t batch = more < p->slice->batch ? more : p->slice->batch;
  double *room = cj_alloc((size_t)(batch * (2 + 3 * p->slice->axes)) * sizeof *room);
  if (!room) return cj_fail(CJ_EMEM, "no memory for %lld points", (long long)batch);
  const cj_status status = look_at(p, p->nodes + first, more, room);
  cj_free(room);
  if (status != CJ_OK) return status;
  p->count += more;
  for (int64_t k = 0; k < count; k++) sum_nodes(p, &panels[k]);
  return CJ_OK;
}

/* Halves of families from..to-1, not yet looked at. */
static void halve(cj_panels *p, int64_t f) {
  for (int64_t h = 0; h < p->halves; h++) {
    int64_t rest = h;
    cj_panel half = p->parent[f];
    for (int a = 0; a < p->slice->axes; a++) {
      if (fixed(p, a)) continue;
      const double middle = 0.5 * (half.low[a] + half.high[a]);
      if (rest % 2)
        half.low[a] = middle;
      else
        half.high[a] = middle;
      rest /= 2;
    }
    p->half[f * p->halves + h] = half;
  }
}

/* --- refining ----------------------------------------------------------------------------------
 */

/* The halves of f become families: one in its place, the others at the end. */
static void split(cj_panels *p, int64_t f) {
  cj_panel half[1 << CJ_MOST_AXES];
  memcpy(half, p->half + f * p->halves, (size_t)p->halves * sizeof *half);
  p->parent[f] = half[0];
  for (int64_t h = 1; h < p->halves; h++) p->parent[p->families++] = half[h];
}

/* Looks at the families changed[n] and at their halves; fresh has room for these. */
static cj_status look_again(cj_panels *p, const int64_t *changed, int64_t n, cj_panel *fresh) {
  for (int64_t k = 0; k < n; k++) fresh[k] = p->parent[changed[k]];
  CJ_TRY(look_panels(p, &lobatto, fresh, n));
  for (int64_t k = 0; k < n; k++) {
    p->parent[changed[k]] = fresh[k];
    halve(p, changed[k]);
  }
  const size_t bytes = (size_t)p->halves * sizeof *fresh;
  for (int64_t k = 0; k < n; k++)
    memcpy(fresh + k * p->halves, p->half + changed[k] * p->halves, bytes);
  CJ_TRY(look_panels(p, &gauss, fresh, n * p->halves));
  for (int64_t k = 0; k < n; k++)
    memcpy(p->half + changed[k] * p->halves, fresh + k * p->halves, bytes);
  return CJ_OK;
}

static int falling(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

/* The limit, or a higher one when there are not points enough for all families above it. */
static cj_status afford(const cj_panels *p, const double *gap, double *limit) {
  const int64_t each = p->halves * (p->per_whole + p->halves * p->per_half);
  const int64_t count = p->count < p->slice->most ? (p->slice->most - p->count) / each : 0;
  if (count >= p->families) return CJ_OK;
  double *sorted = cj_alloc((size_t)p->families * sizeof *sorted);
  if (!sorted) return cj_fail(CJ_EMEM, "no memory for panels");
  memcpy(sorted, gap, (size_t)p->families * sizeof *sorted);
  qsort(sorted, (size_t)p->families, sizeof *sorted, falling);
  *limit = fmax(*limit, sorted[count]);
  cj_free(sorted);
  return CJ_OK;
}

/* Splits the families whose gap is above the limit. */
static cj_status refine(cj_panels *p, const double *gap, double limit) {
  const int64_t before = p->families;
  int64_t count = 0, n = 0;
  CJ_TRY(afford(p, gap, &limit));
  for (int64_t f = 0; f < before; f++) count += gap[f] > limit;
  if (count == 0) return CJ_OK;
  CJ_TRY(grow_families(p, before + count * (p->halves - 1)));
  int64_t *changed = cj_alloc((size_t)(count * p->halves) * sizeof *changed);
  cj_panel *fresh = cj_alloc((size_t)(count * p->halves * p->halves) * sizeof *fresh);
  cj_status status = CJ_OK;
  if (!fresh || !changed)
    status = cj_fail(CJ_EMEM, "no memory for panels");
  else {
    for (int64_t f = 0; f < before; f++) {
      if (!(gap[f] > limit)) continue;
      const int64_t first = p->families;
      split(p, f);
      changed[n++] = f;
      for (int64_t h = first; h < p->families; h++) changed[n++] = h;
    }
    status = look_again(p, changed, n, fresh);
  }
  cj_free(fresh);
  cj_free(changed);
  return status;
}

/* Families that matter this much less than the widest gap wait for a later round: when the points
 * run out, they were spent where they count. */
enum { WORTH = 16 };

/* One round: measures all gaps, and refines unless they are small enough. */
static cj_status round_of(cj_panels *p) {
  const double tolerance = fmax(p->slice->tolerance, p->slice->roundoff);
  double scale[CJ_SLICE_SUMS], widest = 0;
  double *gap = cj_alloc((size_t)p->families * sizeof *gap);
  if (!gap) return cj_fail(CJ_EMEM, "no memory for panels");
  cj_panels_scales(p, scale);
  for (int64_t f = 0; f < p->families; f++) {
    gap[f] = cj_panels_gap(p, f, scale);
    widest = fmax(widest, gap[f]);
  }
  p->converged = cj_panels_error(p, scale) <= tolerance;
  cj_status status = CJ_OK;
  if (!p->converged)
    status =
        refine(p, gap, fmax(tolerance / (double)(2 * CJ_SLICE_SUMS * p->families), widest / WORTH));
  cj_free(gap);
  return status;
}

/* --- making ------------------------------------------------------------------------------------
 */

/* A regular grid of families. */
static cj_status lay_out(cj_panels *p) {
  const int64_t n = p->slice->panels;
  int64_t families = 1;
  for (int a = 0; a < p->slice->axes; a++) families *= fixed(p, a) ? 1 : n;
  CJ_TRY(grow_families(p, families));
  p->families = families;
  for (int64_t f = 0; f < families; f++) {
    int64_t rest = f;
    for (int a = 0; a < p->slice->axes; a++) {
      const double width = (p->high[a] - p->low[a]) / (double)n;
      const int64_t at = fixed(p, a) ? 0 : rest % n;
      p->parent[f].low[a] = p->low[a] + (double)at * width;
      p->parent[f].high[a] = at == n - 1 ? p->high[a] : p->low[a] + (double)(at + 1) * width;
      if (!fixed(p, a)) rest /= n;
    }
    halve(p, f);
  }
  CJ_TRY(look_panels(p, &lobatto, p->parent, families));
  return look_panels(p, &gauss, p->half, families * p->halves);
}

cj_status cj_panels_make(cj_panels *p, const cj_slice *s, const double *low, const double *high,
                         double face) {
  *p = (cj_panels){.slice = s, .per_whole = 1, .per_half = 1, .halves = 1, .face = face};
  for (int a = 0; a < s->axes; a++) {
    p->low[a] = low[a];
    p->high[a] = high[a];
    if (fixed(p, a)) continue;
    p->per_whole *= lobatto.count;
    p->per_half *= gauss.count;
    p->halves *= 2;
  }
  CJ_TRY(lay_out(p));
  for (int64_t before = 0; !p->converged && before != p->count;) {
    before = p->count;
    CJ_TRY(round_of(p));
  }
  return CJ_OK;
}

void cj_panels_drop(cj_panels *p) {
  cj_free(p->parent);
  cj_free(p->half);
  cj_free(p->nodes);
  *p = (cj_panels){0};
}
