/* scan.c -- RFC 8259 strings and whole numbers. A decoded string is never longer than its source,
 * so it is written over it; the closing quote makes room for the final zero. */
#include "io/scan.h"

#include <string.h>

cj_status cj_scan_unexpected(const cj_scan *s, const char *expected) {
  if (s->at >= s->size)
    return cj_fail(CJ_EIO, "%s: header, byte %zu: expected %s, found the end", s->name, s->at + 1,
                   expected);
  return cj_fail(CJ_EIO, "%s: header, byte %zu: expected %s, found 0x%02x", s->name, s->at + 1,
                 expected, (unsigned char)s->text[s->at]);
}

static void skip_blanks(cj_scan *s) {
  while (s->at < s->size && s->text[s->at] != '\0' && strchr(" \t\r\n", s->text[s->at])) s->at++;
}

bool cj_scan_take(cj_scan *s, char c) {
  skip_blanks(s);
  if (s->at >= s->size || s->text[s->at] != c) return false;
  s->at++;
  return true;
}

cj_status cj_scan_need(cj_scan *s, char c) {
  const char expected[] = {'\'', c, '\'', '\0'};
  return cj_scan_take(s, c) ? CJ_OK : cj_scan_unexpected(s, expected);
}

cj_status cj_scan_next(cj_scan *s, char close, bool *more) {
  *more = cj_scan_take(s, ',');
  return *more ? CJ_OK : cj_scan_need(s, close);
}

cj_status cj_scan_whole(cj_scan *s, int64_t *out) {
  skip_blanks(s);
  const size_t start = s->at;
  *out = 0;
  for (; s->at < s->size && s->text[s->at] >= '0' && s->text[s->at] <= '9'; s->at++) {
    if (*out > (INT64_MAX - 9) / 10) return cj_scan_unexpected(s, "a number below 2^63");
    *out = *out * 10 + (s->text[s->at] - '0');
  }
  if (s->at == start) return cj_scan_unexpected(s, "a whole number");
  if (s->text[start] == '0' && s->at > start + 1)
    return cj_scan_unexpected(s, "a number without leading zeros");
  return CJ_OK;
}

cj_status cj_scan_end(cj_scan *s) {
  skip_blanks(s);
  return s->at == s->size ? CJ_OK : cj_scan_unexpected(s, "nothing but blanks");
}

/* --- strings --------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates), 0 when it is none. */
static size_t utf8_length(const unsigned char *p, size_t left) {
  if (p[0] < 0x80) return 1;
  const size_t n = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
                   : p[0] >= 0xE0 && p[0] <= 0xEF ? 3
                   : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                                  : 0;
  if (n == 0 || n > left) return 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  const bool bad = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
                   (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F);
  return bad ? 0 : n;
}

static cj_status hex4(cj_scan *s, uint32_t *out) {
  *out = 0;
  for (int i = 0; i < 4; i++, s->at++) {
    const char c = s->at < s->size ? s->text[s->at] : '\0';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return cj_scan_unexpected(s, "a hexadecimal digit");
    *out = *out << 4 | (uint32_t)digit;
  }
  return CJ_OK;
}

/* What follows \u: one unit, or two that make a pair. */
static cj_status code_point(cj_scan *s, uint32_t *out) {
  uint32_t low;
  CJ_TRY(hex4(s, out));
  if (*out < 0xD800 || *out > 0xDFFF) return CJ_OK;
  if (*out > 0xDBFF || s->size - s->at < 2 || memcmp(s->text + s->at, "\\u", 2) != 0)
    return cj_scan_unexpected(s, "a surrogate pair");
  s->at += 2;
  CJ_TRY(hex4(s, &low));
  if (low < 0xDC00 || low > 0xDFFF) return cj_scan_unexpected(s, "a surrogate pair");
  *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
  return CJ_OK;
}

static size_t put_utf8(char *to, uint32_t c) {
  if (c < 0x80) {
    to[0] = (char)c;
    return 1;
  }
  const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3F));
  to[0] = (char)((0xF00u >> n) | c); /* n ones, a zero, the rest */
  return n;
}

/* After a backslash. */
static cj_status escape(cj_scan *s, size_t *end) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char c = s->at < s->size ? s->text[s->at] : '\0';
  const char *found = c ? strchr(from, c) : NULL;
  if (found) {
    s->at++;
    s->text[(*end)++] = to[found - from];
    return CJ_OK;
  }
  if (c != 'u') return cj_scan_unexpected(s, "an escape");
  uint32_t point;
  s->at++;
  CJ_TRY(code_point(s, &point));
  *end += put_utf8(s->text + *end, point);
  return CJ_OK;
}

cj_status cj_scan_string(cj_scan *s, cj_string *out) {
  CJ_TRY(cj_scan_need(s, '"'));
  const size_t start = s->at;
  size_t end = start;
  while (s->at < s->size && s->text[s->at] != '"') {
    const unsigned char *p = (const unsigned char *)s->text + s->at;
    const size_t n = utf8_length(p, s->size - s->at);
    if (n == 0 || *p < 0x20) return cj_scan_unexpected(s, "UTF-8 without control characters");
    if (*p == '\\') {
      s->at++;
      CJ_TRY(escape(s, &end));
      continue;
    }
    memmove(s->text + end, p, n);
    end += n;
    s->at += n;
  }
  CJ_TRY(cj_scan_need(s, '"'));
  s->text[end] = '\0';
  *out = (cj_string){s->text + start, end - start};
  return CJ_OK;
}

cj_status cj_string_quote(cj_bytes *b, const cj_string *s, const char *what) {
  CJ_TRY(cj_bytes_text(b, "\""));
  for (size_t i = 0; i < s->size;) {
    const unsigned char *p = (const unsigned char *)s->text + i;
    const size_t n = utf8_length(p, s->size - i);
    if (n == 0)
      return cj_fail(CJ_EARG, "expected %s in UTF-8, got byte 0x%02x at position %zu", what, *p,
                     i + 1);
    if (*p == '"' || *p == '\\')
      CJ_TRY(cj_bytes_format(b, "\\%c", *p));
    else if (*p < 0x20)
      CJ_TRY(cj_bytes_format(b, "\\u%04x", *p));
    else
      CJ_TRY(cj_bytes_add(b, p, n));
    i += n;
  }
  return cj_bytes_text(b, "\"");
}
