#include "src/tracking/event_file.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/tracking/internal/wire.hpp"

#include <vector>

#include <boost/crc.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kNames = "events.out.tfevents.";

// Fields of the messages of TensorFlow's event.proto, summary.proto and tensor.proto.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace value {
constexpr int tag = 1, simple = 2, tensor = 8, metadata = 9;
}

std::uint32_t masked_crc(std::string_view bytes) {
  constexpr std::uint32_t kCastagnoli = 0x1EDC6F41, kAll = 0xFFFFFFFF, kMask = 0xA282EAD8;
  boost::crc_optimal<32, kCastagnoli, kAll, kAll, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  return (sum >> 15 | sum << 17) + kMask;
}

std::string record(const std::string& data) {
  const std::string length = little_endian(data.size(), 8);
  return length + little_endian(masked_crc(length), 4) + data + little_endian(masked_crc(data), 4);
}

/// By the start's second, so that files in the order of their names are in that of their starts.
fs::path name_of(const fs::path& folder, const LogOrigin& origin) {
  const std::string first = std::string(kNames) + strf("%010lld.", static_cast<long long>(origin.now())) +
                            origin.host + "." + std::to_string(origin.process) + ".";
  int n = 0;
  while (has_name(folder / (first + std::to_string(n)))) ++n;
  return folder / (first + std::to_string(n));
}

RecordFile new_file(const fs::path& folder, const LogOrigin& origin) {
  fs::create_directories(folder);
  return RecordFile(name_of(folder, origin));
}

}  // namespace

EventFile::EventFile(const fs::path& folder, const LogOrigin& origin, std::optional<std::int64_t> first_step)
    : origin_(origin), file_(new_file(folder, origin)) {
  constexpr int kStatus = 1, kStart = 1;
  add(0, event::file_version, "brain.Event:2");
  if (first_step) add(*first_step, event::session_log, WireMessage().integer(kStatus, kStart).bytes());
}

void EventFile::add(std::int64_t step, int field, std::string_view content) {
  WireMessage message;
  message.number(event::wall_time, origin_.now());
  if (step != 0) message.integer(event::step, step);
  file_.append(record(message.text(field, content).bytes()));
}

void EventFile::scalars(std::int64_t step, std::span<const Metric> metrics) {
  WireMessage summary;
  for (const Metric& metric : metrics) {
    WireMessage one;
    one.text(value::tag, metric.name).single(value::simple, static_cast<float>(metric.value));
    summary.message(1, one);
  }
  add(step, event::summary, summary.bytes());
}

void EventFile::text(std::int64_t step, const std::string& name, std::string_view markdown) {
  constexpr int kType = 1, kShape = 2, kStrings = 8, kString = 7;  // of a tensor
  WireMessage tensor;
  tensor.integer(kType, kString).message(kShape, WireMessage()).text(kStrings, markdown);
  const WireMessage metadata = WireMessage().message(1, WireMessage().text(1, "text"));
  WireMessage one;
  one.text(value::tag, name).message(value::tensor, tensor).message(value::metadata, metadata);
  add(step, event::summary, WireMessage().message(1, one).bytes());
}

std::string EventFile::position() const {
  return nlohmann::json{{"file", file_.path().filename().string()},
                        {"bytes", file_.bytes()},
                        {"mark", RecordFile::mark(file_.path(), file_.bytes())}}
      .dump();
}

void cut_events(const fs::path& folder, const std::string& position) {
  const auto at = nlohmann::json::parse(position, nullptr, false);
  if (!at.is_object()) return;
  const std::string name = at.value("file", "");
  const auto bytes = at.value("bytes", std::uint64_t{0});
  if (!name.starts_with(kNames) || name.find('/') != std::string::npos) return;
  const std::string mark = RecordFile::mark(folder / name, bytes);
  if (mark.empty() || mark != at.value("mark", "")) return;
  std::vector<fs::path> later;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string other = entry.path().filename().string();
    if (entry.is_regular_file() && other.starts_with(kNames) && other > name) later.push_back(entry.path());
  }
  for (const fs::path& file : later) fs::remove(file);
  const RecordFile cut(folder / name, bytes);
}

std::string markdown_of(const TextTable& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) {
      text += ' ';
      for (const char c : cell) {
        if (c == '|')
          text += "\\|";
        else if (c == '\n')
          text += "<br>";
        else
          text += c;
      }
      text += " |";
    }
    return text + "\n";
  };
  std::string text = line(table.columns) + "|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) text += "---|";
  text += "\n";
  for (const std::vector<std::string>& row : table.rows) text += line(row);
  return text;
}

}  // namespace anemll
