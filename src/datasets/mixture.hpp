// Several data sets where a program takes one: "A:0.7,B:0.3". The one reading of such a text, and the one
// order in which sources take turns. Pure, but for a look whether a name is a path.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "anemll/datasets/dataset_flags.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct MixturePart {
  std::string name;                    ///< as Dataset::open or the hub takes it
  double share = 1;                    ///< of what is read; the sum over the parts is 1
  std::optional<RecordFormat> format;  ///< its own: "chat.json=sharegpt"
};

/// NAME[=FORMAT][:SHARE] with commas between the parts. Shares are given to all parts or to none, which means
/// equal ones; they are scaled to a sum of 1. A text that is a path as a whole is one part. Usage errors name
/// `flag`: an empty part, a share that is not above 0, shares of some parts alone, a name twice.
std::vector<MixturePart> parse_mixture(const std::string& text, const std::string& flag);

/// Of the text that --dataset_name names; none where it names none.
std::vector<MixturePart> mixture_of(const DatasetFlags& flags);

/// The part whose turn it is: the one that is furthest behind its share. `taken`: what each gave so far, in
/// any unit. The lower number where two are equal. `open`: parts that have something left; one at least.
std::size_t next_part(std::span<const MixturePart> parts, std::span<const double> taken,
                      const std::vector<bool>& open);

/// `total` in whole numbers by share, each at least 1 where `total` allows it.
std::vector<std::int64_t> share_out(std::span<const MixturePart> parts, std::int64_t total);

/// The documents of several data sets as one, each by its share of the bytes of text. When one has ended, the
/// others go on, and that is told. `sets`: as `parts`.
std::unique_ptr<Dataset> mix(const std::vector<MixturePart>& parts,
                             std::vector<std::unique_ptr<Dataset>> sets);

}  // namespace anemll
