// One JSON object to one record. Only the wanted fields are decoded; the rest is passed over, so a number
// that no machine type holds does not matter there. One thread per parser.
#pragma once

#include "src/datasets/internal/record.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace anemll::datasets {

class JsonRecordParser {
 public:
  explicit JsonRecordParser(const FieldList& wanted);
  ~JsonRecordParser();
  JsonRecordParser(const JsonRecordParser&) = delete;
  JsonRecordParser& operator=(const JsonRecordParser&) = delete;

  /// `text`: `size` bytes of one object with TextWindow::kPadding readable bytes behind. Escapes of lone
  /// surrogates in it become escapes of U+FFFD in place. A bad record names `where`.
  void parse(char* text, std::size_t size, const std::string& where, Record& record);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll::datasets
