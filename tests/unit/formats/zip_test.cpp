// The archive layer: sizes beyond 4 GiB (in a sparse file), deflated entries, and every way in which a
// directory can lie.
#include "src/formats/internal/zip_format.hpp"
#include "tests/unit/formats/archives.hpp"

#include <string>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

using namespace anemll;
using namespace anemll::test;

namespace {

std::string raw_deflate(const std::string& text) {
  z_stream stream{};
  BOOST_TEST_REQUIRE(::deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  BOOST_TEST_REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

void patch(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>((value >> (8 * i)) & 0xff);
}

std::size_t central_of(const std::string& zip, const std::string& name) {
  const std::size_t at = zip.rfind(name);
  BOOST_TEST_REQUIRE(zip.compare(at - formats::kZipCentralBytes, 4, "PK\x01\x02") == 0);
  return at - formats::kZipCentralBytes;
}

// Offsets inside a central header.
constexpr std::size_t kFlags = 8, kMethod = 10, kCrc = 16, kStored = 20, kSize = 24, kDisk = 34, kLocal = 42;

std::string small_archive() {
  return torch_archive(TensorOp{}.v2(), {six_floats()});
}

void refused(const std::string& zip, const std::string& reason) {
  BOOST_TEST_CONTEXT(reason) {
    BOOST_CHECK_EXCEPTION(read_bytes(zip), Error, data_error_with(reason));
  }
}

void refused_with(std::size_t field, std::uint64_t value, std::size_t size, const std::string& reason) {
  std::string zip = small_archive();
  patch(zip, central_of(zip, "archive/data/0") + field, value, size);
  refused(zip, reason);
}

/// The archive with one entry deflated, `claimed` being its size in the directory.
std::string deflated_archive(const std::string& content, std::uint64_t claimed) {
  const std::string packed = raw_deflate(content);
  std::string zip = torch_archive(TensorOp{}.v2(), {packed});
  const std::size_t at = central_of(zip, "archive/data/0");
  patch(zip, at + kMethod, 8, 2);
  patch(zip, at + kSize, claimed, 4);
  patch(zip, at + kCrc, ::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()), 4);
  return zip;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Formats)

BOOST_AUTO_TEST_CASE(zip_deflated_entries) {
  const HostTensor tensor = std::get<HostTensor>(read_bytes(deflated_archive(six_floats(), 24)).value);
  BOOST_TEST(elements(tensor) == (std::vector<double>{0, 1, 2, 3, 4, 5}), boost::test_tools::per_element());
  refused(deflated_archive(six_floats() + "x", 24), "does not inflate");
  refused(deflated_archive(six_floats().substr(4), 24), "does not inflate");
  // A claim beyond the budget is refused before anything is allocated.
  refused(deflated_archive(six_floats(), 0xfffffff0), "compressed too far");
  std::string wrong = deflated_archive(six_floats(), 24);
  patch(wrong, central_of(wrong, "archive/data/0") + kCrc, 12345, 4);
  refused(wrong, "checksum");
}

BOOST_AUTO_TEST_CASE(zip_lies) {
  refused_with(kFlags, 1, 2, "encrypted");
  refused_with(kMethod, 12, 2, "compression method 12");
  refused_with(kStored, 23, 4, "two different sizes: 24 and 23");
  refused_with(kDisk, 1, 2, "several parts");
  refused_with(kLocal, 0x7fffffff, 4, "outside the file");
  refused_with(kLocal, 4, 4, "no local header");
  refused_with(kLocal, 0, 4, "another name");
  std::string large = small_archive();
  for (const std::size_t field : {kStored, kSize})
    patch(large, central_of(large, "archive/data/0") + field, 100'000, 4);
  refused(large, "outside the file");
  std::string overlapping = small_archive();
  for (const std::size_t field : {kStored, kSize}) {
    patch(overlapping, central_of(overlapping, "archive/data/0") + field, 130, 4);  // into the next payload
  }
  refused(overlapping, "overlap");
}

BOOST_AUTO_TEST_CASE(zip_end_record_lies) {
  const std::string zip = small_archive();
  const std::size_t end = zip.size() - formats::kZipEndBytes;
  const auto with = [&](std::size_t field, std::uint64_t value, std::size_t size) {
    std::string out = zip;
    patch(out, end + field, value, size);
    return out;
  };
  refused(with(4, 1, 2), "several parts");
  refused(with(8, 2, 2), "several parts");
  std::string fewer = with(8, 2, 2);
  patch(fewer, end + 10, 2, 2);
  refused(fewer, "longer than its entries");
  std::string more = with(8, 9999, 2);
  patch(more, end + 10, 9999, 2);
  refused(more, "too short");
  refused(with(16, 0xfffffff0, 4), "outside the file");
  refused(with(16, 0xffffffff, 4), "outside the file");
  refused(zip + "tail", "end of the zip directory is missing");
}

BOOST_AUTO_TEST_CASE(zip_duplicate_names) {
  refused(stored_zip({{"a/data.pkl", "\x80\x02N."}, {"a/data.pkl", "\x80\x02N."}}),
          "two entries 'a/data.pkl'");
}

BOOST_AUTO_TEST_CASE(zip_comment_is_allowed) {
  std::string zip = small_archive();
  patch(zip, zip.size() - 2, 5, 2);
  BOOST_TEST(std::get<HostTensor>(read_bytes(zip + "hello").value).numel() == 6);
}

BOOST_AUTO_TEST_CASE(zip_pickle_checksum) {
  std::string zip = small_archive();
  patch(zip, central_of(zip, "archive/data.pkl") + kCrc, 12345, 4);
  refused(zip, "checksum");
  patch(zip, central_of(zip, "archive/data.pkl") + kCrc, 0, 4);  // left out by the writer
  BOOST_TEST(std::get<HostTensor>(read_bytes(zip).value).numel() == 6);
}

BOOST_AUTO_TEST_CASE(zip_records_beside_the_pickle) {
  const std::string none = std::string("\x80\x02N.");
  refused(stored_zip({{"a/data.pkl", none}, {"a/byteorder", "big"}}), "little-endian");
  refused(stored_zip({{"a/data.pkl", none}, {"a/version", "11\n"}}), "unknown version");
  refused(stored_zip({{"a/data.pkl", none}, {"a/constants.pkl", none}}), "TorchScript");
  read_bytes(stored_zip({{"a/data.pkl", none}, {"a/.data/version", "10"}, {"b/other", "x"}}));
  refused(stored_zip({}), "empty");
}

BOOST_AUTO_TEST_CASE(zip_unaligned_payload_is_copied) {
  // The payload of a data descriptor archive may start anywhere; elements are aligned all the same.
  std::string zip = small_archive();
  const std::size_t local = zip.find("archive/data/0") - formats::kZipLocalBytes;
  const std::size_t payload = zip.find(six_floats());
  zip.erase(payload - 1, 1);  // one byte of padding less
  const std::size_t extra = zip.find("FB", local) + 2;
  patch(zip, local + 28, static_cast<unsigned char>(zip[local + 28]) - 1u, 2);
  patch(zip, extra, static_cast<unsigned char>(zip[extra]) - 1u, 2);
  const std::size_t version = central_of(zip, "archive/version");
  patch(zip, version + kLocal, zip.find("archive/version") - formats::kZipLocalBytes, 4);
  patch(zip, zip.size() - 6, zip.find("PK\x01\x02"), 4);
  const HostTensor tensor = std::get<HostTensor>(read_bytes(zip).value);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(tensor.data) % sizeof(float) == 0u);
  BOOST_TEST(elements(tensor) == (std::vector<double>{0, 1, 2, 3, 4, 5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(zip_payloads_are_aligned_and_zip64_appears_when_needed) {
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{0xfffffffe},
                                     std::uint64_t{0xffffffff}, std::uint64_t{1} << 40}) {
    for (const std::uint64_t bytes :
         {std::uint64_t{0}, std::uint64_t{0xfffffffe}, std::uint64_t{0xffffffff}}) {
      const formats::ZipStoredEntry entry{"archive/data/7", bytes, 1, offset};
      const std::string local = formats::zip_local_header(entry);
      BOOST_TEST((offset + local.size()) % formats::kZipPayloadAlignment == 0u);
      const std::size_t numbers = (bytes >= 0xffffffff ? 2u : 0u) + (offset >= 0xffffffff ? 1u : 0u);
      const std::size_t extra = numbers == 0 ? 0 : 4 + 8 * numbers;
      BOOST_TEST(formats::zip_central_header(entry).size() == formats::kZipCentralBytes + 14 + extra);
      BOOST_TEST((local.find(std::string("\x01\x00\x10\x00", 4)) != std::string::npos) ==
                 (bytes >= 0xffffffff));
    }
  }
  BOOST_TEST(formats::zip_end_records(65534, 1000, 1000).size() == formats::kZipEndBytes);
  const std::size_t with_zip64 =
      formats::kZipEndBytes + formats::kZip64EndBytes + formats::kZip64LocatorBytes;
  BOOST_TEST(formats::zip_end_records(65535, 1000, 1000).size() == with_zip64);
  BOOST_TEST(formats::zip_end_records(3, 0xffffffff, 1000).size() == with_zip64);
}

// Two storages of 5 GiB, almost all of it a hole: sizes and offsets need ZIP64, no block does.
BOOST_AUTO_TEST_CASE(zip_beyond_4_gib) {
  const std::uint64_t bytes = std::uint64_t{5} << 30;
  const TempDir folder;
  const auto path = folder / "large.pt";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  BOOST_TEST_REQUIRE(fd >= 0);
  const auto put = [&](const std::string& text, std::uint64_t at) {
    BOOST_TEST_REQUIRE(::pwrite(fd, text.data(), text.size(), static_cast<off_t>(at)) ==
                       static_cast<ssize_t>(text.size()));
  };
  std::string pickle = "\x80\x02(";
  for (const char* key : {"0", "1"}) {
    TensorOp op;
    op.storage = storage_op("DoubleStorage", key, static_cast<std::int32_t>(bytes / 8));
    op.offset = static_cast<std::int32_t>(bytes / 8 - 2);
    op.shape = {2};
    op.strides = {1};
    pickle += op.v2();
  }
  pickle += "t.";
  std::uint64_t at = 0;
  std::string directory;
  double value = 1.5;
  for (const auto& [name, size] : std::vector<std::pair<std::string, std::uint64_t>>{
           {"x/data/0", bytes}, {"x/data/1", bytes}, {"x/data.pkl", pickle.size()}}) {
    const formats::ZipStoredEntry entry{name, size, 0, at};
    const std::string header = formats::zip_local_header(entry);
    put(header, at);
    at += header.size() + size;
    if (size == bytes) put(std::string(reinterpret_cast<const char*>(&value), 8), at - 8);
    value += 1;
    directory += formats::zip_central_header(entry);
  }
  put(pickle, at - pickle.size());
  put(directory + formats::zip_end_records(3, at, directory.size()), at);
  ::close(fd);

  const TorchValue tuple = read_torch_file(path);
  const auto& tensors = *std::get<std::shared_ptr<TorchValue::List>>(tuple.value);
  BOOST_TEST(elements(std::get<HostTensor>(tensors[0].value)) == (std::vector<double>{0, 1.5}),
             boost::test_tools::per_element());
  BOOST_TEST(elements(std::get<HostTensor>(tensors[1].value)) == (std::vector<double>{0, 2.5}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
