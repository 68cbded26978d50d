// A unit file: a header line, the arrays in a fixed order as they lie in memory, 64 hexadecimal digits.
// Written without fsync on purpose: what a power cut damages fails its hash and is computed again.
#include "src/teacher/internal/unit_store.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kDigestChars = 64;

/// The teacher's columns in file order, with the bytes that `rows` rows take.
std::vector<ColumnArrays::Extent> extents_of(const CacheShape& shape, std::int64_t rows) {
  std::vector<ColumnArrays::Extent> extents;
  for (const DatasetSpec& spec : datasets_of(shape)) {
    if (spec.column->payload == Payload::tokens) continue;  // they are in the token file
    extents.push_back({spec.column->name, static_cast<std::size_t>(rows) * spec.row_bytes()});
  }
  return extents;
}

[[noreturn]] void throw_io(const char* what, const fs::path& path) {
  const std::string resume = "--resume goes on from the micro-batches that are there";
  throw_system(what, path, {errno, std::generic_category()}, resume, resume);
}

}  // namespace

UnitStore::UnitStore(fs::path folder, const Plan& plan)
    : folder_(std::move(folder)), plan_id_(plan.id()), shape_(plan.shape) {}

fs::path UnitStore::path_of(const Unit& unit) const {
  return folder_ / strf("rows_%012lld.unit", static_cast<long long>(unit.first));
}

std::string UnitStore::header_of(const Unit& unit) const {
  return strf("anemll_unit 1 %s %lld %lld\n", plan_id_.c_str(), static_cast<long long>(unit.first),
              static_cast<long long>(unit.rows));
}

std::size_t UnitStore::bytes_of(const Unit& unit) const {
  std::size_t bytes = header_of(unit).size() + kDigestChars;
  for (const ColumnArrays::Extent& extent : extents_of(shape_, unit.rows)) bytes += extent.bytes;
  return bytes;
}

void UnitStore::write(const Unit& unit, const TeacherPayload& payload) const {
  const fs::path path = path_of(unit);
  fs::path temporary = path;
  temporary += ".tmp." + std::to_string(::getpid());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(temporary.c_str(), "wb"),
                                                             &std::fclose);
  if (!file) throw_io("cannot create", temporary);
  Sha256 hash;
  const auto put = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size()) return;
    const int error = errno;
    std::error_code ignored;
    fs::remove(temporary, ignored);
    errno = error;
    throw_io("cannot write", temporary);
  };
  const std::string header = header_of(unit);
  put(std::as_bytes(std::span(header)));
  for (const ColumnArrays::Extent& extent : extents_of(shape_, unit.rows)) {
    const std::span<const std::byte> array = payload.bytes(extent.name);
    if (array.size() != extent.bytes)
      throw_data("a micro-batch has another size than planned", path.string(), "");
    put(array);
  }
  const std::string digest = hash.finish_hex();
  if (std::fwrite(digest.data(), 1, digest.size(), file.get()) != digest.size() ||
      std::fflush(file.get()) != 0) {
    const int error = errno;
    std::error_code ignored;
    fs::remove(temporary, ignored);
    errno = error;
    throw_io("cannot write", temporary);
  }
  std::error_code error;
  fs::rename(temporary, path, error);
  if (error) throw_system("cannot rename into place", path, error);
}

bool UnitStore::has(const Unit& unit) const {
  std::error_code error;
  return fs::file_size(path_of(unit), error) == bytes_of(unit) && !error;
}

std::optional<TeacherPayload> UnitStore::read(const Unit& unit) const {
  if (!has(unit)) return std::nullopt;
  const auto map = MappedFile::open(path_of(unit));
  const std::span<const std::byte> bytes = map->bytes();
  const std::string header = header_of(unit);
  if (bytes.size() != bytes_of(unit)) return std::nullopt;
  const std::span<const std::byte> content = bytes.first(bytes.size() - kDigestChars);
  const std::string stated(reinterpret_cast<const char*>(bytes.data()) + content.size(), kDigestChars);
  if (std::memcmp(content.data(), header.data(), header.size()) != 0 || sha256_hex(content) != stated) {
    return std::nullopt;
  }
  TeacherPayload payload;
  payload.rows = unit.rows;
  const std::vector<ColumnArrays::Extent> extents = extents_of(shape_, unit.rows);
  payload.reshape(extents);
  std::size_t at = header.size();
  for (const ColumnArrays::Extent& extent : extents) {
    std::ranges::copy(content.subspan(at, extent.bytes), payload.bytes(extent.name).begin());
    at += extent.bytes;
  }
  return payload;
}

void UnitStore::remove(const Unit& unit) const {
  std::error_code ignored;
  fs::remove(path_of(unit), ignored);
}

}  // namespace anemll
