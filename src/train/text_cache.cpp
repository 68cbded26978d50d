#include "src/train/internal/text_cache.hpp"

#include "anemll/core/log.hpp"
#include "anemll/teacher/precompute.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/signals.hpp"

#include <filesystem>

namespace anemll {
namespace {

constexpr const char* kFolder = "kd_text";

}  // namespace

std::string make_text_cache(const TrainOptions& o, const std::filesystem::path& folder,
                            const RankPlace& place) {
  PrecomputeOptions text;
  text.teacher = o.model_id;  // whose tokenizer makes the ids
  text.teacher_revision = o.model_revision;
  text.threads = o.threads;
  text.device = DeviceChoice::cpu;
  text.dataset = o.dataset;
  text.cut_corpora = true;
  text.seed = o.seed;
  text.strict = o.strict;
  text.max_length = o.max_length;
  text.num_sequences = o.num_sequences;
  text.holdout = o.holdout;
  text.payloads = {Payload::tokens};
  text.topk = 0;
  text.batch_size = 64;
  text.output_dir = (folder / kFolder).string();
  text.overwrite = true;
  log_info("text: " + *o.dataset.name + " is made into rows of tokens, in " + text.output_dir);
  run_precompute(text, place.comm, place.comm.rank(), place.local_ranks);
  leave_together(place.comm, "reading the text", "nothing was made yet: run the same command again");
  return text.output_dir;
}

}  // namespace anemll
