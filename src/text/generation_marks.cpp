// What lies between the marks is a scope of its own for transformers, which is all that they change. So they
// are taken out where no name that is set in it is read behind it. Other blocks than if, for and macro, and
// ends that fit no beginning, are left to nobody: such a template is not known.
#include "src/text/internal/generation_marks.hpp"

#include "src/text/internal/jinja_outline.hpp"

#include <algorithm>
#include <vector>

namespace anemll::text {
namespace {

constexpr std::string_view kDo = "do ";
constexpr std::string_view kSet = "do set ";
constexpr std::string_view kText = "text ";
constexpr std::string_view kBegin = "do generation\n";
constexpr std::string_view kEnd = "do endgeneration\n";

/// "if" of "do if(a or b)"; empty for other lines.
std::string_view keyword(std::string_view line) {
  if (!line.starts_with(kDo)) return {};
  line.remove_prefix(kDo.size());
  const auto end = std::find_if_not(line.begin(), line.end(), is_word);
  return line.substr(0, static_cast<std::size_t>(end - line.begin()));
}

/// Whether an expression reads `name`, which is no field and no string there.
bool reads(std::string_view code, std::string_view name) {
  for (std::size_t i = 0; i < code.size();) {
    if (code[i] == '"') {
      for (++i; i < code.size() && code[i] != '"'; ++i) i += code[i] == '\\' ? 1U : 0U;
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < code.size() && is_word(code[end])) ++end;
    const bool field = i > 0 && code[i - 1] == '.';
    if (end > i && !field && code.substr(i, end - i) == name) return true;
    i = std::max(end, i + 1);
  }
  return false;
}

/// A block that is open: each has a number, and so has each branch of an if.
struct Block {
  std::string_view kind;
  std::size_t number;
  std::size_t branch = 0;
};

/// A name whose value the end of a mark takes back, and the blocks around that end.
struct Lost {
  std::string_view name;
  std::vector<Block> around;

  /// Whether what stands in `open` can come behind it in one run: not in another branch, and no more once the
  /// loop or the macro around is left, which ends every name that is set in it.
  bool reaches(const std::vector<Block>& open) const {
    for (std::size_t i = 0; i < around.size(); ++i) {
      const bool left = i >= open.size() || open[i].number != around[i].number;
      if (left)
        return std::none_of(around.begin() + static_cast<std::ptrdiff_t>(i), around.end(),
                            [](const Block& b) { return b.kind == "for" || b.kind == "macro"; });
      if (open[i].branch != around[i].branch) return false;
    }
    return true;
  }
};

class Remover {
 public:
  std::optional<std::string> take(std::string_view outline) {
    while (!outline.empty()) {
      const std::string_view line = outline.substr(0, std::min(outline.find('\n'), outline.size() - 1) + 1);
      outline.remove_prefix(line.size());
      if (!step(line)) return std::nullopt;
    }
    if (!marks_ || !open_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool step(std::string_view line) {
    if (line.starts_with(kText)) {
      print(line);
      return true;
    }
    if (std::any_of(lost_.begin(), lost_.end(),
                    [&](const Lost& one) { return reads(line, one.name) && one.reaches(open_); }))
      return false;
    const std::string_view word = keyword(line);
    if (word == "generation") {
      if (line != kBegin) return false;
      marks_ = true;
    } else if (word == "endgeneration") {
      if (line != kEnd) return false;
    } else {
      if (line.starts_with(kSet) && !set(line.substr(kSet.size()))) return false;
      print(line);
    }
    return nest(word);
  }

  /// Texts that had a mark between them are one.
  void print(std::string_view line) {
    if (line.starts_with(kText) && text_) {
      out_.pop_back();
      line.remove_prefix(kText.size());
      out_ += line;
      return;
    }
    text_ = line.starts_with(kText);
    out_ += line;
  }

  bool nest(std::string_view word) {
    if (word == "if" || word == "for" || word == "macro" || word == "generation") {
      open_.push_back({word, ++blocks_});
    } else if (word == "elif" || word == "else") {
      if (open_.empty()) return false;
      ++open_.back().branch;
    } else if (word.starts_with("end")) {
      if (open_.empty() || open_.back().kind != word.substr(3)) return false;
      const bool mark = open_.back().kind == "generation";
      const std::size_t number = open_.back().number;
      open_.pop_back();
      if (mark) lose(number);
    }
    return true;
  }

  /// Fields of a namespace keep what is set.
  bool set(std::string_view target) {
    const bool marked = std::any_of(open_.begin(), open_.end(),
                                    [](const Block& block) { return block.kind == "generation"; });
    const std::string_view name = target.substr(0, target.find('='));
    if (!marked || name.find('.') != std::string_view::npos) return true;
    if (name.size() == target.size() || !std::all_of(name.begin(), name.end(), is_word)) return false;
    for (const Block& block : open_) {
      if (block.kind == "generation") set_.push_back({name, block.number});
    }
    return true;
  }

  void lose(std::size_t number) {
    for (const auto& [name, block] : set_) {
      if (block == number) lost_.push_back({name, open_});
    }
  }

  struct Set {
    std::string_view name;
    std::size_t block;
  };

  std::string out_;
  bool text_ = false;  ///< the last line is text
  bool marks_ = false;
  std::size_t blocks_ = 0;
  std::vector<Block> open_;
  std::vector<Set> set_;
  std::vector<Lost> lost_;
};

}  // namespace

std::optional<std::string> without_generation_marks(std::string_view outline) {
  if (outline.find(kBegin) == std::string_view::npos) return std::nullopt;
  return Remover().take(outline);
}

}  // namespace anemll::text
