/* oracle.c -- the questions attacks ask, on top of an oracle's two functions. */
#include "attacks/oracle.h"

#include <string.h>

#include "core/memory.h"

void cj_logits_drop(cj_logits *l) {
  cj_free(l->z);
  *l = (cj_logits){0};
}

static cj_status check_logits(const cj_tensor *z, int64_t rows, int64_t classes) {
  char text[CJ_SHAPE_TEXT];
  if (!cj_dtype_float(z->dtype))
    return cj_fail(CJ_EDTYPE, "expected float logits from the model, got %s",
                   cj_dtype_name(z->dtype));
  if (z->ndim != 2 || z->size[0] != rows || z->size[1] < 2)
    return cj_fail(CJ_ESHAPE, "expected logits [%lld, K] with K >= 2 from the model, got %s",
                   (long long)rows, cj_shape_text(text, z));
  if (classes > 0 && z->size[1] != classes)
    return cj_fail(CJ_ESHAPE, "expected logits of %lld classes as before, got %lld",
                   (long long)classes, (long long)z->size[1]);
  return CJ_OK;
}

static cj_status widen(const cj_tensor *z, cj_logits *out) {
  const int64_t n = cj_numel(z);
  double *wide = cj_alloc((size_t)n * sizeof(double));
  if (!wide) return cj_fail(CJ_EMEM, "no memory for %lld logits", (long long)n);
  for (int64_t i = 0; i < n; i++)
    wide[i] = z->dtype == CJ_F32 ? (double)((const float *)z->data)[i] : ((double *)z->data)[i];
  *out = (cj_logits){z->size[0], z->size[1], z->dtype, wide};
  return CJ_OK;
}

cj_status cj_oracle_logits(cj_oracle *o, const cj_tensor *x, bool pulls, int64_t classes,
                           cj_logits *out) {
  cj_tensor z = {0};
  const int64_t rows = x->size[0];
  cj_status status = o->logits(o->self, x, pulls, &z);
  if (status == CJ_OK) status = check_logits(&z, rows, classes);
  if (status == CJ_OK) status = widen(&z, out);
  if (status == CJ_OK) o->forwards += rows;
  cj_tensor_drop(&z);
  return status;
}

cj_status cj_oracle_pull(cj_oracle *o, const cj_logits *l, const double *slopes, bool keep,
                         cj_tensor *gx) {
  cj_tensor gz = {0};
  const int64_t size[2] = {l->rows, l->classes}, n = l->rows * l->classes;
  CJ_TRY(cj_tensor_new(&gz, l->dtype, 2, size));
  for (int64_t i = 0; i < n; i++) {
    if (l->dtype == CJ_F32)
      ((float *)gz.data)[i] = (float)slopes[i];
    else
      ((double *)gz.data)[i] = slopes[i];
  }
  const cj_status status = o->pull(o->self, &gz, keep, gx);
  if (status == CJ_OK) o->backwards += l->rows;
  cj_tensor_drop(&gz);
  return status;
}

cj_status cj_oracle_gradient(cj_oracle *o, cj_loss kind, const cj_tensor *x, const int64_t *y,
                             const int64_t *targets, double *loss, cj_tensor *gx) {
  cj_logits l = {0};
  CJ_TRY(cj_oracle_logits(o, x, true, 0, &l));
  double *slopes = cj_alloc((size_t)(l.rows * l.classes) * sizeof(double));
  cj_status status = slopes ? CJ_OK : cj_fail(CJ_EMEM, "no memory for slopes");
  for (int64_t b = 0; status == CJ_OK && b < l.rows; b++)
    loss[b] = cj_loss_value(kind, l.classes, l.z + b * l.classes, y[b], targets ? targets[b] : -1,
                            slopes + b * l.classes);
  if (status == CJ_OK) status = cj_oracle_pull(o, &l, slopes, false, gx);
  cj_free(slopes);
  cj_logits_drop(&l);
  return status;
}

cj_status cj_oracle_classes(cj_oracle *o, const cj_tensor *x, int64_t count, const int64_t *choice,
                            cj_tensor *gx) {
  cj_logits l = {0};
  CJ_TRY(cj_oracle_logits(o, x, true, 0, &l));
  double *slopes = cj_alloc((size_t)(l.rows * l.classes) * sizeof(double));
  cj_status status = slopes ? CJ_OK : cj_fail(CJ_EMEM, "no memory for slopes");
  for (int64_t j = 0; status == CJ_OK && j < count; j++) {
    memset(slopes, 0, (size_t)(l.rows * l.classes) * sizeof(double));
    for (int64_t b = 0; b < l.rows; b++) slopes[b * l.classes + choice[b * count + j]] = 1;
    status = cj_oracle_pull(o, &l, slopes, j + 1 < count, gx + j);
  }
  cj_free(slopes);
  cj_logits_drop(&l);
  return status;
}
