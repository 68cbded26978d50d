// What became of the parts of an input: tensors of a model, files of a folder, fields and roles of records.
// Nothing that a user hands in is ignored in silence: each part is used, or compared with what is used, or
// told.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

enum class Fate {
  used,
  compared,  ///< held against what is used, or against what is done; told where it has a reason (differs)
  left_out,  ///< neither: told in one line, an error where the user asks for strictness
};

class Inventory {
 public:
  /// `kind`: what the part is, in the singular ("tensor"). `name`: its own. `why`: one short reason of a part
  /// left out ("the config has no attention_bias"), or what differs in a compared one. Counts add up.
  void add(Fate fate, std::string_view kind, std::string_view name, std::string_view why = {},
           std::int64_t count = 1);
  void add(const Inventory& other);

  /// How often the parts of this fate were met.
  std::int64_t count(Fate fate) const;
  /// One line per kind and reason of what was left out, with names and counts:
  /// "not used: 3 tensors (a.bias, b.bias, ...): the config has no attention_bias".
  std::vector<std::string> left_out_lines() const;
  /// The parts of a kind that have this fate: name -> how often.
  std::map<std::string, std::int64_t> names(Fate fate, std::string_view kind) const;
  /// {"used": {"tensor": {"a": 1}}, "compared": {...}, "left_out": {...}} as JSON, for provenance.
  std::string json() const;
  /// Logs left_out_lines() of the input `where` and what differs. With `strict` the former are a data error.
  void tell(const std::string& where, bool strict) const;

 private:
  struct Part {
    Fate fate;
    std::string kind, name, why;
    auto operator<=>(const Part&) const = default;
  };
  std::map<Part, std::int64_t> parts_;
};

}  // namespace anemll
