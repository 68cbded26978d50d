// Moments of the linears of a model in one HDF5 file, with what they were made of. Linears that get the same
// inputs share what is stored. Files of one model combine. One thread calls these functions; HDF5 is called
// by it alone.
#pragma once

#include "src/calib/moments.hpp"
#include "src/calib/token_weights.hpp"
#include "src/data/h5.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// What a source of a text gave.
struct TextSource {
  std::string name;            ///< as it was given
  double share = 1;            ///< of the rows that were wanted
  std::int64_t documents = 0;  ///< that were read
  std::int64_t rows = 0;
  std::int64_t tokens = 0;  ///< of these rows that count
  std::int64_t holdout_rows = 0;
};

/// What moments were made of.
struct MomentsFacts {
  std::string model;               ///< as it was given
  std::string fingerprint;         ///< of the model: ModelFiles::fingerprint
  std::vector<std::string> texts;  ///< SHA-256 of the rows of each run
  TokenWeight weight = TokenWeight::norm;
  std::int64_t length = 0;  ///< the longest sequences, in tokens
  std::int64_t sequences = 0;
  std::vector<TextSource> sources;  ///< of all runs
};

/// A file appears when `finish` ends, and not before. Sums are kept in fp64, of a whole matrix all but its
/// diagonal in fp32: its products have no more digits.
class MomentsWriter {
 public:
  MomentsWriter(std::filesystem::path path, MomentsFacts facts);
  ~MomentsWriter();
  MomentsWriter(const MomentsWriter&) = delete;
  MomentsWriter& operator=(const MomentsWriter&) = delete;

  /// The moments of these linears, which get the same inputs. `capped`: tokens whose weight was lowered;
  /// `uncapped_share`: what the largest token would hold otherwise.
  void add(const std::vector<std::string>& linears, const Moments& moments, std::int64_t capped = 0,
           double uncapped_share = 0);
  void finish();

 private:
  std::filesystem::path path_, temporary_;
  h5::File file_;
  std::string entries_;  // JSON, one after the other
  MomentsFacts facts_;
  std::int64_t count_ = 0;
};

class MomentsFile {
 public:
  /// What the file says of one input, without its sums.
  struct Entry {
    std::vector<std::string> linears;
    std::int64_t columns = 0, tokens = 0;
    double weight = 0, trace = 0, plain_trace = 0, plain_largest = 0, largest = 0;
    std::int64_t capped = 0;
    double uncapped_share = 0;
    bool full = false;
    std::string diagonal_sha256, full_sha256;  ///< of the values as they are stored
  };

  /// Checks everything but the sums. Data errors name the file, the part and the remedy.
  static MomentsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const MomentsFacts& facts() const { return facts_; }
  const std::vector<Entry>& entries() const { return entries_; }
  bool has(const std::string& linear) const;
  /// Data errors: no such linear, values that were damaged, are no numbers or below 0, no whole matrix where
  /// `full` asks for it.
  Moments read(const std::string& linear, bool full) const;
  Moments read(std::size_t entry, bool full) const;
  /// A data error unless they are of the model with this fingerprint.
  void require_model(const std::string& fingerprint, const std::string& model) const;

 private:
  h5::File file_;
  MomentsFacts facts_;
  std::vector<Entry> entries_;
};

/// The sums of all `files` in one. Usage errors: none, the same text twice, other models, token weights,
/// linears or parts.
void combine_moments(std::span<const std::filesystem::path> files, const std::filesystem::path& output);

}  // namespace anemll
