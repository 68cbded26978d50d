#include "src/start/start.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/start/internal/block_by_block.hpp"
#include "src/start/internal/holdout.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace anemll {
namespace {

// Of the tokens that a start looks at: so many more are held out.
constexpr std::int64_t kHoldoutShare = 8;

void check(const QuantSpec& spec, const StartText& text, StartMethod method) {
  const std::string flag = std::string("--init ") += choice_name(method);
  for (const QuantSpec::Entry& entry : spec.entries()) {
    if (entry.quant.type != "v2")
      throw_usage(entry.linear + " is of type " + entry.quant.type + ", not V2", flag, "use --init svd");
    if (entry.quant.force_positive_scales)
      throw_usage("factors that are taken as absolute values have a start of their own",
                  "--positive-scales, " + flag,
                  "drop the first (no scale of this start is negative), or use --init svd");
  }
  if (!text.ids.defined() || text.ids.numel() == 0)
    throw_usage("needs a text to look at", flag, "give some text, or use --init svd");
}

/// Of the student that was made, told.
ScoredStart score(const Holdout& holdout, const std::string& name, Student& student, Communicator& comm) {
  ScoredStart scored{name, holdout.score(student, comm)};
  log_info(strf("start %s: KL %.4f to the teacher on %lld held-out positions, %.1f%% the same first choice",
                name.c_str(), scored.divergence.mean, static_cast<long long>(scored.divergence.positions),
                100 * scored.divergence.top1));
  return scored;
}

}  // namespace

StartRows start_rows(std::int64_t tokens, std::int64_t length, std::int64_t sequences,
                     std::int64_t holdout_sequences) {
  const auto rows = [length](std::int64_t of, std::int64_t most) {
    return std::min(std::max<std::int64_t>(of / length, 1), most);
  };
  return {rows(tokens, sequences), rows(tokens / kHoldoutShare, holdout_sequences)};
}

std::size_t best_start(std::span<const ScoredStart> starts) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < starts.size(); ++i) {
    const double mean = starts[i].divergence.mean, least = starts[best].divergence.mean;
    if (mean < least || (std::isnan(least) && !std::isnan(mean))) best = i;
  }
  return best;
}

MadeStart make_start(const ModelFiles& model, const QuantSpec& spec, const StartText& text,
                     const StartOptions& options, at::Device device, Communicator& comm) {
  const StartMethod method = options.solve.method;
  const InitOptions& init = options.solve.init;
  const LayerNumerics numerics{ForwardMode::materialised, init.ste};
  const auto plain = [&] {
    Student student = Student::from_scratch(model, spec, init, device, comm);
    student.set_numerics(numerics);
    return student;
  };
  const std::string svd = choice_name(StartMethod::svd), name = choice_name(method);
  if (method != StartMethod::svd) check(spec, text, method);
  const Holdout holdout(model, text.holdout, text.holdout_mask, device, comm);
  if (method == StartMethod::svd) {
    MadeStart made{plain(), svd, {}, {}};
    if (!holdout.empty()) made.compared.push_back(score(holdout, svd, made.student, comm));
    return made;
  }

  std::vector<BlockReport> blocks;
  const TensorMap tensors = BlockByBlock(model, spec, text, options, comm).run(blocks);
  MadeStart made{
      Student::from_tensors(model, spec, tensors, device, "the start"), name, {}, std::move(blocks)};
  made.student.set_numerics(numerics);
  if (holdout.empty()) {
    log_warning(strf("start %s: there is no held-out text to compare it with start svd on", name.c_str()));
    return made;
  }
  made.compared.push_back(score(holdout, name, made.student, comm));
  Student other = plain();
  made.compared.push_back(score(holdout, svd, other, comm));
  if (best_start(made.compared) != 0) {
    log_warning(strf("start %s is not better than start svd on held-out text, which is kept", name.c_str()));
    made.student = std::move(other);
    made.kept = svd;
  }
  return made;
}

}  // namespace anemll
