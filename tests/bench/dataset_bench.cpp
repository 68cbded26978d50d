// Speed of reading records on one thread: a table of the same made-up texts as CSV, TSV and JSON Lines.
//   dataset_bench [MEGABYTES] [FILE...]
// Prints one JSON object: megabytes of file per second of a core. Of every FILE, as Parquet, its field
// `text`: megabytes of text per second, since files are compressed.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/datasets/dataset.hpp"
#include "src/core/rng.hpp"
#include "src/core/tool.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>

namespace {

namespace fs = std::filesystem;

/// The file's records, each of some id, a text of a few hundred bytes and a note.
std::string made(double megabytes, const std::string& kind, std::size_t& bytes_of_text) {
  const anemll::CounterRng rng(1, 2);
  const bool lines = kind == "jsonl";
  const char separator = kind == "tsv" ? '\t' : ',';
  std::string out = lines ? "" : std::string("id") + separator + "text" + separator + "note\n";
  bytes_of_text = 0;
  std::string text;
  for (std::uint64_t row = 0; static_cast<double>(out.size()) < megabytes * 1e6; ++row) {
    text.clear();
    const std::uint64_t words = 20 + rng.below(2 * row, 80);
    for (std::uint64_t i = 0; i < words; ++i)
      text += i % 7 == 3 ? "comma, " : i % 11 == 5 ? "w\xc3\xb6rter " : "words ";
    text += "end";
    bytes_of_text += text.size();
    const std::string id = std::to_string(row);
    if (lines) {
      out += "{\"id\": " + id + ", \"text\": \"" + text + "\", \"note\": \"n\"}\n";
    } else {
      out.append(id)
          .append(1, separator)
          .append("\"")
          .append(text)
          .append("\"")
          .append(1, separator)
          .append("n\n");
    }
  }
  return out;
}

/// Megabytes per second, the best of three, and the bytes of text that were read.
double speed(const fs::path& file, std::size_t& bytes_of_text) {
  anemll::DatasetOptions options;
  options.shuffle = false;
  options.streaming = true;
  double best = 1e300;
  for (int run = 0; run < 3; ++run) {
    const std::clock_t start = std::clock();  // of this process: other programs do not count
    const auto dataset = anemll::Dataset::open(file, options);
    bytes_of_text = 0;
    while (const auto document = dataset->next()) bytes_of_text += document->text.size();
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return static_cast<double>(fs::file_size(file)) / 1e6 / best;
}

int run(int argc, char** argv) {
  const double megabytes = argc > 1 ? std::atof(argv[1]) : 64;
  const anemll::test::TempDir folder;
  std::printf("{\"megabytes\": %.0f", megabytes);
  for (const std::string kind : {"csv", "tsv", "jsonl"}) {
    std::size_t written = 0, read = 0;
    const fs::path file = folder / ("data." + kind);
    anemll::write_file(file, made(megabytes, kind, written));
    const double mb_per_s = speed(file, read);
    if (read != written)
      anemll::throw_data("other text was read than was written", file.string(), "mend the reader");
    std::printf(", \"%s_mb_per_s\": %.0f", kind.c_str(), mb_per_s);
  }
  for (int i = 2; i < argc; ++i) {
    const fs::path file = argv[i];
    std::size_t read = 0;
    const double mb_per_s = speed(file, read);
    const double share = static_cast<double>(read) / static_cast<double>(fs::file_size(file));
    std::printf(", \"%s_text_mb_per_s\": %.0f", file.filename().c_str(), mb_per_s * share);
  }
  std::printf("}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return run(argc, argv); });
}
