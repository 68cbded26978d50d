#include "src/train/internal/start_by_text.hpp"

#include "anemll/core/log.hpp"
#include "src/inspect/token_rows.hpp"
#include "src/start/start.hpp"
#include "src/train/internal/machine_choices.hpp"

#include <cstdint>
#include <utility>

namespace anemll {
namespace {

StartText text_of(const TrainOptions& options, Prefetcher& data) {
  const KdCacheInfo& cache = data.info();
  const std::int64_t tokens = options.start.calibration_tokens;
  const StartRows take = start_rows(tokens, cache.length, cache.sequences, cache.holdout_sequences);
  const TokenRows rows = token_rows(data.read_rows(0, take.fitted));
  StartText text{rows.ids, rows.mask, {}, {}};
  if (take.held > 0) {
    const TokenRows held = token_rows(data.read_holdout(0, take.held));
    text.holdout = held.ids;
    text.holdout_mask = held.mask;
  }
  log_info(strf("start %s: looks at %lld sequences of %lld tokens of the cache",
                choice_name(options.start.init).c_str(), static_cast<long long>(take.fitted),
                static_cast<long long>(cache.length)));
  if (take.fitted == cache.sequences && take.fitted * cache.length < tokens)
    log_warning(strf("the cache has %lld tokens, --calibration-tokens asks for %lld: all of it is looked at",
                     static_cast<long long>(take.fitted * cache.length), static_cast<long long>(tokens)));
  return text;
}

}  // namespace

bool starts_by_text(const TrainOptions& options) {
  return options.from_scratch && options.start.init != StartMethod::svd;
}

StartOfRun start_by_text(const TrainOptions& options, const ModelFiles& files, const SourcePlan& plan,
                         Prefetcher& data, at::Device device, Communicator& comm) {
  for (const std::string& warning : plan.quant.warnings) log_warning(warning);
  log_info(describe(plan));
  const StartText text = text_of(options, data);
  const InitOptions init{options.svd_floor, options.fast_init, choose_ste(options)};
  StartOptions start = start_options(options.start, init);
  std::unique_ptr<StartWork> work;
  on_root(comm, [&] {
    work = std::make_unique<StartWork>(options.output_dir, "--output-dir");
    work->open(start_identity(files, plan.quant.spec, text, start), EarlierStart::as_it_fits);
    start.blocks = work->blocks();
  });
  std::string folder = start.blocks.string();
  broadcast_string(comm, folder, 0);
  start.blocks = folder;
  MadeStart made = make_start(files, plan.quant.spec, text, start, device, comm);
  return {std::move(made.student), std::move(work)};
}

}  // namespace anemll
