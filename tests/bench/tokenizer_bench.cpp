// Load time of a tokenizer and speed of encoding and decoding a text on one thread, whole and line by line.
//   tokenizer_bench MODEL TEXT_FILE [SECONDS]
// Prints one JSON object; ids_hash covers the ids of the lines, so that another program's can be held against
// it.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/hash.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

double seconds_of(const auto& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The best of as many runs as fit into `budget` seconds.
double best_of(double budget, const auto& action) {
  double best = seconds_of(action);
  for (double spent = best; spent < budget;) {
    const double once = seconds_of(action);
    spent += once;
    best = std::min(best, once);
  }
  return best;
}

int run(int argc, char** argv) {
  if (argc < 3) anemll::throw_usage("too few arguments", "", "tokenizer_bench MODEL TEXT_FILE [SECONDS]");
  const double budget = argc > 3 ? std::atof(argv[3]) : 2.0;
  const double load = best_of(budget / 2, [&] { anemll::load_text_model(argv[1]); });
  const anemll::TextModel model = anemll::load_text_model(argv[1]);
  const std::string text = anemll::read_text(argv[2]);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<std::int32_t> ids;
  const double by_line = best_of(budget, [&] {
    ids.clear();
    for (const std::string& line : lines) model.tokenizer.encode(line, ids);
  });
  const std::string hash = anemll::sha256_hex(std::as_bytes(std::span(ids)));
  const auto tokens = ids.size();
  const double whole = best_of(budget, [&] { ids = model.tokenizer.encode(text); });
  std::string back;
  const double decode = best_of(budget / 2, [&] { back = model.tokenizer.decode(ids); });
  const double mb = static_cast<double>(text.size()) / 1e6;
  std::printf(
      "{\"load_s\": %.4f, \"lines_mb_s\": %.2f, \"whole_mb_s\": %.2f, \"decode_mb_s\": %.1f, "
      "\"mb\": %.3f, \"tokens\": %zu, \"ids_hash\": \"%s\"}\n",
      load, mb / by_line, mb / whole, mb / decode, mb, tokens, hash.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return run(argc, argv); });
}
