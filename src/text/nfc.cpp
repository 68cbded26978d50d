// The library's tables are those of Unicode 9: a mark that came later keeps its place, and a pair that came
// later does not compose. utf8proc is newer, so those characters are boundaries here and never reach it.
#include "src/text/internal/nfc.hpp"

#include "src/text/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include <utf8proc.h>

namespace anemll::text {
namespace {

struct Range {
  char32_t first, last;
};

// Starters in use that neither change nor join what stands before them. Not all such: what is missing takes
// the slow path and comes out the same.
constexpr Range kStarters[] = {
    {0x0000, 0x02ff}, {0x0370, 0x0373}, {0x0375, 0x0377}, {0x0388, 0x038a},   {0x038e, 0x03ff},
    {0x0400, 0x0482}, {0x048a, 0x0523}, {0x0531, 0x0556}, {0x0561, 0x0587},   {0x05d0, 0x05ea},
    {0x0620, 0x064a}, {0x0660, 0x066f}, {0x0671, 0x06d3}, {0x0e01, 0x0e37},   {0x0e40, 0x0e47},
    {0x10a0, 0x10c5}, {0x10d0, 0x10fa}, {0x1e00, 0x1eff}, {0x2002, 0x20cf},   {0x2100, 0x2125},
    {0x2127, 0x2129}, {0x212c, 0x2328}, {0x232b, 0x23fe}, {0x2500, 0x2adb},   {0x3000, 0x3029},
    {0x3030, 0x303f}, {0x3041, 0x3096}, {0x309b, 0x309f}, {0x30a0, 0x30ff},   {0x3105, 0x312d},
    {0x31a0, 0x31ba}, {0x3400, 0x4db5}, {0x4e00, 0x9fd5}, {0xac00, 0xd7a3},   {0xfe10, 0xfe19},
    {0xfe30, 0xfe52}, {0xff01, 0xffbe}, {0xfffd, 0xfffd}, {0x1f300, 0x1f64f}, {0x20000, 0x2a6d6},
};

constexpr Range kInert[] = {
    {0x07fd, 0x07fd},   {0x0898, 0x089f},   {0x08ca, 0x08d3},   {0x09fe, 0x09fe},   {0x0c3c, 0x0c3c},
    {0x0d3b, 0x0d3c},   {0x0eba, 0x0eba},   {0x1715, 0x1715},   {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},
    {0xa82c, 0xa82c},   {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50},
    {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x1145e, 0x1145e}, {0x11839, 0x1183a},
    {0x11930, 0x11930}, {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943},
    {0x119e0, 0x119e0}, {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42},
    {0x11d44, 0x11d45}, {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f},
    {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
};

template <std::size_t kCount>
bool holds(const Range (&ranges)[kCount], char32_t value) {
  const auto* const after = std::upper_bound(std::begin(ranges), std::end(ranges), value,
                                             [](char32_t v, const Range& range) { return v < range.first; });
  return after != std::begin(ranges) && value <= std::prev(after)->last;
}

int combining_class(std::int32_t value) {
  return utf8proc_get_property(value)->combining_class;
}

// Decomposes, orders the marks and composes. utf8proc's own ordering is quadratic in a run of marks.
void append_normalised(std::string_view text, std::string& out) {
  constexpr auto kDecompose = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
  constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  std::vector<std::int32_t> codes;
  codes.reserve(text.size());
  for (const char* at = text.data(); at < text.data() + text.size();) {
    const CodePoint code = code_point_at(at);
    at += code.bytes;
    std::int32_t parts[32];
    int ignored = 0;
    const auto count = utf8proc_decompose_char(static_cast<std::int32_t>(code.value), parts, std::size(parts),
                                               kDecompose, &ignored);
    codes.insert(codes.end(), parts, parts + std::clamp<std::ptrdiff_t>(count, 0, std::size(parts)));
  }
  for (auto run = codes.begin(); run != codes.end();) {
    if (combining_class(*run) == 0) {
      ++run;
      continue;
    }
    const auto run_end =
        std::find_if(run, codes.end(), [](std::int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(run, run_end,
                     [](std::int32_t a, std::int32_t b) { return combining_class(a) < combining_class(b); });
    run = run_end;
  }
  const auto length =
      utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), kCompose);
  for (std::ptrdiff_t i = 0; i < length; ++i)
    append_code_point(out, static_cast<char32_t>(codes[static_cast<std::size_t>(i)]));
}

}  // namespace

NfcClass nfc_class(char32_t value) {
  if (value < 0x300) return NfcClass::starter;
  if (holds(kStarters, value)) return NfcClass::starter;
  return holds(kInert, value) ? NfcClass::inert : NfcClass::active;
}

std::string_view to_nfc(std::string_view text, std::string& buffer) {
  buffer.clear();
  const char* const end = text.data() + text.size();
  const char* copied = text.data();  // what stands before is in the buffer
  const char* chunk = text.data();   // a boundary: nothing before interacts with anything from here on
  bool active = false;
  const auto flush = [&](const char* at) {
    if (!active) return;
    buffer.append(copied, chunk);
    append_normalised({chunk, static_cast<std::size_t>(at - chunk)}, buffer);
    copied = at;
    active = false;
  };
  for (const char* at = text.data(); at < end;) {
    // Leads below 0xcc begin characters below U+0300.
    if (static_cast<unsigned char>(*at) < 0xcc) {
      flush(at);
      chunk = at;
      at += static_cast<unsigned char>(*at) < 0x80 ? 1 : 2;
      continue;
    }
    const CodePoint code = code_point_at(at);
    switch (nfc_class(code.value)) {
      case NfcClass::starter:
        flush(at);
        chunk = at;
        break;
      case NfcClass::inert:
        flush(at);
        chunk = at + code.bytes;
        break;
      case NfcClass::active:
        active = true;
        break;
    }
    at += code.bytes;
  }
  flush(end);
  if (copied == text.data()) return text;
  buffer.append(copied, end);
  return buffer;
}

}  // namespace anemll::text
