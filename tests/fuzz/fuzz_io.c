/* fuzz_io.c -- libFuzzer targets: FORMAT names the parser that gets the bytes.
 *
 * Built and run by scripts/fuzz. A parser may refuse or accept; it must not crash, and must give
 * all memory back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/node.h"
#include "io/cifar.h"
#include "io/idx.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/png.h"
#include "io/safetensors.h"

#define idx 1
#define cifar 2
#define png 3
#define npy 4
#define npz 5
#define safetensors 6

/* Parsed tensors have no tape node: these stand in for the tape, which needs all operators. */
struct cj_node *cj_node_keep(struct cj_node *n) {
  return n;
}

void cj_node_drop(struct cj_node *n) {
  if (n) abort();
}

static void parse(cj_reader *r) {
#if FORMAT == safetensors || FORMAT == npz
  cj_archive a = {0};
#if FORMAT == npz
  (void)cj_npz_parse(&a, r);
#else
  (void)cj_safetensors_parse(&a, r);
#endif
  cj_archive_drop(&a);
#else
  cj_tensor t = {0};
#if FORMAT == cifar
  cj_tensor labels = {0};
  (void)cj_cifar_parse(&t, &labels, r);
  cj_tensor_drop(&labels);
#elif FORMAT == png
  (void)cj_png_parse(&t, r);
#elif FORMAT == npy
  (void)cj_npy_parse(&t, r);
#else
  (void)cj_idx_parse(&t, r, 0);
#endif
  cj_tensor_drop(&t);
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const size_t before = cj_memory_used();
  cj_reader r;
  if (cj_reader_open_memory(&r, "input", data, size, CJ_MAYBE_GZIP) == CJ_OK) {
    parse(&r);
    cj_reader_close(&r);
  }
  if (cj_memory_used() != before) abort();
  return 0;
}
