/* fourier.c -- Fourier transforms of packets called from Lua. */
#include "packet/fourier.h"

#include <string.h>

#include "lua/binding.h"

/* packet_fourier(psi float64 [R, C], rows, columns) -> [rows, columns, 2]: real and imaginary part
 * of the transform of psi, extended with zeros to rows and columns (powers of two), with frequency
 * 0 at [rows / 2, columns / 2] counted from 0. */
static int l_fourier(lua_State *L) {
  char what[GOT_TEXT];
  const int64_t limit = INT64_C(1) << 26;
  const cj_tensor *psi = check_tensor(L, 1, "packet_fourier", "psi");
  check_look(L, psi);
  const int64_t rows = check_integer(L, 2, "packet_fourier", "rows", 1, limit);
  const int64_t columns = check_integer(L, 3, "packet_fourier", "columns", 1, limit / rows);
  if (psi->dtype != CJ_F64 || psi->ndim != 2 || psi->size[0] > rows || psi->size[1] > columns)
    raise_error(L, "packet_fourier: expected float64 [R, C] of at most those sizes, got %s",
                got(L, 1, what));
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, psi));
  const int64_t size[3] = {rows, columns, 2};
  double *z = push_new(L, CJ_F64, 3, size)->data;
  memset(z, 0, (size_t)(2 * rows * columns) * sizeof *z);
  const double *from = packed->data;
  for (int64_t r = 0; r < psi->size[0]; r++)
    for (int64_t c = 0; c < psi->size[1]; c++) /* signs move frequency 0 to the middle */
      z[2 * (r * columns + c)] = ((rows > 1 ? r : 0) + (columns > 1 ? c : 0)) % 2
                                     ? -from[r * psi->size[1] + c]
                                     : from[r * psi->size[1] + c];
  check_call(L, "packet_fourier", cj_fourier(rows, columns, z));
  return 1;
}

static const luaL_Reg functions[] = {{"packet_fourier", l_fourier}, {NULL, NULL}};

void open_fourier(lua_State *L) {
  set_functions(L, functions);
}
