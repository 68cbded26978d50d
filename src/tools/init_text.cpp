#include "src/tools/init_text.hpp"

#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/calib/calibration_text.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace anemll {
namespace {

namespace fs = std::filesystem;

CalibrationTextOptions text_options(const InitSettings& s) {
  CalibrationTextOptions text;
  text.dataset = s.dataset;
  text.hub = hub_options(s, s.dataset.revision);
  text.length = s.max_length;
  text.seed = static_cast<std::uint64_t>(s.seed);
  return text;
}

/// Of a cache: its rows are as long as they are, and it may have none that are held out. Rank 0 imports .pt
/// shards; the other ranks are sent what it reads.
void look_at_cache(CalibrationTextOptions& text, StartRows& most, const InitSettings& s) {
  text.work_dir = fs::absolute(s.output).lexically_normal().parent_path();
  std::unique_ptr<Progress> bar;
  const fs::path path =
      ensure_hdf5_cache(*s.cache_dir, text.work_dir, [&](std::int64_t done, std::int64_t total) {
        if (!bar) bar = std::make_unique<Progress>("importing the KD cache", total, "sequences");
        bar->update(done);
      });
  if (bar) bar->finish();
  const KdCacheInfo info = KdCache::open(path).info();
  text.cache = path.string();
  text.length = info.length;
  most = {info.sequences, info.holdout_sequences};
}

}  // namespace

StartText read_start_text(const InitSettings& s, const OpenModel& opened, Communicator& comm) {
  CalibrationTextOptions options = text_options(s);
  std::optional<TextModel> words;
  on_root(comm, [&] {
    StartRows most{INT64_MAX, INT64_MAX};
    if (s.dataset.name) words = load_text_model(opened.path, TokenizerRules::as_written, opened.gguf.get());
    if (s.cache_dir) look_at_cache(options, most, s);
    const StartRows rows = start_rows(s.start.calibration_tokens, options.length, most.fitted, most.held);
    options.rows = rows.fitted;
    options.holdout_rows = rows.held;
  });
  const CalibrationText read =
      read_calibration_text(options, words ? &*words : nullptr, ids_of(opened), comm);
  log_info(strf("looks at %lld sequences of %lld tokens, holds out %lld",
                static_cast<long long>(read.rows.count()), static_cast<long long>(read.rows.ids.size(1)),
                static_cast<long long>(read.holdout.count())));
  return {read.rows.ids, read.rows.mask, read.holdout.ids, read.holdout.mask};
}

}  // namespace anemll
