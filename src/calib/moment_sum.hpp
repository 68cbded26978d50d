// The moments of many sequences, shared out over ranks: the same bits on any number of them, and no token
// above its share of a trace. Sequences are summed by a tree that depends on their numbers alone, and each
// rank computes whole branches of it. Collective where it says so; one thread per object.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/calib/moments.hpp"
#include "src/calib/token_weights.hpp"

#include <cstdint>
#include <vector>

namespace anemll {

/// The sequences [first, last) that a rank computes. Up to 16 ranks have some; of fewer than 16 sequences
/// each is a share of its own.
struct SequenceShare {
  std::int64_t first = 0, last = 0;
  std::int64_t count() const { return last - first; }
};
SequenceShare share_of(std::int64_t sequences, int rank, int ranks);

class MomentSum {
 public:
  /// Of inputs of `columns` values in `sequences` sequences, of which a token holds at most `cap` of the
  /// trace.
  MomentSum(std::int64_t columns, MomentParts parts, std::int64_t sequences, double cap = kTokenCap);

  /// The tokens of one sequence of this rank's share, in ascending order of the sequences; arguments as those
  /// of Moments::add.
  void add(std::int64_t sequence, const at::Tensor& x, const at::Tensor& weights = {},
           const at::Tensor& other = {});

  struct Result {
    Moments moments;
    std::int64_t capped = 0;    ///< tokens whose weight was lowered
    double uncapped_share = 0;  ///< of the trace, that the largest token would hold without the cap
  };
  /// The sums of all ranks, on every rank. Collective; ends the object.
  Result finish(Communicator& comm);

 private:
  /// A branch of the tree: units [index << level, (index + 1) << level).
  struct Branch {
    std::int64_t level = 0, index = 0;
    Moments sum;
  };
  /// A token that may be above its share, which only all sequences together tell.
  struct Aside {
    std::int64_t sequence = 0, token = 0;
    double trace = 0;  ///< w |x|^2
    float weight = 0;
    at::Tensor x, other;  ///< [n], [m]
  };

  void close_unit();
  void push(Branch branch);
  void exchange(Communicator& comm);
  std::vector<Aside> all_asides(Communicator& comm) const;

  std::int64_t columns_;
  MomentParts parts_;
  std::int64_t unit_;  // sequences of one, which are summed one after the other
  double cap_;
  std::int64_t open_ = -1;  // the unit that `current_` belongs to
  Moments current_;
  std::vector<Branch> branches_;
  std::vector<Aside> asides_;
};

}  // namespace anemll
