// That every word of an option's table means its value, wherever the word passes.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/options.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll::test {

/// The options of one program.
template <class Options>
struct ProgramTable {
  OptionTable (*make)(Options&);
  std::vector<std::string> required;  ///< words without which nothing is parsed

  void parse(OptionTable& table, std::vector<std::string> words) const {
    words.insert(words.begin(), "program");
    words.insert(words.end(), required.begin(), required.end());
    std::vector<const char*> arguments;
    arguments.reserve(words.size());
    for (const std::string& word : words) arguments.push_back(word.c_str());
    BOOST_REQUIRE((table.parse(static_cast<int>(arguments.size()), arguments.data(), false) ==
                   OptionTable::Outcome::run));
  }
};

/// Each word of E's table: given on the command line it sets its value, which JSON, the printed config and
/// another rank give back. Returns the option's name.
/// `member`: of Options, or a function of them that gives a member of a member.
template <class Options, class Member>
std::string check_choice(const ProgramTable<Options>& program, const std::string& name, Member member) {
  using E = std::decay_t<std::invoke_result_t<Member, const Options&>>;
  std::vector<E> values;
  for (const Choice<E>& choice : choices_of(E{})) {
    BOOST_TEST_CONTEXT(name << " " << choice.name) {
      const std::string word(choice.name);
      Options options, taken, read;
      OptionTable table = program.make(options), other = program.make(taken), again = program.make(read);
      program.parse(table, {"--" + name, word});
      BOOST_TEST((std::invoke(member, options) == choice.value));
      BOOST_TEST(nlohmann::json::parse(table.json()).at(name) == word);
      other.adopt(table.shared_json());
      BOOST_TEST((std::invoke(member, taken) == choice.value));
      const TempDir folder;
      write_file(folder / "printed.ini", table.resolved());
      program.parse(again, {"--config-file", (folder / "printed.ini").string()});
      BOOST_TEST((std::invoke(member, read) == choice.value));
      BOOST_TEST((std::find(values.begin(), values.end(), choice.value) == values.end()),
                 "two words for one value");
      values.push_back(choice.value);
    }
  }
  return name;
}

/// The options of a program whose values are a choice, by its table for the docs.
inline std::set<std::string> choices_in(const OptionTable& table) {
  std::set<std::string> names;
  std::istringstream rows(table.markdown());
  for (std::string row; std::getline(rows, row);) {
    const std::size_t end = row.find(" NAME` |");
    if (row.starts_with("| `--") && end != std::string::npos) names.insert(row.substr(5, end - 5));
  }
  return names;
}

}  // namespace anemll::test
