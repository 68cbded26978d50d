#include "src/hub/internal/download.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/hub/internal/backoff.hpp"
#include "src/hub/internal/blob_hash.hpp"
#include "src/hub/internal/names.hpp"
#include "src/hub/internal/partial_file.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace anemll {
namespace fs = std::filesystem;
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// An answer to a Range that is not the range.
struct WrongRange {};

/// Whether "bytes 100-199/200" begins where we are and ends where the file does.
bool continues(const HttpReply& head, std::uint64_t offset, std::optional<std::uint64_t> size) {
  const std::string* range = head.header("content-range");
  if (range == nullptr || !range->starts_with("bytes " + std::to_string(offset) + "-")) return false;
  const std::size_t slash = range->find('/');
  const std::string total = slash == std::string::npos ? "*" : range->substr(slash + 1);
  return !size || total == "*" || total == std::to_string(*size);
}

/// Brings the partial file to its full size; its content is not checked.
class Receiver {
 public:
  Receiver(HubClient& client, const HubSettings& settings, const RemoteFile& file, PartialFile& partial,
           const BytesDone& progress)
      : client_(client), file_(file), partial_(partial), progress_(progress), backoff_(settings.retry) {
    sink_.begin = [this](const HttpReply& head) { begin(head); };
    sink_.write = [this](std::span<const std::byte> bytes) { write(bytes); };
  }

  void run() {
    std::uint64_t best = partial_.size();
    for (;;) {
      if (file_.size && partial_.size() == *file_.size) return;
      if (!ranges_ || !resumable()) partial_.restart();
      HttpReply reply = attempt();
      if (reply.ok()) {
        if (!file_.size || partial_.size() == *file_.size) return;
        reply.failure = HttpFailure::broken;
        reply.error = std::to_string(partial_.size()) + " of " + std::to_string(*file_.size) + " bytes came";
      }
      if (partial_.size() > best) {
        backoff_.progressed(partial_.size() - best);
        best = partial_.size();
      }
      if (!backoff_.again(reply, file_.path)) client_.fail(reply, file_.path);
    }
  }

 private:
  /// What was got under an etag that is a hash can be joined and checked afterwards.
  bool resumable() const { return etag_form(file_.etag) != EtagForm::unknown; }

  HttpReply attempt() {
    asked_ = partial_.size();
    HttpReply reply;
    try {
      reply = client_.get(file_, asked_, sink_);
      if (reply.failure != HttpFailure::none || reply.status != 416) return reply;
    } catch (const WrongRange&) {
    }
    ranges_ = false;
    reply.failure = HttpFailure::broken;
    reply.error = "the server gives another range than it was asked for";
    return reply;
  }

  void begin(const HttpReply& head) {
    if (asked_ == 0 && head.status != 206) return;
    if (head.status == 206) {
      if (!continues(head, asked_, file_.size)) throw WrongRange{};
      return;
    }
    log(LogLevel::debug, file_.path + ": the server ignores ranges; from the start again");
    partial_.restart();
  }

  void write(std::span<const std::byte> bytes) {
    if (file_.size && partial_.size() + bytes.size() > *file_.size) {
      partial_.restart();
      throw_data("the hub sends more than the " + std::to_string(*file_.size) + " bytes it announced",
                 file_.url,
                 "try again later; if it stays, the repository is broken: HF_ENDPOINT names another hub");
    }
    partial_.append(bytes);
    progress_(partial_.size());
  }

  HubClient& client_;
  const RemoteFile& file_;
  PartialFile& partial_;
  const BytesDone& progress_;
  Backoff backoff_;
  BodySink sink_;
  std::uint64_t asked_ = 0;
  bool ranges_ = true;
};

/// Whether the bytes are those of the etag.
bool is_right(const PartialFile& partial, const RemoteFile& file) {
  const EtagForm form = etag_form(file.etag);
  if (form == EtagForm::unknown) {
    log(LogLevel::debug,
        file.path + ": the etag " + blob_name(file.etag) + " is no hash; only the size was checked");
    return true;
  }
  return file_digest(partial.path(), form) == lower(file.etag);
}

}  // namespace

bool has_blob(const RepoCache& cache, const RemoteFile& file) {
  std::error_code code;
  const fs::path blob = cache.blob(blob_name(file.etag));
  if (!fs::is_regular_file(blob, code)) return false;
  const std::uintmax_t bytes = fs::file_size(blob, code);
  if (code) return false;
  if (!file.size || bytes == *file.size) return true;
  log_warning("the hub cache's " + blob.string() + " has " + std::to_string(bytes) + " bytes instead of " +
              std::to_string(*file.size) + "; downloading it again");
  return false;
}

void fetch_blob(HubClient& client, const RepoCache& cache, const HubSettings& settings,
                const RemoteFile& file, const BytesDone& progress) {
  const std::string name = blob_name(file.etag);
  const CacheLock lock(cache.lock_file(name), file.path, settings.retry);
  if (has_blob(cache, file)) return;
  const bool resumable = lock.held() && etag_form(file.etag) != EtagForm::unknown;
  PartialFile partial(cache.blob(name), resumable, file.size);
  if (resumable) partial.keep();
  for (int round = 0;; ++round) {
    Receiver(client, settings, file, partial, progress).run();
    if (is_right(partial, file)) break;
    partial.restart();
    if (round == 1) {
      throw_data(
          "the bytes of " + file.path + " are not those of its etag " + file.etag, file.url,
          "try again later; if it stays, the repository or something between is broken: HF_ENDPOINT names "
          "another hub");
    }
    log_warning(file.path + " arrived damaged; downloading it once more");
  }
  partial.commit();
}

}  // namespace anemll
