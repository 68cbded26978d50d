// A model hub on two loopback ports, one for the hub and one for where it keeps its large files, that does
// what it is told: a hook may change every answer before it is sent.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll::test {

struct FakeRequest {
  bool store = false;  ///< came in on the port of the large files
  std::string method;
  std::string path;
  std::string authorization;
  std::string range;
  std::string encoding;  ///< Accept-Encoding
};

struct FakeReply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<std::size_t> cut;  ///< the connection ends after so many bytes of the body
  bool hang = false;               ///< ... or stays open without another one
  bool silent = false;             ///< never answers
};

class FakeHub {
 public:
  using Hook = std::function<void(const FakeRequest& request, FakeReply& reply)>;

  static constexpr const char* kCommit = "c1899de289a04d12100db370d81485cdf75e47ca";

  FakeHub();
  ~FakeHub();
  FakeHub(const FakeHub&) = delete;
  FakeHub& operator=(const FakeHub&) = delete;

  std::string endpoint() const;
  std::string store() const;
  /// `repository`: org/name, or datasets/org/name. Large files are named by SHA-256 and lie in the store; the
  /// others by git's SHA-1, and are answered after a redirect within the hub.
  void add(const std::string& repository, const std::string& path, const std::string& content,
           bool large = false);
  /// The hook may run on several threads at once.
  void on_request(Hook hook);
  std::vector<FakeRequest> seen() const;
  /// How many requests of that method had `text` in their path.
  int count(const std::string& method, const std::string& text) const;
  static std::string etag(const std::string& content, bool large);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll::test
