// What files are by their bytes: every row of the table, text that only begins like one, and what is said.
#include "src/core/content_kind.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/refusals.hpp"
#include "tests/support/temp_dir.hpp"

#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

using std::string_literals::operator""s;

struct Case {
  std::string bytes;
  ContentKind kind;
};

std::vector<Case> cases() {
  const std::string words = "words of a text\n";
  std::string utf16, tar(512, 'x'), safetensors = "\x40\0\0\0\0\0\0\0{\"a\":"s;
  for (const char c : words + words) utf16 += {c, '\0'};
  tar.replace(257, 5, "ustar");
  return {{"", ContentKind::empty},
          {words, ContentKind::other},
          {"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n", ContentKind::lfs_pointer},
          {"/annex/objects/SHA256E-s3--aa\n", ContentKind::annex_pointer},
          {" \n<!DOCTYPE html><html>", ContentKind::web_page},
          {"\xef\xbb\xbf<HTML lang=en>", ContentKind::web_page},
          {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", ContentKind::xml},
          {"Entry not found", ContentKind::server_answer},
          {"Access to model org/name is restricted.", ContentKind::server_answer},
          {std::string(64, '\0'), ContentKind::zeros},
          {words + std::string(20, '\0'), ContentKind::zeros},
          {"\xff\xfe"s + utf16, ContentKind::utf16},
          {"\xfe\xff\0a\0b"s, ContentKind::utf16},
          {utf16, ContentKind::utf16},
          {"\xff\xfe\0\0a\0\0\0"s, ContentKind::utf32},
          {"\x1f\x8b\x08\0"s, ContentKind::gzip},
          {"\x28\xb5\x2f\xfd words", ContentKind::zstd},
          {"\x50\x2a\x4d\x18\x04\0\0\0"s, ContentKind::zstd},
          {"BZh9\x31\x41\x59\x26\x53\x59", ContentKind::bzip2},
          {"\xfd"
           "7zXZ\0\0"s,
           ContentKind::xz},
          {"\x04\x22\x4d\x18\x64", ContentKind::lz4},
          {"PK\3\4\x14\0"s, ContentKind::zip},
          {"PK\3\4" + std::string(26, '\1') + "[Content_Types].xml", ContentKind::office},
          {"PK\3\4" + std::string(26, '\1') + "mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
           ContentKind::office},
          {"7z\xbc\xaf\x27\x1c\0"s, ContentKind::seven_zip},
          {"Rar!\x1a\x07\0"s, ContentKind::rar},
          {tar, ContentKind::tar},
          {"\x80\x02\x8a\x0al\xfc"s, ContentKind::pickle},
          {"GGUF\3\0\0\0"s, ContentKind::gguf},
          {"tjgg\1\0\0\0"s, ContentKind::ggml},
          {safetensors, ContentKind::safetensors},
          {"\x89HDF\r\n\x1a\n\0"s, ContentKind::hdf5},
          {"PAR1\x15\4\x15"s, ContentKind::parquet},
          {"ARROW1\0\0"s, ContentKind::arrow_file},
          {"\xff\xff\xff\xff\x10\1\0\0"s, ContentKind::arrow_stream},
          {"SQLite format 3\0"s, ContentKind::sqlite},
          {"version https://git-lfs.github.com/spec/v1\r\nsize 3\r\n", ContentKind::lfs_pointer},
          {"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\n", ContentKind::pdf},
          {"%PDF-1.4 \r\n%\xe2\xe3\xcf\xd3\r\n", ContentKind::pdf},
          {"%PDF-1.7\n", ContentKind::pdf}};
}

ContentKind kind_of(const std::string& bytes) {
  const auto all = std::as_bytes(std::span(bytes));
  return content_kind(all, all);
}

BOOST_AUTO_TEST_SUITE(content_kinds)

BOOST_AUTO_TEST_CASE(every_kind_is_known_by_its_bytes_whatever_the_name) {
  test::TempDir dir;
  std::set<ContentKind> seen;
  for (const Case& one : cases()) {
    const auto file = dir.path() / "any.jsonl";
    std::ofstream(file, std::ios::binary) << one.bytes;
    BOOST_TEST((content_kind(file) == one.kind), content_name(content_kind(file)) << " for " << one.bytes);
    BOOST_TEST((kind_of(one.bytes) == one.kind), one.bytes);
    seen.insert(one.kind);
  }
  BOOST_TEST(seen.size() ==
             static_cast<std::size_t>(ContentKind::pdf) + 1);  // the last one: none is left out
}

BOOST_AUTO_TEST_CASE(text_that_begins_like_a_magic_is_text) {
  for (const char* text :
       {"GGUF is a format of models", "PAR1 and PAR2", "BZh9 is a word", "Not Found in Space, a film",
        "<htmlish> is no tag", "PK", "Forbidden love", "version https://git", "tjgg and more",
        "%PDF-1.4 is the first line of a document.\nIts objects follow.\n", "%PDF- and a version",
        "%PDF-1.4\n\nSuch a line begins a document.\n",
        "version https://git-lfs.github.com/spec/v1 is the first line of a pointer.\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n\nThis is a pointer.\n",
        "/annex/objects/ holds what git-annex keeps", "Access to model weights is a matter of trust."})
    BOOST_TEST((kind_of(text) == ContentKind::other), text);
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n";
  BOOST_TEST((kind_of(pointer + std::string(1024, '\n')) == ContentKind::other));
  // Few zeros may be a bad record, and numbers end in many.
  BOOST_TEST((kind_of("text\0\0"s) == ContentKind::other));
  BOOST_TEST((kind_of("\1\0\2\1"s + std::string(40, '\0')) == ContentKind::other));
}

BOOST_AUTO_TEST_CASE(an_error_says_what_it_is_and_what_to_do) {
  test::TempDir dir;
  const auto file = dir.path() / "model.gguf";
  for (const Case& one : cases()) {
    std::ofstream(file, std::ios::binary) << one.bytes;
    if (one.kind == ContentKind::other || one.kind == ContentKind::empty) {
      BOOST_TEST(read_input_text(file) == one.bytes);
      continue;
    }
    BOOST_TEST_CONTEXT(content_name(one.kind)) {
      BOOST_CHECK_EXCEPTION(read_input_text(file), Error, [&](const Error& error) {
        return error.code() == ExitCode::data && error.where() == file.string() && !error.hint().empty() &&
               error.problem().find(content_name(one.kind)) != std::string::npos &&
               error.hint().find("FILE") == std::string::npos &&
               std::regex_search(error.hint(), test::way_on());
      });
    }
    BOOST_CHECK_NO_THROW(require_content(file, content_kind(file), {one.kind}, "it"));
  }
  BOOST_TEST(content_advice(ContentKind::lfs_pointer, file).find("git lfs pull") != std::string::npos);
  BOOST_TEST(content_advice(ContentKind::utf16, file).find("iconv -f UTF-16 -t UTF-8 " + file.string()) !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_no_part_of_a_text) {
  test::TempDir dir;
  const auto file = dir.path() / "config.json";
  std::ofstream(file, std::ios::binary) << "\xef\xbb\xbf{}";
  BOOST_TEST(read_input_text(file) == "{}");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace anemll
