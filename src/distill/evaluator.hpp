// Everything a run evaluates on: its first training rows, its hold-out rows, a plain text; and what the
// teacher says about them, out of the cache or from one pass of a teacher at hand. What nobody knows stays
// absent.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/prefetcher.hpp"
#include "anemll/model/model_files.hpp"
#include "src/distill/evaluation_result.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/model/decoder.hpp"
#include "src/score/text_score.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

class Evaluator {
 public:
  struct Sources {
    bool cache_hidden = false;          ///< rows: by the cache's hidden states, which are the student head's
    bool teacher_rows = false;          ///< rows: by `teacher` where the former do not apply
    std::string base_fingerprint;       ///< of the student's base model
    std::optional<ModelFiles> teacher;  ///< to run; its vocabulary may be padded otherwise
    std::optional<TextScorer> text;     ///< needs the teacher
  };
  struct Protocol {
    std::int64_t samples = 40;  ///< rows of each part, at most
    double temperature = 2;
    std::string cache;  ///< for messages
  };
  /// The model under evaluation. Without a decoder nothing can be run, but everything is checked.
  struct Subject {
    Decoder* decoder = nullptr;
    bool own_head = false;  ///< not its base model's
  };
  /// Reads the rows; runs nothing yet.
  Evaluator(Protocol protocol, Prefetcher& data, Subject student, Sources sources, Communicator& comm,
            at::Device device);
  ~Evaluator();

  /// The student must be set to evaluation. Collective; all ranks get the same. The first call runs the
  /// teacher.
  EvaluationResult run(bool with_text);
  /// Whether its results have `holdout_kl`.
  bool knows_holdout_kl() const;
  /// Identifies what the text scores are about; empty without a text.
  const std::string& text_digest() const { return text_digest_; }
  /// Whether a digest that a state recorded is about the same text and teacher.
  bool is_text(const std::string& recorded) const {
    return !recorded.empty() && (recorded == text_digest_ || recorded == first_text_digest_);
  }

 private:
  struct Rows {
    KdBatch batch;
    at::Tensor teacher_hidden;  // [rows, positions, H], undefined when nobody knows
  };
  /// Rows of the hold-out part that lie together and are of one data set.
  struct Held {
    std::string name;
    std::int64_t rows = 0;
  };
  void read_holdout(Prefetcher& data, PayloadSet payloads);
  void add_sources(EvaluationResult& result, const SampleScores& scores) const;
  void take_hidden(Rows& rows);
  static void check_ids(const KdBatch& rows, const Architecture& teacher);
  void run_teacher();
  at::Tensor teacher_head() const;

  Protocol protocol_;
  Subject student_;
  Sources sources_;
  Communicator& comm_;
  at::Device device_;
  Rows train_, holdout_;
  std::vector<Held> held_;  // of holdout_
  std::string text_digest_;
  std::string first_text_digest_;  // with the teacher's fingerprint by the rule of earlier versions
  at::Tensor own_head_;            // of a teacher that is not the student's base model
};

}  // namespace anemll
