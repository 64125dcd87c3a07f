/* panels.h -- adaptive panels over a box: nodes with weights, refined until sums stand still. */
#ifndef CJ_PACKET_PANELS_H
#define CJ_PACKET_PANELS_H

#include "packet/quadrature.h"

/* A point with its weight, nu included. */
typedef struct cj_slice_node {
  double w, x[CJ_MOST_AXES], l, slope[CJ_MOST_AXES], score[CJ_MOST_AXES];
} cj_slice_node;

/* w, w l^2, w l^4, and for each axis with its coordinate u in [-1, 1]:
 * w l^2 (u, u^2), w D^2, w l D (1, u). */
enum { CJ_SLICE_SUMS = 3 + 5 * CJ_MOST_AXES };

/* Families are dealt out to groups by their number. The error of a sum is what the last bisections
 * changed it by, group by group, without signs: where hundreds of panels hold kinks, the signs of
 * their errors differ, and all of them without signs would be several times too much; one sum with
 * signs would sometimes be small by luck. Sixteen groups of independent errors add up to some three
 * standard deviations. */
enum { CJ_SLICE_GROUPS = 16 };

typedef struct cj_panel {
  double low[CJ_MOST_AXES], high[CJ_MOST_AXES], sums[CJ_SLICE_SUMS];
  int64_t first, count; /* of its nodes */
} cj_panel;

/* Family f is parent[f], and its halves (2 for each axis) half[f * halves ...]. */
typedef struct cj_panels {
  const cj_slice *slice;
  double low[CJ_MOST_AXES], high[CJ_MOST_AXES];
  int64_t per_whole, per_half, halves; /* nodes of a panel; halves of a parent */
  int64_t families, family_room;
  cj_panel *parent, *half;
  int64_t count, room;
  cj_slice_node *nodes;
  double face; /* 0, or the size that errors of w l^2 are held against */
  bool converged;
} cj_panels;

/* Panels over the box low..high. An axis with low = high is fixed: one node of weight 1. face: 0,
 * or for a face, where l^2 alone matters, a mean of w l^2 over such faces. Drop also after a
 * failure.
 */
cj_status cj_panels_make(cj_panels *p, const cj_slice *s, const double *low, const double *high,
                         double face);
void cj_panels_drop(cj_panels *p);

/* How large each sum is by nature: what its errors are held against; 0: they do not matter. */
void cj_panels_scales(const cj_panels *p, double scale[CJ_SLICE_SUMS]);
/* The largest difference between family f and its halves, relative to the scales. */
double cj_panels_gap(const cj_panels *p, int64_t f, const double *scale);
/* The error of the sum that is known worst, relative to its scale. */
double cj_panels_error(const cj_panels *p, const double *scale);

static inline double slice_slope(const cj_slice_node *n, int axis) {
  return n->slope[axis] + 0.5 * n->l * n->score[axis];
}

#endif
